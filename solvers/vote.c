#include "solvers/vote.h"

#include "solvers/independent_internal.h"

#include <string.h>

static status resolve(json_t *parameters, detail *err) {
  if (!json_object_get(parameters, "n")) {
    return fault(err, E_INPUT, "mode vote needs 'n', the number of threads that vote, 1 to %d",
                 (int)VOTE_THREADS_MAX);
  }
  return independent_resolve(parameters, err);
}

static status vote_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  json_int_t n = json_integer_value(json_object_get(setup->parameters, "n"));
  REQUIRE(n >= 1 && n <= VOTE_THREADS_MAX);
  independent *s;
  status failed = independent_open(&s, (uint32_t)n, setup, memory, err);
  if (!failed) *state = s;
  return failed;
}

/* Its memory is the arena's. */
static void vote_close(void *state) {
  (void)state;
}

static int same(const char *a, const char *b) {
  return a && b && !strcmp(a, b);
}

/* Votes for the key that thread i is the lowest to hold; 0 where it is not. */
static int64_t votes_for(const char *const *keys, size_t threads, size_t i) {
  for (size_t j = 0; j < i; j++) {
    if (same(keys[j], keys[i])) return 0;
  }
  int64_t votes = 0;
  for (size_t j = i; j < threads; j++)
    votes += same(keys[j], keys[i]);
  return votes;
}

vote_count vote_tally(const char *const *keys, const double *scores, size_t threads) {
  vote_count c = {.winner = -1};
  double sum = 0;
  for (size_t i = 0; i < threads; i++) {
    int64_t votes = votes_for(keys, threads, i);
    c.voters += keys[i] != NULL;
    if (!votes || votes < c.votes) continue;
    if (votes > c.votes) {
      c = (vote_count){.voters = c.voters, .votes = votes, .winner = (int64_t)i};
      sum = 0;
    }
    c.tied++;
    if (scores) sum += scores[i];
  }
  if (c.tied) c.score = sum / (double)c.tied;
  return c;
}

static status count_votes(const independent *s, const mode_output *out, detail *err) {
  const char *keys[VOTE_THREADS_MAX];
  for (uint32_t i = 0; i < s->count; i++)
    keys[i] = s->threads[i].key;
  int64_t winner = vote_tally(keys, NULL, s->count).winner;
  return independent_done(winner < 0 ? MODE_NOBODY : (mode_thread)winner, out, err);
}

static status vote_on(void *state, const mode_event *e, const mode_output *out, detail *err) {
  independent *s = state;
  if (e->kind == MODE_START) return independent_spawn(s, "voter", out, err);
  status failed = independent_ended(s, e, out, err);
  if (failed || s->answered < s->count) return failed;
  return count_votes(s, out, err);
}

static const mode_machine machine = {.open = vote_open, .close = vote_close, .on = vote_on};

const mode vote_mode = {.name = "vote",
                        .rules = "vote-1",
                        .options = independent_options,
                        .option_count = 1 + INDEPENDENT_OPTIONS,
                        .resolve = resolve,
                        .has_voters = 1,
                        .machine = &machine};
