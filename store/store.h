/* The store: one SQLite file with every task, run, sample, verdict, trace and comparison.

   One process writes (flock on FILE.lock, never on FILE itself); readers take no lock. Within that
   process one writer thread commits samples: store_put only queues. store_put may be called from
   any thread at once; every other function from the thread that opened the store.

   While a writer has it open the file is in WAL mode with synchronous=FULL: a sample is durable
   when it is committed, within 50 ms of store_put while the writer keeps up; what waits for it is
   at most STORE_QUEUE_BYTES. store_close leaves one plain file. On a network
   file system a rollback journal is used instead, and said once.

   Errors: E_STORE (not ours, newer, damaged, read-only, full), E_BUSY (another process writes, and
   did not end within the three seconds that opening waits),
   E_INPUT (what was asked for is not there), E_IO, E_MEMORY. The first failure of the writer thread
   is what every later store_put and store_flush returns, and nothing more is accepted. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

enum { STORE_APPLICATION_ID = 0x4e4a4152 /* "NJAR" */, STORE_VERSION = 4 };
enum { STORE_QUEUE_BYTES = 64 << 20, STORE_REPEATS_MAX = 1000000 };

typedef struct store store;

/* A store of an older version is brought up to this one at its first opening, by either access: a
   copy of it stays beside it as FILE.version-N, and E_STORE says so where that cannot be done. A
   newer one is refused. */
typedef enum store_access {
  STORE_READ,  /* the file must exist; nothing else is written */
  STORE_WRITE, /* makes the file where there is none */
} store_access;

/* Borrows log until store_close; it may be NULL. */
MUST_CHECK status store_open(store **out, const char *path, store_access access, logger *messages,
                             detail *err);
/* Waits for the queue, commits, ends the process record, checkpoints and leaves one file. Frees s
   whatever it returns; NULL is a no-op. */
status store_close(store *s, detail *err);
/* store_close where the work failed and its detail is the one to show: a file that this store_open
   made goes again if nothing was committed to it since. */
void store_discard(store *s);
/* Whether a file is a store that store_open would take, an older one included, which stays as it
   is. The errors are those of store_open. */
MUST_CHECK status store_check(const char *path, detail *err);
const char *store_path(const store *s);
int store_writable(const store *s);

/* A consistent copy in a new file, by SQLite's online backup; s may be a reader, and another
   process may write meanwhile. The copy is one plain file, whole or not there. E_INPUT: there is a
   file of that name. */
MUST_CHECK status store_snapshot(store *s, const char *path, detail *err);

/* ---- task sets ------------------------------------------------------------------------------ */

typedef struct store_task {
  int64_t id;                  /* out */
  const char *name;            /* the user's id; NULL: the ordinal */
  const char *question;        /* for a person */
  const char *target;          /* canonical JSON for the checker */
  const char *cluster, *split; /* NULL: none */
  const char *data;            /* JSON; NULL: {} */
  hash content; /* out: store_task_hash(question, target); store_task_add computes it itself */
} store_task;

typedef struct store_task_set {
  int64_t id, tasks;
  int version;
  char name[128], kind[32];
  hash content;
  int64_t relabelled; /* by store_task_set_end: tasks that were there and got other labels */
} store_task_set;

hash store_task_hash(const char *question, const char *target);

/* One transaction from begin to end: nothing of a set is seen before store_task_set_end. Tasks are
   streamed; meanwhile the owner's other writes are refused and queued samples wait. When the same
   tasks are there already under this name, end gives that set and adds nothing (*added 0), but
   gives its tasks the names, clusters, splits and data of the new ones, as these are for analysis
   alone (a new one without a split says nothing of it: what was there stays); other tasks under a
   known name become its next version. E_INPUT: two tasks of one name, a name with '@' in it, no
   tasks, or tasks that are there under another name. A set that fails to end is gone. */
MUST_CHECK status store_task_set_begin(store *s, const char *name, const char *kind,
                                       const char *origin_json, detail *err);
MUST_CHECK status store_task_add(store *s, const store_task *task, detail *err); /* copies */
/* Between begin and end: replaces the origin, where it is known at the end only. */
MUST_CHECK status store_task_set_origin(store *s, const char *origin_json, detail *err);
/* Between begin and end, also after a task that could not be added: the ordinal of the task with
   this name, or -1. */
MUST_CHECK status store_task_named(store *s, const char *name, int64_t *ordinal, detail *err);

typedef struct store_twins {
  int64_t count;         /* tasks with the question and target of an earlier one */
  int64_t first, second; /* ordinals of two equal ones, when count > 0 */
} store_twins;

/* Between begin and end. Equal tasks have equal random numbers, hence equal samples. */
MUST_CHECK status store_task_set_twins(store *s, store_twins *out, detail *err);
MUST_CHECK status store_task_set_end(store *s, store_task_set *out, int *added, detail *err);
void store_task_set_abandon(store *s); /* after any failure between begin and end */

/* The newest version, or "name@version". E_INPUT names the nearest known set. */
MUST_CHECK status store_task_set_find(store *s, const char *name, store_task_set *out, detail *err);

