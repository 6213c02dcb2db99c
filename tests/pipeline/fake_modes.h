/* Modes that only these tests have, so that a job's rules are tested apart from any real one, and
   reading a job with them. */
#ifndef TESTS_FAKE_MODES_H
#define TESTS_FAKE_MODES_H

#include "pipeline/job.h"
#include "tests/support/support.h"

/* "fake": every type of option, a nested one, a default that depends on another value, and a pair
   that does not fit. "plain": no options at all. "reason": needs a model. Checkers: "countdown" and
   "countdown-lenient". */
status fake_read(job **out, const char *bytes, size_t count, detail *err);
job *fake_job(const char *file);                     /* fails the test where it is refused */
void fake_canonical(const json_t *value, text *out); /* opens out */

#endif
