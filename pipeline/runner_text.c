#include "base/memory.h"
#include "pipeline/runner_internal.h"

#include <string.h>

enum { THREAD_TEXT_MAX = TOKENIZER_TEXT_MAX };

/* ---- texts to tokens ------------------------------------------------------------------------- */

/* How many ids the two lists begin with alike. */
static size_t common_ids(const token_list *a, const token_list *b) {
  size_t i = 0;
  while (i < a->count && i < b->count && a->ids[i] == b->ids[i])
    i++;
  return i;
}

/* Many tokenizers write the beginning of a text in another way than its middle (a space before the
   first word). So the text is encoded behind an anchor whose own tokens it leaves as they are, and
   these are taken away; where it leaves no anchor alone it is encoded by itself. */
static status encode_middle(encoder *e, const char *bytes, size_t count, token_list *out,
                            detail *err) {
  static const char *const anchors[] = {"\n", "a", "."};
  status failed = OK;
  for (size_t i = 0; !failed && i < sizeof anchors / sizeof anchors[0]; i++) {
    token_list alone = {0}, both = {0};
    text joined;
    text_open(&joined, count + 8);
    text_put(&joined, anchors[i]);
    text_add(&joined, bytes, count);
    failed = text_state(&joined, err);
    if (!failed)
      failed = encoder_encode(e, anchors[i], strlen(anchors[i]), ENCODE_PLAIN, &alone, err);
    if (!failed) failed = encoder_encode(e, joined.data, joined.bytes, ENCODE_PLAIN, &both, err);
    int fits = !failed && common_ids(&alone, &both) == alone.count;
    if (fits && both.count > alone.count)
      memmove(both.ids, both.ids + alone.count, (both.count - alone.count) * sizeof *both.ids);
    if (fits) both.count -= alone.count;
    token_list_close(&alone);
    text_close(&joined);
    if (fits) {
      *out = both;
      return OK;
    }
    token_list_close(&both);
  }
  return failed ? failed : encoder_encode(e, bytes, count, ENCODE_PLAIN, out, err);
}

status text_to_tokens(const runner_rules *r, const char *bytes, size_t count, int is_prompt,
                      token_list *out, detail *err) {
  if (!is_prompt) return encode_middle(r->encoder, bytes, count, out, err);
  token_list plain = {0};
  status failed = encoder_encode(r->encoder, bytes, count, ENCODE_PLAIN, &plain, err);
  size_t begins = (size_t)r->begin_count;
  int32_t *ids = failed ? NULL : memory_take((begins + plain.count + 1) * sizeof *ids);
  if (!failed && !ids) failed = fault(err, E_MEMORY, "no memory for a prompt's tokens");
  for (size_t i = 0; !failed && i < begins; i++)
    ids[i] = (int32_t)r->begin[i];
  if (!failed && plain.count) memcpy(ids + begins, plain.ids, plain.count * sizeof *ids);
  if (!failed)
    *out = (token_list){.ids = ids, .count = begins + plain.count, .dropped = plain.dropped};
  token_list_close(&plain);
  return failed;
}

/* ---- a thread's tokens ----------------------------------------------------------------------- */

static status grow_tokens(runner_thread *t, size_t count, detail *err) {
  if (count <= t->capacity) return OK;
  size_t capacity = t->capacity ? t->capacity : 256;
  while (capacity < count)
    capacity *= 2;
  uint32_t *tokens = memory_grow(t->tokens, capacity * sizeof *tokens);
  if (tokens) t->tokens = tokens;
  float *logprobs = tokens ? memory_grow(t->logprobs, capacity * sizeof *logprobs) : NULL;
  if (logprobs) t->logprobs = logprobs;
  float *filtered = logprobs ? memory_grow(t->filtered, capacity * sizeof *filtered) : NULL;
  if (filtered) t->filtered = filtered;
  if (!filtered) return fault(err, E_MEMORY, "no memory for %zu tokens of a thread", capacity);
  t->capacity = capacity;
  return OK;
}

