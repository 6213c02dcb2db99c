/* Mathematics on a device, behind one table of operations per backend.

   What it is. `reference` is the definition in plain loops; `cpu` gives the same bytes faster, by
   AMX, AVX-512, AVX2 or portable code, whichever the machine has. The forward pass of a model calls
   the operations in the order of the paper:

     embed, then per layer: norm_add, product (q, k, v), rope_append, attention, product (o),
     norm_add, product (gate, up), swiglu, product (down); then norm_add, gather, product
     (vocabulary), sample.

   Nothing here knows of models, threads of a sample or files. No row's result depends on another
   row, on how many rows there are, on the number of threads or on the path: which rows share a call
   is the caller's to choose.

   Who calls. One thread at a time per device; an operation that returns is finished. Devices are
   independent. Arguments are borrowed for the call. Every array of an operation lies in memory that
   take() gave on this device (on the host's backends any memory will do), except where "host" is
   said; outputs never overlap inputs except where a field says so. A wrong argument is the caller's
   bug and ends the program (REQUIRE); what a machine can fail at is a status.

   Numbers. Arithmetic is fp32, round to nearest even; operands that are denormal count as zeros of
   their sign, and results that are tiny after rounding become zeros of their sign (what x86 calls
   DAZ and FTZ, and what AMX always does). fma(a, b, c) rounds once; nothing else is fused. An
   operation sets this mode for its own time and leaves the caller's as it was. exp, log, sin and
   cos are those of kernels/math.h.

   An *activation* is bf16 under COMPUTE_BF16 and fp32 under COMPUTE_FP32; so are packed weights and
   the cache. A value becomes an activation by one rounding to nearest even. Compute fp32 exists for
   comparison with oracles and has the same order everywhere.

   dot(x, w, k), the one order of sums of products, is that of TDPBF16PS (Intel SDM, volume 2): x
   and w are padded with zeros to a multiple of 32, acc starts at zero, and for each 32 in turn
     even = odd = 0
     for i = 0..15:  even = fma(x[2i], w[2i], even);  odd = fma(x[2i + 1], w[2i + 1], odd)
     acc = acc + (even + odd)

   mean_square(x, n): lane j of 16 holds s[j] = fma(x[i], x[i], s[j]) over i = j, j + 16, ... from
   zero; then s[j] += s[j + 8] for j < 8, s[j + 4], s[j + 2], s[j + 1] likewise; s[0] / n. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "base/random.h"
#include "base/status.h"

enum {
  KERNELS_GROUP = 32,       /* elements of one step of a dot */
  KERNELS_CHUNK = 128,      /* keys of one partial of attention */
  KERNELS_HEAD_MAX = 256,   /* largest head size */
  KERNELS_GROUPED_MAX = 64, /* most query heads that share a key head */
  KERNELS_THREADS_MAX = 256
};

typedef enum compute_type { COMPUTE_BF16, COMPUTE_FP32 } compute_type;
typedef enum element_type {
  ELEMENT_BF16,
  ELEMENT_FP16,
  ELEMENT_FP32
} element_type; /* as files store it */

/* Ways of the cpu backend, as bits of a mask, each better than those before it. All give the same
   bytes.

   CPU_BF16 is AVX-512 with VDPBF16PS. By its operation (Intel SDM, volume 2) one lane of it is
   acc = fma(x[1], w[1], acc), then acc = fma(x[0], w[0], acc) over a pair of bf16, to nearest even
   with denormals as zeros: two links of a chain of dot(), when the pair holds neighbours in that
   chain. Makers might round otherwise between the two, so a probe compares the instruction with the
   chain whenever a path is chosen, and a processor that differs in any bit has not got this path.

   CPU_TILES runs AMX's loop on an emulated tile instruction: slow, never chosen unless it alone is
   asked for, and there so that the loop is tested on machines without AMX. */
typedef enum cpu_path {
  CPU_PORTABLE = 1,
  CPU_AVX2 = 2, /* with FMA */
  CPU_AVX512 = 4,
  CPU_BF16 = 8, /* with AVX-512 */
  CPU_AMX = 16, /* with AVX-512 */
  CPU_TILES = 32
} cpu_path;

