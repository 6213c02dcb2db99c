/* Private to the room: values as SQL literals, for statements that must all run in one transaction
   and hence are one text. */
#ifndef REPORTS_SQL_INTERNAL_H
#define REPORTS_SQL_INTERNAL_H

#include "base/text.h"

enum { SQL_BYTES_MAX = 64 << 20 };

void sql_text(text *sql, const char *value);
void sql_real(text *sql, double value); /* NULL for what is not known */

#endif
