#include "base/arena.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

hash store_task_hash(const char *question, const char *target) {
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, "task", 4);
  hash_part(&parts, question, strlen(question));
  hash_part(&parts, target, strlen(target));
  return hash_end(&parts);
}

/* ---- reading a set ----------------------------------------------------------------------------
 */

static void read_set(sqlite3_stmt *row, store_task_set *out) {
  *out = (store_task_set){.id = sqlite3_column_int64(row, 0),
                          .tasks = sqlite3_column_int64(row, 1),
                          .version = sqlite3_column_int(row, 2)};
  const char *name = (const char *)sqlite3_column_text(row, 3);
  const char *kind = (const char *)sqlite3_column_text(row, 4);
  (void)snprintf(out->name, sizeof out->name, "%s", name ? name : "");
  (void)snprintf(out->kind, sizeof out->kind, "%s", kind ? kind : "");
  const void *content = sqlite3_column_blob(row, 5);
  if (content && sqlite3_column_bytes(row, 5) == HASH_BYTES) {
    memcpy(out->content.bytes, content, HASH_BYTES);
  }
}

static status find_set(call *k, store_task_set *out, int *found, detail *err) {
  status failed = call_row(k, found, err);
  if (!failed && *found) read_set(k->statement, out);
  call_end(k);
  return failed;
}

static status find_newest(store *s, const char *name, store_task_set *out, int *found,
                          detail *err) {
  call k = call_start(&s->on, TASK_SET_NEWEST);
  call_text(&k, name);
  return find_set(&k, out, found, err);
}

/* "name@version": a set's own name holds no '@'. */
static status find_version(store *s, const char *name, store_task_set *out, int *found,
                           detail *err) {
  *found = 0;
  const char *at = strrchr(name, '@');
  char plain[sizeof out->name], *end;
  if (!at || (size_t)(at - name) >= sizeof plain) return OK;
  memcpy(plain, name, (size_t)(at - name));
  plain[at - name] = 0;
  long version = strtol(at + 1, &end, 10);
  if (!at[1] || *end) return OK;
  call k = call_start(&s->on, TASK_SET_VERSION);
  call_text(&k, plain);
  call_int(&k, version);
  status failed = find_set(&k, out, found, err);
  if (failed || *found) return failed;
  store_task_set newest;
  int known;
  failed = find_newest(s, plain, &newest, &known, err);
  if (failed || !known) return failed;
  return fault(err, E_INPUT, "task set '%s' has no version %ld; its newest is %d", plain, version,
               newest.version);
}

static status add_name(call *k, arena *names, const char **list, size_t *count, detail *err) {
  const char *name = (const char *)sqlite3_column_text(k->statement, 0);
  if (!name) name = "";
  list[*count] = arena_text(names, name, strlen(name));
  if (!list[*count]) return arena_full(names, err);
  ++*count;
  return OK;
}

static status suggest(store *s, const char *wanted, detail *err) {
  enum { NAMES = 1000 }; /* as many as the statement gives */
  arena *names = NULL;
  status failed = arena_open(&names, 1 << 20, err);
  if (failed) return failed;
  const char **list = arena_take(names, NAMES, sizeof *list);
  if (!list) failed = arena_full(names, err);
  size_t count = 0;
  call k = call_start(&s->on, TASK_SET_NAMES);
  for (int row = 1; !failed && row;) {
    failed = call_row(&k, &row, err);
    if (!failed && row) failed = add_name(&k, names, list, &count, err);
  }
  call_end(&k);
  if (!failed) {
    const char *nearest = text_nearest(wanted, list, count);
    failed = fault(err, E_INPUT, "no task set '%s' in %s; %s%s%snightjar tasks list shows all",
                   wanted, s->path, nearest ? "did you mean '" : "", nearest ? nearest : "",
                   nearest ? "'? " : "");
  }
  arena_close(names);
  return failed;
}

status store_task_set_find(store *s, const char *name, store_task_set *out, detail *err) {
  int found;
  status failed = find_newest(s, name, out, &found, err);
  if (!failed && !found) failed = find_version(s, name, out, &found, err);
  if (!failed && !found) failed = suggest(s, name, err);
  return failed;
}

/* ---- adding one -------------------------------------------------------------------------------
 */

static status check_name(const char *name, const char *kind, detail *err) {
  if (!*name || strchr(name, '@') || strlen(name) >= sizeof((store_task_set *)0)->name) {
    return fault(err, E_INPUT,
                 "'%s' cannot name a task set: use 1 to %zu bytes without '@', which separates the "
                 "version",
                 name, sizeof((store_task_set *)0)->name - 1);
  }
  if (strlen(kind) >= sizeof((store_task_set *)0)->kind) {
    return fault(err, E_INPUT, "'%s' is too long for a kind of tasks", kind);
  }
  return OK;
}

status store_task_set_begin(store *s, const char *name, const char *kind, const char *origin_json,
                            detail *err) {
  status failed = check_name(name, kind, err);
  if (!failed) failed = owner_begin(s, err);
  if (failed) return failed;
  call k = call_start(&s->on, TASK_SET_ADD);
  call_text(&k, name);
  call_text(&k, kind);
  call_text(&k, origin_json);
  failed = call_run(&k, err);
  if (failed) return owner_end(s, failed, err);
  s->set = (building){.open = 1, .id = sqlite3_last_insert_rowid(s->on.db)};
  (void)snprintf(s->set.name, sizeof s->set.name, "%s", name);
  hash_start(&s->set.hash);
  return OK;
}

