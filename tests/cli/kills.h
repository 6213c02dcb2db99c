/* Runs that are killed (-9) at random moments and begun again by the same command. */
#ifndef TESTS_KILLS_H
#define TESTS_KILLS_H

#include "base/random.h"

#include <stdint.h>

int64_t kills_samples(const char *db); /* that are committed */
/* Waits until there are more samples than before. */
void kills_wait(const char *db, int64_t before);

/* Kills the job so many times, each third time while it starts; the store is sound whenever it is
   looked at, and nothing committed is lost. Fails where the job came to its end before it was
   killed. Returns how many samples there are. */
int64_t kills_run(const char *job, const char *db, int kills, random_stream *draws);

#endif
