/* Records out of bytes that come in pieces: each format, its errors with their places, and the
   properties that pieces do not matter and that nothing is lost silently. */
#include "base/memory.h"
#include "base/random.h"
#include "pipeline/import.h"
#include "pipeline/records.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading bytes in pieces ----------------------------------------------------------------- */

typedef struct pieces {
  const char *bytes;
  size_t at, count;
  size_t most; /* of one piece; 0: all at once */
  random_stream draws;
} pieces;

static status read_piece(void *from, void *bytes, size_t capacity, size_t *count, detail *err) {
  (void)err;
  pieces *p = from;
  *count = p->count - p->at < capacity ? p->count - p->at : capacity;
  if (p->most && *count > 1) {
    size_t drawn = 1 + random_below(&p->draws, (uint32_t)p->most);
    if (drawn < *count) *count = drawn;
  }
  memcpy(bytes, p->bytes + p->at, *count);
  p->at += *count;
  return OK;
}

static random_stream draws_of(uint64_t seed) {
  hash place = hash_of("records", 7);
  return random_start(random_key_of(seed, &place, 0, "0"));
}

/* What a reading gave: canonical records, a line each, and how it ended. */
typedef struct reading {
  text records;
  int64_t count;
  int unended;
  status failed; /* the first failure; reading ends with it */
  detail err;
  records_format format;
} reading;

static reading read_all(const char *bytes, size_t count, records_format format, size_t most,
                        uint64_t seed) {
  pieces p = {.bytes = bytes, .count = count, .most = most, .draws = draws_of(seed)};
  records_source source = {.name = "test", .read = read_piece, .from = &p};
  reading r = {0};
  records *from = NULL;
  text_open(&r.records, 64 << 20);
  r.failed = records_open(&from, &source, format, &r.err);
  for (int found = !r.failed; found;) {
    records_item item;
    r.failed = records_next(from, &item, &found, &r.err);
    if (r.failed || !found) break;
    detail err;
    ck_ok(json_canonical(item.value, &r.records, &err));
    text_char(&r.records, '\n');
    ck_assert_int_eq(item.number, ++r.count);
  }
  if (from && !r.failed) {
    hash whole = hash_of(bytes, count), got = records_hash(from);
    ck_assert(hash_equal(&whole, &got));
    ck_assert_int_eq(records_bytes(from), (int64_t)count);
    r.unended = records_unended(from);
  }
  if (from) r.format = records_found_format(from);
  records_close(from);
  return r;
}

static reading read_text(const char *bytes, records_format format) {
  return read_all(bytes, strlen(bytes), format, 0, 0);
}

/* Gives these records, in this format, in one piece and byte by byte. */
static void gives(const char *bytes, records_format format, const char *wanted) {
  for (size_t most = 0; most < 2; most++) {
    reading r = read_all(bytes, strlen(bytes), format, most, 1);
    ck_assert_msg(!r.failed, "%s: %s", bytes, r.err.text);
    ck_assert_str_eq(text_string(&r.records), wanted);
    text_close(&r.records);
  }
}

static void refuses(const char *bytes, size_t count, records_format format, int line,
                    const char *piece) {
  for (size_t most = 0; most < 2; most++) {
    reading r = read_all(bytes, count, format, most, 1);
    ck_assert_msg(r.failed == E_INPUT, "%s: %s", bytes, status_name(r.failed));
    ck_assert_msg(strstr(r.err.text, piece) != NULL, "\"%s\" lacks \"%s\"", r.err.text, piece);
    ck_assert_str_eq(r.err.file, "test");
    ck_assert_int_eq(r.err.line, line);
    text_close(&r.records);
  }
}
#define refuses_bytes(literal, ...) refuses((literal), sizeof(literal) - 1, __VA_ARGS__)
#define refuses_text(bytes, ...)    refuses((bytes), strlen(bytes), __VA_ARGS__)

/* ---- the formats ----------------------------------------------------------------------------- */

