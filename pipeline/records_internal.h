/* Private to the readers of records: the bytes that all formats read, and one record on its way.
   Each format is a file with one function that reads its next record. */
#ifndef PIPELINE_RECORDS_INTERNAL_H
#define PIPELINE_RECORDS_INTERNAL_H

#include "base/text.h"
#include "pipeline/records.h"

enum { RECORDS_PIECE_BYTES = 1 << 16 };

typedef enum list_state {
  LIST_BEFORE,  /* its [ */
  LIST_FIRST,   /* an element, or the end of an empty list */
  LIST_ELEMENT, /* behind a comma */
  LIST_BETWEEN, /* behind an element */
  LIST_ENDED
} list_state;

struct records {
  const records_source *source;
  records_format format;
  char piece[RECORDS_PIECE_BYTES];
  size_t at, count; /* of the piece */
  int ended;        /* the source has no more */
  int over;    /* there are no more records, by the end or by an error that hides where to go on */
  status late; /* what the source failed with while the first piece was filled */
  detail why_late;
  int64_t bytes, line, number; /* line: of the next byte, from 1; number: of records started */
  hash_parts sum;
  hash content; /* once ended */
  text current; /* the bytes of one record; of a row, its fields one after the other */
  json_t *value;
  /* lists */
  list_state state;
  /* tables */
  char delimiter;
  json_t *header; /* a list of names */
  size_t *ends;   /* [RECORDS_COLUMNS_MAX], where each field of the row ends in current */
  size_t fields;
  int unended;
};

/* Reads on when the piece is used up. *more is 0 at the end of the source. */
MUST_CHECK status records_fill(records *r, int *more, detail *err);

/* Adds bytes of the piece to the current record and moves behind them. */
MUST_CHECK status records_take(records *r, size_t count, int64_t first_line, detail *err);

/* E_INPUT when these bytes of the current record are no UTF-8, with the line of the byte and the
   remedy. */
MUST_CHECK status records_check_text(const records *r, size_t from, size_t to, int64_t first_line,
                                     detail *err);

/* Parses the current bytes, which start at this line, as the next record. */
MUST_CHECK status records_parse(records *r, int64_t first_line, records_item *out, detail *err);

/* E_INPUT with the source's name and this line. */
#define records_fault(r, err, at_line, ...)                                                        \
  fault_at(err, E_INPUT, (r)->source->name, records_line(at_line), __VA_ARGS__)
int records_line(int64_t line); /* as a detail holds it */

MUST_CHECK status records_next_line(records *r, records_item *out, int *found, detail *err);
MUST_CHECK status records_next_element(records *r, records_item *out, int *found, detail *err);
MUST_CHECK status records_next_row(records *r, records_item *out, int *found, detail *err);
MUST_CHECK status records_read_header(records *r, detail *err);

#endif
