/* A machine of solvers/mode.h driven by a script of events: its commands as lines of text, and what
   each thread holds by them, as the runner would hold it. */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "solvers/mode.h"

enum { SCRIPT_THREADS_MAX = 512 };

typedef struct script_thread {
  text held; /* its context */
  size_t prompt_bytes, fed_at, step_at;
  mode_thread parent, twin;
  int runs, is_stopped;
} script_thread;

typedef struct script {
  const mode *mode;
  json_t *parameters;
  protocol *protocol;
  arena *memory;
  void *state;
  /* A line for each command: "spawn 0 root [prompt]", "spawn 2 child of 0 as 1 [prompt]",
     "refuse 3 child of 0 unknown", "refuse 3 child of 0 refused by rounds", "feed 0 [text]",
     "feed finisher 0 [text]", "feed 0 behind 40 [text]" with the bytes that were kept, "stop 2",
     "answer 1 [text] [key]", "done 0" (-1: nobody). Of workers: "block 0 prompt [text]",
     "block 1 [text]", "block 2 own", "spawn 0 worker sees 0,3,2 [what it is fed]",
     "commit 0 to 0", "stop and tell 1", "spawn 2 finisher asked behind 40 [text]". */
  text log;
  script_thread threads[SCRIPT_THREADS_MAX];
  uint32_t count;
  int64_t put_in; /* what events say of it; the test's to set */
  int is_done;
  status emits; /* what emit returns */
} script;

/* Resolves the parameters, opens the machine and tells it to start. The caller ends it. */
script *script_begin(const char *mode_name, const char *parameters, const char *question,
                     const char *target);
void script_end(script *s);
/* The same in steps, for a test in which they fail: script_begin's after the parameters. */
script *script_open(const char *mode_name, const char *parameters);
MUST_CHECK status script_start(script *s, const char *question, const char *target, detail *err);

/* A thread wrote this behind what it holds, and ended. Its stop string, where that was the end, is
   the last of the text that the protocol stops at. */
MUST_CHECK status script_try(script *s, mode_thread thread, mode_end how, const char *written,
                             detail *err);
void script_writes(script *s, mode_thread thread, mode_end how, const char *written);
void script_tell(script *s, const mode_event *e);

/* The commands since the last time are these. */
void script_says(script *s, const char *wanted);

#endif
