/* Packs that were cut, damaged or made to do harm, and writers that lack room or memory: a clear
   refusal, never a crash, never the half of a member. */
#include "base/memory.h"
#include "tests/store/packs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- cut and damaged --------------------------------------------------------------------------
 */

START_TEST(every_cut_is_refused_or_loses_nothing) {
  detail err;
  size_t bytes, whole = 0;
  const char *path = support_path(formats[_i]);
  write_two(path, &err);
  char *data = support_read(path, &bytes);
  for (size_t kept = 0; kept <= bytes; kept++) {
    text got;
    text_open(&got, CONTENTS_MAX);
    write_bytes(path, data, kept);
    status failed = read_all(path, NULL, &got, &err);
    ck_assert_msg(failed == OK || failed == E_INPUT, "%zu of %zu bytes: %s", kept, bytes, err.text);
    if (!failed) ck_assert_str_eq(text_string(&got), two_members);
    whole += !failed;
    text_close(&got);
  }
  /* Only a tar goes on behind its end mark's first half. */
  ck_assert_uint_le(whole, strcmp(formats[_i], "p.tar") != 0 ? 1 : bytes);
  ck_assert_uint_ge(whole, 1);
  free(data);
}
END_TEST

/* Where the format has checksums over everything (gzip), no damage goes unseen. */
START_TEST(every_damaged_byte_is_survived) {
  detail err;
  size_t bytes, unseen = 0;
  const char *path = support_path(formats[_i]);
  write_two(path, &err);
  char *data = support_read(path, &bytes);
  for (size_t at = 0; at < bytes; at++) {
    text got;
    text_open(&got, CONTENTS_MAX);
    data[at] = (char)(data[at] ^ 0x55);
    write_bytes(path, data, bytes);
    data[at] = (char)(data[at] ^ 0x55);
    status failed = read_all(path, NULL, &got, &err);
    ck_assert_msg(failed == OK || failed == E_INPUT, "byte %zu: %s", at, err.text);
    unseen += !failed && strcmp(text_string(&got), two_members) != 0;
    text_close(&got);
  }
  if (!strcmp(formats[_i], "p.tar.gz")) ck_assert_uint_eq(unseen, 0);
  free(data);
}
END_TEST

START_TEST(what_stands_behind_a_pack_is_refused) {
  detail err;
  size_t bytes;
  const char *path = support_path(formats[_i]);
  write_two(path, &err);
  char *data = support_read(path, &bytes);
  FILE *file = fopen(path, "ab");
  ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes); /* the same again */
  ck_assert_int_eq(fclose(file), 0);
  if (strstr(path, ".tar")) ck_refused(path, NULL, "behind the end of the tar");
  write_bytes(path, data, bytes);
  file = fopen(path, "ab");
  ck_assert_int_ge(fputs("and more", file), 0);
  ck_assert_int_eq(fclose(file), 0);
  text got;
  text_open(&got, CONTENTS_MAX);
  status failed = read_all(path, NULL, &got, &err);
  ck_assert_int_eq(failed, strcmp(formats[_i], "p.zip") != 0 ? E_INPUT : OK);
  if (!failed) ck_assert_str_eq(text_string(&got), two_members);
  text_close(&got);
  free(data);
}
END_TEST

/* ---- names and kinds --------------------------------------------------------------------------
 */

enum { TAR_BLOCK = 512 };

/* A header of POSIX's ustar; its checksum is set last. */
static void tar_header(char block[TAR_BLOCK], const char *name, char kind, const char *size) {
  memset(block, 0, TAR_BLOCK);
  (void)snprintf(block, 100, "%s", name);
  memcpy(block + 100, "0000644", 8);
  memcpy(block + 108, "0000000", 8);
  memcpy(block + 116, "0000000", 8);
  memcpy(block + 124, size, 11);
  memcpy(block + 136, "00000000000", 12);
  block[156] = kind;
  if (kind == '1' || kind == '2') memcpy(block + 157, "target", 7);
  memcpy(block + 257, "ustar\00000", 8);
}

