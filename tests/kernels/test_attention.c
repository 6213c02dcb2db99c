/* A property: whatever the rows of a call see and share, every path and number of threads gives the
   reference's bytes, and rows alone give what they give together. Views are drawn: segments that
   share the pages of a prefix, rows that follow each other in a prompt, rows that see the same
   pages at other positions or in another order, as workers that read each other do, spans without
   keys, rows without any.

     test_attention [plans]   more than the few that a suite has time for */
#include "base/memory.h"
#include "kernels/number.h"
#include "kernels/rope.h"
#include "tests/kernels/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS = 6, SEGMENT_KEYS = 420, SPANS = 5, ROWS = 300, POSITIONS = 640 };

static int plans = 80;
static detail err;

typedef struct drawn {
  device_options o;
  int heads, tokens;             /* tokens: slots of all pages, which are all written */
  int start[SEGMENTS];           /* in pages */
  int keys[SEGMENTS];            /* that its pages hold */
  int32_t row_span[ROWS + 1];    /* of read, and so on */
  int32_t span[3][ROWS * SPANS]; /* page, keys, position */
  step_plan write, read;
  float *qkv, *q, *rope; /* q: of the rows, unrotated */
} drawn;

/* ---- drawing --------------------------------------------------------------------------------- */

static void draw_shape(drawn *w, random_stream *s) {
  static const int sizes[] = {6, 32, 64, 80, 96, 128, 34}, page_keys[] = {16, 32, 64, 128};
  int grouped = (int)random_between(s, 1, 8), kv_heads = (int)random_between(s, 1, 3);
  w->o = (device_options){.compute = random_chance(s, 0.7) ? COMPUTE_BF16 : COMPUTE_FP32};
  w->o.layers = 1, w->o.kv_heads = kv_heads, w->o.threads = 1;
  w->o.head_size = sizes[random_below(s, sizeof sizes / sizeof *sizes)];
  w->o.page_keys = page_keys[random_below(s, 4)];
  w->o.pages = 1024 / w->o.page_keys;
  if (random_chance(s, 0.1)) { /* so many heads that parts of a view go in rounds */
    grouped = (int)random_between(s, 40, KERNELS_GROUPED_MAX);
    w->o.kv_heads = kv_heads = 1;
  }
  w->heads = grouped * kv_heads;
  w->tokens = w->o.pages * w->o.page_keys;
}

/* Each list of pages begins as an earlier one does, for some pages or none. */
static void draw_segments(drawn *w, random_stream *s) {
  int most = SEGMENT_KEYS / w->o.page_keys, listed = 0;
  int32_t *pages = case_take((size_t)(SEGMENTS * (most + 1)), sizeof *pages);
  for (int i = 0; i < SEGMENTS; i++) {
    int count = (int)random_between(s, 1, most + 1),
        like = i ? (int)random_below(s, (uint32_t)i) : 0;
    int held = i ? w->keys[like] / w->o.page_keys : 0, shared = (int)random_between(s, 0, held);
    if (shared > count) shared = count;
    w->start[i] = listed;
    w->keys[i] = count * w->o.page_keys;
    for (int p = 0; p < count; p++) {
      pages[listed++] =
          p < shared ? pages[w->start[like] + p] : (int32_t)random_below(s, (uint32_t)w->o.pages);
    }
  }
  w->read.pages = pages;
}

static void draw_span(drawn *w, random_stream *s, int at) {
  int segment = (int)random_below(s, SEGMENTS);
  int keys = random_chance(s, 0.15) ? 0 : (int)random_between(s, 1, w->keys[segment]);
  w->span[0][at] = w->start[segment];
  w->span[1][at] = keys;
  w->span[2][at] = (int32_t)random_below(s, POSITIONS);
}

/* The pages behind a span hold one key more: it is within its segment's list. */
static int can_grow(const drawn *w, int at) {
  for (int i = 0; i < SEGMENTS; i++) {
    if (w->span[0][at] == w->start[i]) return w->span[1][at] < w->keys[i];
  }
  return 0;
}

/* Of a view the span that is written to comes last: another's goes there, and the rest closes up.
 */
