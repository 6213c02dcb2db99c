#include "base/memory.h"
#include "pipeline/import.h"
#include "pipeline/output.h"
#include "store/pack.h"

#include <limits.h>
#include <string.h>

enum {
  PROBLEMS_SHOWN = 20,  /* by --check */
  FILES_KEPT_MAX = 100, /* in a set's origin, one by one */
  PASSED_OVER_SHOWN = 10,
  LABEL_BYTES = 256,
  RECORD_OF_BYTES = LABEL_BYTES + 32
};

/* Where the tasks of a file start in the set, to name the record of a task. */
typedef struct place {
  char label[LABEL_BYTES];
  int64_t first;
} place;

typedef struct importing {
  const invocation *in;
  const char *name, *member, *map;
  records_format format;
  int check, allow_duplicates;
  import *tasks;
  store *s;
  int begun; /* the set, with the first task */
  place *places;
  size_t place_count, place_capacity;
  json_t *files;       /* for the origin */
  size_t label_folder; /* bytes of the folder before the name in a label */
  int64_t problems, records, bytes, passed_over;
  int member_found;
  text names; /* of members that were not chosen, for messages */
} importing;

/* ---- one record ------------------------------------------------------------------------------ */

static status add_place(importing *w, const char *label, detail *err) {
  if (w->place_count == w->place_capacity) {
    size_t capacity = w->place_capacity ? 2 * w->place_capacity : 8;
    place *more = memory_grow(w->places, capacity * sizeof *more);
    if (!more) return fault(err, E_MEMORY, "no memory for an import");
    w->places = more;
    w->place_capacity = capacity;
  }
  place *p = &w->places[w->place_count++];
  /* Of a path that is too long, the end says most. */
  size_t bytes = strlen(label), cut = bytes < LABEL_BYTES ? 0 : bytes + 4 - LABEL_BYTES;
  while (cut && (label[cut] & 0xc0) == 0x80)
    cut++;
  (void)snprintf(p->label, sizeof p->label, "%s%s", cut ? "..." : "", label + cut);
  p->first = import_counted(w->tasks)->tasks;
  return OK;
}

/* "record 3 of test.jsonl", of the task with this ordinal. */
static const char *record_of(const importing *w, int64_t ordinal, char *out, size_t bytes) {
  size_t i = w->place_count - 1;
  while (i > 0 && w->places[i].first > ordinal)
    i--;
  (void)snprintf(out, bytes, "record %lld of %s", (long long)(ordinal - w->places[i].first + 1),
                 w->places[i].label);
  return out;
}

/* The set begins with the first task, so that a file without one leaves nothing behind. */
static status begin(importing *w, detail *err) {
  status failed = store_open(&w->s, w->in->db, STORE_WRITE, w->in->messages, err);
  if (!failed) failed = store_task_set_begin(w->s, w->name, import_kind(w->tasks), "{}", err);
  if (!failed) w->begun = 1;
  return failed;
}

static status add_task(importing *w, const store_task *task, detail *err) {
  status failed = w->begun ? OK : begin(w, err);
  if (!failed) failed = store_task_add(w->s, task, err);
  if (failed != E_INPUT || !w->begun) return failed;
  int64_t before = -1;
  char ordinal[24], first[RECORD_OF_BYTES];
  (void)snprintf(ordinal, sizeof ordinal, "%lld", (long long)import_counted(w->tasks)->tasks - 1);
  const char *name = task->name ? task->name : ordinal;
  status found = store_task_named(w->s, name, &before, NULL);
  if (found || before < 0) return failed;
  return fault(err, E_INPUT,
               "the task name '%.100s' is that of %s too; give each its own, take the name from "
               "another field with --map name=FIELD, or number the tasks with --map name=",
               name, record_of(w, before, first, sizeof first));
}

static status take_record(importing *w, const char *label, const records_item *from, detail *err) {
  store_task task;
  int first = !w->check && import_counted(w->tasks)->tasks == 0;
  status failed = import_task(w->tasks, from->value, &task, err);
  if (!failed && first) {
    text said;
    text_open(&said, 4096);
    import_describe(w->tasks, &said);
    log_info(w->in->messages, "%s", text_string(&said));
    text_close(&said);
  }
  if (!failed && !w->check) failed = add_task(w, &task, err);
  if (failed == E_INPUT && err) {
    detail cause = *err;
    return fault_at(err, E_INPUT, label, from->line, "record %lld: %.700s", (long long)from->number,
                    cause.text);
  }
  return failed;
}

