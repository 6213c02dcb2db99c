/* show_logits MODEL-DIR BACKEND COMPUTE PROMPT: the logits of a prompt of tests/engine/prompt.h,
   raw fp32 [tokens, vocabulary] on standard output, for tests/oracle/logits.py to compare in full.
 */
#include "base/json.h"
#include "base/memory.h"
#include "tests/engine/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const detail *err) {
  char line[1200];
  (void)fprintf(stderr, "%s\n", detail_line(err, line, sizeof line));
  return 1;
}

static status show(const model *m, const char *backend, compute_type compute, int prompt,
                   detail *err) {
  uint32_t tokens[PROMPT_TOKENS_MAX];
  int count = prompt_lengths[prompt], vocabulary = model_config_of(m)->vocabulary;
  size_t values = (size_t)count * (size_t)vocabulary;
  forward *f = NULL;
  forward_options o = prompt_options(backend, compute, PROMPT_TOKENS_MAX);
  for (int i = 0; i < count; i++)
    tokens[i] = prompt_token(prompt, i, vocabulary);
  float *logits = memory_zeroed(values, sizeof *logits);
  status failed = logits ? OK : fault(err, E_MEMORY, "no memory for logits");
  if (!failed) failed = forward_open(&f, m, &o, err);
  if (!failed)
    failed = prompt_feed(f, vocabulary, tokens, 0, count, PROMPT_TOKENS_MAX, logits, err);
  if (!failed && (fwrite(logits, sizeof *logits, values, stdout) != values || fflush(stdout))) {
    failed = fault(err, E_IO, "cannot write the logits");
  }
  forward_close(f);
  memory_free(logits);
  return failed;
}

int main(int argc, char **argv) {
  detail err = {0};
  model *m = NULL;
  int prompt = argc == 5 ? atoi(argv[4]) : -1;
  if (prompt < 0 || prompt >= PROMPTS) {
    (void)fprintf(stderr, "usage: show_logits MODEL-DIR reference|cpu bf16|fp32 0-4\n");
    return 2;
  }
  json_install();
  if (model_open(&m, argv[1], &err)) return fail(&err);
  compute_type compute = strcmp(argv[3], "fp32") ? COMPUTE_BF16 : COMPUTE_FP32;
  status failed = show(m, argv[2], compute, prompt, &err);
  model_close(m);
  return failed ? fail(&err) : 0;
}