static void tar_seal(char block[TAR_BLOCK]) {
  unsigned sum = 0;
  memset(block + 148, ' ', 8);
  for (int i = 0; i < TAR_BLOCK; i++)
    sum += (unsigned char)block[i];
  (void)snprintf(block + 148, 8, "%06o", sum);
}

/* A tar of one member with the data "hi", which a link or a device has not. */
static const char *tar_of(const char *name, char kind) {
  char bytes[5 * TAR_BLOCK] = {0};
  tar_header(bytes, name, kind, kind == '0' ? "00000000002" : "00000000000");
  tar_seal(bytes);
  if (kind == '0') memcpy(bytes + TAR_BLOCK, "hi", 2);
  write_bytes(support_path("hostile.tar"), bytes, (kind == '0' ? 5 : 4) * (size_t)TAR_BLOCK);
  return support_path("hostile.tar");
}

static void put_number(text *out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    text_char(out, (char)(value >> 8 * i));
}

/* What a local header (APPNOTE.TXT 4.3.7) and an entry of the list (4.3.12) have in common: version
   2.0, flags, stored, no time, checksum and sizes of "hi", the name's length. */
static void put_entry(text *out, uint32_t flags, size_t name) {
  put_number(out, 20, 2);
  put_number(out, flags, 2);
  put_number(out, 0, 2);
  put_number(out, 0x00210000, 4);
  put_number(out, 0xd8932aac, 4); /* the CRC-32 of "hi" */
  put_number(out, 2, 4);
  put_number(out, 2, 4);
  put_number(out, (uint32_t)name, 2);
  put_number(out, 0, 2);
}

static const char *zip_of(const char *name, uint32_t flags, uint32_t mode) {
  text t;
  text_open(&t, 4096);
  text_put(&t, "PK\3\4");
  put_entry(&t, flags, strlen(name));
  text_put(&t, name);
  text_put(&t, "hi");
  size_t list = t.bytes;
  text_put(&t, "PK\1\2");
  put_number(&t, 3 << 8 | 20, 2); /* made on Unix */
  put_entry(&t, flags, strlen(name));
  put_number(&t, 0, 4);
  put_number(&t, 0, 2);
  put_number(&t, mode << 16, 4);
  put_number(&t, 0, 4);
  text_put(&t, name);
  size_t end = t.bytes;
  text_put(&t, "PK\5\6");
  put_number(&t, 0, 4);
  put_number(&t, 1, 2);
  put_number(&t, 1, 2);
  put_number(&t, (uint32_t)(end - list), 4);
  put_number(&t, (uint32_t)list, 4);
  put_number(&t, 0, 2);
  write_bytes(support_path("hostile.zip"), t.data, t.bytes);
  text_close(&t);
  return support_path("hostile.zip");
}

enum { FILE_MODE = 0100644, LINK_MODE = 0120777, UTF8_FLAG = 1 << 11 };

START_TEST(names_that_climb_are_refused) {
  static const struct {
    const char *name, *why;
  } bad[] = {{"../x", "climbs"},
             {"a/../../x", "climbs"},
             {"a/..", "climbs"},
             {"/etc/passwd", "root of the file system"},
             {"bad\xff", "no UTF-8"},
             {"line\nbreak", "control character"},
             {"\x1b[31m", "control character"}};
  detail err;
  ck_contents(tar_of("good", '0'), "good\nhi\n");
  ck_contents(zip_of("good", 0, FILE_MODE), "good\nhi\n");
  ck_contents(zip_of("./gut/\xc3\xbc", UTF8_FLAG, FILE_MODE), "gut/\xc3\xbc\nhi\n");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ck_refused(tar_of(bad[i].name, '0'), NULL, bad[i].why);
    ck_refused(zip_of(bad[i].name, 0, FILE_MODE), NULL, bad[i].why);
    ck_refused(zip_of(bad[i].name, UTF8_FLAG, FILE_MODE), NULL, bad[i].why);
  }
}
END_TEST

