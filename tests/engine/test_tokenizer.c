/* Tokenizers against what the `tokenizers` library makes of the same files and texts
   (tests/oracle/tokenizers.py), and against files and texts that mean harm.

   test_tokenizer FILE CASES... compares other files and cases of that script. */
#include "base/json.h"
#include "base/memory.h"
#include "engine/tokenizer.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* A small BPE: the pieces of a file around what a test is about. */
static tokenizer *read_file(const char *added, const char *normalizer, const char *splitter,
                            const char *decode, const char *model) {
  tokenizer *t;
  text file;
  text_open(&file, 1 << 20);
  text_format(&file,
              "{\"version\":\"1.0\",\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,"
              "\"post_processor\":null,\"decoder\":%s,\"model\":%s}",
              added, normalizer, splitter, decode, model);
  ck_ok(tokenizer_read(&t, text_string(&file), file.bytes, "tokenizer.json", &err));
  text_close(&file);
  return t;
}

/* The ids of a text, as "1 2 3". */
static const char *encoded(const tokenizer *t, const char *bytes, size_t count) {
  static text said;
  encoder *e;
  token_list ids = {0};
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, bytes, count, ENCODE_PLAIN, &ids, &err));
  text_close(&said);
  text_open(&said, 1 << 20);
  put_ids(&said, &ids);
  token_list_close(&ids);
  encoder_close(e);
  return text_string(&said);
}

#define LETTERS                                                                                    \
  "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\x80\":3},\"merges\":[\"a b\"]}"
#define ADDED(id, content)                                                                         \
  "{\"id\":" #id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false,"            \
  "\"rstrip\":false,\"normalized\":false,\"special\":true}"

/* What must be refused, and what the message says. */
static const struct refused {
  const char *file, *said;
} refused[] = {
    {"", "not JSON"},
    {"[]", "the file: this must be an object"},
    {"{\"model\":1}", "model: this must be an object"},
    {"{\"modle\":1}", "the file: unknown field 'modle'"},
    {"{\"model\":{\"type\":\"Unigram\"}}", "model: type 'Unigram' is not supported"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"cycles\":3}}",
     "unknown field 'cycles'"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":[],\"merges\":[]}}",
     "model.vocab: this must be an object"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "the id of 'a'"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4194304},\"merges\":[]}}", "from 0 to 4194303"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.0},\"merges\":[]}}", "the id of 'a'"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":NaN},\"merges\":[]}}", "not JSON"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999999999999},\"merges\":[]}}",
     "not JSON"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "same id, 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "duplicate"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
     "model.merges[0]: 'b' is not"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\"]]}}",
     "'aa' is not in"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}}",
     "a merge is a pair"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}",
     "a merge is a pair"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[7]}}", "a merge is a pair"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}}",
     "end_of_word_suffix is not supported"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"dropout\":0.1}}", "dropout is not"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"fuse_unk\":1}}",
     "fuse_unk must be"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[" ADDED(1, "x") "]}",
     "id 1 of 'x' is another token's"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[" ADDED(9, "a") "]}", "'a' has id 9 here and 0"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[" ADDED(9, "x") "," ADDED(9, "x") "]}",
     "added_tokens[1]: id 9"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[" ADDED(9, "x") "," ADDED(8, "x") "]}",
     "there twice"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[" ADDED(9, "") "]}", "an empty content"},
    {"{\"model\":" LETTERS ",\"added_tokens\":[{\"id\":9,\"content\":\"x\"}]}",
     "single_word must be"},
    {"{\"normalizer\":{\"type\":\"Nmt\"}}", "normalizer: type 'Nmt' is not supported"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"\"}]}"
     "}",
     "normalizer[1]: type ''"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}}",
     "empty pattern"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}}",
     "cannot be compiled"},
    {"{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}}", "'BertPreTokenizer' is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}}", "one character"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}"
     "}",
     "always, first or never"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Glued\","
     "\"invert\":false}}",
     "behavior must be"},
    {"{\"decoder\":{\"type\":\"CTC\"}}", "decoder: type 'CTC' is not supported"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\"\",\"start\":1,\"stop\":0}}", "one character"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}}",
     "start must be"},
    {"{\"model\":" LETTERS ",\"post_processor\":{\"type\":\"BertProcessing\"}}",
     "post_processor: type"},
    {"{\"model\":" LETTERS ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}}",
     "the Sequence A once"},
    {"{\"model\":" LETTERS ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
     "{\"SpecialToken\":{\"id\":\"a\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"a\":"
     "{\"ids\":[77]}}}}",
     "an id of 'a' is no token's"},
};
enum { REFUSED_COUNT = sizeof refused / sizeof refused[0] };

