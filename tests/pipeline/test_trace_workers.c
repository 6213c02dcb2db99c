/* What is told of workers from a store alone is what there was: every view of every worker at every
   forward, token by token, against what the generator's segments held; over scripts that are drawn
   and over a tiny model, in every layout, under limits, and of samples that were cut from others.
 */
#include "base/memory.h"
#include "pipeline/record.h"
#include "pipeline/trace_columns.h"
#include "tests/pipeline/scripted.h"
#include "tests/pipeline/tiny.h"
#include "tests/pipeline/watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7, WORKERS_MAX = 4, LINE_TOKENS = 130, CONTEXT = 1500, ARENA_BYTES = 64 << 20 };

static detail err;
static const char *const layouts[] = {"combined", "interleaved", "contiguous", "independent"};

/* ---- a store --------------------------------------------------------------------------------- */

/* One run of one task; samples are its repeats. */
typedef struct shelf {
  store *s;
  planned_run run;
  arena *memory;
  int32_t repeats;
} shelf;

static void open_shelf(shelf *out, job_model *m) {
  store_task task = {.name = "t0", .question = "q", .target = "\"\"", .split = "test"};
  store_run_new r = {.identity_json = "{}",
                     .task_set = 1,
                     .mode = "hogwild",
                     .protocol = "generic-hogwild",
                     .parameters_json = "{\"layout\":\"any\"}",
                     .token_unit = "tok-1",
                     .determinism_class = "cpu-1"};
  store_process process = {.version = "1", .device = "cpu", .settings_json = "{}"};
  store_task_set set;
  int made;
  *out = (shelf){.run = {.model = m}};
  ck_ok(arena_open(&out->memory, ARENA_BYTES, &err));
  ck_ok(store_open(&out->s, support_path("shelf.db"), STORE_WRITE, NULL, &err));
  ck_ok(store_task_set_begin(out->s, "tasks", "question", "{}", &err));
  ck_ok(store_task_add(out->s, &task, &err));
  ck_ok(store_task_set_end(out->s, &set, &made, &err));
  ck_ok(store_run(out->s, &r, &out->run.run, &made, &err));
  ck_ok(store_process_start(out->s, &process, &err));
}

static void close_shelf(shelf *of) {
  ck_ok(store_close(of->s, &err));
  arena_close(of->memory);
}

