#include "pipeline/models.h"

#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- the tokenizer --------------------------------------------------------------------------- */

static status hash_file(const char *path, hash *out, detail *err) {
  char block[65536];
  hash_parts h;
  FILE *file = fopen(path, "rb");
  if (!file) return fault_at(err, E_IO, path, 0, "cannot be read: %s", strerror(errno));
  hash_start(&h);
  for (size_t count; (count = fread(block, 1, sizeof block, file)) > 0;)
    hash_piece(&h, block, count);
  int failed = ferror(file), cause = errno;
  (void)fclose(file);
  if (failed) return fault_at(err, E_IO, path, 0, "cannot be read: %s", strerror(cause));
  *out = hash_end(&h);
  return OK;
}

static status open_tokenizer(job_model *m, detail *err) {
  char path[PATH_MAX + 16], hex[HASH_HEX_BYTES];
  status s = tokenizer_open_folder(&m->tokenizer, model_folder(m->model), err);
  if (s) return s;
  (void)snprintf(path, sizeof path, "%s/tokenizer.json", model_folder(m->model));
  s = hash_file(path, &m->tokenizer_hash, err);
  if (s) return s;
  (void)snprintf(m->token_unit, sizeof m->token_unit, "tok-%.12s",
                 hash_hex(&m->tokenizer_hash, hex));
  return OK;
}

/* ---- what a text begins with ----------------------------------------------------------------- */

/* Where the plain ids stand among those with special ones; -1: nowhere. */
static int find_plain(const token_list *plain, const token_list *whole) {
  for (size_t at = 0; plain->count && at + plain->count <= whole->count; at++) {
    if (!memcmp(whole->ids + at, plain->ids, plain->count * sizeof *plain->ids)) return (int)at;
  }
  return -1;
}

/* Encodes a text in both ways; *at is -1 where that does not tell what stands in front of it. */
static status probe(encoder *e, const char *word, token_list *whole, int *at, detail *err) {
  token_list plain = {0};
  detail refused = {0};
  *at = -1;
  whole->count = 0;
  status s = encoder_encode(e, word, strlen(word), ENCODE_PLAIN, &plain, &refused);
  if (!s) s = encoder_encode(e, word, strlen(word), ENCODE_WITH_SPECIAL, whole, &refused);
  if (!s) *at = find_plain(&plain, whole);
  token_list_close(&plain);
  if (s == E_MEMORY && err) *err = refused;
  return s == E_MEMORY ? s : OK; /* a word that this tokenizer cannot write says nothing */
}

static status keep_begin(job_model *m, const token_list *whole, int count, detail *err) {
  int vocabulary = model_config_of(m->model)->vocabulary;
  if (count > MODEL_BEGIN_MAX) {
    return fault_at(err, E_INPUT, m->path, 0,
                    "the tokenizer puts %d tokens before a text, and at most %d can be run", count,
                    (int)MODEL_BEGIN_MAX);
  }
  for (int i = 0; i < count; i++) {
    if (whole->ids[i] >= vocabulary) {
      return fault_at(
          err, E_INPUT, m->path, 0,
          "the tokenizer puts token %d before a text, and the model's vocabulary has %d "
          "ids: they do not belong together; use the tokenizer.json that the model was "
          "made with",
          (int)whole->ids[i], vocabulary);
    }
    m->begin[i] = (uint32_t)whole->ids[i];
  }
  m->begin_count = count;
  return OK;
}

/* What the tokenizer adds is the same before every text, so a short one tells it; a small
   vocabulary may not have each of these. */
