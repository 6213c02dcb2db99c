#include "pipeline/same.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { LINES_MAX = 12 };

typedef struct report {
  text *out;
  int count;
  int thread; /* -1: of the sample */
} report;

static void start_line(report *r) {
  text_put(r->out, "  ");
  if (r->thread >= 0) text_format(r->out, "thread %d: ", r->thread);
}

/* Counts a difference, and says whether there is room for its line. */
static int has_room(report *r) {
  if (r->count++ >= LINES_MAX) return 0;
  start_line(r);
  return 1;
}

static void compare_integers(report *r, const char *name, int64_t made, int64_t stored) {
  if (made == stored || !has_room(r)) return;
  text_format(r->out, "%s is ", name);
  made == STORE_NONE ? text_put(r->out, "none") : text_int(r->out, made);
  text_put(r->out, ", stored ");
  stored == STORE_NONE ? text_put(r->out, "none") : text_int(r->out, stored);
  text_char(r->out, '\n');
}

static void compare_reals(report *r, const char *name, double made, double stored) {
  int same = made == stored || (isnan(made) && isnan(stored));
  if (same || !has_room(r)) return;
  text_format(r->out, "%s is %.17g, stored %.17g\n", name, made, stored);
}

static void put_shown(text *out, const char *value) {
  enum { SHOWN_BYTES = 40 };
  if (!value) {
    text_put(out, "none");
    return;
  }
  size_t bytes = strlen(value);
  text_char(out, '"');
  text_printable(out, value, bytes < SHOWN_BYTES ? bytes : SHOWN_BYTES);
  text_put(out, bytes < SHOWN_BYTES ? "\"" : "...\"");
}

static void compare_texts(report *r, const char *name, const char *made, const char *stored) {
  int same = made && stored ? !strcmp(made, stored) : made == stored;
  if (same || !has_room(r)) return;
  text_format(r->out, "%s is ", name);
  put_shown(r->out, made);
  text_put(r->out, ", stored ");
  put_shown(r->out, stored);
  text_char(r->out, '\n');
}

/* ---- costs ----------------------------------------------------------------------------------- */

