/* What a sample cost, from what its threads hold: the same on every schedule. */
#include "base/hash.h"
#include "base/memory.h"
#include "pipeline/runner.h"
#include "solvers/trace_nodes.h"

#include <string.h>

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* Of a thread's tokens those that went through the model, the last one sampled being nobody's
   input; token i attends to i + 1 keys. */
static void add_work(runner_costs *costs, const runner_thread *t, const model_config *c) {
  if (!t->generated) return;
  double rows = (double)(t->count - 1), keys = rows * (rows + 1) / 2;
  double vocabulary = (double)c->vocabulary * c->hidden;
  double inner = (double)config_product_parameters(c) - vocabulary;
  double attention = 4.0 * c->layers * c->heads * c->head_size;
  costs->flops += 2 * inner * rows + 2 * vocabulary * (double)t->generated + attention * keys;
  costs->kv_token_steps += (int64_t)keys;
}

static int64_t ref_tokens(const runner_rules *r, const runner_thread *t) {
  int64_t written = protocol_ref_tokens(r->protocol, text_string(&t->text), t->text.bytes);
  return written < 0 ? -1 : written + r->begin_count + (t->end == MODE_END_TOKEN);
}

static status count_nodes(const runner_rules *r, const runner_thread *threads, int count,
                          runner_costs *costs, detail *err) {
  costs->nodes_explored = costs->nodes_duplicate = -1;
  if (strcmp(protocol_kind(r->protocol), "countdown") != 0) return OK;
  trace_slice *texts = memory_take((size_t)(count + 1) * sizeof *texts);
  trace_nodes nodes;
  if (!texts) return fault(err, E_MEMORY, "no memory to account for %d threads", count);
  for (int i = 0; i < count; i++)
    texts[i] = (trace_slice){text_string(&threads[i].text), threads[i].text.bytes};
  status failed = trace_nodes_count(texts, count, &nodes, err);
  memory_free(texts);
  if (failed) return failed;
  costs->nodes_explored = nodes.explored;
  costs->nodes_duplicate = nodes.duplicate;
  return OK;
}

status runner_account(const runner_sample *s, const model_config *c, runner_costs *out,
                      detail *err) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  const runner_rules *rules = runner_sample_task(s)->rules;
  runner_costs costs = {0};
  for (int i = 0; i < count; i++) {
    const runner_thread *t = &threads[i];
    int64_t ref = ref_tokens(rules, t);
    costs.tokens_prompt += t->prompt;
    costs.tokens_generated += t->generated;
    costs.tokens_injected += t->fed;
    costs.tokens_finisher += t->finisher;
    costs.tokens_ref = ref < 0 || costs.tokens_ref < 0 ? -1 : costs.tokens_ref + ref;
    costs.critical_path = larger(costs.critical_path, t->generated);
    costs.critical_path_injected = larger(costs.critical_path_injected, t->generated + t->fed);
    costs.longest_sequence = larger(costs.longest_sequence, (int64_t)t->count);
    add_work(&costs, t, c);
  }
  for (int i = 0; i < count; i++)
    costs.wait_steps += costs.critical_path - threads[i].generated;
  costs.tokens_total = costs.tokens_prompt + costs.tokens_generated + costs.tokens_injected;
  costs.forwards = costs.critical_path;
  costs.context_peak = costs.longest_sequence;
  *out = costs;
  return count_nodes(rules, threads, count, out, err);
}

uint64_t runner_bits(const runner_thread *t) {
  hash_parts h;
  hash_start(&h);
  hash_part(&h, t->tokens, t->count * sizeof *t->tokens);
  hash_part(&h, t->logprobs, t->count * sizeof *t->logprobs);
  hash_part(&h, t->filtered, t->count * sizeof *t->filtered);
  hash bits = hash_end(&h);
  return hash_head(&bits);
}