START_TEST(what_is_wrong_is_named) {
  tokenizer *t = NULL;
  const struct refused *r = &refused[_i];
  ck_fails(tokenizer_read(&t, r->file, strlen(r->file), "tokenizer.json", &err), E_INPUT, r->said);
  ck_assert_str_eq(err.file, "tokenizer.json");
  ck_assert_ptr_null(t);
}
END_TEST

/* Patterns that Oniguruma and PCRE2 read differently. */
static const char *const patterns[] = {
    "\\\\h",  "\\\\bword",   "a{1,3}+", "a{2}?",         "a{,3}",     "[a&&b]",
    "[a[b]]", "[[:alpha:]]", "(?m:a)",  "(?{x})",        "(*FAIL)",   "(?<n>a)",
    "\\\\1",  "[^\\\\P{L}]", "\\\\pL",  "\\\\p{Letter}", "\\\\x{zz}", "[]a]",
    "[a",     "\\\\K",       "",        "\\\\R",         "\\\\C",     "(?<=a+)b"};
enum { PATTERN_COUNT = sizeof patterns / sizeof patterns[0] };

START_TEST(patterns_of_two_meanings_are_refused) {
  text file;
  text_open(&file, 4096);
  text_format(&file,
              "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},"
              "\"behavior\":\"Isolated\",\"invert\":false},\"model\":" LETTERS "}",
              patterns[_i]);
  tokenizer *t;
  ck_fails(tokenizer_read(&t, text_string(&file), file.bytes, "t.json", &err), E_INPUT,
           "pre_tokenizer: ");
  text_close(&file);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused) {
  tokenizer *t = read_file("", "null", "null", "null", LETTERS);
  encoder *e;
  token_list ids = {0};
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, "ab", 2, ENCODE_PLAIN, &ids, &err));
  ck_fails(encoder_encode(e, "ab\xff", 3, ENCODE_PLAIN, &ids, &err), E_INPUT, "byte 3");
  ck_fails(encoder_encode(e, "\xe2\x82", 2, ENCODE_PLAIN, &ids, &err), E_INPUT, "byte 1");
  ck_fails(encoder_encode(e, "a\xed\xa0\x80", 4, ENCODE_PLAIN, &ids, &err), E_INPUT, "byte 2");
  ck_assert_uint_eq(ids.count, 1);
  ck_assert_int_eq(ids.ids[0], 2);
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

START_TEST(a_zero_byte_is_a_character) {
  tokenizer *t = read_file("", "null",
                           "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}",
                           "{\"type\":\"ByteLevel\"}", LETTERS);
  text out;
  text_open(&out, 100);
  ck_assert_str_eq(encoded(t, "a\0b", 3), "0 3 1 ");
  ck_ok(tokenizer_decode(t, (int32_t[]){0, 3, 1}, 3, DECODE_SKIP_SPECIAL, &out, &err));
  ck_assert_uint_eq(out.bytes, 3);
  ck_assert(!memcmp(out.data, "a\0b", 3));
  text_close(&out);
  tokenizer_close(t);
}
END_TEST

START_TEST(what_has_no_token_is_counted_or_refused) {
  tokenizer *t = read_file("", "null", "null", "null", LETTERS);
  encoder *e;
  token_list ids = {0};
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, "axyb", 4, ENCODE_PLAIN, &ids, &err));
  ck_assert_int_eq(ids.dropped, 2);
  ck_assert_uint_eq(ids.count, 1); /* a and b have become neighbours, as in the library */
  encoder_close(e);
  tokenizer_close(t);
  t = read_file("", "null", "null", "null",
                "{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"?\"}");
  ck_ok(encoder_open(&e, t, &err));
  ck_fails(encoder_encode(e, "x", 1, ENCODE_PLAIN, &ids, &err), E_INPUT, "unk_token");
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

