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
  static const page_listing listing = {
      .title = "Workers (means a sample)",
      .note = "forwards: of all workers together, one after another. seen: tokens of the others "
              "that a worker saw at its end. nodes: explored by all of them; again: of these, "
              "explored before by one of them, which is work done twice. waits: forwards between "
              "a worker's end and the last one's, of all of them.",
      .sql = PAGE_WORKERS("?1"),
      .columns = "LrLrrrrrr",
      .put_header = put_header,
      .put_row = put_row};
  return page_list(p, &listing, err);
}
