#include "tests/kernels/cases.h"

#include "base/memory.h"
#include "kernels/number.h"

#include <stdio.h>
#include <string.h>

enum { GUARD = 64, GUARD_BYTE = 0xa5, POISON = 0xff };

#define PRODUCT(rows, n, k, bias)                                                                  \
  { CASE_PRODUCT, rows, n, k, 0, 0, 0, 0, VIEW_PLAIN, bias, 0 }
#define WIDE(operation, rows, n, other)                                                            \
  { operation, rows, n, 0, 0, 0, 0, 0, VIEW_PLAIN, other, 0 }
#define ATTENTION(rows, heads, kv_heads, head_size, page_keys, view, gain)                         \
  { CASE_ATTENTION, rows, 0, 0, heads, kv_heads, head_size, page_keys, view, gain, 0 }
#define SPLICE(rows, heads, kv_heads, head_size, page_keys, view, turn)                            \
  { CASE_SPLICE, rows, 0, 0, heads, kv_heads, head_size, page_keys, view, 0, turn }

const kernel_case kernel_cases[] = {
    PRODUCT(1, 1, 1, 0),
    PRODUCT(1, 16, 32, 0),
    PRODUCT(2, 33, 31, 1),
    PRODUCT(3, 17, 65, 0),
    PRODUCT(5, 96, 100, 1),
    PRODUCT(16, 64, 64, 0),
    PRODUCT(17, 47, 96, 1),
    PRODUCT(31, 80, 257, 0),
    PRODUCT(33, 129, 300, 1),
    PRODUCT(64, 31, 160, 0),
    PRODUCT(257, 18, 33, 1),
    PRODUCT(1, 1000, 688, 0),
    PRODUCT(2, 40, 3, 0),
    PRODUCT(3, 16, 5, 1),
    PRODUCT(300, 18, 30, 1),
    PRODUCT(70, 35, 3001, 0),
    WIDE(CASE_EMBED, 9, 100, 0),
    WIDE(CASE_EMBED, 33, 31, 0),
    WIDE(CASE_NORM_ADD, 1, 1, 0),
    WIDE(CASE_NORM_ADD, 3, 15, 1),
    WIDE(CASE_NORM_ADD, 17, 64, 1),
    WIDE(CASE_NORM_ADD, 5, 1027, 1),
    WIDE(CASE_SWIGLU, 1, 1, 0),
    WIDE(CASE_SWIGLU, 7, 37, 0),
    WIDE(CASE_SWIGLU, 33, 344, 0),
    WIDE(CASE_GATHER, 19, 50, 0),
    WIDE(CASE_SAMPLE, 40, 1, 0),
    WIDE(CASE_SAMPLE, 60, 37, 0),
    WIDE(CASE_SAMPLE, 90, 1003, 0),
    ATTENTION(1, 1, 1, 32, 16, VIEW_PLAIN, 0),
    ATTENTION(5, 2, 1, 32, 32, VIEW_PLAIN, 1),
    ATTENTION(20, 4, 4, 64, 16, VIEW_PLAIN, 0),
    ATTENTION(7, 8, 2, 64, 64, VIEW_SHIFTED, 1),
    ATTENTION(9, 5, 1, 80, 32, VIEW_EMPTY, 0),
    ATTENTION(6, 10, 2, 96, 128, VIEW_MANY, 1),
    ATTENTION(3, 8, 1, 128, 16, VIEW_LONG, 0),
    ATTENTION(4, 4, 2, 128, 128, VIEW_LONG, 1),
    ATTENTION(33, 2, 2, 80, 64, VIEW_MANY, 0),
    ATTENTION(18, 20, 1, 32, 16, VIEW_SHIFTED, 0),
    ATTENTION(11, 3, 3, 6, 16, VIEW_EMPTY, 1),
    SPLICE(4, 4, 4, 64, 16, VIEW_PLAIN, 0),
    SPLICE(9, 3, 1, 80, 32, VIEW_MANY, 0),
    SPLICE(6, 10, 2, 96, 64, VIEW_SHIFTED, 17),
    SPLICE(3, 20, 20, 32, 128, VIEW_LONG, 301),
    SPLICE(5, 2, 2, 6, 16, VIEW_EMPTY, 1),
};
const size_t kernel_cases_count = sizeof kernel_cases / sizeof *kernel_cases;

