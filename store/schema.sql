-- The store's tables, version 3. docs/schema.md explains every column; the views in views.sql are
-- the interface that people query, the tables are what they stand on.
--
-- Units: *_ns is nanoseconds from process.started_unix_ns by the monotonic clock; *_bytes bytes.
-- Token columns count in the run's token_unit: the model's tokenizer, or 'llama2' where a symbolic
-- solver wrote the text (lengths in Llama-2 tokens, which tokens_ref always counts in).
-- Rowids are local to a file: merge and every test compare by natural key.
-- [P] promised: the same on any schedule. [M] measured: may differ.

CREATE TABLE task_set (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,               -- from 1, a new one when the same name gets other tasks
  kind TEXT NOT NULL,                     -- 'countdown'
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- over the tasks' hashes in order
  tasks INTEGER NOT NULL,
  origin TEXT NOT NULL,                   -- JSON: how it was made, enough to make it again
  UNIQUE (name, version)
) STRICT;

CREATE TABLE task (
  id INTEGER PRIMARY KEY,
  task_set INTEGER NOT NULL REFERENCES task_set,
  ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
  name TEXT NOT NULL,                     -- the user's id, or the ordinal
  hash BLOB NOT NULL CHECK (length(hash) = 32), -- of question and target: keys random numbers
  question TEXT NOT NULL,
  target TEXT NOT NULL,                   -- canonical JSON for the checker
  cluster TEXT,
  split TEXT CHECK (split IN ('train', 'dev', 'test')),
  data TEXT NOT NULL DEFAULT '{}',        -- JSON: what else the source said
  UNIQUE (task_set, ordinal),
  UNIQUE (task_set, name)
) STRICT;

CREATE TABLE process (
  id INTEGER PRIMARY KEY,
  started_unix_ns INTEGER NOT NULL,
  ended_ns INTEGER,                       -- NULL: running, or killed
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  device TEXT NOT NULL,
  settings TEXT NOT NULL                  -- JSON: effective values that no token depends on
) STRICT;

-- What the runs of a model name by its hash.
CREATE TABLE model (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32), -- of what the arithmetic depends on
  name TEXT NOT NULL,                     -- of its folder
  architecture TEXT NOT NULL,
  parameters INTEGER NOT NULL,
  context INTEGER NOT NULL,               -- the longest, in tokens
  vocabulary INTEGER NOT NULL,
  tokenizer BLOB NOT NULL CHECK (length(tokenizer) = 32), -- hash of its file
  config TEXT NOT NULL                    -- JSON: its shape and what else the arithmetic depends on
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  identity BLOB NOT NULL UNIQUE CHECK (length(identity) = 32), -- SHA-256 of identity_json
  identity_json TEXT NOT NULL,            -- canonical JSON: everything that a token depends on
  task_set INTEGER NOT NULL REFERENCES task_set,
  mode TEXT NOT NULL,
  protocol TEXT,
  parameters TEXT NOT NULL,               -- canonical JSON, defaults filled in
  model_hash BLOB,
  token_unit TEXT NOT NULL,
  determinism_class TEXT NOT NULL,
  fingerprint BLOB,                       -- 32 bytes: a fixed forward of the engine; NULL: no model
  seed INTEGER NOT NULL
) STRICT;

CREATE TABLE job (
  name TEXT PRIMARY KEY,
  document TEXT NOT NULL                  -- the resolved job as canonical JSON; accepted as a job file
) STRICT, WITHOUT ROWID;

-- A run holds identity only; names and checkers belong to the job's conditions, which may share it.
CREATE TABLE condition (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL REFERENCES job,
  ordinal INTEGER NOT NULL,               -- place in the job file
  name TEXT NOT NULL,
  family TEXT NOT NULL,                   -- the entry it came from
  run INTEGER NOT NULL REFERENCES run,
  checker TEXT NOT NULL,
  repeats INTEGER NOT NULL CHECK (repeats > 0), -- wanted; sample may hold fewer or more
  tasks INTEGER NOT NULL CHECK (tasks >= 0), -- wanted: the whole set, or --limit
  axes TEXT NOT NULL DEFAULT '{}',        -- JSON: this condition's value on each axis of its entry
  UNIQUE (job, name)
) STRICT;

