/* What `trace` says of workers that read each other: side by side, one below another, what one saw,
   as JSON, and of layouts that are damaged. The sample is put by hand, so that every end of a
   worker and every place of a line is in it. */
#include "store/store.h"
#include "tests/cli/trace_store.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 20 };

/* ---- a store with workers -------------------------------------------------------------------- */

static const trace_run its_run = {"hogwild",  "generic-hogwild", "{\"layout\":\"combined\"}",
                                  "question", "exact",           "hog"};

/* A text and its layout, part by part. */
typedef struct written {
  text words, layout;
  size_t tokens;
  uint32_t ids[64];
} written;

static void mark(written *w, const char *kind, int64_t step) {
  text_format(&w->layout, "%s[\"%s\",%zu,0,%zu,0,%lld]", w->layout.bytes ? "," : "[", kind,
              w->tokens, w->words.bytes, (long long)step);
}

/* Tokens end at a '/'. */
static void part(written *w, const char *kind, const char *words, int64_t step, int has_pieces) {
  size_t tokens = 1, from = w->words.bytes, first = w->tokens;
  text pieces;
  text_open(&pieces, 1024);
  for (const char *at = words, *next; at; at = next ? next + 1 : NULL, tokens += at != NULL) {
    next = strchr(at, '/');
    size_t bytes = next ? (size_t)(next - at) : strlen(at);
    text_add(&w->words, at, bytes);
    text_format(&pieces, "%s%zu", pieces.bytes ? "," : "", bytes);
  }
  w->tokens += tokens;
  text_format(&w->layout, "%s[\"%s\",%zu,%zu,%zu,%zu,%lld", w->layout.bytes ? "," : "[", kind,
              first, tokens, from, w->words.bytes - from, (long long)step);
  if (has_pieces) text_format(&w->layout, ",[%s]", text_string(&pieces));
  text_char(&w->layout, ']');
  text_close(&pieces);
}

static void begin(written *w, int own) {
  *w = (written){.tokens = 0};
  text_open(&w->words, 4096);
  text_open(&w->layout, 4096);
  part(w, "prompt", "ask\n\xc3\xa4\n", 0, 0);
  part(w, "fed", "(others)/\n", 0, 0);
  mark(w, "worker", own ? 0 : 1);
  part(w, "fed", "(own)/\n", 0, 0);
  mark(w, "worker", own);
}

/* Its first step is done at the fourth forward, and it ends at the seventh; what a terminal must
   not get is in it. */
static void write_first(written *w) {
  begin(w, 0);
  part(w, "fed", "A/1/:/ ", 0, 1);
  part(w, "generated", "\xe4\xb8\xad\xe6\x96\x87 /two\n/three\n/\n", 1, 1);
  mark(w, "commit", 4);
  part(w, "fed", "A2: ", 4, 1);
  part(w, "generated", "f\033o/ur/", 5, 1);
  text_char(&w->layout, ']');
}

/* A line begins in the middle of the other's, and goes on until it is stopped. */
static void write_other(written *w, int worker) {
  begin(w, worker);
  part(w, "fed", "B1: ", 0, 1);
  part(w, "generated", "x/y\n/a longer /line than/ the/ col/umn", 1, 1);
  text_char(&w->layout, ']');
}

static store_thread worker_of(const char *path, int worker, const char *finish, const written *w) {
  return (store_thread){.path = path,
                        .role = "worker",
                        .finish = finish,
                        .parent = -1,
                        .worker = worker,
                        .round = -1,
                        .spawn_token = STORE_NONE,
                        .join_token = STORE_NONE,
                        .tokens_prompt = 1,
                        .tokens_fed = 9,
                        .tokens_generated = 7,
                        .logical_end = 7,
                        .first_token_ns = STORE_NONE,
                        .text = text_string(&w->words),
                        .text_bytes = w->words.bytes,
                        .ids = w->ids,
                        .id_count = w->tokens,
                        .layout_json = text_string(&w->layout)};
}