static detail err;

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct piece {
  struct piece *next;
  max_align_t data[];
} piece;

static piece *pieces; /* what case_forget frees */

void *case_take(size_t count, size_t bytes) {
  piece *p = memory_zeroed(1, sizeof *p + count * bytes);
  ck_assert_ptr_nonnull(p);
  p->next = pieces;
  pieces = p;
  return p->data;
}

void case_forget(void) {
  for (piece *next; pieces; pieces = next) {
    next = pieces->next;
    memory_free(pieces);
  }
}

/* ---- draws ----------------------------------------------------------------------------------- */

random_stream case_stream(const char *name) {
  hash h = hash_of(name, strlen(name));
  return random_start(random_key_of(4, &h, 0, "0"));
}

float case_number(random_stream *s) {
  uint32_t kind = random_below(s, 64), word = random_next(s);
  float unit = (float)word * 0x1p-31f - 1.0f;
  if (kind == 0) return word & 1 ? 0.0f : -0.0f;
  if (kind == 1) return number_of_bits(word & 0x807fffffu); /* denormal */
  if (kind == 2) return unit * 0x1p-70f;                    /* products of these are denormal */
  if (kind == 3) return word & 1 ? 1024.0f : -1024.0f;
  return unit;
}

static float *numbers(random_stream *s, size_t count) {
  float *x = case_take(count, sizeof *x);
  for (size_t i = 0; i < count; i++)
    x[i] = case_number(s);
  return x;
}

static void *activations(random_stream *s, compute_type c, size_t count) {
  float *x = numbers(s, count);
  if (c == COMPUTE_FP32) return x;
  uint16_t *rounded = case_take(count, sizeof *rounded);
  for (size_t i = 0; i < count; i++)
    rounded[i] = number_to_bf16(x[i]);
  return rounded;
}

const char *case_name(const kernel_case *c) {
  static const char *const names[] = {"embed",  "norm_add", "product", "attention",
                                      "swiglu", "gather",   "sample",  "splice"};
  static char line[160];
  snprintf(line, sizeof line,
           "%s rows %d n %d k %d heads %d/%d x %d page %d view %d further %d turn %d",
           names[c->operation], c->rows, c->n, c->k, c->heads, c->kv_heads, c->head_size,
           c->page_keys, (int)c->view, c->further, c->turn);
  return line;
}

/* ---- outputs that nothing may write past ----------------------------------------------------- */

static void *guarded(size_t bytes) {
  unsigned char *block = case_take(1, bytes + 2 * GUARD);
  memset(block, GUARD_BYTE, bytes + 2 * GUARD);
  memset(block + GUARD, POISON, bytes);
  return block + GUARD;
}

static void check_guards(const kernel_case *c, const void *data, size_t bytes) {
  const unsigned char *at = data;
  for (size_t i = 0; i < GUARD; i++) {
    must_msg(at[i - GUARD] == GUARD_BYTE && at[bytes + i] == GUARD_BYTE,
             "%s: wrote outside its output", case_name(c));
  }
}

static case_bytes bytes_of(const kernel_case *c, void *data, int rows, size_t row_bytes) {
  check_guards(c, data, (size_t)rows * row_bytes);
  return (case_bytes){data, (size_t)rows * row_bytes, row_bytes};
}

/* ---- the operations but attention ------------------------------------------------------------ */

typedef struct run {
  const kernels *k;
  const kernel_case *c;
  device *d;
  compute_type compute;
  size_t unit; /* bytes of an activation */
  int first, count;
  random_stream s;
} run;