typedef struct device_options {
  compute_type compute;
  int threads;                     /* 1 to KERNELS_THREADS_MAX, the caller's included */
  unsigned paths;                  /* of cpu: those that may be chosen; 0 for all */
  int layers, kv_heads, head_size; /* of the cache; head_size is even, at most KERNELS_HEAD_MAX */
  int pages, page_keys;            /* page_keys is 16, 32, 64 or 128; pages may be 0 */
} device_options;

typedef struct device device;
/* A packed matrix [n, k]: belongs to its device, and is freed by weight_free before it closes. */
typedef struct packed_weight packed_weight;

/* One matrix stacked from parts along n, each [n, k] row-major in host memory that may go once
   weight_pack has returned. Under COMPUTE_BF16 fp32 and fp16 are rounded to bf16 once. */
typedef struct weight_part {
  const void *data; /* [n, k] */
  element_type element;
  int n;
} weight_part;

typedef struct weight_source {
  const weight_part *parts; /* [count] */
  int count, k;
} weight_source;

/* One step: per row its token, where its key and value go, and what it sees. Built by the caller
   once a step, only read here. */
typedef struct step_plan {
  int32_t rows, spans, outputs;
  const uint32_t *token;         /* [rows] below the vocabulary */
  const int32_t *write_slot;     /* [rows] page * page_keys + index in the page; all distinct */
  const int32_t *write_position; /* [rows] rotary position of the new key: its segment index */
  const int32_t *row_span;       /* [rows + 1] row r sees spans row_span[r] to row_span[r + 1] - 1,
                                    in view order */
  const int32_t *span_page;      /* [spans] where the span's segment starts in pages */
  const int32_t *span_keys;      /* [spans] keys that the row sees, from the segment's index 0 */
  const int32_t *span_position;  /* [spans] the position that the query is rotated to */
  const int32_t *pages;          /* physical pages of each segment, in order */
  const int32_t *output_row;     /* [outputs] rows that need logits */
} step_plan;

/* residual[r, i] = table[token[r], i], exact. */
typedef struct embed_args {
  const step_plan *plan;
  const packed_weight *table; /* [vocabulary, width] */
  float *residual;            /* [rows, width] */
} embed_args;

/* residual += delta, then the root-mean-square norm (Zhang and Sennrich 2019):
     scale = 1 / sqrt(mean_square(residual[r], width) + epsilon)
     out[r, i] = activation((residual[r, i] * scale) * gain[i]) */
typedef struct norm_add_args {
  int rows, width;
  float epsilon;
  float *residual;    /* [rows, width] read and written */
  const float *delta; /* [rows, width], or NULL */
  const float *gain;  /* [width] */
  void *out;          /* [rows, width] activations */
} norm_add_args;

/* y[r, j] = dot(x[r], w[j], k), plus bias[j] by one addition where there is a bias. */
typedef struct product_args {
  int rows;
  const void *x;          /* [rows, k] activations */
  const packed_weight *w; /* [n, k] */
  const float *bias;      /* [n], or NULL */
  float *y;               /* [rows, n] */
} product_args;

/* Per row and head: the norm of the head where there is a gain (as in norm_add, over head_size, not
   rounded); then queries go to out in fp32 unrotated, keys are rotated to write_position, and keys
   and values become activations in the layer's slots. A key or value that is not finite then is
   stored as zero, so that no reader of the page is touched, and its row is marked.

   rotate(x, position), with half = head_size / 2 and c, s from the table, is for i < half
     x'[i] = fma(x[i], c[i], -(x[i + half] * s[i]))
     x'[i + half] = fma(x[i + half], c[i], x[i] * s[i])
   (Su et al. 2021, the layout of Hugging Face). */
typedef struct rope_append_args {
  const step_plan *plan;
  int layer, heads;
  const float *q, *k, *v;              /* rows of [heads or kv_heads, head_size] */
  size_t q_stride, k_stride, v_stride; /* from row to row, in floats */
  const float *q_gain, *k_gain;        /* [head_size], or NULL for no norm */
  float epsilon;
  const float *rope;  /* [positions, 2, head_size / 2]: cosines, then sines (kernels/rope.h) */
  int rope_positions; /* more than any position of the plan */
  float *out;         /* [rows, heads, head_size] */
  uint8_t *broken;    /* [rows] set to 1 where something was not finite, else untouched; or NULL */
} rope_append_args;

