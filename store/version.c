#include "base/memory.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- a new store ------------------------------------------------------------------------------
 */

static status write_version(connection *c, detail *err) {
  char sql[64];
  (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)STORE_VERSION);
  return connection_run(c, sql, err);
}

static status create(store *s, detail *err) {
  char number[64];
  (void)snprintf(number, sizeof number, "PRAGMA application_id = %d", (int)STORE_APPLICATION_ID);
  /* In the rollback journal's mode, so that a kill leaves an empty file or a whole store. */
  status failed = connection_run(&s->on, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE", err);
  if (failed) return failed;
  failed = connection_run(&s->on, number, err);
  if (!failed) failed = write_version(&s->on, err);
  if (!failed) failed = connection_run(&s->on, store_schema_sql, err);
  if (!failed) failed = connection_run(&s->on, store_views_sql, err);
  if (!failed) failed = quantiles_write(&s->on, err);
  if (!failed) failed = connection_run(&s->on, "COMMIT", err);
  connection_rollback(&s->on);
  return failed;
}

/* ---- an older one -----------------------------------------------------------------------------
 */

enum { VIEWS_BYTES_MAX = 16 << 20 };

/* What turns the tables of the version before into those of version to. It ends with the tables
   that schema.sql makes, column by column, which a test compares. Views are made again by every
   migration. */
static const struct migration {
  int to;
  const char *sql;
} migrations[] = {{2, ""}, {3, store_version_3_sql}, {4, store_version_4_sql}};

/* Ours only, by the names that views.sql makes. */
static status drop_our_views(connection *c, detail *err) {
  static const char create_view[] = "CREATE VIEW ";
  status failed = OK;
  for (const char *at = strstr(store_views_sql, create_view); at && !failed;
       at = strstr(at, create_view)) {
    char sql[160];
    at += sizeof create_view - 1;
    (void)snprintf(sql, sizeof sql, "DROP VIEW IF EXISTS %.*s", (int)strcspn(at, " \n"), at);
    failed = connection_run(c, sql, err);
  }
  return failed;
}

/* The views that a user added: what drops them, and what makes them again as they were. */
static status read_views(const connection *c, text *drop, text *make, detail *err) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(
      c->db, "SELECT printf('DROP VIEW \"%w\";', name), sql FROM sqlite_schema WHERE type = 'view'",
      -1, &statement, NULL);
  if (!code) code = SQLITE_ROW;
  while (code == SQLITE_ROW && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *dropping = (const char *)sqlite3_column_text(statement, 0);
    const char *making = (const char *)sqlite3_column_text(statement, 1);
    if (!dropping || !making) continue;
    text_format(drop, "%s\n", dropping);
    text_format(make, "%s\n;\n", making); /* which may end in a comment */
  }
  status failed = code == SQLITE_DONE ? OK : connection_failed(c, code, err);
  (void)sqlite3_finalize(statement);
  if (!failed) failed = text_state(drop, err);
  return failed ? failed : text_state(make, err);
}

static status change_tables(connection *c, int64_t version, detail *err) {
  status failed = OK;
  for (size_t i = 0; !failed && i < sizeof migrations / sizeof migrations[0]; i++) {
    if (migrations[i].to > version) failed = connection_run(c, migrations[i].sql, err);
  }
  return failed;
}

/* All views go first: SQLite reads each when a column goes, and one that a user made of a table
   that is no more would end the migration. */
static status change_all(connection *c, int64_t version, detail *err) {
  text drop, make;
  text_open(&drop, VIEWS_BYTES_MAX);
  text_open(&make, VIEWS_BYTES_MAX);
  status failed = drop_our_views(c, err);
  if (!failed) failed = read_views(c, &drop, &make, err);
  if (!failed) failed = connection_run(c, text_string(&drop), err);
  if (!failed) failed = change_tables(c, version, err);
  if (!failed) failed = connection_run(c, store_views_sql, err);
  if (!failed) failed = connection_run(c, text_string(&make), err);
  text_close(&drop);
  text_close(&make);
  return failed;
}

