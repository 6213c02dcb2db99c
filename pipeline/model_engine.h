/* An engine for the runs of one model: sized by what they need and what the job says, with its
   fingerprint held against the runs' own. */
#ifndef PIPELINE_MODEL_ENGINE_H
#define PIPELINE_MODEL_ENGINE_H

#include "pipeline/plan.h"

/* Options for runs with these rules on this machine. threads: of the device. alone: for one sample
   at a time. Pure but for the size of the machine's memory. */
engine_options model_engine_options(const plan *p, const job_model *m, planned_run *const *runs,
                                    size_t count, int threads, int alone);

/* Appends, as a JSON list, the engine that each model with something left gets: what no token
   depends on, for the record of the process. Errors of engine_size; E_MEMORY. */
MUST_CHECK status model_engine_settings(const plan *p, int threads, text *out, detail *err);

/* What can be refused before an engine is opened: E_INPUT where the job's memory holds no thread of
   full length, or its steps no forward of a run's workers. Pure. */
MUST_CHECK status model_engine_check(const job_model *m, planned_run *const *runs, size_t count,
                                     const engine_options *options, detail *err);

/* How many samples with workers may be in flight at a time. */
int model_engine_gangs(const engine_options *options);

/* Errors of model_engine_check and engine_open; E_INPUT where a run's samples were made by an
   engine of another fingerprint. Gives runs that have none its own where the store can be written
   to. Owner's thread of the store. */
MUST_CHECK status model_engine_open(engine **out, store *s, const job_model *m,
                                    planned_run *const *runs, size_t count,
                                    const engine_options *options, detail *err);

#endif
