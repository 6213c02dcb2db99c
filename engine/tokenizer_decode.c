#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>

/* A decoder is a row of stages. Tokens pass as fragments of whole characters, the last of a token
   marked; a stage hands on what it can and holds what it must: the start of a character, a run of
   byte tokens, a token whose end it has to see. */

typedef struct held {
  text part;      /* the token that has not ended */
  text bytes;     /* the start of a character, or a run of byte tokens */
  int64_t tokens; /* that have ended here */
  int stripped;   /* DECODE_STRIP: characters of this token's start */
  int past_start; /* DECODE_STRIP: another character was met */
} held;

struct decoder {
  const tokenizer *t;
  decoder_special special;
  matcher *m;
  held held[STAGES_MAX]; /* [decoder_count] */
  text *out;             /* of the call that runs */
  detail *err;
};

status decoder_open(decoder **out, const tokenizer *t, decoder_special special, detail *err) {
  decoder *d = memory_zeroed(1, sizeof *d);
  if (!d) return fault(err, E_MEMORY, "no memory for a decoder");
  d->t = t;
  d->special = special;
  for (int i = 0; i < t->decoder_count; i++) {
    text_open(&d->held[i].part, TOKENIZER_TEXT_MAX);
    text_open(&d->held[i].bytes, TOKENIZER_TEXT_MAX);
  }
  status s = matcher_open(&d->m, err);
  if (s) {
    decoder_close(d);
    return s;
  }
  *out = d;
  return OK;
}

void decoder_close(decoder *d) {
  if (!d) return;
  for (int i = 0; i < d->t->decoder_count; i++) {
    text_close(&d->held[i].part);
    text_close(&d->held[i].bytes);
  }
  matcher_close(d->m);
  memory_free(d);
}

static status pass(decoder *d, int at, const char *bytes, size_t count, int ends);

/* Appends a token as the bytes that its letters stand for, or as it is where one stands for none.
 */
static void add_bytes_of(text *out, const char *bytes, size_t count) {
  size_t start = out->bytes;
  for (size_t i = 0; i < count;) {
    int32_t point;
    i += point_read(bytes + i, count - i, &point);
    int32_t byte = point_byte(point);
    if (byte < 0) {
      text_cut(out, start);
      text_add(out, bytes, count);
      return;
    }
    text_char(out, (char)byte);
  }
}

/* The length of the start of a character that more bytes could complete; 0: none could. Table 3-7
   of the Unicode standard. */
static size_t unfinished(const char *bytes, size_t count) {
  unsigned char first = (unsigned char)bytes[0];
  size_t needed = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2, length = 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (; length < count && length < needed; length++) {
    unsigned char c = (unsigned char)bytes[length], low = 0x80, high = 0xbf;
    if (length == 1 && first == 0xe0) low = 0xa0;
    if (length == 1 && first == 0xed) high = 0x9f;
    if (length == 1 && first == 0xf0) low = 0x90;
    if (length == 1 && first == 0xf4) high = 0x8f;
    if (c < low || c > high) break;
  }
  return length;
}

static const char replacement[] = "\xef\xbf\xbd";

/* Hands on the characters that are held, bytes that are none as U+FFFD: one for each longest start
   of a character, as Unicode recommends and Rust does. */
static status pass_characters(decoder *d, int at, int is_end) {
  text *bytes = &d->held[at].bytes;
  const char *data = text_string(bytes);
  size_t done = 0, count = bytes->bytes;
  status s = OK;
  while (!s && done < count) {
    size_t good = 0, length;
    while (done + good < count &&
           (length = text_utf8_length(data + done + good, count - done - good)) > 0)
      good += length;
    s = pass(d, at + 1, data + done, good, 0);
    done += good;
    if (s || done == count) break;
    length = unfinished(data + done, count - done);
    if (length == count - done && !is_end) break;
    s = pass(d, at + 1, replacement, sizeof replacement - 1, 0);
    done += length ? length : 1;
  }
  if (s) return s;
  if (done) memmove(bytes->data, data + done, count - done);
  text_cut(bytes, count - done);
  return OK;
}

