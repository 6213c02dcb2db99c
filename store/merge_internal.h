/* Private to the files that merge. The input is attached to the owner's connection as `source`; all
   is read from there by explicit columns of tables whose shape was checked, never through its
   views. Temporary tables map its rowids to ours, and go with the transaction. */
#ifndef STORE_MERGE_INTERNAL_H
#define STORE_MERGE_INTERNAL_H

#include "store/merge.h"
#include "store/store_internal.h"

typedef struct merging {
  store *out;
  const char *in; /* as the caller named it */
  store_merged *counts;
} merging;

/* ---- merge.c --------------------------------------------------------------------------------- */

/* What SQLite's result code means while two files are open: says which of them is at fault. */
status merge_failed(const merging *m, int code, detail *err);
/* E_STORE: the input is not what Nightjar writes. */
#define merge_refuse(m, err, ...)                                                                  \
  (merge_refused((m), (err), __VA_ARGS__), E_STORE) /* so that compilers see what is returned */
void merge_refused(const merging *m, detail *err, const char *format, ...) PRINTF_LIKE(3, 4);

MUST_CHECK status merge_run(merging *m, const char *sql, detail *err);
/* A statement with parameters, for this merge only: call_* bind them, merge_row steps, merge_end
   ends it. */
call merge_call(merging *m, const char *sql);
MUST_CHECK status merge_row(merging *m, call *k, int *row, detail *err);
void merge_end(call *k);
MUST_CHECK status merge_step(merging *m, call *k, detail *err); /* to its end, and merge_end */
const char *merge_text(const call *k, int column);              /* "" for NULL */
/* The first column of the first row, 0 without one. */
MUST_CHECK status merge_number(merging *m, const char *sql, int64_t *out, detail *err);

/* ---- the steps, in order --------------------------------------------------------------------- */

MUST_CHECK status merge_check_shape(merging *m, detail *err); /* before the transaction */
MUST_CHECK status merge_check_rows(merging *m, detail *err);
MUST_CHECK status merge_check_values(merging *m, detail *err);
MUST_CHECK status merge_task_sets(merging *m, detail *err);
MUST_CHECK status merge_processes(merging *m, detail *err);
MUST_CHECK status merge_runs(merging *m, detail *err);
MUST_CHECK status merge_jobs(merging *m, detail *err);
MUST_CHECK status merge_samples(merging *m, detail *err);

/* ---- merge_measured.c ------------------------------------------------------------------------ */

MUST_CHECK status merge_models(merging *m, detail *err);
MUST_CHECK status merge_loads(merging *m, detail *err); /* after merge_processes */
/* Of the samples of temp.merge_sample, after they are copied. */
MUST_CHECK status merge_alone(merging *m, detail *err);
MUST_CHECK status merge_logprobs(merging *m, detail *err);

/* Rows of the input that belong to the samples of temp.merge_sample. */
#define MERGE_CHUNK(column)                                                                        \
  column " BETWEEN (SELECT min(source) FROM temp.merge_sample) AND "                               \
         "(SELECT max(source) FROM temp.merge_sample)"

/* ---- merge_compare.c ------------------------------------------------------------------------- */

/* Columns by table, separated by ", ": promised ones must be equal where both sides have a sample,
   measured ones only come along. Together with the keys they are all columns of their tables. */
extern const char merge_sample_promised[], merge_sample_measured[], merge_thread_promised[],
    merge_thread_measured[], merge_trace_promised[], merge_trace_measured[];

/* E_STORE names the first sample of temp.merge_sample that both sides have with other bits. */
MUST_CHECK status merge_compare(merging *m, detail *err);

#endif
