#include "pipeline/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 10000 }; /* among which the nearest is looked for */

/* The nearest to a word among the texts of a statement's first column, or NULL. ?1 is a number. */
static status find_nearest(store *s, const char *sql, int64_t number, const char *word,
                           arena *memory, const char **out, detail *err) {
  query *q = NULL;
  size_t count = 0;
  const char **names = arena_take(memory, NAMES_MAX, sizeof *names);
  status failed = names ? query_open(&q, s, sql, err) : arena_full(memory, err);
  if (failed) return failed;
  query_bind_int(q, 1, number);
  for (int row = 1; !failed && row && count < NAMES_MAX;) {
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    names[count] = query_keep(q, 0, memory);
    if (!names[count++]) failed = arena_full(memory, err);
  }
  query_close(q);
  *out = failed ? NULL : text_nearest(word, names, count);
  return failed;
}

/* ---- the condition --------------------------------------------------------------------------- */

/* *first: a condition of the family of this name, or NULL. */
static status find_family(store *s, const char *word, arena *memory, const char **first,
                          detail *err) {
  query *q = NULL;
  int row = 0;
  *first = NULL;
  status failed =
      query_open(&q, s, "SELECT name FROM condition WHERE family = ?1 ORDER BY id", err);
  if (failed) return failed;
  query_bind_text(q, 1, word);
  failed = query_next(q, &row, err);
  if (!failed && row) {
    *first = query_keep(q, 0, memory);
    if (!*first) failed = arena_full(memory, err);
  }
  query_close(q);
  return failed;
}

static status unknown_condition(store *s, const char *word, arena *memory, detail *err) {
  const char *member;
  status found = find_family(s, word, memory, &member, err);
  if (found) return found;
  if (member) {
    return fault(err, E_INPUT, "'%s' is a family of conditions; name one, such as '%s'", word,
                 member);
  }
  const char *sql = strchr(word, ':') ? "SELECT job || ':' || name FROM condition WHERE ?1 = 0"
                                      : "SELECT DISTINCT name FROM condition WHERE ?1 = 0";
  const char *near;
  status failed = find_nearest(s, sql, 0, word, memory, &near, err);
  if (failed) return failed;
  if (near) {
    return fault(err, E_INPUT, "no condition '%s' in %s; did you mean '%s'?", word, store_path(s),
                 near);
  }
  return fault(err, E_INPUT, "no condition '%s' in %s; nightjar status lists them", word,
               store_path(s));
}

static status find_condition(store *s, const char *word, arena *memory, int64_t *condition,
                             int64_t *run, detail *err) {
  query *q = NULL;
  status failed = query_open(&q, s,
                             "SELECT id, run, job FROM condition WHERE name = ?1 OR "
                             "job || ':' || name = ?1 ORDER BY job",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, word);
  text jobs;
  text_open(&jobs, 512); /* more jobs than fit in a message need not be named */
  int count = 0;
  for (int row = 1; !failed && row; count += row) {
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    *condition = query_int(q, 0);
    *run = query_int(q, 1);
    text_format(&jobs, "%s%s", count ? ", " : "", query_text(q, 2));
  }
  query_close(q);
  if (!failed && count == 0) failed = unknown_condition(s, word, memory, err);
  if (!failed && count > 1) {
    failed = fault(err, E_INPUT, "'%s' is a condition of the jobs %s; write JOB:%s", word,
                   text_string(&jobs), word);
  }
  text_close(&jobs);
  return failed;
}

/* ---- the sample ------------------------------------------------------------------------------ */

static status find_task(store *s, int64_t run, const char *word, arena *memory, int64_t *task,
                        detail *err) {
  query *q = NULL;
  int row;
  status failed = query_open(&q, s,
                             "SELECT t.id FROM run r JOIN task t ON t.task_set = r.task_set "
                             "WHERE r.id = ?1 AND t.name = ?2",
                             err);
  if (failed) return failed;
  query_bind_int(q, 1, run);
  query_bind_text(q, 2, word);
  failed = query_next(q, &row, err);
  if (!failed && row) *task = query_int(q, 0);
  query_close(q);
  if (failed || row) return failed;
  const char *near;
  failed = find_nearest(s,
                        "SELECT t.name FROM run r JOIN task t ON t.task_set = r.task_set "
                        "WHERE r.id = ?1 ORDER BY t.ordinal",
                        run, word, memory, &near, err);
  if (failed) return failed;
  return fault(err, E_INPUT, "the condition's task set has no task '%s'%s%s%s", word,
               near ? "; did you mean '" : "; nightjar tasks show lists them", near ? near : "",
               near ? "'?" : "");
}

