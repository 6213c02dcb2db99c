/* docs/errors.md, from what the situations came to. */
#include "base/text.h"
#include "tests/cli/errors.h"

#include <stdlib.h>
#include <string.h>

static const char INTRODUCTION[] =
    "# What Nightjar says when it cannot\n"
    "\n"
    "This file is written by its test from the messages that the built program prints\n"
    "(`test_errors --write docs/errors.md`); a message that changes without it fails the test. "
    "Every "
    "message is on standard\n"
    "error, names the file and the line, record or field where the input is at fault, and says "
    "what "
    "to do. A command that is\n"
    "refused leaves every file as it was.\n"
    "\n"
    "| exit code | meaning | what a script does |\n"
    "|---|---|---|\n"
    "| 0 | done, or nothing left to do | goes on |\n"
    "| 1 | finished, with more failed samples than `allowed_failures` | looks at the view "
    "`failures`; "
    "the same command tries again while `retries` last |\n"
    "| 2 | the command line is wrong | is corrected; nothing was read or written |\n"
    "| 3 | bad input: a job, tasks or another file, or a name that is not there | stops and shows "
    "the "
    "message; the same command fails again until the input is corrected |\n"
    "| 4 | no sample could start: no memory, no device | runs again with more memory |\n"
    "| 5 | the store or an output: not ours, newer, damaged, in use, read-only, full | makes room "
    "or "
    "waits as the message says, then runs the same command again; what was committed stays |\n"
    "| 75 | stopped early by a signal or `--max-wall` | runs the same command again, which goes on "
    "|\n";

/* Inside a table's cell and inside code: a '|' ends the cell, a backtick the code. */
static void put_cell(text *out, const char *bytes, size_t count, int code) {
  const char *fence = !code ? "" : memchr(bytes, '`', count) ? "``" : "`";
  text_put(out, fence);
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] == '|') text_char(out, '\\');
    text_char(out, bytes[i]);
  }
  text_put(out, fence);
}

static void put_message(text *out, const char *message) {
  for (const char *line = message, *end; *line; line = *end ? end + 1 : end) {
    end = strchr(line, '\n');
    if (!end) end = line + strlen(line);
    if (line != message) text_put(out, "<br>");
    put_cell(out, line, (size_t)(end - line), 1);
  }
}

char *errors_document(const situation_group *const *groups, size_t group_count, const met *m) {
  detail err = {0};
  text out;
  text_open(&out, 4 << 20);
  text_put(&out, INTRODUCTION);
  for (size_t g = 0; g < group_count; g++) {
    text_format(&out, "\n## %s\n\n| situation | exit | message |\n|---|---|---|\n",
                groups[g]->name);
    for (size_t i = 0; i < groups[g]->count; i++, m++) {
      text_put(&out, "| ");
      put_cell(&out, groups[g]->rows[i].what, strlen(groups[g]->rows[i].what), 0);
      text_format(&out, " | %d | ", m->code);
      put_message(&out, m->message);
      text_put(&out, " |\n");
    }
  }
  ck_ok(text_state(&out, &err));
  char *document = strdup(text_string(&out));
  ck_assert_ptr_nonnull(document);
  text_close(&out);
  return document;
}
