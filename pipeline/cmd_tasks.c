#include "base/memory.h"
#include "pipeline/countdown_options.h"
#include "pipeline/output.h"
#include "store/query.h"

#include <string.h>

/* ---- tasks make ------------------------------------------------------------------------------ */

typedef struct making {
  const char *name;
  countdown_source source;
  int64_t count;
} making;

/* The problems taken so far, by open addressing. No SHA-256 that is ever met is zero. */
typedef struct key_set {
  hash *slots;
  size_t mask;
} key_set;

static status key_set_open(key_set *k, int64_t count, detail *err) {
  size_t capacity = 16;
  while (capacity < 2 * (size_t)count)
    capacity *= 2;
  *k = (key_set){memory_zeroed(capacity, sizeof *k->slots), capacity - 1};
  return k->slots ? OK
                  : fault(err, E_MEMORY, "no memory to tell %lld problems apart", (long long)count);
}

/* 0 when it was there. */
static int key_set_add(key_set *k, hash key) {
  static const hash empty = {{0}};
  size_t at = (size_t)hash_head(&key) & k->mask;
  while (!hash_equal(&k->slots[at], &empty)) {
    if (hash_equal(&k->slots[at], &key)) return 0;
    at = (at + 1) & k->mask;
  }
  k->slots[at] = key;
  return 1;
}

static status add_problem(store *s, const countdown_problem *p, countdown_partition partition,
                          text *question, text *target, detail *err) {
  text_clear(question);
  text_clear(target);
  countdown_question(p, question);
  countdown_target(p, target);
  status failed = text_state(question, err);
  if (!failed) failed = text_state(target, err);
  if (failed) return failed;
  store_task task = {.question = text_string(question),
                     .target = text_string(target),
                     .split = countdown_partition_name(partition)};
  return store_task_add(s, &task, err);
}

/* With k problems taken of D, a draw is new with a chance of about (D - k) / D, and the rarest
   problem (all numbers alike) is 24 times rarer than most. So many repetitions in a row mean that
   D is reached, or so nearly that the rest would take hours. The bound depends on what was taken
   and not on the count asked for, so that a smaller set is a prefix of a larger one. */
static int is_exhausted(int64_t taken, int64_t repeated) {
  return repeated > 20 * taken + 5000;
}

static status add_problems(store *s, const making *m, key_set *taken, logger *messages,
                           detail *err) {
  text question, target;
  text_open(&question, 4096);
  text_open(&target, 4096);
  status failed = OK;
  int64_t added = 0, repeated = 0;
  for (uint64_t n = 0; !failed && added < m->count; n++) {
    countdown_problem p;
    failed = countdown_generate(&m->source, n, &p, err);
    if (failed) break;
    if (key_set_add(taken, countdown_key(&p))) {
      failed = add_problem(s, &p, m->source.partition, &question, &target, err);
      added++;
      repeated = 0;
    } else if (is_exhausted(added, ++repeated)) {
      failed =
          fault(err, E_INPUT,
                "only %lld different problems were found and the next %lld draws gave no new "
                "one; ask for fewer with --count, or widen --targets, --numbers or --number-max",
                (long long)added, (long long)repeated);
    }
    log_progress(messages, "%lld of %lld problems", (long long)added, (long long)m->count);
  }
  text_close(&question);
  text_close(&target);
  return failed;
}

static json_t *hold_out_json(const countdown_source *source) {
  json_t *list = json_array();
  for (int i = 0; list && i < source->hold_out_count; i++) {
    if (!json_array_append_new(list, json_integer(source->hold_out[i]))) continue;
    json_decref(list);
    return NULL;
  }
  return list;
}

/* Everything that the tasks depend on, enough to make them again. */
static status origin_json(const making *m, text *out, detail *err) {
  const countdown_source *o = &m->source;
  json_t *origin = json_pack(
      "{s:s, s:I, s:I, s:s, s:i, s:I, s:[I,I], s:o, s:b}", "made_by", "tasks make countdown",
      "count", (json_int_t)m->count, "seed", (json_int_t)o->seed, "partition",
      countdown_partition_name(o->partition), "numbers", o->numbers, "number_max",
      (json_int_t)o->number_max, "targets", (json_int_t)o->target_min, (json_int_t)o->target_max,
      "hold_out_targets", hold_out_json(o), "only_hold_out", o->hold_out_only);
  if (!origin) return fault(err, E_MEMORY, "no memory for a task set");
  status s = json_canonical(origin, out, err);
  json_decref(origin);
  return s;
}

