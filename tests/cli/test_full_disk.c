/* The program on a disk that is full: what it says, what it leaves, and that it goes on once there
   is room. The disk is a small one in memory, of the test's own; where mounting is not allowed the
   test says so on standard error, and only what needs no disk is tried. */
#include "tests/support/program.h"
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char JOB[] = "name: full\n"
                          "tasks: full\n"
                          "seed: 9\n"
                          "conditions:\n"
                          "  - {name: apr, mode: symbolic, search: apr, beam: [3, 6]}\n";

/* ---- a disk -----------------------------------------------------------------------------------
 */

/* In a user namespace of its own this process may mount; 0 and errno where not even that goes. */
static int become_mounter(void) {
  char map[64];
  int user = (int)getuid();
  if (unshare(CLONE_NEWNS) == 0) return 1;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 0;
  (void)snprintf(map, sizeof map, "0 %d 1", user);
  int file = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
  int mapped = file >= 0 && write(file, map, strlen(map)) == (ssize_t)strlen(map);
  if (file >= 0) (void)close(file);
  return mapped;
}

/* Where the disk is mounted, which ends with the test's process; NULL where that is not allowed. */
static const char *mount_disk(const char *size) {
  const char *folder = support_path("disk");
  ck_assert_int_eq(mkdir(folder, 0755), 0);
  if (become_mounter() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
      mount("tmpfs", folder, "tmpfs", 0, size) == 0) {
    return folder;
  }
  (void)fprintf(stderr, "skipped: mounting is not allowed here (%s)\n", strerror(errno));
  return NULL;
}

/* Fills the disk but for so many bytes. */
static void put_ballast(const char *path, int64_t left) {
  static const char zeros[4096];
  struct statvfs disk;
  FILE *file = fopen(path, "we");
  ck_assert_ptr_nonnull(file);
  (void)setvbuf(file, NULL, _IONBF, 0);
  ck_assert_int_eq(fstatvfs(fileno(file), &disk), 0);
  int64_t bytes = (int64_t)(disk.f_bavail * disk.f_frsize) - left;
  while (bytes > 0 && fwrite(zeros, 1, sizeof zeros, file) == sizeof zeros)
    bytes -= (int64_t)sizeof zeros;
  (void)fclose(file);
}

static outcome make_tasks(const char *db) {
  return nightjar("tasks", "make", "countdown", "--name", "full", "--count", "200", "--seed", "3",
                  "--db", db);
}

static int count_files(const char *folder, const char *piece) {
  const char *list = support_path("list");
  char line[1200];
  (void)snprintf(line, sizeof line, "ls -A '%s' > '%s'", folder, list);
  ck_assert_int_eq(system(line), 0);
  int count = 0;
  for (const char *at = program_read(list); (at = strstr(at, piece)); at++)
    count++;
  return count;
}

START_TEST(a_run_goes_on_when_there_is_room) {
  if (!mount_disk("size=8m")) return;
  const char *whole = support_path("whole.db"), *db = support_path("disk/full.db");
  const char *job = support_path("job.yaml"), *ballast = support_path("disk/ballast");
  support_write(job, JOB);
  ck_ended(make_tasks(whole), 0);
  ck_ended(make_tasks(db), 0);
  ck_ended(nightjar("run", job, "--db", whole), 0);
  for (int left = 0; left <= 600000; left += 150000) {
    put_ballast(ballast, left);
    outcome full = nightjar("run", job, "--db", db);
    ck_ended(full, 5);
    ck_holds(full.err, "make room and run again; what was committed stays");
    ck_assert_int_eq(count_files(support_path("disk"), ".lock"), 0);
    ck_assert_int_eq(unlink(ballast), 0);
  }
  ck_assert_str_eq(program_sqlite(db, "PRAGMA integrity_check"), "ok");
  ck_assert_int_gt(atoll(program_sqlite(db, "SELECT count(*) FROM sample")), 0);
  ck_ended(nightjar("run", job, "--db", db), 0);
  hash a = program_promised(whole), b = program_promised(db);
  ck_assert(hash_equal(&a, &b));
}
END_TEST

