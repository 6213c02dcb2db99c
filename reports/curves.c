#include "reports/contrast_internal.h"

#include <string.h>

/* Above this many units, a draw takes blocks of units: as many as keep the error of the error
   small, and few enough that a job of a million tasks takes no longer than one of a thousand. */
enum { BLOCKS_MAX = 4096 };

/* Sums by block of the tasks that count: what a draw adds up. A block is one unit, or, where there
   are many, the units of equal remainder. */
typedef struct block_sums {
  double *score, *cost; /* [blocks, count] */
  double *tasks;        /* [blocks] */
  size_t blocks;
  char *seen; /* [units] whether the unit has a task that counts */
} block_sums;

static int usable(const scores_cell *cell, int axis) {
  return cell->state == CELL_SCORED && stats_known(cell->cost[axis]);
}

/* Whether all conditions have the cell; *any: whether one of them has something there. */
static int shared(const scores *all, const size_t *member, size_t count, size_t task, size_t repeat,
                  int axis, int *any) {
  int every = 1;
  *any = 0;
  for (size_t i = 0; i < count; i++) {
    const scores_condition *c = &all->conditions[member[i]];
    const scores_cell *cell =
        repeat < c->repeats ? &c->cells[task * c->repeats + repeat] : &(scores_cell){0};
    *any |= cell->state != CELL_NONE;
    every &= usable(cell, axis);
  }
  return every;
}

static size_t repeats_of(const scores *all, const size_t *member, size_t count) {
  size_t most = 0;
  for (size_t i = 0; i < count; i++) {
    size_t repeats = all->conditions[member[i]].repeats;
    if (repeats > most) most = repeats;
  }
  return most;
}

/* Adds the task's means over its shared repeats to its block. score and cost are [count]. */
static void add_task(const scores *all, const size_t *member, curves *out, block_sums *sums,
                     size_t task, int axis, double *score, double *cost) {
  size_t count = out->count, repeats = repeats_of(all, member, count), pairs = 0;
  memset(score, 0, count * sizeof *score);
  memset(cost, 0, count * sizeof *cost);
  for (size_t r = 0; r < repeats; r++) {
    int any;
    if (!shared(all, member, count, task, r, axis, &any)) {
      out->dropped += any;
      continue;
    }
    pairs++;
    for (size_t i = 0; i < count; i++) {
      const scores_condition *c = &all->conditions[member[i]];
      score[i] += c->cells[task * c->repeats + r].score;
      cost[i] += c->cells[task * c->repeats + r].cost[axis];
    }
  }
  if (!pairs) return;
  size_t unit = (size_t)all->unit[task], block = unit % sums->blocks;
  out->tasks++;
  out->units += !sums->seen[unit];
  sums->seen[unit] = 1;
  sums->tasks[block] += 1;
  for (size_t i = 0; i < count; i++) {
    sums->score[block * count + i] += score[i] / (double)pairs;
    sums->cost[block * count + i] += cost[i] / (double)pairs;
  }
}

/* Moves the blocks that have tasks to the front, since only those are drawn. */
static void close_ranks(block_sums *sums, size_t count) {
  size_t kept = 0;
  for (size_t u = 0; u < sums->blocks; u++) {
    if (sums->tasks[u] == 0) continue;
    sums->tasks[kept] = sums->tasks[u];
    memmove(&sums->score[kept * count], &sums->score[u * count], count * sizeof *sums->score);
    memmove(&sums->cost[kept * count], &sums->cost[u * count], count * sizeof *sums->cost);
    kept++;
  }
  sums->blocks = kept;
}

static void draw(curves *out, const block_sums *sums, size_t row, random_stream *stream) {
  size_t count = out->count;
  double *score = &out->score[row * count], *cost = &out->cost[row * count], tasks = 0;
  for (size_t n = 0; n < sums->blocks; n++) {
    size_t block = row == 0 ? n : random_below(stream, (uint32_t)sums->blocks);
    tasks += sums->tasks[block];
    for (size_t i = 0; i < count; i++) {
      score[i] += sums->score[block * count + i];
      cost[i] += sums->cost[block * count + i];
    }
  }
  for (size_t i = 0; i < count; i++) {
    score[i] /= tasks;
    cost[i] /= tasks;
  }
}