START_TEST(links_and_devices_are_refused) {
  detail err;
  for (const char *kind = "123467"; *kind; kind++) { /* '5' is a folder, '7' a contiguous file */
    if (*kind == '7') continue;
    ck_refused(tar_of("x", *kind), NULL, *kind < '3' ? "it is a link" : "it is a device");
  }
  ck_contents(tar_of("folder/", '5'), "");
  ck_refused(zip_of("x", 0, LINK_MODE), NULL, "it is a link");
  ck_refused(zip_of("x", 1, FILE_MODE), NULL, "it is encrypted");
}
END_TEST

START_TEST(a_name_may_come_twice) {
  detail err;
  pack_writer *w = NULL;
  ck_ok(pack_create(&w, support_path("p.tar"), 0, 0, &err));
  ck_ok(pack_add_bytes(w, "a", "1", 1, &err));
  ck_ok(pack_add_bytes(w, "a", "2", 1, &err));
  ck_ok(pack_finish(w, &err));
  ck_contents(support_path("p.tar"), "a\n1\na\n2\n");
}
END_TEST

/* ---- bombs ------------------------------------------------------------------------------------
 */

static void write_zeros(const char *path, int members, int64_t bytes) {
  detail err;
  pack_writer *w = NULL;
  const char *zeros = support_path("zeros");
  write_bytes(zeros, "", 0);
  ck_assert_int_eq(truncate(zeros, bytes), 0);
  ck_ok(pack_create(&w, path, 1, 0, &err));
  for (int i = 0; i < members; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "%d", i);
    ck_ok(pack_add_file(w, name, zeros, &err));
  }
  ck_ok(pack_finish(w, &err));
}

static status count_all(const char *path, const pack_limits *limits, int64_t *total, detail *err) {
  pack_reader *r = NULL;
  pack_member member;
  status failed = pack_open(&r, path, limits, err);
  *total = 0;
  for (int found = 1; !failed && found;) {
    failed = pack_next(r, &member, &found, err);
    for (size_t count = found; !failed && count;) {
      char bytes[65536];
      failed = pack_read(r, bytes, sizeof bytes, &count, err);
      if (!failed) *total += (int64_t)count;
    }
  }
  pack_close(r);
  return failed;
}

START_TEST(a_bomb_ends_at_its_ratio) {
  detail err;
  int64_t total, allowed = pack_usual_limits().ratio_from_bytes;
  const char *path = support_path(formats[_i]);
  write_zeros(path, 1, allowed + (1 << 20));
  if (!strcmp(formats[_i], "p.tar")) { /* its zeros are in the file */
    ck_ok(count_all(path, NULL, &total, &err));
    ck_assert_int_eq(total, allowed + (1 << 20));
    return;
  }
  ck_fails(count_all(path, NULL, &total, &err), E_INPUT, "decompression bomb");
  ck_assert_int_le(total, allowed);
  write_zeros(path, 1, allowed - (1 << 20)); /* small enough for any ratio */
  ck_ok(count_all(path, NULL, &total, &err));
}
END_TEST

START_TEST(what_comes_out_is_bounded) {
  detail err;
  int64_t total;
  pack_limits little = {.bytes_max = 100000, .ratio_max = 1 << 20, .ratio_from_bytes = 1 << 30};
  write_zeros(support_path(formats[_i]), 4, 30000);
  ck_fails(count_all(support_path(formats[_i]), &little, &total, &err), E_INPUT,
           "more than 100000 bytes");
  ck_assert_int_le(total, little.bytes_max);
  /* Members that nobody reads count too, and so do headers and plain files. */
  little.bytes_max = 1000;
  pack_reader *r = NULL;
  pack_member member;
  int found = 1;
  status failed = pack_open(&r, support_path(formats[_i]), &little, &err);
  while (!failed && found)
    failed = pack_next(r, &member, &found, &err);
  ck_assert_int_eq(failed, E_INPUT);
  pack_close(r);
  ck_fails(count_all(support_path("zeros"), &little, &total, &err), E_INPUT, "more than 1000");
}
END_TEST

