/* Any question, put by a template and read by a pattern. */
#include "solvers/answer.h"
#include "solvers/protocol_internal.h"

#include <string.h>

static const char QUESTION[] = "{question}";
enum { QUESTION_BYTES = sizeof QUESTION - 1 };

static const protocol_setting no_preset[] = {{NULL, 0, 0}};
static const protocol_unused unused[] = {
    {"preset", "nothing was published with it; write the settings themselves"},
    {"label", "write a budget into the template 'prompt' itself"},
    {NULL, NULL}};

/* One piece of a template: how many bytes of it, and how many of them stand for themselves. */
typedef struct piece {
  size_t bytes, literal;
  int is_question;
} piece;

/* bytes 0: a brace that is neither doubled nor of {question}. */
static piece next_piece(const char *template) {
  size_t plain = strcspn(template, "{}");
  if (plain) return (piece){plain, plain, 0};
  if (template[0] == template[1]) return (piece){2, 1, 0};
  if (!strncmp(template, QUESTION, QUESTION_BYTES)) return (piece){QUESTION_BYTES, 0, 1};
  return (piece){0};
}

static status check_template(const char *name, const char *template, detail *err) {
  if (!template) {
    return fault(err, E_INPUT,
                 "protocol %s needs 'prompt', a template with {question} where the task's "
                 "question goes",
                 name);
  }
  int has_question = 0;
  for (const char *at = template; *at;) {
    piece p = next_piece(at);
    if (!p.bytes) {
      return fault(err, E_INPUT,
                   "prompt: '%c' at byte %zu belongs to no {question}; write %c%c for a brace", *at,
                   (size_t)(at - template) + 1, *at, *at);
    }
    has_question |= p.is_question;
    at += p.bytes;
  }
  if (has_question) return OK;
  return fault(err, E_INPUT, "prompt: {question} is missing, so that all tasks would be one");
}

static status check_finisher(const protocol *p, const json_t *parameters, detail *err) {
  if (!p->finisher_text && !p->finisher_tokens) return OK;
  if (!p->finisher_text || !p->finisher_tokens) {
    return fault(err, E_INPUT,
                 "'finisher.text' says what asks for the answer and 'finisher.tokens' how long it "
                 "may be: give both or neither");
  }
  if (json_object_get(parameters, "answer")) return OK;
  return fault(err, E_INPUT,
               "a finisher needs 'answer', the pattern that finds the answer: without one it is "
               "all that was written, which nobody has to ask for");
}

static status open_answer(protocol *p, const json_t *source, detail *err) {
  if (!source) return OK;
  detail why = {0};
  status s = pattern_open(&p->answer, json_string_value(source), json_string_length(source), &why);
  return s ? fault(err, s, "answer: %s", why.text) : OK;
}

static status keep_stops(protocol *p, const json_t *stops, detail *err) {
  size_t count = json_array_size(stops);
  if (!count) return OK;
  const char **kept = arena_take(p->memory, count, sizeof *kept);
  if (!kept) return arena_full(p->memory, err);
  status s = OK;
  for (size_t i = 0; !s && i < count; i++)
    s = protocol_keep(p, json_array_get(stops, i), &kept[i], err);
  p->stops = kept;
  p->stop_count = (int)count;
  return s;
}

static status take(protocol *p, const json_t *parameters, detail *err) {
  status s = protocol_keep(p, json_path_get(parameters, "prompt"), &p->template, err);
  if (!s) s = check_template(p->table->name, p->template, err);
  if (!s) {
    s = protocol_keep(p, json_path_get(parameters, "finisher.text"), &p->finisher_text, err);
  }
  if (!s) s = check_finisher(p, parameters, err);
  if (!s) s = open_answer(p, json_path_get(parameters, "answer"), err);
  return s ? s : keep_stops(p, json_path_get(parameters, "stop"), err);
}

static status put_prompt(const protocol *p, const char *question, const char *target, text *out,
                         detail *err) {
  (void)target, (void)err;
  for (const char *at = p->template; *at;) {
    piece next = next_piece(at);
    text_add(out, at, next.literal);
    if (next.is_question) text_put(out, question);
    at += next.bytes;
  }
  return OK;
}

static status read_answer(const protocol *p, const char *bytes, size_t count, size_t from,
                          text *out, int *found, detail *err) {
  pattern_match m = {PATTERN_FOUND, 0, count - from};
  status s = p->answer ? pattern_last(p->answer, bytes + from, count - from, &m, err) : OK;
  if (s || m.result != PATTERN_FOUND) return s;
  answer_part said = answer_trimmed(bytes + from + m.start, m.end - m.start);
  *found = said.bytes > 0;
  text_add(out, said.at, said.bytes);
  return OK;
}

static status put_vote_key(const char *target, const char *answer, text *out, int *found,
                           detail *err) {
  (void)target, (void)err;
  size_t bytes = strlen(answer);
  *found = 1;
  if (!answer_put_number(answer, bytes, out)) answer_put_words(answer, bytes, out);
  return OK;
}

static status put_finisher(const protocol *p, const char *target, const char *bytes, size_t count,
                           text *out, detail *err) {
  (void)target, (void)bytes, (void)count, (void)err;
  text_put(out, p->finisher_text);
  return OK;
}

const protocol_table protocol_generic = {.name = "generic",
                                         .rules = "generic-1",
                                         .kind = "question",
                                         .preset = no_preset,
                                         .unused = unused,
                                         .take = take,
                                         .prompt = put_prompt,
                                         .answer = read_answer,
                                         .vote_key = put_vote_key,
                                         .finisher = put_finisher};
