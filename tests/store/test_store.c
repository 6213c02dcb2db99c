/* The file and its life: made, refused, locked, killed, left as one plain file. */
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int exists(const char *name) {
  return access(support_path(name), F_OK) == 0;
}

static double quantile(store *s, int degrees) {
  detail err;
  query *q;
  int row;
  ck_ok(query_open(&q, s, "SELECT q975 FROM t_quantile WHERE degrees = ?", &err));
  query_bind_int(q, 1, degrees);
  ck_ok(query_next(q, &row, &err));
  ck_assert_int_eq(row, 1);
  double value = query_real(q, 0);
  query_close(q);
  return value;
}

START_TEST(a_new_store_is_whole_and_opens_again) {
  detail err;
  store *s = open_store("new.db", STORE_WRITE);
  ck_assert_str_eq(store_path(s), support_path("new.db"));
  ck_assert_int_eq(store_writable(s), 1);
  close_store(s);
  s = open_store("new.db", STORE_READ);
  ck_assert_int_eq(store_writable(s), 0);
  ck_assert_int_eq(number(s, "PRAGMA application_id"), STORE_APPLICATION_ID);
  ck_assert_int_eq(number(s, "PRAGMA user_version"), STORE_VERSION);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 0);
  check_clean(s);
  ck_fails(query_run(s, "DELETE FROM job", &err), E_STORE, "opened for reading");
  ck_fails(store_job_put(s, "a", "{}", &err), E_STORE, "opened for reading");
  close_store(s);
}
END_TEST

/* Known from printed tables (Abramowitz and Stegun, table 26.10, and NIST's handbook). */
START_TEST(quantiles_of_t_are_those_of_the_tables) {
  store *s = open_store("t.db", STORE_WRITE);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM t_quantile"), 201);
  ck_assert_double_eq_tol(quantile(s, 0), 1.959964, 5e-7);
  ck_assert_double_eq_tol(quantile(s, 1), 12.7062047, 5e-7);
  ck_assert_double_eq_tol(quantile(s, 2), 4.30265273, 5e-8);
  ck_assert_double_eq_tol(quantile(s, 10), 2.22813885, 5e-8);
  ck_assert_double_eq_tol(quantile(s, 30), 2.042272, 5e-7);
  ck_assert_double_eq_tol(quantile(s, 100), 1.983972, 5e-7);
  for (int degrees = 2; degrees <= 200; degrees++)
    ck_assert(quantile(s, degrees) < quantile(s, degrees - 1));
  ck_assert(quantile(s, 200) > quantile(s, 0));
  /* Two degrees have a closed form: q^2 / (2 + q^2) = 0.95^2. */
  double q = quantile(s, 2);
  ck_assert_double_eq_tol(q * q / (2 + q * q), 0.95 * 0.95, 1e-9);
  close_store(s);
}
END_TEST

/* Through the connection of a reader, which trusts no view with more than harmless functions. */
START_TEST(every_view_can_be_read) {
  detail err;
  query *names, *rows;
  int row, views = 0;
  close_store(open_ready("views.db", 3));
  store *s = open_store("views.db", STORE_READ);
  ck_ok(query_open(&names, s, "SELECT name FROM sqlite_schema WHERE type = 'view'", &err));
  for (;; views++) {
    char sql[200];
    ck_ok(query_next(names, &row, &err));
    if (!row) break;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", query_text(names, 0));
    ck_ok(query_open(&rows, s, sql, &err));
    ck_ok(query_next(rows, &row, &err));
    query_close(rows);
  }
  query_close(names);
  ck_assert_int_gt(views, 0);
  close_store(s);
}
END_TEST

START_TEST(an_empty_file_is_new_to_a_writer_only) {
  detail err;
  store *s;
  support_write(support_path("empty.db"), "");
  ck_fails(store_open(&s, support_path("empty.db"), STORE_READ, NULL, &err), E_STORE, "is empty");
  s = open_store("empty.db", STORE_WRITE);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM t_quantile"), 201);
  close_store(s);
}
END_TEST

START_TEST(what_is_not_there_is_named) {
  detail err;
  store *s;
  ck_fails(store_open(&s, support_path("none.db"), STORE_READ, NULL, &err), E_INPUT,
           "there is no store at");
  ck_fails(store_open(&s, support_path("no/folder.db"), STORE_WRITE, NULL, &err), E_IO, "folder");
  ck_assert_int_eq(mkdir(support_path("folder"), 0755), 0);
  ck_fails(store_open(&s, support_path("folder"), STORE_WRITE, NULL, &err), E_STORE, "not a file");
}
END_TEST