/* All but the first write the same. */
static const char *make_store(const char *name, int workers) {
  static const char *const paths[] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",
                                      "10", "11", "12", "13", "14", "15", "16", "17", "18", "19"};
  detail err = {0};
  const char *db = support_path(name);
  store *s;
  written w[WORKERS_MAX];
  store_process process = {.version = "1", .device = "cpu", .settings_json = "{}"};
  ck_ok(store_open(&s, db, STORE_WRITE, NULL, &err));
  trace_store_fill(s, &its_run);
  ck_ok(store_process_start(s, &process, &err));
  store_thread threads[WORKERS_MAX];
  for (int i = 0; i < workers; i++) {
    i ? write_other(&w[i], i) : write_first(&w[i]);
    threads[i] = worker_of(paths[i], i, i ? "stopped" : "end", &w[i]);
  }
  store_sample sample = {.run = 1,
                         .task = 1,
                         .attempt = 1,
                         .status = "done",
                         .costs = {.tokens_ref = STORE_NONE, .flops = -1},
                         .first_token_ns = STORE_NONE,
                         .batch_samples = 1,
                         .threads = threads,
                         .thread_count = workers};
  store_verdict verdict = {-1, "exact", "no answer", 1, 0, 0};
  ck_ok(store_put(s, &sample, &verdict, 1, &err));
  ck_ok(store_close(s, &err));
  for (int i = 0; i < workers; i++) {
    text_close(&w[i].words);
    text_close(&w[i].layout);
  }
  return db;
}

/* ---- columns --------------------------------------------------------------------------------- */

#define TRACE(...) nightjar("trace", "hog/t0/0", "--db", db, __VA_ARGS__)
#define PROMPT     "-- what all see from the start --\np|ask\np|\xc3\xa4\nf|(others)\nf|(own)\n"

START_TEST(side_by_side) {
  const char *db = make_store("two.db", 2);
  outcome o = TRACE("--width", "48");
  ck_ended(o, 0);
  ck_holds(o.out, "\n2 workers, layout combined, 7 forwards\n");
  ck_holds(o.out, PROMPT "\n"
                         "at worker 0               worker 1\n"
                         " 1 f|A1:                  f|B1: \n"
                         "    +\xe4\xb8\xad\xe6\x96\x87 two              +xy\n"
                         " 3  |three                 |a longer line than\n"
                         "    |\n"
                         "   -- step 1 done at 4 --\n"
                         " 5 f|A2:                   + the column\n"
                         "    +f\\x1bour             -- stopped at 7 ------\n"
                         "   - end at 7 -----------\n");
  ck_lacks(o.out, "-- thread");
}
END_TEST

/* Without a terminal there are 80 characters; of one worker there is one column. */
START_TEST(one_of_them) {
  const char *db = make_store("two.db", 2);
  outcome o = TRACE("--worker", "1");
  ck_ended(o, 0);
  ck_holds(o.out, "\nat worker 1\n 1 f|B1: \n    +xy\n 3  |a longer line than the column\n"
                  "   -- stopped at 7 -------------------------------------------------------------"
                  "\n");
  ck_lacks(o.out, "\x1b");
  o = TRACE("--thread", "1");
  ck_ended(o, 0);
  ck_holds(o.out, "\n-- thread 1 --\np|ask\n");
  ck_lacks(o.out, "at worker");
}
END_TEST

/* As narrow as it goes, and narrower. */
START_TEST(one_below_another) {
  const char *db = make_store("two.db", 2);
  outcome o = TRACE("--width", "40");
  ck_ended(o, 0);
  ck_holds(o.out, "\nat worker 0           worker 1\n");
  ck_holds(o.out, "\n   - step 1 at 4 ----\n");
  o = TRACE("--width", "39");
  ck_ended(o, 0);
  ck_holds(o.out, "\n2 workers do not fit side by side into 39 characters: they stand one below "
                  "another,\n40 forwards at a time; --width 40 puts them side by side\n"
                  "-- forwards 1 to 7 --\n"
                  "worker 0\nf|A1: \n +\xe4\xb8\xad\xe6\x96\x87 two\n |three\n |\n"
                  "-- step 1 done at 4 -------------------\n"
                  "f|A2: \n +f\\x1bour\n-- end of sequence at 7 ---------------\n"
                  "worker 1\nf|B1: \n +xy\n |a longer line than the column\n"
                  "-- stopped at 7 -----------------------\n");
}
END_TEST

START_TEST(colors) {
  const char *db = make_store("two.db", 2);
  const char *const show[] = {"trace", "hog/t0/0", "--db", db, "--width", "48", NULL};
  ck_assert_int_eq(unsetenv("NO_COLOR"), 0);
  outcome o = program_run_on_terminal(show);
  ck_ended(o, 0);
  ck_holds(o.out, "\r\n 1  |\033[36mA1: \033[0m\xe4\xb8\xad\xe6\x96\x87 two\033[0m         "
                  " |\033[36mB1: \033[0mxy\033[0m\r\n");
  ck_holds(o.out, "\r\n 5  |\033[36mA2: \033[0mf\\x1bour\033[0m          + the column"
                  "\033[0m\r\n");
}
END_TEST

/* ---- what one saw ---------------------------------------------------------------------------- */

