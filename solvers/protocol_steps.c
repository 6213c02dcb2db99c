/* Of protocols whose threads may be workers: the words that these read beside what they write, and
   where a step ends. */
#include "solvers/protocol_internal.h"

#include <string.h>

status protocol_begin_steps(protocol *p, const protocol_steps *like, const json_t *parameters,
                            detail *err) {
  p->steps = arena_take(p->memory, 1, sizeof *p->steps);
  if (!p->steps) return arena_full(p->memory, err);
  *p->steps = *like;
  p->steps->workers = json_integer_value(json_object_get(parameters, "workers"));
  p->stops = &p->steps->separator;
  p->stop_count = 1;
  return OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* What stands in braces for what is said of a worker. */
typedef enum name { NAME_WORKER, NAME_NUMBER, NAME_WORKERS, NAME_STEP, NAMES } name;

static const char *const names[NAMES] = {"{worker}", "{number}", "{workers}", "{step}"};

/* Which of them stands at a place; NAMES: none. */
static name name_at(const char *at) {
  int i = 0;
  while (i < NAMES && strncmp(at, names[i], strlen(names[i])) != 0)
    i++;
  return (name)i;
}

status protocol_check_words(const char *key, const char *words, detail *err) {
  for (const char *at = words; at && *at; at++) {
    if (*at != '{' || name_at(at) != NAMES) continue;
    return fault(err, E_INPUT,
                 "%s: '{' at byte %zu begins none of {worker}, {number}, {workers} and {step}, and "
                 "no other name is known; write other brackets",
                 key, (size_t)(at - words) + 1);
  }
  return OK;
}

static void put_worker(const protocol_steps *s, uint32_t worker, text *out) {
  if (worker < (uint32_t)s->names) {
    text_put(out, s->name[worker]);
  } else {
    text_format(out, "Worker %u", worker + 1);
  }
}

static void put_name(const protocol_steps *s, name which, uint32_t worker, int64_t step,
                     text *out) {
  switch (which) {
  case NAME_WORKER: put_worker(s, worker, out); break;
  case NAME_NUMBER: text_int(out, (int64_t)worker + 1); break;
  case NAME_WORKERS: text_int(out, s->workers); break;
  default: text_int(out, step);
  }
}

static void put_words(const protocol_steps *s, const char *words, uint32_t worker, int64_t step,
                      text *out) {
  for (const char *at = words; at && *at;) {
    size_t plain = strcspn(at, "{");
    text_add(out, at, plain);
    at += plain;
    if (!*at) return;
    name which = name_at(at);
    REQUIRE(which != NAMES);
    put_name(s, which, worker, step, out);
    at += strlen(names[which]);
  }
}

status protocol_words(const protocol *p, protocol_word which, uint32_t worker, int64_t step,
                      text *out, detail *err) {
  const protocol_steps *s = p->steps;
  REQUIRE(s && which < PROTOCOL_WORDS);
  put_words(s, s->word[which], worker, step, out);
  if (which == PROTOCOL_STEP && step == 1)
    put_words(s, worker ? s->greeting : s->opening, worker, step, out);
  return text_state(out, err);
}

int64_t protocol_check_tokens(const protocol *p) {
  return p->steps->check_tokens;
}

protocol_until protocol_workers_until(const protocol *p) {
  return p->steps->until;
}

/* ---- where a step ends ----------------------------------------------------------------------- */

static const char *const marks[] = {".", "?", "!", "。", "۔", "؟", "।", "॥",
                                    "…", "‽", "།", "᠃",  "։", "჻", "¶", "❧"};
static const char *const later_marks[] = {"！", "？"}; /* known to the later releases alone */
static const char *const fences[] = {"```", "~~~", "$$"};

static int ends_with(const char *bytes, size_t count, const char *const *any, size_t any_count) {
  for (size_t i = 0; i < any_count; i++) {
    size_t length = strlen(any[i]);
    if (length <= count && !memcmp(bytes + count - length, any[i], length)) return 1;
  }
  return 0;
}

static int has_open_fence(const char *bytes, size_t count) {
  int open = 0;
  for (size_t i = 0; i < sizeof fences / sizeof fences[0]; i++) {
    size_t length = strlen(fences[i]);
    int odd = 0;
    for (size_t at = 0; at + length <= count;) {
      int is_here = !memcmp(bytes + at, fences[i], length);
      odd ^= is_here;
      at += is_here ? length : 1;
    }
    open |= odd;
  }
  return open;
}

/* Where the last separator begins; all of the text where there is none. */
static size_t cut_at(const char *separator, const char *bytes, size_t count) {
  size_t length = strlen(separator), at = count;
  for (size_t i = 0; i + length <= count; i++) {
    if (!memcmp(bytes + i, separator, length)) at = i;
  }
  return at;
}

int protocol_step_ends(const protocol *p, const char *bytes, size_t count) {
  protocol_rule rule = p->steps->rule;
  if (rule == RULE_SEPARATOR) return 1;
  size_t said = cut_at(p->steps->separator, bytes, count);
  while (said && strchr(" \t\n\r\v\f", bytes[said - 1]))
    said--;
  int is_sentence = ends_with(bytes, said, marks, sizeof marks / sizeof marks[0]);
  if (rule == RULE_SENTENCE) return is_sentence;
  is_sentence |= ends_with(bytes, said, later_marks, sizeof later_marks / sizeof later_marks[0]);
  return is_sentence && !has_open_fence(bytes, count);
}
