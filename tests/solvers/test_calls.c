/* Calls, what children return and what is joined, by countdown-apr; and texts that mean harm. */
#include "base/memory.h"
#include "solvers/protocol.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;
static protocol *apr;
static arena *memory;

#define ROOT "Moving to Node #0\nCurrent State: 27:[22, 26, 31, 53], Operations: []\n"
#define NODE0                                                                                      \
  "Exploring Operation: 53-22=31, Resulting Numbers: [26, 31, 31]\n"                               \
  "Generated Node #0,0: 27:[26, 31, 31] Operation: 53-22=31\n"
#define NODE01            "Generated Node #0,0,1: 27:[26, 1] Operation: 31/31=1\n"
#define LINE(ordinal, id) "<Start Sub Search " ordinal " at level 1> Moving to Node #" id "\n"
#define END               "<End Calling Sub Searches>"
#define CALL(lines)       "<Calling Sub Searches>\n" lines END

static void setup(void) {
  static const char parameters[] = "{\"protocol\":\"countdown-apr\"}";
  json_t *read;
  ck_ok(json_read(&read, parameters, sizeof parameters - 1, "parameters", 1, &err));
  ck_ok(protocol_open(&apr, read, &err));
  json_decref(read);
  ck_ok(arena_open(&memory, (size_t)2 << 30, &err));
}

static void teardown(void) {
  arena_close(memory);
  protocol_close(apr);
}

/* 1: a call. */
static int reads(const char *bytes, size_t count, protocol_call *call) {
  int found = -1;
  ck_ok(protocol_read_call(apr, bytes, count, memory, call, &found, &err));
  return found;
}

/* "0,1 [prompt]" for each child, "0,7 unknown" where it has none. */
static void calls_for(const char *written, size_t at, const char *wanted) {
  protocol_call call;
  text out;
  text_open(&out, 1 << 16);
  ck_assert_int_eq(reads(written, strlen(written), &call), 1);
  ck_assert_uint_eq(call.at, at);
  for (int i = 0; i < call.count; i++) {
    const protocol_child *child = &call.children[i];
    text_put(&out, child->node);
    text_format(&out, child->prompt ? " [%s]\n" : " unknown\n", child->prompt);
    ck_assert_uint_eq(child->prompt_bytes, child->prompt ? strlen(child->prompt) : 0);
  }
  ck_assert_str_eq(text_string(&out), wanted);
  text_close(&out);
}

static void prompt_is(const char *said, const char *id, const char *wanted) {
  text written, line;
  text_open(&written, 1 << 20);
  text_open(&line, 1 << 20);
  text_format(&written,
              "%s<Calling Sub Searches>\n<Start Sub Search 0 at level 1> Moving to Node #", said);
  text_format(&written, "%s\n" END, id);
  text_format(&line, wanted ? "%s [%s]\n" : "%s unknown\n", id, wanted);
  calls_for(text_string(&written), strlen(said), text_string(&line));
  text_close(&written);
  text_close(&line);
}

#define CHILD(id, rest) "Moving to Node #" id "\nCurrent State: 27:" rest

START_TEST(calls_stand_at_the_end) {
  protocol_call call;
  calls_for(ROOT NODE0 CALL(LINE("0", "0,0")), strlen(ROOT NODE0),
            "0,0 [" CHILD("0,0", "[26, 31, 31], Operations: ['53-22=31']") "]\n");
  calls_for(ROOT CALL("") "\n", strlen(ROOT), "");
  calls_for("<Calling Sub Searches>" END, 0, "");
  /* The last call counts, its ordinals and level do not, and other lines are no children. */
  calls_for(
      ROOT NODE0 CALL(LINE("0", "0")) "\n" CALL(
          "<Start Sub Search\nMoving to Node #0\n<Start Sub Search x> Moving to Node #0,0 \n"
          "\nNo solution\n<Start Sub Search 7 at level 9> Moving to Node #0"),
      strlen(ROOT NODE0 CALL(LINE("0", "0")) "\n"),
      "0,0 [" CHILD(
          "0,0",
          "[26, 31, 31], Operations: ['53-22=31']") "]\n"
                                                    "0 [" CHILD(
                                                        "0",
                                                        "[22, 26, 31, 53], Operations: []") "]\n");
  static const char *const none[] = {"",
                                     "\n",
                                     "\n\n",
                                     ROOT,
                                     END,
                                     "\n" END "\n",
                                     ROOT CALL(LINE("0", "0")) "\n\n",
                                     ROOT CALL(LINE("0", "0")) "\nNo solution found.",
                                     END "<Calling Sub Searches>\n" LINE("0", "0")};
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
    ck_assert_int_eq(reads(none[i], strlen(none[i]), &call), 0);
}
END_TEST