/* A step that is done at the fourth forward stands there from the fifth on, without the token that
   ended it; what others sample is seen a forward later. */
START_TEST(what_one_saw) {
  const char *db = make_store("two.db", 2);
  outcome o = TRACE("--at", "4", "--worker", "1");
  ck_ended(o, 0);
  ck_holds(o.out, "\nworker 1 at forward 4 saw 16 tokens and sampled \"line than\"\n"
                  "\n-- prompt (1 token) --\np|ask\np|\xc3\xa4\n"
                  "\n-- header (2 tokens) --\nf|(others)\n"
                  "\n-- worker 0's unfinished step (7 tokens) --\n"
                  "f|A1: \n +\xe4\xb8\xad\xe6\x96\x87 two\n |three\n"
                  "\n-- header (2 tokens) --\nf|(own)\n"
                  "\n-- its own unfinished step (4 tokens) --\nf|B1: \n +xy\n |a longer \n");
  o = TRACE("--at", "5");
  ck_ended(o, 0);
  ck_holds(o.out, "\nworker 0 at forward 5 saw 19 tokens and sampled \"f\\x1bo\"\n");
  ck_holds(o.out, "\n-- step 1 of worker 0, done at 4 (7 tokens) --\nf|A1: \n");
  ck_holds(o.out, "\n-- its own unfinished step (2 tokens) --\n |\nf|A2: \n");
  ck_holds(o.out, "\nworker 1 at forward 5 saw 19 tokens and sampled \" the\"\n");
  ck_holds(o.out, "\n-- worker 0's unfinished step (2 tokens) --\n |\nf|A2: \n");
  o = TRACE("--at", "7", "--worker", "0");
  ck_ended(o, 0);
  ck_holds(o.out, "\nworker 0 at forward 7 saw 23 tokens and sampled one without text\n");
}
END_TEST

START_TEST(what_is_not_there) {
  static const char *const wrong[][4] = {
      {"--at", "8", NULL, "this sample has no forward 8: its workers took 7, counted from 1"},
      {"--at", "0", NULL, "--at"},
      {"--worker", "2", NULL, "this sample has no worker 2; its 2 are counted from 0"},
      {"--at", "9", "1", "worker 1 was part of 7 forwards, counted from 1; 9 is none"}};
  const char *db = make_store("two.db", 2);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    outcome o = wrong[i][2] ? TRACE(wrong[i][0], wrong[i][1], "--worker", wrong[i][2])
                            : TRACE(wrong[i][0], wrong[i][1]);
    ck_assert_int_ge(o.code, 2);
    ck_assert_int_le(o.code, 3);
    ck_holds(o.err, wrong[i][3]);
    ck_assert_str_eq(o.out, "");
  }
  ck_ended(TRACE("--at", "2", "--thread", "0"), 2);
}
END_TEST

/* ---- JSON ------------------------------------------------------------------------------------ */

static const json_t *member(const json_t *list, size_t at, const char *key) {
  const json_t *value = json_object_get(json_array_get(list, at), key);
  ck_assert_msg(value != NULL, "no '%s'", key);
  return value;
}

