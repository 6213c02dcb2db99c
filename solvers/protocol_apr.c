/* APR (Pan et al. 2025, arXiv 2504.15466) as its released checkpoints were trained and evaluated: a
   parent that calls for children, each in a context of its own, and goes on with what they return;
   and its control, the same search written in one context. Calls are read by protocol_call.c. */
#include "solvers/countdown_check.h"
#include "solvers/protocol_internal.h"
#include "solvers/trace_text.h"

/* Two begin tokens: the server put its own before the one that the evaluation wrote. */
static const protocol_setting published[] = {PROTOCOL_PUBLISHED(0, 2)};

static const protocol_unused apr_unused[] = {
    PROTOCOL_OWN_LANGUAGE,
    {"label.tokens", "it was trained with a number of children in its prompt ('label.children')"},
    {"finisher.text", "it asks by a goal line and the root's state; 'finisher.tokens' is enough"},
    {NULL, NULL}};
static const protocol_unused serial_unused[] = {
    PROTOCOL_OWN_LANGUAGE,
    {"label", "it was trained without a budget in its prompt"},
    {"finisher.text", "it asks by a goal line and the root's state; 'finisher.tokens' is enough"},
    {NULL, NULL}};

/* What only a join may write: a model that begins it means to call. */
static const char *const stops[] = {"<Sub Searches>"};
static const char CALLING[] = "<Calling Sub Searches>\n";

static status take_stops(protocol *p, const json_t *parameters, detail *err) {
  (void)parameters, (void)err;
  p->stops = stops;
  p->stop_count = sizeof stops / sizeof stops[0];
  return OK;
}

static status put_prompt(const protocol *p, const char *question, const char *target, text *out,
                         detail *err) {
  (void)question;
  countdown_problem problem;
  status s = countdown_read(&problem, target, err);
  if (s) return s;
  if (p->label_children >= 0) {
    text_format(out, "Sub Call Budget: %lld ", (long long)p->label_children);
  }
  text_put(out, "Moving to Node #0\n");
  protocol_put_root(&problem, out);
  return OK;
}

static const char *rewrite(int which) {
  (void)which;
  return CALLING;
}

/* "<Goal Reached in Sub Search 1 at level 1 at Node #0,1>" and what was returned. */
static void put_child(const protocol_child *child, int ordinal, const char *returned, int level,
                      text *out) {
  trace_writer w = {out, 0};
  trace_put(&w, returned ? PIECE_JOIN_GOAL : PIECE_JOIN_NONE);
  trace_number(&w, ordinal);
  trace_put(&w, PIECE_AT_LEVEL);
  trace_number(&w, level);
  trace_put(&w, PIECE_JOIN_AT);
  text_put(out, child->node);
  trace_put(&w, PIECE_JOIN_CLOSE);
  if (!returned) return;
  text_put(out, returned);
  text_char(out, '\n');
}

static void put_join(const protocol_call *call, const char *const *returned, int level, text *out) {
  trace_writer w = {out, 0};
  trace_put(&w, PIECE_JOINED);
  for (int i = 0; i < call->count; i++)
    put_child(&call->children[i], i, returned[i], level, out);
  trace_put(&w, PIECE_END_JOINED);
}

static const protocol_calling calling = {.rewrite = rewrite,
                                         .read_call = protocol_apr_call,
                                         .returned = countdown_returned,
                                         .join = put_join};

const protocol_table protocol_countdown_apr = {.name = "countdown-apr",
                                               .rules = "countdown-apr-1",
                                               .kind = "countdown",
                                               .preset = published,
                                               .unused = apr_unused,
                                               .take = take_stops,
                                               .prompt = put_prompt,
                                               .answer = protocol_recap_answer,
                                               .vote_key = protocol_countdown_key,
                                               .finisher = protocol_recap_finisher,
                                               .ref_tokens = trace_llama2_tokens,
                                               .calling = &calling};

const protocol_table protocol_countdown_apr_serial = {.name = "countdown-apr-serial",
                                                      .rules = "countdown-apr-serial-1",
                                                      .kind = "countdown",
                                                      .preset = published,
                                                      .unused = serial_unused,
                                                      .prompt = put_prompt,
                                                      .answer = protocol_recap_answer,
                                                      .vote_key = protocol_countdown_key,
                                                      .finisher = protocol_recap_finisher,
                                                      .ref_tokens = trace_llama2_tokens};
