/* Tokenizers against what the `tokenizers` library makes of the same files and texts
   (tests/oracle/tokenizers.py), and against files and texts that mean harm.

   test_tokenizer FILE CASES... compares other files and cases of that script. */
#include "base/memory.h"
#include "engine/tokenizer.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static detail err;

/* One line of a file of cases. */
typedef struct oracle_case {
  text bytes, decoded, decoded_special; /* what the library gave, and what it was given */
  token_list ids, ids_special, chosen;
} oracle_case;

static void case_open(oracle_case *c) {
  *c = (oracle_case){0};
  text_open(&c->bytes, 1 << 20);
  text_open(&c->decoded, 1 << 20);
  text_open(&c->decoded_special, 1 << 20);
}

static void case_close(oracle_case *c) {
  text_close(&c->bytes);
  text_close(&c->decoded);
  text_close(&c->decoded_special);
  token_list_close(&c->ids);
  token_list_close(&c->ids_special);
  token_list_close(&c->chosen);
}

static void read_hex(text *out, const char *field, const text *before) {
  text_clear(out);
  if (*field == '=') {
    text_add(out, text_string(before), before->bytes);
    return;
  }
  for (unsigned byte; sscanf(field, "%2x", &byte) == 1; field += 2)
    text_char(out, (char)byte);
}

static void read_ids(token_list *out, const char *field, const token_list *before) {
  out->count = 0;
  if (!out->capacity) {
    out->capacity = 1 << 16;
    out->ids = memory_take(out->capacity * sizeof *out->ids);
    ck_assert_ptr_nonnull(out->ids);
  }
  if (*field == '=') {
    out->count = before->count;
    if (before->count) memcpy(out->ids, before->ids, before->count * sizeof *out->ids);
    return;
  }
  char *end;
  for (long id = strtol(field, &end, 10); end != field; id = strtol(field, &end, 10)) {
    ck_assert_uint_lt(out->count, out->capacity);
    out->ids[out->count++] = (int32_t)id;
    field = end;
  }
}

static void read_case(oracle_case *c, char *line) {
  char *field[6];
  for (int i = 0; i < 6; i++)
    field[i] = strsep(&line, "\t");
  ck_assert_ptr_nonnull(field[5]);
  read_hex(&c->bytes, field[0], &c->bytes);
  read_ids(&c->ids, field[1], &c->ids);
  read_ids(&c->ids_special, field[2], &c->ids);
  read_ids(&c->chosen, field[3], &c->ids_special);
  read_hex(&c->decoded, field[4], &c->bytes);
  read_hex(&c->decoded_special, field[5], &c->decoded);
}

static void put_ids(text *out, const token_list *ids) {
  for (size_t i = 0; i < ids->count; i++)
    text_format(out, "%d ", (int)ids->ids[i]);
}

static int same_ids(const char *name, const oracle_case *c, const token_list *got,
                    const token_list *wanted) {
  if (got->count == wanted->count &&
      (!got->count || !memcmp(got->ids, wanted->ids, got->count * sizeof *got->ids))) {
    return 1;
  }
  text said;
  text_open(&said, 1 << 20);
  text_format(&said, "%s: \"", name);
  text_printable(&said, text_string(&c->bytes), c->bytes.bytes);
  text_put(&said, "\"\n  gives  ");
  put_ids(&said, got);
  text_put(&said, "\n  not    ");
  put_ids(&said, wanted);
  fprintf(stderr, "%s\n", text_string(&said));
  text_close(&said);
  return 0;
}

static int same_text(const char *name, const oracle_case *c, const text *got, const text *wanted) {
  if (got->bytes == wanted->bytes &&
      (!got->bytes || !memcmp(got->data, wanted->data, got->bytes))) {
    return 1;
  }
  text said;
  text_open(&said, 1 << 20);
  text_format(&said, "%s: ", name);
  put_ids(&said, &c->chosen);
  text_put(&said, "\n  gives  ");
  text_printable(&said, text_string(got), got->bytes);
  text_put(&said, "\n  not    ");
  text_printable(&said, text_string(wanted), wanted->bytes);
  fprintf(stderr, "%s\n", text_string(&said));
  text_close(&said);
  return 0;
}

