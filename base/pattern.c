#include "base/pattern.h"

#include "base/memory.h"
#include "base/text.h"

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
    compiled = pcre2_compile((PCRE2_SPTR)source, bytes,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT |
                                 PCRE2_NO_AUTO_POSSESS,
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

/* Text that is good UTF-8 throughout: PCRE2's own search for such pieces would begin anew with each
   match. */
typedef struct piece {
  const char *bytes;
  size_t count;
} piece;

/* The first piece from *at on, which moves behind it; 0 where there is none. */
static int next_piece(const char *bytes, size_t count, size_t *at, piece *out) {
  size_t start = *at, length = 0;
  while (start < count && !(length = text_utf8_length(bytes + start, count - start)))
    start++;
  size_t end = start;
  for (; end < count && length; length = text_utf8_length(bytes + end, count - end))
    end += length;
  *out = (piece){bytes + start, end - start};
  *at = end;
  return end > start;
}

/* The next match in a piece from *from on, which moves behind it; out's places are the piece's. */
static status match_next(search *s, const pattern *p, piece in, size_t *from, uint32_t options,
                         pattern_match *out, detail *err) {
  s->at = *from;
  int code = pcre2_match(p->code, (PCRE2_SPTR)in.bytes, in.count, *from,
                         options | PCRE2_NO_UTF_CHECK, s->data, s->context);
  *out = (pattern_match){PATTERN_NONE, 0, 0};
  if (code == PCRE2_ERROR_NOMATCH) return OK;
  if (code == PCRE2_ERROR_NOMEMORY) return fault(err, E_MEMORY, "no memory to match a pattern");
  if (code < 0) { /* of steps, depth or heap; of a recursion that goes nowhere */
    out->result = PATTERN_LIMIT;
    return OK;
  }
  const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->data);
  if (ends[0] > ends[1]) return OK; /* a \K that was called in a lookahead, which moves no end */
  int group = code != 1 && ends[2] != PCRE2_UNSET ? 1 : 0;
  *out = (pattern_match){PATTERN_FOUND, ends[2 * group], ends[2 * group + 1]};
  *from = ends[1];
  return OK;
}

/* All matches of a piece; out is changed by each, and by a limit. */
static status match_piece(search *s, const pattern *p, const char *text_start, piece in,
                          pattern_match *out, detail *err) {
  pattern_match next = {PATTERN_FOUND, 0, 0};
  size_t from = 0, start = (size_t)(in.bytes - text_start);
  status failed = OK;
  while (!failed && next.result == PATTERN_FOUND) {
    failed = match_next(s, p, in, &from, PCRE2_NOTEMPTY, &next, err);
    if (failed || next.result == PATTERN_NONE) break;
    *out = (pattern_match){next.result, start + next.start, start + next.end};
  }
  return failed;
}

status pattern_last(const pattern *p, const char *bytes, size_t count, pattern_match *out,
                    detail *err) {
  search s;
  *out = (pattern_match){PATTERN_NONE, 0, 0};
  status failed = search_begin(&s, count, err);
  if (failed) return failed;
  piece in;
  for (size_t at = 0;
       !failed && out->result != PATTERN_LIMIT && next_piece(bytes, count, &at, &in);)
    failed = match_piece(&s, p, bytes, in, out, err);
  search_end(&s);
  return failed;
}

status pattern_full(const pattern *p, const char *bytes, size_t count, pattern_match *out,
                    detail *err) {
  search s;
  piece all = {bytes, 0};
  size_t at = 0, from = 0;
  *out = (pattern_match){PATTERN_NONE, 0, 0};
  if (count && (!next_piece(bytes, count, &at, &all) || all.count != count)) return OK;
  status failed = search_begin(&s, count, err);
  if (failed) return failed;
  failed = match_next(&s, p, all, &from, PCRE2_ANCHORED | PCRE2_ENDANCHORED, out, err);
  search_end(&s);
  return failed;
}
