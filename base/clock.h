/* Time, measured and never part of a result. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ns(void); /* from an unspecified start; never goes back */
int64_t clock_unix_ns(void);      /* wall clock, UTC */

#endif
