/* Packs: what is written comes back, what is cut or hostile is refused, nothing is half. */
#include "base/random.h"
#include "tests/store/packs.h"

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is written comes back ---------------------------------------------------------------
 */

static const char *const names[] = {"a", "folder/b.json", "ünïcødé/日本.txt", ".hidden", "a b"};

/* Random members, written to path; out is what read_all should give. */
static status write_random(const char *path, uint32_t seed, text *out, detail *err) {
  random_stream s = random_start((random_key){.word = {7, seed}});
  pack_writer *w = NULL;
  status failed = pack_create(&w, path, 1, 1700000000, err);
  int members = (int)random_below(&s, 6);
  for (int i = 0; !failed && i < members; i++) {
    char name[64];
    (void)snprintf(name, sizeof name, "%d-%s", i, names[random_below(&s, 5)]);
    text_put(out, name);
    text_char(out, '\n');
    size_t start = out->bytes, bytes = random_below(&s, 1u << random_below(&s, 18));
    int noise = random_chance(&s, 0.5);
    for (size_t k = 0; k < bytes; k++)
      text_char(out, (char)(noise ? random_below(&s, 256) : k % 97));
    failed = pack_add_bytes(w, name, text_string(out) + start, out->bytes - start, err);
    text_char(out, '\n');
  }
  if (failed) {
    pack_abandon(w);
    return failed;
  }
  return pack_finish(w, err);
}

START_TEST(random_members_come_back) {
  detail err;
  text wanted, got;
  text_open(&wanted, CONTENTS_MAX);
  text_open(&got, CONTENTS_MAX);
  for (uint32_t seed = 0; seed < 40; seed++) {
    text_clear(&wanted);
    text_clear(&got);
    const char *path = support_path(formats[_i]);
    ck_ok(write_random(path, seed, &wanted, &err));
    ck_ok(read_all(path, NULL, &got, &err));
    ck_assert_uint_eq(got.bytes, wanted.bytes);
    ck_assert_mem_eq(text_string(&got), text_string(&wanted), wanted.bytes);
  }
  text_close(&wanted);
  text_close(&got);
}
END_TEST

START_TEST(equal_members_make_equal_packs) {
  detail err;
  text one, two;
  text_open(&one, CONTENTS_MAX);
  text_open(&two, CONTENTS_MAX);
  const char *path = support_path(formats[_i]);
  size_t bytes[2];
  ck_ok(write_random(path, 5, &one, &err));
  char *first = support_read(path, &bytes[0]);
  ck_ok(write_random(path, 5, &two, &err));
  char *second = support_read(path, &bytes[1]);
  ck_assert_uint_eq(bytes[0], bytes[1]);
  ck_assert_mem_eq(first, second, bytes[0]);
  free(first);
  free(second);
  text_close(&one);
  text_close(&two);
}
END_TEST

/* Names need UTF-8 inside libarchive: the caller's locale is what it was, even the plain C one. */
START_TEST(the_callers_locale_stays) {
  detail err;
  text wanted;
  text_open(&wanted, CONTENTS_MAX);
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);
  ck_ok(write_random(support_path("p.zip"), 3, &wanted, &err));
  ck_contents(support_path("p.zip"), text_string(&wanted));
  ck_assert_ptr_eq(uselocale(before), plain);
  freelocale(plain);
  text_close(&wanted);
}
END_TEST

/* A reader that wants the second member only gets it, and the first is still checked. */
START_TEST(members_may_be_passed_over) {
  detail err;
  pack_reader *r = NULL;
  pack_member member;
  int found;
  char bytes[64];
  size_t count;
  write_two(support_path("p.tar.zst"), &err);
  ck_ok(pack_open(&r, support_path("p.tar.zst"), NULL, &err));
  ck_ok(pack_next(r, &member, &found, &err));
  ck_ok(pack_next(r, &member, &found, &err));
  ck_assert_str_eq(member.name, "second.txt");
  ck_assert_int_eq(member.bytes, 18);
  ck_assert_int_eq(member.alone, 0);
  ck_ok(pack_read(r, bytes, sizeof bytes, &count, &err));
  ck_assert_uint_eq(count, 18);
  ck_ok(pack_next(r, &member, &found, &err));
  ck_assert_int_eq(found, 0);
  ck_ok(pack_next(r, &member, &found, &err));
  ck_assert_int_eq(found, 0);
  pack_close(r);
}
END_TEST