/* With --check a record's problem is said, and the rest is read. */
static status note_problem(importing *w, const detail *why, detail *err) {
  char line[1200];
  log_warn(w->in->messages, "%s", detail_line(why, line, sizeof line));
  if (++w->problems < PROBLEMS_SHOWN) return OK;
  return fault(err, E_INPUT, "%d problems were found and no more are looked for",
               (int)PROBLEMS_SHOWN);
}

/* ---- one file -------------------------------------------------------------------------------- */

static status read_member(void *from, void *bytes, size_t capacity, size_t *count, detail *err) {
  return pack_read(from, bytes, capacity, count, err);
}

static status read_records(importing *w, records *r, const char *label, detail *err) {
  for (int found = 1;;) {
    records_item item;
    detail why = {0};
    status failed = records_next(r, &item, &found, &why);
    if (!failed && !found) return OK;
    if (!failed) failed = take_record(w, label, &item, &why);
    if (failed == E_INPUT && w->check) {
      failed = note_problem(w, &why, &why);
    }
    if (failed) {
      if (err) *err = why;
      return failed;
    }
    if (++w->records % 1000 == 0) {
      log_progress(w->in->messages, "%lld records, %lld MB", (long long)w->records,
                   (long long)((w->bytes + records_bytes(r)) / 1000000));
    }
  }
}

/* The store keeps the name only: it may be given away, and the folder is nobody's business. */
static status keep_origin(importing *w, const char *label, const records *r, int64_t count,
                          detail *err) {
  if (json_array_size(w->files) >= FILES_KEPT_MAX) return OK;
  char hex[HASH_HEX_BYTES];
  hash content = records_hash(r);
  label += w->label_folder;
  json_t *file = json_pack(
      "{s:o, s:s, s:I, s:s, s:I}", "file", output_json_text(label, strlen(label)), "format",
      records_format_name(records_found_format(r)), "bytes", (json_int_t)records_bytes(r), "sha256",
      hash_hex(&content, hex), "records", (json_int_t)count);
  if (file && json_array_append_new(w->files, file) == 0) return OK;
  return fault(err, E_MEMORY, "no memory for an import");
}

