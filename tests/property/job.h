/* Jobs for an engine and ways to run them: what the property of schedules draws, and what the tests
   of the engine use where they need many threads. A job says which threads there are; a schedule
   says how they are run; running gives one trace a thread. By the promise traces depend on the job
   alone.

   One thread at a time; everything belongs to the caller and is ended by the function of its name.
 */
#ifndef TESTS_PROPERTY_JOB_H
#define TESTS_PROPERTY_JOB_H

#include "base/random.h"
#include "engine/engine.h"

enum { JOB_WORKERS = 2, JOB_STOPS_MAX = 3, JOB_TEXT_MAX = 1 << 20 };

/* Two workers in the combined layout: what they share, the other's segment, their own. When a
   worker ends for the first time its segment is spliced to what they share and it goes on. */
typedef struct job_gang {
  uint32_t *shared; /* [shared_count] fed first, by a thread of its own */
  int shared_count;
  uint32_t fed[JOB_WORKERS][8]; /* [fed_count] at the start and again after the splice */
  int fed_count[JOB_WORKERS];
  int most[JOB_WORKERS], feed_tokens;
  int seen; /* of the other's segment: -1 all, or a number of tokens */
} job_gang;

typedef struct job {
  compute_type compute;
  int positions;
  thread_request *threads; /* [count] arrays are the job's */
  int count;
  int has_gang;
  job_gang gang;
} job;

typedef struct trace {
  uint32_t *tokens;           /* [count] */
  float *logprobs, *filtered; /* [count] */
  int count, capacity;
  int ends, which; /* of the last end; ends: how often it has ended */
  engine_end end;
  size_t stop_at;
  text text;
} trace;

typedef struct traces {
  trace *of; /* [count] the job's threads, then of a gang what it shares and its workers */
  int count;
} traces;

/* Adds what an event says; a zeroed trace is empty once its text is open. */
MUST_CHECK status trace_add(trace *t, const engine_event *ev, detail *err);
void trace_clear(trace *t);

typedef struct schedule {
  engine_options options;
  int at_once;         /* threads that are submitted and have not ended, at most */
  int runs;            /* in one engine; the traces are the last one's */
  int shuffles;        /* threads are submitted in another order than the job's */
  int preempts_in_100; /* after so many steps of a hundred some thread is preempted,
                          three times for each thread and ten times at most */
  uint32_t seed;       /* of the last two */
} schedule;

/* What a run found besides traces. */
typedef struct run_report {
  engine_counters counters;
  cache_counters cache;
} run_report;

enum { JOB_SHORT, JOB_SMALL, JOB_MEDIUM, JOB_LARGE };
/* Draws a job of about this size: SHORT is for slow backends, LARGE has up to 257 threads. */
MUST_CHECK status job_draw(job *out, random_stream *r, int size, int vocabulary, detail *err);
void job_close(job *j);
int job_pages(const job *j, int page_keys);   /* of the thread that needs most, or of its gang */
int job_reserve(const job *j, int page_keys); /* of its gang, as a part of that */

/* One in whose texts the stop strings of drawn jobs occur. */
MUST_CHECK status job_tokenizer(tokenizer **out, int vocabulary, detail *err);

MUST_CHECK status traces_open(traces *out, const job *j, detail *err);
void traces_close(traces *t);

/* The engine is opened and closed here; swap_bytes and segments are what the job asks for where
   they are 0. report may be NULL. */
MUST_CHECK status job_run(const job *j, const schedule *s, const model *m, const tokenizer *t,
                          traces *out, run_report *report, detail *err);

/* Where two differ: the thread, the token's index (or the count of tokens, for what is not of one),
   and both values in words. 0: nowhere. */
typedef struct difference {
  int thread, token;
  char text[256];
} difference;
int traces_differ(const traces *a, const traces *b, difference *out);

/* One line. */
void schedule_line(const schedule *s, char *out, size_t out_bytes);
void job_line(const job *j, char *out, size_t out_bytes);

#endif
