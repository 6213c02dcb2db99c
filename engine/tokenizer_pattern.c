#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Work at one place of a text. The patterns in use need a few dozen steps and no heap; one that
   goes through its limits is an error, so that a pattern made to run for ever does not. */
enum { MATCH_STEPS_MAX = 200000, MATCH_DEPTH_MAX = 10000, MATCH_HEAP_KIB = 16 * 1024 };
enum { JIT_STACK_BYTES = 32 * 1024, JIT_STACK_MAX = 1024 * 1024, SOURCE_MAX = 16 * 1024 };

struct tokenizer_pattern {
  tokenizer_pattern *next; /* of the tokenizer's list */
  pcre2_code *code;        /* a regular expression */
  const char *bytes;       /* a string */
  size_t count;
  point_set *set; /* a character of a set */
};

struct matcher {
  pcre2_general_context *general;
  pcre2_match_context *context;
  pcre2_match_data *data;
  pcre2_jit_stack *stack;
};

static void *take(PCRE2_SIZE bytes, void *data) {
  (void)data;
  return memory_take(bytes);
}

static void give_back(void *block, void *data) {
  (void)data;
  memory_free(block);
}

static status pattern_take(tokenizer_pattern **out, const reader *r) {
  tokenizer_pattern *p = arena_take(r->t->memory, 1, sizeof *p);
  if (!p) return reader_full(r);
  p->next = r->t->patterns;
  r->t->patterns = p;
  *out = p;
  return OK;
}

void pattern_close_all(tokenizer_pattern *first) {
  for (tokenizer_pattern *p = first; p; p = p->next)
    pcre2_code_free(p->code);
}

status pattern_points(tokenizer_pattern **out, const reader *r, point_set *set) {
  status s = pattern_take(out, r);
  if (!s) (*out)->set = set;
  return s;
}

status pattern_string(tokenizer_pattern **out, const reader *r, const char *where,
                      const char *bytes, size_t count) {
  if (!count) return reader_refuse(r, where, "an empty pattern, which matches everywhere");
  status s = pattern_take(out, r);
  if (s) return s;
  (*out)->bytes = arena_text(r->t->memory, bytes, count);
  (*out)->count = count;
  return (*out)->bytes ? OK : reader_full(r);
}

static status compile(tokenizer_pattern *p, const reader *r, const char *where,
                      const text *source) {
  pcre2_general_context *general = pcre2_general_context_create(take, give_back, NULL);
  pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
  int code = PCRE2_ERROR_NOMEMORY;
  PCRE2_SIZE at = 0;
  if (context) {
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    (void)pcre2_set_parens_nest_limit(context, 100);
    p->code = pcre2_compile((PCRE2_SPTR)text_string(source), source->bytes,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, context);
  }
  pcre2_compile_context_free(context);
  pcre2_general_context_free(general);
  if (p->code) {
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it the same, slower */
    return OK;
  }
  /* PCRE2's messages end where its own numbers do; those of memory are among them. */
  if (code == PCRE2_ERROR_NOMEMORY || code == 121) {
    return fault(r->err, E_MEMORY, "no memory for a pattern of %s", r->name);
  }
  PCRE2_UCHAR said[128] = "";
  (void)pcre2_get_error_message(code, said, sizeof said);
  return reader_refuse(r, where, "a pattern that cannot be compiled: %s", (const char *)said);
}

status pattern_regex(tokenizer_pattern **out, const reader *r, const char *where,
                     const char *source, size_t bytes) {
  text translated;
  text_open(&translated, SOURCE_MAX * 8);
  status s = bytes <= SOURCE_MAX
                 ? pattern_translate(&translated, r, where, source, bytes)
                 : reader_refuse(r, where, "a pattern of more than %d bytes", (int)SOURCE_MAX);
  if (!s) s = text_state(&translated, r->err);
  if (!s) s = pattern_take(out, r);
  if (!s) s = compile(*out, r, where, &translated);
  text_close(&translated);
  return s;
}

status matcher_open(matcher **out, detail *err) {
  matcher *m = memory_zeroed(1, sizeof *m);
  if (m) m->general = pcre2_general_context_create(take, give_back, NULL);
  if (m && m->general) {
    m->context = pcre2_match_context_create(m->general);
    m->data = pcre2_match_data_create(1, m->general);
    m->stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_MAX, m->general);
  }
  if (!m || !m->context || !m->data) {
    matcher_close(m);
    return fault(err, E_MEMORY, "no memory to match patterns");
  }
  (void)pcre2_set_match_limit(m->context, MATCH_STEPS_MAX);
  (void)pcre2_set_depth_limit(m->context, MATCH_DEPTH_MAX);
  (void)pcre2_set_heap_limit(m->context, MATCH_HEAP_KIB);
  if (m->stack) pcre2_jit_stack_assign(m->context, NULL, m->stack);
  *out = m;
  return OK;
}

void matcher_close(matcher *m) {
  if (!m) return;
  pcre2_jit_stack_free(m->stack);
  pcre2_match_data_free(m->data);
  pcre2_match_context_free(m->context);
  pcre2_general_context_free(m->general);
  memory_free(m);
}

void match_start(match_walk *w, const tokenizer_pattern *p, const char *bytes, size_t count) {
  *w = (match_walk){.pattern = p, .bytes = bytes, .count = count};
}

static void next_string(match_walk *w, int *found, size_t *start, size_t *end) {
  const tokenizer_pattern *p = w->pattern;
  const char *from = w->bytes + w->at;
  size_t left = w->count - w->at;
  const char *hit =
      p->count == 1 ? memchr(from, p->bytes[0], left) : memmem(from, left, p->bytes, p->count);
  *found = hit != NULL;
  if (!hit) return;
  *start = (size_t)(hit - w->bytes);
  w->at = *end = *start + p->count;
}

static void next_point(match_walk *w, int *found, size_t *start, size_t *end) {
  *found = 0;
  while (!*found && w->at < w->count) {
    int32_t point;
    *start = w->at;
    w->at += point_read(w->bytes + w->at, w->count - w->at, &point);
    *end = w->at;
    *found = w->pattern->set(point);
  }
}

static status match_failed(int code, detail *err) {
  if (code == PCRE2_ERROR_NOMEMORY) return fault(err, E_MEMORY, "no memory to match a pattern");
  return fault(err, E_LIMIT,
               "a pattern of the tokenizer does not come to an end on this text (limits of steps "
               "and memory at one place); the file or the text was made so");
}

status match_next(matcher *m, match_walk *w, int *found, size_t *start, size_t *end, detail *err) {
  if (!w->pattern->code) {
    (w->pattern->set ? next_point : next_string)(w, found, start, end);
    return OK;
  }
  while (w->at <= w->count) {
    int code = pcre2_match(w->pattern->code, (PCRE2_SPTR)w->bytes, w->count, w->at,
                           PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (code < 0) return match_failed(code, err);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->data);
    *start = ends[0];
    *end = ends[1];
    if (*start == *end && w->has_last && w->last_end == *end) {
      int32_t point;
      w->at += w->at < w->count ? point_read(w->bytes + w->at, w->count - w->at, &point) : 1;
      continue;
    }
    w->at = w->last_end = *end;
    w->has_last = 1;
    *found = 1;
    return OK;
  }
  *found = 0;
  return OK;
}
