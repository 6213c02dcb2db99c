#include "solvers/serial.h"

#include "solvers/independent_internal.h"

static status serial_open(void **state, const mode_setup *setup, arena *memory, detail *err) {
  independent *s;
  status failed = independent_open(&s, 1, setup, memory, err);
  if (!failed) *state = s;
  return failed;
}

/* Its memory is the arena's. */
static void serial_close(void *state) {
  (void)state;
}

static status serial_on(void *state, const mode_event *e, const mode_output *out, detail *err) {
  independent *s = state;
  if (e->kind == MODE_START) return independent_spawn(s, "root", out, err);
  status failed = independent_ended(s, e, out, err);
  if (failed || !s->answered) return failed;
  return independent_done(s->threads[0].has_answer ? 0 : MODE_NOBODY, out, err);
}

static const mode_machine machine = {.open = serial_open, .close = serial_close, .on = serial_on};

const mode serial_mode = {.name = "serial",
                          .rules = "serial-1",
                          .options = independent_options + 1,
                          .option_count = INDEPENDENT_OPTIONS,
                          .resolve = independent_resolve,
                          .machine = &machine};
