#include "reports/page_internal.h"
#include "store/query.h"

enum { COLUMN_LAYOUT = 2, COLUMN_FORWARDS = 4, COLUMN_SHARE = 8, COLUMNS = 10 };

static void put_header(const page *p, table *t) {
  static const char *const names[] = {"condition", "workers", "layout", "forwards", "seen",
                                      "nodes",     "again",   "%",      "waits"};
  table_next(t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    table_cell(t, "%s", names[i]);
}

static void put_row(table *t, const query *q) {
  table_next(t, NULL);
  table_cell(t, "%s", query_text(q, 0));
  table_cell(t, "%lld", (long long)query_int(q, 1));
  table_cell(t, "%s", query_is_null(q, COLUMN_LAYOUT) ? "-" : query_text(q, COLUMN_LAYOUT));
  for (int i = COLUMN_FORWARDS; i < COLUMNS; i++) {
    int is_share = i == COLUMN_SHARE;
    if (query_is_null(q, i)) {
      table_cell(t, "-");
    } else {
      table_cell(t, "%.*f", is_share, query_real(q, i) * (is_share ? 100 : 1));
    }
  }
}

status page_workers(const page *p, detail *err) {
  query *q = NULL;
  int row = 0, rows = 0;
  table t;
  status failed = query_open(&q, p->s, PAGE_WORKERS("?1"), err);
  if (failed) return failed;
  query_bind_text(q, 1, p->all->job);
  table_open(&t, p->memory, "LrLrrrrrr");
  put_header(p, &t);
  for (; !(failed = query_next(q, &row, err)) && row; rows++)
    put_row(&t, q);
  query_close(q);
  if (failed || !rows) return failed;
  page_title(p, "Workers (means a sample)");
  failed = table_write(&t, p->width, p->out, err);
  if (failed) return failed;
  page_note(p, "forwards: of all workers together, one after another. seen: tokens of the others "
               "that a worker saw at its end. nodes: explored by all of them; again: of these, "
               "explored before by one of them, which is work done twice. waits: forwards between "
               "a worker's end and the last one's, of all of them.");
  return OK;
}