/* Attention by chunks (promise: a row's bits depend on its own view only). For row r, head h, with
   its key head h / (heads / kv_heads), each span and each chunk of 128 keys counted from the span's
   index 0, of which `seen` are within span_keys:
     q' = activation(rotate(q, span_position))
     s[i] = dot(q', key[i], head_size) * (1 / sqrt(head_size))         for i < seen
     m = the greatest s[i];  p[i] = activation(exp(s[i] - m)), zero for i >= seen
     l = dot(p, ones, 128);  o[e] = dot(p, value[.][e], 128) + 0
   A row's (m, l, o) is its first chunk's, and then for each further chunk (m', l', o') in view
   order
     M = the greater of m and m';  a = exp(m - M);  b = exp(m' - M)
     l = fma(l, a, l' * b);  o[e] = fma(o[e], a, o'[e] * b);  m = M
   and out = activation(o[e] / l); zeros for a row that sees no key. The "+ 0" makes the sign of a
   zero independent of what stands in slots that are not seen. */
typedef struct attention_args {
  const step_plan *plan;
  int layer, heads;  /* heads is a multiple of kv_heads */
  const float *q;    /* [rows, heads, head_size], unrotated */
  const float *rope; /* as in rope_append */
  int rope_positions;
  void *out; /* [rows, heads, head_size] activations */
} attention_args;

/* out[r, i] = activation((g / (1 + exp(-g))) * up[r, i]) with g = gate[r, i] (Shazeer 2020). */
typedef struct swiglu_args {
  int rows, width;
  const float *gate, *up;        /* rows of [width] */
  size_t gate_stride, up_stride; /* from row to row, in floats */
  void *out;                     /* [rows, width] activations */
} swiglu_args;

/* to[j] = from[output_row[j]], bit for bit. */
typedef struct gather_args {
  const step_plan *plan;
  int width;
  const void *from; /* [rows, width] activations */
  void *to;         /* [outputs, width] activations */
} gather_args;

/* Moves keys and values between slots, in every layer and key head: to[i] gets the value of from[i]
   bit for bit, and its key turned on by `turn` positions (rotate(), in fp32 from what is stored,
   then an activation; zero where that is not finite), which is bit for bit where turn is 0. All
   slots are distinct, those of from and of to together. */
typedef struct splice_args {
  int slots;
  const int32_t *from, *to; /* [slots] page * page_keys + index in the page */
  int32_t turn;             /* 0 or more, below rope_positions */
  const float *rope;        /* as in rope_append */
  int rope_positions;
} splice_args;

/* How one row samples. Filters in this order: suppressed ids, temperature, top_k, top_p, min_p. */
typedef struct sample_row {
  float temperature; /* 0 is greedy: the greatest logit, ties to the lower id; no filter counts */
  int32_t top_k;     /* 0 for all */
  float top_p;       /* (0, 1]; 1 for all */
  float min_p;       /* [0, 1]; 0 for all */
  int32_t suppressed_first, suppressed_count; /* ids that cannot be drawn, in args.suppressed */
  random_key key;                             /* the thread's place */
  uint64_t counter;                           /* tokens that the thread has sampled before */
} sample_row;

typedef struct sample_result {
  uint32_t token;
  float logprob;          /* raw: at temperature 1, over all ids, suppressed ones too */
  float filtered_logprob; /* of the distribution that was drawn from; 0 where greedy */
  uint32_t broken;        /* 1: a logit was not finite, or no id was left; the rest is zero then */
} sample_result;