/* ---- one file ---------------------------------------------------------------------------------
 */

#define HELLO "hello, pack\n"
/* Of HELLO, by gzip -n, xz, zstd and bzip2. */
static const struct sample {
  const char *name, *bytes;
  size_t count;
} singles[] = {
#define SINGLE(name, bytes)                                                                        \
  { name, bytes, sizeof bytes - 1 }
    SINGLE("h.gz",
           "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x28\x48\x4c"
           "\xce\xe6\x02\x00\xc6\xca\xfb\x55\x0c\x00\x00\x00"),
    SINGLE("h.xz",
           "\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00"
           "\x74\x2f\xe5\xa3\x01\x00\x0b\x68\x65\x6c\x6c\x6f\x2c\x20\x70\x61\x63\x6b\x0a\x00"
           "\x50\x1e\x93\x3a\x58\xb5\x62\x97\x00\x01\x24\x0c\xa6\x18\xd8\xd8\x1f\xb6\xf3\x7d"
           "\x01\x00\x00\x00\x00\x04\x59\x5a"),
    SINGLE("h.zst",
           "\x28\xb5\x2f\xfd\x24\x0c\x61\x00\x00\x68\x65\x6c\x6c\x6f\x2c\x20\x70\x61\x63\x6b"
           "\x0a\x5b\xf0\xc9\xf3"),
    SINGLE("h.bz2",
           "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x3b\xa7\x76\x98\x00\x00\x03\x51\x80\x00"
           "\x10\x40\x04\x2a\x4c\xc0\x00\x20\x00\x22\x00\xd1\x90\x80\x69\xa6\x8d\xa2\x81\x1c"
           "\x53\x2f\x17\x72\x45\x38\x50\x90\x3b\xa7\x76\x98"),
};
enum { SINGLES = 4 };

START_TEST(one_compressed_file_is_its_only_member) {
  detail err;
  pack_reader *r = NULL;
  pack_member member;
  int found;
  const char *path = support_path(singles[_i].name);
  write_bytes(path, singles[_i].bytes, singles[_i].count);
  ck_contents(path, "h\n" HELLO "\n");
  ck_ok(pack_open(&r, path, NULL, &err));
  ck_ok(pack_next(r, &member, &found, &err));
  ck_assert_int_eq(member.alone, 1);
  ck_assert_int_eq(member.bytes, -1);
  pack_close(r);
  write_bytes(support_path("plain"), singles[_i].bytes, singles[_i].count);
  ck_contents(support_path("plain"), "plain\n" HELLO "\n"); /* the bytes say it, not the name */
}
END_TEST

START_TEST(compressed_files_may_be_joined) {
  detail err;
  text both;
  text_open(&both, 4096);
  text_add(&both, singles[_i].bytes, singles[_i].count);
  text_add(&both, singles[_i].bytes, singles[_i].count);
  write_bytes(support_path(singles[_i].name), both.data, both.bytes);
  ck_contents(support_path(singles[_i].name), "h\n" HELLO HELLO "\n");
  text_close(&both);
}
END_TEST

/* What libarchive would take for an archive of another kind is text here. */
START_TEST(plain_files_are_read_as_they_stand) {
  detail err;
  static const char *const plain[] = {
      "",     "#mtree\na type=file\n", "!<arch>\n", "BZh9, said the user\n",
      "PK\n", "WARC/1.0\r\n",          "070701",    "{\"question\": \"1+1\"}\n"};
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    char wanted[128];
    support_write(support_path("tasks.txt"), plain[i]);
    (void)snprintf(wanted, sizeof wanted, "tasks.txt\n%s\n", plain[i]);
    ck_contents(support_path("tasks.txt"), wanted);
  }
}
END_TEST

