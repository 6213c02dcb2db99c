/* bench store: what it prints, that it counts right, and that it leaves nothing behind. */
#include "tests/support/program.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The folder that a benchmark works in, empty before and after. */
static const char *shop(void) {
  const char *folder = support_path("shop");
  ck_assert_int_eq(mkdir(folder, 0700), 0);
  return folder;
}

static int files_in(const char *folder) {
  char pattern[512];
  glob_t found;
  (void)snprintf(pattern, sizeof pattern, "%s/*", folder);
  int code = glob(pattern, 0, NULL, &found);
  int count = code == 0 ? (int)found.gl_pathc : 0;
  ck_assert(code == 0 || code == GLOB_NOMATCH);
  globfree(&found);
  return count;
}

/* The line of JSON of this name, or NULL; freed by the caller. */
static json_t *figure(const char *lines, const char *name) {
  char *copy = strdup(lines), *rest = NULL;
  json_t *found = NULL;
  for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    json_t *value = program_json(line);
    const char *named = json_string_value(json_object_get(value, "name"));
    ck_assert_ptr_nonnull(named);
    ck_assert_ptr_nonnull(json_object_get(value, "median"));
    ck_assert_ptr_nonnull(json_object_get(value, "unit"));
    ck_assert_ptr_nonnull(json_object_get(value, "ceiling"));
    ck_assert_ptr_nonnull(json_object_get(value, "share"));
    ck_assert_str_eq(json_string_value(json_object_get(value, "shape")), "20 x 10 x 10");
    if (!found && !strcmp(named, name)) {
      found = value;
    } else {
      json_decref(value);
    }
  }
  free(copy);
  ck_assert_msg(found != NULL, "no figure '%s'", name);
  return found;
}

static void check_figure(const char *lines, const char *name, int64_t rows) {
  json_t *value = figure(lines, name);
  ck_assert_msg(json_number_value(json_object_get(value, "median")) > 0, "%s took no time", name);
  if (rows >= 0) {
    ck_assert_int_eq(json_integer_value(json_object_get(value, "rows")), rows);
  }
  json_decref(value);
}

START_TEST(test_json) {
  const char *folder = shop();
  outcome o =
      nightjar("bench", "store", "--samples", "2000", "--times", "1", "-o", folder, "--json");
  ck_ended(o, 0);
  check_figure(o.out, "disk", -1);
  check_figure(o.out, "fill", 2000);
  check_figure(o.out, "sample with traces", -1);
  check_figure(o.out, "comparisons", -1);
  check_figure(o.out, "view samples", 2000);
  check_figure(o.out, "view task_scores", 200);
  check_figure(o.out, "view accuracy", 10);
  check_figure(o.out, "view paired", 90);
  check_figure(o.out, "view latency", 10);
  check_figure(o.out, "view token_use", 10);
  const char *others[] = {"view threads", "view accuracy_by_budget", "view capped", "view failures",
                          "report"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    check_figure(o.out, others[i], -1);
  ck_assert_int_eq(files_in(folder), 0);
}
END_TEST

/* Equal shapes are equal samples, however many threads store them. */
START_TEST(test_kept) {
  const char *one = support_path("one.db"), *two = support_path("two.db");
  outcome o = nightjar("bench", "store", "--samples", "2000", "--tasks", "40", "--times", "1",
                       "--threads", "1", "--keep", one);
  ck_ended(o, 0);
  ck_holds(o.out, "40 x 10 x 5");
  ck_holds(o.out, "samples/s");
  ck_ended(nightjar("bench", "store", "--samples", "2000", "--tasks", "40", "--times", "1",
                    "--threads", "4", "--keep", two),
           0);
  hash first = program_promised(one), second = program_promised(two);
  ck_assert(hash_equal(&first, &second));
  ck_assert_str_eq(program_sqlite(one, "SELECT count(*) FROM samples"), "2000");
  ck_assert_str_eq(program_sqlite(one, "SELECT max(repeat), max(task_ordinal) FROM samples"),
                   "4|39");
  ck_assert_str_eq(program_sqlite(one, "PRAGMA integrity_check"), "ok");
  ck_assert_str_eq(program_sqlite(one, "SELECT count(*) > 0 FROM threads WHERE parent = '0'"), "1");

  o = nightjar("bench", "store", "--from", one, "--times", "2");
  ck_ended(o, 0);
  ck_holds(o.out, "view accuracy");
  ck_lacks(o.out, "samples/s");
}
END_TEST

START_TEST(test_usage) {
  const char *folder = shop(), *there = support_path("there.db");
  support_write(there, "something of a person's");
  ck_ended(nightjar("bench", "store", "--samples", "2000", "--keep", there), 2);
  ck_assert_str_eq(program_read(there), "something of a person's");
  ck_ended(nightjar("bench", "store", "--samples", "2001", "-o", folder), 2);
  ck_ended(nightjar("bench", "store", "--samples", "2000,x", "-o", folder), 2);
  ck_ended(nightjar("bench", "store", "--samples", "2000", "--tasks", "20", "--repeats", "10"), 2);
  ck_ended(nightjar("bench", "store", "--samples", "200,400", "--keep", support_path("n.db")), 2);
  ck_ended(nightjar("bench", "store", "--samples", "200", "--keep", there, "-o", folder), 2);
  outcome o = nightjar("bench", "store", "--samples", "200", "-o", support_path("absent"));
  ck_ended(o, 5);
  ck_holds(o.err, "-o");
  o = nightjar("bench", "store", "--from", support_path("absent.db"));
  ck_ended(o, 3);
  ck_assert_int_eq(files_in(folder), 0);
}
END_TEST

START_TEST(test_no_room) {
  const char *folder = shop();
  outcome o = program_run_bounded(
      (const char *const[]){"bench", "store", "--samples", "2000", "-o", folder, NULL}, 1 << 20);
  ck_ended(o, 5);
  ck_holds(o.err, "disk");
  ck_assert_int_eq(files_in(folder), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bench");
  TCase *cases = tcase_create("bench store");
  suite_add_tcase(suite, cases);
  tcase_add_test(cases, test_json);
  tcase_add_test(cases, test_kept);
  tcase_add_test(cases, test_usage);
  tcase_add_test(cases, test_no_room);
  return support_run(suite);
}