START_TEST(as_json) {
  const char *db = make_store("two.db", 2);
  detail err = {0};
  json_t *sample = program_json(TRACE("--json").out);
  const json_t *threads = json_object_get(sample, "threads");
  text spans;
  text_open(&spans, 4096);
  ck_assert_str_eq(json_string_value(json_object_get(sample, "layout")), "combined");
  ck_assert_int_eq(json_integer_value(member(threads, 1, "worker")), 1);
  ck_ok(json_canonical(member(threads, 0, "spans"), &spans, &err));
  const char *stored = program_sqlite(db, "SELECT layout FROM trace WHERE thread = 0");
  ck_assert_str_eq(text_string(&spans), stored); /* commits, seats and pieces among them */
  text_close(&spans);
  json_decref(sample);
  json_t *seen = program_json(TRACE("--json", "--at", "5", "--worker", "1").out);
  const json_t *views = json_object_get(seen, "views"), *blocks = member(views, 0, "blocks");
  ck_assert_uint_eq(json_array_size(views), 1);
  ck_assert_uint_eq(json_array_size(blocks), 6);
  static const char *const names[] = {"prompt", "done", "header", "other", "header", "own"};
  for (size_t i = 0; i < 6; i++)
    ck_assert_str_eq(json_string_value(member(blocks, i, "block")), names[i]);
  ck_assert_str_eq(json_string_value(member(blocks, 1, "text")),
                   "A1: \xe4\xb8\xad\xe6\x96\x87 two\nthree\n");
  ck_assert_int_eq(json_integer_value(member(blocks, 1, "done_at")), 4);
  ck_assert_int_eq(json_integer_value(member(blocks, 3, "worker")), 0);
  ck_assert_str_eq(json_string_value(member(blocks, 3, "text")), "\nA2: ");
  ck_assert_int_eq(json_integer_value(member(views, 0, "tokens")), 19);
  json_decref(seen);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

#define HEAD                                                                                       \
  "[\"prompt\",0,1,0,7,0],[\"fed\",1,2,7,9,0],[\"worker\",3,0,16,0,1],[\"fed\",3,2,16,6,0],"
#define OWN  "[\"worker\",5,0,22,0,0],"
#define FED  "[\"fed\",5,4,22,4,0,[1,1,1,1]],"
#define SAID "[\"generated\",9,4,26,18,1,[7,4,6,1]]"

/* Another's layout has no time: columns are not made of it, and nothing is told of its views. The
   first two fit, so that what is wrong with the others is what is said. */
START_TEST(damaged_layouts) {
  static const char *const layouts[] = {
      HEAD OWN FED SAID,
      HEAD OWN FED SAID ",[\"commit\",13,0,44,0,4]",
      HEAD OWN FED "[\"generated\",9,4,26,18,1,[7,4,6,2]]",     /* more than its text */
      HEAD OWN FED "[\"generated\",9,4,26,18,1,[7,4,6]]",       /* fewer than its tokens */
      HEAD OWN FED "[\"generated\",9,4,26,18,1,[7,4,7,0,0]]",   /* more than these */
      HEAD OWN FED "[\"generated\",9,4,26,18,1,[-7,18,6,1]]",   /* before its start */
      HEAD OWN FED "[\"generated\",9,4,26,18,1,[7,4,6,\"1\"]]", /* none */
      HEAD OWN FED "[\"generated\",9,4,26,18,1,{\"a\":1}]",
      HEAD OWN FED "[\"generated\",9,4,26,18,2,[7,4,6,1]]",                   /* a forward late */
      HEAD OWN FED "[\"generated\",9,4,26,18,-1,[7,4,6,1]]",                  /* before all */
      HEAD OWN FED "[\"generated\",9,4,26,18,9223372036854775807,[7,4,6,1]]", /* no end */
      HEAD OWN "[\"fed\",5,4,22,4,3,[1,1,1,1]]," SAID,                        /* not at first */
      HEAD OWN FED "[\"cut\",9,4,26,18,1,[7,4,6,1]]",                         /* workers cut none */
      HEAD OWN FED "[\"generated\",10,3,26,18,1,[11,6,1]]",                   /* one is missing */
      HEAD FED SAID,                                                          /* no place */
      HEAD OWN OWN FED SAID,                                                  /* two */
      HEAD "[\"worker\",5,0,22,0,1]," OWN FED SAID, /* the other's twice */
      HEAD "[\"worker\",5,0,22,0,2]," OWN FED SAID, /* of nobody */
      HEAD "[\"worker\",5,0,22,0,-1]," OWN FED SAID,
      HEAD OWN "[\"commit\",5,0,22,0,0]," FED SAID,                           /* of nothing */
      HEAD OWN FED SAID ",[\"commit\",13,0,44,0,3]",                          /* at another */
      HEAD OWN FED SAID ",[\"commit\",13,0,44,0,4],[\"commit\",13,0,44,0,4]", /* twice */
      HEAD OWN FED SAID ",[\"commit\",14,0,44,0,4]",
      HEAD OWN FED "[\"commit\",9,0,26,0,0]," SAID, /* of what it was fed */
      "",
  };
  const char *db = make_store("two.db", 2);
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    char sql[1024];
    (void)snprintf(sql, sizeof sql, "UPDATE trace SET layout = '[%s]' WHERE thread = 0",
                   layouts[i]);
    (void)program_sqlite(db, sql);
    outcome o = TRACE("--width", "60");
    ck_ended(o, 0);
    ck_assert_msg(!strstr(o.out, "\nat worker 0") == (i > 1), "%s: %s", layouts[i], o.out);
    ck_ended(TRACE("--json"), 0);
    int told = TRACE("--at", "2").code;
    ck_assert_msg(told == (i > 1 ? 5 : 0), "%s: exit %d", layouts[i], told);
    if (i < 2) continue;
    ck_holds(o.out, "\nthe layout of worker 0 is damaged: nobody knows what it wrote when; ");
    ck_holds(o.out, "\n-- thread 0 --\n");
    ck_holds(o.out, "\n-- thread 1 --\np|ask\n");
  }
}
END_TEST

