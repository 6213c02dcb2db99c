#include "solvers/search_internal.h"

#include <string.h>

const char *span_name(span_kind kind) {
  static const char *const names[] = {"prompt", "generated", "cut", "fed"};
  return names[kind];
}

static void find_factors(search *s) {
  for (int64_t f = 2; f <= s->problem->target; f++) {
    if (s->problem->target % f) continue;
    REQUIRE(s->factor_count < (int)(sizeof s->factors / sizeof s->factors[0]));
    s->factors[s->factor_count++] = f;
  }
}

static void run_alone(search *s) {
  writer *w = search_thread_new(s, "0", -1, -1);
  node *root = w ? search_root(s) : NULL;
  if (!root) return;
  const node *goal =
      s->options->kind == SEARCH_DFS ? search_depth_first(w, root) : search_best_first(w, root);
  w->thread->solved = goal != NULL;
  if (!w->thread->capped) w->thread->turns++;
}

static void run_workers(search *s) {
  node *root = search_root(s);
  if (root) search_gang(s, root);
}

status search_run(search_result *out, const countdown_problem *problem,
                  const search_options *options, uint64_t seed, const hash *task, uint32_t repeat,
                  arena *memory, detail *err) {
  REQUIRE(options->kind == SEARCH_DFS ||
          (options->beam >= 1 && options->beam <= COUNTDOWN_SUCCESSORS_MAX));
  REQUIRE(options->kind != SEARCH_HOGWILD ||
          (options->workers >= 1 && options->workers <= LAYOUT_WORKERS_MAX));
  *out = (search_result){0};
  search s = {.problem = problem,
              .options = options,
              .seed = seed,
              .task = task,
              .repeat = repeat,
              .memory = memory,
              .result = out};
  find_factors(&s);
  if (options->kind == SEARCH_HOGWILD) {
    run_workers(&s);
  } else {
    run_alone(&s);
  }
  if (!s.failed) return OK;
  search_close(out);
  if (s.why.text[0]) return fault(err, s.failed, "%s", s.why.text);
  if (s.failed == E_LIMIT) {
    return fault(err, E_LIMIT,
                 "a trace of more than %d bytes, or %d in all threads; bound the search by "
                 "limit.context or a beam",
                 (int)SEARCH_TEXT_BYTES_MAX, (int)SEARCH_ALL_BYTES_MAX);
  }
  return arena_full(memory, err);
}

void search_close(search_result *r) {
  for (int i = 0; i < r->thread_count; i++)
    text_close(&r->threads[i]->written);
  *r = (search_result){0};
}

int search_solved(const search_result *r) {
  return r->answer >= 0 && r->threads[r->answer]->solved;
}

int search_turns(const search_thread *t) {
  return t->turns + (t->capped || t->turns == 0);
}

/* Each span's turn is the number of cut spans before it; the cut itself ends its turn. */
int search_turn(const search_thread *t, int turn, text *out, turn_span *spans) {
  int count = 0, at_turn = 0;
  for (int i = 0; i < t->span_count && at_turn <= turn; i++) {
    const search_span *span = &t->spans[i];
    int is_cut = span->kind == SPAN_CUT;
    if (!is_cut || at_turn == turn) {
      const char *kind = span->kind == SPAN_PROMPT ? "prompt"
                         : span->kind == SPAN_FED  ? "fed"
                         : at_turn < turn          ? "kept"
                                                   : "generated";
      if (spans) spans[count] = (turn_span){kind, out->bytes, span->bytes};
      count++;
      text_add(out, t->written.data + span->start, span->bytes);
    }
    at_turn += is_cut;
  }
  return count;
}

/* Of one thread: what it cost and its longest sequence. */
typedef struct thread_sums {
  int64_t prompt, fed, generated; /* begin and ends of sequence included */
  int64_t longest, peak;          /* with and without the last end of sequence */
} thread_sums;

