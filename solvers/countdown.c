#include "solvers/countdown.h"

#include "base/json.h"

#include <string.h>

/* The steps of one pair in the published order; returns how many. */
static int combine(int64_t a, int64_t b, countdown_operation out[4]) {
  int64_t larger = a <= b ? b : a, smaller = a <= b ? a : b;
  int count = 0;
  out[count++] = (countdown_operation){a, b, a + b, '+'};
  out[count++] = (countdown_operation){a, b, a * b, '*'};
  out[count++] = (countdown_operation){larger, smaller, larger - smaller, '-'};
  if (smaller != 0 && larger % smaller == 0) {
    out[count++] = (countdown_operation){larger, smaller, larger / smaller, '/'};
  }
  return count;
}

int countdown_successors(const countdown_state *from,
                         countdown_operation operations[COUNTDOWN_SUCCESSORS_MAX],
                         countdown_state states[COUNTDOWN_SUCCESSORS_MAX]) {
  int count = 0;
  for (int i = 0; i < from->count; i++) {
    for (int j = i + 1; j < from->count; j++) {
      countdown_state rest = {0};
      for (int k = 0; k < from->count; k++) {
        if (k != i && k != j) rest.number[rest.count++] = from->number[k];
      }
      rest.count++;
      int more = combine(from->number[i], from->number[j], operations + count);
      for (int m = 0; m < more; m++, count++) {
        rest.number[rest.count - 1] = operations[count].result;
        states[count] = rest;
      }
    }
  }
  return count;
}

static int reaches(const countdown_state *from, int64_t target) {
  if (from->count == 1) return from->number[0] == target;
  countdown_state rest = {.count = from->count - 1};
  for (int i = 0; i < from->count; i++) {
    for (int j = i + 1; j < from->count; j++) {
      int at = 0;
      for (int k = 0; k < from->count; k++) {
        if (k != i && k != j) rest.number[at++] = from->number[k];
      }
      countdown_operation operations[4];
      int more = combine(from->number[i], from->number[j], operations);
      for (int m = 0; m < more; m++) {
        rest.number[at] = operations[m].result;
        if (reaches(&rest, target)) return 1;
      }
    }
  }
  return 0;
}

int countdown_solvable(const countdown_problem *p) {
  countdown_state start = {.count = p->count};
  memcpy(start.number, p->number, sizeof start.number);
  return reaches(&start, p->target);
}

static void put_numbers(const countdown_problem *p, const char *between, text *out) {
  for (int i = 0; i < p->count; i++) {
    if (i) text_put(out, between);
    text_int(out, p->number[i]);
  }
}

void countdown_question(const countdown_problem *p, text *out) {
  text_put(out, "Use ");
  put_numbers(p, ", ", out);
  text_put(out, " once each with + - * / to make ");
  text_int(out, p->target);
}

void countdown_target(const countdown_problem *p, text *out) {
  text_put(out, "{\"nums\":[");
  put_numbers(p, ",", out);
  text_put(out, "],\"target\":");
  text_int(out, p->target);
  text_char(out, '}');
}

static status read_problem(const json_t *value, countdown_problem *out, detail *err) {
  const json_t *target = json_object_get(value, "target"), *nums = json_object_get(value, "nums");
  if (!json_is_integer(target) || json_integer_value(target) < 2 ||
      json_integer_value(target) > COUNTDOWN_TARGET_MAX) {
    return fault(err, E_INPUT, "\"target\" must be an integer from 2 to %d",
                 (int)COUNTDOWN_TARGET_MAX);
  }
  size_t count = json_array_size(nums);
  if (count < 2 || count > COUNTDOWN_NUMBERS_MAX) {
    return fault(err, E_INPUT, "\"nums\" must be a list of 2 to %d integers",
                 (int)COUNTDOWN_NUMBERS_MAX);
  }
  *out = (countdown_problem){.target = json_integer_value(target), .count = (int)count};
  for (size_t i = 0; i < count; i++) {
    const json_t *number = json_array_get(nums, i);
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > COUNTDOWN_NUMBER_MAX) {
      return fault(err, E_INPUT, "\"nums\" must hold integers from 0 to %d",
                   (int)COUNTDOWN_NUMBER_MAX);
    }
    out->number[i] = json_integer_value(number);
  }
  return OK;
}

