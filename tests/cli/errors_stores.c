/* The store: exit 5, or 3 where it is not there. */
#include "pipeline/command.h"
#include "store/place_internal.h"
#include "tests/cli/errors.h"

/* A store on a network file system, as the operating system would tell of it. */
static int open_on_network(FILE *messages) {
  detail err = {0};
  logger *log = NULL;
  store *s = NULL;
  status failed = log_open(&log, messages, 0, 0, &err);
  if (!failed) failed = store_open_on(&s, "nightjar.db", STORE_WRITE, 1, log, &err);
  status closed = store_close(s, failed ? NULL : &err);
  if (failed || closed) log_error(log, "%s", err.text);
  log_close(log);
  return command_exit_code(failed ? failed : closed, 0);
}

/* A finished job, its store closed. */
#define RUN_ONCE TASKS GOOD_JOB "nightjar run job.yaml\n"
/* Long enough to be met while it runs. */
#define LONG_JOB                                                                                   \
  "nightjar tasks make countdown --name t --count 4000 --seed 1\n" JOB(                            \
      HEAD "repeats: 50\n" CONDITIONS TWO)

static const situation rows[] = {
    {.what = "no store is there to run in",
     .before = GOOD_JOB,
     .command = RUN,
     .code = 3,
     .says = {"there is no store 'nightjar.db'"},
     .remedy = "nightjar tasks make"},
    {.what = "no store is there to look at",
     .command = "nightjar status --db other.db",
     .code = 3,
     .says = {"there is no store 'other.db'"},
     .remedy = "--db FILE"},
    {.what = "the folder of the store is not there",
     .command = "nightjar tasks make countdown --name t --count 5 --seed 1 --db away/x.db",
     .code = 5,
     .says = {"the folder of away/x.db is not there"},
     .remedy = "make it first"},
    {.what = "the store is a folder",
     .before = "mkdir nightjar.db",
     .command = "nightjar tasks list",
     .code = 5,
     .says = {"nightjar.db is not a file"},
     .remedy = "choose another file"},
    {.what = "the store is an empty file",
     .before = ">nightjar.db",
     .command = "nightjar status",
     .code = 5,
     .says = {"nightjar.db is empty"},
     .remedy = "nightjar tasks make"},
    {.what = "the store is not an SQLite file",
     .before = GOOD_JOB "cp job.yaml nightjar.db",
     .command = RUN,
     .code = 5,
     .says = {"nightjar.db is not an SQLite file"},
     .remedy = "choose another file"},
    {.what = "the store is an SQLite file of another program",
     .before = "sqlite3 nightjar.db 'CREATE TABLE note(text)'",
     .command = "nightjar tasks make countdown --name t --count 5 --seed 1",
     .code = 5,
     .says = {"nightjar.db is an SQLite file of another program"},
     .remedy = "choose another file"},
    {.what = "the store was written by a newer Nightjar",
     .before = RUN_ONCE "sqlite3 nightjar.db 'PRAGMA user_version = 99'",
     .command = RUN,
     .code = 5,
     .says = {"nightjar.db was written by a newer Nightjar", "store version 99"},
     .remedy = "use the newer one"},
    {.what = "the store was written by an older Nightjar",
     .before = "zcat \"$SOURCE/tests/store/version-1.db.gz\" >nightjar.db",
     .command = "nightjar report --text >/dev/null",
     .code = 0,
     .says = {"nightjar.db was of store version 1 and is now of 4"},
     .remedy = "the old one stays as nightjar.db.version-1",
     .changes = 1},
    {.what = "the store says a version that never was",
     .before = RUN_ONCE "sqlite3 nightjar.db 'PRAGMA user_version = -3'",
     .command = "nightjar status",
     .code = 5,
     .says = {"nightjar.db is damaged", "store version -3"},
     .remedy = "restore a copy"},
    {.what = "pages in the middle of the store are overwritten",
     .before = RUN_ONCE "size=$(stat -c %s nightjar.db)\n"
                        "head -c $((size - 8192)) /dev/zero | tr '\\0' X |\n"
                        "  dd of=nightjar.db bs=4096 seek=2 conv=notrunc\n",
     .command = "nightjar report --text",
     .code = 5,
     .says = {"nightjar.db is damaged"},
     .remedy = "restore a copy, or save what can be read with sqlite3's .recover"},
    {.what = "the store is cut short",
     .before = RUN_ONCE "truncate -s 8192 nightjar.db",
     .command = RUN,
     .code = 5,
     .says = {"nightjar.db is damaged"},
     .remedy = "restore a copy, or save what can be read with sqlite3's .recover"},
    {.what = "a store of an older Nightjar in a read-only folder",
     .before = "mkdir shelf\n"
               "zcat \"$SOURCE/tests/store/version-1.db.gz\" >shelf/old.db\n"
               "chmod 555 shelf\n",
     .command = "nightjar status --db shelf/old.db",
     .code = 5,
     .says = {"shelf/old.db is of an older store version", "could not be brought up"},
     .remedy = "make the folder writable"},
    {.what = "a store whose run was killed, in a read-only folder",
     .before = "mkdir shelf\n" LONG_JOB "mv nightjar.db shelf\n"
               "\"$NIGHTJAR\" run job.yaml --db shelf/nightjar.db & run=$!\n"
               "until [ -s shelf/nightjar.db-wal ]; do sleep 0.02; done\n"
               "kill -9 $run; wait $run || true\n"
               "rm -f shelf/nightjar.db-shm; chmod 555 shelf\n",
     .command = "nightjar status --db shelf/nightjar.db",
     .code = 5,
     .says = {"shelf/nightjar.db was left in the middle of a write"},
     .remedy = "open it once where it can be written, or copy it with the files beside it"},
    {.what = "a number in the store that nightjar never writes",
     .before = RUN_ONCE "sqlite3 nightjar.db 'PRAGMA ignore_check_constraints = ON; '"
                        "'UPDATE condition SET repeats = -1'\n",
     .command = "nightjar report --text",
     .code = 5,
     .says = {"the store is damaged", "repeats"},
     .remedy = "restore a copy"},
    {.what = "the store is in use by another process",
     .before = LONG_JOB,
     .holder = "run job.yaml",
     .command = RUN,
     .code = 5,
     .says = {"nightjar.db is being written by process "},
     .remedy = "wait for it or stop it"},
    {.what = "the store may not be read",
     .before = TASKS "chmod 000 nightjar.db",
     .command = "nightjar tasks list",
     .code = 5,
     .says = {"nightjar.db cannot be opened"},
     .remedy = "make it and its folder readable"},
    {.what = "the store is a read-only file",
     .before = TASKS GOOD_JOB "chmod 444 nightjar.db",
     .command = RUN,
     .code = 5,
     .says = {"nightjar.db is read-only"},
     .remedy = "make it writable or choose another file"},
    {.what = "the store is in a read-only folder",
     .before = "mkdir shelf; cd shelf\n" TASKS "cd ..\n" GOOD_JOB "chmod 555 shelf",
     .command = RUN " --db shelf/nightjar.db",
     .code = 5,
     .says = {"shelf/nightjar.db cannot be written"},
     .remedy = "make the folder writable, or choose another file"},
    {.what = "the disk fills during a run",
     .before = LONG_JOB,
     .command = "trap '' XFSZ; ulimit -f 6000; nightjar run job.yaml",
     .code = 5,
     .says = {"no room for nightjar.db", "MB free"},
     .remedy = "make room and run again; what was committed stays",
     .changes = 1},
    {.what = "the disk is full when tasks are made",
     .command = "trap '' XFSZ; ulimit -f 8; "
                "nightjar tasks make countdown --name t --count 5 --seed 1",
     .code = 5,
     .says = {"no room for nightjar.db"},
     .remedy = "make room and run again",
     .changes = 1},
    {.what = "the store is on a network file system",
     .before = TASKS,
     .here = open_on_network,
     .command = RUN,
     .code = 0,
     .says = {"nightjar.db is on a network file system"},
     .remedy = "a local disk is better"},
    {.what = "a sample that fails by a damaged task",
     .before =
         TASKS GOOD_JOB "sqlite3 nightjar.db \"UPDATE task SET target = '{}' WHERE ordinal = 3\"\n",
     .command = RUN,
     .code = 1,
     .says = {"3 samples failed, 0 are allowed"},
     .remedy = "see the view failures",
     .changes = 1},
    {.what = "a run that is stopped by its time limit",
     .before = LONG_JOB,
     .command = "nightjar run job.yaml --max-wall 1s",
     .code = 75,
     .says = {"stopped early by --max-wall", "all that was finished is committed"},
     .remedy = "run the same command to go on",
     .changes = 1},
    {.what = "a run that is stopped by a signal",
     .before = LONG_JOB,
     .command = "timeout --foreground --preserve-status -s INT 1 \"$NIGHTJAR\" run job.yaml",
     .code = 75,
     .says = {"stopped early by Interrupt"},
     .remedy = "run the same command to go on",
     .changes = 1},
};

SITUATION_GROUP(errors_of_stores, "The store", rows);
