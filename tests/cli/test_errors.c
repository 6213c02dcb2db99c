/* Every row of the table of errors is met by the built program, and docs/errors.md is what they
   came to. `test_errors --write FILE` writes the document instead of comparing it. */
#include "tests/cli/errors.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char DOCUMENT[] = "docs/errors.md";

static const situation_group *const groups[] = {
    &errors_of_command_lines, &errors_of_jobs,   &errors_of_sweeps,   &errors_of_tasks,
    &errors_of_imports,       &errors_of_stores, &errors_of_looks,    &errors_of_shares,
    &errors_of_archives,      &errors_of_models, &errors_of_reasoning};
enum { GROUPS = sizeof groups / sizeof groups[0] };

/* Some rows run for a while, and slowly under sanitizers. */
enum { SECONDS_A_ROW = 120 };

/* Shared with the processes of the tests, each of which meets one row. */
static met *came_to;
static const char *write_to;

static int row_count(void) {
  size_t count = 0;
  for (size_t g = 0; g < GROUPS; g++)
    count += groups[g]->count;
  return (int)count;
}

static const situation *row_at(int number) {
  size_t g = 0, i = (size_t)number;
  while (i >= groups[g]->count)
    i -= groups[g++]->count;
  return &groups[g]->rows[i];
}

START_TEST(a_situation) {
  char folder[PATH_MAX];
  (void)snprintf(folder, sizeof folder, "%s-%d", support_path("row"), _i);
  situation_meet(row_at(_i), folder, &came_to[_i]);
}
END_TEST

START_TEST(the_document_is_what_was_said) {
  for (int i = 0; i < row_count(); i++)
    ck_assert_msg(*came_to[i].message, "\"%s\" gave no message; see its own test", row_at(i)->what);
  char *document = errors_document(groups, GROUPS, came_to);
  if (write_to) {
    support_write(write_to, document);
  } else {
    struct stat info;
    char *kept = stat(DOCUMENT, &info) ? strdup("") : support_read(DOCUMENT, NULL);
    size_t same = 0, line = 1, start = 0; /* of the line that differs */
    for (; kept[same] && kept[same] == document[same]; same++) {
      if (kept[same] != '\n') continue;
      line++;
      start = same + 1;
    }
    ck_assert_msg(
        !strcmp(kept, document),
        "%s:%zu is not what the program says:\n  %.*s\nafter a look at why, renew it with\n  "
        "NIGHTJAR=build/dev/nightjar build/dev/tests/test_errors --write %s",
        DOCUMENT, line, (int)strcspn(document + start, "\n"), document + start, DOCUMENT);
    free(kept);
  }
  free(document);
}
END_TEST

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "--write")) write_to = argv[2];
  came_to = mmap(NULL, (size_t)row_count() * sizeof *came_to, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (came_to == MAP_FAILED) return EXIT_FAILURE;
  char source[PATH_MAX]; /* for rows that begin with a file of the tree */
  if (!getcwd(source, sizeof source) || setenv("SOURCE", source, 1)) return EXIT_FAILURE;
  Suite *suite = suite_create("errors");
  for (int g = 0, first = 0; g < GROUPS; first += (int)groups[g++]->count) {
    TCase *group = tcase_create(groups[g]->name);
    tcase_set_timeout(group, SECONDS_A_ROW);
    tcase_add_loop_test(group, a_situation, first, first + (int)groups[g]->count);
    suite_add_tcase(suite, group);
  }
  TCase *all = tcase_create("document");
  tcase_add_test(all, the_document_is_what_was_said);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