START_TEST(files_of_others_are_refused_and_left_alone) {
  detail err;
  store *s;
  const char *path = support_path("note.txt");
  support_write(path, "a note to myself\n");
  ck_fails(store_open(&s, path, STORE_WRITE, NULL, &err), E_STORE, "not an SQLite file");
  ck_fails(store_open(&s, path, STORE_READ, NULL, &err), E_STORE, "not an SQLite file");
  size_t bytes;
  char *data = support_read(path, &bytes);
  ck_assert_str_eq(data, "a note to myself\n");
  free(data);
  ck_assert_int_eq(exists("note.txt.lock"), 0);
}
END_TEST

static void remake_with(const char *name, const char *pragma) {
  detail err;
  store *s = open_store(name, STORE_WRITE);
  ck_ok(query_run(s, pragma, &err));
  close_store(s);
}

START_TEST(another_program_s_and_newer_stores_are_refused) {
  detail err;
  store *s;
  remake_with("other.db", "PRAGMA application_id = 77");
  ck_fails(store_open(&s, support_path("other.db"), STORE_WRITE, NULL, &err), E_STORE,
           "another program (application id 77)");
  remake_with("newer.db", "PRAGMA user_version = 99");
  ck_fails(store_open(&s, support_path("newer.db"), STORE_READ, NULL, &err), E_STORE,
           "newer Nightjar (store version 99");
  remake_with("never.db", "PRAGMA user_version = 0");
  ck_fails(store_open(&s, support_path("never.db"), STORE_WRITE, NULL, &err), E_STORE, "damaged");
}
END_TEST

START_TEST(a_damaged_store_is_said_to_be) {
  detail err;
  close_store(open_store("damaged.db", STORE_WRITE));
  int file = open(support_path("damaged.db"), O_WRONLY);
  char noise[2048];
  memset(noise, 0xa5, sizeof noise);
  ck_assert_int_eq(pwrite(file, noise, sizeof noise, 100), (ssize_t)sizeof noise);
  ck_assert_int_eq(close(file), 0);
  store *s;
  status code = store_open(&s, support_path("damaged.db"), STORE_READ, NULL, &err);
  if (!code) code = query_run(s, "SELECT count(*) FROM sample", &err);
  ck_assert_int_eq(code, E_STORE);
  ck_assert_ptr_nonnull(strstr(err.text, "is damaged"));
}
END_TEST

START_TEST(a_clean_close_leaves_one_plain_file) {
  store *s = open_ready("plain.db", 3);
  for (int64_t task = 1; task <= 3; task++)
    put_plain(s, task, 0, "done");
  ck_assert_int_eq(exists("plain.db.lock"), 1);
  close_store(s);
  ck_assert_int_eq(exists("plain.db-wal"), 0);
  ck_assert_int_eq(exists("plain.db-shm"), 0);
  ck_assert_int_eq(exists("plain.db-journal"), 0);
  ck_assert_int_eq(exists("plain.db.lock"), 0);
  s = open_store("plain.db", STORE_READ);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 3);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM process WHERE ended_ns > 0"), 1);
  ck_assert_int_eq(exists("plain.db-wal"), 0);
  close_store(s);
}
END_TEST

START_TEST(a_reader_sees_what_is_committed_and_outlives_the_writer) {
  detail err;
  store *writer = open_ready("both.db", 5), *reader = open_store("both.db", STORE_READ);
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM sample"), 0);
  for (int64_t task = 1; task <= 5; task++) {
    put_plain(writer, task, 0, "done");
    ck_ok(store_flush(writer, &err));
    ck_assert_int_eq(number(reader, "SELECT count(*) FROM sample"), task);
  }
  FILE *stream = fopen(support_path("log"), "w");
  logger *messages;
  ck_ok(log_open(&messages, stream, 0, 0, &err));
  close_store(writer);
  ck_ok(store_open(&writer, support_path("both.db"), STORE_WRITE, messages, &err));
  query *q;
  int row;
  ck_ok(query_open(&q, reader, "SELECT id FROM sample", &err));
  ck_ok(query_next(q, &row, &err));
  close_store(writer); /* with a reader in the middle of a query */
  ck_assert_int_eq(query_int(q, 0), 1);
  query_close(q);
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM sample"), 5);
  close_store(reader);
  log_close(messages);
  (void)fclose(stream);
  char *said = support_read(support_path("log"), NULL);
  ck_assert_ptr_nonnull(strstr(said, "journal beside it"));
  free(said);
  close_store(open_store("both.db", STORE_WRITE));
  ck_assert_int_eq(exists("both.db-wal"), 0);
}
END_TEST