START_TEST(lines_are_records) {
  gives("{\"a\":1}\n{\"b\":[2,{}]}\n", RECORDS_ANY, "{\"a\":1}\n{\"b\":[2,{}]}\n");
  gives("\xef\xbb\xbf\r\n {\"a\":1}\r\n\n \t\n{\"a\":2}", RECORDS_ANY, "{\"a\":1}\n{\"a\":2}\n");
  gives("", RECORDS_ANY, "");
  gives("\n \n", RECORDS_LINES, "");
}
END_TEST

START_TEST(a_list_is_records) {
  gives("[]", RECORDS_ANY, "");
  gives(" [ ] \n", RECORDS_ANY, "");
  gives("[{\"a\":\"],\\\"}\"},\n{\"b\":[1,[2]]}\n]", RECORDS_ANY,
        "{\"a\":\"],\\\"}\"}\n{\"b\":[1,[2]]}\n");
  gives("\xef\xbb\xbf[{\"a\":\"\\\\\"} , {}]", RECORDS_LIST, "{\"a\":\"\\\\\"}\n{}\n");
}
END_TEST

START_TEST(rows_are_records) {
  gives("a,b\n1,2\n3,4\n", RECORDS_CSV, "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n");
  gives("a,b\r\n1,2\r\n3,4", RECORDS_CSV, "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n");
  gives("\xef\xbb\xbf\"a\",\"b \"\"c\"\"\"\r\n\"1,\n2\",\"\"\r\n", RECORDS_CSV,
        "{\"a\":\"1,\\n2\",\"b \\\"c\\\"\":\"\"}\n");
  gives("a\tb\n1,5\t\n", RECORDS_TSV, "{\"a\":\"1,5\",\"b\":\"\"}\n");
  gives("a\n\n\"\"\nit is 5\" wide\n", RECORDS_CSV, "{\"a\":\"\"}\n{\"a\":\"it is 5\\\" wide\"}\n");
  gives(",a\n0,x\n", RECORDS_CSV, "{\"\":\"0\",\"a\":\"x\"}\n");
  gives("a,b\n1,", RECORDS_CSV, "{\"a\":\"1\",\"b\":\"\"}\n");
  gives("a,b\n", RECORDS_CSV, "");
  gives("", RECORDS_CSV, "");
}
END_TEST