/* A weight in two parts of different elements, which under bf16 differ by a rounding only. */
static packed_weight *drawn_weight(run *r, int n, int k) {
  int head = n / 3;
  float *data = numbers(&r->s, (size_t)n * k);
  uint16_t *rounded = case_take((size_t)n * k, sizeof *rounded);
  for (size_t i = 0; i < (size_t)n * k; i++)
    rounded[i] = number_to_bf16(data[i]);
  weight_part parts[2] = {{rounded, ELEMENT_BF16, head},
                          {data + (size_t)head * k, ELEMENT_FP32, n - head}};
  weight_source source = {head ? parts : parts + 1, head ? 2 : 1, k};
  packed_weight *w;
  ck_ok(r->k->weight_pack(r->d, &w, &source, &err));
  memset(data, POISON, (size_t)n * k * sizeof *data); /* the source may go */
  return w;
}

static case_bytes run_product(run *r) {
  const kernel_case *c = r->c;
  char *x = activations(&r->s, r->compute, (size_t)c->rows * c->k);
  packed_weight *w = drawn_weight(r, c->n, c->k);
  float *bias = c->further ? numbers(&r->s, (size_t)c->n) : NULL;
  size_t row_bytes = (size_t)c->n * sizeof(float);
  void *y = guarded((size_t)r->count * row_bytes);
  product_args a = {r->count, x + (size_t)r->first * c->k * r->unit, w, bias, y};
  ck_ok(r->k->product(r->d, &a, &err));
  r->k->weight_free(r->d, w);
  return bytes_of(c, y, r->count, row_bytes);
}

static case_bytes run_embed(run *r) {
  const kernel_case *c = r->c;
  enum { VOCABULARY = 37 };
  packed_weight *table = drawn_weight(r, VOCABULARY, c->n);
  uint32_t *token = case_take((size_t)c->rows, sizeof *token);
  for (int i = 0; i < c->rows; i++)
    token[i] = random_below(&r->s, VOCABULARY);
  step_plan plan = {.rows = r->count, .token = token + r->first};
  size_t row_bytes = (size_t)c->n * sizeof(float);
  embed_args a = {&plan, table, guarded((size_t)r->count * row_bytes)};
  ck_ok(r->k->embed(r->d, &a, &err));
  r->k->weight_free(r->d, table);
  return bytes_of(c, a.residual, r->count, row_bytes);
}

/* A row of the answer is the residual and then the activations. */
static case_bytes run_norm_add(run *r) {
  const kernel_case *c = r->c;
  size_t cells = (size_t)c->rows * c->n, skipped = (size_t)r->first * c->n;
  size_t in_bytes = (size_t)c->n * sizeof(float), out_bytes = (size_t)c->n * r->unit;
  float *drawn = numbers(&r->s, cells), *delta = numbers(&r->s, cells);
  float *gain = numbers(&r->s, (size_t)c->n), *residual = guarded((size_t)r->count * in_bytes);
  memcpy(residual, drawn + skipped, (size_t)r->count * in_bytes);
  char *out = guarded((size_t)r->count * out_bytes);
  norm_add_args a = {r->count, c->n, 1e-5f, residual, c->further ? delta + skipped : NULL,
                     gain,     out};
  ck_ok(r->k->norm_add(r->d, &a, &err));
  check_guards(c, residual, (size_t)r->count * in_bytes);
  check_guards(c, out, (size_t)r->count * out_bytes);
  char *both = guarded((size_t)r->count * (in_bytes + out_bytes));
  for (size_t i = 0; i < (size_t)r->count; i++) {
    memcpy(both + i * (in_bytes + out_bytes), (char *)residual + i * in_bytes, in_bytes);
    memcpy(both + i * (in_bytes + out_bytes) + in_bytes, out + i * out_bytes, out_bytes);
  }
  return bytes_of(c, both, r->count, in_bytes + out_bytes);
}

/* Gate and up as a fused product leaves them, and gates over all of exp's range. */
static case_bytes run_swiglu(run *r) {
  const kernel_case *c = r->c;
  size_t stride = 2 * (size_t)c->n + 3;
  float *both = numbers(&r->s, (size_t)c->rows * stride);
  for (size_t i = 0; i < (size_t)c->rows * stride; i += 3)
    both[i] *= 100;
  size_t row_bytes = (size_t)c->n * r->unit;
  void *out = guarded((size_t)r->count * row_bytes);
  const float *gate = both + r->first * stride;
  swiglu_args a = {r->count, c->n, gate, gate + c->n, stride, stride, out};
  ck_ok(r->k->swiglu(r->d, &a, &err));
  return bytes_of(c, out, r->count, row_bytes);
}

