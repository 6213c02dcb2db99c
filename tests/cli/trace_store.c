#include "tests/cli/trace_store.h"

#include "tests/support/support.h"

void trace_store_fill(store *s, const trace_run *r) {
  static const char m[] = "weights";
  detail err = {0};
  store_task task = {.name = "t0", .question = "q", .target = "{}", .split = "test"};
  store_model model = {
      .hash = hash_of(m, sizeof m), .name = "small", .architecture = "llama", .config_json = "{}"};
  store_run_new asked = {.identity_json = "{}",
                         .task_set = 1,
                         .mode = r->mode,
                         .protocol = r->protocol,
                         .parameters_json = r->parameters_json,
                         .token_unit = "tok-1",
                         .determinism_class = "cpu-1 bf16",
                         .model = &model.hash,
                         .seed = 1};
  const store_condition row[] = {{"j", r->condition, r->condition, r->checker, "{}", 0, 1, 1, 1}};
  store_task_set set;
  int64_t run;
  int made;
  ck_ok(store_task_set_begin(s, "tasks", r->kind, "{}", &err));
  ck_ok(store_task_add(s, &task, &err));
  ck_ok(store_task_set_end(s, &set, &made, &err));
  ck_ok(store_model_put(s, &model, &err));
  ck_ok(store_run(s, &asked, &run, &made, &err));
  ck_ok(store_job_put(s, "j", "{}", &err));
  ck_ok(store_conditions_put(s, "j", row, 1, &err));
}
