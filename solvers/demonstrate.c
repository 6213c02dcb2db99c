#include "solvers/demonstrate.h"

#include "solvers/trace_text.h"

#include <string.h>

static const char *order_name(search_order order) {
  return order == ORDER_SHUFFLED    ? "shuffled"
         : order == ORDER_HEURISTIC ? "heuristic"
                                    : "enumeration";
}

static const char *truth(int value) {
  return value ? "true" : "false";
}

static void put_head(text *out, int64_t ordinal, const countdown_problem *p,
                     const search_options *o) {
  text_format(out, "{\"problem\":%lld,", (long long)ordinal);
  text numbers;
  text_open(&numbers, 256);
  countdown_target(p, &numbers); /* {"nums":[...],"target":n} */
  text_add(out, text_string(&numbers) + 1, numbers.bytes - 2);
  text_close(&numbers);
  text_format(out, ",\"search\":\"%s\",\"heuristic\":\"%s\"", symbolic_search_name(o->kind),
              o->heuristic == HEURISTIC_SUM ? "sum" : "mult");
  if (o->kind != SEARCH_DFS) {
    text_format(out, ",\"beam\":%d,\"order\":\"%s\"", o->beam, order_name(o->order));
  }
  if (o->kind == SEARCH_APR || o->kind == SEARCH_APR_SERIAL || o->kind == SEARCH_HOGWILD) {
    text_format(out, ",\"child_beam\":%d", o->child_beam);
  }
}

static void put_spans(text *out, const turn_span *spans, int count) {
  text_put(out, ",\"spans\":[");
  for (int i = 0; i < count; i++) {
    text_format(out, "%s[\"%s\",%zu,%zu]", i ? "," : "", spans[i].kind, spans[i].start,
                spans[i].bytes);
  }
  text_char(out, ']');
}

/* The length of a turn from the spans' own counts. */
static int64_t turn_tokens(const search_thread *t, int turn) {
  int64_t tokens = 1;
  int at_turn = 0;
  for (int i = 0; i < t->span_count && at_turn <= turn; i++) {
    int is_cut = t->spans[i].kind == SPAN_CUT;
    if (!is_cut || at_turn == turn) tokens += t->spans[i].tokens;
    at_turn += is_cut;
  }
  return tokens + (turn < t->turns); /* its end of sequence */
}

static void put_step(text *out, const search_thread *t, const search_step *step) {
  const char *written = text_string(&t->written);
  text_put(out, "{\"prefix\":");
  json_quote(out, written + step->prefix_start, step->prefix_bytes);
  text_put(out, ",\"text\":");
  json_quote(out, written + step->start, step->bytes);
  text_format(out, ",\"tokens\":%lld,\"done\":%s}", (long long)step->tokens, truth(step->is_done));
}

/* A sample of workers. */
static void put_work(text *out, const search_options *o, const search_result *r) {
  const search_thread *first = r->threads[0];
  const char *prompt = text_string(&first->written), *end = strstr(prompt, "[]") + 2;
  int64_t forwards = 0;
  for (int i = 0; i < r->thread_count; i++) {
    if (r->threads[i]->tokens_generated > forwards) forwards = r->threads[i]->tokens_generated;
  }
  text_format(out, ",\"layout\":\"%s\",\"workers\":%d,\"solved\":%s,\"answer_worker\":",
              layout_names[o->layout], o->workers, truth(r->answer >= 0));
  if (r->answer < 0) text_put(out, "null");
  if (r->answer >= 0) text_int(out, r->answer + 1);
  text_format(out, ",\"forwards\":%lld,\"prompt\":", (long long)forwards);
  json_quote(out, prompt, (size_t)(end - prompt));
  text_put(out, ",\"work\":[");
  for (int i = 0; i < r->thread_count; i++) {
    const search_thread *t = r->threads[i];
    text_put(out, i ? ",[" : "[");
    for (int k = 0; k < t->step_count; k++) {
      if (k) text_char(out, ',');
      put_step(out, t, &t->steps[k]);
    }
    text_char(out, ']');
  }
  text_put(out, "],\"ended\":[");
  for (int i = 0; i < r->thread_count; i++)
    text_format(out, "%s%s", i ? "," : "", truth(r->threads[i]->ends));
  text_put(out, "]}\n");
}

static status put_turns(text *out, int64_t ordinal, const countdown_problem *p,
                        const search_options *o, const search_result *r, arena *memory,
                        detail *err) {
  text turn_text;
  text_open(&turn_text, 64 << 20);
  for (int i = 0; i < r->thread_count; i++) {
    const search_thread *t = r->threads[i];
    turn_span *spans = arena_take(memory, (size_t)t->span_count + 1, sizeof *spans);
    if (!spans) {
      text_close(&turn_text);
      return arena_full(memory, err);
    }
    for (int turn = 0; turn < search_turns(t); turn++) {
      text_clear(&turn_text);
      int count = search_turn(t, turn, &turn_text, spans);
      put_head(out, ordinal, p, o);
      text_format(out, ",\"path\":\"%s\",\"turn\":%d,\"turns\":%d,\"children\":%d", t->path, turn,
                  search_turns(t), r->thread_count - 1);
      text_format(out, ",\"solved\":%s,\"tokens_ref\":%lld", truth(t->solved),
                  (long long)turn_tokens(t, turn));
      put_spans(out, spans, count);
      text_put(out, ",\"text\":");
      json_quote(out, text_string(&turn_text), turn_text.bytes);
      text_put(out, "}\n");
    }
  }
  status s = text_state(&turn_text, err);
  text_close(&turn_text);
  return s;
}

status demonstrate_records(text *out, int64_t ordinal, const countdown_problem *p,
                           const search_options *o, const search_result *r, arena *memory,
                           detail *err) {
  status s = OK;
  if (o->kind == SEARCH_HOGWILD) {
    put_head(out, ordinal, p, o);
    put_work(out, o, r);
  } else {
    s = put_turns(out, ordinal, p, o, r, memory, err);
  }
  return s ? s : text_state(out, err);
}
