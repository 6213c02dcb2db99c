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

/* ---- tokens to texts ------------------------------------------------------------------------- */

static status decode(const runner_rules *r, const uint32_t *tokens, size_t count, text *out,
                     detail *err) {
  text_clear(out);
  return tokenizer_decode(r->tokenizer, (const int32_t *)tokens, count, DECODE_SKIP_SPECIAL, out,
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
status thread_place_spans(const runner_rules *r, runner_thread *t, detail *err) {
  size_t from = 0;
  text head;
  text_open(&head, TOKENIZER_TEXT_MAX);
  status failed = OK;
  for (int i = 0; !failed && i < t->span_count; i++) {
    runner_span *span = &t->spans[i];
    size_t to = t->text.bytes;
    if (i < t->span_count - 1) {
      failed = decode(r, t->tokens, span->start + span->count, &head, err);
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

/* A token's text is what became certain with it. What was held back at the end of a span is its
   last token's, as the span's own end is placed. */
static status put_pieces(decoder *d, runner_thread *t, text *said, detail *err) {
  status failed = OK;
  size_t from = 0;
  for (int i = 0; !failed && i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    size_t end = span->text_start + span->text_bytes;
    for (size_t k = 0; !failed && k < span->count; k++) {
      failed = decoder_put(d, (int32_t)t->tokens[span->start + k], said, err);
      size_t to = k + 1 < span->count && said->bytes < end ? said->bytes : end;
      t->pieces[span->start + k] = to > from ? (uint32_t)(to - from) : 0;
      from = to > from ? to : from;
    }
  }
  return failed;
}

status thread_place_pieces(const runner_rules *r, runner_thread *t, detail *err) {
  decoder *d = NULL;
  text said;
  memory_free(t->pieces);
  t->pieces = memory_zeroed(t->count + 1, sizeof *t->pieces);
  if (!t->pieces) return fault(err, E_MEMORY, "no memory for %zu tokens of a thread", t->count);
  text_open(&said, TOKENIZER_TEXT_MAX);
  status failed = decoder_open(&d, r->tokenizer, DECODE_SKIP_SPECIAL, err);
  if (!failed) failed = put_pieces(d, t, &said, err);
  decoder_close(d);
  text_close(&said);
  return failed;
}

/* What it holds, to be given back by memory_free. */
static status copy_live(const runner_thread *t, uint32_t **out, detail *err) {
  *out = memory_take((t->held + 1) * sizeof **out);
  if (!*out) return fault(err, E_MEMORY, "no memory for %zu tokens of a thread", t->held);
  thread_live(t, *out);
  return OK;
}

static status decode_context(const runner_rules *r, runner_thread *t, detail *err) {
  uint32_t *live = NULL;
  text_clear(&t->context);
  if (t->held == t->count) return OK;
  status failed = copy_live(t, &live, err);
  if (!failed) failed = decode(r, live, t->held, &t->context, err);
  memory_free(live);
  return failed;
}

status thread_say(const runner_rules *r, runner_thread *t, detail *err) {
  return decode(r, t->tokens, t->count, &t->text, err);
}

status thread_decode(const runner_rules *r, runner_thread *t, detail *err) {
  status failed = thread_say(r, t, err);
  return failed ? failed : decode_context(r, t, err);
}

status thread_place(const runner_rules *r, const runner_thread *t, size_t held, size_t *out,
                    detail *err) {
  const text *whole = thread_text(t);
  uint32_t *live = NULL;
  text head;
  text_open(&head, TOKENIZER_TEXT_MAX);
  status failed = copy_live(t, &live, err);
  if (!failed) failed = decode(r, live, held, &head, err);
  if (!failed) *out = held < t->held ? place_in(whole, head.bytes) : whole->bytes;
  memory_free(live);
  text_close(&head);
  return failed;
}

/* ---- what stays of a context ------------------------------------------------------------------
 */

/* A thread's tokens while it is sought how many of them stay. */
typedef struct keeping {
  const runner_rules *rules;
  const text *whole;
  const uint32_t *live;
  text head; /* of the tokens that were looked at last */
} keeping;

static status look(keeping *k, size_t held, detail *err) {
  return decode(k->rules, k->live, held, &k->head, err);
}

/* A decoder that waits for what comes may say less of more tokens; then this may be fewer than the
   most, and what they leave of the text is fed again. */
static status find_kept(keeping *k, size_t low, size_t high, size_t keep, size_t *out,
                        detail *err) {
  status failed = OK;
  while (!failed && low < high) {
    size_t middle = low + (high - low + 1) / 2;
    failed = look(k, middle, err);
    if (k->head.bytes <= keep) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  *out = low;
  return failed;
}

/* Whether what was looked at last begins the context as it reads. */
static int begins(const keeping *k, size_t keep) {
  return k->head.bytes <= keep &&
         !memcmp(text_string(&k->head), text_string(k->whole), k->head.bytes);
}

static status keep_most(keeping *k, size_t floor, size_t most, size_t keep, size_t *held,
                        size_t *bytes, detail *err) {
  size_t at = 0;
  status failed = find_kept(k, floor, most, keep, &at, err);
  if (!failed) failed = look(k, at, err);
  while (!failed && at > floor && !begins(k, keep))
    failed = look(k, --at, err);
  *bytes = k->head.bytes < keep ? k->head.bytes : keep;
  for (*held = at; !failed && at > floor && k->head.bytes == *bytes; *held = at) {
    failed = look(k, at - 1, err);
    if (k->head.bytes == *bytes) at--;
  }
  return failed;
}

status thread_keep(const runner_rules *r, const runner_thread *t, size_t floor, size_t keep,
                   size_t *held, size_t *bytes, detail *err) {
  uint32_t *live = NULL;
  keeping k = {.rules = r, .whole = thread_text(t)};
  REQUIRE(keep <= k.whole->bytes && floor <= t->held);
  text_open(&k.head, TOKENIZER_TEXT_MAX);
  status failed = copy_live(t, &live, err);
  k.live = live;
  if (!failed) failed = keep_most(&k, floor, t->held, keep, held, bytes, err);
  memory_free(live);
  text_close(&k.head);
  return failed;
}