/* Of a store that was made before layouts said as much, nothing is wrong. */
START_TEST(older_layouts) {
  const char *db = make_store("two.db", 2);
  (void)program_sqlite(
      db,
      "UPDATE trace SET layout = '[[\"prompt\",0,1,0,7,0],[\"fed\",1,2,7,9,0],"
      "[\"fed\",3,2,16,6,0],[\"fed\",5,4,22,4,0],[\"generated\",9,4,26,18,1]]' WHERE thread = 0");
  outcome o = TRACE("--width", "60");
  ck_ended(o, 0);
  ck_holds(o.out, "\nwhat worker 0 wrote when is not stored: ");
  ck_holds(o.out, "\n-- thread 0 --\np|ask\n");
  o = TRACE("--at", "1");
  ck_ended(o, 3);
  ck_holds(o.err, "run its job into another store");
  (void)program_sqlite(db, "DELETE FROM trace WHERE thread = 1; "
                           "UPDATE thread SET path = char(27) || '[2J', role = 'worker'");
  o = TRACE("--width", "60");
  ck_ended(o, 0);
  ck_holds(o.out, "\nwhat worker \\x1b[2J wrote when is not stored: ");
  ck_lacks(o.out, "\033");
}
END_TEST

/* A search's have no tokens, so that nobody can say which came when. */
START_TEST(workers_of_a_search) {
  const char *db = make_store("two.db", 2);
  (void)program_sqlite(db, "UPDATE trace SET ids = NULL, ids_bytes = NULL, layout = "
                           "'[[\"prompt\",0,7],[\"generated\",7,12]]'");
  outcome o = TRACE("--width", "60");
  ck_ended(o, 0);
  ck_holds(o.out, "\n-- thread 1 --\np|ask\n");
  o = TRACE("--at", "1");
  ck_ended(o, 3);
  ck_holds(o.err, "this sample has no workers");
}
END_TEST

/* Who reads nobody may begin with a prompt of its own. */
START_TEST(prompts_of_their_own) {
  const char *db = make_store("two.db", 2);
  (void)program_sqlite(db, "UPDATE thread SET worker = NULL; UPDATE trace SET layout = CASE thread "
                           "WHEN 0 THEN '[[\"prompt\",0,5,0,22,0],[\"generated\",5,4,22,4,1,"
                           "[1,1,1,1]]]' ELSE '[[\"prompt\",0,5,0,22,0],[\"generated\",5,1,22,4,1,"
                           "[4]]]' END");
  outcome o = TRACE("--width", "60");
  ck_ended(o, 0);
  ck_holds(o.out, "\n-- what all see from the start --\np|ask\n");
  ck_holds(o.out, "\n 1  |A1:                         |B1: \n");
  o = TRACE("--at", "3");
  ck_ended(o, 0);
  ck_holds(o.out, "\nworker 0 at forward 3 saw 7 tokens and sampled \":\"\n");
  ck_holds(o.out, "\n-- what it wrote itself (2 tokens) --\n |A1\n");
  ck_lacks(o.out, "worker 1");
  (void)program_sqlite(db, "UPDATE trace SET layout = '[[\"prompt\",0,6,0,23,0],[\"generated\",6,1,"
                           "23,3,1,[3]]]' WHERE thread = 0");
  o = TRACE("--width", "60");
  ck_holds(o.out, "\n-- what worker 0 sees from the start --\np|ask\np|\xc3\xa4\np|(others)\n"
                  "p|(own)\np|A\n-- what worker 1 sees from the start --\np|ask\n");
}
END_TEST

START_TEST(more_than_there_are) {
  const char *db = make_store("16.db", 16);
  outcome o = TRACE("--width", "400");
  ck_ended(o, 0);
  ck_holds(o.out, " worker 15\n");
  ck_ended(TRACE("--at", "3", "--worker", "15"), 0);
  db = make_store("17.db", 17);
  o = TRACE("--width", "400");
  ck_ended(o, 0);
  ck_holds(o.out, "\na sample has 16 workers at most, and this one 17\n");
  ck_ended(TRACE("--at", "3"), 5);
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("trace_columns");
  TCase *all = tcase_create("trace_columns");
  tcase_add_test(all, side_by_side);
  tcase_add_test(all, one_of_them);
  tcase_add_test(all, one_below_another);
  tcase_add_test(all, colors);
  tcase_add_test(all, what_one_saw);
  tcase_add_test(all, what_is_not_there);
  tcase_add_test(all, as_json);
  tcase_add_test(all, damaged_layouts);
  tcase_add_test(all, older_layouts);
  tcase_add_test(all, workers_of_a_search);
  tcase_add_test(all, prompts_of_their_own);
  tcase_add_test(all, more_than_there_are);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
