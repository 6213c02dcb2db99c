#include "base/memory.h"
#include "base/pattern.h"
#include "base/text.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <string.h>

static detail err;

static pattern *open_pattern(const char *source) {
  pattern *p = NULL;
  ck_ok(pattern_open(&p, source, strlen(source), &err));
  return p;
}

START_TEST(bad_patterns_say_where) {
  pattern *p = NULL;
  ck_fails(pattern_open(&p, "ab(c", 4, &err), E_INPUT, "missing closing parenthesis, at byte 5");
  ck_fails(pattern_open(&p, "*", 1, &err), E_INPUT, "not a pattern: ");
  ck_fails(pattern_open(&p, "a\xff", 2, &err), E_INPUT, "UTF-8");
  ck_fails(pattern_open(&p, "\\C", 2, &err), E_INPUT, "\\C");
  text deep;
  text_open(&deep, 1 << 20);
  for (int i = 0; i < 1000; i++)
    text_char(&deep, '(');
  for (int i = 0; i < 1000; i++)
    text_char(&deep, ')');
  ck_fails(pattern_open(&p, deep.data, deep.bytes, &err), E_INPUT, "nested");
  while (deep.bytes <= PATTERN_BYTES_MAX)
    text_char(&deep, 'a');
  ck_fails(pattern_open(&p, deep.data, deep.bytes, &err), E_INPUT, "16385 bytes");
  const char *large = "((((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}){1,1000})";
  ck_fails(pattern_open(&p, large, strlen(large), &err), E_INPUT, "too large");
  ck_assert_ptr_null(p);
  text_close(&deep);
  pattern_close(NULL);
}
END_TEST

/* wanted NULL: none. */
static void last_is(const char *source, const char *bytes, size_t count, const char *wanted) {
  pattern *p = open_pattern(source);
  pattern_match m;
  ck_ok(pattern_last(p, bytes, count, &m, &err));
  ck_assert_msg(m.result == (wanted ? PATTERN_FOUND : PATTERN_NONE), "%s on %.40s: %d", source,
                bytes, (int)m.result);
  if (wanted) {
    ck_assert_uint_eq(m.end - m.start, strlen(wanted));
    ck_assert_int_eq(memcmp(bytes + m.start, wanted, strlen(wanted)), 0);
  }
  pattern_close(p);
}

static void last(const char *source, const char *bytes, const char *wanted) {
  last_is(source, bytes, strlen(bytes), wanted);
}

START_TEST(the_last_match_is_found) {
  last("[0-9]+", "1 22 333 x", "333");
  last("[0-9]+", "none", NULL);
  last("", "none", NULL);
  last("x*", "aaa", NULL);
  last("x*", "axxa", "xx");
  last("a=([0-9])", "a=1 b=2 a=3", "3");
  last("a(=)?([0-9])(.)", "a=1. a2.", "a2.");
  last("aa", "aaaaa", "aa");
  last("\\w+", "na\u00efve caf\u00e9", "caf\u00e9");
  last("^b", "a\nb", NULL);
  last("(?m)^b$", "a\nb\nb", "b");
  last("(?s)a.*", "xa\nb", "a\nb");
  last("(?<=is )\\S+", "it is 4 is 5", "5");
}
END_TEST

/* \K in a group that a lookahead calls: PCRE2 lets the match start behind its end. */
START_TEST(a_match_ends_behind_its_start) {
  static const char *const patterns[] = {"(?(DEFINE)(?<x>b\\K))a(?=(?&x))", "a(?=(?1))(b\\K){0}",
                                         "(?=(?1))(ab\\K){0}"};
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    pattern *p = open_pattern(patterns[i]);
    pattern_match m;
    ck_ok(pattern_last(p, "ab", 2, &m, &err));
    ck_assert_int_eq(m.result, PATTERN_NONE);
    ck_ok(pattern_full(p, "ab", 2, &m, &err));
    ck_assert_int_eq(m.result, PATTERN_NONE);
    pattern_close(p);
  }
  last("a\\Kb", "ab", "b");
}
END_TEST

START_TEST(bytes_need_not_be_text) {
  static const char bad[] = "7\xff\xfe"
                            "8\xc3";
  last_is("[0-9]", bad, sizeof bad - 1, "8");
  last_is(".", "\xff\xff", 2, NULL);
  last_is("a\\x{0}(b)", "a\0b", 3, "b");
  last_is("^[0-9]", bad, sizeof bad - 1, "8"); /* a text of its own */
  pattern *p = open_pattern("[0-9]+");
  pattern_match m;
  ck_ok(pattern_full(p, "42\xff", 3, &m, &err));
  ck_assert_int_eq(m.result, PATTERN_NONE);
  ck_ok(pattern_full(p,
                     "\xff"
                     "42",
                     3, &m, &err));
  ck_assert_int_eq(m.result, PATTERN_NONE);
  pattern_close(p);
}
END_TEST

static pattern_result full(const char *source, const char *bytes) {
  pattern *p = open_pattern(source);
  pattern_match m;
  ck_ok(pattern_full(p, bytes, strlen(bytes), &m, &err));
  pattern_close(p);
  return m.result;
}

