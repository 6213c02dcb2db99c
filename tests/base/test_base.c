#include "base/arena.h"
#include "base/clock.h"
#include "base/guess.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static detail err;

START_TEST(detail_names_the_place) {
  char line[512];
  ck_assert_int_eq(fault_at(&err, E_INPUT, "job.yaml", 7, "unknown key '%s'", "beem"), E_INPUT);
  ck_assert_str_eq(detail_line(&err, line, sizeof line), "job.yaml:7: unknown key 'beem'");
  ck_assert_int_eq(fault(&err, E_BUSY, "held"), E_BUSY);
  ck_assert_str_eq(detail_line(&err, line, sizeof line), "held");
  ck_assert_int_eq(fault(NULL, E_IO, "nobody asked"), E_IO);
  ck_assert_str_eq(status_name(E_STORE), "E_STORE");
}
END_TEST

START_TEST(arena_keeps_its_limit) {
  arena *a;
  ck_ok(arena_open(&a, 1 << 20, &err));
  size_t taken = 0;
  while (taken < (1 << 20)) {
    unsigned char *piece = arena_take(a, 1, 4096);
    ck_assert_ptr_nonnull(piece);
    ck_assert_uint_eq((uintptr_t)piece % 16, 0);
    for (int i = 0; i < 4096; i++)
      ck_assert_uint_eq(piece[i], 0);
    memset(piece, 0xff, 4096); /* reuse must clear it */
    taken += 4096;
  }
  ck_assert_ptr_null(arena_take(a, 1, 1));
  ck_fails(arena_full(a, &err), E_LIMIT, "1048576");
  arena_reset(a);
  ck_assert_uint_eq(arena_bytes(a), 0);
  unsigned char *again = arena_take(a, 100, 10000);
  ck_assert_ptr_nonnull(again);
  ck_assert_uint_eq(again[999999], 0);
  ck_assert_ptr_null(arena_take(a, SIZE_MAX / 2, 4));
  arena_close(a);
  arena_close(NULL);
}
END_TEST

START_TEST(arena_says_that_memory_is_out) {
  arena *a;
  ck_ok(arena_open(&a, 1 << 20, &err));
  memory_fail_after(0);
  ck_assert_ptr_null(arena_take(a, 1, 8));
  memory_fail_after(-1);
  ck_fails(arena_full(a, &err), E_MEMORY, "memory");
  arena_close(a);
}
END_TEST

START_TEST(memory_fails_in_turn) {
  memory_fail_after(2);
  void *first = memory_take(8), *second = memory_zeroed(4, 4);
  ck_assert_ptr_nonnull(first);
  ck_assert_ptr_nonnull(second);
  ck_assert_ptr_null(memory_take(8));
  ck_assert_ptr_null(memory_copy_text("x"));
  memory_fail_after(-1);
  memory_free(first);
  memory_free(second);
}
END_TEST

START_TEST(one_allocation_fails_alone) {
  memory_fail_once(1);
  void *first = memory_take(8), *third;
  ck_assert_ptr_null(memory_take(8));
  third = memory_grow(NULL, 8);
  memory_fail_once(-1);
  ck_assert_ptr_nonnull(first);
  ck_assert_ptr_nonnull(third);
  ck_assert_int_eq(memory_asked(), 3);
  memory_free(first);
  memory_free(third);
  ck_assert_int_eq(memory_asked(), 3); /* what comes after the end is not counted */
}
END_TEST

