#include "solvers/demonstrate.h"

#include "solvers/trace_text.h"

static const char *order_name(search_order order) {
  return order == ORDER_SHUFFLED    ? "shuffled"
         : order == ORDER_HEURISTIC ? "heuristic"
                                    : "enumeration";
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
  if (o->kind == SEARCH_APR || o->kind == SEARCH_APR_SERIAL) {
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

status demonstrate_records(text *out, int64_t ordinal, const countdown_problem *p,
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
      text_format(out, ",\"solved\":%s,\"tokens_ref\":%lld", t->solved ? "true" : "false",
                  (long long)turn_tokens(t, turn));
      put_spans(out, spans, count);
      text_put(out, ",\"text\":");
      json_quote(out, text_string(&turn_text), turn_text.bytes);
      text_put(out, "}\n");
    }
  }
  status s = text_state(&turn_text, err);
  text_close(&turn_text);
  return s ? s : text_state(out, err);
}
