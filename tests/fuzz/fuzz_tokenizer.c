/* A stranger's tokenizer.json and a text for it: read or refused with words, and whatever is read
   encodes and decodes without harm. The input is two parts: a file, then a text. */
#include "base/json.h"
#include "engine/tokenizer.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_utf8(const text *t) {
  for (size_t at = 0, length; at < t->bytes; at += length) {
    length = text_utf8_length(t->data + at, t->bytes - at);
    REQUIRE(length > 0);
  }
}

/* Ids one by one put out whole characters, and what a whole decoding gives. */
static void check_decoding(const tokenizer *t, const token_list *ids, decoder_special special) {
  detail err = {0};
  text slow, whole;
  decoder *d;
  text_open(&slow, 1 << 22);
  text_open(&whole, 1 << 22);
  REQUIRE(decoder_open(&d, t, special, &err) == OK);
  status s = OK;
  for (size_t i = 0; !s && i < ids->count; i++) {
    REQUIRE(ids->ids[i] >= 0 && ids->ids[i] < tokenizer_size(t));
    s = decoder_put(d, ids->ids[i], &slow, &err);
    check_utf8(&slow);
  }
  if (!s) s = decoder_end(d, &slow, &err);
  check_utf8(&slow);
  status again = tokenizer_decode(t, ids->ids, ids->count, special, &whole, &err);
  if (s) fuzz_explained(s, &err);
  REQUIRE(!s == !again);
  REQUIRE(s || !strcmp(text_string(&slow), text_string(&whole)));
  decoder_close(d);
  text_close(&slow);
  text_close(&whole);
}

static void check_text(const tokenizer *t, fuzz_part part) {
  detail err = {0};
  encoder *e;
  token_list ids = {0}, again = {0};
  REQUIRE(encoder_open(&e, t, &err) == OK);
  status s = encoder_encode(e, part.bytes, part.count, ENCODE_WITH_SPECIAL, &ids, &err);
  if (s) fuzz_explained(s, &err);
  /* The second time words are known: the ids are the same. */
  status s2 = encoder_encode(e, part.bytes, part.count, ENCODE_WITH_SPECIAL, &again, &err);
  REQUIRE(s == s2 && ids.count == again.count && ids.dropped == again.dropped);
  REQUIRE(!ids.count || !memcmp(ids.ids, again.ids, ids.count * sizeof *ids.ids));
  check_decoding(t, &ids, DECODE_SKIP_SPECIAL);
  check_decoding(t, &ids, DECODE_KEEP_SPECIAL);
  token_list_close(&ids);
  token_list_close(&again);
  encoder_close(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *at = (const char *)data, *end = at + size;
  fuzz_part file = fuzz_next_part(&at, end);
  tokenizer *t;
  detail err = {0};
  json_install();
  status s = tokenizer_read(&t, file.bytes, file.count, "tokenizer.json", &err);
  if (s) {
    fuzz_explained(s, &err);
    return 0;
  }
  check_text(t, (fuzz_part){at, (size_t)(end - at)});
  tokenizer_close(t);
  return 0;
}
