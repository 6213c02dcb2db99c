#include "pipeline/output.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void listing_open(listing *t, const listing_column *columns, int column_count) {
  t->columns = columns;
  t->column_count = column_count;
  text_open(&t->cells, OUTPUT_BYTES_MAX);
}

void listing_close(listing *t) {
  text_close(&t->cells);
}

void listing_text(listing *t, const char *value) {
  if (!value) value = "-";
  output_printable(&t->cells, value, strlen(value));
  text_char(&t->cells, 0);
}

void listing_int(listing *t, int64_t value) {
  text_int(&t->cells, value);
  text_char(&t->cells, 0);
}

void listing_real(listing *t, double value, int digits) {
  if (value < 0) {
    text_char(&t->cells, '-');
  } else {
    text_format(&t->cells, "%.*f", digits, value);
  }
  text_char(&t->cells, 0);
}

static size_t width_of(const char *word) {
  return text_columns(word, strlen(word));
}

static size_t column_width(const listing *t, int column) {
  size_t width = strlen(t->columns[column].name);
  const char *cell = text_string(&t->cells), *end = cell + t->cells.bytes;
  for (int at = 0; cell < end; cell += strlen(cell) + 1, at++) {
    if (at % t->column_count == column && width_of(cell) > width) width = width_of(cell);
  }
  return width;
}

static void put_cell(const listing *t, int column, size_t width, const char *cell, text *out) {
  int last = column + 1 == t->column_count, right = t->columns[column].right;
  size_t padding = width - width_of(cell);
  if (right) text_format(out, "%*s", (int)padding, "");
  text_put(out, cell);
  if (!right && !last) text_format(out, "%*s", (int)padding, "");
  text_put(out, last ? "\n" : "  ");
}

void listing_print(const listing *t, text *out) {
  enum { COLUMNS_MAX = 16 };
  size_t width[COLUMNS_MAX];
  REQUIRE(t->column_count <= COLUMNS_MAX);
  for (int i = 0; i < t->column_count; i++)
    width[i] = column_width(t, i);
  for (int i = 0; i < t->column_count; i++)
    put_cell(t, i, width[i], t->columns[i].name, out);
  const char *cell = text_string(&t->cells), *end = cell + t->cells.bytes;
  for (int at = 0; cell < end; cell += strlen(cell) + 1, at++)
    put_cell(t, at % t->column_count, width[at % t->column_count], cell, out);
  if (t->cells.failed) out->failed = t->cells.failed;
}

void output_printable(text *out, const char *bytes, size_t count) {
  text_printable(out, bytes, count);
}

/* A tilde is a home only in front; an equals sign is an assignment only before the command. */
void output_shell_word(text *out, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "@%+=:,./_-~";
  if (*word && *word != '~' && word[strspn(word, plain)] == 0) {
    text_put(out, word);
    return;
  }
  text_char(out, '\'');
  for (; *word; word++) {
    if (*word == '\'') text_put(out, "'\\'");
    text_char(out, *word);
  }
  text_char(out, '\'');
}

void output_count(text *out, double count) {
  static const char *const units[] = {"", " k", " M", " G", " T"};
  int unit = 0;
  for (; count >= 999.5 && unit < 4; unit++)
    count /= 1000;
  int digits = unit == 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
  text_format(out, "%.*f%s", digits, count, units[unit]);
}

void output_duration(text *out, double seconds) {
  int64_t whole = seconds < 1e12 ? (int64_t)(seconds + 0.5) : (int64_t)1e12;
  if (whole >= 3600) {
    text_format(out, "%lldh%02lldm", (long long)(whole / 3600), (long long)(whole / 60 % 60));
  } else if (whole >= 60) {
    text_format(out, "%lldm%02llds", (long long)(whole / 60), (long long)(whole % 60));
  } else {
    text_format(out, "%llds", (long long)whole);
  }
}

void output_time(text *out, int64_t unix_ns) {
  time_t seconds = (time_t)(unix_ns / 1000000000);
  struct tm utc;
  char stamp[32] = "?";
  if (gmtime_r(&seconds, &utc)) (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
  text_put(out, stamp);
}

json_t *output_json_text(const char *bytes, size_t count) {
  json_t *plain = text_is_utf8(bytes, count, NULL) ? json_stringn(bytes, count) : NULL;
  if (plain) return plain;
  text quoted;
  int64_t failures = memory_failures();
  text_open(&quoted, OUTPUT_BYTES_MAX);
  json_quote(&quoted, bytes, count);
  json_t *value = quoted.failed ? NULL
                                : json_loadb(text_string(&quoted), quoted.bytes,
                                             JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  text_close(&quoted);
  if (memory_failures() == failures) return value;
  json_decref(value); /* it may lack a piece */
  return NULL;
}

status output_json(const invocation *in, json_t *value, detail *err) {
  if (!value) return fault(err, E_MEMORY, "no memory for the output");
  text out;
  text_open(&out, OUTPUT_BYTES_MAX);
  status s = json_canonical(value, &out, err);
  json_decref(value);
  text_char(&out, '\n');
  if (!s) s = command_print(in, &out, err);
  text_close(&out);
  return s;
}

static void say_known(const invocation *in, const store_task_set *set) {
  log_info(in->messages, "%s@%d is there already with the same tasks; nothing was added", set->name,
           set->version);
  if (set->relabelled == 0) return;
  log_info(in->messages, "%lld of its tasks got the names, clusters, splits or data given now",
           (long long)set->relabelled);
}

status output_task_set(const invocation *in, const store_task_set *set, int added, detail *err) {
  char hex[HASH_HEX_BYTES];
  (void)hash_hex(&set->content, hex);
  if (!added) say_known(in, set);
  if (in->json) {
    return output_json(in,
                       json_pack("{s:s, s:i, s:s, s:I, s:s, s:b, s:I}", "name", set->name,
                                 "version", set->version, "kind", set->kind, "tasks",
                                 (json_int_t)set->tasks, "hash", hex, "added", added, "relabelled",
                                 (json_int_t)set->relabelled),
                       err);
  }
  text out;
  text_open(&out, 4096);
  output_printable(&out, set->name, strlen(set->name));
  text_format(&out, "@%d  %lld tasks  %.16s\n", set->version, (long long)set->tasks, hex);
  status s = command_print(in, &out, err);
  text_close(&out);
  return s;
}
