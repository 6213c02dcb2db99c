#include "pipeline/line_tokens.h"

#include <string.h>
#include <sys/stat.h>

enum { FIRST_BYTES_MAX = 1 << 20 };

/* The text of the first tokens is where it was cut: what they decode to has to be how it begins. */
static status first_bytes(line_tokens *l, const char *bytes, size_t count, size_t most,
                          size_t *within, detail *err) {
  text_clear(&l->first);
  status failed =
      tokenizer_decode(l->tokenizer, l->ids.ids, most, DECODE_KEEP_SPECIAL, &l->first, err);
  if (failed) return failed;
  if (l->first.bytes > count || memcmp(text_string(&l->first), bytes, l->first.bytes) != 0) {
    return fault(err, E_INPUT,
                 "this tokenizer changes what it reads ('%.*s' becomes '%.*s'), so that nobody can "
                 "say where a line was cut off; use one that keeps all characters",
                 (int)(count < 80 ? count : 80), bytes,
                 (int)(l->first.bytes < 80 ? l->first.bytes : 80), text_string(&l->first));
  }
  *within = l->first.bytes;
  return OK;
}

static status measure(void *context, const char *bytes, size_t count, int64_t most, int64_t *tokens,
                      size_t *within, detail *err) {
  line_tokens *l = context;
  l->ids.count = 0;
  status failed = encoder_encode(l->encoder, bytes, count, ENCODE_PLAIN, &l->ids, err);
  if (failed) return failed;
  *tokens = (int64_t)l->ids.count;
  *within = most > 0 ? count : 0;
  if (most <= 0 || most >= *tokens) return OK;
  return first_bytes(l, bytes, count, (size_t)most, within, err);
}

status line_tokenizer_open(tokenizer **out, const char *path, detail *err) {
  struct stat is;
  int folder = stat(path, &is) == 0 && S_ISDIR(is.st_mode);
  return folder ? tokenizer_open_folder(out, path, err) : tokenizer_open(out, path, err);
}

status line_tokens_open(line_tokens *out, const tokenizer *t, detail *err) {
  *out = (line_tokens){.tokenizer = t, .face = {.measure = measure, .context = out}};
  text_open(&out->first, FIRST_BYTES_MAX);
  return encoder_open(&out->encoder, t, err);
}

void line_tokens_close(line_tokens *l) {
  encoder_close(l->encoder);
  token_list_close(&l->ids);
  text_close(&l->first);
  *l = (line_tokens){0};
}
