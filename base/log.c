#include "base/log.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#include <pthread.h>
#include <string.h>

static const int64_t LINE_EVERY_NS = 60LL * 1000000000, REDRAW_EVERY_NS = 100000000;

struct logger {
  FILE *stream;
  int terminal, color;
  pthread_mutex_t lock;
  char progress[256];
  int progress_shown; /* on a terminal: whether the cursor stands behind a progress line */
  int progress_new;   /* whether the text was not yet written */
  int64_t progress_ns;
};

status log_open(logger **out, FILE *stream, int terminal, int color, detail *err) {
  logger *l = memory_zeroed(1, sizeof *l);
  if (!l) return fault(err, E_MEMORY, "no memory for a log");
  l->stream = stream;
  l->terminal = terminal;
  l->color = color;
  l->progress_ns = clock_monotonic_ns();
  REQUIRE(pthread_mutex_init(&l->lock, NULL) == 0);
  *out = l;
  return OK;
}

void log_close(logger *l) {
  if (!l) return;
  log_progress_end(l);
  (void)pthread_mutex_destroy(&l->lock);
  memory_free(l);
}

/* A message may quote a file or a store of somebody else's: only text reaches the stream. */
static void write_text(FILE *stream, const char *said) {
  for (size_t left = strlen(said); left;) {
    size_t taken = text_printable_length(said, left);
    if (taken) {
      (void)fwrite(said, 1, taken, stream);
    } else if (*said == '\n' || *said == '\t') {
      (void)fputc(*said, stream);
    } else {
      (void)fprintf(stream, "\\x%02x", (unsigned)(unsigned char)*said);
    }
    if (!taken) taken = 1;
    said += taken;
    left -= taken;
  }
}

PRINTF_LIKE(4, 0)
static void write_line(logger *l, const char *color, const char *prefix, const char *format,
                       va_list arguments) {
  if (!l) return;
  (void)pthread_mutex_lock(&l->lock);
  if (l->progress_shown) (void)fputs("\r\033[K", l->stream);
  l->progress_shown = 0;
  if (l->color && *color) (void)fputs(color, l->stream);
  (void)fputs(prefix, l->stream);
  if (l->color && *color) (void)fputs("\033[0m", l->stream);
  char said[4096];
  (void)vsnprintf(said, sizeof said, format, arguments);
  write_text(l->stream, said);
  (void)fputc('\n', l->stream);
  (void)fflush(l->stream);
  (void)pthread_mutex_unlock(&l->lock);
}

void log_info(logger *l, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(l, "", "", format, arguments);
  va_end(arguments);
}

void log_warn(logger *l, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(l, "\033[33m", "warning: ", format, arguments);
  va_end(arguments);
}

void log_error(logger *l, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(l, "\033[31m", "error: ", format, arguments);
  va_end(arguments);
}

static void show_progress(logger *l, int64_t now) {
  if (l->terminal) {
    (void)fprintf(l->stream, "\r\033[K%s", l->progress);
    l->progress_shown = 1;
  } else {
    (void)fprintf(l->stream, "%s\n", l->progress);
  }
  (void)fflush(l->stream);
  l->progress_ns = now;
  l->progress_new = 0;
}

void log_progress(logger *l, const char *format, ...) {
  if (!l) return;
  (void)pthread_mutex_lock(&l->lock);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(l->progress, sizeof l->progress, format, arguments);
  va_end(arguments);
  l->progress_new = 1;
  int64_t now = clock_monotonic_ns();
  if (now - l->progress_ns >= (l->terminal ? REDRAW_EVERY_NS : LINE_EVERY_NS)) {
    show_progress(l, now);
  }
  (void)pthread_mutex_unlock(&l->lock);
}

void log_progress_end(logger *l) {
  if (!l) return;
  (void)pthread_mutex_lock(&l->lock);
  if (l->progress_new) show_progress(l, clock_monotonic_ns());
  if (l->progress_shown) (void)fputc('\n', l->stream);
  l->progress_shown = 0;
  (void)fflush(l->stream);
  (void)pthread_mutex_unlock(&l->lock);
}
