/* The reference against plain definitions in double, within bounds that follow from its roundings,
   and what it refuses. u is half a unit in the last place: 2^-24 for fp32, 2^-9 for bf16. */
#include "base/memory.h"
#include "kernels/number.h"
#include "kernels/rope.h"
#include "tests/kernels/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

static detail err;
static const double fp32_u = 0x1p-24, bf16_u = 0x1p-9;

static device *opened(compute_type c, int kv_heads, int head_size, int pages) {
  device_options o = {c, 1, 0, 2, kv_heads, head_size, pages, 16};
  device *d;
  ck_ok(kernels_find("reference")->open(&d, &o, &err));
  return d;
}

/* ---- products -------------------------------------------------------------------------------- */

static float product_of(device *d, const float *x, const float *w, int k) {
  const kernels *ref = kernels_find("reference");
  weight_part part = {w, ELEMENT_FP32, 1};
  weight_source source = {&part, 1, k};
  packed_weight *packed;
  float y;
  ck_ok(ref->weight_pack(d, &packed, &source, &err));
  product_args a = {1, x, packed, NULL, &y};
  ck_ok(ref->product(d, &a, &err));
  ref->weight_free(d, packed);
  return y;
}

/* Each rounding of the chains errs by u of a partial sum; no partial sum exceeds the sum of sizes,
   and no element passes more than 16 + 2 + k / 32 roundings. Denormals: 2^-126 for each. */
START_TEST(products_are_sums_of_products) {
  random_stream s = case_stream("products");
  device *d = opened(COMPUTE_FP32, 1, 32, 0);
  for (int i = 0; i < 2000; i++) {
    float x[300], w[300];
    int k = (int)random_between(&s, 1, 300);
    double exact = 0, sizes = 0;
    for (int j = 0; j < k; j++) {
      x[j] = case_number(&s);
      w[j] = case_number(&s);
      exact += (double)x[j] * (double)w[j];
      sizes += fabs((double)x[j] * (double)w[j]);
    }
    double bound = (18 + k / 32.0) * fp32_u * sizes * 1.001 + k * 0x1p-100;
    must(fabs((double)product_of(d, x, w, k) - exact) <= bound);
  }
  kernels_find("reference")->close(d);
}
END_TEST

/* Cases where another order, a missing fusion or a kept denormal gives other bits. */
START_TEST(products_have_the_order_of_tdpbf16ps) {
  device *d = opened(COMPUTE_FP32, 1, 32, 0);
  float x[64], ones[64];
  for (int i = 0; i < 64; i++)
    x[i] = 0, ones[i] = 1;
  /* Even and odd chains: 2^24 + 1 loses the 1 in one chain, and keeps 1 + 1 in the other. */
  x[0] = 0x1p24f, x[1] = 1, x[3] = 1;
  ck_assert(product_of(d, x, ones, 4) == 0x1p24f + 2);
  x[1] = x[3] = 0, x[2] = 1, x[4] = 1;
  ck_assert(product_of(d, x, ones, 5) == 0x1p24f);
  /* Groups of 32 start at zero: 1 + 1 in the second is 2 before it meets 2^24. */
  x[2] = x[4] = 0, x[32] = 1, x[34] = 1;
  ck_assert(product_of(d, x, ones, 35) == 0x1p24f + 2);
  /* Fused: (1 + 2^-12)^2 - (1 + 2^-11) keeps 2^-24. */
  float a[3] = {1 + 0x1p-11f, 0, 1 + 0x1p-12f}, b[3] = {-1, 0, 1 + 0x1p-12f};
  ck_assert(product_of(d, a, b, 3) == 0x1p-24f);
  /* A denormal operand is zero, and so is a denormal sum of normal ones. */
  float tiny = 0x1p-127f, least = 0x1p-126f, large = 0x1p100f;
  ck_assert(product_of(d, &tiny, &large, 1) == 0);
  float c[3] = {1.5f * least, 0, -least}, one[3] = {1, 0, 1};
  ck_assert(product_of(d, c, one, 3) == 0);
  kernels_find("reference")->close(d);
}
END_TEST