/* GNU tar's old form of a sparse file: one byte, or none, behind a hole of nearly 8 EiB. */
static const char *hole_of(int bytes_behind) {
  char bytes[5 * TAR_BLOCK] = {0};
  tar_header(bytes, "hole", 'S', bytes_behind ? "00000000001" : "00000000000");
  memcpy(bytes + 257, "ustar  ", 8);
  bytes[386] = bytes[483] = (char)0x80; /* the piece's place, and the size, in base 256 */
  memset(bytes + 386 + 4, 0x7e, 8);
  (void)snprintf(bytes + 386 + 12, 12, "%011d", bytes_behind);
  memset(bytes + 483 + 4, 0x7e, 8);
  bytes[483 + 11] = (char)(0x7e + bytes_behind);
  tar_seal(bytes);
  write_bytes(support_path("hole.tar"), bytes, sizeof bytes);
  return support_path("hole.tar");
}

START_TEST(a_hole_is_a_bomb) {
  detail err;
  int64_t total;
  ck_fails(count_all(hole_of(1), NULL, &total, &err), E_INPUT, "bomb");
  ck_assert_int_le(total, pack_usual_limits().ratio_from_bytes);
  ck_fails(count_all(hole_of(0), NULL, &total, &err), E_INPUT, "not as long as the pack says");
}
END_TEST

START_TEST(too_many_members_are_refused) {
  detail err;
  int64_t total;
  pack_writer *w = NULL;
  const char *path = support_path("many.tar.zst");
  ck_ok(pack_create(&w, path, 0, 0, &err));
  for (int i = 0; i <= PACK_MEMBERS_MAX; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "%d", i);
    ck_ok(pack_add_bytes(w, name, name, strlen(name), &err));
  }
  ck_ok(pack_finish(w, &err));
  pack_limits wide = pack_usual_limits();
  wide.ratio_max = 1 << 20;
  ck_fails(count_all(path, &wide, &total, &err), E_INPUT, "more than 100000 members");
}
END_TEST

/* ---- writing ----------------------------------------------------------------------------------
 */

static int files_in_folder(void) {
  char command[600];
  (void)snprintf(command, sizeof command, "ls -A \"$(dirname '%s')\" | wc -l", support_path("x"));
  FILE *list = popen(command, "r");
  int count = -1;
  ck_assert_int_eq(fscanf(list, "%d", &count), 1);
  (void)pclose(list);
  return count;
}

START_TEST(a_pack_is_whole_or_not_there) {
  detail err;
  pack_writer *w = NULL;
  const char *path = support_path("p.tar.zst");
  ck_ok(pack_create(&w, path, 0, 0, &err));
  ck_ok(pack_add_bytes(w, "a", "1", 1, &err));
  ck_assert_int_ne(access(path, F_OK), 0);
  pack_abandon(w);
  ck_assert_int_eq(files_in_folder(), 0);
  write_two(path, &err);
  ck_fails(pack_create(&w, path, 0, 0, &err), E_INPUT, "exists");
  ck_ok(pack_create(&w, path, 1, 0, &err));
  pack_abandon(w);
  ck_contents(path, two_members);
  ck_assert_int_eq(files_in_folder(), 1);
  /* One that appears meanwhile is not replaced either. */
  ck_ok(pack_create(&w, support_path("q.zip"), 0, 0, &err));
  support_write(support_path("q.zip"), "mine");
  ck_fails(pack_finish(w, &err), E_INPUT, "exists");
  ck_assert_int_eq(files_in_folder(), 2);
}
END_TEST

