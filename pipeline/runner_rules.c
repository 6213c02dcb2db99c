/* A run's settled parameters as the runner uses them: numbers, tokens, and the protocol. */
#include "pipeline/runner_internal.h"

#include <math.h>
#include <string.h>

static int64_t integer_of(const json_t *parameters, const char *path) {
  return json_integer_value(json_path_get(parameters, path));
}

static status read_sampling(runner_rules *r, detail *err) {
  const json_t *sampling = json_object_get(r->parameters, "sampling");
  static const char *const keys[] = {"temperature", "top_k", "top_p", "min_p"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    if (!json_is_number(json_object_get(sampling, keys[i]))) {
      return fault(err, E_INPUT, "sampling.%s is not settled", keys[i]);
    }
  }
  r->temperature = (float)json_number_value(json_object_get(sampling, "temperature"));
  r->top_k = (int)json_integer_value(json_object_get(sampling, "top_k"));
  r->top_p = (float)json_number_value(json_object_get(sampling, "top_p"));
  r->min_p = (float)json_number_value(json_object_get(sampling, "min_p"));
  return OK;
}

/* The tokenizer's own beginning, or as many begin tokens as the condition says. */
static status read_begin(runner_rules *r, const job_model *of, detail *err) {
  const json_t *given = json_path_get(r->parameters, "begin");
  int64_t id = model_generation_of(of->model)->begin_id;
  if (!given) {
    r->begin_count = of->begin_count;
    memcpy(r->begin, of->begin, sizeof r->begin);
    return OK;
  }
  int64_t count = json_integer_value(given);
  if (id < 0 && of->begin_count) id = of->begin[0];
  if (count < 0 || count > MODEL_BEGIN_MAX) return fault(err, E_INPUT, "begin is out of range");
  if (count && id < 0) {
    return fault(err, E_INPUT,
                 "begin: %lld begin tokens are asked for, and model %s has none: write begin: 0",
                 (long long)count, of->name);
  }
  for (r->begin_count = 0; r->begin_count < count; r->begin_count++)
    r->begin[r->begin_count] = (uint32_t)id;
  return OK;
}

static status suppress(runner_rules *r, uint32_t id, detail *err) {
  if (r->suppressed_count == RUNNER_SUPPRESSED_MAX) {
    return fault(err, E_INPUT, "suppress: more than %d tokens", (int)RUNNER_SUPPRESSED_MAX);
  }
  r->suppressed[r->suppressed_count++] = id;
  return OK;
}

/* A part that tokens play, and not every model has one for. *found 0: it is no part's name. */
static status suppress_part(runner_rules *r, const job_model *of, const char *name, int *found,
                            detail *err) {
  static const char thinks[] = "</think>";
  const model_generation *generation = model_generation_of(of->model);
  int32_t thought = tokenizer_find(of->tokenizer, thinks, sizeof thinks - 1);
  int begins = !strcmp(name, "{begin}"), ends = !strcmp(name, "{end}");
  status failed = OK;
  *found = begins || ends || !strcmp(name, "{think}");
  if (begins && generation->begin_id >= 0)
    failed = suppress(r, (uint32_t)generation->begin_id, err);
  for (int i = 0; !failed && ends && i < generation->end_count; i++)
    failed = suppress(r, generation->end_ids[i], err);
  if (*found && !begins && !ends && thought >= 0) failed = suppress(r, (uint32_t)thought, err);
  return failed;
}

static status read_suppressed(runner_rules *r, const job_model *of, detail *err) {
  const json_t *names = json_object_get(r->parameters, "suppress");
  status failed = OK;
  for (size_t i = 0; !failed && i < json_array_size(names); i++) {
    const char *name = json_string_value(json_array_get(names, i));
    int32_t id = name ? tokenizer_find(of->tokenizer, name, strlen(name)) : -1;
    int is_part = 0;
    if (id < 0 && name) failed = suppress_part(r, of, name, &is_part, err);
    if (failed || is_part) continue;
    if (id < 0) {
      return fault(err, E_INPUT,
                   "suppress: the tokenizer of %s has no token \"%s\"; name a token as its "
                   "tokenizer.json does",
                   of->name, name ? name : "?");
    }
    failed = suppress(r, (uint32_t)id, err);
  }
  return failed;
}

/* How many threads a sample begins with, and how many of them read each other. */
static void read_threads(runner_rules *r) {
  const mode_machine *machine = r->mode->machine;
  const char *key = json_path_get(r->parameters, "workers") ? "workers" : "n";
  r->threads = json_path_get(r->parameters, key) ? (int)integer_of(r->parameters, key) : 1;
  r->workers = machine->workers ? machine->workers(r->parameters, &r->see_all, &r->commit) : 0;
}