static void put_last(drawn *w, int first, int count, int moved) {
  for (int i = 0; i < 3; i++) {
    int32_t last = w->span[i][first + moved];
    memmove(&w->span[i][first + moved], &w->span[i][first + moved + 1],
            (size_t)(count - moved - 1) * sizeof last);
    w->span[i][first + count - 1] = last;
  }
}

/* A row of its own, or the next of a prompt, or an earlier one's view at other positions, or in
   another order. */
static void draw_row(drawn *w, random_stream *s, int row) {
  int first = w->row_span[row], at = first, kind = row ? (int)random_below(s, 13) : 0;
  int like = kind < 7 || kind > 9 ? row - 1 : (int)random_below(s, (uint32_t)row + 1);
  if (kind < 3 || like == row) {
    for (int spans = (int)random_below(s, SPANS + 1); spans > 0; spans--)
      draw_span(w, s, at++);
  } else {
    for (int from = w->row_span[like]; from < w->row_span[like + 1]; from++, at++) {
      for (int i = 0; i < 3; i++)
        w->span[i][at] = w->span[i][from];
      if (kind > 6) w->span[2][at] = (int32_t)random_below(s, POSITIONS);
    }
    if (kind < 7 && at > first && can_grow(w, at - 1)) w->span[1][at - 1]++;
    if (kind > 9 && at > first)
      put_last(w, first, at - first, (int)random_below(s, (uint32_t)(at - first)));
  }
  w->row_span[row + 1] = at;
}

static float *drawn_numbers(random_stream *s, size_t count) {
  float *x = case_take(count, sizeof *x);
  for (size_t i = 0; i < count; i++) {
    float one = case_number(s);
    x[i] = one > 16 || one < -16 ? one / 256 : one * 2;
  }
  return x;
}

static drawn *drawn_plan(random_stream *s) {
  drawn *w = case_take(1, sizeof *w);
  draw_shape(w, s);
  draw_segments(w, s);
  int rows = (int)random_between(s, 1, random_chance(s, 0.1) ? ROWS : 40);
  if (w->heads / w->o.kv_heads >= 40) rows = (int)random_between(s, 1, 3);
  for (int r = 0; r < rows; r++)
    draw_row(w, s, r);
  w->read.rows = rows, w->read.spans = w->row_span[rows], w->read.row_span = w->row_span;
  w->read.span_page = w->span[0], w->read.span_keys = w->span[1];
  w->read.span_position = w->span[2];
  int32_t *slot = case_take((size_t)w->tokens, sizeof *slot);
  int32_t *position = case_take((size_t)w->tokens, sizeof *position);
  for (int t = 0; t < w->tokens; t++)
    slot[t] = t, position[t] = (int32_t)random_below(s, POSITIONS);
  w->write = (step_plan){.rows = w->tokens, .write_slot = slot, .write_position = position};
  size_t size = (size_t)w->o.head_size, heads = (size_t)(w->heads + 2 * w->o.kv_heads);
  w->qkv = drawn_numbers(s, (size_t)w->tokens * heads * size);
  w->q = drawn_numbers(s, (size_t)rows * w->heads * size);
  w->rope = case_take(POSITIONS * size, sizeof *w->rope);
  rope_options o = {.kind = ROPE_PLAIN, .head_size = w->o.head_size, .theta = 10000};
  ck_ok(rope_fill(&o, POSITIONS, w->rope, &err));
  return w;
}

/* ---- running --------------------------------------------------------------------------------- */

/* A device whose pages are filled. */
static device *filled(const kernels *k, drawn *w, unsigned path, int threads) {
  device_options o = w->o;
  device *d;
  o.paths = path, o.threads = threads;
  ck_ok(k->open(&d, &o, &err));
  size_t size = (size_t)o.head_size, stride = (size_t)(w->heads + 2 * o.kv_heads) * size;
  rope_append_args a = {.plan = &w->write, .heads = w->heads, .q = w->qkv};
  a.k = w->qkv + (size_t)w->heads * size;
  a.v = a.k + (size_t)o.kv_heads * size;
  a.q_stride = a.k_stride = a.v_stride = stride;
  a.rope = w->rope, a.rope_positions = POSITIONS;
  a.out = case_take((size_t)w->tokens * w->heads * size, sizeof *a.out);
  ck_ok(k->rope_append(d, &a, &err));
  return d;
}