static status rewrite(connection *c, int64_t version, detail *err) {
  status failed = connection_run(c, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE", err);
  if (!failed) failed = change_all(c, version, err);
  if (!failed) failed = write_version(c, err);
  if (!failed) failed = connection_run(c, "COMMIT", err);
  connection_rollback(c);
  return failed;
}

/* FILE.version-N, or FILE.version-N.2 and so on where an earlier copy has that name. */
static status back_up(store *s, int64_t version, char **out, detail *err) {
  enum { COPIES_MAX = 100 };
  size_t bytes = strlen(s->path) + sizeof ".version-1000000.100";
  char *name = memory_take(bytes);
  if (!name) return fault(err, E_MEMORY, "no memory to bring %s up", s->path);
  status failed = E_INPUT;
  for (int i = 1; failed == E_INPUT && i <= COPIES_MAX; i++) {
    int used = snprintf(name, bytes, "%s.version-%lld", s->path, (long long)version);
    if (i > 1) (void)snprintf(name + used, bytes - (size_t)used, ".%d", i);
    failed = backup_to(&s->on, name, err);
  }
  if (failed) {
    memory_free(name);
    return failed == E_INPUT ? E_STORE : failed;
  }
  *out = name;
  return OK;
}

static status migrate(store *s, int64_t version, detail *err) {
  char *copy = NULL;
  detail why = {0};
  status failed = back_up(s, version, &copy, err);
  if (failed) return failed;
  failed = rewrite(&s->on, version, &why);
  if (failed) {
    int older = 0;
    detail ignored;
    int whole = version_is_older(s, &older, &ignored) == OK && older;
    if (whole) (void)remove(copy); /* the store itself is as it was */
    failed =
        fault(err, failed, "%s could not be brought up from store version %lld to %d: %s%s%s%s",
              s->path, (long long)version, (int)STORE_VERSION, why.text,
              failed == E_STORE ? "; what was added to it by hand may have to go first" : "",
              whole ? "" : "; the old one stays as ", whole ? "" : copy);
  } else {
    log_info(s->messages, "%s was of store version %lld and is now of %d; the old one stays as %s",
             s->path, (long long)version, (int)STORE_VERSION, copy);
  }
  memory_free(copy);
  return failed;
}

/* ---- what a file is ---------------------------------------------------------------------------
 */

typedef struct signature {
  int64_t pages, application, version;
} signature;

/* Reads through SQLite and not from the header's bytes: they may still be in a journal. */
static status read_signature(store *s, signature *out, detail *err) {
  status failed = connection_number(&s->on, "PRAGMA page_count", &out->pages, err);
  if (!failed) failed = connection_number(&s->on, "PRAGMA application_id", &out->application, err);
  if (!failed) failed = connection_number(&s->on, "PRAGMA user_version", &out->version, err);
  return failed;
}

static int is_older(const signature *f) {
  return f->pages > 0 && f->application == STORE_APPLICATION_ID && f->version >= 1 &&
         f->version < STORE_VERSION;
}

status version_is_older(store *s, int *older, detail *err) {
  signature f;
  *older = 0;
  status failed = read_signature(s, &f, err);
  if (!failed) *older = is_older(&f);
  return failed;
}

static status refuse_foreign(const store *s, const signature *f, detail *err) {
  if (f->application != STORE_APPLICATION_ID) {
    return fault(err, E_STORE,
                 "%s is an SQLite file of another program (application id %lld); choose another "
                 "file",
                 s->path, (long long)f->application);
  }
  if (f->version > STORE_VERSION) {
    return fault(
        err, E_STORE,
        "%s was written by a newer Nightjar (store version %lld, this one reads up to %d); "
        "use the newer one",
        s->path, (long long)f->version, (int)STORE_VERSION);
  }
  if (f->version < 1) {
    return fault(err, E_STORE,
                 "%s is damaged (it says store version %lld, which never was): restore a copy",
                 s->path, (long long)f->version);
  }
  return OK;
}

status version_check(store *s, detail *err) {
  signature f;
  status failed = read_signature(s, &f, err);
  if (!failed && f.pages > 0) failed = refuse_foreign(s, &f, err);
  if (failed) return failed;
  if (!s->writes) {
    return f.pages ? OK
                   : fault(err, E_STORE,
                           "%s is empty: make tasks in it with nightjar tasks make, or "
                           "name another file",
                           s->path);
  }
  if (sqlite3_db_readonly(s->on.db, "main") == 1) {
    return fault(err, E_STORE, "%s is read-only; make it writable or choose another file", s->path);
  }
  if (f.pages == 0) return create(s, err);
  return is_older(&f) ? migrate(s, f.version, err) : OK;
}