/* A child that opens the store, says so through a pipe, and holds it until it is killed. */
static pid_t hold_in_child(const char *path) {
  int ready[2];
  ck_assert_int_eq(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    store *s;
    char code = (char)store_open(&s, path, STORE_WRITE, NULL, NULL);
    (void)!write(ready[1], &code, 1);
    for (;;)
      (void)pause();
  }
  char code = 1;
  ck_assert_int_eq(read(ready[0], &code, 1), 1);
  ck_assert_int_eq(code, OK);
  (void)close(ready[0]);
  (void)close(ready[1]);
  return child;
}

START_TEST(a_second_writer_is_told_who_has_it) {
  detail err;
  char who[64];
  store *s;
  close_store(open_store("held.db", STORE_WRITE));
  ck_assert_int_eq(symlink(support_path("held.db"), support_path("alias.db")), 0);
  pid_t child = hold_in_child(support_path("held.db"));
  (void)snprintf(who, sizeof who, "is being written by process %ld on ", (long)child);
  ck_fails(store_open(&s, support_path("held.db"), STORE_WRITE, NULL, &err), E_BUSY, who);
  ck_fails(store_open(&s, support_path("alias.db"), STORE_WRITE, NULL, &err), E_BUSY, who);
  store *reader = open_store("held.db", STORE_READ);
  ck_assert_int_eq(number(reader, "SELECT count(*) FROM t_quantile"), 201);
  close_store(reader);
  ck_assert_int_eq(kill(child, SIGKILL), 0);
  ck_assert_int_eq(waitpid(child, NULL, 0), child);
  ck_assert_int_eq(exists("held.db.lock"), 1); /* nobody holds it: no obstacle */
  close_store(open_store("held.db", STORE_WRITE));
  ck_assert_int_eq(exists("held.db.lock"), 0);
}
END_TEST

/* Takes and releases until it had the lock `times` times; 1 when it ever met another inside. */
static int take_turns(const char *path, const char *inside, int times) {
  for (int had = 0; had < times;) {
    lock l;
    detail err;
    status code = lock_take(&l, path, path, &err);
    if (code == E_BUSY) continue;
    if (code) return 1;
    int file = open(inside, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file < 0 || close(file) || unlink(inside)) return 1;
    lock_release(&l);
    had++;
  }
  return 0;
}

/* Often enough to take a lock file between its holder's unlink and close: without the second look
   at its name, two are inside within a few hundred turns. */
START_TEST(holders_that_come_and_go_never_meet) {
  enum { HOLDERS = 4, TURNS = 3000 };
  pid_t child[HOLDERS];
  const char *path = support_path("turns.db"), *inside = support_path("inside");
  for (int i = 0; i < HOLDERS; i++) {
    child[i] = fork();
    if (child[i] == 0) _exit(take_turns(path, inside, TURNS));
  }
  for (int i = 0; i < HOLDERS; i++) {
    int code;
    ck_assert_int_eq(waitpid(child[i], &code, 0), child[i]);
    ck_assert(WIFEXITED(code) && WEXITSTATUS(code) == 0);
  }
}
END_TEST

START_TEST(a_kill_while_a_store_is_made_leaves_none_or_a_whole_one) {
  for (int i = 0; i < 25; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "killed%d.db", i);
    const char *path = support_path(name);
    pid_t child = fork();
    if (child == 0) {
      store *s;
      _exit((int)store_open(&s, path, STORE_WRITE, NULL, NULL));
    }
    (void)usleep((useconds_t)(i * 500));
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    store *s = open_store(name, STORE_WRITE);
    ck_assert_int_eq(number(s, "SELECT count(*) FROM t_quantile"), 201);
    check_clean(s);
    close_store(s);
  }
}
END_TEST

START_TEST(network_file_systems_are_known_by_number) {
  ck_assert_int_eq(place_of(0x6969, NULL), PLACE_NETWORK);     /* NFS */
  ck_assert_int_eq(place_of(0xff534d42, NULL), PLACE_NETWORK); /* CIFS */
  ck_assert_int_eq(place_of(0x0bd00bd0, NULL), PLACE_NETWORK); /* Lustre */
  ck_assert_int_ne(place_of(0xef53, NULL), PLACE_NETWORK);     /* ext4 */
  ck_assert_int_ne(place_of(0x58465342, NULL), PLACE_NETWORK); /* XFS */
  ck_assert_int_ne(place_of(0x01021994, NULL), PLACE_NETWORK); /* tmpfs */
}
END_TEST