/* Puts a sample there and reads it back, as a person would have it; into the shelf's memory. */
static void put_sample(shelf *to, const runner_sample *s, trace_sample *out) {
  record_place at = {.run = &to->run, .task = 1, .repeat = to->repeats++, .attempt = 1};
  trace_place place = {.sample = to->repeats};
  sample_end end;
  int64_t tokens;
  ck_ok(record_sample(to->s, &at, s, to->memory, &end, &tokens, &err));
  ck_ok(store_flush(to->s, &err));
  arena_reset(to->memory);
  ck_ok(trace_read(to->s, &place, to->memory, out, &err));
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Of several samples. */
typedef struct tally {
  int views, steps, others, fed, derived;
} tally;

static void check_text(const trace_gang *g, const trace_block *b, const uint32_t *tokens) {
  text said;
  text_open(&said, 1 << 20);
  ck_ok(tokenizer_decode(scripted_tokenizer(), (const int32_t *)tokens + b->first, b->tokens,
                         DECODE_SKIP_SPECIAL, &said, &err));
  const char *all = g->workers[b->worker].thread->text;
  ck_assert_uint_eq(said.bytes, b->bytes);
  ck_assert(!memcmp(text_string(&said), all + b->start, b->bytes));
  text_close(&said);
}

/* says: tokens are characters, so that texts are known. */
static void check_view(const trace_gang *g, const trace_view *v, const watched_view *wanted,
                       const runner_thread *threads, int says, tally *t) {
  size_t at = 0;
  for (int i = 0; i < v->count; i++) {
    const trace_block *b = &v->blocks[i];
    const uint32_t *tokens = threads[b->worker].tokens;
    ck_assert_uint_le(b->first + b->tokens, threads[b->worker].count);
    ck_assert_uint_le(at + b->tokens, wanted->count);
    ck_assert(!b->tokens ||
              !memcmp(tokens + b->first, wanted->tokens + at, b->tokens * sizeof *tokens));
    if (says) check_text(g, b, tokens);
    at += b->tokens;
    t->steps += b->kind == TRACE_DONE;
    t->others += b->kind == TRACE_OTHER && b->tokens > 0;
  }
  ck_assert_uint_eq(at, wanted->count);
  ck_assert_int_eq(v->tokens, (int64_t)at);
  ck_assert_int_eq(v->blocks[v->count - 1].kind, TRACE_OWN);
  if (wanted->own) ck_assert_uint_eq(v->blocks[v->count - 1].tokens, wanted->own);
  ck_assert_int_eq(v->sampled != NULL, wanted->sampled >= 0);
  t->fed += !v->sampled;
  t->views++;
  if (!v->sampled) return;
  const trace_worker *w = &g->workers[v->worker];
  ck_assert_uint_eq(threads[v->worker].tokens[w->first + (size_t)(v->sampled - w->tokens)],
                    wanted->sampled);
}

static int is_key_of(const runner_task *task, int worker, random_key key) {
  char path[16];
  (void)snprintf(path, sizeof path, "%d", worker);
  random_key own = random_key_of(task->seed, &task->content, task->repeat, path);
  return !memcmp(&own, &key, sizeof own);
}

/* All that was watched, as far as the sample goes, and nothing else. */
static void check_sample(shelf *to, const runner_sample *s, const watched *seen, int says,
                         tally *t) {
  trace_sample sample;
  trace_gang g;
  int count, watched_count, compared = 0, told = 0;
  const runner_thread *threads = runner_sample_threads(s, &count);
  const watched_view *views = watched_views(seen, &watched_count);
  put_sample(to, s, &sample);
  ck_ok(trace_gang_read(&sample, to->memory, &g, &err));
  ck_assert_int_le(g.count, count);
  for (int i = 0; i < g.count; i++) {
    const trace_worker *w = &g.workers[i];
    ck_assert_int_eq(w->step_count, threads[i].commit_count);
    ck_assert_uint_eq(w->first + w->count, threads[i].count);
    told += (int)w->last;
    for (int k = 0; k < watched_count; k++) {
      trace_view v;
      if (!is_key_of(runner_sample_task(s), i, views[k].key) || views[k].forward > w->last)
        continue;
      ck_ok(trace_view_at(&g, i, views[k].forward, to->memory, &v, &err));
      check_view(&g, &v, &views[k], threads, says, t);
      compared++;
    }
    trace_view none;
    ck_fails(trace_view_at(&g, i, w->last + 1, to->memory, &none, &err), E_INPUT, "is none");
    ck_fails(trace_view_at(&g, i, 0, to->memory, &none, &err), E_INPUT, "counted from 1");
  }
  ck_assert_int_eq(compared, told);
}

static runner_sample *run(generator before, const runner_task *task, watched **seen) {
  runner *r = NULL;
  *seen = watched_open(before);
  generator g = watched_generator(*seen);
  ck_ok(runner_open(&r, &g, &err));
  ck_ok(runner_add(r, task, &err));
  while (runner_in_flight(r))
    ck_ok(runner_step(r, &err));
  runner_sample *s = runner_take(r);
  detail why = {0};
  ck_assert_msg(runner_sample_state(s, &why) == OK, "%s", why.text);
  runner_close(r);
  return s;
}

static int sampled_nothing(const runner_sample *s) {
  int count, found = 0;
  const runner_thread *threads = runner_sample_threads(s, &count);
  for (int i = 0; i < count; i++)
    found |= threads[i].generated == 0;
  return found;
}

/* The same of the sample that lower limits leave of it. */
static void check_derived(shelf *to, const runner_sample *s, const runner_rules *rules,
                          const watched *seen, int64_t forwards, tally *t) {
  runner_rules less = *rules;
  runner_sample *cut = NULL;
  less.forwards = forwards;
  ck_ok(runner_derive(&cut, s, &less, &err));
  if (!cut) {
    ck_assert(sampled_nothing(s)); /* then nothing is known of that worker's numbers */
    return;
  }
  t->derived++;
  check_sample(to, cut, seen, 1, t);
  runner_sample_free(cut);
}

/* ---- scripts --------------------------------------------------------------------------------- */

static void draw_line(random_stream *r, char *out) {
  static const char letters[] = "abcdefghij \n=4xyz.";
  double separators = random_chance(r, 0.5) ? 0.15 : 0.02, ends = random_chance(r, 0.3) ? 0.02 : 0;
  for (int i = 0; i < LINE_TOKENS; i++) {
    out[i] = letters[random_below(r, sizeof letters - 2)];
    if (random_chance(r, separators)) out[i] = '.';
    if (random_chance(r, ends)) out[i] = '|';
  }
  out[LINE_TOKENS] = 0;
}

/* A name that is longer than a forward takes is put in by several. */
static void draw_parameters(random_stream *r, const char *layout, char *out, size_t bytes) {
  static const char *const untils[] = {"all", "all", "end", "answer"};
  static const char *const limits[] = {"", ",\"tokens_thread\":17", ",\"tokens_total\":260",
                                       ",\"context\":150"};
  int wide = random_chance(r, 0.3) ? (int)random_between(r, 60, 140) : 1;
  int wrote = snprintf(
      out, bytes,
      "{\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\",\"answer\":\"=(4)\","
      "\"header\":{\"past\":\"P:\",\"others\":\"[o]\",\"own\":\"[w]\",\"split\":\"[s]\","
      "\"workspace\":\"#{worker}:\"},\"step\":{\"separator\":\".\",\"rule\":\"%s\","
      "\"prefix\":\"{worker}{step}:\",\"opening\":\"+\",\"greeting\":\"-\",\"cut\":\"<>\"},"
      "\"names\":[\"A\",\"%0*d\",\"C\"],\"redundancy\":{\"text\":\"?\",\"tokens\":%d},"
      "\"workers\":%d,\"layout\":\"%s\",\"until\":\"%s\",\"limit\":{\"forwards\":%d%s}}",
      random_chance(r, 0.7) ? "separator" : "sentence", wide, 0, (int)random_between(r, 5, 60),
      (int)random_between(r, 1, WORKERS_MAX), layout, untils[random_below(r, 4)],
      (int)random_between(r, 1, 90), limits[random_below(r, 4)]);
  ck_assert_int_lt(wrote, (int)bytes);
}

static void check_drawn(shelf *to, random_stream *r, const char *layout, tally *t) {
  char words[2048], texts[WORKERS_MAX][LINE_TOKENS + 1];
  script_line lines[WORKERS_MAX];
  static const char *const paths[] = {"0", "1", "2", "3"};
  runner_rules rules;
  watched *seen;
  draw_parameters(r, layout, words, sizeof words);
  scripted_rules(&rules, "hogwild", words, CONTEXT);
  for (int i = 0; i < WORKERS_MAX; i++) {
    draw_line(r, texts[i]);
    lines[i] = (script_line){paths[i], texts[i]};
  }
  runner_task task = {.rules = &rules, .question = "q\n", .target = "\"\"", .seed = 7};
  scripted *s = scripted_open(lines, WORKERS_MAX, random_below(r, 2));
  scripted_task(s, &task);
  runner_sample *of = run(scripted_generator(s), &task, &seen);
  check_sample(to, of, seen, 1, t);
  if (random_chance(r, 0.5))
    check_derived(to, of, &rules, seen, random_between(r, 1, rules.forwards), t);
  runner_sample_free(of);
  watched_close(seen);
  scripted_close(s);
  scripted_rules_close(&rules);
}

static uint64_t first_draw; /* the program's arguments */
static int draws = 30;

/* What they come to of which the first draws are known to hold enough. */
static void check_tally(const tally *t, int has_steps, int reads_unfinished, int is_fed) {
  ck_assert_int_gt(t->views, 800);
  ck_assert(has_steps ? t->steps > 400 : t->steps == 0);
  ck_assert(reads_unfinished ? t->others > 400 : t->others == 0);
  ck_assert(is_fed ? t->fed > 5 : t->fed == 0);
  ck_assert_int_gt(t->derived, 5);
}

START_TEST(views_of_scripts) {
  random_stream r = random_start((random_key){{(uint32_t)first_draw, (uint32_t)_i}});
  job_model *m = NULL;
  shelf to;
  tally t = {0};
  ck_ok(job_model_open(&m, tiny_model("tiny", SEED, ELEMENT_FP32, NULL), NULL, NULL, &err));
  open_shelf(&to, m);
  for (int i = 0; i < draws; i++)
    check_drawn(&to, &r, layouts[_i], &t);
  if (!first_draw) check_tally(&t, _i < 2, _i == 0 || _i == 2, _i < 3);
  close_shelf(&to);
  job_model_close(m);
}
END_TEST

/* ---- a model --------------------------------------------------------------------------------- */

static const char model_words[] =
    "{\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\",\"answer\":\"#(never)#\","
    "\"until\":\"all\",\"workers\":%d,\"layout\":\"%s\",\"sampling\":{\"temperature\":1},"
    "\"step\":{\"separator\":\"e\",\"rule\":\"separator\",\"prefix\":\"{worker}{step}:\"},"
    "\"redundancy\":{\"tokens\":90},\"limit\":{\"forwards\":70,\"context\":900}}";

static void check_model(shelf *to, const job_model *m, const char *layout, int workers, tally *t) {
  char words[1024];
  json_t *given = NULL, *settled = NULL;
  const mode *hogwild = mode_find("hogwild");
  engine_options o = {.backend = "cpu",
                      .compute = COMPUTE_FP32,
                      .threads = 1,
                      .positions = 1000,
                      .page_keys = 16,
                      .slots = 16,
                      .rows = 320,
                      .pages = 1200,
                      .segments = 32,
                      .swap_bytes = 64 << 20};
  engine *e = NULL;
  runner_rules rules;
  watched *seen;
  (void)snprintf(words, sizeof words, model_words, workers, layout);
  ck_ok(json_read(&given, words, strlen(words), "parameters", 1, &err));
  ck_ok(hogwild->resolve(given, &err));
  ck_ok(job_model_settle(m, given, &settled, &err));
  ck_ok(runner_rules_open(&rules, hogwild, settled, m, &err));
  ck_ok(engine_open(&e, m->model, m->tokenizer, &o, &err));
  runner_task task = {.rules = &rules, .question = "why?\n", .target = "\"\"", .seed = 3};
  runner_sample *s = run(generator_of_engine(e), &task, &seen);
  check_sample(to, s, seen, 0, t);
  runner_sample_free(s);
  watched_close(seen);
  engine_close(e);
  runner_rules_close(&rules);
  json_decref(settled);
  json_decref(given);
}

START_TEST(views_of_a_model) {
  job_model *m = NULL;
  shelf to;
  tally t = {0};
  ck_ok(job_model_open(&m, tiny_model("tiny", SEED, ELEMENT_FP32, NULL), NULL, NULL, &err));
  open_shelf(&to, m);
  for (int workers = 1; workers <= WORKERS_MAX; workers++)
    check_model(&to, m, layouts[_i], workers, &t);
  ck_assert_int_gt(t.views, 300);
  ck_assert(_i < 2 ? t.steps > 100 : t.steps == 0);
  close_shelf(&to);
  job_model_close(m);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Somebody else's layout: numbers that are others, pieces that are gone or come twice. */
static char *damage(random_stream *r, const char *layout) {
  size_t bytes = strlen(layout), from, count;
  char *out = calloc(1, bytes + 64);
  ck_assert_ptr_nonnull(out);
  memcpy(out, layout, bytes);
  for (int64_t times = random_between(r, 1, 3); times > 0; times--) {
    bytes = strlen(out);
    for (from = random_below(r, (uint32_t)bytes); from > 0 && !strchr("[,", out[from - 1]);)
      from--;
    count = strcspn(out + from, ",]");
    switch (random_below(r, 4)) {
    case 0: /* another number, where it is one */
      for (size_t i = 0; i < count; i++) {
        if (out[from + i] >= '0' && out[from + i] <= '9')
          out[from + i] = (char)('0' + random_below(r, 10));
      }
      break;
    case 1: /* of another sign */
      memmove(out + from + 1, out + from, bytes - from + 1);
      out[from] = '-';
      break;
    case 2: /* much larger */
      memmove(out + from + 9, out + from, bytes - from + 1);
      memcpy(out + from, "922337203", 9);
      break;
    default: /* no more there */
      if (out[from + count] == ',') count++;
      memmove(out + from, out + from + count, bytes - from - count + 1);
    }
  }
  return out;
}

static void put_damaged(shelf *to, random_stream *r, const runner_sample *s) {
  record_place at = {.run = &to->run, .task = 1, .repeat = to->repeats++, .attempt = 1};
  store_sample row;
  arena_reset(to->memory);
  ck_ok(record_row(&at, s, 0, to->memory, &row, &err));
  store_thread threads[WORKERS_MAX];
  char *layouts_of[WORKERS_MAX];
  ck_assert_int_le(row.thread_count, WORKERS_MAX);
  for (int i = 0; i < row.thread_count; i++) {
    threads[i] = row.threads[i];
    layouts_of[i] =
        random_chance(r, 0.6) ? damage(r, threads[i].layout_json) : strdup(threads[i].layout_json);
    threads[i].layout_json = layouts_of[i];
  }
  row.threads = threads;
  ck_ok(store_put(to->s, &row, NULL, 0, &err));
  for (int i = 0; i < row.thread_count; i++)
    free(layouts_of[i]);
}

static void look_at(const trace_gang *g, arena *memory, random_stream *r) {
  trace_view v;
  text page;
  text_open(&page, 1 << 20);
  for (int i = 0; i < 10; i++) {
    int worker = (int)random_below(r, (uint32_t)g->count);
    int64_t at = random_between(r, 0, g->workers[worker].last + 1);
    status failed = trace_view_at(g, worker, at, memory, &v, &err);
    ck_assert(failed == OK || failed == E_INPUT);
    for (int k = 0; !failed && k < v.count; k++) {
      const trace_block *b = &v.blocks[k];
      ck_assert_int_lt(b->worker, g->count);
      ck_assert_uint_le(b->start + b->bytes, g->workers[b->worker].thread->text_bytes);
    }
    if (!failed) trace_put_view(g, &v, 0, 40, &page);
  }
  trace_columns o = {.color = random_chance(r, 0.5), .only = -1};
  o.width = (int)random_between(r, 20, 120);
  trace_put_columns(g, &o, &page);
  ck_ok(text_state(&page, &err));
  text_close(&page);
}

/* It is refused, or as good as another, and nothing outside the text is ever read. */
START_TEST(damage_is_not_followed) {
  enum { DAMAGED = 600 };
  static const script_line lines[] = {{"0", "ab.cd\nefg.hij|"}, {"1", "xy\nzu.vw.abcdefghijk"}};
  static const char words[] =
      "{\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\",\"answer\":\"=(.)\","
      "\"names\":[\"A\",\"B\"],\"step\":{\"separator\":\".\",\"rule\":\"separator\","
      "\"prefix\":\"{worker}:\"},\"workers\":2,\"until\":\"end\"}";
  random_stream r = random_start((random_key){{(uint32_t)first_draw, 77}});
  int good = 0, refused = 0;
  job_model *m = NULL;
  runner_rules rules;
  shelf to;
  ck_ok(job_model_open(&m, tiny_model("tiny", SEED, ELEMENT_FP32, NULL), NULL, NULL, &err));
  open_shelf(&to, m);
  scripted_rules(&rules, "hogwild", words, CONTEXT);
  runner_sample *s = scripted_run(&rules, "q\n", "\"\"", lines, 2, 0);
  for (int i = 0; i < DAMAGED; i++)
    put_damaged(&to, &r, s);
  ck_ok(store_flush(to.s, &err));
  for (int i = 0; i < DAMAGED; i++) {
    trace_place place = {.sample = 1 + i};
    trace_sample sample;
    trace_gang g;
    arena_reset(to.memory);
    ck_ok(trace_read(to.s, &place, to.memory, &sample, &err));
    status failed = trace_gang_read(&sample, to.memory, &g, &err);
    ck_assert(failed == OK || failed == E_STORE || failed == E_INPUT);
    good += !failed;
    refused += failed == E_STORE;
    if (!failed) look_at(&g, to.memory, &r);
  }
  ck_assert_int_gt(good, 50);
  ck_assert_int_gt(refused, 200);
  runner_sample_free(s);
  scripted_rules_close(&rules);
  close_shelf(&to);
  job_model_close(m);
}
END_TEST

/* ---- texts ----------------------------------------------------------------------------------- */

/* What each token says makes up the text, whole characters only: one whose bytes are several tokens
   is the last one's. */
START_TEST(pieces_make_up_the_text) {
  static const script_line lines[] = {{"0", "ab.cd|"}, {"1", "xy.zw|"}};
  static const char words[] =
      "{\"protocol\":\"generic-hogwild\",\"prompt\":\"{question}\",\"answer\":\"=(.)\","
      "\"names\":[\"\xc3\xa4\",\"\xe2\x82\xac\"],\"step\":{\"separator\":\".\","
      "\"rule\":\"separator\",\"prefix\":\"{worker}:\",\"opening\":\"+\",\"greeting\":\"-\"},"
      "\"workers\":2,\"until\":\"all\"}";
  runner_rules rules;
  scripted_rules(&rules, "hogwild", words, CONTEXT);
  runner_sample *s = scripted_run(&rules, "q", "\"\"", lines, 2, 0);
  static const uint32_t wanted[][7] = {{0, 2, 1, 1, 1, 1, 1}, {0, 0, 3, 1, 1, 1, 1}};
  for (int w = 0; w < 2; w++) {
    const runner_thread *t = scripted_thread(s, w, 2);
    ck_assert_int_eq(t->seats[t->seat_count - 1].worker, w);
    const uint32_t *own = t->pieces + t->seats[t->seat_count - 1].token;
    size_t all = 0;
    ck_assert(!memcmp(own, wanted[w], sizeof wanted[w]));
    for (size_t i = 0; i < t->count; i++)
      all += t->pieces[i];
    ck_assert_uint_eq(all, t->text.bytes);
  }
  runner_sample_free(s);
  scripted_rules_close(&rules);
}
END_TEST

int main(int argc, char **argv) {
  json_install();
  if (argc > 1) first_draw = strtoull(argv[1], NULL, 10);
  if (argc > 2) draws = atoi(argv[2]);
  Suite *suite = suite_create("trace_workers");
  TCase *all = tcase_create("trace_workers");
  tcase_add_loop_test(all, views_of_scripts, 0, sizeof layouts / sizeof layouts[0]);
  tcase_add_loop_test(all, views_of_a_model, 0, sizeof layouts / sizeof layouts[0]);
  tcase_add_test(all, damage_is_not_followed);
  tcase_add_test(all, pieces_make_up_the_text);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
