#include "pipeline/synth_text.h"

#include "solvers/symbolic.h"

enum { PROBLEMS = 40, MEMORY_BYTES_MAX = 256 << 20 };

static status read_options(symbolic_options *out, detail *err) {
  json_t *parameters = json_pack("{s:s, s:i}", "search", "apr", "beam", 3);
  status failed = parameters ? OK : fault(err, E_MEMORY, "no memory for the options of a search");
  if (!failed) failed = symbolic_mode.resolve(parameters, err);
  if (!failed) failed = symbolic_read(out, parameters, err);
  json_decref(parameters);
  return failed;
}

static status add_problem(text *out, const symbolic_options *options, uint64_t n, arena *memory,
                          detail *err) {
  countdown_source source = countdown_published(0, COUNTDOWN_TRAIN);
  countdown_problem p;
  search_options drawn;
  search_result result;
  status failed = countdown_generate(&source, n, &p, err);
  if (failed) return failed;
  hash task = countdown_key(&p);
  failed = symbolic_solve(&result, &drawn, options, &p, source.seed, &task, 0, memory, err);
  if (failed) return failed;
  for (int i = 0; i < result.thread_count; i++) {
    const text *written = &result.threads[i]->written;
    text_add(out, text_string(written), written->bytes);
    text_char(out, '\n');
  }
  search_close(&result);
  arena_reset(memory);
  return text_state(out, err);
}

status synth_text(text *out, detail *err) {
  symbolic_options options;
  arena *memory = NULL;
  status failed = read_options(&options, err);
  if (!failed) failed = arena_open(&memory, MEMORY_BYTES_MAX, err);
  for (uint64_t n = 0; !failed && n < PROBLEMS; n++)
    failed = add_problem(out, &options, n, memory, err);
  arena_close(memory);
  return failed;
}
