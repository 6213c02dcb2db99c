#include "base/clock.h"

#include "base/status.h"

#include <time.h>

static int64_t read_ns(clockid_t id) {
  struct timespec t;
  REQUIRE(clock_gettime(id, &t) == 0);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_monotonic_ns(void) {
  return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_unix_ns(void) {
  return read_ns(CLOCK_REALTIME);
}
