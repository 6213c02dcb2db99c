#include "pipeline/jobs.h"

#include "base/memory.h"
#include "solvers/checker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static status read_file(const char *path, text *out, detail *err) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    return fault_at(err, E_INPUT, path, 0, "cannot open the job (%s): %s", strerror(errno),
                    errno == ENOENT ? "check its name, or copy one from jobs/"
                                    : "make the file readable");
  }
  struct stat info;
  status s = OK;
  if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode)) {
    s = fault_at(err, E_INPUT, path, 0, "a folder, not a job file; name the file in it");
  }
  char buffer[65536];
  for (size_t count; !s && (count = fread(buffer, 1, sizeof buffer, file)) > 0;) {
    text_add(out, buffer, count);
    if (out->failed == E_LIMIT) {
      s = fault_at(err, E_INPUT, path, 0,
                   "more than %d bytes, as no job has; name another file, or split it",
                   (int)JOB_BYTES_MAX);
    }
  }
  if (!s && ferror(file)) s = fault_at(err, E_INPUT, path, 0, "cannot read: %s", strerror(errno));
  (void)fclose(file);
  return s ? s : text_state(out, err);
}

status jobs_read(job **out, const char *name, const char *bytes, size_t count, detail *err) {
  size_t mode_count, checker_count;
  const mode *const *modes = mode_list(&mode_count);
  const char *const *checkers = checker_names(&checker_count);
  return job_read(out,
                  &(job_source){.name = name,
                                .bytes = bytes,
                                .count = count,
                                .modes = modes,
                                .mode_count = mode_count,
                                .checkers = checkers,
                                .checker_count = checker_count},
                  err);
}

status jobs_load(job **out, const char *path, detail *err) {
  text bytes;
  text_open(&bytes, JOB_BYTES_MAX);
  status s = read_file(path, &bytes, err);
  if (!s) s = jobs_read(out, path, text_string(&bytes), bytes.bytes, err);
  text_close(&bytes);
  return s;
}