static case_bytes run_gather(run *r) {
  const kernel_case *c = r->c;
  void *from = activations(&r->s, r->compute, (size_t)c->rows * c->n);
  int32_t *rows = case_take((size_t)c->rows, sizeof *rows);
  for (int i = 0; i < c->rows; i++)
    rows[i] = (int32_t)random_below(&r->s, (uint32_t)c->rows);
  step_plan plan = {.rows = c->rows, .outputs = r->count, .output_row = rows + r->first};
  size_t row_bytes = (size_t)c->n * r->unit;
  void *to = guarded((size_t)r->count * row_bytes);
  gather_args a = {&plan, c->n, from, to};
  ck_ok(r->k->gather(r->d, &a, &err));
  return bytes_of(c, to, r->count, row_bytes);
}

static sample_row drawn_sample_row(random_stream *s, int vocabulary) {
  static const float temperatures[] = {0, 0.3f, 1, 1.7f, 1e-6f};
  sample_row row = {.temperature = temperatures[random_below(s, 5)], .top_p = 1};
  if (random_chance(s, 0.5)) row.top_k = (int32_t)random_between(s, 1, vocabulary + 2);
  if (random_chance(s, 0.5)) row.top_p = (float)random_between(s, 1, 100) * 0.01f;
  if (random_chance(s, 0.3)) row.min_p = (float)random_between(s, 0, 100) * 0.01f;
  if (random_chance(s, 0.3)) row.suppressed_count = (int32_t)random_between(s, 1, 5);
  row.suppressed_first = (int32_t)random_below(s, 4);
  row.key = (random_key){{random_next(s), random_next(s)}};
  row.counter = random_next(s);
  return row;
}

static case_bytes run_sample(run *r) {
  const kernel_case *c = r->c;
  float *logits = numbers(&r->s, (size_t)c->rows * c->n);
  sample_row *rows = case_take((size_t)c->rows, sizeof *rows);
  uint32_t suppressed[9];
  for (int i = 0; i < 9; i++)
    suppressed[i] = random_below(&r->s, (uint32_t)c->n);
  for (int i = 0; i < c->rows; i++) {
    rows[i] = drawn_sample_row(&r->s, c->n);
    for (int j = 0; j < c->n; j++) { /* even rows with ties, one in seven not finite */
      float *z = &logits[(size_t)i * c->n + j];
      *z = i % 2 ? *z * 3 : (float)(int)(*z * 5);
    }
    if (i % 7 == 3) logits[(size_t)i * c->n + c->n / 2] = number_of_bits(0x7f800000u);
  }
  sample_result *out = guarded((size_t)r->count * sizeof *out);
  sample_args a = {r->count, c->n, logits + (size_t)r->first * c->n, rows + r->first, suppressed,
                   out,      NULL};
  ck_ok(r->k->sample(r->d, &a, &err));
  return bytes_of(c, out, r->count, sizeof *out);
}

/* ---- attention ------------------------------------------------------------------------------- */

/* All tokens from where they were written to their own slots, so many at a time. */
static void splice_tokens(run *r, const case_world *w, int slice) {
  for (int from = 0; from < w->tokens; from += slice) {
    splice_args a = {.from = w->write.write_slot + from, .to = w->home + from};
    a.slots = w->tokens - from < slice ? w->tokens - from : slice;
    a.turn = r->c->turn, a.rope = w->rope, a.rope_positions = w->positions;
    ck_ok(r->k->splice(r->d, &a, &err));
  }
}

/* Every page goes to the host and back over what was put in its place, and is copied to the page
   that is spare, which the plan reads from then on. The page it leaves is the next one's spare. */
