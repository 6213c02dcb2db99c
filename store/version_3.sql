-- Turns the tables of a store of version 2 into those of version 3. It stays as it is: what a later
-- version changes is in a file of that version.

CREATE TABLE model (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  name TEXT NOT NULL,
  architecture TEXT NOT NULL,
  parameters INTEGER NOT NULL,
  context INTEGER NOT NULL,
  vocabulary INTEGER NOT NULL,
  tokenizer BLOB NOT NULL CHECK (length(tokenizer) = 32),
  config TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE sample ADD COLUMN derived INTEGER NOT NULL DEFAULT 0 CHECK (derived IN (0, 1));
ALTER TABLE thread ADD COLUMN vote_key TEXT;
ALTER TABLE thread ADD COLUMN logprob REAL;
ALTER TABLE trace DROP COLUMN forwards; -- never filled
ALTER TABLE trace DROP COLUMN forwards_bytes;

CREATE TABLE alone (
  sample INTEGER NOT NULL REFERENCES sample ON DELETE CASCADE,
  process INTEGER NOT NULL REFERENCES process,
  pass INTEGER NOT NULL,
  total_ns INTEGER NOT NULL,
  first_token_ns INTEGER,
  PRIMARY KEY (sample, process, pass)
) STRICT, WITHOUT ROWID;

CREATE TABLE engine_load (
  process INTEGER NOT NULL REFERENCES process,
  at_ns INTEGER NOT NULL,
  interval_ns INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  sampled INTEGER NOT NULL,
  prefilled INTEGER NOT NULL,
  found INTEGER NOT NULL,
  recomputed INTEGER NOT NULL,
  preempted INTEGER NOT NULL,
  threads_running REAL NOT NULL,
  threads_waiting REAL NOT NULL,
  samples REAL NOT NULL,
  pages INTEGER NOT NULL,
  pages_used INTEGER NOT NULL,
  step_ns INTEGER NOT NULL,
  record_ns INTEGER NOT NULL,
  PRIMARY KEY (process, at_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE consensus (
  job TEXT NOT NULL REFERENCES job,
  condition TEXT NOT NULL,
  checker TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('canonical', 'literal')),
  k INTEGER NOT NULL CHECK (k > 0),
  accuracy REAL NOT NULL,
  se REAL,
  tasks INTEGER NOT NULL,
  draws INTEGER NOT NULL,
  subsets TEXT NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  made_unix_ns INTEGER NOT NULL,
  PRIMARY KEY (job, condition, checker, kind, k)
) STRICT, WITHOUT ROWID;

CREATE INDEX sample_derived ON sample (run, task, repeat) WHERE derived = 1;
CREATE INDEX run_model ON run (model_hash, mode);