/* Without a cut that changes nothing, and without n log n, this would take hours. */
START_TEST(long_words_take_their_time_and_no_more) {
  tokenizer *t = read_file("", "null", "null", "null", LETTERS);
  encoder *e;
  token_list ids = {0};
  size_t count = 4 << 20;
  char *bytes = memory_take(count);
  for (size_t i = 0; i < count; i++)
    bytes[i] = "ab"[i % 2];
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, bytes, count, ENCODE_PLAIN, &ids, &err));
  ck_assert_uint_eq(ids.count, count / 2);
  encoder_close(e);
  tokenizer_close(t);
  t = read_file("", "null", "null", "null",
                "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1,\"aaa\":2},"
                "\"merges\":[\"a a\",\"a aa\"]}");
  memset(bytes, 'a', count);
  ids.count = 0;
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, bytes, 1 << 20, ENCODE_PLAIN, &ids, &err));
  ck_assert_uint_eq(ids.count, 1 << 19);
  ck_fails(encoder_encode(e, bytes, count, ENCODE_PLAIN, &ids, &err), E_LIMIT, "without a place");
  ck_assert_uint_eq(ids.count, 1 << 19);
  memory_free(bytes);
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

START_TEST(a_pattern_that_runs_away_is_stopped) {
  tokenizer *t = read_file("", "null",
                           "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|aa)+$\"},"
                           "\"behavior\":\"Isolated\",\"invert\":false}",
                           "null", LETTERS);
  encoder *e;
  token_list ids = {0};
  char bytes[65];
  memset(bytes, 'a', 64);
  bytes[64] = 'b';
  ck_ok(encoder_open(&e, t, &err));
  ck_fails(encoder_encode(e, bytes, 65, ENCODE_PLAIN, &ids, &err), E_LIMIT,
           "does not come to an end");
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

START_TEST(rules_that_blow_a_text_up_are_stopped) {
  text rule, all;
  text_open(&rule, 1 << 20);
  text_open(&all, 1 << 20);
  text_put(&rule, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"");
  for (int i = 0; i < 100; i++)
    text_char(&rule, 'a');
  text_put(&rule, "\"}");
  text_put(&all, "{\"type\":\"Sequence\",\"normalizers\":[");
  for (int i = 0; i < 10; i++)
    text_format(&all, "%s%s", i ? "," : "", text_string(&rule));
  text_put(&all, "]}");
  tokenizer *t = read_file("", text_string(&all), "null", "null", LETTERS);
  encoder *e;
  token_list ids = {0};
  ck_ok(encoder_open(&e, t, &err));
  ck_fails(encoder_encode(e, "a", 1, ENCODE_PLAIN, &ids, &err), E_LIMIT, "make this text longer");
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
  text_close(&rule);
  text_close(&all);
}
END_TEST

/* Marks in the order that is worst for sorting by neighbours, and their normal form. */
START_TEST(many_marks_are_ordered_at_once) {
  tokenizer *t = read_file("", "{\"type\":\"NFD\"}", "null", "null",
                           "{\"type\":\"BPE\",\"vocab\":{\"\xcc\x81\":0,\"\xcc\xa3\":1,\"e\":2},"
                           "\"merges\":[]}");
  enum { MARKS = 200000 };
  char *bytes = memory_take(4 * MARKS + 1);
  bytes[0] = 'e';
  for (size_t i = 0; i < MARKS; i++) {
    memcpy(bytes + 1 + 2 * i, "\xcc\x81", 2);
    memcpy(bytes + 1 + 2 * (MARKS + i), "\xcc\xa3", 2);
  }
  encoder *e;
  token_list ids = {0};
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, bytes, 4 * MARKS + 1, ENCODE_PLAIN, &ids, &err));
  ck_assert_uint_eq(ids.count, 2 * MARKS + 1);
  ck_assert_int_eq(ids.ids[0], 2);
  ck_assert_int_eq(ids.ids[1], 1);
  ck_assert_int_eq(ids.ids[MARKS], 1);
  ck_assert_int_eq(ids.ids[MARKS + 1], 0);
  memory_free(bytes);
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
}
END_TEST

