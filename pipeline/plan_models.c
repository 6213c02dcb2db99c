/* What a plan settles before it looks into the store: which model a condition runs on, with what
   settings, and which run that makes it. */
#include "base/memory.h"
#include "pipeline/identity.h"
#include "pipeline/plan_internal.h"

#include <string.h>

enum { RULES_BYTES_MAX = 512 };

static const char *protocol_of(const job_condition *c) {
  const char *name = json_string_value(json_object_get(c->parameters, "protocol"));
  return name ? name : "";
}

status plan_check_kind(const plan *p, const job_condition *c, detail *err) {
  int reasons = c->mode->machine != NULL;
  const char *kind = reasons ? protocol_kind_of(protocol_of(c)) : "countdown";
  if (kind && !strcmp(kind, p->tasks.kind)) return OK;
  return fault_at(err, E_INPUT, p->job->file, c->line,
                  "condition '%s': %s %s is for tasks of kind %s, and those of '%s' are of kind "
                  "%s; name another %s, or another task set",
                  c->name, reasons ? "protocol" : "mode", reasons ? protocol_of(c) : c->mode->name,
                  kind ? kind : "unknown", p->job->tasks, p->tasks.kind,
                  reasons ? "protocol" : "mode");
}

/* ---- models ---------------------------------------------------------------------------------- */

/* Weights of more bits than the products take are rounded, which the run says. */
static void warn_of_rounding(const plan *p, const job_model *m, logger *messages) {
  tensor_type type = model_embedding(m->model)->type;
  if (p->job->engine.fp32 || type == TENSOR_BF16) return;
  log_warn(messages, "%s: weights in %s are rounded to bf16; engine: {compute: fp32} keeps them",
           m->path, tensor_type_name(type));
}

static status find_model(plan *p, const plan_part *part, const char *path, job_model **out,
                         detail *err) {
  for (size_t i = 0; i < p->model_count; i++) {
    *out = p->models[i];
    if (!strcmp((*out)->path, path)) return OK;
  }
  logger *messages = part ? part->messages : NULL;
  status s = job_model_open(out, path, part ? part->hash_cache : NULL, messages, err);
  if (s) return s;
  p->models[p->model_count++] = *out;
  warn_of_rounding(p, *out, messages);
  return OK;
}

static status settle_class(plan *p, const plan_part *part, detail *err) {
  engine_options options = job_engine_options(&p->job->engine);
  text class;
  if (p->model_class[0]) return OK;
  text_open(&class, sizeof p->model_class - 1);
  status s = job_model_class(&options, &class, err);
  if (part && part->class_suffix) text_format(&class, " %s", part->class_suffix);
  if (!s) s = text_state(&class, err);
  if (!s) memcpy(p->model_class, text_string(&class), class.bytes + 1);
  text_close(&class);
  return s;
}

/* What is wrong with a condition is said with its line. */
static status open_rules(const plan *p, const job_condition *c, planned_run *out, detail *err) {
  detail why = {0};
  status s = runner_rules_open(&out->rules, c->mode, out->parameters, out->model, &why);
  if (s == E_INPUT) {
    return fault_at(err, s, p->job->file, c->line, "condition '%s': %s", c->name, why.text);
  }
  if (s && err) *err = why;
  return s;
}

status plan_settle(plan *p, const plan_part *part, const job_condition *c, planned_run *out,
                   detail *err) {
  *out = (planned_run){.first = c};
  status s = OK;
  if (!c->model) {
    out->parameters = json_incref(c->parameters);
    s = symbolic_read(&out->options, c->parameters, err);
    if (!s) out->determinism_class = symbolic_rules(&out->options);
  } else {
    out->determinism_class = p->model_class;
    s = settle_class(p, part, err);
    if (!s) s = find_model(p, part, c->model, &out->model, err);
    if (!s) s = job_model_settle(out->model, c->parameters, &out->parameters, err);
    if (!s) s = open_rules(p, c, out, err);
  }
  if (s) plan_let_go(out);
  return s;
}

void plan_let_go(planned_run *r) {
  runner_rules_close(&r->rules);
  json_decref(r->parameters);
  memory_free(r->identity);
  *r = (planned_run){0};
}

/* ---- the run ----------------------------------------------------------------------------------
 */

status plan_identity(const plan *p, const planned_run *r, const job_condition *c, text *out,
                     detail *err) {
  identity of = {.determinism_class = r->determinism_class,
                 .mode = c->mode->name,
                 .token_unit = r->model ? r->model->token_unit : c->mode->token_unit,
                 .parameters = r->parameters,
                 .seed = p->job->seed,
                 .task_set = &p->tasks.content};
  if (!r->model) return identity_json(&of, out, err);
  text rules;
  text_open(&rules, RULES_BYTES_MAX);
  text_format(&rules, "%s %s", c->mode->rules, protocol_rules(r->rules.protocol));
  identity_model with = {.rules = text_string(&rules),
                         .model = &r->model->hash,
                         .tokenizer = &r->model->tokenizer_hash,
                         .begin = r->rules.begin,
                         .begin_count = r->rules.begin_count,
                         .ends = r->rules.ends,
                         .end_count = r->rules.end_count};
  of.model = &with;
  status s = text_state(&rules, err);
  if (!s) s = identity_json(&of, out, err);
  text_close(&rules);
  return s;
}