/* The byte of a token such as <0x0A>, or -1. */
static int byte_of(const char *bytes, size_t count) {
  if (count != 6 || memcmp(bytes, "<0x", 3) != 0 || bytes[5] != '>') return -1;
  int value = 0;
  for (int i = 3; i < 5; i++) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = bytes[i] ? strchr(digits, bytes[i] | 0x20) : NULL;
    if (!digit || (bytes[i] < 'A' && bytes[i] > '9')) return -1;
    value = value * 16 + (int)(digit - digits);
  }
  return value;
}

/* A run of byte tokens is one token where it is well-formed as a whole, else one U+FFFD a byte. */
static status pass_run(decoder *d, int at) {
  text *run = &d->held[at].bytes;
  status s = OK;
  size_t good = 0, length = 1;
  while (good < run->bytes && length) {
    length = text_utf8_length(run->data + good, run->bytes - good);
    good += length;
  }
  if (run->bytes && good == run->bytes) s = pass(d, at + 1, run->data, run->bytes, 1);
  for (size_t i = 0; !s && good < run->bytes && i < run->bytes; i++)
    s = pass(d, at + 1, replacement, sizeof replacement - 1, 1);
  text_clear(run);
  return s;
}

static status replace(decoder *d, int at, const char *bytes, size_t count) {
  const decode_stage *k = &d->t->decoders[at];
  match_walk walk;
  match_start(&walk, k->pattern, bytes, count);
  size_t last = 0, start, end;
  status s = OK;
  for (int found = count > 0; !s && found;) {
    s = match_next(d->m, &walk, &found, &start, &end, d->err);
    if (s || !found) break;
    s = pass(d, at + 1, bytes + last, start - last, 0);
    if (!s) s = pass(d, at + 1, k->content, k->content_bytes, 0);
    last = end;
  }
  return s ? s : pass(d, at + 1, bytes + last, count - last, 1);
}

/* Up to start characters of one kind go from the front, up to stop from the end. */
static status strip_whole(decoder *d, int at, const char *bytes, size_t count) {
  const decode_stage *k = &d->t->decoders[at];
  size_t size = k->content_bytes, first = 0, last = count;
  for (int i = 0; i < k->start && last - first >= size; i++) {
    if (memcmp(bytes + first, k->content, size) != 0) break;
    first += size;
  }
  for (int i = 0; i < k->stop && last - first >= size; i++) {
    if (memcmp(bytes + last - size, k->content, size) != 0) break;
    last -= size;
  }
  return pass(d, at + 1, bytes + first, last - first, 1);
}

/* The same where nothing goes from the end: nothing need be held. */
static status strip_start(decoder *d, int at, const char *bytes, size_t count, int ends) {
  const decode_stage *k = &d->t->decoders[at];
  held *h = &d->held[at];
  size_t size = k->content_bytes;
  while (count >= size && !h->past_start && h->stripped < k->start &&
         !memcmp(bytes, k->content, size)) {
    h->stripped++;
    bytes += size;
    count -= size;
  }
  if (count) h->past_start = 1;
  if (ends) h->stripped = h->past_start = 0;
  return pass(d, at + 1, bytes, count, ends);
}

/* The mark of a space is one, and nothing in the first token. */
static status metaspace(decoder *d, int at, const char *bytes, size_t count, int ends) {
  const decode_stage *k = &d->t->decoders[at];
  int is_bare = k->is_first_bare && d->held[at].tokens == 0;
  status s = OK;
  while (!s && count) {
    const char *mark = memmem(bytes, count, k->content, k->content_bytes);
    size_t before = mark ? (size_t)(mark - bytes) : count;
    s = pass(d, at + 1, bytes, before, 0);
    if (!s && mark && !is_bare) s = pass(d, at + 1, " ", 1, 0);
    bytes += before + (mark ? k->content_bytes : 0);
    count -= before + (mark ? k->content_bytes : 0);
  }
  d->held[at].tokens += ends;
  return s || !ends ? s : pass(d, at + 1, "", 0, 1);
}

static status join(decoder *d, int at, const char *bytes, size_t count, int ends) {
  status s = OK;
  if (!d->held[at].past_start && d->held[at].tokens) s = pass(d, at + 1, " ", 1, 0);
  d->held[at].past_start = !ends; /* within a token */
  d->held[at].tokens += ends;
  return s ? s : pass(d, at + 1, bytes, count, ends);
}