/* Decodes id by id: every piece is whole characters. */
static void decode_slowly(decoder *d, const token_list *ids, text *out) {
  for (size_t i = 0; i < ids->count; i++) {
    size_t before = out->bytes;
    ck_ok(decoder_put(d, ids->ids[i], out, &err));
    for (size_t at = before, length; at < out->bytes; at += length) {
      length = text_utf8_length(out->data + at, out->bytes - at);
      ck_assert_msg(length > 0, "half a character behind id %d", (int)ids->ids[i]);
    }
  }
  ck_ok(decoder_end(d, out, &err));
}

/* Compares all cases of a file; returns how many there were, and adds what differs to *bad. */
static int64_t compare(const char *file, const char *cases, int64_t *bad) {
  tokenizer *t;
  encoder *e;
  decoder *skip, *keep;
  ck_ok(tokenizer_open(&t, file, &err));
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(decoder_open(&skip, t, DECODE_SKIP_SPECIAL, &err));
  ck_ok(decoder_open(&keep, t, DECODE_KEEP_SPECIAL, &err));
  size_t bytes;
  char *all = support_read(cases, &bytes), *rest = all;
  oracle_case c;
  case_open(&c);
  text out;
  text_open(&out, 1 << 20);
  token_list ids = {0};
  int64_t count = 0;
  for (char *line; (line = strsep(&rest, "\n")) && *line; count++) {
    read_case(&c, line);
    int same = 1;
    ids.count = 0;
    ck_ok(encoder_encode(e, text_string(&c.bytes), c.bytes.bytes, ENCODE_PLAIN, &ids, &err));
    same = same_ids(file, &c, &ids, &c.ids) && same;
    ids.count = 0;
    ck_ok(encoder_encode(e, text_string(&c.bytes), c.bytes.bytes, ENCODE_WITH_SPECIAL, &ids, &err));
    same = same_ids(file, &c, &ids, &c.ids_special) && same;
    text_clear(&out);
    decode_slowly(skip, &c.chosen, &out);
    same = same_text(file, &c, &out, &c.decoded) && same;
    text_clear(&out);
    decode_slowly(keep, &c.chosen, &out);
    same = same_text(file, &c, &out, &c.decoded_special) && same;
    *bad += !same;
  }
  token_list_close(&ids);
  text_close(&out);
  case_close(&c);
  free(all);
  decoder_close(keep);
  decoder_close(skip);
  encoder_close(e);
  tokenizer_close(t);
  return count;
}

static const char *const kinds[] = {"gpt2",      "added",        "llama3",   "qwen",  "gpt4o",
                                    "deepseek",  "llama2",       "mistral",  "words", "spaces",
                                    "metaspace", "removed",      "previous", "next",  "contiguous",
                                    "inverted",  "empty_matches"};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

START_TEST(the_library_agrees) {
  char file[128], cases[128];
  int64_t bad = 0;
  (void)snprintf(file, sizeof file, "tests/engine/files/%s.json", kinds[_i]);
  (void)snprintf(cases, sizeof cases, "tests/engine/files/%s.cases", kinds[_i]);
  ck_assert_int_eq(compare(file, cases, &bad), 30);
  ck_assert_int_eq(bad, 0);
}
END_TEST

static char **given; /* [given_count]: files and their cases, in turn */
static int given_count;

START_TEST(given_cases_agree) {
  int64_t bad = 0, count = 0;
  for (int i = 0; i + 1 < given_count; i += 2)
    count += compare(given[i], given[i + 1], &bad);
  printf("%lld cases, %lld differ\n", (long long)count, (long long)bad);
  ck_assert_int_eq(bad, 0);
}
END_TEST

static Suite *tokenizers(void) {
  Suite *suite = suite_create("tokenizers");
  TCase *tests = tcase_create("tokenizers");
  tcase_set_timeout(tests, 300);
  if (given_count) {
    tcase_add_test(tests, given_cases_agree);
  } else {
    tcase_add_loop_test(tests, the_library_agrees, 0, KIND_COUNT);
  }
  suite_add_tcase(suite, tests);
  return suite;
}

int main(int argc, char **argv) {
  given = argv + 1;
  given_count = argc - 1;
  return support_run(tokenizers());
}
