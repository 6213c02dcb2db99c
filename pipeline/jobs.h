/* Reading jobs with this build's modes and checkers. */
#ifndef PIPELINE_JOBS_H
#define PIPELINE_JOBS_H

#include "pipeline/job.h"

/* E_INPUT when it cannot be read or is wrong; E_MEMORY. */
MUST_CHECK status jobs_load(job **out, const char *path, detail *err);
/* The same from bytes, as the resolved document that a store keeps; name is for messages. Keeps
   neither. */
MUST_CHECK status jobs_read(job **out, const char *name, const char *bytes, size_t count,
                            detail *err);

#endif
