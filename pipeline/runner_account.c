/* What a sample cost, from what its threads hold: the same on every schedule. */
#include "base/hash.h"
#include "base/memory.h"
#include "pipeline/runner_internal.h"
#include "solvers/trace_nodes.h"

#include <string.h>

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* ---- work ------------------------------------------------------------------------------------ */

/* Whether a turn's last token is in this span: within a turn only what was cut follows what stayed.
 */
static int ends_turn(const runner_thread *t, int at) {
  const runner_span *span = &t->spans[at], *next = span + 1;
  if (!span_is_sampled(span) || at + 1 == t->span_count) return span_is_sampled(span);
  int goes_on = span->kind == THREAD_GENERATED && next->kind == THREAD_CUT &&
                next->step == span->step + (int64_t)span->count;
  return !goes_on;
}

/* Of a thread's tokens those that went through the model. One that was sampled last is nobody's
   input, unless the thread was fed behind it. A token attends to those that the thread held, and
   itself. */
static void add_work(runner_costs *costs, const runner_thread *t, const model_config *c) {
  int64_t rows = t->rows, keys = t->keys, held = 0, cut = 0;
  if (!t->generated) return;
  for (int i = 0; t->worker < 0 && i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    int is_cut = span->kind == THREAD_CUT, is_last = i + 1 == t->span_count;
    int64_t went = (int64_t)span->count - (is_last || (is_cut && ends_turn(t, i)));
    if (!is_cut) held -= cut;
    if (!is_cut) cut = 0; /* it left when something was fed behind it */
    rows += went;
    keys += went * held + went * (went + 1) / 2;
    held += (int64_t)span->count;
    if (span_is_cut(span)) cut += (int64_t)span->count;
  }
  double vocabulary = (double)c->vocabulary * c->hidden;
  double inner = (double)config_product_parameters(c) - vocabulary;
  double attention = 4.0 * c->layers * c->heads * c->head_size;
  costs->flops +=
      2 * inner * (double)rows + 2 * vocabulary * (double)t->generated + attention * (double)keys;
  costs->kv_token_steps += keys;
}

/* ---- time with what was put in ----------------------------------------------------------------
 */

typedef struct tree {
  const runner_thread *threads; /* [count] */
  int count;
  int64_t last; /* of all threads */
} tree;

static int64_t weigh(tree *t, int thread, int64_t at);

/* Where a thread goes on that came to its n-th token at a weighted step, and called children there.
 */
static int64_t weigh_children(tree *t, int thread, int64_t n, int64_t at) {
  int64_t joined = at;
  for (int i = thread + 1; i < t->count; i++) {
    const runner_thread *child = &t->threads[i];
    if (child->parent != thread || child->spawned_at != n || child->why) continue;
    int64_t end = weigh(t, i, at);
    if (child->joined_at >= 0) joined = larger(joined, end);
  }
  return joined;
}

/* The weighted step at which a thread ends that began at one: a prompt, but a root's, and what it
   was fed take as many as they have tokens. As deep as the tree is. */
static int64_t weigh(tree *t, int thread, int64_t at) {
  const runner_thread *own = &t->threads[thread];
  int64_t n = 0;
  if (own->parent >= 0) at += own->prompt;
  if (!own->generated) at = weigh_children(t, thread, 0, at);
  for (int i = 0; i < own->span_count; i++) {
    const runner_span *span = &own->spans[i];
    if (span->kind != THREAD_PROMPT) at += (int64_t)span->count;
    if (span_is_sampled(span)) n += (int64_t)span->count;
    if (ends_turn(own, i)) at = weigh_children(t, thread, n, at);
  }
  t->last = larger(t->last, at);
  return at;
}

/* Who begins later begins when all others have ended. */
static int64_t injected_path(const runner_thread *threads, int count) {
  tree t = {.threads = threads, .count = count};
  for (int i = 0; i < count; i++) {
    if (threads[i].parent < 0) (void)weigh(&t, i, threads[i].start ? t.last : 0);
  }
  return t.last;
}

/* ---- texts ------------------------------------------------------------------------------------
 */

static int is_end(const runner_rules *r, uint32_t token) {
  int i = 0;
  while (i < r->end_count && r->ends[i] != token)
    i++;
  return i < r->end_count;
}

