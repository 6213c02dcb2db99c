/* show_views FOLDER: the attention cases of tests/kernels/cases.h as FOLDER/N.json, each with its
   drawn heads, its views and what the reference and the cpu backend make of them in compute fp32,
   for tests/oracle/views.py. A Check program, since cases are. */
#include "kernels/kernels.h"
#include "tests/kernels/cases.h"

#include <stdio.h>
#include <stdlib.h>

static const char *folder;

static void put_numbers(FILE *out, const char *name, const float *x, size_t count) {
  (void)fprintf(out, ",\n\"%s\": [", name);
  for (size_t i = 0; x && i < count; i++)
    (void)fprintf(out, "%s%.9g", i ? "," : "", (double)x[i]);
  (void)fputc(']', out);
}

/* Of each row its entries [first token of the segment, keys, position], and its next position. */
static void put_views(FILE *out, const case_world *w) {
  (void)fputs(",\n\"views\": [", out);
  for (int row = 0; row < w->c->rows; row++) {
    const case_view_of_row *v = &w->views[row];
    (void)fprintf(out, "%s{\"next\": %d, \"entries\": [", row ? ",\n" : "", v->next_position);
    for (int i = 0; i < v->entries; i++)
      (void)fprintf(out, "%s[%d,%d,%d]", i ? "," : "", w->start[v->entry[i].segment],
                    v->entry[i].keys, v->entry[i].position);
    (void)fputs("]}", out);
  }
  (void)fputc(']', out);
}

static void put_result(FILE *out, const kernel_case *c, const char *backend) {
  device_options how = {.compute = COMPUTE_FP32, .threads = 1};
  case_bytes got = case_run(kernels_find(backend), c, &how, 0, c->rows);
  put_numbers(out, backend, (const float *)(const void *)got.data, got.bytes / sizeof(float));
}

static void put_case(const kernel_case *c, int number) {
  char path[512];
  case_world w = case_world_of(c);
  size_t size = (size_t)c->head_size, heads = (size_t)c->heads + 2 * (size_t)c->kv_heads;
  (void)snprintf(path, sizeof path, "%s/%d.json", folder, number);
  FILE *out = fopen(path, "w");
  ck_assert_msg(out != NULL, "cannot write %s", path);
  (void)fprintf(out,
                "{\"name\": \"%s\", \"heads\": %d, \"kv_heads\": %d, \"head_size\": %d, "
                "\"rows\": %d, \"tokens\": %d",
                case_name(c), c->heads, c->kv_heads, c->head_size, c->rows, w.tokens);
  put_views(out, &w);
  put_numbers(out, "qkv", w.qkv, (size_t)w.tokens * heads * size);
  put_numbers(out, "q_gain", w.q_gain, size);
  put_numbers(out, "k_gain", w.k_gain, size);
  put_result(out, c, "reference");
  put_result(out, c, "cpu");
  (void)fputs("}\n", out);
  ck_assert_int_eq(fclose(out), 0);
  case_forget();
}

START_TEST(show_cases) {
  int number = 0;
  for (size_t i = 0; i < kernel_cases_count; i++) {
    if (kernel_cases[i].operation == CASE_ATTENTION) put_case(&kernel_cases[i], number++);
  }
}
END_TEST

int main(int argc, char **argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: show_views FOLDER\n");
    return 2;
  }
  folder = argv[1];
  Suite *suite = suite_create("views");
  TCase *all = tcase_create("views");
  tcase_set_timeout(all, 0);
  tcase_add_test(all, show_cases);
  suite_add_tcase(suite, all);
  return support_run(suite);
}