/* A euro sign in three tokens, and halves of one. */
START_TEST(characters_are_put_out_whole) {
  tokenizer *t;
  decoder *d;
  text out;
  text_open(&out, 100);
  ck_ok(tokenizer_open(&t, "tests/engine/files/gpt2.json", &err));
  ck_ok(decoder_open(&d, t, DECODE_SKIP_SPECIAL, &err));
  static const char *const letters[] = {"\xc3\xa2", "\xc4\xa4", "\xc2\xac"}; /* E2, 82, AC */
  int32_t id[3];
  for (int i = 0; i < 3; i++) {
    id[i] = tokenizer_find(t, letters[i], 2);
    ck_assert_int_ge(id[i], 0);
    ck_assert_str_eq(text_string(&out), "");
    ck_ok(decoder_put(d, id[i], &out, &err));
  }
  ck_assert_str_eq(text_string(&out), "\xe2\x82\xac");
  text_clear(&out);
  ck_ok(decoder_put(d, id[0], &out, &err));
  ck_ok(decoder_put(d, id[1], &out, &err));
  ck_assert_str_eq(text_string(&out), "");
  ck_ok(decoder_end(d, &out, &err));
  ck_assert_str_eq(text_string(&out), "\xef\xbf\xbd");
  ck_fails(decoder_put(d, -1, &out, &err), E_INPUT, "-1");
  decoder_close(d);
  tokenizer_close(t);
  text_close(&out);
}
END_TEST

static void *encode_many(void *data) {
  const tokenizer *t = data;
  encoder *e;
  token_list ids = {0};
  uint32_t sum = 0;
  REQUIRE(encoder_open(&e, t, NULL) == OK);
  for (int i = 0; i < 200; i++) {
    ids.count = 0;
    REQUIRE(encoder_encode(e, "Moving to Node #1,2 don't", 25, ENCODE_PLAIN, &ids, NULL) == OK);
    for (size_t k = 0; k < ids.count; k++)
      sum = sum * 31 + (uint32_t)ids.ids[k];
  }
  token_list_close(&ids);
  encoder_close(e);
  return (void *)(uintptr_t)sum;
}

START_TEST(threads_share_a_tokenizer) {
  tokenizer *t;
  pthread_t thread[4];
  ck_ok(tokenizer_open(&t, "tests/engine/files/llama3.json", &err));
  void *alone = encode_many(t);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(pthread_create(&thread[i], NULL, encode_many, t), 0);
  for (int i = 0; i < 4; i++) {
    void *sum;
    ck_assert_int_eq(pthread_join(thread[i], &sum), 0);
    ck_assert_ptr_eq(sum, alone);
  }
  tokenizer_close(t);
}
END_TEST

/* Every allocation fails once: reading and encoding end in E_MEMORY, and nothing is lost. */
START_TEST(memory_that_fails_is_said) {
  static const char *const files[] = {"tests/engine/files/words.json",
                                      "tests/engine/files/qwen.json"};
  size_t bytes;
  char *file = support_read(files[_i], &bytes);
  int64_t failures = 0;
  json_install();
  for (int64_t number = 0, asked = 1; asked >= number; number += 1 + number / 50) {
    tokenizer *t = NULL;
    encoder *e = NULL;
    token_list ids = {0};
    memory_fail_once(number);
    status s = tokenizer_read(&t, file, bytes, "t.json", &err);
    if (!s) s = encoder_open(&e, t, &err);
    if (!s) s = encoder_encode(e, "caf\xc3\xa9 1e\xcc\x81", 10, ENCODE_WITH_SPECIAL, &ids, &err);
    memory_fail_once(-1);
    asked = memory_asked();
    ck_assert_msg(s == OK || s == E_MEMORY, "allocation %lld: %s", (long long)number, err.text);
    failures += s != OK;
    token_list_close(&ids);
    encoder_close(e);
    if (t) tokenizer_close(t);
  }
  ck_assert_int_gt(failures, 20);
  free(file);
}
END_TEST

static void learn_text(text *out) {
  text_open(out, 1 << 20);
  for (int i = 0; i < 200; i++) {
    text_format(out,
                "Current State: %d:[%d, %d], Operations: []\nExploring Operation: %d+%d=%d, "
                "Resulting Numbers: [%d]\n",
                i, i % 7, i % 11, i % 7, i % 11, i % 7 + i % 11, i % 7 + i % 11);
  }
}

