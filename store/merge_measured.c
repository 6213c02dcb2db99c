/* What stands beside the samples of models: the models, the engine's load, and times alone. */
#include "store/merge_internal.h"

/* A hash says all that tokens depend on, so of two models of one hash ours stays, with its name. */
status merge_models(merging *m, detail *err) {
  return merge_run(m,
                   "INSERT INTO main.model (hash, name, architecture, parameters, context, "
                   "vocabulary, tokenizer, config) SELECT hash, name, architecture, parameters, "
                   "context, vocabulary, tokenizer, config FROM source.model WHERE true "
                   "ON CONFLICT (hash) DO NOTHING",
                   err);
}

status merge_loads(merging *m, detail *err) {
  return merge_run(
      m,
      "INSERT INTO main.engine_load (process, at_ns, interval_ns, steps, rows, sampled, prefilled, "
      "found, recomputed, preempted, threads_running, threads_waiting, samples, pages, pages_used, "
      "step_ns, record_ns) SELECT p.out, at_ns, interval_ns, steps, rows, sampled, prefilled, "
      "found, recomputed, preempted, threads_running, threads_waiting, samples, pages, pages_used, "
      "step_ns, record_ns FROM source.engine_load l CROSS JOIN temp.merge_process p "
      "ON p.source = l.process WHERE true ON CONFLICT (process, at_ns) DO NOTHING",
      err);
}

/* Also of samples that both sides have: either may have been computed again alone. */
status merge_alone(merging *m, detail *err) {
  return merge_run(m,
                   "INSERT INTO main.alone (sample, process, pass, total_ns, first_token_ns) "
                   "SELECT m.out, p.out, a.pass, a.total_ns, a.first_token_ns FROM source.alone a "
                   "CROSS JOIN temp.merge_sample m ON m.source = a.sample "
                   "CROSS JOIN temp.merge_process p ON p.source = a.process "
                   "WHERE " MERGE_CHUNK("a.sample") " AND m.action <> 'keep' "
                                                    "ON CONFLICT (sample, process, pass) "
                                                    "DO NOTHING",
                   err);
}

/* Whether log-probabilities are kept is a setting; where one side has them, both have then. Traces
   are looked up from the samples that both sides have: those that were just copied are not read
   again. */
status merge_logprobs(merging *m, detail *err) {
  return merge_run(m,
                   "INSERT INTO main.trace (sample, thread, text, text_bytes, logprobs) "
                   "SELECT m.out, x.thread, x.text, x.text_bytes, x.logprobs "
                   "FROM temp.merge_sample m CROSS JOIN source.trace x ON x.sample = m.source "
                   "CROSS JOIN main.trace o ON o.sample = m.out AND o.thread = x.thread "
                   "WHERE m.action = 'compare' AND o.logprobs IS NULL AND x.logprobs IS NOT NULL "
                   "ON CONFLICT (sample, thread) DO UPDATE SET logprobs = excluded.logprobs",
                   err);
}