START_TEST(what_cannot_be_packed_is_said) {
  detail err;
  pack_writer *w = NULL;
  ck_fails(pack_create(&w, support_path("p.rar"), 0, 0, &err), E_USAGE, ".tar.zst");
  ck_fails(pack_create(&w, ".zip", 0, 0, &err), E_USAGE, ".tar.zst");
  ck_fails(pack_create(&w, support_path("no/p.zip"), 0, 0, &err), E_IO, "No such file");
  ck_ok(pack_create(&w, support_path("p.zip"), 0, 0, &err));
  ck_fails(pack_add_bytes(w, "../a", "", 0, &err), E_INPUT, "climbs");
  ck_fails(pack_add_file(w, "a", support_path("nowhere"), &err), E_IO, "No such file");
  pack_abandon(w);
  ck_assert_int_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(a_full_disk_leaves_nothing) {
  detail err;
  pack_writer *w = NULL;
  struct rlimit limit = {100000, 100000};
  (void)signal(SIGXFSZ, SIG_IGN);
  char *noise = malloc(1 << 20);
  uint32_t state = 7;
  for (int i = 0; i < 1 << 20; i++)
    noise[i] = (char)((state = state * 1664525u + 1013904223u) >> 24);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  ck_ok(pack_create(&w, support_path(formats[_i]), 0, 0, &err));
  status failed = pack_add_bytes(w, "noise", noise, 1 << 20, &err);
  if (failed) {
    pack_abandon(w);
  } else {
    failed = pack_finish(w, &err);
  }
  ck_assert_int_eq(failed, E_IO);
  ck_assert_ptr_nonnull(strstr(err.text, "File too large; free some space"));
  ck_assert_int_eq(files_in_folder(), 0);
  free(noise);
}
END_TEST

/* ---- memory -----------------------------------------------------------------------------------
 */

static status write_and_read(const char *path, text *got, detail *err) {
  pack_writer *w = NULL;
  status failed = pack_create(&w, path, 1, 0, err);
  if (failed) return failed;
  failed = pack_add_bytes(w, "a", "1", 1, err);
  if (failed) {
    pack_abandon(w);
  } else {
    failed = pack_finish(w, err);
  }
  return failed ? failed : read_all(path, NULL, got, err);
}

START_TEST(every_allocation_may_fail) {
  detail err;
  status failed = E_MEMORY;
  int at = 0;
  for (; failed; at++) {
    text got;
    text_open(&got, CONTENTS_MAX);
    memory_fail_after(at);
    failed = write_and_read(support_path(formats[_i]), &got, &err);
    if (!failed) failed = text_state(&got, &err);
    memory_fail_after(-1);
    ck_assert_msg(failed == OK || failed == E_MEMORY, "%s: %s", status_name(failed), err.text);
    if (!failed) ck_assert_str_eq(text_string(&got), "a\n1\n");
    text_close(&got);
  }
  ck_assert_int_gt(at, 5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pack_hostile");
  TCase *tests = tcase_create("pack_hostile");
  tcase_add_loop_test(tests, every_cut_is_refused_or_loses_nothing, 0, FORMATS);
  tcase_add_loop_test(tests, every_damaged_byte_is_survived, 0, FORMATS);
  tcase_add_loop_test(tests, what_stands_behind_a_pack_is_refused, 0, FORMATS);
  tcase_add_test(tests, names_that_climb_are_refused);
  tcase_add_test(tests, links_and_devices_are_refused);
  tcase_add_test(tests, a_name_may_come_twice);
  tcase_add_loop_test(tests, a_bomb_ends_at_its_ratio, 0, FORMATS);
  tcase_add_loop_test(tests, what_comes_out_is_bounded, 0, FORMATS);
  tcase_add_test(tests, a_hole_is_a_bomb);
  tcase_add_test(tests, too_many_members_are_refused);
  tcase_add_test(tests, a_pack_is_whole_or_not_there);
  tcase_add_test(tests, what_cannot_be_packed_is_said);
  tcase_add_loop_test(tests, a_full_disk_leaves_nothing, 0, FORMATS);
  tcase_add_loop_test(tests, every_allocation_may_fail, 0, FORMATS);
  suite_add_tcase(suite, tests);
  return support_run(suite);
}