START_TEST(on_a_network_file_system_a_rollback_journal_is_used_and_said) {
  detail err;
  FILE *stream = fopen(support_path("log"), "w");
  logger *messages;
  ck_ok(log_open(&messages, stream, 0, 0, &err));
  store *s;
  ck_ok(store_open_on(&s, support_path("far.db"), STORE_WRITE, 1, messages, &err));
  store_task_set set = add_tasks(s, "tasks", 4);
  ck_assert_int_eq(add_run(s, set.id, "{}"), 1);
  start_process(s);
  for (int64_t task = 1; task <= 4; task++)
    put_plain(s, task, 0, "done");
  ck_ok(store_flush(s, &err));
  ck_assert_int_eq(exists("far.db-wal"), 0);
  ck_assert_int_eq(number(s, "SELECT count(*) FROM sample"), 4);
  close_store(s);
  log_close(messages);
  (void)fclose(stream);
  ck_assert_int_eq(exists("far.db-journal"), 0);
  char *said = support_read(support_path("log"), NULL);
  ck_assert_ptr_nonnull(strstr(said, "network file system"));
  free(said);
}
END_TEST

/* Otherwise the second process would lock beside the file and the first one beside the link. */
START_TEST(a_link_to_a_file_that_is_not_there_yet_is_locked_beside_the_file) {
  const char *link_name = support_path("link.db"), *file = support_path("target.db");
  ck_assert_int_eq(symlink(file, link_name), 0);
  store *s = open_store("link.db", STORE_WRITE);
  ck_assert_int_eq(access(support_path("target.db.lock"), F_OK), 0);
  ck_assert_int_ne(access(support_path("link.db.lock"), F_OK), 0);
  close_store(s);
  close_store(open_store("target.db", STORE_READ));
}
END_TEST

START_TEST(what_was_made_for_nothing_is_discarded) {
  const char *path = support_path("discarded.db");
  store_discard(NULL);
  store_discard(open_store("discarded.db", STORE_WRITE));
  ck_assert_int_ne(access(path, F_OK), 0);
  store *s = open_store("discarded.db", STORE_WRITE);
  (void)add_tasks(s, "kept", 2);
  store_discard(s);
  ck_assert_int_eq(access(path, F_OK), 0);
  ck_assert_int_ne(access(support_path("discarded.db.lock"), F_OK), 0);
  close_store(open_store("empty.db", STORE_WRITE));
  store_discard(open_store("empty.db", STORE_WRITE)); /* another one made it */
  ck_assert_int_eq(access(support_path("empty.db"), F_OK), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store");
  TCase *cases = tcase_create("the file and its life");
  tcase_add_test(cases, a_link_to_a_file_that_is_not_there_yet_is_locked_beside_the_file);
  tcase_add_test(cases, what_was_made_for_nothing_is_discarded);
  tcase_add_test(cases, a_new_store_is_whole_and_opens_again);
  tcase_add_test(cases, quantiles_of_t_are_those_of_the_tables);
  tcase_add_test(cases, every_view_can_be_read);
  tcase_add_test(cases, an_empty_file_is_new_to_a_writer_only);
  tcase_add_test(cases, what_is_not_there_is_named);
  tcase_add_test(cases, files_of_others_are_refused_and_left_alone);
  tcase_add_test(cases, another_program_s_and_newer_stores_are_refused);
  tcase_add_test(cases, a_damaged_store_is_said_to_be);
  tcase_add_test(cases, a_clean_close_leaves_one_plain_file);
  tcase_add_test(cases, a_reader_sees_what_is_committed_and_outlives_the_writer);
  tcase_add_test(cases, a_second_writer_is_told_who_has_it);
  tcase_add_test(cases, holders_that_come_and_go_never_meet);
  tcase_add_test(cases, a_kill_while_a_store_is_made_leaves_none_or_a_whole_one);
  tcase_add_test(cases, network_file_systems_are_known_by_number);
  tcase_add_test(cases, on_a_network_file_system_a_rollback_journal_is_used_and_said);
  suite_add_tcase(suite, cases);
  return support_run(suite);
}