static void shuffle_pages(run *r, case_world *w, step_plan *read) {
  size_t bytes = r->k->page_bytes(r->d);
  int listed = w->first_page[w->segments - 1];
  listed += (w->length[w->segments - 1] + r->c->page_keys - 1) / r->c->page_keys;
  int32_t *pages = case_take((size_t)listed, sizeof *pages), spare = w->pages - 1;
  void *host = guarded(bytes), *other = guarded(bytes);
  for (int i = 0; i < listed; i++) {
    int32_t page = read->pages[i];
    ck_ok(r->k->page_get(r->d, host, page, &err));
    ck_ok(r->k->page_get(r->d, other, spare, &err));
    ck_ok(r->k->page_put(r->d, page, other, &err));
    ck_ok(r->k->page_put(r->d, page, host, &err));
    ck_ok(r->k->page_copy(r->d, spare, page, &err));
    ck_ok(r->k->page_put(r->d, page, other, &err));
    pages[i] = spare;
    spare = page;
  }
  check_guards(r->c, host, bytes);
  check_guards(r->c, other, bytes);
  read->pages = pages;
}

static case_bytes run_attention(run *r) {
  const kernel_case *c = r->c;
  case_world w = case_world_of(c);
  size_t size = (size_t)c->head_size, stride = (size_t)(c->heads + 2 * c->kv_heads) * size;
  float *q = guarded((size_t)w.tokens * c->heads * size * sizeof *q);
  /* A part of the rows is written in slices, which must not matter. */
  int slice = r->count < c->rows ? 7 : w.tokens;
  for (int from = 0; from < w.tokens; from += slice) {
    step_plan plan = w.write;
    plan.rows = w.tokens - from < slice ? w.tokens - from : slice;
    plan.write_slot += from;
    plan.write_position += from;
    const float *qkv = w.qkv + (size_t)from * stride;
    rope_append_args a = {.plan = &plan, .layer = 1, .heads = c->heads, .q = qkv};
    a.k = qkv + (size_t)c->heads * size;
    a.v = a.k + (size_t)c->kv_heads * size;
    a.q_stride = a.k_stride = a.v_stride = stride;
    a.q_gain = w.q_gain, a.k_gain = w.k_gain, a.epsilon = 1e-6f;
    a.rope = w.rope, a.rope_positions = w.positions;
    a.out = q + (size_t)from * c->heads * size;
    ck_ok(r->k->rope_append(r->d, &a, &err));
  }
  check_guards(c, q, (size_t)w.tokens * c->heads * size * sizeof *q);
  step_plan read = w.read;
  read.rows = r->count;
  read.row_span += r->first;
  if (c->operation == CASE_SPLICE) {
    splice_tokens(r, &w, slice);
    shuffle_pages(r, &w, &read);
  }
  size_t row_bytes = (size_t)c->heads * size * r->unit;
  void *out = guarded((size_t)r->count * row_bytes);
  const float *rows_q = q + (size_t)(w.tokens - c->rows + r->first) * c->heads * size;
  attention_args a = {&read, 1, c->heads, rows_q, w.rope, w.positions, out};
  ck_ok(r->k->attention(r->d, &a, &err));
  return bytes_of(c, out, r->count, row_bytes);
}

case_bytes case_run(const kernels *k, const kernel_case *c, const device_options *how, int first,
                    int count) {
  run r = {.k = k, .c = c, .compute = how->compute, .first = first, .count = count};
  r.unit = kernels_activation_bytes(how->compute);
  r.s = case_stream(case_name(c));
  device_options o = *how;
  o.layers = 3;
  o.kv_heads = c->kv_heads ? c->kv_heads : 1;
  o.head_size = c->head_size ? c->head_size : 32;
  o.page_keys = c->page_keys ? c->page_keys : 16;
  o.pages = c->head_size ? case_world_of(c).pages : 1;
  ck_ok(k->open(&r.d, &o, &err));
  static case_bytes (*const runs[])(run *) = {run_embed,  run_norm_add, run_product, run_attention,
                                              run_swiglu, run_gather,   run_sample,  run_attention};
  case_bytes out = runs[c->operation](&r);
  k->close(r.d);
  return out;
}