static status import_member(importing *w, pack_reader *pack, const char *label,
                            records_format format, detail *err) {
  records_source source = {.name = label, .read = read_member, .from = pack};
  records *r = NULL;
  status failed = add_place(w, label, err);
  if (!failed) failed = records_open(&r, &source, format, err);
  if (failed) return failed;
  int64_t before = w->records;
  failed = read_records(w, r, label, err);
  if (!failed && w->records == before) {
    failed = fault_at(err, E_INPUT, label, 0, "there are no records in it; check that it is whole");
  }
  if (!failed && records_unended(r)) {
    log_warn(w->in->messages,
             "%s does not end with an end of line: if it was cut off, its last record is too",
             label);
  }
  if (!failed) failed = keep_origin(w, label, r, w->records - before, err);
  w->bytes += records_bytes(r);
  records_close(r);
  return failed;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Which members of a collection are task files: those with a suffix of one, but not the hidden ones
   that some archivers add. */
static int is_wanted(const importing *w, const pack_member *m, records_format *format) {
  int known = records_format_of(m->name, format);
  if (w->format) *format = w->format;
  if (m->alone) {
    if (!known && !w->format) *format = RECORDS_ANY;
    return 1;
  }
  if (w->member) return !strcmp(w->member, m->name);
  return known && base_name(m->name)[0] != '.';
}

static void pass_over(importing *w, const char *label, const char *name) {
  if (w->names.bytes < 400) {
    text_format(&w->names, "%s'%.100s'", w->names.bytes ? ", " : "", name);
  }
  if (w->passed_over++ < PASSED_OVER_SHOWN && !w->member) {
    records_format format;
    log_info(w->in->messages, "%s is passed over: %s", label,
             records_format_of(name, &format) ? "a hidden file"
                                              : "no .jsonl, .ndjson, .json, .csv or .tsv");
  }
}

static status import_pack(importing *w, pack_reader *pack, const char *file, detail *err) {
  int taken = 0;
  for (;;) {
    pack_member m;
    int found;
    status failed = pack_next(pack, &m, &found, err);
    if (failed) return failed;
    if (!found) break;
    if (m.alone && w->member) {
      return fault_at(err, E_INPUT, file, 0,
                      "--member is for a zip or a tar, and this is a single file");
    }
    text label;
    records_format format = RECORDS_ANY;
    text_open(&label, 4 * (PATH_MAX + PACK_NAME_BYTES));
    output_printable(&label, file, (size_t)(base_name(file) - file));
    w->label_folder = label.bytes;
    output_printable(&label, base_name(file), strlen(base_name(file)));
    if (!m.alone) {
      text_char(&label, ':');
      output_printable(&label, m.name, strlen(m.name));
    }
    failed = text_state(&label, err);
    if (!failed && is_wanted(w, &m, &format)) {
      taken++;
      w->member_found |= !m.alone;
      failed = import_member(w, pack, text_string(&label), format, err);
    } else if (!failed) {
      pass_over(w, text_string(&label), m.name);
    }
    text_close(&label);
    if (failed) return failed;
  }
  if (taken || w->member) return OK;
  return fault_at(
      err, E_INPUT, file, 0,
      "no member of it is a task file by its name (.jsonl, .ndjson, .json, .csv, .tsv); "
      "choose one with --member NAME --format jsonl, json, csv or tsv; it has %s",
      w->names.bytes ? text_string(&w->names) : "none");
}

static status import_file(importing *w, const char *path, detail *err) {
  pack_reader *pack = NULL;
  status failed = pack_open(&pack, path, NULL, err);
  if (!failed) {
    failed = import_pack(w, pack, strcmp(path, "-") != 0 ? path : "standard input", err);
  }
  pack_close(pack);
  return failed;
}

static status import_files(importing *w, detail *err) {
  status failed = OK;
  for (int i = 0; !failed && i < w->in->argument_count; i++)
    failed = import_file(w, w->in->arguments[i], err);
  if (!failed && w->passed_over > PASSED_OVER_SHOWN && !w->member) {
    log_info(w->in->messages, "%lld more members are passed over",
             (long long)w->passed_over - PASSED_OVER_SHOWN);
  }
  if (failed || !w->member || w->member_found) return failed;
  return fault_at(err, E_INPUT, w->in->arguments[0], 0, "no member is called '%s'; there are %s",
                  w->member, w->names.bytes ? text_string(&w->names) : "none");
}

/* ---- the set --------------------------------------------------------------------------------- */

static status put_origin(importing *w, detail *err) {
  text made, origin;
  text_open(&made, 4096);
  text_open(&origin, 1 << 20);
  import_describe(w->tasks, &made);
  json_t *value =
      json_pack("{s:s, s:s, s:s*, s:O, s:I, s:I}", "made_by", "tasks import", "read_as",
                text_string(&made), "map", w->map, "files", w->files, "file_count",
                (json_int_t)w->place_count, "count", (json_int_t)import_counted(w->tasks)->tasks);
  status failed =
      value ? json_canonical(value, &origin, err) : fault(err, E_MEMORY, "no memory for an import");
  if (!failed) failed = store_task_set_origin(w->s, text_string(&origin), err);
  json_decref(value);
  text_close(&made);
  text_close(&origin);
  return failed;
}

static status check_twins(importing *w, detail *err) {
  store_twins twins;
  char first[RECORD_OF_BYTES], second[RECORD_OF_BYTES];
  status failed = store_task_set_twins(w->s, &twins, err);
  if (failed || twins.count == 0) return failed;
  (void)record_of(w, twins.first, first, sizeof first);
  (void)record_of(w, twins.second, second, sizeof second);
  if (!w->allow_duplicates) {
    return fault(err, E_INPUT,
                 "%s and %s are the same task, question and answer (%lld such repetition%s in "
                 "all); equal tasks get equal samples: remove them, or keep them with "
                 "--allow-duplicates",
                 first, second, (long long)twins.count, twins.count == 1 ? "" : "s");
  }
  log_warn(w->in->messages, "%lld repeated task%s, such as %s and %s: they get equal samples",
           (long long)twins.count, twins.count == 1 ? "" : "s", first, second);
  return OK;
}

static void say_counts(const importing *w) {
  const import_counts *c = import_counted(w->tasks);
  logger *to = w->in->messages;
  if (c->demonstrations) {
    log_info(to, "search_path and trace_dict of %lld records are left out: they are solutions",
             (long long)c->demonstrations);
  }
  if (c->unsolvable) {
    log_warn(to, "%lld of %lld problems have no solution", (long long)c->unsolvable,
             (long long)c->tasks);
  }
  if (c->train) {
    log_warn(to,
             "%lld of %lld problems are of the train partition, from which models are trained "
             "here: test such a model on others",
             (long long)c->train, (long long)c->tasks);
  }
}

static status finish(importing *w, store_task_set *set, int *added, detail *err) {
  log_progress_end(w->in->messages);
  say_counts(w);
  if (w->check) return OK;
  status failed = check_twins(w, err);
  if (!failed) failed = put_origin(w, err);
  return failed ? failed : store_task_set_end(w->s, set, added, err);
}

static status print_check(const importing *w, detail *err) {
  if (w->problems) {
    return fault(err, E_INPUT, "%lld problem%s in %lld records; nothing was to be stored",
                 (long long)w->problems, w->problems == 1 ? "" : "s", (long long)w->records);
  }
  const import_counts *c = import_counted(w->tasks);
  text out;
  text_open(&out, 8192);
  status failed;
  if (w->in->json) {
    text_close(&out);
    return output_json(
        w->in,
        json_pack("{s:I, s:s}", "tasks", (json_int_t)c->tasks, "kind", import_kind(w->tasks)), err);
  }
  import_describe(w->tasks, &out);
  text_format(&out, "\n%lld tasks can be imported; nothing was stored\n", (long long)c->tasks);
  failed = command_print(w->in, &out, err);
  text_close(&out);
  return failed;
}

/* ---- the command ----------------------------------------------------------------------------- */

static status read_format(const invocation *in, records_format *out, detail *err) {
  const char *word = command_value(in, "format"), *names[4];
  *out = RECORDS_ANY;
  if (!word) return OK;
  for (int f = RECORDS_LINES; f <= RECORDS_TSV; f++) {
    names[f - 1] = records_format_name((records_format)f);
    if (strcmp(word, names[f - 1]) != 0) continue;
    *out = (records_format)f;
    return OK;
  }
  const char *near = text_nearest(word, names, 4);
  return fault(err, E_USAGE, "--format must be jsonl, json, csv or tsv, not '%s'%s%s%s", word,
               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static status open_import(importing *w, const invocation *in, detail *err) {
  *w = (importing){.in = in,
                   .name = command_value(in, "name"),
                   .member = command_value(in, "member"),
                   .map = command_value(in, "map"),
                   .check = command_flag(in, "check"),
                   .allow_duplicates = command_flag(in, "allow-duplicates")};
  text_open(&w->names, 4096);
  if (!w->name && !w->check) {
    return fault(err, E_USAGE, "--name is missing: what the task set is called");
  }
  status failed = read_format(in, &w->format, err);
  if (!failed) failed = import_open(&w->tasks, w->map, command_value(in, "split"), err);
  if (failed) return failed;
  w->files = json_array();
  return w->files ? OK : fault(err, E_MEMORY, "no memory for an import");
}

static void close_import(importing *w) {
  import_close(w->tasks);
  json_decref(w->files);
  memory_free(w->places);
  text_close(&w->names);
}

static status run_import(const invocation *in, detail *err) {
  importing w;
  store_task_set set = {0};
  int added = 0;
  status failed = open_import(&w, in, err);
  if (!failed) failed = import_files(&w, err);
  if (!failed) failed = finish(&w, &set, &added, err);
  if (failed) {
    store_discard(w.s); /* with the set that was begun, and a file that was made for it alone */
  } else {
    failed = store_close(w.s, err);
  }
  if (!failed) failed = w.check ? print_check(&w, err) : output_task_set(in, &set, added, err);
  close_import(&w);
  return failed;
}

static const command_option import_options[] = {
    {"name", "NAME", "the task set's name; required without --check"},
    {"map", "A=F,...", "where question, answer, name, cluster and split are"},
    {"split", "S", "train, dev or test, for records that name none"},
    {"format", "F", "jsonl, json, csv or tsv (default: by the file)"},
    {"member", "NAME", "the one member of a zip or tar to read"},
    {"allow-duplicates", NULL, "keep tasks that are an earlier one's twin"},
    {"check", NULL, "say up to 20 problems of the records; no store is touched"},
    {0}};

const command command_tasks_import = {
    .name = "tasks import",
    .arguments = "FILE...",
    .summary = "Stores the records of files as a task set.",
    .more =
        "JSONL, one JSON list, CSV or OpenAI batch JSONL, plain or in zip, tar, gz, bz2, xz or\n"
        "zst; - is standard input. Records with nums and target are Countdown problems; for\n"
        "others the usual names are known, and --map tells others with dotted paths. It is all\n"
        "or nothing: a record that is wrong is named, and no task is stored.\n\n"
        "  nightjar tasks import val.json --name countdown-val --split dev\n"
        "  nightjar tasks import gsm8k.jsonl.zst --name gsm8k\n"
        "  nightjar tasks import math.csv --name math --map question=problem,cluster=subject\n",
    .options = import_options,
    .arguments_min = 1,
    .arguments_max = COMMAND_ARGUMENTS_MAX,
    .prints_data = 1,
    .run = run_import};
