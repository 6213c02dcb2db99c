/* Stop strings: against a search over the whole text, in every cut. */
#include "base/random.h"
#include "engine/stops.h"
#include "tests/support/support.h"

#include <string.h>

static detail err;

static stops *opened(const char *const *strings, int count) {
  stops *s = NULL;
  ck_ok(stops_open(&s, strings, count, &err));
  stops_start(s);
  return s;
}

/* Puts a text in pieces of so many bytes. */
static int found(stops *s, const char *text, size_t piece, stop_match *out) {
  size_t count = strlen(text);
  stops_start(s);
  for (size_t at = 0; at < count; at += piece) {
    if (stops_put(s, text + at, count - at < piece ? count - at : piece, out)) return 1;
  }
  return 0;
}

START_TEST(test_cases) {
  static const struct {
    const char *strings[3], *text;
    int which; /* -1: none */
    size_t at, end;
  } cases[] = {
      {{"END"}, "the END of it", 0, 4, 7},
      {{"END"}, "the EN D", -1, 0, 0},
      {{"END"}, "ENEND", 0, 2, 5},
      {{"aab"}, "aaab", 0, 1, 4},
      {{"b", "abc"}, "abc", 0, 1, 2},        /* ends first */
      {{"c", "bc", "abc"}, "xabc", 2, 1, 4}, /* end together: starts first */
      {{"bc", "bc"}, "abc", 0, 1, 3},        /* equal: the lower */
      {{"\xc3\xa9t"}, "d'\xc3\xa9t\xc3\xa9", 0, 2, 5},
      {{"abab", "ba"}, "aabab", 1, 2, 4},
      {{"\n\n"}, "a\nb\n\n\n", 0, 3, 5},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int count = 0;
    while (count < 3 && cases[i].strings[count])
      count++;
    stops *s = opened(cases[i].strings, count);
    for (size_t piece = 1; piece <= strlen(cases[i].text); piece++) {
      stop_match m = {.which = -1};
      ck_assert_int_eq(found(s, cases[i].text, piece, &m), cases[i].which >= 0);
      ck_assert_int_eq(m.which, cases[i].which);
      ck_assert_uint_eq(m.at, cases[i].at);
      ck_assert_uint_eq(m.end, cases[i].end);
    }
    stops_close(s);
  }
}
END_TEST

/* Of all places where a string ends, the first; there the longest string. */
static int plainly(const char *const *strings, int count, const char *text, stop_match *out) {
  for (size_t end = 1; end <= strlen(text); end++) {
    int best = -1;
    for (int k = 0; k < count; k++) {
      size_t length = strlen(strings[k]);
      if (length > end || memcmp(text + end - length, strings[k], length) != 0) continue;
      if (best < 0 || length > strlen(strings[best])) best = k;
    }
    if (best < 0) continue;
    *out = (stop_match){best, end - strlen(strings[best]), end};
    return 1;
  }
  return 0;
}

/* Few letters, so that starts and ends overlap. */
START_TEST(test_random) {
  random_stream r = random_start((random_key){{7, 1}});
  int matches = 0;
  for (int draw = 0; draw < 3000; draw++) {
    char words[3][8] = {{0}}, text[41] = {0};
    const char *strings[3] = {words[0], words[1], words[2]};
    int count = (int)random_between(&r, 1, 3);
    for (int k = 0; k < count; k++) {
      for (int64_t i = random_between(&r, 1, 7); i > 0; i--)
        words[k][i - 1] = (char)('a' + random_below(&r, 2));
    }
    for (int i = 0; i < 40; i++)
      text[i] = (char)('a' + random_below(&r, 2));
    stops *s = opened(strings, count);
    stop_match wanted = {.which = -1}, got = {.which = -1};
    int is_there = plainly(strings, count, text, &wanted);
    matches += is_there;
    ck_assert_int_eq(found(s, text, random_below(&r, 9) + 1, &got), is_there);
    ck_assert_msg(wanted.which == got.which && wanted.at == got.at && wanted.end == got.end,
                  "draw %d: %d at %zu, not %d at %zu of %s", draw, got.which, got.at, wanted.which,
                  wanted.at, text);
    stops_close(s);
  }
  ck_assert_int_gt(matches, 1000);
  ck_assert_int_lt(matches, 3000);
}
END_TEST

START_TEST(test_refused) {
  stops *s = NULL;
  ck_fails(stops_open(&s, (const char *const[]){"a", ""}, 2, &err), E_INPUT,
           "stop string 1 is empty");
  ck_fails(stops_open(&s, (const char *const[]){"\xc3"}, 1, &err), E_INPUT, "is no UTF-8");
  ck_assert_ptr_null(s);
  stops_close(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stops");
  TCase *all = tcase_create("stops");
  tcase_add_test(all, test_cases);
  tcase_add_test(all, test_random);
  tcase_add_test(all, test_refused);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