/* How often it wrote an end of sequence. */
static int64_t count_ends(const runner_rules *r, const runner_thread *t) {
  int64_t ends = 0;
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    for (size_t k = 0; span_is_sampled(span) && k < span->count; k++)
      ends += is_end(r, t->tokens[span->start + k]);
  }
  return ends;
}

static int64_t ref_tokens(const runner_rules *r, const runner_thread *t) {
  if (!t->prompt) return 0;
  int64_t written = protocol_ref_tokens(r->protocol, text_string(&t->text), t->text.bytes);
  return written < 0 ? -1 : written + r->begin_count + count_ends(r, t);
}

/* What a join repeats was searched elsewhere; what a finisher is fed says where a search ends. What
   a worker writes does not go on behind the prompt that all see: its first line is one. */
static void put_searched(const runner_thread *t, text *out) {
  for (int i = 0; i < t->span_count; i++) {
    const runner_span *span = &t->spans[i];
    int is_shared = t->worker >= 0 && span->kind == THREAD_PROMPT;
    if (is_shared || (span_is_fed(span) && !span->is_finisher)) continue;
    text_add(out, text_string(&t->text) + span->text_start, span->text_bytes);
  }
}

static status count_searched(const runner_thread *threads, int count, trace_slice *slices,
                             text *texts, runner_costs *costs, detail *err) {
  trace_nodes nodes;
  status failed = OK;
  for (int i = 0; !failed && i < count; i++) {
    text_open(&texts[i], TOKENIZER_TEXT_MAX);
    put_searched(&threads[i], &texts[i]);
    failed = text_state(&texts[i], err);
    slices[i] = (trace_slice){text_string(&texts[i]), texts[i].bytes};
  }
  if (!failed) failed = trace_nodes_count(slices, count, &nodes, err);
  if (failed) return failed;
  costs->nodes_explored = nodes.explored;
  costs->nodes_duplicate = nodes.duplicate;
  return OK;
}

static status count_nodes(const runner_rules *r, const runner_thread *threads, int count,
                          runner_costs *costs, detail *err) {
  costs->nodes_explored = costs->nodes_duplicate = -1;
  if (strcmp(protocol_kind(r->protocol), "countdown") != 0) return OK;
  trace_slice *slices = memory_take((size_t)(count + 1) * sizeof *slices);
  text *texts = memory_zeroed((size_t)count + 1, sizeof *texts);
  status failed = slices && texts
                      ? count_searched(threads, count, slices, texts, costs, err)
                      : fault(err, E_MEMORY, "no memory to account for %d threads", count);
  for (int i = 0; texts && i < count; i++)
    text_close(&texts[i]);
  memory_free(texts);
  memory_free(slices);
  return failed;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void add_thread(runner_costs *costs, const runner_thread *t) {
  costs->tokens_prompt += t->prompt;
  costs->tokens_generated += t->generated;
  costs->tokens_injected += t->fed;
  costs->tokens_finisher += t->finisher;
  costs->critical_path = larger(costs->critical_path, t->finish);
  int64_t held = t->worker < 0 ? (int64_t)t->held_most : t->view_most;
  costs->longest_sequence = larger(costs->longest_sequence, held);
}

int64_t runner_sample_waited(const runner_sample *s, int thread) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count), *own = &threads[thread];
  int64_t last = 0;
  if (own->parent >= 0) return own->waited;
  for (int i = 0; i < count; i++) {
    if (threads[i].parent < 0 && !threads[i].start) last = larger(last, threads[i].finish);
  }
  return own->start ? 0 : last - own->finish;
}

status runner_account(const runner_sample *s, const model_config *c, runner_costs *out,
                      detail *err) {
  int count;
  const runner_thread *threads = runner_sample_threads(s, &count);
  const runner_rules *rules = runner_sample_task(s)->rules;
  runner_costs costs = {0};
  for (int i = 0; i < count; i++) {
    int64_t ref = ref_tokens(rules, &threads[i]);
    costs.tokens_ref = ref < 0 || costs.tokens_ref < 0 ? -1 : costs.tokens_ref + ref;
    add_thread(&costs, &threads[i]);
    add_work(&costs, &threads[i], c);
  }
  for (int i = 0; i < count; i++)
    costs.wait_steps += runner_sample_waited(s, i);
  costs.critical_path_injected = injected_path(threads, count);
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