static status add_set(store *s, const making *m, logger *messages, store_task_set *out, int *added,
                      detail *err) {
  text origin;
  key_set taken = {0};
  text_open(&origin, 1 << 16);
  status failed = origin_json(m, &origin, err);
  if (!failed) failed = key_set_open(&taken, m->count, err);
  if (!failed) failed = store_task_set_begin(s, m->name, "countdown", text_string(&origin), err);
  if (!failed) {
    failed = add_problems(s, m, &taken, messages, err);
    if (!failed) {
      failed = store_task_set_end(s, out, added, err);
    } else {
      store_task_set_abandon(s);
    }
  }
  memory_free(taken.slots);
  text_close(&origin);
  return failed;
}

static status read_partition(const invocation *in, countdown_partition *out, detail *err) {
  const char *word = command_value(in, "partition"), *names[3];
  *out = COUNTDOWN_TEST;
  if (!word) return OK;
  for (int i = COUNTDOWN_TRAIN; i <= COUNTDOWN_TEST; i++) {
    names[i] = countdown_partition_name((countdown_partition)i);
    if (strcmp(word, names[i]) != 0) continue;
    *out = (countdown_partition)i;
    return OK;
  }
  const char *near = text_nearest(word, names, 3);
  return fault(err, E_USAGE, "--partition must be test, dev or train, not '%s'%s%s%s", word,
               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static status read_making(const invocation *in, making *m, detail *err) {
  countdown_partition partition;
  status s = read_partition(in, &partition, err);
  if (!s) s = countdown_options(in, partition, &m->source, &m->count, err);
  if (s) return s;
  m->name = command_value(in, "name");
  if (!m->name) return fault(err, E_USAGE, "--name is missing: what the task set is called");
  m->source.hold_out_only = command_flag(in, "only-hold-out");
  if (!m->source.hold_out_only) return OK;
  if (m->source.hold_out_count == 0) {
    return fault(err, E_USAGE,
                 "--only-hold-out draws the targets of --hold-out-targets; name them");
  }
  if (command_value(in, "targets")) {
    return fault(err, E_USAGE,
                 "--only-hold-out draws the targets of --hold-out-targets alone; remove --targets");
  }
  return OK;
}

static status run_make(const invocation *in, detail *err) {
  making m = {0};
  status failed = read_making(in, &m, err);
  if (failed) return failed;
  if (m.source.partition == COUNTDOWN_TRAIN) {
    log_warn(
        in->messages,
        "models are trained on the train partition; test on it only to see what was memorised");
  }
  store *s = NULL;
  store_task_set set = {0};
  int added = 0;
  failed = store_open(&s, in->db, STORE_WRITE, in->messages, err);
  if (!failed) failed = add_set(s, &m, in->messages, &set, &added, err);
  if (failed) {
    store_discard(s);
    return failed;
  }
  failed = store_close(s, err);
  if (failed) return failed;
  log_progress_end(in->messages);
  return output_task_set(in, &set, added, err);
}

static const command_option make_options[] = {
    {"name", "NAME", "the task set's name; required"},
    COUNTDOWN_OPTIONS,
    {"only-hold-out", NULL, "draw the held-out targets only"},
    {"partition", "P", "test (default), dev or train; models learn from train"},
    {0}};

const command command_tasks_make = {
    .name = "tasks make",
    .arguments = "countdown",
    .summary = "Draws a set of Countdown problems and stores it.",
    .more = "Problems are drawn in order and those that were drawn before are left out, so that a\n"
            "smaller --count is the beginning of a larger one. A name that holds other tasks gets\n"
            "a new version; the same tasks are not stored twice.\n\n"
            "  nightjar tasks make countdown --name countdown-test --count 1000 --seed 1\n"
            "  nightjar tasks make countdown --name unseen --count 200 --seed 1 \\\n"
            "      --hold-out-targets 15,27,33 --only-hold-out\n",
    .options = make_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .prints_data = 1,
    .run = run_make};

/* ---- tasks list ------------------------------------------------------------------------------ */

/* "a.jsonl, b.csv and 3 more": what an imported set was read from. */
static void put_files(text *out, const json_t *files, const json_t *count) {
  enum { SHOWN = 3 };
  for (size_t i = 0; i < json_array_size(files) && i < SHOWN; i++) {
    const char *name = json_string_value(json_object_get(json_array_get(files, i), "file"));
    text_format(out, "%s %s", i ? "," : "", name ? name : "?");
  }
  int64_t more = json_integer_value(count) - SHOWN;
  if (more > 0) text_format(out, " and %lld more", (long long)more);
}

/* "seed=1 targets=[10,100]": a set's origin in a line, without what other columns say. */
static void put_origin(text *out, const char *origin_json) {
  json_t *origin = NULL, *value;
  const char *key;
  if (json_read(&origin, origin_json, strlen(origin_json), "origin", 1, NULL)) return;
  const char *made_by = json_string_value(json_object_get(origin, "made_by"));
  if (made_by) text_put(out, made_by);
  const json_t *files = json_object_get(origin, "files");
  if (files) put_files(out, files, json_object_get(origin, "file_count"));
  json_object_foreach(origin, key, value) {
    if (files) break;
    int said = !strcmp(key, "made_by") || !strcmp(key, "count") || !strcmp(key, "partition");
    if (said || json_is_false(value) || (json_is_array(value) && !json_array_size(value))) continue;
    text_format(out, "%s%s=", out->bytes ? " " : "", key);
    if (json_is_string(value)) {
      text_put(out, json_string_value(value));
    } else if (json_canonical(value, out, NULL)) {
      text_char(out, '?');
    }
  }
  json_decref(origin);
}

static void list_row(const query *q, listing *rows, text *origin) {
  listing_text(rows, query_text(q, 0));
  listing_int(rows, query_int(q, 1));
  listing_text(rows, query_text(q, 2));
  listing_int(rows, query_int(q, 3));
  listing_text(rows, query_is_null(q, 4) ? NULL : query_text(q, 4));
  listing_text(rows, query_text(q, 5));
  text_clear(origin);
  put_origin(origin, query_text(q, 6));
  listing_text(rows, text_string(origin));
}

static json_t *nullable_json(const query *q, int column) {
  const char *value = query_text(q, column);
  return query_is_null(q, column) ? json_null() : output_json_text(value, strlen(value));
}

static json_t *list_json(const query *q) {
  json_t *origin = NULL;
  const char *bytes = query_text(q, 6);
  if (json_read(&origin, bytes, strlen(bytes), "origin", 1, NULL)) origin = json_null();
  return json_pack("{s:o, s:I, s:o, s:I, s:o, s:s, s:o}", "name", nullable_json(q, 0), "version",
                   (json_int_t)query_int(q, 1), "kind", nullable_json(q, 2), "tasks",
                   (json_int_t)query_int(q, 3), "split", nullable_json(q, 4), "hash",
                   query_text(q, 7), "origin", origin);
}

static const char list_sql[] =
    "SELECT name, version, kind, tasks, (SELECT CASE WHEN min(split) IS NOT max(split) OR "
    "count(split) NOT IN (0, count(*)) THEN 'mixed' ELSE min(split) END FROM task WHERE "
    "task.task_set = task_set.id), lower(substr(hex(hash), 1, 16)), origin, lower(hex(hash)) "
    "FROM task_set ORDER BY name, version";

static status read_list(store *s, listing *rows, json_t *list, detail *err) {
  query *q = NULL;
  text origin;
  text_open(&origin, 1 << 20);
  status failed = query_open(&q, s, list_sql, err);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (failed || !row) break;
    list_row(q, rows, &origin);
    if (json_array_append_new(list, list_json(q))) {
      failed = fault(err, E_MEMORY, "no memory to list the task sets");
    }
  }
  query_close(q);
  text_close(&origin);
  return failed;
}

static status print_table(const invocation *in, const listing *rows, detail *err) {
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  listing_print(rows, &out);
  status s = command_print(in, &out, err);
  text_close(&out);
  return s;
}

static status run_list(const invocation *in, detail *err) {
  static const listing_column columns[] = {{"name", 0},  {"version", 1}, {"kind", 0}, {"tasks", 1},
                                           {"split", 0}, {"hash", 0},    {"made", 0}};
  store *s = NULL;
  status failed = command_store(in, STORE_READ, &s, err);
  if (failed) return failed;
  listing rows;
  listing_open(&rows, columns, 7);
  json_t *list = json_array();
  failed = list ? read_list(s, &rows, list, err) : fault(err, E_MEMORY, "no memory to list");
  if (!failed && in->json) {
    failed = output_json(in, json_incref(list), err);
  } else if (!failed && json_array_size(list) == 0) {
    log_info(in->messages, "%s has no task sets; nightjar tasks make adds one", in->db);
  } else if (!failed) {
    failed = print_table(in, &rows, err);
  }
  json_decref(list);
  listing_close(&rows);
  (void)store_close(s, NULL);
  return failed;
}

const command command_tasks_list = {.name = "tasks list",
                                    .arguments = "",
                                    .summary = "Lists the task sets of a store.",
                                    .prints_data = 1,
                                    .run = run_list};

/* ---- tasks show ------------------------------------------------------------------------------ */

static json_t *task_json(const query *q) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", nullable_json(q, 0), "question",
                   nullable_json(q, 2), "target", nullable_json(q, 3), "split", nullable_json(q, 4),
                   "cluster", nullable_json(q, 5), "hash", nullable_json(q, 6));
}

