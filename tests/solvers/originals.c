#include "tests/solvers/originals.h"

#include "base/json.h"
#include "base/memory.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static const char fixtures[] = "tests/fixtures/original_traces.jsonl";

static const char *text_field(const json_t *record, const char *name) {
  const char *value = json_string_value(json_object_get(record, name));
  return value ? value : "";
}

static int int_field(const json_t *record, const char *name) {
  return (int)json_integer_value(json_object_get(record, name));
}

static grammar_start start_of(const json_t *record) {
  int64_t numbers[GRAMMAR_NUMBERS_MAX];
  const json_t *list = json_object_get(record, "nums");
  int count = (int)json_array_size(list);
  ck_assert_int_le(count, GRAMMAR_NUMBERS_MAX);
  for (int i = 0; i < count; i++)
    numbers[i] = json_integer_value(json_array_get(list, (size_t)i));
  grammar_start s = grammar_root(int_field(record, "target"), numbers, count);
  s.beam = int_field(record, "beam");
  s.child_beam = int_field(record, "child_beam");
  /* SoS+ and APR rank by mult and do not say so. */
  s.heuristic = strcmp(text_field(record, "heuristic"), "sum") ? GRAMMAR_MULT : GRAMMAR_SUM;
  return s;
}

/* The strings live as long as the process. */
static void keep_text(originals *o, trace_kind kind, const json_t *trace, const json_t *record,
                      size_t number, const grammar_start *start) {
  ck_assert_int_lt(o->count, ORIGINALS_MAX);
  const json_t *lengths = json_object_get(record, "llama2_tokens");
  original *t = &o->texts[o->count++];
  *t = (original){.kind = kind, .record = o->records, .start = *start};
  t->trace = memory_copy_text(json_string_value(trace));
  ck_assert_ptr_nonnull(t->trace);
  t->bytes = strlen(t->trace);
  t->llama2_tokens = json_integer_value(json_array_get(lengths, number));
}

/* The children of one call. Returns how many texts of the record there are now. */
static size_t keep_children(originals *o, const json_t *record, const json_t *children,
                            const original *segment, size_t number) {
  grammar_facts facts;
  int accepted =
      grammar_accepts(TRACE_APR_PARENT, segment->trace, segment->bytes, &segment->start, &facts);
  ck_assert_msg(accepted && facts.suspended, "record %d: %s", o->records, facts.why);
  ck_assert_uint_eq((size_t)facts.child_count, json_array_size(children));
  for (int i = 0; i < facts.child_count; i++) {
    const json_t *segments = json_object_get(json_array_get(children, (size_t)i), "main_calls");
    grammar_start s = grammar_child_start(&segment->start, &facts.children[i]);
    keep_text(o, TRACE_APR_CHILD, json_array_get(segments, 0), record, number++, &s);
  }
  return number;
}

static void keep_apr(originals *o, const json_t *record, const grammar_start *start) {
  const json_t *trace = json_object_get(record, "trace");
  const json_t *segments = json_object_get(trace, "main_calls");
  const json_t *calls = json_object_get(trace, "sub_calls");
  size_t number = 0, segment_count = json_array_size(segments);
  int first = o->count;
  for (; number < segment_count; number++)
    keep_text(o, TRACE_APR_PARENT, json_array_get(segments, number), record, number, start);
  ck_assert_uint_eq(json_array_size(calls), segment_count - 1);
  for (size_t i = 0; i + 1 < segment_count; i++) {
    const original *segment = &o->texts[first + (int)i];
    number = keep_children(o, record, json_array_get(calls, i), segment, number);
  }
}

static void keep_record(originals *o, const json_t *record) {
  grammar_start start = start_of(record);
  const char *kind = text_field(record, "kind");
  if (!strcmp(kind, "apr")) {
    keep_apr(o, record, &start);
  } else {
    trace_kind k = !strcmp(kind, "sosp")      ? TRACE_SOSP
                   : !strcmp(kind, "sos-bfs") ? TRACE_SOS_BFS
                                              : TRACE_SOS_DFS;
    keep_text(o, k, json_object_get(record, "text"), record, 0, &start);
  }
  o->records++;
}

const originals *originals_read(void) {
  static originals o; /* read once a process */
  detail err;
  size_t bytes;
  if (o.records) return &o;
  char *data = support_read(fixtures, &bytes);
  for (char *at = data, *end; (end = strchr(at, '\n')); at = end + 1) {
    json_t *record;
    ck_ok(json_read(&record, at, (size_t)(end - at), fixtures, o.records + 1, &err));
    keep_record(&o, record);
    json_decref(record);
  }
  free(data);
  ck_assert_int_eq(o.records, 15);
  return &o;
}
