#include "base/pattern.h"
#include "solvers/answer.h"
#include "solvers/checker_internal.h"

#include <string.h>

static const char CORRECT[] = "correct", WRONG[] = "wrong answer", NO_ANSWER[] = "no answer",
                  NOTHING_EXPECTED[] = "no expected answer", NO_NUMBER[] = "not a number",
                  EXPECTED_NO_NUMBER[] = "expected answer is not a number",
                  TOO_LONG[] = "matching met its limit";

/* Holds an answer against one that is right; *reason is a constant. Both are trimmed. */
typedef status (*rule)(answer_part expected, answer_part given, const char **reason, detail *err);

static int same(answer_part a, answer_part b) {
  return a.bytes == b.bytes && !memcmp(a.at, b.at, a.bytes);
}

static status be_exact(answer_part expected, answer_part given, const char **reason, detail *err) {
  (void)err;
  *reason = same(expected, given) ? CORRECT : WRONG;
  return OK;
}

/* GSM8K's answers are solutions with the number behind "####". */
static answer_part behind_marks(answer_part expected) {
  static const char marks[] = "####";
  for (size_t left = expected.bytes; left >= sizeof marks - 1; left--) {
    const char *at = expected.at + left - (sizeof marks - 1);
    if (!memcmp(at, marks, sizeof marks - 1)) {
      return answer_trimmed(expected.at + left, expected.bytes - left);
    }
  }
  return expected;
}

static status be_number(answer_part expected, answer_part given, const char **reason, detail *err) {
  text a, b;
  text_open(&a, NUMBER_FORM_BYTES_MAX);
  text_open(&b, NUMBER_FORM_BYTES_MAX);
  expected = behind_marks(expected);
  int has_given = answer_put_number(given.at, given.bytes, &a);
  int has_expected = answer_put_number(expected.at, expected.bytes, &b);
  status s = text_state(&a, err);
  if (!s) s = text_state(&b, err);
  if (!has_given || !has_expected) {
    *reason = has_given ? EXPECTED_NO_NUMBER : NO_NUMBER;
  } else {
    *reason = strcmp(text_string(&a), text_string(&b)) ? WRONG : CORRECT;
  }
  text_close(&a);
  text_close(&b);
  return s;
}

static status bad_pattern(answer_part source, status s, const detail *why, detail *err) {
  enum { SHOWN_BYTES = 80 };
  if (s != E_INPUT) return fault(err, s, "%s", why->text);
  text shown;
  text_open(&shown, 8 * SHOWN_BYTES);
  text_printable(&shown, source.at, source.bytes < SHOWN_BYTES ? source.bytes : SHOWN_BYTES);
  s = fault(err, E_INPUT,
            "the task's pattern \"%s\"%s: %s; correct the task set, or judge by exact",
            text_string(&shown), source.bytes > SHOWN_BYTES ? " ..." : "", why->text);
  text_close(&shown);
  return s;
}

static status be_matched(answer_part expected, answer_part given, const char **reason,
                         detail *err) {
  pattern *p = NULL;
  pattern_match m;
  detail why = {0};
  status s = pattern_open(&p, expected.at, expected.bytes, &why);
  if (s) return bad_pattern(expected, s, &why, err);
  s = pattern_full(p, given.at, given.bytes, &m, err);
  if (!s) {
    *reason = m.result == PATTERN_FOUND ? CORRECT : m.result == PATTERN_LIMIT ? TOO_LONG : WRONG;
  }
  pattern_close(p);
  return s;
}

/* ---- what is expected ------------------------------------------------------------------------ */

/* An expected answer as a text. */
static status put_expected(const json_t *value, text *out, detail *err) {
  if (json_is_string(value)) {
    text_add(out, json_string_value(value), json_string_length(value));
    return text_state(out, err);
  }
  if (json_is_boolean(value)) {
    text_put(out, json_is_true(value) ? "true" : "false");
    return text_state(out, err);
  }
  if (json_is_number(value)) return json_canonical(value, out, err);
  return fault(err, E_INPUT,
               "the task's target is not {\"answer\": ...} with a text, a number, true, false, "
               "null or a list of such");
}

/* One of the right answers; null stands for none. A reason that says more is kept. */
static status judge_one(rule r, const json_t *value, answer_part given, const char **reason,
                        detail *err) {
  if (json_is_null(value)) return OK;
  const char *found = WRONG;
  text expected;
  text_open(&expected, JSON_BYTES_MAX);
  status s = put_expected(value, &expected, err);
  answer_part trimmed = answer_trimmed(text_string(&expected), expected.bytes);
  if (!s) s = r(trimmed, given, &found, err);
  if (!s && (*reason == NOTHING_EXPECTED || found == CORRECT || found == WRONG)) *reason = found;
  text_close(&expected);
  return s;
}

static status judge_any(rule r, const json_t *answer, const char *said, const char **reason,
                        detail *err) {
  size_t count = json_is_array(answer) ? json_array_size(answer) : 1;
  answer_part given = answer_trimmed(said, strlen(said));
  status s = OK;
  for (size_t i = 0; !s && *reason != CORRECT && i < count; i++) {
    s = judge_one(r, json_is_array(answer) ? json_array_get(answer, i) : answer, given, reason,
                  err);
  }
  return s;
}

static status judge(rule r, const checker_input *in, checker_verdict *out, detail *err) {
  json_t *target = NULL;
  status s = json_read(&target, in->target, strlen(in->target), "target", 1, err);
  if (s) return s;
  const json_t *answer = json_object_get(target, "answer");
  const char *reason = NOTHING_EXPECTED;
  s = judge_any(r, answer, in->answer ? in->answer : "", &reason, err);
  if (!in->answer && reason != NOTHING_EXPECTED) reason = NO_ANSWER;
  json_decref(target);
  if (!s) *out = (checker_verdict){reason == CORRECT, reason == CORRECT, reason};
  return s;
}

status judge_exact(const checker_input *in, checker_verdict *out, detail *err) {
  return judge(be_exact, in, out, err);
}

status judge_number(const checker_input *in, checker_verdict *out, detail *err) {
  return judge(be_number, in, out, err);
}

status judge_regex(const checker_input *in, checker_verdict *out, detail *err) {
  return judge(be_matched, in, out, err);
}