START_TEST(nodes_are_what_was_said_of_them) {
  prompt_is(ROOT NODE0 NODE01, "0,0,1",
            CHILD("0,0,1", "[26, 1], Operations: ['53-22=31', '31/31=1']"));
  prompt_is("Sub Call Budget: 10 " ROOT, "0", CHILD("0", "[22, 26, 31, 53], Operations: []"));
  prompt_is(
      "Start Sub Search at level 1: " CHILD("0,3", "[2, 3], Operations: ['9-4=5', '7*3=21']\n"),
      "0,3", CHILD("0,3", "[2, 3], Operations: ['9-4=5', '7*3=21']"));
  /* A parent may be told of behind its child; the last of several mentions counts. */
  prompt_is(NODE01 NODE0 ROOT, "0,0,1",
            CHILD("0,0,1", "[26, 1], Operations: ['53-22=31', '31/31=1']"));
  prompt_is(ROOT NODE0 "Generated Node #0,0: 27:[4] Operation: 2+2=4\n" NODE01, "0,0",
            CHILD("0,0", "[4], Operations: ['2+2=4']"));
  prompt_is(ROOT NODE0 CHILD("0,0", "[5], Operations: ['1*5=5']\n") NODE01, "0,0,1",
            CHILD("0,0,1", "[26, 1], Operations: ['1*5=5', '31/31=1']"));
  prompt_is(ROOT NODE0 CHILD("0,0", "[5], Operations: ['1*5=5']\n") NODE0, "0,0",
            CHILD("0,0", "[26, 31, 31], Operations: ['53-22=31']"));
  /* Ids are the text that they are: a part of one, or zeros before it, make another. */
  prompt_is(ROOT NODE0 NODE01, "0,00", NULL);
  prompt_is(ROOT NODE0 NODE01, "0,0,", NULL);
  prompt_is(ROOT NODE0 NODE01, "0,1", NULL);
  prompt_is(ROOT NODE0 NODE01, "", NULL);
}
END_TEST

START_TEST(what_cannot_be_read_is_unknown) {
  static const char *const said[] = {
      "", "Moving to Node #0,5\n", "Moving to Node #0,5\n\nCurrent State: 27:[1], Operations: []\n",
      "Moving to Node #0,5 \nCurrent State: 27:[1], Operations: []\n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: [] \n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: [1+1=2]\n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: ['1+1=2'\n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: ['1+1=2', ]\n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: ['1%1=2']\n",
      "Moving to Node #0,5\nCurrent State: 27:[1], Operations: ['']\n",
      "Moving to Node #0,5\nCurrent State: 27:[], Operations: []\n",
      "Moving to Node #0,5\nCurrent State: 27:[-1], Operations: []\n",
      "Moving to Node #0,5\nCurrent State: :[1], Operations: []\n",
      "Moving to Node #0,5\nCurrent State: 27:[1,2], Operations: []\n",
      "Moving to Node #0,5\nCurrent State: ", ROOT "Generated Node #0,5: 27:[1] Operation: 1+1=\n",
      ROOT "Generated Node #0,5: 27:[1] Operation: 1+1=2.\n", ROOT "Generated Node #0,5: 27:[1]\n",
      ROOT "Generated Node #0,5: 27:[1", ROOT "Generated Node #0,5 27:[1] Operation: 1+1=2\n",
      /* No parent, one that cannot be read, and one that was read before it could not be. */
      "Generated Node #0,5: 27:[1] Operation: 1+1=2\n",
      "Generated Node #0: 27:[1] Operation: 1+1=2\nGenerated Node #0,5: 27:[1] Operation: 1+1=2\n",
      ROOT "Generated Node #0: 27:[x] Operation: 1+1=2\nGenerated Node #0,5: 27:[1] Operation: "
           "1+1=2\n",
      "Moving to Node #\nCurrent State: 27:[1], Operations: []\n"
      "Generated Node #: 27:[1] Operation: 1+1=2\n"};
  for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
    prompt_is(said[i], "0,5", NULL);
  prompt_is("Generated Node #: 27:[1] Operation: 1+1=2\n", "", NULL);
  prompt_is("Moving to Node #\nCurrent State: 27:[1], Operations: []\n", "", NULL);
}
END_TEST

