#include "store/store_internal.h"

/* SQLite's temporary database: no memory beyond its cache, and no file after it is closed. */
static status open_kept(labels *l, connection *c, detail *err) {
  status failed =
      connection_open(&l->kept, "", c->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
  if (failed) return failed;
  return connection_run(&l->kept,
                        "CREATE TABLE label (task INTEGER PRIMARY KEY, name TEXT, cluster TEXT, "
                        "split TEXT, data TEXT); BEGIN",
                        err);
}

/* The values themselves: text that could not be had would look like none. */
static void bind_label(call *to, const call *from) {
  for (int i = 0; i <= 4 && !to->code; i++) {
    to->code =
        sqlite3_bind_value(to->statement, to->next++, sqlite3_column_value(from->statement, i));
  }
}

status labels_collect(labels *l, connection *c, int64_t set, int64_t equal, detail *err) {
  status failed = open_kept(l, c, err);
  if (failed) return failed;
  call k = call_start(c, LABEL_FIND);
  call_int(&k, set);
  call_int(&k, equal);
  for (int row = 1; !failed && row;) {
    failed = call_row(&k, &row, err);
    if (failed || !row) break;
    call add = call_start(&l->kept, LABEL_ADD);
    bind_label(&add, &k);
    failed = call_run(&add, err);
    l->count++;
  }
  call_end(&k);
  return failed;
}

/* Runs a statement of the store for each label; its first parameter is the task, and the labels
   follow where they are wanted. */
static status for_each(labels *l, connection *c, statement_id id, int with_labels, detail *err) {
  status failed = OK;
  call k = call_start(&l->kept, LABEL_READ);
  for (int row = 1; !failed && row;) {
    failed = call_row(&k, &row, err);
    if (failed || !row) break;
    call change = call_start(c, id);
    if (with_labels) {
      bind_label(&change, &k);
    } else {
      call_int(&change, sqlite3_column_int64(k.statement, 0));
    }
    failed = call_run(&change, err);
  }
  call_end(&k);
  return failed;
}

status labels_apply(labels *l, connection *c, detail *err) {
  status failed = for_each(l, c, TASK_UNNAME, 0, err);
  return failed ? failed : for_each(l, c, TASK_RELABEL, 1, err);
}

void labels_close(labels *l) {
  connection_close(&l->kept);
}