START_TEST(the_callers_mode_is_left_alone) {
  unsigned before = (_mm_getcsr() & ~0xffc0u) | 0x1f80 | 0x2000; /* rounds down */
  device *d = opened(COMPUTE_FP32, 1, 32, 0);
  float third = 1.0f / 3.0f, three = 3;
  _mm_setcsr(before);
  float y = product_of(d, &third, &three, 1);
  unsigned after = _mm_getcsr();
  _mm_setcsr(0x1f80);
  ck_assert_uint_eq(after & 0xffc0u, before & 0xffc0u);
  ck_assert(y == 1.0f); /* rounded to nearest even all the same */
  kernels_find("reference")->close(d);
}
END_TEST

START_TEST(weights_are_rounded_once_from_any_format) {
  const kernels *ref = kernels_find("reference");
  device *d = opened(COMPUTE_BF16, 1, 32, 0);
  uint16_t half[2] = {0x3c01, 0xc000}, brain[2] = {0x3f81, 0xc000}; /* 1.0009765625; 1.0078125 */
  float full[2] = {1.00390625f, -3};                                /* half way: to even, 1 */
  weight_part parts[3] = {
      {half, ELEMENT_FP16, 1}, {brain, ELEMENT_BF16, 1}, {full, ELEMENT_FP32, 1}};
  weight_source source = {parts, 3, 2};
  packed_weight *w;
  ck_ok(ref->weight_pack(d, &w, &source, &err));
  uint16_t x[2] = {0x3f80, 0x3f80};
  float y[3], bias[3] = {0, 0.25f, 100};
  product_args a = {1, x, w, bias, y};
  ck_ok(ref->product(d, &a, &err));
  ck_assert(y[0] == 1.0f - 2 && y[1] == 1.0078125f - 2 + 0.25f && y[2] == 1.0f - 3 + 100);
  ref->weight_free(d, w);
  parts[1].n = 0;
  ck_fails(ref->weight_pack(d, &w, &source, &err), E_INPUT, "part 1");
  parts[1].n = 1, source.k = 0;
  ck_fails(ref->weight_pack(d, &w, &source, &err), E_INPUT, "3 by 0");
  source.k = 2;
  for (int i = 0; i < 2; i++) {
    memory_fail_after(i);
    status s = ref->weight_pack(d, &w, &source, &err);
    memory_fail_after(-1);
    ck_assert_int_eq(s, E_MEMORY);
  }
  ref->close(d);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------ */

START_TEST(norms_are_root_mean_squares) {
  random_stream s = case_stream("norms");
  const kernels *ref = kernels_find("reference");
  device *d = opened(COMPUTE_FP32, 1, 32, 0);
  for (int i = 0; i < 500; i++) {
    float residual[200], delta[200], gain[200], out[200];
    double sum[200], squares = 0;
    int n = (int)random_between(&s, 1, 200);
    for (int j = 0; j < n; j++) {
      residual[j] = case_number(&s), delta[j] = case_number(&s), gain[j] = case_number(&s);
      sum[j] = (double)(residual[j] + delta[j]); /* the residual is rounded, by definition */
      squares += sum[j] * sum[j];
    }
    norm_add_args a = {1, n, 1e-5f, residual, delta, gain, out};
    ck_ok(ref->norm_add(d, &a, &err));
    double scale = 1 / sqrt(squares / n + (double)1e-5f);
    for (int j = 0; j < n; j++) {
      double exact = sum[j] * scale * (double)gain[j];
      /* half the roundings of the sum, the mean, the root, the quotient and two products */
      double bound = ((n / 16.0 + 6) / 2 + 6) * fp32_u * fabs(exact) + 0x1p-120;
      must(fabs((double)residual[j] - sum[j]) <= 0x1p-124); /* denormals are dropped */
      must_msg(fabs((double)out[j] - exact) <= bound, "%g not %g", (double)out[j], exact);
    }
  }
  ref->close(d);
}
END_TEST

START_TEST(swiglu_is_silu_times_up) {
  random_stream s = case_stream("swiglu");
  const kernels *ref = kernels_find("reference");
  device *d = opened(COMPUTE_FP32, 1, 32, 0);
  for (int i = 0; i < 20000; i++) {
    float gate = (float)random_between(&s, -9000, 9000) * 0.0098f, up = case_number(&s), out;
    swiglu_args a = {1, 1, &gate, &up, 1, 1, &out};
    ck_ok(ref->swiglu(d, &a, &err));
    double exact = (double)gate / (1 + exp(-(double)gate)) * (double)up;
    /* exp errs by 2 u, the sum, quotient and product by one each */
    must_msg(fabs((double)out - exact) <= 5.1 * fp32_u * fabs(exact) + 0x1p-118,
             "silu(%a) * %a = %a, not %a", (double)gate, (double)up, (double)out, exact);
  }
  ref->close(d);
}
END_TEST

/* ---- attention ------------------------------------------------------------------------------- */

/* A head in double: normed, not rotated. */
static void raw_head(const case_world *w, int token, int head, const float *gain, double *x) {
  const kernel_case *c = w->c;
  size_t per_token = (size_t)(c->heads + 2 * c->kv_heads) * c->head_size;
  const float *from = w->qkv + (size_t)token * per_token + (size_t)head * c->head_size;
  double squares = 0;
  for (int e = 0; e < c->head_size; e++) {
    x[e] = number_is_finite(from[e]) && fabs((double)from[e]) < 0x1p-126 ? 0 : (double)from[e];
    squares += x[e] * x[e];
  }
  double scale = 1 / sqrt(squares / c->head_size + (double)1e-6f);
  for (int e = 0; gain && e < c->head_size; e++)
    x[e] *= scale * (double)gain[e];
}

static void rotated(double *x, int head_size, int position) {
  int half = head_size / 2;
  for (int i = 0; i < half; i++) {
    double angle = position * pow(10000, -2.0 * i / head_size);
    double low = x[i], high = x[i + half];
    x[i] = low * cos(angle) - high * sin(angle);
    x[i + half] = high * cos(angle) + low * sin(angle);
  }
}

static double length_of(const double *x, int n) {
  double squares = 0;
  for (int e = 0; e < n; e++)
    squares += x[e] * x[e];
  return sqrt(squares);
}

typedef struct oracle {
  double out[KERNELS_HEAD_MAX], bound[KERNELS_HEAD_MAX];
} oracle;

/* Softmax attention in one piece, each key rotated to where its entry stands in the view: what the
   engine's rotated queries must equal. The bound: a score errs by `score` (both of its operands are
   rounded to u; its sum rounds 18 + size / 32 times in fp32, and norms, tables and rotations less
   than 22 times), so that weights err by the factor exp(2 score); they, the values and the result
   are rounded to u; the sums over keys and the folds add less than 100 roundings in fp32. A key
   that was turned on by a splice is rounded and rotated once more. */
static void attend(const case_world *w, int row, int head, compute_type kind, oracle *o) {
  const kernel_case *c = w->c;
  const case_view_of_row *v = &w->views[row];
  int size = c->head_size, kv_head = head / (c->heads / c->kv_heads);
  double q[KERNELS_HEAD_MAX], x[KERNELS_HEAD_MAX], total = 0, score = 0, top = -HUGE_VAL;
  double u = kind == COMPUTE_BF16 ? bf16_u : fp32_u, sizes[KERNELS_HEAD_MAX] = {0};
  raw_head(w, w->tokens - c->rows + row, head, w->q_gain, q);
  double q_length = length_of(q, size);
  rotated(q, size, v->next_position - 1);
  memset(o, 0, sizeof *o);
  double *scores = malloc(sizeof *scores * 4096);
  for (int pass = 0; pass < 2; pass++) {
    int key = 0;
    for (int i = 0; i < v->entries; i++) {
      const case_entry *e = &v->entry[i];
      for (int t = 0; t < e->keys; t++, key++) {
        int token = w->start[e->segment] + t;
        if (pass == 0) {
          raw_head(w, token, c->heads + kv_head, w->k_gain, x);
          double errs = q_length * length_of(x, size) / sqrt(size);
          double again = c->turn ? 1.01 * u + 8 * fp32_u : 0;
          score = fmax(score, errs * (2.02 * u + (40 + size / 32) * fp32_u + again));
          rotated(x, size, e->position + t);
          scores[key] = 0;
          for (int d = 0; d < size; d++)
            scores[key] += q[d] * x[d] / sqrt(size);
          top = fmax(top, scores[key]);
        } else {
          double p = exp(scores[key] - top);
          raw_head(w, token, c->heads + c->kv_heads + kv_head, NULL, x);
          total += p;
          for (int d = 0; d < size; d++) {
            o->out[d] += p * x[d];
            sizes[d] += p * fabs(x[d]);
          }
        }
      }
    }
  }
  free(scores);
  for (int d = 0; d < size && total > 0; d++) {
    o->out[d] /= total;
    double factor = expm1(2 * score + 2 * u + 100 * fp32_u) + 2 * u;
    o->bound[d] = factor * sizes[d] / total + u * fabs(o->out[d]) + 0x1p-100;
  }
}

static double worst_of(const kernel_case *c, compute_type kind) {
  case_world w = case_world_of(c);
  device_options how = {.compute = kind, .threads = 1};
  case_bytes got = case_run(kernels_find("reference"), c, &how, 0, c->rows);
  double worst = 0;
  oracle o;
  for (int row = 0; row < c->rows; row++) {
    for (int head = 0; head < c->heads; head++) {
      attend(&w, row, head, kind, &o);
      for (int e = 0; e < c->head_size; e++) {
        size_t at = ((size_t)row * c->heads + head) * c->head_size + e;
        float y = kind == COMPUTE_BF16 ? number_from_bf16(((uint16_t *)(void *)got.data)[at])
                                       : ((float *)(void *)got.data)[at];
        double error = fabs((double)y - o.out[e]);
        must_msg(error <= o.bound[e], "%s: row %d head %d [%d]: %g, not %g within %g", case_name(c),
                 row, head, e, (double)y, o.out[e], o.bound[e]);
        if (o.bound[e] > 0 && error / o.bound[e] > worst) worst = error / o.bound[e];
      }
    }
  }
  case_forget();
  return worst;
}

START_TEST(views_equal_one_softmax_over_moved_keys) {
  for (int kind = 0; kind < 2; kind++) {
    double worst = 0;
    for (size_t i = 0; i < kernel_cases_count; i++) {
      if (!kernel_cases[i].head_size) continue;
      worst = fmax(worst, worst_of(&kernel_cases[i], (compute_type)kind));
    }
    printf("attention in %s: at most %.3f of the bound\n", kind ? "fp32" : "bf16", worst);
  }
}
END_TEST

/* A key that is not finite spoils its own row's mark and nobody's page. */
START_TEST(rows_that_are_not_finite_are_marked) {
  const kernels *ref = kernels_find("reference");
  device *d = opened(COMPUTE_BF16, 1, 2, 1);
  static const float rope[4] = {1, 0, 1, 0};
  float qkv[3][6] = {{1, 1, 1, 1, 2, 2}, {1, 1, NAN, 1, 1, 3.4e38f}, {1, 1, 1, 1, 4, 4}}, q[3][2];
  int32_t slot[3] = {0, 1, 2}, position[3] = {0, 0, 0}, spans[4] = {0, 1, 2, 3};
  int32_t pages[1] = {0}, span_page[3] = {0}, keys[3] = {1, 2, 3}, turned[3] = {0};
  uint8_t broken[3] = {0};
  step_plan plan = {.rows = 3,
                    .spans = 3,
                    .write_slot = slot,
                    .write_position = position,
                    .row_span = spans,
                    .span_page = span_page,
                    .span_keys = keys,
                    .span_position = turned,
                    .pages = pages};
  rope_append_args a = {.plan = &plan,
                        .layer = 1,
                        .heads = 1,
                        .q = qkv[0],
                        .k = qkv[0] + 2,
                        .v = qkv[0] + 4,
                        .q_stride = 6,
                        .k_stride = 6,
                        .v_stride = 6,
                        .rope = rope,
                        .rope_positions = 1,
                        .out = q[0],
                        .broken = broken};
  ck_ok(ref->rope_append(d, &a, &err));
  ck_assert_int_eq(broken[0] + 2 * broken[1] + 4 * broken[2], 2);
  uint16_t out[3][2];
  attention_args t = {&plan, 1, 1, q[0], rope, 1, out};
  ck_ok(ref->attention(d, &t, &err));
  ck_assert(number_from_bf16(out[0][0]) == 2);
  ck_assert(number_is_finite(number_from_bf16(out[2][0])));
  ref->close(d);
}
END_TEST

/* ---- pages and splices ----------------------------------------------------------------------- */

enum { SPLICE_SIZE = 6, SPLICE_KEYS = 16, SPLICE_PAGE = 2 * 2 * 3 * SPLICE_KEYS * SPLICE_SIZE };

/* An element of a page of the reference: [2 layers, 2, 3 key heads, 16 keys, 6]. */
static float page_element(compute_type c, const unsigned char *page, int block, int index, int e) {
  size_t at = ((size_t)block * SPLICE_KEYS + index) * SPLICE_SIZE + e;
  float x;
  uint16_t half;
  memcpy(&x, page + (c == COMPUTE_FP32 ? at * sizeof x : 0), sizeof x);
  memcpy(&half, page + (c == COMPUTE_FP32 ? 0 : at * sizeof half), sizeof half);
  return c == COMPUTE_FP32 ? x : number_from_bf16(half);
}

static float as_stored(compute_type c, float x) {
  float stored = c == COMPUTE_FP32 ? x : number_from_bf16(number_to_bf16(x));
  return number_is_finite(stored) ? stored : 0;
}

/* What a slot holds after a splice, from what the other held; turn is NULL for values and for a
   turn of 0. */
static void check_slot(compute_type c, const float *from, const unsigned char *page, int block,
                       int index, const float *turn) {
  for (int e = 0; e < SPLICE_SIZE; e++) {
    int half = SPLICE_SIZE / 2, i = e % half;
    float wanted = from[e];
    if (turn && e < half) wanted = fmaf(from[i], turn[i], -(from[i + half] * turn[i + half]));
    if (turn && e >= half) wanted = fmaf(from[e], turn[i], from[i] * turn[i + half]);
    float got = page_element(c, page, block, index, e);
    must(number_bits(got) == number_bits(turn ? as_stored(c, wanted) : wanted));
  }
}

/* Pages of drawn elements, some so large that turning them passes what bf16 or fp32 can hold. */
static void draw_page(compute_type c, random_stream *s, unsigned char *page) {
  for (int i = 0; i < SPLICE_PAGE; i++) {
    float x = case_number(s);
    if (number_is_finite(x) && fabsf(x) < 0x1p-100f) x = 0; /* nothing that is denormal */
    x = as_stored(c, random_below(s, 10) ? x : (float)(x < 0 ? -3.2e38 : 3.2e38));
    uint16_t half = number_to_bf16(x);
    if (c == COMPUTE_FP32) {
      memcpy(page + (size_t)i * sizeof x, &x, sizeof x);
    } else {
      memcpy(page + (size_t)i * sizeof half, &half, sizeof half);
    }
  }
}

enum { SPLICE_PAGES = 4, SPLICE_SLOTS = 20, SPLICE_TURN = 3 };

typedef struct splice_pages {
  unsigned char page[SPLICE_PAGES][SPLICE_PAGE * 4];
} splice_pages;

/* Every slot of every layer and head: source is the slot that it was spliced from, or -1. */
static void check_pages(compute_type c, const splice_pages *before, const splice_pages *after,
                        const int32_t *source, const float *turn) {
  float x[SPLICE_SIZE];
  for (int slot = 0; slot < SPLICE_PAGES * SPLICE_KEYS; slot++) {
    int was = source[slot] < 0 ? slot : source[slot], index = slot % SPLICE_KEYS;
    for (int block = 0; block < 2 * 2 * 3; block++) {
      int is_turned = was != slot && block / 3 % 2 == 0;
      const unsigned char *page = before->page[was / SPLICE_KEYS];
      for (int e = 0; e < SPLICE_SIZE; e++)
        x[e] = page_element(c, page, block, was % SPLICE_KEYS, e);
      check_slot(c, x, after->page[slot / SPLICE_KEYS], block, index, is_turned ? turn : NULL);
    }
  }
}

/* Slots go from pages 1 and 2 to pages 3 and 0; the others stay. */
static void check_splice(compute_type c, int turn, const float *rope, random_stream *s) {
  static const int32_t from_page[] = {1, 2}, to_page[] = {3, 0};
  static splice_pages before, after;
  const kernels *ref = kernels_find("reference");
  int32_t from[SPLICE_SLOTS], to[SPLICE_SLOTS], source[SPLICE_PAGES * SPLICE_KEYS];
  device *d = opened(c, 3, SPLICE_SIZE, SPLICE_PAGES);
  ck_assert_uint_eq(ref->page_bytes(d), SPLICE_PAGE * kernels_activation_bytes(c));
  memset(source, -1, sizeof source);
  for (int i = 0; i < SPLICE_SLOTS; i++) {
    from[i] = from_page[(i + 5) / SPLICE_KEYS] * SPLICE_KEYS + (i + 5) % SPLICE_KEYS;
    to[i] = to_page[(i + 9) / SPLICE_KEYS] * SPLICE_KEYS + (i + 9) % SPLICE_KEYS;
    source[to[i]] = from[i];
  }
  for (int p = 0; p < SPLICE_PAGES; p++) {
    draw_page(c, s, before.page[p]);
    ck_ok(ref->page_put(d, p, before.page[p], &err));
  }
  splice_args a = {SPLICE_SLOTS, from, to, turn, rope, SPLICE_TURN + 1};
  ck_ok(ref->splice(d, &a, &err));
  for (int p = 0; p < SPLICE_PAGES; p++)
    ck_ok(ref->page_get(d, after.page[p], p, &err));
  check_pages(c, &before, &after, source, turn ? rope + turn * SPLICE_SIZE : NULL);
  ref->close(d);
}

START_TEST(splices_turn_keys_and_copy_values) {
  float rope[(SPLICE_TURN + 1) * SPLICE_SIZE];
  rope_options how = {.kind = ROPE_PLAIN, .head_size = SPLICE_SIZE, .theta = 10000};
  ck_ok(rope_fill(&how, SPLICE_TURN + 1, rope, &err));
  random_stream s = case_stream("splices");
  for (int turn = 0; turn <= SPLICE_TURN; turn += SPLICE_TURN) {
    check_splice(COMPUTE_BF16, turn, rope, &s);
    check_splice(COMPUTE_FP32, turn, rope, &s);
  }
}
END_TEST

START_TEST(a_page_is_copied_whole) {
  static unsigned char drawn[3][SPLICE_PAGE * 4], back[SPLICE_PAGE * 4];
  const kernels *ref = kernels_find("reference");
  random_stream s = case_stream("pages");
  for (int c = COMPUTE_BF16; c <= COMPUTE_FP32; c++) {
    device *d = opened((compute_type)c, 3, SPLICE_SIZE, 3);
    size_t bytes = ref->page_bytes(d);
    for (int p = 0; p < 3; p++) {
      draw_page((compute_type)c, &s, drawn[p]);
      ck_ok(ref->page_put(d, p, drawn[p], &err));
    }
    ck_ok(ref->page_copy(d, 1, 2, &err));
    static const int holds[] = {0, 2, 2};
    for (int p = 0; p < 3; p++) {
      ck_ok(ref->page_get(d, back, p, &err));
      ck_assert_mem_eq(back, drawn[holds[p]], bytes);
    }
    ref->close(d);
  }
}
END_TEST

/* ---- devices --------------------------------------------------------------------------------- */

START_TEST(options_without_a_device_are_refused) {
  static const struct {
    device_options o;
    const char *piece;
  } bad[] = {
      {{COMPUTE_BF16, 0, 0, 1, 1, 32, 1, 16}, "threads of a device is 0: 1 to 256"},
      {{COMPUTE_BF16, 1, 0, 0, 1, 32, 1, 16}, "layers"},
      {{COMPUTE_BF16, 1, 0, 1, -1, 32, 1, 16}, "kv_heads"},
      {{COMPUTE_BF16, 1, 0, 1, 1, 33, 1, 16}, "must be even"},
      {{COMPUTE_BF16, 1, 0, 1, 1, 258, 1, 16}, "head_size"},
      {{COMPUTE_BF16, 1, 0, 1, 1, 32, -1, 16}, "pages"},
      {{COMPUTE_BF16, 1, 0, 1, 1, 32, 1, 48}, "page_keys of a device is 48"},
  };
  const kernels *ref = kernels_find("reference");
  device *d;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    ck_fails(ref->open(&d, &bad[i].o, &err), E_INPUT, bad[i].piece);
  device_options huge = {COMPUTE_FP32, 1, 0, 1000, 1024, 256, 16777215, 128};
  ck_fails(ref->open(&d, &huge, &err), E_LIMIT, "the cache");
  device_options good = {COMPUTE_BF16, 1, 0, 1, 1, 32, 1, 16};
  for (int i = 0; i < 2; i++) {
    memory_fail_after(i);
    status s = ref->open(&d, &good, &err);
    memory_fail_after(-1);
    ck_assert_int_eq(s, E_MEMORY);
  }
  ref->close(NULL);
  ck_assert_ptr_null(kernels_find("abacus"));
}
END_TEST

START_TEST(memory_is_taken_and_copied) {
  const kernels *ref = kernels_find("reference");
  device *d = opened(COMPUTE_BF16, 1, 32, 0);
  void *memory;
  char back[8];
  ck_ok(ref->take(d, &memory, 100, &err));
  ck_assert_uint_eq((uintptr_t)memory % 64, 0);
  ck_ok(ref->get(d, back, memory, 8, &err));
  ck_assert_mem_eq(back, "\0\0\0\0\0\0\0\0", 8);
  ck_ok(ref->put(d, memory, "nightjar", 8, &err));
  ck_ok(ref->get(d, back, memory, 8, &err));
  ck_assert_mem_eq(back, "nightjar", 8);
  ref->give(d, memory);
  ref->give(d, NULL);
  ck_fails(ref->take(d, &memory, SIZE_MAX - 10, &err), E_MEMORY, "device");
  ref->close(d);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reference");
  TCase *all = tcase_create("reference");
  tcase_add_test(all, products_are_sums_of_products);
  tcase_add_test(all, products_have_the_order_of_tdpbf16ps);
  tcase_add_test(all, the_callers_mode_is_left_alone);
  tcase_add_test(all, weights_are_rounded_once_from_any_format);
  tcase_add_test(all, norms_are_root_mean_squares);
  tcase_add_test(all, swiglu_is_silu_times_up);
  tcase_add_test(all, views_equal_one_softmax_over_moved_keys);
  tcase_add_test(all, rows_that_are_not_finite_are_marked);
  tcase_add_test(all, splices_turn_keys_and_copy_values);
  tcase_add_test(all, a_page_is_copied_whole);
  tcase_add_test(all, options_without_a_device_are_refused);
  tcase_add_test(all, memory_is_taken_and_copied);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