static random_key key_of(const scores *all, const char *place) {
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, all->job, strlen(all->job));
  hash_part(&parts, place, strlen(place));
  hash seed = hash_end(&parts);
  return random_key_of(0, &seed, 0, "bootstrap");
}

/* Conditions without a scored sample whose cost is known have no place on a curve. */
static size_t *with_samples(curves *out, const scores *all, const curves_of *which) {
  size_t *member = arena_take(all->memory, which->count + 1, sizeof *member);
  out->group = arena_take(all->memory, which->count + 1, sizeof *out->group);
  if (!member || !out->group) return NULL;
  for (size_t i = 0; i < which->count; i++) {
    if (!all->conditions[which->member[i]].priced[which->axis]) continue;
    member[out->count] = which->member[i];
    out->group[out->count++] = which->group[i];
  }
  return member;
}

status curves_make(curves *out, const scores *all, const curves_of *which, detail *err) {
  *out = (curves){0};
  arena *memory = all->memory;
  size_t *member = with_samples(out, all, which), rows = 1 + STATS_BOOTSTRAP_DRAWS;
  block_sums sums = {.blocks = all->units < BLOCKS_MAX ? all->units : BLOCKS_MAX};
  size_t cells = sums.blocks * out->count + 1;
  sums.score = arena_take(memory, cells, sizeof *sums.score);
  sums.cost = arena_take(memory, cells, sizeof *sums.cost);
  sums.tasks = arena_take(memory, sums.blocks + 1, sizeof *sums.tasks);
  sums.seen = arena_take(memory, all->units + 1, 1);
  out->score = arena_take(memory, rows * out->count + 1, sizeof *out->score);
  out->cost = arena_take(memory, rows * out->count + 1, sizeof *out->cost);
  out->points = arena_take(memory, out->count + 1, sizeof *out->points);
  double *means = arena_take(memory, 2 * out->count + 1, sizeof *means);
  if (!member || !sums.score || !sums.cost || !sums.tasks || !sums.seen || !out->score ||
      !out->cost || !out->points || !means) {
    return arena_full(memory, err);
  }
  for (size_t task = 0; task < all->tasks && out->count; task++)
    add_task(all, member, out, &sums, task, which->axis, means, means + out->count);
  close_ranks(&sums, out->count);
  if (out->units == 0) {
    out->count = 0;
    return OK;
  }
  random_stream stream = random_start(key_of(all, which->place));
  for (size_t row = 0; row < rows; row++)
    draw(out, &sums, row, &stream);
  return OK;
}

double curves_at(curves *c, size_t row, size_t group, double cost, int *enough) {
  size_t count = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (c->group[i] != group) continue;
    c->points[count++] = (stats_point){c->cost[row * c->count + i], c->score[row * c->count + i]};
  }
  *enough = 0;
  return count ? stats_interpolate(c->points, count, cost, enough) : STATS_NONE;
}

void curves_span(const curves *c, size_t group, double *low, double *high) {
  *low = *high = STATS_NONE;
  for (size_t i = 0; i < c->count; i++) {
    if (c->group[i] != group) continue;
    if (!(*low <= c->cost[i])) *low = c->cost[i]; /* also when nothing is known yet */
    if (!(*high >= c->cost[i])) *high = c->cost[i];
  }
}

double curves_difference_se(curves *c, size_t a, size_t b, double cost) {
  double differences[STATS_BOOTSTRAP_DRAWS];
  int enough;
  if (c->units < 2) return STATS_NONE;
  for (size_t i = 0; i < STATS_BOOTSTRAP_DRAWS; i++) {
    differences[i] = curves_at(c, i + 1, a, cost, &enough) - curves_at(c, i + 1, b, cost, &enough);
  }
  return stats_deviation(differences, STATS_BOOTSTRAP_DRAWS);
}