START_TEST(all_of_a_text_is_matched) {
  ck_assert_int_eq(full("a|ab", "ab"), PATTERN_FOUND);
  ck_assert_int_eq(full("ab?", "abc"), PATTERN_NONE);
  ck_assert_int_eq(full("b", "ab"), PATTERN_NONE);
  ck_assert_int_eq(full("", ""), PATTERN_FOUND);
  ck_assert_int_eq(full("a*", ""), PATTERN_FOUND);
  ck_assert_int_eq(full("a$", "a\n"), PATTERN_NONE);
  ck_assert_int_eq(full("a\n$", "a\n"), PATTERN_FOUND);
}
END_TEST

static char *many(char c, size_t count) {
  char *bytes = memory_take(count);
  ck_assert_ptr_nonnull(bytes);
  memset(bytes, c, count);
  return bytes;
}

/* At one place of a text, over all its places, and in memory. */
START_TEST(nothing_runs_away) {
  enum { BYTES = 300000 };
  static const char *const patterns[] = {
      "(a+)+[bc]", "(?:a|a)*[bc]", "a*a*a*[bc]", ".*.*[=+]",      "(?:(a)|.)*+.*[bc]",
      "a+?[bc]",   "(a(?1)?)[bc]", "[^=]*+[=+]", "(\\w*)\\1[=+]", "(?<!=)a*[bc]"};
  char *bytes = many('a', BYTES);
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    pattern *p = open_pattern(patterns[i]);
    pattern_match m;
    ck_ok(pattern_last(p, bytes, BYTES, &m, &err));
    ck_assert_msg(m.result == PATTERN_LIMIT, "%s: %d", patterns[i], (int)m.result);
    ck_ok(pattern_last(p, bytes, 3, &m, &err)); /* nothing is left of it */
    ck_assert_msg(m.result == PATTERN_NONE, "%s on a short text: %d", patterns[i], (int)m.result);
    pattern_close(p);
  }
  memory_free(bytes);
}
END_TEST

/* What a person would write gets through a long text, however many matches it has. */
START_TEST(plain_patterns_have_room) {
  enum { BYTES = 1 << 20 };
  char *bytes = many(' ', BYTES);
  for (size_t i = 0; i < BYTES; i += 8)
    memcpy(bytes + i, i % 16 ? "word, =" : "is: 123", 7);
  static const char *const patterns[] = {
      "is: ([0-9]+)", "\\w+", "(?i)IS:\\s*(\\d+)", "\\S", "[0-9]+(?= )", "=\\s*is", "[^,]"};
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    pattern *p = open_pattern(patterns[i]);
    pattern_match m;
    ck_ok(pattern_last(p, bytes, BYTES, &m, &err));
    ck_assert_msg(m.result == PATTERN_FOUND && m.start > BYTES - 20, "%s: %d at %zu", patterns[i],
                  (int)m.result, m.start);
    pattern_close(p);
  }
  memory_free(bytes);
}
END_TEST

static void *match_often(void *p) {
  static const char bytes[] = "a=1 b=22 a=333";
  detail why;
  intptr_t found = 0;
  for (int i = 0; i < 1000; i++) {
    pattern_match m;
    status s = pattern_last(p, bytes, sizeof bytes - 1, &m, &why);
    found += !s && m.result == PATTERN_FOUND && m.start == 11 && m.end == 14;
  }
  return (void *)found;
}

START_TEST(threads_share_a_pattern) {
  pattern *p = open_pattern("a=([0-9]+)");
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, match_often, p), 0);
  for (int i = 0; i < 4; i++) {
    void *found;
    ck_assert_int_eq(pthread_join(threads[i], &found), 0);
    ck_assert_int_eq((intptr_t)found, 1000);
  }
  pattern_close(p);
}
END_TEST

/* Each allocation in turn: an error, or what there is without it. */
START_TEST(memory_may_be_out) {
  int64_t failed = 0;
  for (int64_t i = 0; i < 64; i++) {
    pattern *p = NULL;
    pattern_match m = {PATTERN_NONE, 0, 0};
    memory_fail_once(i);
    status s = pattern_open(&p, "(a+)b", 5, &err);
    if (!s) s = pattern_last(p, "caab", 4, &m, &err);
    memory_fail_once(-1);
    ck_assert_msg(s == OK || s == E_MEMORY, "allocation %lld: %s", (long long)i, status_name(s));
    if (!s) ck_assert(m.result == PATTERN_FOUND && m.start == 1 && m.end == 3);
    failed += s == E_MEMORY;
    pattern_close(p);
  }
  ck_assert_int_ge(failed, 5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pattern");
  TCase *c = tcase_create("pattern");
  tcase_add_test(c, bad_patterns_say_where);
  tcase_add_test(c, the_last_match_is_found);
  tcase_add_test(c, a_match_ends_behind_its_start);
  tcase_add_test(c, bytes_need_not_be_text);
  tcase_add_test(c, all_of_a_text_is_matched);
  tcase_add_test(c, nothing_runs_away);
  tcase_add_test(c, plain_patterns_have_room);
  tcase_add_test(c, threads_share_a_pattern);
  tcase_add_test(c, memory_may_be_out);
  suite_add_tcase(suite, c);
  return support_run(suite);
}