/* The span that tokens of this origin belong to: the last one, or a new one. */
static status find_span(runner_thread *t, runner_span_kind kind, int is_finisher, int64_t step,
                        runner_span **out, detail *err) {
  runner_span *last = t->span_count ? &t->spans[t->span_count - 1] : NULL;
  if (last && last->kind == kind && last->is_finisher == is_finisher) {
    *out = last;
    return OK;
  }
  if (t->span_count == t->span_capacity) {
    int capacity = t->span_capacity ? 2 * t->span_capacity : 4;
    runner_span *grown = memory_grow(t->spans, (size_t)capacity * sizeof *grown);
    if (!grown) return fault(err, E_MEMORY, "no memory for a thread's spans");
    t->spans = grown;
    t->span_capacity = capacity;
  }
  *out = &t->spans[t->span_count++];
  **out = (runner_span){.kind = kind, .is_finisher = is_finisher, .start = t->count, .step = step};
  return OK;
}

status thread_add(runner_thread *t, runner_span_kind kind, int is_finisher, int64_t step,
                  const uint32_t *tokens, const float *logprobs, const float *filtered,
                  size_t count, detail *err) {
  runner_span *span = NULL;
  if (!count) return OK;
  status failed = grow_tokens(t, t->count + count, err);
  if (!failed) failed = find_span(t, kind, is_finisher, step, &span, err);
  if (failed) return failed;
  memcpy(t->tokens + t->count, tokens, count * sizeof *tokens);
  for (size_t i = 0; i < count; i++) {
    t->logprobs[t->count + i] = logprobs ? logprobs[i] : 0;
    t->filtered[t->count + i] = filtered ? filtered[i] : 0;
  }
  t->count += count;
  span->count += count;
  if (kind == THREAD_PROMPT) t->prompt += (int64_t)count;
  if (kind == THREAD_GENERATED) t->generated += (int64_t)count;
  if (kind == THREAD_FED) t->fed += (int64_t)count;
  if (is_finisher) t->finisher += (int64_t)count;
  return OK;
}

static status decode(const runner_rules *r, const runner_thread *t, size_t count, text *out,
                     detail *err) {
  text_clear(out);
  return tokenizer_decode(r->tokenizer, (const int32_t *)t->tokens, count, DECODE_SKIP_SPECIAL, out,
                          err);
}

/* At most all of the text, and at a character. */
static size_t place_in(const text *whole, size_t at) {
  if (at > whole->bytes) at = whole->bytes;
  while (at < whole->bytes && ((unsigned char)whole->data[at] & 0xc0) == 0x80)
    at++;
  return at;
}

/* A span ends where its tokens and those before it end when nothing follows: a decoder that waits
   for what comes (bytes of a character) would give its last words to the next span. */
static status place_spans(const runner_rules *r, runner_thread *t, detail *err) {
  size_t from = 0;
  text head;
  text_open(&head, TOKENIZER_TEXT_MAX);
  status failed = OK;
  for (int i = 0; !failed && i < t->span_count; i++) {
    runner_span *span = &t->spans[i];
    size_t to = t->text.bytes;
    if (i < t->span_count - 1) {
      failed = decode(r, t, span->start + span->count, &head, err);
      to = place_in(&t->text, head.bytes);
    }
    if (to < from) to = from;
    span->text_start = from;
    span->text_bytes = to - from;
    from = to;
  }
  text_close(&head);
  return failed;
}

status thread_decode(const runner_rules *r, runner_thread *t, detail *err) {
  status failed = decode(r, t, t->count, &t->text, err);
  return failed ? failed : place_spans(r, t, err);
}

void thread_release(runner_thread *t) {
  memory_free(t->tokens);
  memory_free(t->logprobs);
  memory_free(t->filtered);
  memory_free(t->spans);
  text_close(&t->text);
}