static size_t row_bytes(const drawn *w) {
  return (size_t)(w->heads * w->o.head_size) * kernels_activation_bytes(w->o.compute);
}

static unsigned char *attended(const kernels *k, device *d, const drawn *w, int first, int count) {
  step_plan plan = w->read;
  plan.rows = count;
  plan.row_span += first;
  unsigned char *out = case_take((size_t)count + 1, row_bytes(w));
  memset(out, 0xa5, ((size_t)count + 1) * row_bytes(w));
  const float *q = w->q + (size_t)first * w->heads * w->o.head_size;
  attention_args a = {&plan, 0, w->heads, q, w->rope, POSITIONS, out};
  ck_ok(k->attention(d, &a, &err));
  for (size_t i = 0; i < row_bytes(w); i++)
    must_msg(out[(size_t)count * row_bytes(w) + i] == 0xa5, "wrote past its output");
  return out;
}

/* All rows, and some neighbours of them, against what is wanted of all. */
static void check_rows(const kernels *k, device *d, const drawn *w, const unsigned char *wanted,
                       random_stream *s) {
  for (int i = 0; i < 3; i++) {
    int first = i ? (int)random_below(s, (uint32_t)w->read.rows) : 0;
    int count = i == 1 ? 1 : (int)random_between(s, 1, w->read.rows - first);
    if (i == 0) count = w->read.rows;
    const unsigned char *got = attended(k, d, w, first, count);
    const unsigned char *from = wanted + (size_t)first * row_bytes(w);
    for (size_t at = 0; at < (size_t)count * row_bytes(w); at++) {
      must_msg(got[at] == from[at],
               "%s, %d threads, compute %d, %d heads on %d of %d, pages of %d: byte %zu of row %zu "
               "of rows %d to %d",
               k->path(d), w->o.threads, (int)w->o.compute, w->heads, w->o.kv_heads, w->o.head_size,
               w->o.page_keys, at % row_bytes(w), first + at / row_bytes(w), first,
               first + count - 1);
    }
  }
}

static void check_plan(random_stream *s, int number) {
  static const cpu_path all[] = {CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_BF16, CPU_AMX, CPU_TILES};
  enum { PATHS = sizeof all / sizeof *all };
  const kernels *reference = kernels_find("reference"), *cpu = kernels_find("cpu");
  drawn *w = drawn_plan(s);
  device *d = filled(reference, w, 0, 1);
  const unsigned char *wanted = attended(reference, d, w, 0, w->read.rows);
  check_rows(reference, d, w, wanted, s);
  reference->close(d);
  for (int p = 0; p < PATHS; p++) {
    /* Paths of plain C are slow: each has its part of the plans. */
    int is_slow = all[p] == CPU_PORTABLE || all[p] == CPU_TILES;
    if (!(kernels_cpu_paths() & all[p]) || (is_slow && number % 4 != p % 4)) continue;
    d = filled(cpu, w, all[p], 1);
    check_rows(cpu, d, w, wanted, s);
    cpu->close(d);
  }
  static const int threads[] = {2, 3, 7, 16};
  w->o.threads = w->heads >= 40 ? w->read.rows + 1 : threads[random_below(s, 4)];
  d = filled(cpu, w, 0, w->o.threads);
  check_rows(cpu, d, w, wanted, s);
  cpu->close(d);
}

enum { PARTS = 4 };

START_TEST(schedules_do_not_change_a_row) {
  char name[32];
  for (int i = _i; i < plans; i += PARTS) {
    (void)snprintf(name, sizeof name, "attention %d", i);
    random_stream s = case_stream(name);
    check_plan(&s, i / PARTS);
    case_forget();
  }
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) plans = atoi(argv[1]);
  Suite *suite = suite_create("attention");
  TCase *all = tcase_create("attention");
  tcase_add_loop_test(all, schedules_do_not_change_a_row, 0, PARTS);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