/* jansson drops a byte of a token that it cannot grow, and goes on. */
START_TEST(json_that_memory_cut_short_is_never_taken_for_another) {
  static const char long_tokens[] =
      "{\"a string of more than a few bytes\":\"another one, longer than any small buffer is\","
      "\"numbers\":[12345678901234567,1.2345678901234567890123,-7]}";
  json_install();
  text whole, now;
  text_open(&whole, 4096);
  text_open(&now, 4096);
  json_t *value = NULL;
  ck_ok(json_read(&value, long_tokens, strlen(long_tokens), "text", 1, &err));
  ck_ok(json_canonical(value, &whole, &err));
  json_decref(value);
  int64_t failures = 0;
  for (int64_t number = 0, asked = 1; asked >= number; number++) { /* until none is met */
    memory_fail_once(number);
    status s = json_read(&value, long_tokens, strlen(long_tokens), "text", 1, &err);
    memory_fail_once(-1);
    asked = memory_asked();
    ck_assert_msg(s == OK || s == E_MEMORY, "allocation %d: %s", (int)number, err.text);
    failures += s != OK;
    if (s) continue;
    text_clear(&now);
    ck_ok(json_canonical(value, &now, &err));
    ck_assert_str_eq(text_string(&now), text_string(&whole));
    json_decref(value);
  }
  ck_assert_int_gt(failures, 10);
  text_close(&whole);
  text_close(&now);
}
END_TEST

START_TEST(text_is_bounded_and_failure_sticks) {
  text t;
  text_open(&t, 10);
  ck_assert_str_eq(text_string(&t), "");
  text_put(&t, "12345");
  text_int(&t, -42);
  ck_assert_str_eq(text_string(&t), "12345-42");
  text_put(&t, "abc");
  ck_fails(text_state(&t, &err), E_LIMIT, "10");
  text_char(&t, 'x');
  ck_assert_str_eq(text_string(&t), "12345-42");
  text_clear(&t);
  text_format(&t, "%d|%s", 7, "ok");
  ck_assert_str_eq(text_string(&t), "7|ok");
  text_int(&t, 0);
  ck_ok(text_state(&t, &err));
  text_close(&t);
  text_open(&t, 64);
  text_int(&t, INT64_MIN);
  ck_assert_str_eq(text_string(&t), "-9223372036854775808");
  text_close(&t);
}
END_TEST

START_TEST(utf8_is_checked) {
  size_t at = 99;
  static const char good[] = "Hogwild! \xc3\xa9 \xe2\x82\xac";
  ck_assert(text_is_utf8(good, sizeof good - 1, NULL));
  ck_assert(!text_is_utf8(good, sizeof good - 2, NULL)); /* cut within a character */
  ck_assert(!text_is_utf8("ab\xff", 3, &at));
  ck_assert_uint_eq(at, 2);
  ck_assert(!text_is_utf8("a\0b", 3, &at));
  ck_assert_uint_eq(at, 1);
  ck_assert(!text_is_utf8("\xed\xa0\x80", 3, &at)); /* a surrogate */
}
END_TEST

START_TEST(what_a_terminal_obeys_is_spelled) {
  text t;
  text_open(&t, 100);
  static const char wild[] = "a\033[2J\n\t\x7f\xc2\x9b\xff\xc3\xa4";
  text_printable(&t, wild, sizeof wild); /* the end's zero with it */
  ck_assert_str_eq(text_string(&t), "a\\x1b[2J\\n\\t\\x7f\\xc2\\x9b\\xff\xc3\xa4\\x00");
  text_close(&t);
}
END_TEST

/* An umlaut that is a letter and a mark, a character of two columns, bytes that are none. */
START_TEST(columns_of_text) {
  ck_assert_uint_eq(text_columns("", 0), 0);
  ck_assert_uint_eq(text_columns("abc", 3), 3);
  ck_assert_uint_eq(text_columns("\xc3\xa4", 2), 1);
  ck_assert_uint_eq(text_columns("a\xcc\x88", 3), 1);
  ck_assert_uint_eq(text_columns("\xe4\xb8\xad\xe6\x96\x87", 6), 4);
  ck_assert_uint_eq(text_columns("\xff\xe4", 2), 2);
}
END_TEST

START_TEST(nearest_word) {
  static const char *const known[] = {"temperature", "repeats", "conditions", "seed"};
  ck_assert_str_eq(text_nearest("temprature", known, 4), "temperature");
  ck_assert_str_eq(text_nearest("repeat", known, 4), "repeats");
  ck_assert_ptr_null(text_nearest("workers", known, 4));
}
END_TEST

