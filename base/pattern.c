#include "base/pattern.h"

#include "base/memory.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Nesting of groups in a pattern, and what a match may hold at one place. */
enum { GROUPS_DEEP_MAX = 100, MATCH_DEPTH_MAX = 100000, MATCH_HEAP_KIB = 64 * 1024 };
/* PCRE2's own limit, of one place of the text: the count over all places comes first. */
enum { PLACE_STEPS_MAX = 100 * PATTERN_STEPS_MAX };
/* Bytes that one item of a pattern may pass at the cost of a step. */
enum { BYTES_A_STEP = 64 };

struct pattern {
  pcre2_code *code;
};

static void *take(PCRE2_SIZE bytes, void *data) {
  (void)data;
  return memory_take(bytes);
}

static void give_back(void *block, void *data) {
  (void)data;
  memory_free(block);
}

static pcre2_code *compile(const char *source, size_t bytes, int *code, PCRE2_SIZE *at) {
  pcre2_general_context *general = pcre2_general_context_create(take, give_back, NULL);
  pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
  pcre2_code *compiled = NULL;
  *code = PCRE2_ERROR_HEAP_FAILED;
  if (context) {
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    (void)pcre2_set_parens_nest_limit(context, GROUPS_DEEP_MAX);
    /* Callouts count the steps, so each item has one and none is compiled away. */
    compiled =
        pcre2_compile((PCRE2_SPTR)source, bytes,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                          PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS,
                      code, at, context);
  }
  pcre2_compile_context_free(context);
  pcre2_general_context_free(general);
  return compiled;
}

status pattern_open(pattern **out, const char *source, size_t bytes, detail *err) {
  if (bytes > PATTERN_BYTES_MAX) {
    return fault(err, E_INPUT, "a pattern of %zu bytes; at most %d are read", bytes,
                 (int)PATTERN_BYTES_MAX);
  }
  pattern *p = memory_zeroed(1, sizeof *p);
  int code = PCRE2_ERROR_HEAP_FAILED;
  PCRE2_SIZE at = 0;
  if (p) p->code = compile(source, bytes, &code, &at);
  if (p && p->code) {
    *out = p;
    return OK;
  }
  memory_free(p);
  if (code == PCRE2_ERROR_HEAP_FAILED || code == PCRE2_ERROR_NOMEMORY) {
    return fault(err, E_MEMORY, "no memory for a pattern");
  }
  PCRE2_UCHAR said[128] = "";
  (void)pcre2_get_error_message(code, said, sizeof said);
  return fault(err, E_INPUT, "not a pattern: %s, at byte %zu", (const char *)said, (size_t)at + 1);
}

void pattern_close(pattern *p) {
  if (!p) return;
  pcre2_code_free(p->code);
  memory_free(p);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* One search of a text: its memory, and the steps that are left to it. */
typedef struct search {
  pcre2_general_context *general;
  pcre2_match_context *context;
  pcre2_match_data *data;
  uint64_t steps_left;
  PCRE2_SIZE at; /* of the step before */
} search;

static int count_step(pcre2_callout_block *block, void *data) {
  search *s = data;
  PCRE2_SIZE at = block->current_position;
  uint64_t cost = 1 + (at > s->at ? at - s->at : s->at - at) / BYTES_A_STEP;
  s->at = at;
  if (cost > s->steps_left) return PCRE2_ERROR_MATCHLIMIT;
  s->steps_left -= cost;
  return 0;
}

static void search_end(search *s) {
  pcre2_match_data_free(s->data);
  pcre2_match_context_free(s->context);
  pcre2_general_context_free(s->general);
}

static status search_begin(search *s, size_t count, detail *err) {
  *s = (search){.steps_left = PATTERN_STEPS_MAX + (uint64_t)PATTERN_STEPS_A_BYTE * count};
  s->general = pcre2_general_context_create(take, give_back, NULL);
  if (s->general) {
    s->context = pcre2_match_context_create(s->general);
    s->data = pcre2_match_data_create(2, s->general);
  }
  if (!s->context || !s->data) {
    search_end(s);
    return fault(err, E_MEMORY, "no memory to match a pattern");
  }
  (void)pcre2_set_callout(s->context, count_step, s);
  (void)pcre2_set_match_limit(s->context, PLACE_STEPS_MAX);
  (void)pcre2_set_depth_limit(s->context, MATCH_DEPTH_MAX);
  (void)pcre2_set_heap_limit(s->context, MATCH_HEAP_KIB);
  return OK;
}

/* The next match from `from` on; out has it where it is found. end: of all of it. */
static status search_next(search *s, const pattern *p, const char *bytes, size_t count, size_t from,
                          uint32_t options, pattern_match *out, size_t *end, detail *err) {
  int code = pcre2_match(p->code, (PCRE2_SPTR)bytes, count, from, options, s->data, s->context);
  out->result = PATTERN_NONE;
  if (code == PCRE2_ERROR_NOMATCH) return OK;
  if (code == PCRE2_ERROR_NOMEMORY) return fault(err, E_MEMORY, "no memory to match a pattern");
  if (code < 0) { /* of steps, depth or heap; of a recursion that goes nowhere */
    out->result = PATTERN_LIMIT;
    return OK;
  }
  const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->data);
  int group = code != 1 && ends[2] != PCRE2_UNSET ? 1 : 0;
  *end = ends[1];
  *out = (pattern_match){PATTERN_FOUND, ends[2 * group], ends[2 * group + 1]};
  return OK;
}

status pattern_last(const pattern *p, const char *bytes, size_t count, pattern_match *out,
                    detail *err) {
  search s;
  pattern_match next = {PATTERN_FOUND, 0, 0};
  size_t end = 0;
  *out = (pattern_match){PATTERN_NONE, 0, 0};
  status failed = search_begin(&s, count, err);
  if (failed) return failed;
  while (!failed && next.result == PATTERN_FOUND) {
    failed = search_next(&s, p, bytes, count, end, PCRE2_NOTEMPTY, &next, &end, err);
    if (!failed && next.result != PATTERN_NONE) *out = next;
  }
  search_end(&s);
  return failed;
}

status pattern_full(const pattern *p, const char *bytes, size_t count, pattern_match *out,
                    detail *err) {
  search s;
  size_t end = 0;
  *out = (pattern_match){PATTERN_NONE, 0, 0};
  status failed = search_begin(&s, count, err);
  if (failed) return failed;
  failed = search_next(&s, p, bytes, count, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, out, &end, err);
  /* The end of a piece of good UTF-8 counts as an end: all of it must be one. */
  if (!failed && out->result == PATTERN_FOUND && end != count) out->result = PATTERN_NONE;
  search_end(&s);
  return failed;
}