/* ---- models, jobs, runs, conditions, processes ----------------------------------------------- */

typedef struct store_model {
  hash hash, tokenizer;     /* of what the arithmetic depends on; of the tokenizer's file */
  const char *name;         /* of its folder */
  const char *architecture; /* as its own files name it */
  const char *config_json;  /* what the arithmetic depends on */
  int64_t parameters, context, vocabulary;
} store_model;

/* Adds a model; one of this hash that is there stays as it is. */
MUST_CHECK status store_model_put(store *s, const store_model *m, detail *err);

typedef struct store_run_new {
  const char *identity_json; /* canonical */
  int64_t task_set;
  const char *mode, *protocol, *parameters_json, *token_unit, *determinism_class;
  const hash *model; /* NULL: none */
  int64_t seed;
} store_run_new;

/* Finds or makes the run with this identity. */
MUST_CHECK status store_run(store *s, const store_run_new *r, int64_t *run, int *made, detail *err);
/* The run with this identity, or 0. */
MUST_CHECK status store_run_find(store *s, const char *identity_json, int64_t *run, detail *err);
/* The fingerprint of the engine that makes the run's samples, no part of its identity. *found is 0
   where it has none yet. E_INPUT: no such run; E_STORE: what stands there is no hash. */
MUST_CHECK status store_run_fingerprint(store *s, int64_t run, hash *out, int *found, detail *err);
/* Gives a run that has no fingerprint this one; another that it has stays. */
MUST_CHECK status store_run_mark(store *s, int64_t run, const hash *fingerprint, detail *err);

MUST_CHECK status store_job_put(store *s, const char *name, const char *document_json, detail *err);

typedef struct store_condition {
  const char *job, *name, *family, *checker, *axes_json;
  int ordinal, repeats;
  int64_t run, tasks;
} store_condition;

/* Replaces the conditions of a job: those not named any more are removed (their runs and samples
   stay). All have the same job. One transaction. */
MUST_CHECK status store_conditions_put(store *s, const char *job, const store_condition *conditions,
                                       size_t count, detail *err);

typedef struct store_process {
  const char *version, *device, *settings_json;
} store_process;

/* Starts this process's record; its times count from now. Must precede store_put. */
MUST_CHECK status store_process_start(store *s, const store_process *p, detail *err);
/* Nanoseconds since then: the clock of every *_ns in a sample. */
int64_t store_now_ns(const store *s);

/* ---- what is still to do --------------------------------------------------------------------- */

typedef struct store_work store_work;

typedef struct store_item {
  int64_t run;
  int32_t repeat, attempt; /* attempt: from 1 */
  store_task task;         /* borrowed until the next call */
} store_item;

typedef struct store_work_filter {
  int64_t run;
  int64_t task_limit;    /* the first tasks of the set; negative: all */
  int32_t repeats;       /* repeats 0 .. repeats - 1 */
  int32_t attempts_max;  /* a failed sample is tried again below this many attempts */
  int32_t shard, shards; /* items with (task ordinal + repeat) % shards == shard; 0, 1: all */
} store_work_filter;

/* The only source of resume: (task, repeat) without a sample, or with a failed one that may be
   tried again, in order of (repeat, task ordinal). Reads committed state in pages, so what is
   committed meanwhile is not given again within one pass. */
MUST_CHECK status store_work_open(store_work **out, store *s, const store_work_filter *f,
                                  detail *err);
MUST_CHECK status store_work_next(store_work *w, store_item *item, int *found, detail *err);
void store_work_close(store_work *w);

typedef struct store_counts {
  int64_t wanted, done, capped, failed, left; /* left: without a sample, or to be tried again */
} store_counts;
MUST_CHECK status store_work_count(store *s, const store_work_filter *f, store_counts *out,
                                   detail *err);
/* What a filter wants of a run's first tasks, whether or not the run is there yet. Pure. */
int64_t store_work_wanted(const store_work_filter *f, int64_t tasks);

/* ---- samples --------------------------------------------------------------------------------- */

/* NULL for a number: STORE_NONE. */
#define STORE_NONE INT64_MIN

typedef struct store_thread {
  const char *path, *role, *finish;
  const char *answer, *vote_key;   /* NULL: none */
  int32_t parent;                  /* an index; -1 for none */
  int32_t worker, round;           /* -1 for none */
  int64_t spawn_token, join_token; /* STORE_NONE for none */
  int64_t tokens_prompt, tokens_fed, tokens_generated, tokens_seen;
  int64_t logical_start, logical_end, wait_steps;
  uint64_t bits_hash;
  int64_t tokens_cached, drafted, accepted, rows_spent;
  int64_t queued_ns, started_ns, first_token_ns, ended_ns;
  const char *text; /* the trace: text_bytes bytes; NULL: none is kept */
  size_t text_bytes;
  const char *layout_json;
  /* Of a model: what its tokens are, and how likely those were that it sampled. A symbolic thread
     leaves all of it zero. */
  const uint32_t *ids;   /* [id_count] NULL: none, and then none of the rest */
  const float *logprobs; /* [logprob_count] raw, of sampled tokens in order; NULL: not kept */
  size_t id_count, logprob_count;
  double logprob; /* their sum, kept either way; NaN: not known */
} store_thread;

