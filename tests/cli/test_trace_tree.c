/* What `trace` says of a sample whose threads called for children: who was called where, who
   returned something, who never ran and why, and where each text came from. The sample is put by
   hand, so that every end of a child is in it. */
#include "store/store.h"
#include "tests/cli/trace_store.h"
#include "tests/support/program.h"

#include <stdlib.h>
#include <string.h>

/* ---- a store with a tree --------------------------------------------------------------------- */

static const trace_run its_run = {"spawn_join", "countdown-apr", "{}",
                                  "countdown",  "countdown",     "apr"};

/* A text and its layout, part by part. */
typedef struct written {
  text words, layout;
} written;

static void part(written *w, const char *kind, const char *words) {
  text_format(&w->layout, "%s[\"%s\",%zu,%zu]", w->layout.bytes ? "," : "[", kind, w->words.bytes,
              strlen(words));
  text_put(&w->words, words);
}

/* The root calls by words of its own, names nobody, and is made to call; each is joined. */
static void write_root(written *w) {
  text_open(&w->words, 4096);
  text_open(&w->layout, 4096);
  part(w, "prompt", "ask\n");
  part(w, "generated", "search\n");
  part(w, "cut", "<Calling Sub Searches>\n<End Calling Sub Searches>");
  part(w, "fed", "<Sub Searches>\n<End Sub Searches>\n");
  part(w, "cut", "<Calling Sub Searches>\ncall of four\n<End Calling Sub Searches>");
  part(w, "fed",
       "<Sub Searches>\n<Goal Reached in Sub Search 0 at level 1 at Node #0,3>\nfound it\n"
       "<No Solution in Sub Search 1 at level 1 at Node #0,4>\n"
       "<No Solution in Sub Search 2 at level 1 at Node #0,5,1>\n<End Sub Searches>\n");
  part(w, "generated", "more\n");
  part(w, "cut", "<Calling Sub Searches>\n");
  part(w, "cut", "call of three\n<End Calling Sub Searches>");
  part(w, "fed",
       "<Sub Searches>\n<No Solution in Sub Search 0 at level 1 at Node #0,6>\n"
       "<No Solution in Sub Search 1 at level 1 at Node #0,7>\n<End Sub Searches>\n");
  text_char(&w->layout, ']');
}

static store_thread child_of(const char *path, int round, const char *finish) {
  int64_t called_at = round ? 1350 : 1200;
  return (store_thread){.path = path,
                        .role = "child",
                        .finish = finish,
                        .parent = 0,
                        .worker = -1,
                        .round = round,
                        .spawn_token = called_at,
                        .join_token = STORE_NONE,
                        .logical_start = called_at,
                        .logical_end = called_at,
                        .first_token_ns = STORE_NONE};
}

static store_thread ran(store_thread t, const char *answer) {
  t.tokens_prompt = 41;
  t.tokens_generated = 2098;
  t.logical_end += 2098;
  t.wait_steps = 1196;
  t.join_token = t.spawn_token;
  t.answer = answer;
  t.text = "own words";
  t.text_bytes = strlen(t.text);
  t.layout_json = "[[\"generated\",0,9]]";
  return t;
}

static const char *make_tree(void) {
  detail err = {0};
  const char *db = support_path("tree.db");
  store *s;
  written root;
  store_process process = {.version = "1", .device = "cpu", .settings_json = "{}"};
  ck_ok(store_open(&s, db, STORE_WRITE, NULL, &err));
  trace_store_fill(s, &its_run);
  ck_ok(store_process_start(s, &process, &err));
  write_root(&root);
  store_thread threads[] = {
      ran(child_of("0", 0, "end"), NULL), ran(child_of("0.0", 0, "end"), "found it"),
      child_of("0.1", 0, "unknown"),      ran(child_of("0.2", 0, "end"), NULL),
      child_of("0.3", 1, "refused"),      child_of("0.4", 1, "limit")};
  threads[0].role = "root";
  threads[0].parent = threads[0].round = -1;
  threads[0].spawn_token = threads[0].join_token = STORE_NONE;
  threads[0].text = text_string(&root.words);
  threads[0].text_bytes = root.words.bytes;
  threads[0].layout_json = text_string(&root.layout);
  store_sample sample = {.run = 1,
                         .task = 1,
                         .attempt = 1,
                         .status = "capped",
                         .limit_met = "children",
                         .costs = {.tokens_ref = STORE_NONE, .flops = -1},
                         .first_token_ns = STORE_NONE,
                         .batch_samples = 1,
                         .threads = threads,
                         .thread_count = sizeof threads / sizeof threads[0]};
  store_verdict verdict = {-1, "countdown", "no answer", 1, 0, 0};
  ck_ok(store_put(s, &sample, &verdict, 1, &err));
  ck_ok(store_close(s, &err));
  text_close(&root.words);
  text_close(&root.layout);
  return db;
}

