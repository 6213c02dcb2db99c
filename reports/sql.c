#include "reports/sql_internal.h"
#include "reports/stats.h"

void sql_text(text *sql, const char *value) {
  text_char(sql, '\'');
  for (; *value; value++) {
    if (*value == '\'') text_char(sql, '\'');
    text_char(sql, *value);
  }
  text_char(sql, '\'');
}

void sql_real(text *sql, double value) {
  if (stats_known(value)) {
    text_format(sql, "%.17g", value);
  } else {
    text_put(sql, "NULL");
  }
}