static status read_tasks(store *s, int64_t set, int64_t limit, listing *rows, json_t *list,
                         detail *err) {
  query *q = NULL;
  status failed =
      query_open(&q, s,
                 "SELECT name, lower(substr(hex(hash), 1, 16)), question, target, split, cluster, "
                 "lower(hex(hash)) FROM task WHERE task_set = ?1 ORDER BY ordinal LIMIT ?2",
                 err);
  if (failed) return failed;
  query_bind_int(q, 1, set);
  query_bind_int(q, 2, limit);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (failed || !row) break;
    for (int i = 0; i < 4; i++)
      listing_text(rows, query_text(q, i));
    if (json_array_append_new(list, task_json(q))) {
      failed = fault(err, E_MEMORY, "no memory to list the tasks");
    }
  }
  query_close(q);
  return failed;
}

static status print_tasks(const invocation *in, const store_task_set *set, const listing *rows,
                          detail *err) {
  char hex[HASH_HEX_BYTES];
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  output_printable(&out, set->name, strlen(set->name));
  text_format(&out, "@%d  %s  %lld tasks  %s\n\n", set->version, set->kind, (long long)set->tasks,
              hash_hex(&set->content, hex));
  listing_print(rows, &out);
  status s = command_print(in, &out, err);
  text_close(&out);
  return s;
}

