/* Loading a job file from disk with this build's modes and checkers. */
#ifndef PIPELINE_JOBS_H
#define PIPELINE_JOBS_H

#include "pipeline/job.h"

/* E_INPUT when it cannot be read or is wrong; E_MEMORY. */
MUST_CHECK status jobs_load(job **out, const char *path, detail *err);

#endif