START_TEST(a_name_that_promises_a_pack_is_kept) {
  static const char *const promising[] = {"t.zip", "t.gz",  "t.tgz", "t.bz2",
                                          "t.xz",  "t.zst", "t.tar"};
  detail err;
  for (size_t i = 0; i < sizeof promising / sizeof promising[0]; i++) {
    support_write(support_path(promising[i]), i % 2 ? "" : "{}\n");
    ck_refused(support_path(promising[i]), NULL, "give it the name of what it is");
  }
}
END_TEST

START_TEST(what_is_not_there_is_said) {
  detail err;
  ck_refused(support_path("nowhere"), NULL, "No such file");
  ck_assert_int_eq(mkdir(support_path("folder"), 0755), 0);
  ck_refused(support_path("folder"), NULL, "a folder");
}
END_TEST

/* ---- streams ----------------------------------------------------------------------------------
 */

static void *feed(void *context) {
  const char *const *ends = context; /* from a file to a pipe */
  size_t bytes;
  char *data = support_read(ends[0], &bytes);
  int file = open(ends[1], O_WRONLY);
  for (size_t at = 0; file >= 0 && at < bytes; at += 7) { /* in little pieces */
    size_t count = bytes - at < 7 ? bytes - at : 7;
    if (write(file, data + at, count) != (ssize_t)count) break;
  }
  (void)close(file);
  free(data);
  return NULL;
}

START_TEST(a_pipe_is_read) {
  detail err;
  const char *ends[] = {support_path(formats[_i]), support_path("pipe")};
  pthread_t thread;
  write_two(ends[0], &err);
  ck_assert_int_eq(mkfifo(ends[1], 0600), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, feed, ends), 0);
  (void)signal(SIGPIPE, SIG_IGN);
  if (!strcmp(formats[_i], "p.zip")) {
    ck_refused(ends[1], NULL, "save it to a file");
  } else {
    ck_contents(ends[1], two_members);
  }
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(standard_input_is_read) {
  detail err;
  write_two(support_path("p.tar.gz"), &err);
  int file = open(support_path("p.tar.gz"), O_RDONLY), before = dup(STDIN_FILENO);
  ck_assert_int_eq(dup2(file, STDIN_FILENO), STDIN_FILENO);
  ck_contents("-", two_members);
  ck_assert_int_eq(lseek(STDIN_FILENO, 3, SEEK_SET), 3); /* a file that is not at its start */
  text got;
  text_open(&got, CONTENTS_MAX);
  ck_ok(read_all("-", NULL, &got, &err));
  ck_assert_int_eq(strncmp(text_string(&got), "standard input\n", 15), 0);
  text_close(&got);
  ck_assert_int_eq(dup2(before, STDIN_FILENO), STDIN_FILENO);
  (void)close(file);
  (void)close(before);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pack");
  TCase *tests = tcase_create("pack");
  tcase_add_loop_test(tests, random_members_come_back, 0, FORMATS);
  tcase_add_loop_test(tests, equal_members_make_equal_packs, 0, FORMATS);
  tcase_add_test(tests, the_callers_locale_stays);
  tcase_add_test(tests, members_may_be_passed_over);
  tcase_add_loop_test(tests, one_compressed_file_is_its_only_member, 0, SINGLES);
  tcase_add_loop_test(tests, compressed_files_may_be_joined, 0, SINGLES);
  tcase_add_test(tests, plain_files_are_read_as_they_stand);
  tcase_add_test(tests, a_name_that_promises_a_pack_is_kept);
  tcase_add_test(tests, what_is_not_there_is_said);
  tcase_add_loop_test(tests, a_pipe_is_read, 0, FORMATS);
  tcase_add_test(tests, standard_input_is_read);
  suite_add_tcase(suite, tests);
  return support_run(suite);
}
