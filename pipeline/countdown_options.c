#include "pipeline/countdown_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static status read_hold_out(const invocation *in, countdown_source *out, detail *err) {
  const char *list = command_value(in, "hold-out-targets");
  for (const char *at = list; at; at = *at ? at + 1 : NULL) {
    char *end;
    errno = 0;
    long long target = strtoll(at, &end, 10);
    if (end == at || errno || (*end && (*end != ',' || !end[1])) || target < 2 ||
        target > COUNTDOWN_TARGET_MAX) {
      return fault(err, E_USAGE,
                   "--hold-out-targets must be targets from 2 to %d separated by commas, such as "
                   "15,27,33, not '%s'",
                   (int)COUNTDOWN_TARGET_MAX, list);
    }
    if (out->hold_out_count == COUNTDOWN_HOLD_OUT_MAX) {
      return fault(err, E_USAGE, "--hold-out-targets takes at most %d targets",
                   (int)COUNTDOWN_HOLD_OUT_MAX);
    }
    out->hold_out[out->hold_out_count++] = target;
    at = end;
  }
  return OK;
}

/* An integer option that must be given. */
static status required(const invocation *in, const char *name, int64_t low, int64_t high,
                       int64_t *out, detail *err) {
  if (!command_value(in, name)) {
    return fault(err, E_USAGE, "--%s is missing; see nightjar %s --help", name, in->command->name);
  }
  return command_integer(in, name, low, high, 0, out, err);
}

status countdown_options(const invocation *in, countdown_partition partition, countdown_source *out,
                         int64_t *count, detail *err) {
  if (strcmp(in->arguments[0], "countdown") != 0) {
    return fault(err, E_USAGE, "unknown kind of tasks '%s'; this build has countdown",
                 in->arguments[0]);
  }
  int64_t seed, numbers;
  status s = required(in, "count", 1, COUNTDOWN_COUNT_MAX, count, err);
  if (!s) s = required(in, "seed", 0, INT64_MAX, &seed, err);
  if (s) return s;
  *out = countdown_published((uint64_t)seed, partition);
  s = command_integer(in, "numbers", 2, COUNTDOWN_NUMBERS_MAX, out->numbers, &numbers, err);
  if (!s) {
    out->numbers = (int)numbers;
    s = command_integer(in, "number-max", 1, COUNTDOWN_NUMBER_MAX, out->number_max,
                        &out->number_max, err);
  }
  if (!s) {
    s = command_range(in, "targets", 2, COUNTDOWN_TARGET_MAX, &out->target_min, &out->target_max,
                      err);
  }
  return s ? s : read_hold_out(in, out, err);
}