static status no_sample(store *s, int64_t run, int64_t task, const char *repeat, detail *err) {
  query *q = NULL;
  text repeats;
  text_open(&repeats, 256);
  status failed = query_open(
      &q, s, "SELECT repeat FROM sample WHERE run = ?1 AND task = ?2 ORDER BY repeat LIMIT 20",
      err);
  if (failed) return failed;
  query_bind_int(q, 1, run);
  query_bind_int(q, 2, task);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (failed || !row) continue;
    text_format(&repeats, "%s%lld", repeats.bytes ? ", " : "", (long long)query_int(q, 0));
  }
  query_close(q);
  if (!failed && repeats.bytes) {
    failed = fault(err, E_INPUT, "no repeat %s of this task is stored; there is %s", repeat,
                   text_string(&repeats));
  } else if (!failed) {
    failed = fault(err, E_INPUT, "this task has no sample yet; nightjar status shows what is left");
  }
  text_close(&repeats);
  return failed;
}

static int read_number(const char *word, int64_t *out) {
  char *end;
  errno = 0;
  *out = strtoll(word, &end, 10);
  return *word >= '0' && *word <= '9' && !*end && !errno;
}

static status find_sample(store *s, int64_t run, int64_t task, const char *repeat, int64_t *sample,
                          detail *err) {
  query *q = NULL;
  int64_t number;
  int row;
  if (!read_number(repeat, &number)) {
    return fault(err, E_INPUT, "a repeat is a number from 0, not '%s'", repeat);
  }
  status failed =
      query_open(&q, s, "SELECT id FROM sample WHERE run = ?1 AND task = ?2 AND repeat = ?3", err);
  if (failed) return failed;
  query_bind_int(q, 1, run);
  query_bind_int(q, 2, task);
  query_bind_int(q, 3, number);
  failed = query_next(q, &row, err);
  if (!failed && row) *sample = query_int(q, 0);
  query_close(q);
  return failed || row ? failed : no_sample(s, run, task, repeat, err);
}

/* By its id, with the first condition that asks for its run. */
static status find_by_id(store *s, int64_t id, trace_place *out, detail *err) {
  query *q = NULL;
  int row;
  status failed = query_open(&q, s,
                             "SELECT s.id, (SELECT c.id FROM condition c WHERE c.run = s.run "
                             "ORDER BY c.job, c.ordinal LIMIT 1) FROM sample s WHERE s.id = ?1",
                             err);
  if (failed) return failed;
  query_bind_int(q, 1, id);
  failed = query_next(q, &row, err);
  if (!failed && row) *out = (trace_place){query_int(q, 0), query_int(q, 1)};
  query_close(q);
  if (failed || row) return failed;
  return fault(err, E_INPUT, "no sample %lld in %s; its condition, task and repeat are surer names",
               (long long)id, store_path(s));
}

status trace_find(store *s, const char *address, arena *memory, trace_place *out, detail *err) {
  int64_t id, run = 0, task = 0;
  if (read_number(address, &id)) return find_by_id(s, id, out, err);
  char *condition = arena_text(memory, address, strlen(address));
  if (!condition) return arena_full(memory, err);
  char *last = strrchr(condition, '/'), *before = NULL;
  if (last) {
    *last = 0;
    before = strrchr(condition, '/');
  }
  if (!before) {
    return fault(err, E_USAGE, "'%s' is neither CONDITION/TASK/REPEAT nor a sample's id", address);
  }
  *before = 0;
  status failed = find_condition(s, condition, memory, &out->condition, &run, err);
  if (!failed) failed = find_task(s, run, before + 1, memory, &task, err);
  return failed ? failed : find_sample(s, run, task, last + 1, &out->sample, err);
}
