/* Drawn operations on a cache against plain arrays: tokens, bits of every slot, what is found, what
   is refused and why, and that no page is lost. An argument says how often each play is drawn. */
#include "base/random.h"
#include "tests/engine/cache_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAYERS = 12, TEXTS = 8, TOKEN_KINDS = 3, TRIE_MAX = 1 << 21 };
static int times = 1; /* that each play is drawn */

typedef enum operation {
  NEW,
  FIND,
  APPEND,
  COMMIT,
  FORK,
  SPLICE,
  TRUNCATE,
  FREE,
  SWAP_OUT,
  SWAP_IN,
  OPERATIONS
} operation;

typedef struct player {
  plain_segment s;
  int is_live, is_out, is_pending;
} player;

typedef struct play {
  cache_world w;
  const cache_options *o;
  random_stream draw;
  player players[PLAYERS];
  uint32_t text[TEXTS][WORLD_TOKENS]; /* drawn tokens follow these, so that heads are shared */
  int done[OPERATIONS], refused[OPERATIONS];
} play;

static const struct {
  const char *name, *backend;
  cache_options o;
  int operations;
} plays[] = {
    {"scarce", "reference", {.pages = 30, .segments = 10, .swap_pages = 12, .share = 1}, 30000},
    {"scarcer", "reference", {.pages = 14, .segments = 9, .swap_pages = 30, .share = 1}, 30000},
    {"cpu", "cpu", {.pages = 30, .segments = 10, .swap_pages = 12, .share = 1}, 15000},
    {"alone", "reference", {.pages = 30, .segments = 10, .swap_pages = 12}, 15000},
    {"ample", "reference", {.pages = 20000, .segments = 10, .swap_pages = 200, .share = 1}, 15000},
};
enum { PLAYS = sizeof plays / sizeof plays[0] };

/* ---- all that was ever computed -------------------------------------------------------------- */

static int32_t trie[TRIE_MAX][TOKEN_KINDS]; /* of causal tokens; 0: no child */
static int trie_count = 1;

static void trie_add(const plain_segment *s) {
  for (int i = 0, at = 0; i < s->causal; i++) {
    int32_t *child = &trie[at][s->token[i]];
    if (!*child) {
      ck_assert_int_lt(trie_count, TRIE_MAX);
      *child = trie_count++;
    }
    at = *child;
  }
}

static int trie_depth(const uint32_t *tokens, int count) {
  int n = 0;
  for (int at = 0; n < count && trie[at][tokens[n]]; n++)
    at = trie[at][tokens[n]];
  return n;
}

