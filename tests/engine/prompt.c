#include "tests/engine/prompt.h"

#include "base/memory.h"

#include <stdio.h>

const int prompt_lengths[PROMPTS] = {1, 7, 64, 300, 700};

enum { PAGE_KEYS = 16, PAGES = (PROMPT_TOKENS_MAX + CONTINUED_TOKENS + PAGE_KEYS - 1) / PAGE_KEYS };

status prompt_model(model **out, const char *shape, const char *folder, detail *err) {
  synth_options o = {.shape = synth_find(shape),
                     .folder = folder,
                     .seed = PROMPT_SEED,
                     .element = ELEMENT_BF16,
                     .shards = 1};
  REQUIRE(o.shape);
  status failed = synth_write(&o, err);
  return failed ? failed : model_open(out, folder, err);
}

static status overwrite(FILE *file, const char *name, char *bytes, size_t count, size_t index,
                        uint16_t value, detail *err) {
  safetensors *s = NULL;
  size_t read = fread(bytes, 1, count, file), written = 0;
  status failed = safetensors_memory(&s, "a model", bytes, read, err);
  const tensor *t = failed ? NULL : safetensors_find(s, name);
  if (t) {
    long at = (long)(t->data - (const uint8_t *)bytes) + 2 * (long)index;
    if (!fseek(file, at, SEEK_SET)) written = fwrite(&value, sizeof value, 1, file);
  }
  safetensors_close(s);
  if (failed || written == 1) return failed;
  return fault(err, E_IO, "element %zu of %s could not be written", index, name);
}

status prompt_poison(const char *folder, const char *name, size_t index, uint16_t value,
                     detail *err) {
  enum { BYTES_MAX = 1 << 22 };
  char path[512];
  (void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
  FILE *file = fopen(path, "r+b");
  char *bytes = memory_take(BYTES_MAX);
  status failed = file && bytes ? overwrite(file, name, bytes, BYTES_MAX, index, value, err)
                                : fault(err, E_IO, "%s cannot be opened", path);
  memory_free(bytes);
  if (file && fclose(file) && !failed) failed = fault(err, E_IO, "%s cannot be written", path);
  return failed;
}

uint32_t prompt_token(int prompt, int i, int vocabulary) {
  uint32_t x = (uint32_t)(prompt * 1000003 + i) * 2654435761u;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  return x % (uint32_t)vocabulary;
}

forward_options prompt_options(const char *backend, compute_type compute, int rows) {
  return (forward_options){.backend = backend,
                           .compute = compute,
                           .threads = 1,
                           .rows = rows,
                           .outputs = rows,
                           .pages = PAGES,
                           .page_keys = PAGE_KEYS};
}

/* One segment over all pages, the last page first, so that order is not taken for granted. */
static status feed_step(forward *f, const uint32_t *tokens, int from, int rows, detail *err) {
  enum { ROWS_MAX = PROMPT_TOKENS_MAX };
  static int32_t slot[ROWS_MAX], position[ROWS_MAX], row_span[ROWS_MAX + 1], zero[ROWS_MAX];
  static int32_t keys[ROWS_MAX], output[ROWS_MAX], pages[PAGES];
  REQUIRE(rows <= ROWS_MAX);
  for (int i = 0; i < PAGES; i++)
    pages[i] = PAGES - 1 - i;
  for (int i = 0; i < rows; i++) {
    int at = from + i;
    slot[i] = pages[at / PAGE_KEYS] * PAGE_KEYS + at % PAGE_KEYS;
    position[i] = at;
    row_span[i] = i;
    keys[i] = at + 1;
    output[i] = i;
  }
  row_span[rows] = rows;
  step_plan plan = {.rows = rows,
                    .spans = rows,
                    .outputs = rows,
                    .token = tokens,
                    .write_slot = slot,
                    .write_position = position,
                    .row_span = row_span,
                    .span_page = zero,
                    .span_keys = keys,
                    .span_position = position,
                    .pages = pages,
                    .output_row = output};
  return forward_run(f, &plan, err);
}

status prompt_feed(forward *f, int vocabulary, const uint32_t *tokens, int from, int count,
                   int step, float *logits, detail *err) {
  status failed = OK;
  for (int done = 0; !failed && done < count;) {
    int rows = count - done < step ? count - done : step;
    float *to = logits + (size_t)done * (size_t)vocabulary;
    failed = feed_step(f, tokens + done, from + done, rows, err);
    if (!failed) failed = forward_get_logits(f, rows, to, err);
    done += rows;
  }
  return failed;
}

uint32_t prompt_greatest(const float *logits, int vocabulary) {
  int best = 0;
  for (int i = 1; i < vocabulary; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  return (uint32_t)best;
}