/* A stage that has to see whole tokens. */
static status pass_whole(decoder *d, int at, const char *bytes, size_t count) {
  text *held_bytes = &d->held[at].bytes;
  switch (d->t->decoders[at].kind) {
  case DECODE_BYTE_LEVEL:
    add_bytes_of(held_bytes, bytes, count);
    return held_bytes->failed ? text_state(held_bytes, d->err) : pass_characters(d, at, 0);
  case DECODE_BYTE_FALLBACK: {
    int byte = byte_of(bytes, count);
    if (byte >= 0) {
      text_char(held_bytes, (char)byte);
      return text_state(held_bytes, d->err);
    }
    status s = pass_run(d, at);
    return s ? s : pass(d, at + 1, bytes, count, 1);
  }
  case DECODE_REPLACE: return replace(d, at, bytes, count);
  default: return strip_whole(d, at, bytes, count);
  }
}

static status hold(decoder *d, int at, const char *bytes, size_t count, int ends) {
  text *part = &d->held[at].part;
  if (ends && !part->bytes) return pass_whole(d, at, bytes, count);
  text_add(part, bytes, count);
  status s = text_state(part, d->err);
  if (s || !ends) return s;
  s = pass_whole(d, at, text_string(part), part->bytes);
  text_clear(part);
  return s;
}

/* A fragment for a stage; behind the last one stands the caller's text. */
static status pass(decoder *d, int at, const char *bytes, size_t count, int ends) {
  if (!count && !ends) return OK;
  if (at == d->t->decoder_count) {
    text_add(d->out, bytes, count);
    return text_state(d->out, d->err);
  }
  switch (d->t->decoders[at].kind) {
  case DECODE_FUSE: return pass(d, at + 1, bytes, count, 0);
  case DECODE_METASPACE: return metaspace(d, at, bytes, count, ends);
  case DECODE_JOIN: return join(d, at, bytes, count, ends);
  case DECODE_STRIP:
    if (!d->t->decoders[at].stop) return strip_start(d, at, bytes, count, ends);
    return hold(d, at, bytes, count, ends);
  case DECODE_BYTE_LEVEL:
  case DECODE_BYTE_FALLBACK:
  case DECODE_REPLACE: return hold(d, at, bytes, count, ends);
  }
  return OK;
}

status decoder_put(decoder *d, int32_t id, text *out, detail *err) {
  const tokenizer *t = d->t;
  if (id < 0 || id >= TOKENIZER_IDS_MAX) {
    return fault(err, E_INPUT, "%d is no id of a token", (int)id);
  }
  if (id >= t->size || !t->tokens[id].bytes) return OK;
  if (d->special == DECODE_SKIP_SPECIAL && t->tokens[id].is_special) return OK;
  d->out = out;
  d->err = err;
  return pass(d, 0, t->tokens[id].decoded, t->tokens[id].decoded_count, 1);
}

/* Stages end from the first to the last, since each may still hand on to those behind it. */
status decoder_end(decoder *d, text *out, detail *err) {
  d->out = out;
  d->err = err;
  status s = OK;
  for (int at = 0; !s && at < d->t->decoder_count; at++) {
    decode_kind kind = d->t->decoders[at].kind;
    if (kind == DECODE_BYTE_LEVEL) s = pass_characters(d, at, 1);
    if (kind == DECODE_BYTE_FALLBACK) s = pass_run(d, at);
    if (!s && (kind == DECODE_BYTE_LEVEL || kind == DECODE_FUSE)) s = pass(d, at + 1, "", 0, 1);
    held *h = &d->held[at];
    h->tokens = 0;
    h->stripped = h->past_start = 0;
  }
  return s;
}

status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t count,
                        decoder_special special, text *out, detail *err) {
  decoder *d;
  status s = decoder_open(&d, t, special, err);
  if (s) return s;
  for (size_t i = 0; !s && i < count; i++)
    s = decoder_put(d, ids[i], out, err);
  if (!s) s = decoder_end(d, out, err);
  decoder_close(d);
  return s;
}