typedef struct store_costs {
  int64_t tokens_generated, tokens_injected, tokens_prompt, tokens_finisher, tokens_total;
  int64_t tokens_ref;
  int64_t seq_critical_path, seq_critical_path_injected, seq_longest_sequence, seq_forwards;
  int64_t context_peak, wait_steps;
  double flops; /* negative for none */
  int64_t kv_token_steps;
  int64_t nodes_explored, nodes_duplicate;
  int64_t children, children_refused, rounds;
} store_costs;

typedef struct store_sample {
  int64_t run, task;
  int32_t repeat, attempt;
  const char *status;                                /* "done", "capped", "failed" */
  const char *limit_met, *answer, *vote_key, *error; /* NULL for none */
  store_costs costs;
  int64_t queued_ns, started_ns, first_token_ns, ended_ns;
  double batch_samples;        /* negative for none */
  int derived;                 /* 1: cut from the tokens of a larger sample, and not run */
  const store_thread *threads; /* threads[0] is the root */
  int32_t thread_count;
} store_sample;

typedef struct store_verdict {
  int32_t thread; /* -1: the sample */
  const char *checker, *reason;
  int version, correct;
  double score;
} store_verdict;

/* Compresses the traces here, in the caller's thread, queues a copy and returns; waits while the
   queue holds STORE_QUEUE_BYTES. Sample, threads, traces and verdicts commit together or not at
   all. A failed sample of the same key is replaced; a finished one never (E_STORE). Any thread. */
MUST_CHECK status store_put(store *s, const store_sample *sample, const store_verdict *verdicts,
                            size_t verdict_count, detail *err);
/* Returns when all that was queued is durable. Any thread. */
MUST_CHECK status store_flush(store *s, detail *err);

/* What the engine did between at_ns - interval_ns and at_ns; times by store_now_ns. */
typedef struct store_load {
  int64_t at_ns, interval_ns;
  int64_t steps, rows, sampled, prefilled, found, recomputed, preempted; /* in the interval */
  double threads_running, threads_waiting, samples;                      /* means over its steps */
  int64_t pages, pages_used;  /* of the cache, at its end */
  int64_t step_ns, record_ns; /* spent in steps; spent recording samples */
} store_load;

/* Queued like a sample, for the process of store_process_start. Each ends later than the one
   before. Any thread. */
MUST_CHECK status store_load_put(store *s, const store_load *load, detail *err);

typedef struct store_alone {
  int64_t sample, total_ns;
  int64_t first_token_ns; /* STORE_NONE: not known */
  int32_t pass;           /* from 0 */
} store_alone;

/* One pass of a stored sample by itself in an empty engine, in this process. Replaces the same
   pass of this process. E_STORE: no such sample. Owner's thread. */
MUST_CHECK status store_alone_put(store *s, const store_alone *a, detail *err);

/* How many tokens a thread may be expected to sample at this task: the mean over the threads of
   the stored finished samples of the task with this model and mode, else over all tasks (of at
   most a thousand samples, and kept from then on), else 0. For the order of work only. */
MUST_CHECK status store_expected_tokens(store *s, const hash *model, const char *mode, int64_t task,
                                        int64_t *tokens, detail *err);

typedef struct store_stats {
  int64_t samples, bytes, commits; /* committed; bytes of queued records */
  int64_t write_ns;                /* the writer thread at work, commits included */
  int64_t blocked_ns;              /* callers waiting in store_put, summed over threads */
} store_stats;
store_stats store_written(store *s);

/* ---- verdicts after the fact ------------------------------------------------------------------
 */

typedef struct store_answer_thread {
  int32_t ordinal;
  const char *role, *finish;
  const char *answer, *vote_key; /* NULL: none */
} store_answer_thread;

typedef struct store_answer {
  int64_t sample;
  const char *target;            /* of its task */
  const char *answer, *vote_key; /* NULL: none */
  const char *status;
  const char *trace; /* of the root thread */
  size_t trace_bytes;
  const store_answer_thread *threads; /* [thread_count] all of them, in order */
  int thread_count;
} store_answer;

/* Judges one sample; a is borrowed for the call. verdicts has room for 1 + a->thread_count and
   *count is 1: the first is the sample's, and behind it may come one for any of its threads, named
   by its ordinal. Filled in are correct, score, reason (copied) and a thread's ordinal; who judges
   is known. */
typedef status store_judge(void *context, const store_answer *a, store_verdict *verdicts,
                           int *count, detail *err);

/* Gives each sample of the run that has no verdict by this checker at this version (or every one,
   with all) to judge, and stores what it returns in the place of all that the checker said of the
   sample and its threads before, a transaction per thousand samples. Failed samples are not judged.
   *changed counts samples whose own verdict differs from before in correct or reason, or is new. */
MUST_CHECK status store_rescore(store *s, int64_t run, const char *checker, int version, int all,
                                store_judge *judge, void *context, int64_t *judged,
                                int64_t *changed, detail *err);

#endif
