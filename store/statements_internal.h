/* Every statement that the room runs more than once: X(name, sql). Each connection prepares one at
   its first use and keeps it. Parameters are bound in order, so their order here is the contract
   with the function that names the statement. */
#ifndef STORE_STATEMENTS_INTERNAL_H
#define STORE_STATEMENTS_INTERNAL_H

#define TASK_SET_COLUMNS "id, tasks, version, name, kind, hash"

#define STATEMENT_LIST(X)                                                                          \
  X(QUANTILE_ADD, "INSERT INTO t_quantile (degrees, q975) VALUES (?, ?)")                          \
                                                                                                   \
  /* The hash is filled in by TASK_SET_FINISH; until then only this transaction sees the row. */   \
  X(TASK_SET_ADD,                                                                                  \
    "INSERT INTO task_set (name, version, kind, hash, tasks, origin) VALUES (?1, "                 \
    "(SELECT coalesce(max(version), 0) + 1 FROM task_set WHERE name = ?1), ?2, zeroblob(32), 0, "  \
    "?3)")                                                                                         \
  X(TASK_SET_FINISH, "UPDATE task_set SET hash = ?2, tasks = ?3 WHERE id = ?1")                    \
  X(TASK_SET_BY_ID, "SELECT " TASK_SET_COLUMNS " FROM task_set WHERE id = ?1")                     \
  X(TASK_SET_BY_HASH, "SELECT " TASK_SET_COLUMNS " FROM task_set WHERE hash = ?1")                 \
  X(TASK_SET_NEWEST,                                                                               \
    "SELECT " TASK_SET_COLUMNS " FROM task_set WHERE name = ?1 ORDER BY version DESC LIMIT 1")     \
  X(TASK_SET_VERSION,                                                                              \
    "SELECT " TASK_SET_COLUMNS " FROM task_set WHERE name = ?1 AND version = ?2")                  \
  X(TASK_SET_NAMES, "SELECT DISTINCT name FROM task_set ORDER BY name LIMIT 1000")                 \
  X(TASK_ADD,                                                                                      \
    "INSERT INTO task (task_set, ordinal, name, hash, question, target, cluster, split, data) "    \
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                          \
  X(TASK_READ, "SELECT name, hash, question, target, cluster, split, data FROM task WHERE id = ?") \
  X(TASK_NAME, "SELECT name FROM task WHERE id = ?")                                               \
  X(TASK_SET_ORIGIN, "UPDATE task_set SET origin = ?2 WHERE id = ?1")                              \
  X(TASK_NAMED, "SELECT ordinal FROM task WHERE task_set = ? AND name = ?")                        \
  X(TASK_TWINS, "SELECT count(*) - 1, min(ordinal), max(ordinal) FROM task WHERE task_set = ? "    \
                "GROUP BY hash HAVING count(*) > 1")                                               \
  /* A name that is no other's, so that names may be exchanged. */                                 \
  X(TASK_UNNAME, "UPDATE task SET name = hex(randomblob(16)) WHERE id = ?")                        \
  X(TASK_RELABEL, "UPDATE task SET name = ?2, cluster = ?3, split = ?4, data = ?5 WHERE id = ?1")  \
  X(LABEL_FIND,                                                                                    \
    "SELECT old.id, new.name, new.cluster, coalesce(new.split, old.split), new.data FROM task AS " \
    "new JOIN task AS old ON old.task_set = ?2 AND old.ordinal = new.ordinal "                     \
    "WHERE new.task_set = ?1 AND (new.name IS NOT old.name OR new.cluster IS NOT old.cluster "     \
    "OR coalesce(new.split, old.split) IS NOT old.split OR new.data IS NOT old.data)")             \
  /* Of the table that labels.c makes in a file of its own. */                                     \
  X(LABEL_ADD, "INSERT INTO label (task, name, cluster, split, data) VALUES (?, ?, ?, ?, ?)")      \
  X(LABEL_READ, "SELECT task, name, cluster, split, data FROM label ORDER BY task")                \
                                                                                                   \
  X(RUN_FIND, "SELECT id FROM run WHERE identity = ?")                                             \
  X(RUN_ADD,                                                                                       \
    "INSERT INTO run (identity, identity_json, task_set, mode, protocol, parameters, model_hash, " \
    "token_unit, determinism_class, seed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                  \
  X(RUN_FINGERPRINT, "SELECT fingerprint FROM run WHERE id = ?")                                   \
  X(RUN_MARK, "UPDATE run SET fingerprint = ? WHERE id = ? AND fingerprint IS NULL")               \
  X(MODEL_ADD, "INSERT INTO model (hash, name, architecture, parameters, context, vocabulary, "    \
               "tokenizer, config) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING") \
  X(RUN_TASKS, "SELECT task_set, (SELECT count(*) FROM task WHERE task.task_set = run.task_set) "  \
               "FROM run WHERE id = ?")                                                            \
  X(JOB_PUT, "INSERT INTO job (name, document) VALUES (?1, ?2) "                                   \
             "ON CONFLICT (name) DO UPDATE SET document = ?2")                                     \
  X(CONDITIONS_CLEAR, "DELETE FROM condition WHERE job = ?")                                       \
  X(CONDITION_ADD,                                                                                 \
    "INSERT INTO condition (job, ordinal, name, family, run, checker, repeats, tasks, axes) "      \
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                          \
  X(PROCESS_START, "INSERT INTO process (started_unix_ns, host, version, device, settings) "       \
                   "VALUES (?, ?, ?, ?, ?)")                                                       \
  X(PROCESS_END, "UPDATE process SET ended_ns = ?2 WHERE id = ?1")                                 \
                                                                                                   \
  /* Walks the tasks by (task_set, ordinal) and looks each key up by (run, task, repeat), so the   \
     cost of a page is its number of keys, however many samples there are. */                      \
  X(WORK_PAGE, "SELECT task.id, sample.attempt FROM task LEFT JOIN sample "                        \
               "ON sample.run = ?1 AND sample.repeat = ?2 AND sample.task = task.id "              \
               "WHERE task.task_set = ?3 AND task.ordinal >= ?4 AND task.ordinal < ?5 "            \
               "AND (task.ordinal + ?2) % ?6 = ?7 "                                                \
               "AND (sample.id IS NULL OR (sample.status = 'failed' AND sample.attempt < ?8)) "    \
               "ORDER BY task.ordinal")                                                            \
  X(WORK_COUNT,                                                                                    \
    "SELECT sample.status, sample.status = 'failed' AND sample.attempt < ?6, count(*) "            \
    "FROM sample JOIN task ON task.id = sample.task "                                              \
    "WHERE sample.run = ?1 AND sample.repeat < ?2 AND task.ordinal < ?3 "                          \
    "AND (task.ordinal + sample.repeat) % ?4 = ?5 GROUP BY 1, 2")                                  \
                                                                                                   \
  X(SAMPLE_ADD,                                                                                    \
    "INSERT INTO sample (run, task, repeat, status, limit_met, answer, vote_key, error, "          \
    "tokens_generated, tokens_injected, tokens_prompt, tokens_finisher, tokens_total, tokens_ref," \
    " seq_critical_path, seq_critical_path_injected, seq_longest_sequence, seq_forwards, "         \
    "context_peak, wait_steps, flops, kv_token_steps, nodes_explored, nodes_duplicate, threads, "  \
    "children, children_refused, rounds, process, attempt, queued_ns, started_ns, "                \
    "first_token_ns, ended_ns, batch_samples, derived) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "  \
    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                  \
  X(SAMPLE_CLEAR_FAILED,                                                                           \
    "DELETE FROM sample WHERE run = ? AND task = ? AND repeat = ? AND status = 'failed'")          \
  X(THREAD_ADD,                                                                                    \
    "INSERT INTO thread (sample, ordinal, parent, path, role, worker, round, spawn_token, "        \
    "join_token, tokens_prompt, tokens_fed, tokens_generated, tokens_seen, answer, finish, "       \
    "logical_start, logical_end, wait_steps, bits_hash, tokens_cached, drafted, accepted, "        \
    "rows_spent, queued_ns, started_ns, first_token_ns, ended_ns, vote_key, logprob) VALUES (?, "  \
    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")         \
  X(TRACE_ADD, "INSERT INTO trace (sample, thread, text, text_bytes, ids, ids_bytes, logprobs, "   \
               "layout) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                          \
  X(VERDICT_PUT, "INSERT INTO verdict (sample, thread, checker, version, correct, reason, score) " \
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (sample, thread, checker) "      \
                 "DO UPDATE SET version = ?4, correct = ?5, reason = ?6, score = ?7")              \
                                                                                                   \
  X(VERDICT_CLEAR_THREADS, "DELETE FROM verdict WHERE sample = ? AND checker = ? AND thread >= 0") \
  X(LOAD_ADD, "INSERT INTO engine_load (process, at_ns, interval_ns, steps, rows, sampled, "       \
              "prefilled, found, recomputed, preempted, threads_running, threads_waiting, "        \
              "samples, pages, pages_used, step_ns, record_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, "   \
              "?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                        \
  X(ALONE_PUT, "INSERT OR REPLACE INTO alone (sample, process, pass, total_ns, first_token_ns) "   \
               "VALUES (?, ?, ?, ?, ?)")                                                           \
                                                                                                   \
  /* Both find a model's runs by run_model, and samples by run and task. */                        \
  X(TOKENS_OF_TASK, "SELECT total(sample.tokens_generated), total(sample.threads) FROM run "       \
                    "CROSS JOIN sample ON sample.run = run.id AND sample.task = ?3 "               \
                    "WHERE run.model_hash = ?1 AND run.mode = ?2 AND sample.status <> 'failed' "   \
                    "AND sample.derived = 0")                                                      \
  X(TOKENS_OF_ALL,                                                                                 \
    "SELECT total(tokens_generated), total(threads) FROM (SELECT sample.tokens_generated, "        \
    "sample.threads FROM run CROSS JOIN sample ON sample.run = run.id WHERE run.model_hash = ?1 "  \
    "AND run.mode = ?2 AND sample.status <> 'failed' AND sample.derived = 0 LIMIT 1000)")          \
                                                                                                   \
  X(RESCORE_THREADS,                                                                               \
    "SELECT ordinal, role, finish, answer, vote_key FROM thread WHERE sample = ? ORDER BY "        \
    "ordinal")                                                                                     \
  X(RESCORE_PAGE, "SELECT sample.id, sample.task, sample.repeat, sample.status, sample.answer, "   \
                  "sample.vote_key, task.target, trace.text, trace.text_bytes, verdict.correct, "  \
                  "verdict.reason FROM sample "                                                    \
                  "JOIN task ON task.id = sample.task "                                            \
                  "LEFT JOIN trace ON trace.sample = sample.id AND trace.thread = 0 "              \
                  "LEFT JOIN verdict ON verdict.sample = sample.id AND verdict.thread = -1 "       \
                  "AND verdict.checker = ?4 "                                                      \
                  "WHERE sample.run = ?1 AND (sample.task, sample.repeat) > (?2, ?3) "             \
                  "AND sample.status <> 'failed' AND (?6 OR verdict.version IS NOT ?5) "           \
                  "ORDER BY sample.task, sample.repeat LIMIT 1000")                                \
                                                                                                   \
  X(STORED_SAMPLE,                                                                                 \
    "SELECT task.id, task.name, task.hash, task.question, task.target, task.cluster, task.split, " \
    "task.data, run, repeat, attempt, status, limit_met, answer, vote_key, error, "                \
    "tokens_generated, tokens_injected, tokens_prompt, tokens_finisher, tokens_total, "            \
    "tokens_ref, seq_critical_path, seq_critical_path_injected, seq_longest_sequence, "            \
    "seq_forwards, context_peak, wait_steps, flops, kv_token_steps, nodes_explored, "              \
    "nodes_duplicate, children, children_refused, rounds, threads, queued_ns, started_ns, "        \
    "first_token_ns, ended_ns, batch_samples, derived, "                                           \
    "(SELECT count(*) FROM thread WHERE thread.sample = sample.id) FROM sample "                   \
    "JOIN task ON task.id = sample.task WHERE sample.id = ?")                                      \
  X(STORED_THREADS,                                                                                \
    "SELECT ordinal, path, parent, role, worker, round, spawn_token, join_token, tokens_prompt, "  \
    "tokens_fed, tokens_generated, tokens_seen, answer, finish, logical_start, logical_end, "      \
    "wait_steps, bits_hash, tokens_cached, drafted, accepted, rows_spent, queued_ns, started_ns, " \
    "first_token_ns, ended_ns, vote_key, logprob, text, text_bytes, ids, ids_bytes, logprobs, "    \
    "layout FROM thread LEFT JOIN trace ON trace.sample = thread.sample "                          \
    "AND trace.thread = thread.ordinal WHERE thread.sample = ? ORDER BY ordinal")                  \
  X(STORED_KEYS,                                                                                   \
    "SELECT sample.id, run.identity, task.hash, task.ordinal, sample.repeat FROM sample "          \
    "CROSS JOIN run ON run.id = sample.run CROSS JOIN task ON task.id = sample.task "              \
    "WHERE sample.run = ? AND sample.status <> 'failed'")

typedef enum statement_id {
#define X(name, sql) name,
  STATEMENT_LIST(X)
#undef X
} statement_id;

#define X(name, sql) +1
enum { STATEMENT_COUNT = STATEMENT_LIST(X) };
#undef X

#endif