/* What segments that are in and computed hold of a text. */
static int held(const play *p, const uint32_t *tokens, int count) {
  int longest = 0;
  for (int i = 0; i < PLAYERS; i++) {
    const player *one = &p->players[i];
    int n = 0, computed = one->is_live && !one->is_out && !one->is_pending ? one->s.causal : 0;
    while (n < count && n < computed && one->s.token[n] == tokens[n])
      n++;
    if (n > longest) longest = n;
  }
  return longest;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static int below(play *p, int bound) {
  return (int)random_below(&p->draw, (uint32_t)bound);
}

static int room_of(const play *p) {
  cache_counters n = cache_count(p->w.cache);
  return n.pages_known + n.pages_free;
}

static player *drawn(play *p, int is_out) {
  int from = below(p, PLAYERS);
  for (int i = 0; i < PLAYERS; i++) {
    player *one = &p->players[(from + i) % PLAYERS];
    if (one->is_live && one->is_out == is_out) return one;
  }
  return NULL;
}

static player *vacant(play *p) {
  for (int i = 0; i < PLAYERS; i++)
    if (!p->players[i].is_live) return &p->players[i];
  return NULL;
}

static void draw_texts(play *p) {
  for (int t = 0; t < TEXTS; t++) {
    int from = t ? below(p, t) : 0, head = t ? below(p, WORLD_TOKENS) : 0;
    for (int i = 0; i < WORLD_TOKENS; i++)
      p->text[t][i] = i < head ? p->text[from][i] : random_below(&p->draw, TOKEN_KINDS);
  }
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Each gives OK, E_LIMIT where it was refused, or NOT_TRIED where there was nothing to do it to. */
enum { NOT_TRIED = -1 };

static int play_commit(play *p) {
  cache_commit(p->w.cache);
  for (int i = 0; i < PLAYERS; i++) {
    player *one = &p->players[i];
    if (one->is_live && one->is_pending) trie_add(&one->s);
    one->is_pending = 0;
  }
  return OK;
}

static void settle(play *p, const player *one) {
  if (one->is_pending) play_commit(p);
}

static int has_place(const play *p) {
  return cache_count(p->w.cache).segments < p->o->segments;
}

static int play_new(play *p) {
  player *one = vacant(p);
  if (!one) return NOT_TRIED;
  int may = has_place(p), result = (int)world_new(&p->w, &one->s);
  ck_assert_int_eq(result == OK, may);
  one->is_live = !result;
  return result;
}

static int play_find(play *p) {
  player *one = vacant(p);
  if (!one) return NOT_TRIED;
  const uint32_t *tokens = p->text[below(p, TEXTS)];
  int count = below(p, WORLD_TOKENS + 1), may = has_place(p), best = held(p, tokens, count);
  int has_free = cache_count(p->w.cache).pages_free > 0;
  int result = (int)world_find(&p->w, tokens, count, &one->s);
  ck_assert_int_eq(result == OK, may);
  if (result) return result;
  int found = one->s.count, ever = trie_depth(tokens, count);
  one->is_live = 1;
  ck_assert_int_le(found, p->o->share ? ever : 0);
  if (!p->o->share) return result;
  ck_assert_int_ge(found, has_free ? best : best - best % WORLD_KEYS);
  if (!cache_count(p->w.cache).evicted && has_free) ck_assert_int_eq(found, ever);
  return result;
}

static int play_append(play *p) {
  player *one = drawn(p, 0);
  if (!one) return NOT_TRIED;
  uint32_t tokens[WORLD_TOKENS];
  const uint32_t *text = p->text[below(p, TEXTS)];
  int count = below(p, 8) ? below(p, 20) : below(p, WORLD_TOKENS);
  for (int i = 0; i < count; i++) {
    int at = one->s.count + i;
    tokens[i] = at < WORLD_TOKENS && below(p, 40) ? text[at] : random_below(&p->draw, TOKEN_KINDS);
  }
  int needed = segment_pages_for(p->w.cache, one->s.id, count), room = room_of(p);
  int may = needed <= room && one->s.count + count <= WORLD_TOKENS;
  int result = (int)world_append(&p->w, &one->s, tokens, count, below(p, 6) > 0);
  ck_assert_int_eq(result == OK, may);
  if (!result && count) one->is_pending = 1;
  return result;
}

static int play_fork(play *p) {
  player *from = drawn(p, 0), *one = vacant(p);
  if (!from || !one) return NOT_TRIED;
  settle(p, from);
  int tokens = below(p, from->s.count + 1), room = room_of(p);
  int may = has_place(p) && (tokens % WORLD_KEYS == 0 || room > 0);
  int result = (int)world_fork(&p->w, &from->s, tokens, &one->s);
  ck_assert_int_eq(result == OK, may);
  one->is_live = !result;
  return result;
}

static int play_splice(play *p) {
  player *to = drawn(p, 0), *from = drawn(p, 0);
  if (!to || to == from) return NOT_TRIED;
  settle(p, to);
  settle(p, from);
  int count = from->s.count, needed = segment_pages_for(p->w.cache, to->s.id, count);
  int may = needed <= room_of(p) && to->s.count + count <= WORLD_TOKENS;
  int result = (int)world_splice(&p->w, &to->s, &from->s);
  ck_assert_int_eq(result == OK, may);
  if (!result) world_same(&p->w, &from->s);
  return result;
}

static int play_truncate(play *p) {
  player *one = drawn(p, 0);
  if (!one) return NOT_TRIED;
  int most = one->s.count + 1, cut = below(p, most < 20 ? most : 20), room = room_of(p);
  int tokens = below(p, 3) ? one->s.count - cut : below(p, most);
  int result = (int)world_truncate(&p->w, &one->s, tokens);
  if (result) ck_assert(tokens % WORLD_KEYS && !room);
  return result;
}

static int play_free(play *p) {
  player *one = drawn(p, !below(p, 4));
  if (!one) return NOT_TRIED;
  world_free(&p->w, &one->s);
  *one = (player){0};
  return OK;
}

static int play_swap_out(play *p) {
  player *one = drawn(p, 0);
  if (!one) return NOT_TRIED;
  settle(p, one);
  int pages = (one->s.count + WORLD_KEYS - 1) / WORLD_KEYS;
  int may = pages <= p->o->swap_pages - cache_count(p->w.cache).swapped;
  int result = (int)world_swap(&p->w, &one->s, 1);
  ck_assert_int_eq(result == OK, may);
  one->is_out = !result;
  return result;
}

static int play_swap_in(play *p) {
  player *one = drawn(p, 1);
  if (!one) return NOT_TRIED;
  int needed = segment_pages_for(p->w.cache, one->s.id, 0), room = room_of(p);
  int result = (int)world_swap(&p->w, &one->s, 0);
  if (result) ck_assert_int_gt(needed, room);
  one->is_out = result != OK;
  return result;
}

/* ---- a play ---------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int (*run)(play *);
  int weight;
} operations[OPERATIONS] = {
    [NEW] = {"new", play_new, 2},
    [FIND] = {"find", play_find, 6},
    [APPEND] = {"append", play_append, 16},
    [COMMIT] = {"commit", play_commit, 6},
    [FORK] = {"fork", play_fork, 3},
    [SPLICE] = {"splice", play_splice, 2},
    [TRUNCATE] = {"truncate", play_truncate, 4},
    [FREE] = {"free", play_free, 6},
    [SWAP_OUT] = {"swap out", play_swap_out, 3},
    [SWAP_IN] = {"swap in", play_swap_in, 3},
};

static void play_one(play *p) {
  int total = 0, at = 0;
  for (int i = 0; i < OPERATIONS; i++)
    total += operations[i].weight;
  int draw = below(p, total);
  for (; draw >= operations[at].weight; at++)
    draw -= operations[at].weight;
  int result = operations[at].run(p);
  p->done[at] += result == OK;
  p->refused[at] += result > 0;
}

/* All counts from what the players hold: what is wasted is less than a page a segment. */
static void same_counts(const play *p) {
  cache_counters n = cache_count(p->w.cache);
  int segments = 0, in = 0, swapped = 0;
  for (int i = 0; i < PLAYERS; i++) {
    const player *one = &p->players[i];
    segments += one->is_live;
    in += one->is_live && !one->is_out;
    if (one->is_out) swapped += (one->s.count + WORLD_KEYS - 1) / WORLD_KEYS;
  }
  ck_assert_int_eq(n.segments, segments);
  ck_assert_int_eq(n.swapped, swapped);
  ck_assert_int_eq(n.pages_used + n.pages_known + n.pages_free, n.pages);
  ck_assert_int_ge(n.slots_waste, 0);
  ck_assert_int_le(n.slots_waste, in * (WORLD_KEYS - 1));
}

static void same_players(play *p) {
  for (int i = 0; i < PLAYERS; i++)
    if (p->players[i].is_live) world_same(&p->w, &p->players[i].s);
}

static void print_done(const play *p, const char *name) {
  cache_counters n = cache_count(p->w.cache);
  (void)printf("%-8s", name);
  for (int i = 0; i < OPERATIONS; i++)
    (void)printf(" %s %d/%d", operations[i].name, p->done[i], p->refused[i]);
  (void)printf("; copied %lld evicted %lld merged %lld found %lld known at swap %lld\n",
               (long long)n.copied, (long long)n.evicted, (long long)n.merged,
               (long long)n.found_tokens, (long long)n.swap_known);
}

/* The play has met what it is there for. */
static void has_met(const play *p, int is_ample) {
  cache_counters n = cache_count(p->w.cache);
  for (int i = 0; i < OPERATIONS; i++) {
    int never = i == COMMIT || i == FREE || is_ample || (i == TRUNCATE && p->o->pages > 20);
    ck_assert_msg(p->done[i] > 50, "%s was done %d times", operations[i].name, p->done[i]);
    ck_assert_msg(never || p->refused[i] > 0, "%s was never refused", operations[i].name);
  }
  ck_assert_int_gt(n.copied, 50);
  if (p->o->share && !is_ample) ck_assert_int_gt(n.evicted, 50);
  if (is_ample) ck_assert_int_eq(n.evicted, 0);
  if (p->o->share) ck_assert_int_gt(n.merged, 10);
  if (p->o->share) ck_assert_int_gt(n.swap_known, 10);
}

static void end_play(play *p) {
  for (int i = 0; i < PLAYERS; i++)
    if (p->players[i].is_live) world_free(&p->w, &p->players[i].s);
  cache_counters n = cache_count(p->w.cache);
  ck_assert_int_eq(n.pages_used, 0);
  ck_assert_int_eq(n.pages_known + n.pages_free, n.pages);
  ck_assert_int_eq(n.swapped, 0);
  ck_assert_int_eq(n.segments, 0);
  ck_assert_int_eq(n.slots_waste, 0);
  world_close(&p->w);
}

START_TEST(drawn_operations) {
  static play p;
  int kind = _i % PLAYS;
  p = (play){.draw = random_start((random_key){{11, (uint32_t)_i}}), .o = &plays[kind].o};
  memset(trie, 0, (size_t)trie_count * sizeof *trie);
  trie_count = 1;
  world_open(&p.w, plays[kind].backend, plays[kind].o, 0);
  for (int i = 0; i < plays[kind].operations; i++) {
    if (i % 4000 == 0) draw_texts(&p);
    play_one(&p);
    same_counts(&p);
    if (i % 16 == 0) same_players(&p);
    if (i % 64 == 0) world_check(&p.w);
  }
  print_done(&p, plays[kind].name);
  has_met(&p, !strcmp(plays[kind].name, "ample"));
  end_play(&p);
}
END_TEST

int main(int argc, char **argv) {
  if (argc > 1) times = atoi(argv[1]);
  Suite *suite = suite_create("segment_random");
  TCase *all = tcase_create("drawn");
  tcase_add_loop_test(all, drawn_operations, 0, PLAYS * times);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
