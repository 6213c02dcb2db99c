/* What the suites of packs share: writing a file, and reading a pack whole. */
#ifndef TESTS_STORE_PACKS_H
#define TESTS_STORE_PACKS_H

#include "base/text.h"
#include "store/pack.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const formats[] = {"p.zip", "p.tar", "p.tar.gz", "p.tar.xz", "p.tar.zst"};
enum { FORMATS = 5, CONTENTS_MAX = 4 << 20 };

static inline void write_bytes(const char *path, const void *bytes, size_t count) {
  (void)unlink(path); /* faster than a file that is cut and filled again */
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
  ck_assert_int_eq(fclose(file), 0);
}

/* Appends every member as "name\n", its bytes and "\n". Reads in pieces of odd sizes. */
static inline status read_all(const char *path, const pack_limits *limits, text *out, detail *err) {
  pack_reader *r = NULL;
  pack_member member;
  status failed = pack_open(&r, path, limits, err);
  for (int found = 1; !failed && found;) {
    failed = pack_next(r, &member, &found, err);
    if (failed || !found) break;
    text_put(out, member.name);
    text_char(out, '\n');
    int64_t total = 0;
    size_t count = 1;
    for (size_t piece = 1; !failed && count; piece = piece * 3 % 65537) {
      char bytes[65537];
      failed = pack_read(r, bytes, piece, &count, err);
      if (!failed) text_add(out, bytes, count);
      total += (int64_t)count;
    }
    if (!failed && member.bytes >= 0) ck_assert_int_eq(member.bytes, total);
    text_char(out, '\n');
  }
  pack_close(r);
  return failed;
}

#define ck_contents(path, wanted)                                                                  \
  do {                                                                                             \
    text got_;                                                                                     \
    text_open(&got_, CONTENTS_MAX);                                                                \
    ck_ok(read_all((path), NULL, &got_, &err));                                                    \
    ck_assert_str_eq(text_string(&got_), (wanted));                                                \
    text_close(&got_);                                                                             \
  } while (0)

#define ck_refused(path, limits, piece)                                                            \
  do {                                                                                             \
    text got_;                                                                                     \
    text_open(&got_, CONTENTS_MAX);                                                                \
    ck_fails(read_all((path), (limits), &got_, &err), E_INPUT, piece);                             \
    ck_assert_str_eq(err.file, strcmp((path), "-") != 0 ? (path) : "standard input");              \
    text_close(&got_);                                                                             \
  } while (0)

static inline void write_two(const char *path, detail *err) {
  pack_writer *w = NULL;
  ck_assert_int_eq(pack_create(&w, path, 1, 0, err), OK);
  ck_assert_int_eq(pack_add_bytes(w, "first.txt", "the first member", 16, err), OK);
  ck_assert_int_eq(pack_add_bytes(w, "second.txt", "and the second one", 18, err), OK);
  ck_assert_int_eq(pack_finish(w, err), OK);
}

static const char two_members[] = "first.txt\nthe first member\nsecond.txt\nand the second one\n";

#endif