/* ---- what is shown --------------------------------------------------------------------------- */

START_TEST(tables_fit_a_terminal) {
  enum { TERMINAL_CHARACTERS = 80 };
  outcome o = nightjar("trace", "apr/t0/0", "--db", make_tree());
  ck_ended(o, 0);
  ck_holds(o.out,
           "\nthread  role   round  spawn  join  start   end  wait  returned  finish\n"
           "0       root       -      -     -   1200  3298  1196  -         end\n"
           "  0.0   child      0   1200  1200   1200  3298  1196  yes       end\n"
           "  0.1   child      0   1200     -   1200  1200     0  no        unknown\n"
           "  0.2   child      0   1200  1200   1200  3298  1196  no        end\n"
           "  0.3   child      1   1350     -   1350  1350     0  no        refused\n"
           "  0.4   child      1   1350     -   1350  1350     0  no        limit\n"
           "spawn, join: how many tokens its caller had generated when it called and went on\n"
           "returned: whether it ended with a solution\n"
           "\nthread  prompt  fed  generated  logprob\n"
           "0           41    0       2098        -\n"
           "  0.0       41    0       2098        -\n"
           "  0.1        0    0          0        -\n");
  size_t widest = 0;
  for (const char *line = o.out; *line;) {
    size_t wide = strcspn(line, "\n");
    if (wide > widest) widest = wide;
    line += wide + (line[wide] == '\n');
  }
  ck_assert_uint_le(widest, TERMINAL_CHARACTERS);
}
END_TEST

START_TEST(marks_say_who_wrote) {
  outcome o = nightjar("trace", "apr/t0/0", "--db", make_tree(), "--thread", "0");
  ck_ended(o, 0);
  ck_holds(o.out, "\np| prompt    | generated   f| fed by the mode   x| left the context\n");
  ck_holds(o.out,
           " |more\nx|<Calling Sub Searches>\nx|call of three\nx|<End Calling Sub Searches>\n"
           "f+<Sub Searches>\n");
}
END_TEST

/* Where, as far as its caller was told. */
START_TEST(who_never_ran_is_said) {
  const char *db = make_tree();
  outcome o = nightjar("trace", "apr/t0/0", "--db", db);
  ck_ended(o, 0);
  ck_holds(o.out,
           "\n-- thread 0.1 --\nit never ran at node #0,4: its caller had not shown that node's "
           "state\n");
  ck_holds(o.out, "\n-- thread 0.2 --\n |own words\n");
  ck_holds(o.out, "\n-- thread 0.3 --\nit never ran at node #0,6: a limit on children or rounds "
                  "refused it\n");
  ck_holds(o.out, "\n-- thread 0.4 --\nit never ran at node #0,7: a limit left no room for its "
                  "prompt\n");
  ck_lacks(o.out, "no text is stored");

  (void)program_sqlite(db, "UPDATE trace SET layout = '[]' WHERE thread = 0");
  o = nightjar("trace", "apr/t0/0", "--db", db, "--thread", "0.3");
  ck_holds(o.out, "\n-- thread 0.3 --\nit never ran: a limit on children or rounds refused it\n");
  (void)program_sqlite(db, "DELETE FROM trace WHERE thread = 3");
  o = nightjar("trace", "apr/t0/0", "--db", db, "--thread", "0.2");
  ck_holds(o.out, "\n-- thread 0.2 --\nno text is stored\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("trace_tree");
  TCase *all = tcase_create("trace_tree");
  tcase_add_test(all, tables_fit_a_terminal);
  tcase_add_test(all, marks_say_who_wrote);
  tcase_add_test(all, who_never_ran_is_said);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