CREATE TABLE sample (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES run,
  task INTEGER NOT NULL REFERENCES task,
  repeat INTEGER NOT NULL CHECK (repeat >= 0),
  status TEXT NOT NULL CHECK (status IN ('done', 'capped', 'failed')), -- [P]
  limit_met TEXT,                         -- [P] which declared limit, when capped
  answer TEXT,                            -- [P] as the protocol reads it; NULL: none
  vote_key TEXT,                          -- [P] what votes are counted by; NULL: no valid answer
  error TEXT,                             -- why it failed
  tokens_generated INTEGER,               -- [P] sampled, all threads, ends of sequence included
  tokens_injected INTEGER,                -- [P] fed by the mode: joined blocks, headers
  tokens_prompt INTEGER,                  -- [P] each thread's prompt, begins of sequence included
  tokens_finisher INTEGER,                -- [P] of the two above, spent by the finisher
  tokens_total INTEGER,                   -- [P] prompt + generated + injected, kept prefixes once
  tokens_ref INTEGER,                     -- [P] tokens_total in Llama-2 tokens
  seq_critical_path INTEGER,              -- [P]
  seq_critical_path_injected INTEGER,     -- [P]
  seq_longest_sequence INTEGER,           -- [P]
  seq_forwards INTEGER,                   -- [P]
  context_peak INTEGER,                   -- [P]
  wait_steps INTEGER,                     -- [P]
  flops REAL,                             -- [P] NULL without a model
  kv_token_steps INTEGER,                 -- [P] NULL without a model
  nodes_explored INTEGER,                 -- [P] search tasks only
  nodes_duplicate INTEGER,                -- [P] search tasks only
  threads INTEGER NOT NULL,               -- [P]
  children INTEGER NOT NULL,              -- [P]
  children_refused INTEGER NOT NULL,      -- [P]
  rounds INTEGER NOT NULL,                -- [P]
  process INTEGER NOT NULL REFERENCES process, -- [M]
  attempt INTEGER NOT NULL CHECK (attempt > 0), -- [M]
  queued_ns INTEGER NOT NULL,             -- [M]
  started_ns INTEGER NOT NULL,            -- [M]
  first_token_ns INTEGER,                 -- [M]
  ended_ns INTEGER NOT NULL,              -- [M]
  batch_samples REAL,                     -- [M] mean number of samples in flight with it
  derived INTEGER NOT NULL DEFAULT 0 CHECK (derived IN (0, 1)), -- [M] cut from a larger sample's
                                          -- tokens: its times are no measurements
  UNIQUE (run, task, repeat)
) STRICT;

CREATE TABLE verdict (
  sample INTEGER NOT NULL REFERENCES sample ON DELETE CASCADE,
  thread INTEGER NOT NULL DEFAULT -1,     -- -1: the sample
  checker TEXT NOT NULL,
  version INTEGER NOT NULL,
  correct INTEGER NOT NULL CHECK (correct IN (0, 1)),
  reason TEXT NOT NULL,
  score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
  PRIMARY KEY (sample, thread, checker)
) STRICT, WITHOUT ROWID;

CREATE TABLE thread (
  sample INTEGER NOT NULL REFERENCES sample ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,               -- from 0, the root, in spawn order
  parent INTEGER,                         -- an ordinal; NULL for the root
  path TEXT NOT NULL,                     -- [P] '0', '0.3': ordinals among siblings from the root
  role TEXT NOT NULL,                     -- [P] 'root', 'child', 'voter'
  worker INTEGER,                         -- [P] gangs only
  round INTEGER,                          -- [P] which spawn of the parent, from 0; NULL for the root
  spawn_token INTEGER,                    -- [P] generated-token index in the parent
  join_token INTEGER,                     -- [P] the parent's generated-token index when it goes on
  tokens_prompt INTEGER,                  -- [P]
  tokens_fed INTEGER,                     -- [P] after the prompt
  tokens_generated INTEGER,               -- [P]
  tokens_seen INTEGER,                    -- [P] attended that others wrote; 0 without sharing
  answer TEXT,                            -- [P] what a child returned, a voter answered
  finish TEXT NOT NULL,                   -- [P] 'end', 'limit', 'stop', 'finisher', ...
  logical_start INTEGER,                  -- [P]
  logical_end INTEGER,                    -- [P]
  wait_steps INTEGER,                     -- [P] between its end and the join
  bits_hash INTEGER NOT NULL,             -- [P] 64 bits over ids and log-probabilities; symbolic: text
  tokens_cached INTEGER NOT NULL DEFAULT 0, -- [M]
  drafted INTEGER NOT NULL DEFAULT 0,     -- [M]
  accepted INTEGER NOT NULL DEFAULT 0,    -- [M]
  rows_spent INTEGER NOT NULL DEFAULT 0,  -- [M]
  queued_ns INTEGER NOT NULL,             -- [M]
  started_ns INTEGER NOT NULL,            -- [M]
  first_token_ns INTEGER,                 -- [M]
  ended_ns INTEGER NOT NULL,              -- [M]
  vote_key TEXT,                          -- [P] what its vote counts for; NULL: nothing
  logprob REAL,                           -- [P] sum over its sampled tokens of the raw one; NULL
                                          -- without a model
  PRIMARY KEY (sample, ordinal)
) STRICT, WITHOUT ROWID;