static status show(const invocation *in, store *s, int64_t limit, detail *err) {
  static const listing_column columns[] = {
      {"task", 0}, {"hash", 0}, {"question", 0}, {"target", 0}};
  store_task_set set;
  status failed = store_task_set_find(s, in->arguments[0], &set, err);
  if (failed) return failed;
  listing rows;
  listing_open(&rows, columns, 4);
  json_t *list = json_array();
  failed = list ? read_tasks(s, set.id, limit, &rows, list, err)
                : fault(err, E_MEMORY, "no memory to list the tasks");
  if (!failed && in->json) {
    char hex[HASH_HEX_BYTES];
    failed = output_json(in,
                         json_pack("{s:s, s:i, s:s, s:I, s:s, s:O}", "name", set.name, "version",
                                   set.version, "kind", set.kind, "count", (json_int_t)set.tasks,
                                   "hash", hash_hex(&set.content, hex), "tasks", list),
                         err);
  } else if (!failed) {
    failed = print_tasks(in, &set, &rows, err);
  }
  json_decref(list);
  listing_close(&rows);
  return failed;
}

static status run_show(const invocation *in, detail *err) {
  int64_t limit;
  store *s = NULL;
  status failed = command_integer(in, "limit", 0, INT32_MAX, 10, &limit, err);
  if (!failed) failed = command_store(in, STORE_READ, &s, err);
  if (!failed) failed = show(in, s, limit, err);
  (void)store_close(s, NULL);
  return failed;
}

static const command_option show_options[] = {{"limit", "K", "the first K tasks (default 10)"},
                                              {0}};

const command command_tasks_show = {.name = "tasks show",
                                    .arguments = "NAME[@VERSION]",
                                    .summary = "Shows a task set and its first tasks.",
                                    .more = "  nightjar tasks show countdown-test --limit 3\n"
                                            "  nightjar tasks show countdown-test@1 --json\n",
                                    .options = show_options,
                                    .arguments_min = 1,
                                    .arguments_max = 1,
                                    .prints_data = 1,
                                    .run = run_show};
