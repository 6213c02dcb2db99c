/* What the threads of a spawn_join sample say in its tests: the problem of 7 from 1, 2 and 4, whose
   root shows the nodes 0,0 (which leads to the target) and 0,1. */
#ifndef TESTS_SPAWN_WORDS_H
#define TESTS_SPAWN_WORDS_H

#include "tests/solvers/script.h"

#define TARGET    "{\"nums\":[1,2,4],\"target\":7}"
#define APR(more) "{\"protocol\":\"countdown-apr\"" more "}"
#define GREEDY    ",\"sampling\":{\"temperature\":0}"
#define FINISHER  ",\"finisher\":{\"tokens\":40}"
#define FIRST     ",\"early_stop\":\"first\""

#define ROOT   "Moving to Node #0\nCurrent State: 7:[1, 2, 4], Operations: []"
#define NODE0  "Moving to Node #0,0\nCurrent State: 7:[4, 3], Operations: ['1+2=3']"
#define NODE1  "Moving to Node #0,1\nCurrent State: 7:[2, 3], Operations: ['4-1=3']"
#define NODE00 "Moving to Node #0,0,0\nCurrent State: 7:[12], Operations: ['1+2=3', '4*3=12']"
#define STEPS                                                                                      \
  "Exploring Operation: 1+2=3, Resulting Numbers: [4, 3]\n"                                        \
  "Generated Node #0,0: 7:[4, 3] Operation: 1+2=3\n"                                               \
  "Exploring Operation: 4-1=3, Resulting Numbers: [2, 3]\n"                                        \
  "Generated Node #0,1: 7:[2, 3] Operation: 4-1=3\n"
#define LINE(ordinal, id) "<Start Sub Search " ordinal " at level 1> Moving to Node #" id "\n"
#define CALLING           "<Calling Sub Searches>\n"
#define CALL(lines)       CALLING lines "<End Calling Sub Searches>"
#define BOTH              CALL(LINE("0", "0,0") LINE("1", "0,1"))

#define GOAL    "7,7 equal: Goal Reached"
#define STEP0   "Exploring Operation: 4+3=7, Resulting Numbers: [7]\n"
#define FOUND0  NODE0 "\n" STEP0 GOAL /* what a child that starts at 0,0 returns */
#define SOLVES0 "\n" STEP0 GOAL "\n" FOUND0 "\n"
#define FAILS   "\nExploring Operation: 2+3=5, Resulting Numbers: [5]\nNo solution found.\n"

#define JOIN(lines)       "<Sub Searches>\n" lines "<End Sub Searches>\n"
#define NONE(ordinal, id) "<No Solution in Sub Search " ordinal " at level 1 at Node #" id ">\n"
#define SOME(ordinal, id) "<Goal Reached in Sub Search " ordinal " at level 1 at Node #" id ">\n"
#define RESTATED                                                                                   \
  ROOT "\nExploring Operation: 1+2=3, Resulting Numbers: [4, 3]\n"                                 \
       "Generated Node #0,0: 7:[4, 3] Operation: 1+2=3\n" FOUND0
#define ANSWER0 "answer 0 [" RESTATED "] [((1+2)+4)]\ndone 0\n"

static inline script *begin(const char *parameters) {
  script *s = script_begin("spawn_join", parameters, "", TARGET);
  text_clear(&s->log);
  return s;
}

/* The root has called; what was commanded for it is not looked at. */
static inline script *called(const char *parameters, const char *written) {
  script *s = begin(parameters);
  script_writes(s, 0, MODE_END_TOKEN, written);
  text_clear(&s->log);
  return s;
}

/* wanted with its number, the bytes that a thread keeps. */
static inline void says_behind(script *s, const char *before, size_t keep, const char *after) {
  text wanted;
  text_open(&wanted, 1 << 16);
  text_format(&wanted, "%sbehind %zu %s", before, keep, after);
  script_says(s, text_string(&wanted));
  text_close(&wanted);
}

enum { KEPT = sizeof(ROOT "\n" STEPS) - 1 }; /* bytes of a root that called behind STEPS */

#endif
