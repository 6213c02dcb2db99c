/* Messages and progress for a person, on one stream (standard error in the program). Libraries get
   a log from their caller and never find one themselves; NULL is a log that says nothing.

   On a terminal the progress is one line that is rewritten; elsewhere it is one line a minute, so
   that a scheduler's log stays readable. A log may be used from any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/status.h"

#include <stdio.h>

typedef struct logger logger;

/* Borrows the stream until log_close. terminal: whether the stream is one; color: whether to mark
   warnings and errors with it. */
MUST_CHECK status log_open(logger **out, FILE *stream, int terminal, int color, detail *err);
void log_close(logger *l); /* ends an unfinished progress line; NULL is a no-op */

void log_info(logger *l, const char *format, ...) PRINTF_LIKE(2, 3);
void log_warn(logger *l, const char *format, ...) PRINTF_LIKE(2, 3);
void log_error(logger *l, const char *format, ...) PRINTF_LIKE(2, 3);
void log_progress(logger *l, const char *format, ...) PRINTF_LIKE(2, 3);
/* Writes the last progress even if its minute is not over. */
void log_progress_end(logger *l);

#endif
