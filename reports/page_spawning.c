#include "reports/page_internal.h"
#include "store/query.h"

#include <string.h>

/* Rounds that samples are told apart by: none, one, more. */
enum { ROUND_KINDS = 3 };

static const char spawning_sql[] =
    "SELECT condition, label_children, 1.0 * sum(samples * children) / sum(samples), "
    "1.0 * sum(samples * rounds) / sum(samples), "
    "sum(children_refused) - sum(children_unknown), sum(children_unknown), "
    "sum(samples * wait_steps) / sum(samples), "
    "100 * sum(samples * accuracy) FILTER (WHERE rounds = 0) / "
    "sum(samples) FILTER (WHERE rounds = 0), "
    "100 * sum(samples * accuracy) FILTER (WHERE rounds = 1) / "
    "sum(samples) FILTER (WHERE rounds = 1), "
    "100 * sum(samples * accuracy) FILTER (WHERE rounds > 1) / "
    "sum(samples) FILTER (WHERE rounds > 1) "
    "FROM spawning WHERE job = ? GROUP BY condition_ordinal ORDER BY condition_ordinal";

static void put_header(const page *p, table *t) {
  static const char *const names[] = {"condition", "asked", "children", "rounds", "refused",
                                      "unknown",   "waits", "0: %",     "1: %",   "2+: %"};
  table_next(t, page_paint(p, "\x1b[2m"));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    table_cell(t, "%s", names[i]);
}

static void put_row(table *t, const query *q) {
  table_next(t, NULL);
  table_cell(t, "%s", query_text(q, 0));
  if (query_is_null(q, 1)) {
    table_cell(t, "-");
  } else {
    table_cell(t, "%lld", (long long)query_int(q, 1));
  }
  table_cell(t, "%.1f", query_real(q, 2));
  table_cell(t, "%.2f", query_real(q, 3));
  table_cell(t, "%lld", (long long)query_int(q, 4));
  table_cell(t, "%lld", (long long)query_int(q, 5));
  table_cell(t, "%.0f", query_real(q, 6));
  for (int i = 7; i < 7 + ROUND_KINDS; i++) {
    if (query_is_null(q, i)) {
      table_cell(t, "-");
    } else {
      table_cell(t, "%.1f", query_real(q, i));
    }
  }
}

status page_spawning(const page *p, detail *err) {
  static const page_listing listing = {
      .title = "Children (means a sample; accuracy by rounds of spawning)",
      .note = "asked: what the prompt asks for. refused: children beyond a limit; unknown: of "
              "nodes that the parent had not shown; both joined as no solution. waits: steps that "
              "children which had ended waited for the last of their round. The view spawning has "
              "a row for each number of rounds and children.",
      .sql = spawning_sql,
      .columns = "Lrrrrrrrrr",
      .put_header = put_header,
      .put_row = put_row};
  return page_list(p, &listing, err);
}