status countdown_read(countdown_problem *out, const char *target_json, detail *err) {
  json_t *value = NULL;
  status s = json_read(&value, target_json, strlen(target_json), "target", 1, err);
  if (!s) s = read_problem(value, out, err);
  json_decref(value);
  return s;
}

static countdown_problem sorted(const countdown_problem *p) {
  countdown_problem s = *p;
  for (int i = 1; i < s.count; i++) {
    int64_t moved = s.number[i];
    int at = i;
    for (; at > 0 && s.number[at - 1] > moved; at--)
      s.number[at] = s.number[at - 1];
    s.number[at] = moved;
  }
  return s;
}

static size_t put_decimal(char *out, int64_t value) {
  char digits[24];
  size_t count = 0, at = 0;
  do
    digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count)
    out[at++] = digits[--count];
  return at;
}

/* "countdown|1,2,3,4" and, for the key, "=24". */
static hash hash_sorted(const countdown_problem *p, int with_target) {
  countdown_problem s = sorted(p);
  char name[24 * (COUNTDOWN_NUMBERS_MAX + 2)] = "countdown|";
  size_t bytes = strlen(name);
  for (int i = 0; i < s.count; i++) {
    if (i) name[bytes++] = ',';
    bytes += put_decimal(name + bytes, s.number[i]);
  }
  if (with_target) {
    name[bytes++] = '=';
    bytes += put_decimal(name + bytes, s.target);
  }
  return hash_of(name, bytes);
}

countdown_partition countdown_partition_of(const countdown_problem *p) {
  hash h = hash_sorted(p, 0);
  if (h.bytes[0] >= 8) return COUNTDOWN_TRAIN;
  return h.bytes[1] < 128 ? COUNTDOWN_DEV : COUNTDOWN_TEST;
}

const char *countdown_partition_name(countdown_partition partition) {
  static const char *const names[] = {"train", "dev", "test"};
  return names[partition];
}

hash countdown_key(const countdown_problem *p) {
  return hash_sorted(p, 1);
}

countdown_source countdown_published(uint64_t seed, countdown_partition partition) {
  return (countdown_source){.seed = seed,
                            .partition = partition,
                            .numbers = 4,
                            .number_max = 99,
                            .target_min = 10,
                            .target_max = 100};
}

static int held_out(const countdown_source *source, int64_t target) {
  for (int i = 0; i < source->hold_out_count; i++) {
    if (source->hold_out[i] == target) return 1;
  }
  return 0;
}

static int64_t draw_target(const countdown_source *source, random_stream *draws) {
  if (source->hold_out_only) {
    return source->hold_out[random_below(draws, (uint32_t)source->hold_out_count)];
  }
  return random_between(draws, source->target_min, source->target_max);
}

status countdown_generate(const countdown_source *source, uint64_t n, countdown_problem *out,
                          detail *err) {
  REQUIRE(source->numbers >= 2 && source->numbers <= COUNTDOWN_NUMBERS_MAX);
  REQUIRE(source->target_min >= 2 && source->target_min <= source->target_max);
  REQUIRE(!source->hold_out_only || source->hold_out_count > 0);
  uint8_t place[8];
  for (int i = 0; i < 8; i++)
    place[i] = (uint8_t)(n >> (56 - 8 * i));
  hash ordinal = hash_of(place, sizeof place);
  random_stream draws = random_start(random_key_of(source->seed, &ordinal, 0, "countdown"));
  for (int tries = 0; tries < 1000000; tries++) {
    countdown_problem p = {.target = draw_target(source, &draws), .count = source->numbers};
    for (int i = 0; i < p.count; i++)
      p.number[i] = random_between(&draws, 1, source->number_max);
    if (!source->hold_out_only && held_out(source, p.target)) continue;
    if (countdown_partition_of(&p) != source->partition || !countdown_solvable(&p)) continue;
    *out = p;
    return OK;
  }
  return fault(err, E_INPUT,
               "no solvable %s problem of %d numbers up to %lld for targets %lld to %lld in a "
               "million draws; widen --targets or --numbers",
               countdown_partition_name(source->partition), source->numbers,
               (long long)source->number_max, (long long)source->target_min,
               (long long)source->target_max);
}