START_TEST(ranges_are_read_whole_or_not_at_all) {
  static const char *const bad[] = {"",
                                    "-",
                                    "a",
                                    "1-",
                                    "-1",
                                    "1-2-3",
                                    "1 - 2",
                                    "2-1",
                                    "99999999999999999999",
                                    "1-99999999999999999999",
                                    "+1"};
  int64_t low = 0, high = 0;
  ck_assert(text_range("10-100", &low, &high));
  ck_assert_int_eq(low, 10);
  ck_assert_int_eq(high, 100);
  ck_assert(text_range("7", &low, &high));
  ck_assert_int_eq(low, 7);
  ck_assert_int_eq(high, 7);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ck_assert_msg(!text_range(bad[i], &low, &high), "read \"%s\"", bad[i]);
  }
  ck_assert_int_eq(low, 7);
  ck_assert_int_eq(high, 7);
}
END_TEST

START_TEST(sha256_of_known_words) {
  char hex[HASH_HEX_BYTES];
  hash h = hash_of("abc", 3); /* FIPS 180-4, example B.1 */
  ck_assert_str_eq(hash_hex(&h, hex),
                   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ck_assert_uint_eq(hash_head(&h), 0xba7816bf8f01cfeau);
  hash_parts one, two;
  hash_start(&one);
  hash_part(&one, "ab", 2);
  hash_part(&one, "c", 1);
  hash_start(&two);
  hash_part(&two, "a", 1);
  hash_part(&two, "bc", 2);
  hash first = hash_end(&one), second = hash_end(&two);
  ck_assert(!hash_equal(&first, &second));
}
END_TEST

/* The known answers that come with Random123. */
START_TEST(philox_known_answers) {
  static const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  static const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  uint32_t out[4];
  random_words((random_key){{0, 0}}, 0, 0, out);
  ck_assert_mem_eq(out, zeros, sizeof out);
  random_words((random_key){{UINT32_MAX, UINT32_MAX}}, UINT64_MAX, UINT64_MAX, out);
  ck_assert_mem_eq(out, ones, sizeof out);
}
END_TEST

START_TEST(random_keys_name_places) {
  hash a = hash_of("a", 1), b = hash_of("b", 1);
  random_key base = random_key_of(1, &a, 0, "0");
  random_key others[] = {random_key_of(2, &a, 0, "0"), random_key_of(1, &b, 0, "0"),
                         random_key_of(1, &a, 1, "0"), random_key_of(1, &a, 0, "0.0")};
  for (int i = 0; i < 4; i++)
    ck_assert_mem_ne(&base, &others[i], sizeof base);
  random_key again = random_key_of(1, &a, 0, "0");
  ck_assert_mem_eq(&base, &again, sizeof base);
}
END_TEST

START_TEST(random_numbers_are_even) {
  hash task = hash_of("even", 4);
  random_stream s = random_start(random_key_of(3, &task, 0, "0"));
  int counts[7] = {0}, hits = 0;
  for (int i = 0; i < 70000; i++) {
    uint32_t value = random_below(&s, 7);
    ck_assert_uint_lt(value, 7);
    counts[value]++;
    hits += random_chance(&s, 0.9);
  }
  for (int i = 0; i < 7; i++)
    ck_assert_int_lt(abs(counts[i] - 10000), 500); /* 5 sigma: 463 */
  ck_assert_int_lt(abs(hits - 63000), 400);        /* 5 sigma: 397 */
  int64_t low = 9, high = -9;
  for (int i = 0; i < 1000; i++) {
    int64_t value = random_between(&s, -2, 2);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  ck_assert_int_eq(low, -2);
  ck_assert_int_eq(high, 2);
  ck_assert(!random_chance(&s, 0));
  ck_assert(random_chance(&s, 1));
}
END_TEST

START_TEST(json_refuses_with_a_line) {
  json_t *value = NULL;
  const char *twice = "{\"a\":1,\n\"a\":2}", *broken = "{\n\"a\": }";
  ck_fails(json_read(&value, twice, strlen(twice), "f.json", 10, &err), E_INPUT, "duplicate");
  ck_assert_int_eq(err.line, 11);
  ck_fails(json_read(&value, broken, strlen(broken), "f.json", 1, &err), E_INPUT, "not JSON");
  ck_assert_int_eq(err.line, 2);
  ck_assert_str_eq(err.file, "f.json");
  char deep[2 * JSON_DEPTH_MAX + 2];
  memset(deep, '[', sizeof deep);
  ck_fails(json_read(&value, deep, sizeof deep, "f", 1, &err), E_INPUT, "deeper than 64");
  ck_fails(json_read(&value, "[1", 2, "f", 1, &err), E_INPUT, "not JSON");
}
END_TEST

START_TEST(strangers_are_named) {
  static const struct {
    const char *bytes, *says; /* NULL: nothing is said */
  } files[] = {
      {"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"},
      {"\n <!DOCTYPE html>", "an HTML page"},
      {"<HTML lang=en>", "an HTML page"},
      {"Entry not found", "a server's refusal"},
      {"Access to model a/b is restricted", "a server's refusal"},
      {"GGUF\003", "a GGUF file"},
      {"PK\003\004", "a zip archive"},
      {"PAR1", "a Parquet file"},
      {"PAR", NULL},
      {"", NULL},
      {" \n", NULL},
      {"{\"version\": 1}", NULL},
      {"version 2", NULL},
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    const char *says = guess_file(files[i].bytes, strlen(files[i].bytes));
    ck_assert_msg(!says == !files[i].says, "%s", files[i].bytes);
    if (says) ck_assert_msg(strstr(says, files[i].says) != NULL, "%s", says);
  }
  static const char zeros[] = "\t\0\0\0\0\0\0\0GGUF";
  ck_assert_ptr_null(guess_file(zeros, sizeof zeros));
  json_t *value = NULL;
  ck_fails(json_read(&value, "<html>", 6, "f", 1, &err), E_INPUT, "not JSON: this is an HTML page");
  ck_fails(json_read(&value, "", 0, "f", 1, &err), E_INPUT, "it is empty");
}
END_TEST

START_TEST(json_canonical_form) {
  json_t *value = NULL;
  const char *given = "{ \"b\" : [1, 0.9, true], \"a\" : {\"z\":null, \"y\":\"\\u00e9\"} }";
  ck_ok(json_read(&value, given, strlen(given), "f", 1, &err));
  text out;
  text_open(&out, 1000);
  ck_ok(json_canonical(value, &out, &err));
  ck_assert_str_eq(text_string(&out), "{\"a\":{\"y\":\"\xc3\xa9\",\"z\":null},\"b\":[1,0.9,true]}");
  text_close(&out);
  text_open(&out, 8);
  ck_fails(json_canonical(value, &out, &err), E_LIMIT, "8");
  text_close(&out);
  json_decref(value);
}
END_TEST

START_TEST(json_paths_lead_through_objects) {
  json_t *object = json_pack("{s:{s:i}, s:s}", "limit", "context", 64, "name", "x");
  json_t *value = json_integer(7);
  ck_assert_int_eq(json_integer_value(json_path_get(object, "limit.context")), 64);
  ck_assert_str_eq(json_string_value(json_path_get(object, "name")), "x");
  ck_assert(json_is_object(json_path_get(object, "limit")));
  static const char *const nowhere[] = {"limi", "limit.", "limit.contex", "name.x", "context", ""};
  for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
    ck_assert_ptr_null(json_path_get(object, nowhere[i]));
  ck_assert(json_path_put(object, "sampling.top_k", value));
  ck_assert(json_path_put(object, "limit.tokens_total", value));
  ck_assert(json_path_put(object, "name", value));
  ck_assert_uint_eq(value->refcount, 4);
  char *all = json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);
  ck_assert_str_eq(all, "{\"limit\":{\"context\":64,\"tokens_total\":7},\"name\":7,"
                        "\"sampling\":{\"top_k\":7}}");
  free(all);
  json_decref(value);
  json_decref(object);
}
END_TEST

/* Whatever the bytes, the literal parses; what is valid UTF-8 comes back as it was. */
START_TEST(json_quote_takes_any_bytes) {
  hash task = hash_of("quote", 5);
  random_stream s = random_start(random_key_of(5, &task, 0, "0"));
  for (int round = 0; round < 2000; round++) {
    char bytes[24];
    size_t count = random_below(&s, sizeof bytes);
    int plain = round % 2;
    for (size_t i = 0; i < count; i++) {
      bytes[i] = plain ? (char)(1 + random_below(&s, 127)) : (char)random_below(&s, 256);
      if (!bytes[i]) bytes[i] = 'x';
    }
    text out;
    text_open(&out, 1000);
    text_char(&out, '[');
    json_quote(&out, bytes, count);
    text_char(&out, ']');
    json_t *value = NULL;
    ck_ok(json_read(&value, out.data, out.bytes, "f", 1, &err));
    const json_t *string = json_array_get(value, 0);
    if (text_is_utf8(bytes, count, NULL)) {
      ck_assert_uint_eq(json_string_length(string), count);
      ck_assert_mem_eq(json_string_value(string), bytes, count);
    }
    json_decref(value);
    text_close(&out);
  }
}
END_TEST

START_TEST(log_writes_lines_and_rare_progress) {
  const char *path = support_path("log");
  FILE *file = fopen(path, "w");
  logger *l;
  ck_ok(log_open(&l, file, 0, 0, &err));
  log_info(l, "hello %d", 1);
  for (int i = 0; i < 1000; i++)
    log_progress(l, "at %d", i);
  log_warn(l, "careful");
  log_error(l, "\033[2J%s", "\x9b");
  log_close(l);
  ck_assert_int_eq(fclose(file), 0);
  char *all = support_read(path, NULL);
  ck_assert_str_eq(all, "hello 1\nwarning: careful\nerror: \\x1b[2J\\x9b\nat 999\n");
  free(all);
  log_info(NULL, "nobody hears");
}
END_TEST

START_TEST(clocks_move_forward) {
  int64_t a = clock_monotonic_ns(), b = clock_monotonic_ns();
  ck_assert_int_ge(b, a);
  ck_assert_int_gt(clock_unix_ns(), 1600000000LL * 1000000000);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("base");
  TCase *all = tcase_create("base");
  tcase_add_test(all, detail_names_the_place);
  tcase_add_test(all, arena_keeps_its_limit);
  tcase_add_test(all, arena_says_that_memory_is_out);
  tcase_add_test(all, memory_fails_in_turn);
  tcase_add_test(all, one_allocation_fails_alone);
  tcase_add_test(all, json_that_memory_cut_short_is_never_taken_for_another);
  tcase_add_test(all, text_is_bounded_and_failure_sticks);
  tcase_add_test(all, utf8_is_checked);
  tcase_add_test(all, what_a_terminal_obeys_is_spelled);
  tcase_add_test(all, columns_of_text);
  tcase_add_test(all, nearest_word);
  tcase_add_test(all, ranges_are_read_whole_or_not_at_all);
  tcase_add_test(all, sha256_of_known_words);
  tcase_add_test(all, philox_known_answers);
  tcase_add_test(all, random_keys_name_places);
  tcase_add_test(all, random_numbers_are_even);
  tcase_add_test(all, json_refuses_with_a_line);
  tcase_add_test(all, strangers_are_named);
  tcase_add_test(all, json_canonical_form);
  tcase_add_test(all, json_paths_lead_through_objects);
  tcase_add_test(all, json_quote_takes_any_bytes);
  tcase_add_test(all, log_writes_lines_and_rare_progress);
  tcase_add_test(all, clocks_move_forward);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
