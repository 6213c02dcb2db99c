/* Reading by SQL for rooms that may not see SQLite: reports and the command line. A query belongs
   to the store's thread. Values are those of the current row; text is borrowed until the next call
   on the query. Columns count from 0, parameters from 1. sqlar_uncompress(blob, bytes) is there as
   in the stock shell. */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "base/arena.h"
#include "store/store.h"

typedef struct query query;

MUST_CHECK status query_open(query **out, store *s, const char *sql, detail *err);
void query_close(query *q); /* NULL is a no-op */

void query_bind_text(query *q, int parameter, const char *value); /* copies; NULL binds NULL */
void query_bind_int(query *q, int parameter, int64_t value);
void query_bind_real(query *q, int parameter, double value);
void query_bind_blob(query *q, int parameter, const void *bytes, size_t count); /* copies */

/* *row is 1 while there is one. Statements that change the store run to their end here. */
MUST_CHECK status query_next(query *q, int *row, detail *err);
void query_rewind(query *q); /* to be run again, with the same or new parameters */

int query_columns(const query *q);
const char *query_name(const query *q, int column);
int query_is_null(const query *q, int column);
typedef enum query_kind { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB } query_kind;
query_kind query_type(const query *q, int column); /* before it is read as anything else */
int64_t query_int(const query *q, int column);
double query_real(const query *q, int column);
const char *query_text(const query *q, int column); /* "" for NULL */
/* A copy of query_text in the arena; NULL when the arena is full. */
MUST_CHECK const char *query_keep(const query *q, int column, arena *memory);
const void *query_blob(const query *q, int column, size_t *count);

/* One statement or several without results, in one transaction. E_STORE on a reader. */
MUST_CHECK status query_run(store *s, const char *sql, detail *err);

#endif
