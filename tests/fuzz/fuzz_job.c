/* A job file from anybody: refused with a reason, or read as a job whose resolved document is read
   as the same job again, with every condition ready to run. */
#include "pipeline/job.h"
#include "solvers/checker.h"
#include "solvers/protocol.h"
#include "solvers/symbolic.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static status read_job(job **out, const char *bytes, size_t count, detail *err) {
  size_t mode_count, checker_count;
  const mode *const *modes = mode_list(&mode_count);
  const char *const *checkers = checker_names(&checker_count);
  return job_read(out,
                  &(job_source){.name = "fuzz.yaml",
                                .bytes = bytes,
                                .count = count,
                                .modes = modes,
                                .mode_count = mode_count,
                                .checkers = checkers,
                                .checker_count = checker_count},
                  err);
}

static void put_document(const job *j, text *out) {
  detail err;
  text_open(out, JOB_BYTES_MAX);
  REQUIRE(json_canonical(j->document, out, &err) == OK);
}

static void check_again(const job *j) {
  detail err;
  job *again = NULL;
  text first, second;
  put_document(j, &first);
  REQUIRE(read_job(&again, text_string(&first), first.bytes, &err) == OK);
  put_document(again, &second);
  REQUIRE(first.bytes == second.bytes);
  REQUIRE(!memcmp(text_string(&first), text_string(&second), first.bytes));
  REQUIRE(again->condition_count == j->condition_count);
  REQUIRE(again->compare_count == j->compare_count);
  text_close(&first);
  text_close(&second);
  job_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  detail err = {0};
  job *j = NULL;
  status failed = read_job(&j, (const char *)data, size, &err);
  if (failed) {
    fuzz_explained(failed, &err);
    return 0;
  }
  check_again(j);
  for (size_t i = 0; i < j->condition_count; i++) {
    const json_t *parameters = j->conditions[i].parameters;
    symbolic_options options;
    protocol *p;
    if (!j->conditions[i].model) {
      REQUIRE(symbolic_read(&options, parameters, &err) == OK);
    } else {
      REQUIRE(protocol_open(&p, parameters, &err) == OK);
      protocol_close(p);
    }
  }
  /* What is then too large for a document is the one thing that may still be refused. */
  failed = job_default_checker(j, "countdown", &err);
  if (failed) {
    REQUIRE(failed == E_INPUT);
  } else {
    check_again(j);
  }
  job_close(j);
  return 0;
}
