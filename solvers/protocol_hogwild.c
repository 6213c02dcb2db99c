/* Questions put to workers that read each other: the template and the pattern of generic, with the
   words of Hogwild! Inference (Rodionov et al. 2025, arXiv 2504.06261) as its programs have them.
 */
#include "solvers/protocol_internal.h"

#include <string.h>

/* ---- presets --------------------------------------------------------------------------------- */

typedef struct word_setting {
  const char *key, *first, *later; /* of the first release, and of the later ones; NULL: not set */
} word_setting;

#define CUT "<...>\n\n"

static const word_setting settings[] = {
    {"header.past", NULL, "\n### Past steps\n\n"},
    {"header.others", "\n\n### Work in progress (others)\n\n", "### Work in progress (others)\n\n"},
    {"header.own", CUT "### Work in progress (own)\n\n", CUT "### Work in progress (own)\n\n"},
    {"header.split", " <the assistant will continue here>\n\n",
     " <the assistant will continue here>\n\n"},
    {"header.workspace", "\n\n# {worker} workspace\n\n", "\n\n# {worker} workspace\n\n"},
    {"step.separator", "\n\n", "\n\n"},
    {"step.rule", "sentence", "closed"},
    {"step.prefix", "**{worker} [{step}]:** ", "**{worker} [{step}]:** "},
    {"step.opening", "Hi, I'm {worker}. Here's how we can", "Hi, I'm {worker}. Here's how we can"},
    {"step.greeting", "Hi, I'm {worker}.", "Hi, I'm {worker}."},
    {"step.cut", CUT, CUT},
    {"redundancy.text", "Quick check: am I doing redundant work? (yes/no): ",
     "Quick check: am I doing redundant work? (yes/no): "},
    {"until", "answer", "end"},
};
/* Of mathematics, where a finisher is asked for without words. */
static const char finisher[] =
    "\n\nWait, given the limited time, I have to give an answer right now. Considering all my "
    "previous attempts, I have to conclude that the final answer is \\boxed{";
static const char *const names[] = {"Alice", "Bob", "Charlie", "Doris"};
static const char *const suppressed[] = {"#", "{begin}", "{end}", "{think}"};
enum { CHECK_TOKENS_FIRST = 256, CHECK_TOKENS_LATER = 1024 };

/* Takes the reference; NULL: memory was out already. What was given stays. */
static status put_default(json_t *parameters, const char *key, json_t *value, detail *err) {
  int good = value && (json_path_get(parameters, key) || json_path_put(parameters, key, value));
  json_decref(value);
  return good ? OK : fault(err, E_MEMORY, "no memory for a condition's parameters");
}