-- Blobs in the form of SQLite's sqlar: zlib, or the bytes themselves where that is not larger.
CREATE TABLE trace (
  sample INTEGER NOT NULL,
  thread INTEGER NOT NULL,
  text BLOB NOT NULL,                     -- cast(sqlar_uncompress(text, text_bytes) AS TEXT)
  text_bytes INTEGER NOT NULL,
  ids BLOB,                               -- uint32 little-endian; NULL for symbolic
  ids_bytes INTEGER,
  logprobs BLOB,                          -- fp32 little-endian of sampled tokens in order, as they
                                          -- are; NULL: not kept
  layout TEXT NOT NULL DEFAULT '[]',      -- JSON, by origin: prompt generated cut fed. Where ids is
                                          -- NULL [[kind, start, count], ...] in bytes of text, else
                                          -- [[kind, start, count, text start, text bytes, step],
                                          -- ...] in tokens, with the logical step of the first
                                          -- generated, or the one after which the rest was fed
  PRIMARY KEY (sample, thread),
  FOREIGN KEY (sample, thread) REFERENCES thread (sample, ordinal) ON DELETE CASCADE
) STRICT;

-- One sample computed again by itself in an empty engine, a pass a row.
CREATE TABLE alone (
  sample INTEGER NOT NULL REFERENCES sample ON DELETE CASCADE,
  process INTEGER NOT NULL REFERENCES process,
  pass INTEGER NOT NULL,
  total_ns INTEGER NOT NULL,              -- [M]
  first_token_ns INTEGER,                 -- [M]
  PRIMARY KEY (sample, process, pass)
) STRICT, WITHOUT ROWID;

-- What the engine did in one interval of a process. All of it [M].
CREATE TABLE engine_load (
  process INTEGER NOT NULL REFERENCES process,
  at_ns INTEGER NOT NULL,                 -- the interval's end
  interval_ns INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  sampled INTEGER NOT NULL,               -- tokens
  prefilled INTEGER NOT NULL,             -- prompt tokens that nobody had computed
  found INTEGER NOT NULL,                 -- prompt tokens that were stored
  recomputed INTEGER NOT NULL,            -- rows fed again
  preempted INTEGER NOT NULL,             -- threads
  threads_running REAL NOT NULL,          -- means over steps
  threads_waiting REAL NOT NULL,
  samples REAL NOT NULL,                  -- in flight
  pages INTEGER NOT NULL,
  pages_used INTEGER NOT NULL,            -- at the interval's end
  step_ns INTEGER NOT NULL,               -- spent in steps
  record_ns INTEGER NOT NULL,             -- spent recording samples
  PRIMARY KEY (process, at_ns)
) STRICT, WITHOUT ROWID;

-- Written by run's end, report and compare: SQL has no t and no p. digest names what was read.
CREATE TABLE comparison (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL REFERENCES job,
  ordinal INTEGER NOT NULL,               -- in the job's list of contrasts
  a TEXT NOT NULL,                        -- a family or a condition
  b TEXT NOT NULL,
  checker TEXT NOT NULL,
  axis TEXT NOT NULL,                     -- '' for a plain contrast
  budget REAL NOT NULL,                   -- 0 for a plain contrast
  declared INTEGER NOT NULL CHECK (declared IN (0, 1)),
  tasks INTEGER NOT NULL,
  pairs_dropped INTEGER NOT NULL,         -- (task, repeat) without a usable sample on one side
  accuracy_a REAL, accuracy_b REAL,
  difference REAL,                        -- a - b; NULL where the budget is out of range
  se REAL, lo95 REAL, hi95 REAL,
  p REAL, p_holm REAL,                    -- NULL for what was not declared
  margin REAL NOT NULL,
  verdict TEXT CHECK (verdict IN ('better', 'worse', 'equivalent', 'cannot tell')), -- as p
  tasks_needed INTEGER,                   -- to see the difference found, at 80 % power
  method TEXT NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  made_unix_ns INTEGER NOT NULL,
  UNIQUE (job, a, b, checker, axis, budget)
) STRICT;

-- Written like comparison: what a vote of k draws reaches, as SQL draws no subsets.
CREATE TABLE consensus (
  job TEXT NOT NULL REFERENCES job,
  condition TEXT NOT NULL,
  checker TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('canonical', 'literal')), -- what is counted: meaning, or text
  k INTEGER NOT NULL CHECK (k > 0),
  accuracy REAL NOT NULL,
  se REAL,
  tasks INTEGER NOT NULL,
  draws INTEGER NOT NULL,                 -- scored ones that it was made from
  subsets TEXT NOT NULL,                  -- 'all' or '10000 drawn'
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  made_unix_ns INTEGER NOT NULL,
  PRIMARY KEY (job, condition, checker, kind, k)
) STRICT, WITHOUT ROWID;

-- Two-sided 97.5 % quantiles of Student's t, since SQL has none; 'degrees' 0 is the normal's.
CREATE TABLE t_quantile (degrees INTEGER PRIMARY KEY, q975 REAL NOT NULL) STRICT;

-- Covers what the accuracy views scan.
CREATE INDEX sample_scan ON sample (run, task, repeat, status, tokens_ref, tokens_total,
                                    seq_critical_path, seq_critical_path_injected,
                                    seq_longest_sequence, context_peak, flops, nodes_explored);
CREATE INDEX condition_run ON condition (run);
-- Few samples are derived, and views count them by themselves.
CREATE INDEX sample_derived ON sample (run, task, repeat) WHERE derived = 1;
CREATE INDEX run_model ON run (model_hash, mode);
