/* Stream of Search (Gandhi et al. 2024, arXiv 2404.03683) and SoS+ (Pan et al. 2025, arXiv
   2504.15466) as their released checkpoints were trained and evaluated. */
#include "base/memory.h"
#include "solvers/countdown_check.h"
#include "solvers/protocol_internal.h"
#include "solvers/trace_text.h"

#include <string.h>

static const protocol_setting sos_preset[] = {PROTOCOL_PUBLISHED(0, 1)};
/* The server put a begin token before the one that the evaluation wrote, as in training. */
static const protocol_setting sosp_preset[] = {PROTOCOL_PUBLISHED(50, 2)};

static const protocol_unused sos_unused[] = {
    PROTOCOL_OWN_LANGUAGE,
    {"label", "SoS was trained without a budget in its prompt (countdown-sosp has one)"},
    {"finisher", "it ends at its first goal line and restates nothing that could be asked for"},
    {NULL, NULL}};
static const protocol_unused sosp_unused[] = {
    PROTOCOL_OWN_LANGUAGE,
    {"label.children", "it calls for nobody (its label is 'label.tokens')"},
    {"finisher.text", "it asks by a goal line and the root's state; 'finisher.tokens' is enough"},
    {NULL, NULL}};

void protocol_put_root(const countdown_problem *p, text *out) {
  trace_writer w = {out, 0};
  trace_put(&w, PIECE_STATE);
  trace_number(&w, p->target);
  trace_put(&w, PIECE_OPEN);
  for (int i = 0; i < p->count; i++) {
    if (i) trace_put(&w, PIECE_BETWEEN);
    trace_number(&w, p->number[i]);
  }
  trace_put(&w, PIECE_OPERATIONS);
  trace_mark(&w, ']', TOKENS_CLOSE_OPERATIONS);
}

static status put_prompt(const protocol *p, const char *question, const char *target, text *out,
                         detail *err) {
  (void)question;
  countdown_problem problem;
  status s = countdown_read(&problem, target, err);
  if (s) return s;
  if (p->label_tokens) text_format(out, "Token Budget: %lld ", (long long)p->label_tokens);
  protocol_put_root(&problem, out);
  return OK;
}

/* The state that a goal was found from may be the prompt's. */
static status sos_answer(const protocol *p, const char *bytes, size_t count, size_t from, text *out,
                         int *found, detail *err) {
  (void)p, (void)from, (void)err;
  *found = countdown_answer(PROTOCOL_SOS, bytes, count, out);
  return OK;
}

status protocol_recap_answer(const protocol *p, const char *bytes, size_t count, size_t from,
                             text *out, int *found, detail *err) {
  (void)p, (void)err;
  *found = countdown_answer(PROTOCOL_RECAP, bytes + from, count - from, out);
  return OK;
}

status protocol_countdown_key(const char *target, const char *answer, text *out, int *found,
                              detail *err) {
  countdown_problem problem;
  status s = countdown_read(&problem, target, err);
  if (s) return s;
  /* Expressions are joined in small texts whose failure shows in this count alone. */
  int64_t failures = memory_failures();
  *found = countdown_vote_key(&problem, answer, strlen(answer), out);
  if (memory_failures() == failures) return OK;
  return fault(err, E_MEMORY, "no memory for what a vote counts for");
}

/* Says that the goal was reached and begins to restate the solution, so that what is sampled is the
   rest of that. Only a goal line that is sampled behind it completes an answer. */
status protocol_recap_finisher(const protocol *p, const char *target, const char *bytes,
                               size_t count, text *out, detail *err) {
  (void)p;
  countdown_problem problem;
  text held;
  status s = countdown_read(&problem, target, err);
  if (s) return s;
  text_open(&held, PROTOCOL_TEXT_BYTES_MAX);
  int has_answer = countdown_answer(PROTOCOL_RECAP, bytes, count, &held);
  s = text_state(&held, err);
  text_close(&held);
  if (s || has_answer) return s;
  trace_writer w = {out, 0};
  if (count && bytes[count - 1] != '\n') text_char(out, '\n');
  trace_number(&w, problem.target);
  trace_mark(&w, ',', 1);
  trace_number(&w, problem.target);
  trace_put(&w, PIECE_EQUAL);
  trace_put(&w, PIECE_MOVE);
  text_put(out, "0\n");
  protocol_put_root(&problem, out);
  text_char(out, '\n');
  return OK;
}

const protocol_table protocol_countdown_sos = {.name = "countdown-sos",
                                               .rules = "countdown-sos-1",
                                               .kind = "countdown",
                                               .preset = sos_preset,
                                               .unused = sos_unused,
                                               .prompt = put_prompt,
                                               .answer = sos_answer,
                                               .vote_key = protocol_countdown_key,
                                               .ref_tokens = trace_llama2_tokens};

const protocol_table protocol_countdown_sosp = {.name = "countdown-sosp",
                                                .rules = "countdown-sosp-1",
                                                .kind = "countdown",
                                                .preset = sosp_preset,
                                                .unused = sosp_unused,
                                                .prompt = put_prompt,
                                                .answer = protocol_recap_answer,
                                                .vote_key = protocol_countdown_key,
                                                .finisher = protocol_recap_finisher,
                                                .ref_tokens = trace_llama2_tokens};