static thread_sums sum_thread(const search_thread *t) {
  thread_sums sums = {.prompt = 1};
  int64_t context = 1;
  for (int i = 0; i < t->span_count; i++) {
    const search_span *span = &t->spans[i];
    context += span->tokens;
    if (span->kind == SPAN_PROMPT) sums.prompt += span->tokens;
    if (span->kind == SPAN_FED) sums.fed += span->tokens;
    if (span->kind == SPAN_GENERATED || span->kind == SPAN_CUT) sums.generated += span->tokens;
    if (context > sums.peak) sums.peak = context;
    int interrupted = t->capped && i + 1 == t->span_count;
    if (span->kind == SPAN_CUT && !interrupted) {
      if (context + 1 > sums.longest) sums.longest = context + 1;
      context -= span->tokens;
    }
  }
  int64_t last = context + !t->capped;
  if (last > sums.longest) sums.longest = last;
  sums.generated += t->turns;
  return sums;
}

/* Generated tokens of the parent up to the end of its turn with this number. */
static int64_t generated_through(const search_thread *parent, int turn) {
  int64_t tokens = 0;
  int at_turn = 0;
  for (int i = 0; i < parent->span_count && at_turn <= turn; i++) {
    const search_span *span = &parent->spans[i];
    if (span->kind == SPAN_GENERATED || span->kind == SPAN_CUT) tokens += span->tokens;
    if (span->kind == SPAN_CUT) {
      tokens++; /* the end of sequence after the call */
      at_turn++;
    }
  }
  return tokens;
}

/* Places a round's children behind the parent's turn and returns the longest of them. */
static int64_t place_round(const search_result *r, int round, int64_t start, int64_t spawn_token,
                           search_times *times, int64_t *longest_with_prompt) {
  int64_t longest = 0;
  *longest_with_prompt = 0;
  for (int i = 1; i < r->thread_count; i++) {
    if (r->threads[i]->round != round) continue;
    search_times *t = &times[i];
    if (t->tokens_generated > longest) longest = t->tokens_generated;
    int64_t with_prompt = t->tokens_prompt + t->tokens_generated;
    if (with_prompt > *longest_with_prompt) *longest_with_prompt = with_prompt;
  }
  for (int i = 1; i < r->thread_count; i++) {
    if (r->threads[i]->round != round) continue;
    search_times *t = &times[i];
    t->start = start;
    t->end = start + t->tokens_generated;
    t->wait = longest - t->tokens_generated;
    t->spawn_token = t->join_token = spawn_token;
  }
  return longest;
}

search_costs search_account(const search_result *r, search_times *times) {
  if (r->threads[0]->worker >= 0) return search_gang_account(r, times);
  search_costs costs = {0};
  for (int i = 0; i < r->thread_count; i++) {
    thread_sums sums = sum_thread(r->threads[i]);
    times[i] = (search_times){.tokens_prompt = sums.prompt,
                              .tokens_fed = sums.fed,
                              .tokens_generated = sums.generated,
                              .spawn_token = -1,
                              .join_token = -1};
    costs.tokens_prompt += sums.prompt;
    costs.tokens_injected += sums.fed;
    costs.tokens_generated += sums.generated;
    if (sums.longest > costs.longest_sequence) costs.longest_sequence = sums.longest;
    if (sums.peak > costs.context_peak) costs.context_peak = sums.peak;
  }
  costs.tokens_total = costs.tokens_prompt + costs.tokens_injected + costs.tokens_generated;
  int64_t waited = 0, waited_with_prompts = 0; /* for children, over the rounds so far */
  for (int round = 0; r->thread_count > 1 && round < r->rounds; round++) {
    int64_t spawn = generated_through(r->threads[0], round), with_prompt = 0;
    waited += place_round(r, round, spawn + waited, spawn, times, &with_prompt);
    waited_with_prompts += with_prompt;
  }
  for (int i = 1; i < r->thread_count; i++)
    costs.wait_steps += times[i].wait;
  costs.critical_path = times[0].tokens_generated + waited;
  costs.critical_path_injected =
      times[0].tokens_generated + times[0].tokens_fed + waited_with_prompts;
  times[0].end = costs.critical_path;
  return costs;
}