/* NULL: memory is out. */
static json_t *texts_of(const char *const *texts, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; list && i < count; i++) {
    if (!json_array_append_new(list, json_string(texts[i]))) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

static status settle(json_t *parameters, detail *err) {
  status s = put_default(parameters, "preset", json_string("published"), err);
  const char *preset = json_string_value(json_object_get(parameters, "preset"));
  int is_first = !s && !strcmp(preset, "published-first");
  for (size_t i = 0; !s && i < sizeof settings / sizeof settings[0]; i++) {
    const char *value = is_first ? settings[i].first : settings[i].later;
    if (value) s = put_default(parameters, settings[i].key, json_string(value), err);
  }
  if (!s) {
    s = put_default(parameters, "redundancy.tokens",
                    json_integer(is_first ? CHECK_TOKENS_FIRST : CHECK_TOKENS_LATER), err);
  }
  if (!s) {
    s = put_default(parameters, "names", texts_of(names, sizeof names / sizeof names[0]), err);
  }
  if (!s && json_path_get(parameters, "finisher.tokens"))
    s = put_default(parameters, "finisher.text", json_string(finisher), err);
  if (!s && is_first) {
    s = put_default(parameters, "suppress",
                    texts_of(suppressed, sizeof suppressed / sizeof suppressed[0]), err);
  }
  return s;
}

/* ---- what is taken --------------------------------------------------------------------------- */

static const struct {
  protocol_word word;
  const char *key;
} words[] = {{PROTOCOL_PAST, "header.past"},
             {PROTOCOL_OTHERS, "header.others"},
             {PROTOCOL_OWN, "header.own"},
             {PROTOCOL_SPLIT, "header.split"},
             {PROTOCOL_WORKSPACE, "header.workspace"},
             {PROTOCOL_STEP, "step.prefix"},
             {PROTOCOL_CHECK, "redundancy.text"},
             {PROTOCOL_CUT, "step.cut"}};

static status keep_template(protocol *p, const json_t *parameters, const char *key,
                            const char **out, detail *err) {
  status s = protocol_keep(p, json_path_get(parameters, key), out, err);
  return s ? s : protocol_check_words(key, *out, err);
}

static status keep_names(protocol *p, const json_t *parameters, detail *err) {
  const json_t *list = json_object_get(parameters, "names");
  protocol_steps *steps = p->steps;
  status s = OK;
  for (size_t i = 0; !s && i < json_array_size(list) && i < PROTOCOL_NAMES_MAX; i++)
    s = protocol_keep(p, json_array_get(list, i), &steps->name[steps->names++], err);
  return s;
}

static status take_rule(protocol *p, const json_t *parameters, detail *err) {
  const char *rule = json_string_value(json_path_get(parameters, "step.rule"));
  const json_t *tokens = json_path_get(parameters, "redundancy.tokens");
  status s =
      protocol_keep(p, json_path_get(parameters, "step.separator"), &p->steps->separator, err);
  if (s) return s;
  p->steps->rule = !rule || !strcmp(rule, "closed") ? RULE_CLOSED
                   : strcmp(rule, "sentence")       ? RULE_SEPARATOR
                                                    : RULE_SENTENCE;
  p->steps->check_tokens = tokens ? json_integer_value(tokens) : INT64_MAX;
  if (p->steps->separator) return OK;
  return fault(err, E_INPUT, "protocol %s needs 'step.separator'", p->table->name);
}

static protocol_until until_of(const json_t *parameters) {
  const char *until = json_string_value(json_object_get(parameters, "until"));
  return until && !strcmp(until, "end")   ? PROTOCOL_UNTIL_END
         : until && !strcmp(until, "all") ? PROTOCOL_UNTIL_ALL
                                          : PROTOCOL_UNTIL_ANSWER;
}

static status take(protocol *p, const json_t *parameters, detail *err) {
  const protocol_steps nothing = {.until = until_of(parameters)};
  status s = protocol_generic.take(p, parameters, err);
  if (s) return s;
  if (!p->answer) {
    return fault(err, E_INPUT,
                 "protocol %s needs 'answer', the pattern that finds the answer in what its "
                 "workers write",
                 p->table->name);
  }
  s = protocol_begin_steps(p, &nothing, parameters, err);
  for (size_t i = 0; !s && i < sizeof words / sizeof words[0]; i++)
    s = keep_template(p, parameters, words[i].key, &p->steps->word[words[i].word], err);
  if (!s) s = keep_template(p, parameters, "step.opening", &p->steps->opening, err);
  if (!s) s = keep_template(p, parameters, "step.greeting", &p->steps->greeting, err);
  if (!s) s = keep_names(p, parameters, err);
  return s ? s : take_rule(p, parameters, err);
}

/* ---- the table ------------------------------------------------------------------------------- */

static status put_prompt(const protocol *p, const char *question, const char *target, text *out,
                         detail *err) {
  return protocol_generic.prompt(p, question, target, out, err);
}

static status read_answer(const protocol *p, const char *bytes, size_t count, size_t from,
                          text *out, int *found, detail *err) {
  return protocol_generic.answer(p, bytes, count, from, out, found, err);
}

static status put_vote_key(const char *target, const char *answer, text *out, int *found,
                           detail *err) {
  return protocol_generic.vote_key(target, answer, out, found, err);
}

static status put_finisher(const protocol *p, const char *target, const char *bytes, size_t count,
                           text *out, detail *err) {
  return protocol_generic.finisher(p, target, bytes, count, out, err);
}

static const protocol_setting no_numbers[] = {{NULL, 0, 0}};
static const protocol_unused unused[] = {
    {"stop", "'step.separator' is what interrupts its workers"},
    {"label", "write a budget into the template 'prompt' itself"},
    {NULL, NULL}};

const protocol_table protocol_generic_hogwild = {.name = "generic-hogwild",
                                                 .rules = "generic-hogwild-1",
                                                 .kind = "question",
                                                 .preset = no_numbers,
                                                 .unused = unused,
                                                 .settle = settle,
                                                 .take = take,
                                                 .prompt = put_prompt,
                                                 .answer = read_answer,
                                                 .vote_key = put_vote_key,
                                                 .finisher = put_finisher,
                                                 .works = 1};