static status add_task(store *s, const store_task *task, const char *name, const hash *content,
                       detail *err) {
  call k = call_start(&s->on, TASK_ADD);
  call_int(&k, s->set.id);
  call_int(&k, s->set.tasks);
  call_text(&k, name);
  call_blob(&k, content->bytes, HASH_BYTES);
  call_text(&k, task->question);
  call_text(&k, task->target);
  call_text(&k, task->cluster);
  call_text(&k, task->split);
  call_text(&k, task->data ? task->data : "{}");
  status failed = call_run(&k, err);
  if (k.code == SQLITE_CONSTRAINT_UNIQUE) {
    return fault(err, E_INPUT, "task set '%s' has two tasks named '%s'; give each its own name",
                 s->set.name, name);
  }
  if (k.code == SQLITE_CONSTRAINT_CHECK) {
    return fault(err, E_INPUT, "task '%s' has the split '%s'; a split is train, dev or test", name,
                 task->split);
  }
  return failed;
}

status store_task_add(store *s, const store_task *task, detail *err) {
  REQUIRE(s->set.open);
  char ordinal[24];
  (void)snprintf(ordinal, sizeof ordinal, "%lld", (long long)s->set.tasks);
  hash content = store_task_hash(task->question, task->target);
  status failed = add_task(s, task, task->name ? task->name : ordinal, &content, err);
  if (failed) {
    s->set.failed = failed;
    return failed;
  }
  hash_part(&s->set.hash, content.bytes, HASH_BYTES);
  s->set.tasks++;
  return OK;
}

status store_task_set_origin(store *s, const char *origin_json, detail *err) {
  REQUIRE(s->set.open);
  call k = call_start(&s->on, TASK_SET_ORIGIN);
  call_int(&k, s->set.id);
  call_text(&k, origin_json);
  return call_run(&k, err);
}

status store_task_named(store *s, const char *name, int64_t *ordinal, detail *err) {
  REQUIRE(s->set.open);
  int row;
  call k = call_start(&s->on, TASK_NAMED);
  call_int(&k, s->set.id);
  call_text(&k, name);
  status failed = call_row(&k, &row, err);
  *ordinal = row ? sqlite3_column_int64(k.statement, 0) : -1;
  call_end(&k);
  return failed;
}

status store_task_set_twins(store *s, store_twins *out, detail *err) {
  REQUIRE(s->set.open);
  *out = (store_twins){0};
  status failed = OK;
  call k = call_start(&s->on, TASK_TWINS);
  call_int(&k, s->set.id);
  for (int row = 1; !failed && row;) {
    failed = call_row(&k, &row, err);
    if (failed || !row) break;
    int64_t first = sqlite3_column_int64(k.statement, 1);
    if (out->count == 0 || first < out->first) {
      out->first = first;
      out->second = sqlite3_column_int64(k.statement, 2);
    }
    out->count += sqlite3_column_int64(k.statement, 0);
  }
  call_end(&k);
  return failed;
}

/* Gives the set to the caller, or the equal one that was there, which *added 0 tells apart. */
static status finish_set(store *s, store_task_set *out, int *added, detail *err) {
  int found;
  hash content = hash_end(&s->set.hash);
  call k = call_start(&s->on, TASK_SET_BY_HASH);
  call_blob(&k, content.bytes, HASH_BYTES);
  status failed = find_set(&k, out, &found, err);
  if (failed) return failed;
  *added = !found;
  if (found && strcmp(out->name, s->set.name) != 0) {
    return fault(err, E_INPUT, "the tasks of '%s' are in %s already, as %s@%d; use that name",
                 s->set.name, s->path, out->name, out->version);
  }
  if (found) return OK;
  k = call_start(&s->on, TASK_SET_FINISH);
  call_int(&k, s->set.id);
  call_blob(&k, content.bytes, HASH_BYTES);
  call_int(&k, s->set.tasks);
  failed = call_run(&k, err);
  if (failed) return failed;
  k = call_start(&s->on, TASK_SET_BY_ID);
  call_int(&k, s->set.id);
  return find_set(&k, out, &found, err);
}

static status check_set(const store *s, detail *err) {
  if (s->set.failed) {
    return fault(err, s->set.failed, "a task of '%s' could not be added, so the set was not",
                 s->set.name);
  }
  if (s->set.tasks == 0) return fault(err, E_INPUT, "task set '%s' has no tasks", s->set.name);
  return OK;
}

/* The tasks are there already. Those that were streamed are rolled back rather than deleted, since
   a deletion would look through all samples for each task; so what they say otherwise is carried
   over into a second transaction. */
static status relabel(store *s, store_task_set *equal, detail *err) {
  labels l = {0};
  status failed = labels_collect(&l, &s->on, s->set.id, equal->id, err);
  store_task_set_abandon(s);
  if (!failed && l.count) {
    failed = owner_begin(s, err);
    if (!failed) failed = owner_end(s, labels_apply(&l, &s->on, err), err);
  }
  equal->relabelled = failed ? 0 : l.count;
  labels_close(&l);
  return failed;
}

status store_task_set_end(store *s, store_task_set *out, int *added, detail *err) {
  REQUIRE(s->set.open);
  *added = 0;
  status failed = check_set(s, err);
  if (!failed) failed = finish_set(s, out, added, err);
  if (failed) {
    store_task_set_abandon(s);
    return failed;
  }
  if (!*added) return relabel(s, out, err);
  s->set = (building){0};
  return owner_end(s, OK, err);
}

void store_task_set_abandon(store *s) {
  if (!s->set.open) return;
  s->set = (building){0};
  owner_abandon(s);
}