/* ---- returned and joined --------------------------------------------------------------------- */

#define GOAL "27,27 equal: Goal Reached"

/* wanted NULL: no solution. */
static void returns(const char *bytes, size_t count, const char *wanted) {
  text out;
  int found = -1;
  text_open(&out, 1 << 16);
  text_put(&out, "kept ");
  ck_ok(protocol_returned(apr, bytes, count, &out, &found, &err));
  ck_assert_int_eq(found, wanted != NULL);
  ck_assert_str_eq(text_string(&out) + 5, wanted ? wanted : "");
  ck_assert_uint_eq(out.bytes, 5 + strlen(wanted ? wanted : ""));
  text_close(&out);
}

START_TEST(children_return_the_rest) {
  static const struct {
    const char *written, *wanted;
  } cases[] = {{"", NULL},
               {"No solution found.\n", NULL},
               {ROOT GOAL "\n", NULL},
               {ROOT GOAL "\n" ROOT GOAL "\n", ROOT GOAL},
               {GOAL "\n" GOAL "\n  " ROOT GOAL "\n\nExit \n", ROOT GOAL "\n\nExit"},
               {"Goal ReachedGoal Reached", "Goal Reached"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    returns(cases[i].written, strlen(cases[i].written), cases[i].wanted);
  /* A zero byte ends a string, whoever reads it. */
  static const char zero[] = GOAL "a\0b" GOAL;
  returns(zero, sizeof zero - 1, "a");
}
END_TEST

START_TEST(joins_are_the_published_ones) {
  protocol_child children[] = {{.node = "0,0"}, {.node = "0,1"}, {.node = ""}};
  protocol_call call = {.count = 3, .children = children};
  static const char *const returned[] = {NULL, ROOT GOAL, NULL};
  text out;
  text_open(&out, 1 << 16);
  ck_ok(protocol_join(apr, &call, returned, 1, &out, &err));
  ck_assert_str_eq(text_string(&out),
                   "<Sub Searches>\n<No Solution in Sub Search 0 at level 1 at Node #0,0>\n"
                   "<Goal Reached in Sub Search 1 at level 1 at Node #0,1>\n" ROOT GOAL "\n"
                   "<No Solution in Sub Search 2 at level 1 at Node #>\n<End Sub Searches>\n");
  text_clear(&out);
  call.count = 1;
  ck_ok(protocol_join(apr, &call, returned, 3, &out, &err));
  ck_assert_str_eq(text_string(&out),
                   "<Sub Searches>\n<No Solution in Sub Search 0 at level 3 at Node #0,0>\n"
                   "<End Sub Searches>\n");
  text_clear(&out);
  call.count = 0;
  ck_ok(protocol_join(apr, &call, NULL, 1, &out, &err));
  ck_assert_str_eq(text_string(&out), "<Sub Searches>\n<End Sub Searches>\n");
  text_close(&out);
}
END_TEST

/* A parent with what was cut from it: the call, and a join that it began to write itself. */
START_TEST(all_words_have_their_lengths) {
  static const struct {
    const char *written;
    int64_t tokens;
  } cases[] = {
      {"<Calling Sub Searches>\n", 8},
      {LINE("0", "0,1"), 5 + 1 + 3 + 1 + 6 + 3 + 1},
      {LINE("12", "0"), 5 + 2 + 3 + 1 + 6 + 1 + 1},
      {END, 8},
      {"<Sub Searches>\n", 6},
      {"<Sub Searches>", 5},
      {"<Sub Searches><Calling Sub Searches>\n", 5 + 8},
      {END "<Sub Searches>\n", 8 + 6},
      {"<No Solution in Sub Search 0 at level 1 at Node #0,0>\n", 7 + 1 + 3 + 1 + 3 + 3 + 2},
      {"<Goal Reached in Sub Search 1 at level 2 at Node #0>\n", 9 + 1 + 3 + 1 + 3 + 1 + 2},
      {"<End Sub Searches>\n", 7}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *written = cases[i].written;
    ck_assert_int_eq(protocol_ref_tokens(apr, written, strlen(written)), cases[i].tokens);
  }
}
END_TEST

/* ---- harm ------------------------------------------------------------------------------------ */

/* Zero bytes, bytes that are no text, and numbers that no machine holds. */
START_TEST(bytes_of_every_kind) {
  static const char zeros[] = ROOT
      "Generated Node #0,1: 27:[4\0] Operation: 2+2=4\n" CALL(LINE("0", "0,1") LINE("1", "0\0,1"));
  static const char end[] = CALL(LINE("0", "0")) "\0";
  protocol_call call;
  ck_assert_int_eq(reads(zeros, sizeof zeros - 1, &call), 1);
  ck_assert_int_eq(call.count, 2);
  ck_assert_ptr_null(call.children[0].prompt);
  ck_assert_str_eq(call.children[1].node, "0");
  ck_assert_ptr_nonnull(call.children[1].prompt);
  ck_assert_int_eq(reads(end, sizeof end - 1, &call), 1);
  prompt_is("\xff\xfe" ROOT "\x80\n\n\r\n", "0", CHILD("0", "[22, 26, 31, 53], Operations: []"));
  prompt_is(ROOT "Generated Node #0,99999999999999999999999: 27:[99999999999999999999999999] "
                 "Operation: 88888888888888888888888*9=99999999999999999999999999\n",
            "0,99999999999999999999999",
            CHILD("0,99999999999999999999999",
                  "[99999999999999999999999999], Operations: "
                  "['88888888888888888888888*9=99999999999999999999999999']"));
}
END_TEST

/* What is longer than any state of Countdown is none, whatever its length is made of. */
START_TEST(states_have_a_size) {
  for (int kind = 0; kind < 3; kind++) {
    for (int length = 1; length < 3000; length = 3 * length + 1) {
      text said, id;
      protocol_call call;
      text_open(&said, 1 << 20);
      text_open(&id, 1 << 16);
      text_put(&id, "0");
      for (int i = 0; kind == 0 && i < length; i++)
        text_put(&id, ",0");
      text_format(&said, "Moving to Node #%s\nCurrent State: 27:[1", text_string(&id));
      for (int i = 0; kind == 1 && i < length; i++)
        text_put(&said, ", 1");
      text_put(&said, "], Operations: ['1+1=2");
      for (int i = 0; kind == 2 && i < length; i++)
        text_put(&said, "', '1+1=2");
      text_put(&said, "']");
      size_t bytes = said.bytes;
      text_format(&said, "\n<Calling Sub Searches>\n<Start Sub Search> Moving to Node #%s\n" END,
                  text_string(&id));
      ck_assert_int_eq(reads(text_string(&said), said.bytes, &call), 1);
      ck_assert_str_eq(call.children[0].node, text_string(&id));
      ck_assert_int_eq(call.children[0].prompt != NULL, bytes <= 1024);
      if (bytes <= 1024) ck_assert_mem_eq(call.children[0].prompt, text_string(&said), bytes);
      text_close(&said);
      text_close(&id);
    }
  }
}
END_TEST

/* Each node generated from the one before: as deep as a prompt has room for, and no deeper. */
START_TEST(nodes_have_a_depth) {
  text said, id;
  protocol_call call;
  text_open(&said, 1 << 20);
  text_open(&id, 1 << 16);
  text_put(&said, ROOT);
  text_put(&id, "0");
  for (int i = 0; i < 200; i++) {
    text_put(&id, ",0");
    text_format(&said, "Generated Node #%s: 27:[1] Operation: 1*1=1\n", text_string(&id));
  }
  text_put(&said, "<Calling Sub Searches>\n");
  for (int i = 1; i <= 200; i++) {
    text_put(&said, "<Start Sub Search> Moving to Node #0");
    for (int k = 0; k < i; k++)
      text_put(&said, ",0");
    text_char(&said, '\n');
  }
  text_put(&said, END);
  ck_assert_int_eq(reads(text_string(&said), said.bytes, &call), 1);
  ck_assert_int_eq(call.count, 200);
  for (int i = 1; i < 200; i++)
    ck_assert(call.children[i - 1].prompt || !call.children[i].prompt);
  ck_assert_ptr_nonnull(call.children[40].prompt);
  ck_assert_ptr_null(call.children[70].prompt);
  text_close(&said);
  text_close(&id);
}
END_TEST

/* One piece again and again, the first as far as a text goes, and a call behind them. */
START_TEST(texts_of_every_length) {
  static const char *const pieces[] = {
      "Generated Node #0,0: 27:[1] Operation: 1+1=2\n",
      "<Calling Sub Searches>",
      "Moving to Node #",
      "0,",
      "\n",
      "Moving to Node #0\nCurrent State: 27:[1], Operations: []\n"};
  const char *piece = pieces[_i];
  text said;
  protocol_call call;
  size_t most = _i ? PROTOCOL_TEXT_BYTES_MAX / 8 : PROTOCOL_TEXT_BYTES_MAX;
  text_open(&said, most);
  while (said.bytes + 200 < most)
    text_put(&said, piece);
  text_put(&said, "\n" CALL(LINE("0", "0,0")));
  ck_ok(text_state(&said, &err));
  ck_assert_int_eq(reads(text_string(&said), said.bytes, &call), 1);
  ck_assert_int_eq(call.count, 1);
  ck_assert_ptr_null(call.children[0].prompt);
  text_close(&said);
}
END_TEST

/* As many children as a text has room for. */
START_TEST(calls_of_every_length) {
  text said;
  protocol_call call;
  int lines = 100000;
  text_open(&said, PROTOCOL_TEXT_BYTES_MAX);
  text_put(&said, ROOT NODE0 "<Calling Sub Searches>\n");
  for (int i = 0; i < lines; i++)
    text_format(&said, "<Start Sub Search %d at level 1> Moving to Node #0,%d\n", i, i % 2);
  text_put(&said, END);
  ck_ok(text_state(&said, &err));
  ck_assert_int_eq(reads(text_string(&said), said.bytes, &call), 1);
  ck_assert_int_eq(call.count, lines);
  for (int i = 0; i < lines; i++)
    ck_assert_int_eq(call.children[i].prompt != NULL, i % 2 == 0);
  text_close(&said);
}
END_TEST

/* Every beginning and every end of a text with all there is in it. */
START_TEST(texts_that_are_cut) {
  static const char whole[] = ROOT NODE0 NODE01 CALL(LINE("0", "0,0") LINE("1", "0,0,1"));
  for (size_t from = 0; from < sizeof whole; from++) {
    char *end = malloc(sizeof whole - from), *start = malloc(from + 1); /* no byte may be beyond */
    protocol_call call;
    memcpy(end, whole + from, sizeof whole - 1 - from);
    memcpy(start, whole, from);
    ck_assert_int_eq(reads(end, sizeof whole - 1 - from, &call), from <= strlen(ROOT NODE0 NODE01));
    ck_assert_int_eq(reads(start, from, &call), from == sizeof whole - 1);
    free(start);
    free(end);
  }
}
END_TEST

START_TEST(memory_may_be_out) {
  static const char said[] =
      ROOT NODE0 NODE01 CALL(LINE("0", "0,0") LINE("1", "0,0,1") LINE("2", "1"));
  int told = 0;
  for (int64_t allocation = 0; allocation < 40; allocation++) {
    protocol_call call;
    arena *own;
    int found;
    ck_ok(arena_open(&own, 1 << 20, &err));
    memory_fail_once(allocation);
    status s = protocol_read_call(apr, said, sizeof said - 1, own, &call, &found, &err);
    memory_fail_once(-1);
    ck_assert(s == OK || s == E_MEMORY);
    if (!s) ck_assert_ptr_nonnull(call.children[1].prompt);
    told += s != OK;
    arena_close(own);
  }
  ck_assert_int_ge(told, 4);
  ck_assert_int_lt(told, 40);
  arena *small;
  protocol_call call;
  int found;
  ck_ok(arena_open(&small, 64, &err));
  ck_fails(protocol_read_call(apr, said, sizeof said - 1, small, &call, &found, &err), E_LIMIT, "");
  arena_close(small);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("calls");
  TCase *c = tcase_create("calls");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_test(c, calls_stand_at_the_end);
  tcase_add_test(c, nodes_are_what_was_said_of_them);
  tcase_add_test(c, what_cannot_be_read_is_unknown);
  tcase_add_test(c, children_return_the_rest);
  tcase_add_test(c, joins_are_the_published_ones);
  tcase_add_test(c, all_words_have_their_lengths);
  tcase_add_test(c, bytes_of_every_kind);
  tcase_add_test(c, states_have_a_size);
  tcase_add_test(c, nodes_have_a_depth);
  tcase_add_loop_test(c, texts_of_every_length, 0, 6);
  tcase_add_test(c, calls_of_every_length);
  tcase_add_test(c, texts_that_are_cut);
  tcase_add_test(c, memory_may_be_out);
  suite_add_tcase(suite, c);
  return suite;
}

int main(void) {
  json_install();
  return support_run(make_suite());
}