#define COST(name)                                                                                 \
  { #name, offsetof(store_costs, name) }
static const struct {
  const char *name;
  size_t at;
} costs[] = {COST(tokens_generated),     COST(tokens_injected),
             COST(tokens_prompt),        COST(tokens_finisher),
             COST(tokens_total),         COST(tokens_ref),
             COST(seq_critical_path),    COST(seq_critical_path_injected),
             COST(seq_longest_sequence), COST(seq_forwards),
             COST(context_peak),         COST(wait_steps),
             COST(kv_token_steps),       COST(nodes_explored),
             COST(nodes_duplicate),      COST(children),
             COST(children_refused),     COST(rounds)};

static void compare_costs(report *r, const store_costs *made, const store_costs *stored) {
  for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
    int64_t a, b;
    memcpy(&a, (const char *)made + costs[i].at, sizeof a);
    memcpy(&b, (const char *)stored + costs[i].at, sizeof b);
    compare_integers(r, costs[i].name, a, b);
  }
  int none = made->flops < 0 && stored->flops < 0;
  if (!none) compare_reals(r, "flops", made->flops, stored->flops);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void compare_ids(report *r, const store_thread *made, const store_thread *stored) {
  size_t common = made->id_count < stored->id_count ? made->id_count : stored->id_count;
  if (!made->ids || !stored->text) return;
  for (size_t i = 0; i < common; i++) {
    if (made->ids[i] == stored->ids[i]) continue;
    if (has_room(r)) {
      text_format(r->out, "token %zu is %" PRIu32 ", stored %" PRIu32 "\n", i, made->ids[i],
                  stored->ids[i]);
    }
    return;
  }
  compare_integers(r, "its number of tokens", (int64_t)made->id_count, (int64_t)stored->id_count);
}

static void compare_logprobs(report *r, const store_thread *made, const store_thread *stored) {
  size_t common =
      made->logprob_count < stored->logprob_count ? made->logprob_count : stored->logprob_count;
  if (!made->logprobs || !stored->logprobs) return;
  for (size_t i = 0; i < common; i++) {
    if (!memcmp(&made->logprobs[i], &stored->logprobs[i], sizeof made->logprobs[i])) continue;
    if (has_room(r)) {
      text_format(r->out, "log-probability %zu is %.9g, stored %.9g\n", i,
                  (double)made->logprobs[i], (double)stored->logprobs[i]);
    }
    return;
  }
  compare_integers(r, "its number of log-probabilities", (int64_t)made->logprob_count,
                   (int64_t)stored->logprob_count);
}

static void compare_text(report *r, const store_thread *made, const store_thread *stored) {
  if (!stored->text) return;
  int same =
      made->text_bytes == stored->text_bytes && !memcmp(made->text, stored->text, made->text_bytes);
  if (!same && has_room(r)) text_put(r->out, "its text is another\n");
}

static void compare_threads(report *r, const store_thread *made, const store_thread *stored) {
  compare_texts(r, "path", made->path, stored->path);
  compare_texts(r, "role", made->role, stored->role);
  compare_texts(r, "finish", made->finish, stored->finish);
  compare_ids(r, made, stored);
  compare_logprobs(r, made, stored);
  if (made->bits_hash != stored->bits_hash && has_room(r)) {
    text_format(r->out, "bits_hash is %016" PRIx64 ", stored %016" PRIx64 "\n", made->bits_hash,
                stored->bits_hash);
  }
  compare_text(r, made, stored);
  compare_texts(r, "answer", made->answer, stored->answer);
  compare_texts(r, "vote_key", made->vote_key, stored->vote_key);
  compare_integers(r, "parent", made->parent, stored->parent);
  compare_integers(r, "worker", made->worker, stored->worker);
  compare_integers(r, "round", made->round, stored->round);
  compare_integers(r, "spawn_token", made->spawn_token, stored->spawn_token);
  compare_integers(r, "join_token", made->join_token, stored->join_token);
  compare_integers(r, "tokens_prompt", made->tokens_prompt, stored->tokens_prompt);
  compare_integers(r, "tokens_fed", made->tokens_fed, stored->tokens_fed);
  compare_integers(r, "tokens_seen", made->tokens_seen, stored->tokens_seen);
  compare_integers(r, "tokens_generated", made->tokens_generated, stored->tokens_generated);
  compare_integers(r, "logical_start", made->logical_start, stored->logical_start);
  compare_integers(r, "logical_end", made->logical_end, stored->logical_end);
  compare_integers(r, "wait_steps", made->wait_steps, stored->wait_steps);
  if (made->ids) compare_reals(r, "logprob", made->logprob, stored->logprob);
  if (stored->text) compare_texts(r, "layout", made->layout_json, stored->layout_json);
}

int same_differences(const store_sample *made, const store_sample *stored, text *out) {
  report r = {.out = out, .thread = -1};
  compare_texts(&r, "status", made->status, stored->status);
  compare_texts(&r, "limit_met", made->limit_met, stored->limit_met);
  compare_integers(&r, "threads", made->thread_count, stored->thread_count);
  int common =
      made->thread_count < stored->thread_count ? made->thread_count : stored->thread_count;
  for (r.thread = 0; r.thread < common; r.thread++)
    compare_threads(&r, &made->threads[r.thread], &stored->threads[r.thread]);
  r.thread = -1;
  compare_texts(&r, "answer", made->answer, stored->answer);
  compare_texts(&r, "vote_key", made->vote_key, stored->vote_key);
  compare_costs(&r, &made->costs, &stored->costs);
  if (r.count > LINES_MAX) text_format(out, "  and %d more\n", r.count - LINES_MAX);
  return r.count;
}