/* How many contexts a finisher reads at once: of workers that do not see each other's, all. */
static int64_t contexts_asked(const runner_rules *r) {
  int are_workers = r->mode->machine->workers != NULL, share_a_view = r->workers && r->see_all;
  return are_workers && !share_a_view ? r->threads : 1;
}

/* A finisher needs its place behind the longest context, so that it is there when it is needed.
   Whether the engine or the runner ends a full worker must not hang on other runs: it is the
   runner, for which it takes one more. */
static int64_t places_of(const runner_rules *r, int64_t kept) {
  if (kept) return r->context * contexts_asked(r) + kept;
  return r->context + (r->workers > 0);
}

static status read_limits(runner_rules *r, const job_model *of, detail *err) {
  int64_t model_context = model_config_of(of->model)->context;
  read_threads(r);
  r->tokens_total = integer_of(r->parameters, "limit.tokens_total");
  r->tokens_thread = integer_of(r->parameters, "limit.tokens_thread");
  r->forwards = integer_of(r->parameters, "limit.forwards");
  r->context = integer_of(r->parameters, "limit.context");
  r->finisher_tokens =
      protocol_has_finisher(r->protocol) ? protocol_finisher_tokens(r->protocol) : 0;
  int64_t kept = r->finisher_tokens ? r->finisher_tokens + RUNNER_FINISHER_FED_MAX : 0;
  if (r->context > model_context) {
    return fault(err, E_INPUT,
                 "limit.context is %lld%s, and model %s was made for %lld tokens: write limit: "
                 "{context: %lld} or less",
                 (long long)r->context,
                 json_path_get(r->parameters, "preset") ? ", as its preset has it" : "", of->name,
                 (long long)model_context, (long long)model_context);
  }
  if (kept >= model_context) {
    return fault(err, E_INPUT,
                 "a finisher of %d tokens leaves no room in the context of model %s, which is %lld",
                 r->finisher_tokens, of->name, (long long)model_context);
  }
  if (!r->context || r->context > model_context - kept) r->context = model_context - kept;
  int64_t places = places_of(r, kept);
  r->positions = (int)(places < model_context ? places : model_context);
  return OK;
}

/* What a condition writes itself is refused before a sample needs it. */
static status check_finisher(const runner_rules *r, detail *err) {
  const json_t *words = json_path_get(r->parameters, "finisher.text");
  token_list fed = {0};
  if (!words) return OK;
  status failed =
      text_to_tokens(r, json_string_value(words), json_string_length(words), 0, &fed, err);
  if (!failed && fed.count > RUNNER_FINISHER_FED_MAX) {
    failed = fault(err, E_INPUT,
                   "finisher.text is of %zu tokens, and at most %d are fed: ask in fewer words",
                   fed.count, (int)RUNNER_FINISHER_FED_MAX);
  }
  token_list_close(&fed);
  return failed;
}

static void read_ends(runner_rules *r, const job_model *of) {
  const model_generation *generation = model_generation_of(of->model);
  r->end_count = generation->end_count;
  memcpy(r->ends, generation->end_ids, (size_t)r->end_count * sizeof *r->ends);
}

status runner_rules_open(runner_rules *out, const mode *m, const json_t *parameters,
                         const job_model *of, detail *err) {
  *out = (runner_rules){.mode = m, .parameters = parameters, .tokenizer = of->tokenizer};
  read_ends(out, of);
  status failed = protocol_open(&out->protocol, parameters, err);
  if (!failed) failed = encoder_open(&out->encoder, of->tokenizer, err);
  if (!failed) failed = read_sampling(out, err);
  if (!failed) failed = read_begin(out, of, err);
  if (!failed) failed = read_suppressed(out, of, err);
  if (!failed) failed = read_limits(out, of, err);
  if (!failed) failed = check_finisher(out, err);
  if (failed) runner_rules_close(out);
  return failed;
}

/* Where each sees every block all of them are no longer than a context. Each block wastes less than
   a page, and a step that is moved, which its worker sees, stands twice. */
int runner_reserve_pages(const runner_rules *r, int page_keys) {
  enum { SHARED_BLOCKS = 3 }; /* the prompt with what is committed, and two headers */
  int64_t tokens = r->see_all ? r->context : r->context * r->workers, step = r->context;
  if (r->tokens_total && r->tokens_total < tokens) tokens = r->tokens_total;
  if (step > tokens) step = tokens;
  int64_t blocks = r->workers + SHARED_BLOCKS;
  int64_t pages = (tokens + blocks * (page_keys - 1)) / page_keys;
  if (r->commit) pages += (step + page_keys - 1) / page_keys;
  return !r->workers ? 0 : pages < INT32_MAX ? (int)pages : INT32_MAX;
}

void runner_rules_close(runner_rules *r) {
  protocol_close(r->protocol);
  encoder_close(r->encoder);
  r->protocol = NULL;
  r->encoder = NULL;
}
