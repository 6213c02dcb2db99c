/* Countdown by workers that read each other: each expands one node a step, in the language of APR's
   traces (Pan et al. 2025, arXiv 2504.15466), in the layouts of Hogwild! Inference (Rodionov et al.
   2025, arXiv 2504.06261). Its models are taught these words and no others. */
#include "solvers/protocol_internal.h"
#include "solvers/trace_text.h"

#define IDENTITY "W{number}/{workers}\n"

static const protocol_steps taught = {.word = {[PROTOCOL_PAST] = TRACE_PAST,
                                               [PROTOCOL_OTHERS] = TRACE_OTHERS,
                                               [PROTOCOL_OWN] = TRACE_OWN,
                                               [PROTOCOL_SPLIT] = TRACE_OWN,
                                               [PROTOCOL_WORKSPACE] = "\n" IDENTITY,
                                               [PROTOCOL_IDENTITY] = "\n" IDENTITY,
                                               [PROTOCOL_STEP] = IDENTITY,
                                               [PROTOCOL_CUT] = "<...>\n\n"},
                                      .separator = "\n\n",
                                      .rule = RULE_SEPARATOR,
                                      .until = PROTOCOL_UNTIL_SOLVED,
                                      .check_tokens = INT64_MAX};

static status take(protocol *p, const json_t *parameters, detail *err) {
  return protocol_begin_steps(p, &taught, parameters, err);
}

static status put_prompt(const protocol *p, const char *question, const char *target, text *out,
                         detail *err) {
  (void)p, (void)question;
  countdown_problem problem;
  status s = countdown_read(&problem, target, err);
  if (!s) protocol_put_root(&problem, out);
  return s;
}

#define FIXED "its models were taught its own words, and no others"

static const protocol_setting no_numbers[] = {{NULL, 0, 0}};
/* A finisher would read what no worker ever sees, all workers' texts as one, and nobody has found
   anything that it could restate. */
static const protocol_unused unused[] = {
    PROTOCOL_OWN_LANGUAGE,
    {"preset", "nobody has published settings for it; write those that you want"},
    {"label", "its models were taught without a budget in the prompt"},
    {"finisher", "only who found a solution restates it, and at a limit nobody has one to restate"},
    {"names", "its workers are called by their numbers, W1/2"},
    {"header", FIXED},
    {"step", FIXED},
    {"redundancy", FIXED},
    {"until", "the first worker that ends with a solution ends all, and no other end does"},
    {NULL, NULL}};

const protocol_table protocol_countdown_hogwild = {.name = "countdown-hogwild",
                                                   .rules = "countdown-hogwild-1",
                                                   .kind = "countdown",
                                                   .preset = no_numbers,
                                                   .unused = unused,
                                                   .take = take,
                                                   .prompt = put_prompt,
                                                   .answer = protocol_recap_answer,
                                                   .vote_key = protocol_countdown_key,
                                                   .ref_tokens = trace_llama2_tokens,
                                                   .works = 1};