/* Masses are integers, so that no order matters: mass(x) = round(2^40 exp(x)), to nearest even.
     raw: with top the greatest logit of all,
       logprob = (z[token] - top) - log(sum of mass(z[i] - top) / 2^40)    (in double, rounded once)
     filtered: with top the greatest that is not suppressed, x[i] = (z[i] - top) / temperature in
     fp32, ids ordered by falling z, ties by rising id:
       top_k keeps the first top_k;
       top_p keeps the shortest head whose mass is at least floor(top_p * the mass kept so far),
         the product taken in double, and at least one id;
       min_p keeps those with mass(x[i]) >= min_p * 2^40;
       filtered_logprob = x[token] - log(sum of kept mass / 2^40)          (in double, rounded once)
   The token is the kept id with the greatest x[id] + noise(id) in double, ties to the lower id;
   noise is Gumbel's, -log(-log((u + 1/2) / 2^32)), u being word id % 4 of Philox at the row's key
   and counter (row's counter, id / 4). Noise is within (-3.14, 22.88), so that ids whose x is below
   -26.1 cannot win. */
typedef struct sample_args {
  int rows, vocabulary;
  const float *logits;        /* [rows, vocabulary], or as many rows as logits_row names */
  const sample_row *row;      /* [rows] */
  const uint32_t *suppressed; /* ids, by the rows' ranges; below the vocabulary */
  sample_result *out;         /* [rows] */
  const int32_t *logits_row;  /* [rows] which logits each row samples from, so that several rows may
                                 draw from the same; NULL: its own */
} sample_args;

typedef struct kernels {
  const char *name;
  /* Takes the cache at once, zeroed. E_INPUT for options that no device can have, E_LIMIT for a
     cache that has no size, E_MEMORY, E_DEVICE where no path that the options allow exists on this
     machine. */
  MUST_CHECK status (*open)(device **out, const device_options *options, detail *err);
  void (*close)(device *d);             /* NULL is a no-op */
  const char *(*path)(const device *d); /* what was chosen: "amx", "avx512", ...; a constant */

  /* Device memory, zeroed and aligned to 64 bytes. E_MEMORY. */
  MUST_CHECK status (*take)(device *d, void **out, size_t bytes, detail *err);
  void (*give)(device *d, void *memory); /* NULL is a no-op */
  MUST_CHECK status (*put)(device *d, void *to, const void *from_host, size_t bytes, detail *err);
  MUST_CHECK status (*get)(device *d, void *to_host, const void *from, size_t bytes, detail *err);

  /* E_MEMORY; E_INPUT for a part without rows or k below 1, E_LIMIT where n * k has no size. */
  MUST_CHECK status (*weight_pack)(device *d, packed_weight **out, const weight_source *source,
                                   detail *err);
  void (*weight_free)(device *d, packed_weight *w); /* NULL is a no-op */

  /* A page is one piece of memory of every layer's keys and values; its bytes mean something to
     this device alone. copy goes from page to page, get and put to and from the host. */
  size_t (*page_bytes)(const device *d);
  MUST_CHECK status (*page_copy)(device *d, int32_t to, int32_t from, detail *err);
  MUST_CHECK status (*page_get)(device *d, void *to_host, int32_t from, detail *err);
  MUST_CHECK status (*page_put)(device *d, int32_t to, const void *from_host, detail *err);

  MUST_CHECK status (*embed)(device *d, const embed_args *a, detail *err);
  MUST_CHECK status (*norm_add)(device *d, const norm_add_args *a, detail *err);
  MUST_CHECK status (*product)(device *d, const product_args *a, detail *err);
  MUST_CHECK status (*rope_append)(device *d, const rope_append_args *a, detail *err);
  MUST_CHECK status (*attention)(device *d, const attention_args *a, detail *err);
  MUST_CHECK status (*swiglu)(device *d, const swiglu_args *a, detail *err);
  MUST_CHECK status (*gather)(device *d, const gather_args *a, detail *err);
  MUST_CHECK status (*splice)(device *d, const splice_args *a, detail *err);
  MUST_CHECK status (*sample)(device *d, const sample_args *a, detail *err);
} kernels;

/* The backend of this name ("reference", "cpu"), or NULL. */
const kernels *kernels_find(const char *name);

size_t kernels_activation_bytes(compute_type c); /* 2 or 4 */

/* The paths of `cpu` that this machine has, CPU_TILES included. */
unsigned kernels_cpu_paths(void);
const char *kernels_cpu_path_name(cpu_path path); /* a constant */

#endif