START_TEST(a_tokenizer_of_ours_is_learnt) {
  text learnt, file, again, out;
  learn_text(&learnt);
  text_open(&file, 1 << 20);
  text_open(&again, 1 << 20);
  text_open(&out, 1 << 20);
  ck_ok(tokenizer_synth(&file, text_string(&learnt), learnt.bytes, 1000, &err));
  ck_ok(tokenizer_synth(&again, text_string(&learnt), learnt.bytes, 1000, &err));
  ck_assert_str_eq(text_string(&file), text_string(&again));
  tokenizer *t;
  encoder *e;
  token_list ids = {0};
  ck_ok(tokenizer_read(&t, text_string(&file), file.bytes, "ours", &err));
  ck_assert_int_eq(tokenizer_size(t), 1000);
  ck_assert_int_eq(tokenizer_find(t, TOKENIZER_SYNTH_BEGIN, 9), 256);
  ck_assert(tokenizer_is_special(t, 257) && !tokenizer_is_special(t, 258));
  ck_ok(encoder_open(&e, t, &err));
  ck_ok(encoder_encode(e, text_string(&learnt), learnt.bytes, ENCODE_WITH_SPECIAL, &ids, &err));
  ck_assert_int_eq(ids.ids[0], 256);
  ck_assert_uint_lt(ids.count * 2, learnt.bytes); /* words have become tokens */
  ck_ok(tokenizer_decode(t, ids.ids, ids.count, DECODE_SKIP_SPECIAL, &out, &err));
  ck_assert_str_eq(text_string(&out), text_string(&learnt));
  ck_fails(tokenizer_synth(&out, "", 0, 257, &err), E_INPUT, "257");
  token_list_close(&ids);
  encoder_close(e);
  tokenizer_close(t);
  text_close(&learnt);
  text_close(&file);
  text_close(&again);
  text_close(&out);
}
END_TEST

START_TEST(files_that_are_none_are_refused) {
  tokenizer *t;
  ck_fails(tokenizer_open(&t, "tests/engine/none.json", &err), E_INPUT, "no such file");
  ck_fails(tokenizer_open(&t, "tests/engine", &err), E_INPUT, "this is a folder");
  ck_fails(tokenizer_open(&t, "/dev/zero", &err), E_INPUT, "this is a device");
  ck_fails(tokenizer_open_folder(&t, "tests/engine", &err), E_INPUT, "there is no such file");
  ck_assert_str_eq(err.file, "tests/engine/tokenizer.json");
  const char *folder = support_path("m");
  ck_assert_int_eq(mkdir(folder, 0777), 0);
  support_write(support_path("m/tokenizer.model"), "");
  ck_fails(tokenizer_open_folder(&t, folder, &err), E_INPUT, "only tokenizer.model, which is not");
  support_write(support_path("m/tokenizer.json"), "version https://git-lfs.github.com/spec/v1\n");
  ck_fails(tokenizer_open_folder(&t, folder, &err), E_INPUT, "a Git LFS pointer");
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
    tcase_add_loop_test(tests, what_is_wrong_is_named, 0, REFUSED_COUNT);
    tcase_add_loop_test(tests, patterns_of_two_meanings_are_refused, 0, PATTERN_COUNT);
    tcase_add_test(tests, bytes_that_are_no_text_are_refused);
    tcase_add_test(tests, a_zero_byte_is_a_character);
    tcase_add_test(tests, what_has_no_token_is_counted_or_refused);
    tcase_add_test(tests, long_words_take_their_time_and_no_more);
    tcase_add_test(tests, a_pattern_that_runs_away_is_stopped);
    tcase_add_test(tests, rules_that_blow_a_text_up_are_stopped);
    tcase_add_test(tests, many_marks_are_ordered_at_once);
    tcase_add_test(tests, characters_are_put_out_whole);
    tcase_add_test(tests, threads_share_a_tokenizer);
    tcase_add_loop_test(tests, memory_that_fails_is_said, 0, 2);
    tcase_add_test(tests, a_tokenizer_of_ours_is_learnt);
    tcase_add_test(tests, files_that_are_none_are_refused);
  }
  suite_add_tcase(suite, tests);
  return suite;
}

int main(int argc, char **argv) {
  given = argv + 1;
  given_count = argc - 1;
  return support_run(tokenizers());
}