START_TEST(the_suffix_tells_the_format) {
  records_format f;
  ck_assert(records_format_of("a/b.JSONL", &f) && f == RECORDS_LINES);
  ck_assert(records_format_of("b.ndjson", &f) && f == RECORDS_LINES);
  ck_assert(records_format_of("b.json", &f) && f == RECORDS_ANY);
  ck_assert(records_format_of("b.csv", &f) && f == RECORDS_CSV);
  ck_assert(records_format_of("b.x.tsv", &f) && f == RECORDS_TSV);
  ck_assert(!records_format_of("README", &f) && !records_format_of("a.txt", &f));
  reading r = read_text(" [{}]", RECORDS_ANY);
  ck_assert_int_eq(r.format, RECORDS_LIST);
  text_close(&r.records);
  r = read_text("\n{}", RECORDS_ANY);
  ck_assert_int_eq(r.format, RECORDS_LINES);
  text_close(&r.records);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

START_TEST(lines_that_are_wrong_are_named) {
  refuses_text("{\"a\":1}\n\n{\"a\":\n", RECORDS_ANY, 3, "not JSON");
  refuses_text("{\"a\":1}\n[1]\n", RECORDS_ANY, 2, "record 2 is a list");
  refuses_text("{\"a\":1}\n\"x\"\n", RECORDS_ANY, 2, "record 2 is a text");
  refuses_text("{\"a\":1,\"a\":2}\n", RECORDS_ANY, 1, "duplicate");
  refuses_text("{\n  \"data\": [\n    {\"a\": 1}\n  ]\n}\n", RECORDS_ANY, 1, "jq -c '.KEY[]'");
  refuses_text("{\"data\": [\n{\"a\": 1}\n]}\n", RECORDS_ANY, 1, "jq -c '.KEY[]'");
  refuses_text("{\"a\":1}\n{\"a\": \"x}", RECORDS_ANY, 2, "ends within record 2: it was cut off");
  refuses_text("{\"a\":1}\n{'a': 1}", RECORDS_ANY, 2, "not JSON");
  refuses_text("question,answer\n1,2\n", RECORDS_ANY, 1, "--format jsonl, json, csv or tsv");
  refuses_bytes("{\"a\":\"\0\"}\n", RECORDS_ANY, 1, "0x00");
  refuses_bytes("{\"a\":1}\n{\"a\":\"caf\xe9\"}\n", RECORDS_ANY, 2, "iconv -f LATIN1");
  refuses_bytes("\xff\xfe{\0}\0", RECORDS_ANY, 1, "iconv -f UTF-16");
  refuses_bytes("\xfe\xff\0{\0}", RECORDS_CSV, 1, "iconv -f UTF-16");
  refuses_bytes("[\0]\0", RECORDS_LIST, 1, "iconv -f UTF-16");
}
END_TEST

START_TEST(lists_that_are_wrong_are_named) {
  refuses_text("[{\"a\":1},\n{\"a\":2}", RECORDS_ANY, 2, "cut off");
  refuses_text("[{\"a\":1},\n{\"a\":2", RECORDS_ANY, 2, "record 2");
  refuses_text("[", RECORDS_ANY, 1, "cut off");
  refuses_text("[{\"a\":\"]}", RECORDS_ANY, 1, "cut off");
  refuses_text("[{},]", RECORDS_ANY, 1, "a record is expected behind record 1");
  refuses_text("[,{}]", RECORDS_ANY, 1, "a record is expected behind record 0");
  refuses_text("[{}]\n]", RECORDS_ANY, 2, "nothing more is expected");
  refuses_text("[{}\n{}]", RECORDS_ANY, 2, "not JSON");
  refuses_text("[{},\n\n 5]", RECORDS_ANY, 3, "record 2 is no object");
  refuses_text("[{\"a\":1}},{}]", RECORDS_ANY, 1, "not JSON");
  refuses_text("{\"a\":1}", RECORDS_LIST, 1, "a JSON list is expected");
  refuses_bytes("[{},\n{\"a\":\n\"\xe9\"}]", RECORDS_ANY, 3, "in record 2 is no text in UTF-8");
}
END_TEST

START_TEST(tables_that_are_wrong_are_named) {
  refuses_text("a,b\n1,2\n3\n", RECORDS_CSV, 3, "record 2 has 1 field and the header 2");
  /* Two halves of a character in two fields are none. */
  refuses_text("a,b\n\xd4,\x9c\n", RECORDS_CSV, 2, "in record 1 is no text in UTF-8");
  refuses_text("a,b\n\"1\n\",2,3\n", RECORDS_CSV, 2, "record 1 has 3 fields");
  refuses_text("a,b\n1,\"x\"y\n", RECORDS_CSV, 2, "starts in line 2");
  refuses_text("a,b\n1,\"x\r\ry\n", RECORDS_CSV, 2, "not closed");
  refuses_text("a,b\n1,\"x\"\ry\n", RECORDS_CSV, 2, "written twice");
  refuses_text("a,b\n\n1,\"x\ny\n", RECORDS_CSV, 3, "not closed");
  refuses_text("a,b,a\n1,2,3\n", RECORDS_CSV, 1, "names the column 'a' twice");
  refuses_text("a,\"b\n", RECORDS_CSV, 1, "not closed");
  refuses_bytes("a,b\n1,2\n3,\xe9\n", RECORDS_CSV, 3, "0xe9");
}
END_TEST

START_TEST(a_refused_record_is_passed_where_its_end_is_known) {
  static const struct {
    const char *bytes;
    records_format format;
  } cases[] = {{"{\"a\":1}\n{\"a\n{\"a\":3}\n", RECORDS_LINES},
               {"[{\"a\":1},{\"a\":},{\"a\":3}]", RECORDS_LIST},
               {"a\n1\n2,2\n3\n", RECORDS_CSV}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    pieces p = {.bytes = cases[c].bytes, .count = strlen(cases[c].bytes)};
    records_source source = {.name = "test", .read = read_piece, .from = &p};
    records *r = NULL;
    records_item item;
    int found;
    detail err;
    ck_ok(records_open(&r, &source, cases[c].format, &err));
    ck_ok(records_next(r, &item, &found, &err));
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(records_next(r, &item, &found, &err), E_INPUT);
    ck_ok(records_next(r, &item, &found, &err));
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(item.number, 3);
    ck_ok(records_next(r, &item, &found, &err));
    ck_assert_int_eq(found, 0);
    ck_ok(records_next(r, &item, &found, &err));
    ck_assert_int_eq(found, 0);
    records_close(r);
  }
}
END_TEST

/* A head, then one byte over and over. */
typedef struct endless {
  const char *head;
  size_t at;
  int64_t given;
} endless;

static status read_endless(void *from, void *bytes, size_t capacity, size_t *count, detail *err) {
  (void)err;
  endless *e = from;
  for (size_t i = 0; i < capacity; i++)
    ((char *)bytes)[i] = e->head[e->at] ? e->head[e->at++] : 'x';
  *count = capacity;
  e->given += (int64_t)capacity;
  ck_assert_int_lt(e->given, 4LL * RECORDS_BYTES_MAX); /* it must have been refused by now */
  return OK;
}

START_TEST(a_record_without_end_is_refused) {
  static const struct {
    const char *head;
    records_format format;
    int line;
  } cases[] = {{"{\"a\":1}\n{\"a\":\"", RECORDS_LINES, 2},
               {"[{\"a\":1},\n{\"a\":\"", RECORDS_LIST, 2},
               {"a\n1\n\"", RECORDS_CSV, 3},
               {"a\n1\n", RECORDS_CSV, 3}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    endless e = {.head = cases[c].head};
    records_source source = {.name = "test", .read = read_endless, .from = &e};
    records *r = NULL;
    records_item item;
    int found;
    detail err;
    ck_ok(records_open(&r, &source, cases[c].format, &err));
    ck_ok(records_next(r, &item, &found, &err));
    ck_fails(records_next(r, &item, &found, &err), E_INPUT, "record 2 has more than 16 MiB");
    ck_assert_int_eq(err.line, cases[c].line);
    ck_ok(records_next(r, &item, &found, &err));
    ck_assert_int_eq(found, 0);
    records_close(r);
  }
}
END_TEST

START_TEST(a_record_of_too_many_values_is_refused) {
  text bytes;
  text_open(&bytes, 32 << 20);
  text_put(&bytes, "{\"a\":[");
  for (int i = 0; i < RECORDS_VALUES_MAX; i++)
    text_put(&bytes, "1,");
  text_put(&bytes, "1]}\n");
  ck_assert(!bytes.failed);
  reading r = read_text(text_string(&bytes), RECORDS_LINES);
  ck_assert_int_eq(r.failed, E_INPUT);
  ck_assert_ptr_nonnull(strstr(r.err.text, "more than 1048576 values"));
  text_close(&r.records);
  text_clear(&bytes);
  text_put(&bytes, "{\"a\":\""); /* the same bytes as one text are one value */
  for (int i = 0; i < RECORDS_VALUES_MAX; i++)
    text_put(&bytes, "1,");
  text_put(&bytes, "\"}\n");
  r = read_text(text_string(&bytes), RECORDS_LINES);
  ck_assert_msg(!r.failed, "%s", r.err.text);
  text_close(&r.records);
  text_close(&bytes);
}
END_TEST

static status read_nothing(void *from, void *bytes, size_t capacity, size_t *count, detail *err) {
  (void)bytes, (void)capacity;
  int *calls = from;
  *count = 0;
  if (++*calls == 1) {
    memcpy(bytes, "{}\n", 3);
    *count = 3;
    return OK;
  }
  return fault(err, E_IO, "the disk is gone");
}

START_TEST(a_source_that_fails_ends_the_reading) {
  int calls = 0, found;
  records_source source = {.name = "test", .read = read_nothing, .from = &calls};
  records *r = NULL;
  records_item item;
  detail err;
  ck_ok(records_open(&r, &source, RECORDS_ANY, &err));
  ck_ok(records_next(r, &item, &found, &err));
  ck_assert_int_eq(found, 1);
  ck_fails(records_next(r, &item, &found, &err), E_IO, "the disk is gone");
  ck_ok(records_next(r, &item, &found, &err));
  ck_assert_int_eq(found, 0);
  records_close(r);
}
END_TEST

/* Reads a file to tasks, as the command does. */
static status import_all(const char *bytes, records_format format, int64_t *count, detail *err) {
  pieces p = {.bytes = bytes, .count = strlen(bytes)};
  records_source source = {.name = "test", .read = read_piece, .from = &p};
  records *r = NULL;
  import *to = NULL;
  int found = 1;
  *count = 0;
  status failed = records_open(&r, &source, format, err);
  if (!failed) failed = import_open(&to, "cluster=meta.c", "test", err);
  while (!failed) {
    records_item item;
    store_task task;
    failed = records_next(r, &item, &found, err);
    if (failed || !found) break;
    failed = import_task(to, item.value, &task, err);
    *count += !failed;
  }
  import_close(to);
  records_close(r);
  return failed;
}

START_TEST(no_memory_is_said) {
  static const struct {
    const char *bytes;
    records_format format;
  } cases[] = {
      {"{\"id\":\"a\",\"question\":\"q\",\"answer\":1,\"meta\":{\"c\":1}}\n", RECORDS_LINES},
      {"[{\"nums\":[1,2],\"target\":3,\"meta\":{\"c\":1},\"data\":{}}]", RECORDS_LIST},
      {"question,answer,meta.c\nq,\"1\n\",3\n", RECORDS_CSV}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    int64_t count = 0, failures = 0;
    status failed = E_MEMORY;
    for (; failed; failures++) {
      detail err = {0};
      memory_fail_after(failures);
      failed = import_all(cases[c].bytes, cases[c].format, &count, &err);
      memory_fail_after(-1);
      ck_assert_msg(failed == OK || failed == E_MEMORY, "%s: %s", status_name(failed), err.text);
      if (failed) ck_assert_ptr_nonnull(strstr(err.text, "memory"));
    }
    ck_assert_int_eq(count, 1);
    ck_assert_int_gt(failures, 8);
  }
}
END_TEST

/* ---- properties ------------------------------------------------------------------------------ */

static const char *const scraps[] = {
    "a", "\"", "\\",       "{", "}", "[",    "]", ",", "\n", "\r", "\t",
    "",  " ",  "\xc3\xa9", ":", "0", "true", ";", "/", "\b", "''", "\xf0\x9f\x8c\x99"};
enum { SCRAPS = sizeof scraps / sizeof scraps[0] };

static void random_scraps(random_stream *draws, text *out) {
  text_clear(out);
  for (uint32_t n = random_below(draws, 12); n > 0; n--)
    text_put(out, scraps[random_below(draws, SCRAPS)]);
}

static json_t *random_json(random_stream *draws, int depth) {
  text word;
  text_open(&word, 4096);
  random_scraps(draws, &word);
  uint32_t kind = random_below(draws, depth > 0 ? 7 : 5);
  json_t *value = NULL;
  if (kind == 0) value = json_integer(random_between(draws, -5, 1000) * 1000000007);
  if (kind == 1) value = json_real((double)random_below(draws, 1000) / 8);
  if (kind == 2) value = random_chance(draws, 0.5) ? json_true() : json_null();
  if (kind == 3 || kind == 4) value = json_string(text_string(&word));
  if (kind == 5) value = json_array();
  if (kind == 6) value = json_object();
  for (uint32_t n = kind > 4 ? random_below(draws, 5) : 0; n > 0; n--) {
    json_t *child = random_json(draws, depth - 1);
    random_scraps(draws, &word);
    int failed = kind == 5 ? json_array_append_new(value, child)
                           : json_object_set_new(value, text_string(&word), child);
    ck_assert_int_eq(failed, 0);
  }
  text_close(&word);
  ck_assert_ptr_nonnull(value);
  return value;
}

static void space(random_stream *draws, text *out, const char *of) {
  for (uint32_t n = random_below(draws, 3); n > 0; n--)
    text_char(out, of[random_below(draws, (uint32_t)strlen(of))]);
}

/* A file of count records, and what it must give. */
static void random_file(random_stream *draws, records_format format, text *file, text *wanted) {
  uint32_t count = random_below(draws, 6);
  detail err;
  if (format == RECORDS_LIST) text_char(file, '[');
  for (uint32_t i = 0; i < count; i++) {
    json_t *o = json_object();
    for (uint32_t n = random_below(draws, 4); n > 0; n--) {
      char key[16];
      (void)snprintf(key, sizeof key, "k%u", n);
      ck_assert_int_eq(json_object_set_new(o, key, random_json(draws, 3)), 0);
    }
    char *written =
        json_dumps(o, format == RECORDS_LIST && random_chance(draws, 0.5) ? JSON_INDENT(2)
                                                                          : JSON_ENSURE_ASCII);
    const char *spaces = format == RECORDS_LIST ? " \n\r\t" : " \r\t";
    if (i && format == RECORDS_LIST) text_char(file, ',');
    space(draws, file, spaces);
    text_put(file, written);
    space(draws, file, spaces);
    if (format == RECORDS_LINES) text_char(file, '\n');
    ck_ok(json_canonical(o, wanted, &err));
    text_char(wanted, '\n');
    free(written);
    json_decref(o);
  }
  if (format == RECORDS_LIST) text_put(file, "]\n");
}

START_TEST(pieces_do_not_matter) {
  text file, wanted;
  text_open(&file, 1 << 20);
  text_open(&wanted, 1 << 20);
  for (uint64_t seed = 0; seed < 400; seed++) {
    random_stream draws = draws_of(seed);
    records_format format = seed % 2 ? RECORDS_LIST : RECORDS_LINES;
    text_clear(&file);
    text_clear(&wanted);
    random_file(&draws, format, &file, &wanted);
    for (size_t most = 0; most < 40; most += 1 + most) {
      reading r = read_all(text_string(&file), file.bytes, format, most, seed);
      ck_assert_msg(!r.failed, "seed %d: %s in %s", (int)seed, r.err.text, text_string(&file));
      ck_assert_str_eq(text_string(&r.records), text_string(&wanted));
      text_close(&r.records);
    }
  }
  text_close(&file);
  text_close(&wanted);
}
END_TEST

static int is_beginning(const text *part, const text *whole) {
  return part->bytes <= whole->bytes && !memcmp(text_string(part), text_string(whole), part->bytes);
}

/* A list that lost an end is an error; lines give whole records only. */
START_TEST(a_cut_file_gives_an_error_or_whole_records) {
  text file, wanted;
  text_open(&file, 1 << 20);
  text_open(&wanted, 1 << 20);
  for (uint64_t seed = 1000; seed < 1060; seed++) {
    random_stream draws = draws_of(seed);
    records_format format = seed % 2 ? RECORDS_LIST : RECORDS_LINES;
    text_clear(&file);
    text_clear(&wanted);
    random_file(&draws, format, &file, &wanted);
    for (size_t cut = 0; cut < file.bytes; cut++) {
      reading r = read_all(text_string(&file), cut, format, 16, seed);
      ck_assert(is_beginning(&r.records, &wanted));
      ck_assert(r.failed == OK || r.failed == E_INPUT);
      /* The last byte of a list is an end of line. */
      if (format == RECORDS_LIST) ck_assert_int_eq(r.failed == OK, cut == file.bytes - 1);
      text_close(&r.records);
    }
  }
  text_close(&file);
  text_close(&wanted);
}
END_TEST

static void put_field(random_stream *draws, text *file, const char *value, char delimiter) {
  char special[] = {delimiter, '"', '\n', '\r', 0};
  if (!value[strcspn(value, special)] && random_chance(draws, 0.7)) {
    text_put(file, value);
    return;
  }
  text_char(file, '"');
  for (; *value; value++) {
    if (*value == '"') text_char(file, '"');
    text_char(file, *value);
  }
  text_char(file, '"');
}

/* A table of random fields, and what it must give. */
static void random_table(random_stream *draws, char delimiter, text *file, text *wanted) {
  uint32_t columns = 2 + random_below(draws, 3), rows = random_below(draws, 5);
  const char *end = random_chance(draws, 0.5) ? "\r\n" : "\n";
  detail err;
  text field;
  text_open(&field, 4096);
  for (uint32_t i = 0; i < columns; i++)
    text_format(file, "%s%c", i ? (delimiter == ',' ? "," : "\t") : "", (char)('a' + i));
  text_put(file, end);
  for (uint32_t row = 0; row < rows; row++) {
    json_t *o = json_object();
    for (uint32_t i = 0; i < columns; i++) {
      char name[2] = {(char)('a' + i), 0};
      random_scraps(draws, &field);
      if (i) text_char(file, delimiter);
      put_field(draws, file, text_string(&field), delimiter);
      ck_assert_int_eq(json_object_set_new(o, name, json_string(text_string(&field))), 0);
    }
    text_put(file, end);
    ck_ok(json_canonical(o, wanted, &err));
    text_char(wanted, '\n');
    json_decref(o);
  }
  text_close(&field);
}

START_TEST(a_table_comes_back) {
  text file, wanted;
  text_open(&file, 1 << 20);
  text_open(&wanted, 1 << 20);
  for (uint64_t seed = 0; seed < 400; seed++) {
    random_stream draws = draws_of(seed);
    records_format format = seed % 2 ? RECORDS_CSV : RECORDS_TSV;
    text_clear(&file);
    text_clear(&wanted);
    random_table(&draws, format == RECORDS_CSV ? ',' : '\t', &file, &wanted);
    for (size_t most = 0; most < 20; most += 1 + most) {
      reading r = read_all(text_string(&file), file.bytes, format, most, seed);
      ck_assert_msg(!r.failed, "seed %d: %s in %s", (int)seed, r.err.text, text_string(&file));
      ck_assert_str_eq(text_string(&r.records), text_string(&wanted));
      ck_assert_int_eq(r.unended, 0);
      text_close(&r.records);
    }
    for (size_t cut = 0; cut < file.bytes; cut++) {
      reading r = read_all(text_string(&file), cut, format, 16, seed);
      /* What a cut within the last field leaves cannot be told from a whole one, so it is marked.
       */
      ck_assert(r.failed == E_INPUT || r.unended || is_beginning(&r.records, &wanted));
      text_close(&r.records);
    }
  }
  text_close(&file);
  text_close(&wanted);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("records");
  TCase *formats = tcase_create("formats");
  tcase_add_test(formats, lines_are_records);
  tcase_add_test(formats, a_list_is_records);
  tcase_add_test(formats, rows_are_records);
  tcase_add_test(formats, the_suffix_tells_the_format);
  suite_add_tcase(suite, formats);
  TCase *errors = tcase_create("errors");
  tcase_add_test(errors, lines_that_are_wrong_are_named);
  tcase_add_test(errors, lists_that_are_wrong_are_named);
  tcase_add_test(errors, tables_that_are_wrong_are_named);
  tcase_add_test(errors, a_refused_record_is_passed_where_its_end_is_known);
  tcase_add_test(errors, a_record_without_end_is_refused);
  tcase_add_test(errors, a_record_of_too_many_values_is_refused);
  tcase_add_test(errors, a_source_that_fails_ends_the_reading);
  tcase_add_test(errors, no_memory_is_said);
  suite_add_tcase(suite, errors);
  TCase *properties = tcase_create("properties");
  tcase_add_test(properties, pieces_do_not_matter);
  tcase_add_test(properties, a_cut_file_gives_an_error_or_whole_records);
  tcase_add_test(properties, a_table_comes_back);
  suite_add_tcase(suite, properties);
  return support_run(suite);
}
