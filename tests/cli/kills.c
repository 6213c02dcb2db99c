#include "tests/cli/kills.h"

#include "base/clock.h"
#include "tests/support/program.h"

#include <signal.h>
#include <time.h>

static const int64_t WAIT_NS = 60000000000;

int64_t kills_samples(const char *db) {
  return program_count(db, "SELECT count(*) FROM sample");
}

static void sleep_ns(int64_t ns) {
  (void)nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

void kills_wait(const char *db, int64_t before) {
  int64_t started = clock_monotonic_ns();
  while (kills_samples(db) <= before) {
    ck_assert_msg(clock_monotonic_ns() - started < WAIT_NS,
                  "nothing more is committed: is all done?");
    sleep_ns(5000000);
  }
}

/* A moment of the next so many milliseconds. */
static void wait_a_while(random_stream *draws, uint32_t milliseconds) {
  sleep_ns((int64_t)random_below(draws, 1000 * milliseconds) * 1000);
}

int64_t kills_run(const char *job, const char *db, int kills, random_stream *draws) {
  const char *run[] = {"run", job, "--db", db, NULL};
  int64_t before = 0;
  int midway = 0;
  for (int i = 0; i < kills; i++) {
    int early = i % 3 == 2; /* while it starts, or before anything is committed */
    pid_t pid = program_start(run);
    if (!early) kills_wait(db, before);
    wait_a_while(draws, early ? 120 : 40);
    (void)kill(pid, SIGKILL);
    midway += program_wait(pid) == -SIGKILL;
    ck_assert_str_eq(program_sqlite(db, "PRAGMA integrity_check"), "ok");
    int64_t now = kills_samples(db);
    ck_assert_int_ge(now, before + !early);
    before = now;
  }
  ck_assert_int_eq(midway, kills);
  return before;
}