START_TEST(nothing_half_is_left_on_a_full_disk) {
  const char *disk = mount_disk("size=2m");
  if (!disk) return;
  const char *db = support_path("disk/new.db"), *ballast = support_path("disk/ballast");
  const char *traces = support_path("disk/traces.jsonl"), *there = support_path("there.db");
  /* Larger than SQLite's cache of pages, so that the copy has a journal when the disk is full. */
  ck_ended(nightjar("tasks", "make", "countdown", "--name", "many", "--count", "12000", "--seed",
                    "3", "--db", there),
           0);
  for (int left = 0; left <= 120000; left += 40000) {
    put_ballast(ballast, left);
    outcome full = make_tasks(db);
    ck_ended(full, 5);
    ck_holds(full.err, "make room and run again");
    ck_assert_int_eq(count_files(disk, "new.db"), 0);
    full = nightjar("demonstrate", "countdown", "--search", "bfs", "--count", "200", "--seed", "1",
                    "-o", traces);
    ck_ended(full, 5);
    ck_holds(full.err, "No space left on device");
    ck_assert_int_eq(count_files(disk, "traces"), 0);
    full = nightjar("archive", "pack", support_path("disk/a.zip"), "--db", there);
    ck_ended(full, 5);
    ck_lacks(full.err, "(-");
    ck_assert_int_eq(count_files(disk, "a.zip"), 0);
    ck_assert_int_eq(unlink(ballast), 0);
  }
  ck_ended(make_tasks(db), 0);
}
END_TEST

/* ---- an output that is full -------------------------------------------------------------------
 */

static void refuses_full_output(const char *const *arguments) {
  outcome full = program_run_into(arguments, "/dev/full");
  ck_assert_msg(full.code == 5, "%s %s: exit %d: %s", arguments[0],
                arguments[1] ? arguments[1] : "", full.code, full.err);
}

START_TEST(what_could_not_be_printed_is_no_success) {
  const char *db = support_path("printed.db"), *job = support_path("job.yaml");
  support_write(job, JOB);
  ck_ended(make_tasks(db), 0);
  ck_ended(nightjar("run", job, "--db", db, "--limit", "3"), 0);
  const char *const lines[][8] = {{"tasks", "list", "--db", db},
                                  {"tasks", "list", "--json", "--db", db},
                                  {"tasks", "show", "full", "--db", db},
                                  {"tasks", "show", "full", "--json", "--db", db},
                                  {"run", job, "--dry-run", "--db", db},
                                  {"run", job, "--explain", "--db", db},
                                  {"status", "--db", db},
                                  {"status", "--json", "--db", db},
                                  {"trace", "apr beam=3/0/0", "--db", db},
                                  {"trace", "apr beam=3/0/0", "--json", "--db", db},
                                  {"report", "--text", "--db", db},
                                  {"report", "--text", "--json", "--db", db},
                                  {"compare", "apr beam=3", "apr beam=6", "--db", db},
                                  {"doctor", "--db", db},
                                  {"doctor", "--json", "--db", db},
                                  {"--help"},
                                  {"--version"},
                                  {"run", "--help"}};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    refuses_full_output(lines[i]);
  }
  const char *const traces[] = {"demonstrate", "countdown", "--search", "bfs", "--count", "20",
                                "--seed",      "1",         "-o",       "-",   NULL};
  refuses_full_output(traces);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("full disk");
  TCase *all = tcase_create("full disk");
  tcase_add_test(all, a_run_goes_on_when_there_is_room);
  tcase_add_test(all, nothing_half_is_left_on_a_full_disk);
  tcase_add_test(all, what_could_not_be_printed_is_no_success);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