static status find_begin(job_model *m, detail *err) {
  static const char *const words[] = {"1", "a", "A", " "};
  token_list whole = {0};
  encoder *e = NULL;
  int at = -1;
  status s = encoder_open(&e, m->tokenizer, err);
  for (size_t i = 0; !s && at < 0 && i < sizeof words / sizeof *words; i++)
    s = probe(e, words[i], &whole, &at, err);
  if (!s && at < 0) {
    s = fault_at(err, E_INPUT, m->path, 0,
                 "the tokenizer writes none of 1, a, A and a space, so that what it puts before a "
                 "text cannot be told; use a tokenizer that writes text");
  }
  if (!s) s = keep_begin(m, &whole, at, err);
  token_list_close(&whole);
  encoder_close(e);
  return s;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The folder's name; of a very long one its head, in whole characters. */
static void set_name(job_model *m) {
  size_t bytes, kept = 0, next;
  const char *name = job_model_name(m->path, &bytes);
  while (kept < bytes && (next = text_utf8_length(name + kept, bytes - kept)) > 0 &&
         kept + next < sizeof m->name)
    kept += next;
  memcpy(m->name, name, kept);
}

static void warn(const job_model *m, logger *messages) {
  const char *not_applied = model_generation_of(m->model)->not_applied;
  int ids = tokenizer_size(m->tokenizer), vocabulary = model_config_of(m->model)->vocabulary;
  if (not_applied[0]) {
    log_warn(messages, "%s: generation_config.json sets %s, which is not applied", m->path,
             not_applied);
  }
  if (ids > vocabulary) {
    log_warn(messages,
             "%s: the tokenizer has %d ids and the model %d: a sample whose text needs one of the "
             "others fails",
             m->path, ids, vocabulary);
  }
}

status job_model_open(job_model **out, const char *path, const char *hashes, logger *messages,
                      detail *err) {
  job_model *m = memory_zeroed(1, sizeof *m);
  if (!m) return fault(err, E_MEMORY, "no memory for a model");
  m->path = path;
  set_name(m);
  status s = model_open(&m->model, path, err);
  if (!s) s = open_tokenizer(m, err);
  if (!s) s = find_begin(m, err);
  if (!s) s = model_hash(m->model, hashes, messages, &m->hash, err);
  if (s) {
    job_model_close(m);
    return s;
  }
  warn(m, messages);
  *out = m;
  return OK;
}

void job_model_close(job_model *m) {
  if (!m) return;
  tokenizer_close(m->tokenizer);
  model_close(m->model);
  memory_free(m);
}

/* ---- how it is run --------------------------------------------------------------------------- */

engine_options job_engine_options(const job_engine *e) {
  return (engine_options){.backend = strcmp(e->backend, "auto") ? e->backend : "cpu",
                          .compute = e->fp32 ? COMPUTE_FP32 : COMPUTE_BF16,
                          .slots = e->slots,
                          .rows = e->rows};
}

status job_model_class(const engine_options *options, text *out, detail *err) {
  if (strcmp(options->backend, "cpu") != 0 && strcmp(options->backend, "reference") != 0) {
    return fault(err, E_INPUT, "backend '%s' has no determinism class; use cpu or reference",
                 options->backend);
  }
  text_format(out, "cpu-%d %s", (int)FORWARD_NUMERICS_VERSION,
              options->compute == COMPUTE_FP32 ? "fp32" : "bf16");
  return text_state(out, err);
}

/* Puts a value whose reference it takes, unless there is one already. */
static int settle_one(json_t *parameters, const char *path, json_t *value) {
  int good = value && (json_path_get(parameters, path) || json_path_put(parameters, path, value));
  json_decref(value);
  return good;
}

status job_model_settle(const job_model *m, const json_t *parameters, json_t **out, detail *err) {
  const model_generation *g = model_generation_of(m->model);
  json_t *settled = json_deep_copy(parameters);
  int good = settled != NULL;
  good = good && settle_one(settled, "sampling.temperature", json_real(g->temperature));
  good = good && settle_one(settled, "sampling.top_k", json_integer(g->top_k));
  good = good && settle_one(settled, "sampling.top_p", json_real(g->top_p));
  good = good && settle_one(settled, "sampling.min_p", json_real(g->min_p));
  good = good &&
         settle_one(settled, "limit.context", json_integer(model_config_of(m->model)->context));
  if (!good) {
    json_decref(settled);
    return fault(err, E_MEMORY, "no memory for parameters");
  }
  *out = settled;
  return OK;
}

/* ---- what it is ------------------------------------------------------------------------------ */

const char *job_model_rope(rope_kind kind) {
  static const char *const names[] = {"plain", "linear", "llama3"};
  return names[kind];
}

static json_t *rope_json(const rope_options *r) {
  json_t *out = json_pack("{s:s, s:f}", "kind", job_model_rope(r->kind), "theta", r->theta);
  if (!out || r->kind == ROPE_PLAIN) return out;
  int failed = json_object_set_new(out, "factor", json_real(r->factor));
  if (!failed && r->kind == ROPE_LLAMA3) {
    json_t *more = json_pack("{s:f, s:f, s:f}", "low_frequency_factor", r->low_frequency_factor,
                             "high_frequency_factor", r->high_frequency_factor,
                             "original_positions", r->original_positions);
    failed = json_object_update_new(out, more);
  }
  if (!failed) return out;
  json_decref(out);
  return NULL;
}

json_t *job_model_shape(const model_config *c) {
  return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:b, s:b, s:b, s:b, s:b, s:o}",
                   "layers", c->layers, "hidden", c->hidden, "heads", c->heads, "kv_heads",
                   c->kv_heads, "head_size", c->head_size, "feed_forward", c->feed_forward,
                   "vocabulary", c->vocabulary, "context", c->context, "epsilon", c->epsilon,
                   "qkv_bias", c->qkv_bias, "output_bias", c->output_bias, "mlp_bias", c->mlp_bias,
                   "head_norm", c->head_norm, "tied", c->tied, "rope", rope_json(&c->rope));
}
