/* The safetensors format: what is read, and that what is hostile is refused with a reason. */
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/safetensors.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file in memory: the header's length, the header, and so many bytes of data. */
typedef struct image {
  uint8_t bytes[2048];
  size_t count;
} image;

static image made(const char *header, size_t data_bytes) {
  image f = {.count = 8 + strlen(header) + data_bytes};
  ck_assert_uint_le(f.count, sizeof f.bytes);
  for (int i = 0; i < 8; i++)
    f.bytes[i] = (uint8_t)(strlen(header) >> 8 * i);
  memcpy(f.bytes + 8, header, strlen(header));
  for (size_t i = 0; i < data_bytes; i++)
    f.bytes[8 + strlen(header) + i] = (uint8_t)i;
  return f;
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                           "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]},"
                           "\"a\":{\"dtype\":\"BF16\",\"shape\":[3,2],\"data_offsets\":[0,12]},"
                           "\"none\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[12,12]},"
                           "\"one\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[20,21]}}";
enum { GOOD_DATA = 21 };

START_TEST(test_read) {
  detail err;
  safetensors *s = NULL;
  image f = made(good, GOOD_DATA);
  const uint8_t *data = f.bytes + 8 + strlen(good);
  ck_ok(safetensors_memory(&s, "good", f.bytes, f.count, &err));
  ck_assert_uint_eq(safetensors_count(s), 4);
  ck_assert_str_eq(safetensors_at(s, 0)->name, "a");
  ck_assert_str_eq(safetensors_at(s, 3)->name, "one");
  const tensor *a = safetensors_find(s, "a"), *b = safetensors_find(s, "b");
  ck_assert_int_eq(a->type, TENSOR_BF16);
  ck_assert_int_eq(a->dimensions, 2);
  ck_assert_int_eq(a->extent[0], 3);
  ck_assert_int_eq(a->extent[1], 2);
  ck_assert_ptr_eq(a->data, data);
  ck_assert_uint_eq(a->bytes, 12);
  ck_assert_ptr_eq(b->data, data + 12);
  ck_assert_str_eq(b->file, "good");
  ck_assert_int_eq(safetensors_find(s, "one")->dimensions, 0);
  ck_assert_ptr_null(safetensors_find(s, "c"));
  ck_assert_str_eq(tensor_type_name(TENSOR_F8_E4M3), "F8_E4M3");
  safetensors_close(s);
}
END_TEST

#define ONE(dtype, shape, offsets)                                                                 \
  "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
  const char *header;
  size_t data_bytes;
  const char *says;
} hostile[] = {
    {"[]", 0, "the header (offset 8) must be a JSON object"},
    {"{\"w\":", 0, "not JSON"},
    {"{\"w\":1}", 0, "tensor \"w\": an object is needed"},
    {"{\"w\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"dtype\" must be a string"},
    {ONE("32", "[1]", "[0,4]"), 4, "\"dtype\" must be a string"},
    {ONE("\"F33\"", "[1]", "[0,4]"), 4, "\"dtype\" is \"F33\", which the format does not have"},
    {ONE("\"F32\"", "1", "[0,4]"), 4, "\"shape\" must be a list"},
    {ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "list of whole numbers"},
    {ONE("\"F32\"", "[-1]", "[0,4]"), 4, "none negative"},
    {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 numbers"},
    {ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4, "more elements than can be counted"},
    {ONE("\"F32\"", "[9223372036854775807]", "[0,4]"), 4, "more elements than can be counted"},
    {ONE("\"F32\"", "[9223372036854775808]", "[0,4]"), 4, "not JSON"},
    {ONE("\"F4\"", "[3]", "[0,1]"), 1, "ends within a byte"},
    {ONE("\"F32\"", "[1]", "4"), 4, "\"data_offsets\" must be two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0]"), 4, "\"data_offsets\" must be two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,4,8]"), 4, "\"data_offsets\" must be two whole numbers"},
    {ONE("\"F32\"", "[1]", "[-4,0]"), 4, "none negative"},
    {ONE("\"F32\"", "[1]", "[0,\"4\"]"), 4, "\"data_offsets\" must be two whole numbers"},
    {ONE("\"F32\"", "[1]", "[4,0]"), 4, "[4, 0], but the file has 4 bytes of data"},
    {ONE("\"F32\"", "[2]", "[0,8]"), 7, "[0, 8], but the file has 7 bytes of data"},
    {ONE("\"F32\"", "[2]", "[0,4]"), 4, "hold 4 bytes, but \"dtype\" and \"shape\" need 8"},
    {ONE("\"F32\"", "[1]", "[4,8]"), 8, "leave a hole"},
    {ONE("\"F32\"", "[1]", "[0,4]"), 8,
     "8 bytes of data, of which the tensors of the header take 4"},
    {"{}", 1, "1 bytes of data, of which the tensors of the header take 0"},
    {"{\"v\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
     "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4, "tensor \"w\": \"data_offsets\" start at 2, where 3 was expected: the tensors overlap"},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "duplicate"},
};
enum { HOSTILE = sizeof hostile / sizeof hostile[0] };

START_TEST(test_hostile) {
  detail err;
  safetensors *s = NULL;
  image f = made(hostile[_i].header, hostile[_i].data_bytes);
  ck_fails(safetensors_memory(&s, "bad.safetensors", f.bytes, f.count, &err), E_INPUT,
           hostile[_i].says);
  ck_assert_str_eq(err.file, "bad.safetensors");
  ck_assert_ptr_null(s);
}
END_TEST

static void set_length(image *f, uint64_t length) {
  for (int i = 0; i < 8; i++)
    f->bytes[i] = (uint8_t)(length >> 8 * i);
}

START_TEST(test_header_length) {
  detail err;
  safetensors *s = NULL;
  image f = made(good, GOOD_DATA);
  ck_fails(safetensors_memory(&s, "x", f.bytes, 7, &err), E_INPUT, "7 bytes are no safetensors");
  set_length(&f, f.count);
  ck_fails(safetensors_memory(&s, "x", f.bytes, f.count, &err), E_INPUT, "it may be cut off");
  set_length(&f, (uint64_t)SAFETENSORS_HEADER_MAX + 1);
  ck_fails(safetensors_memory(&s, "x", f.bytes, f.count, &err), E_INPUT, "at most 67108864");
  set_length(&f, UINT64_MAX - 3);
  ck_fails(safetensors_memory(&s, "x", f.bytes, f.count, &err), E_INPUT, "18446744073709551612");
}
END_TEST

/* What was read lies within the file, whatever the file said. */
static void check_within(const safetensors *s, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < safetensors_count(s); i++) {
    const tensor *t = safetensors_at(s, i);
    ck_assert(t->data >= bytes + 8 && t->data <= bytes + count);
    ck_assert_uint_le(t->bytes, (size_t)(bytes + count - t->data));
    ck_assert_ptr_eq(safetensors_find(s, t->name), t);
  }
}

/* In a block of its own, so that the sanitizer sees one byte too many. Whether it was read. */
static int try_bytes(const uint8_t *bytes, size_t count) {
  detail err = {0};
  safetensors *s = NULL;
  uint8_t *own = memory_take(count);
  ck_assert_ptr_nonnull(own);
  memcpy(own, bytes, count);
  status failed = safetensors_memory(&s, "x", own, count, &err);
  if (failed) {
    ck_assert_int_eq(failed, E_INPUT);
    ck_assert_uint_gt(strlen(err.text), 0);
  } else {
    check_within(s, own, count);
  }
  safetensors_close(s);
  memory_free(own);
  return !failed;
}

START_TEST(test_truncated) {
  image f = made(good, GOOD_DATA);
  for (size_t count = 0; count < f.count; count++)
    ck_assert_msg(!try_bytes(f.bytes, count), "read when cut at %zu", count);
  ck_assert(try_bytes(f.bytes, f.count));
}
END_TEST

START_TEST(test_mutated) {
  hash task = hash_of("safetensors", 11);
  random_stream random = random_start(random_key_of(1, &task, 0, "0"));
  int read = 0;
  for (int i = 0; i < 20000; i++) {
    image f = made(good, GOOD_DATA);
    int changes = 1 + (int)random_below(&random, 3);
    for (int j = 0; j < changes; j++) {
      static const char likely[] = "0123456789-,[]{}\":. ";
      size_t at = random_below(&random, (uint32_t)f.count);
      f.bytes[at] = random_chance(&random, 0.5) ? (uint8_t)random_next(&random)
                                                : (uint8_t)likely[random_below(&random, 20)];
    }
    read += try_bytes(f.bytes, f.count);
  }
  ck_assert_int_gt(read, 500); /* changes of data and of names are no fault */
  ck_assert_int_lt(read, 15000);
}
END_TEST

START_TEST(test_no_memory) {
  image f = made(good, GOOD_DATA);
  int64_t n = 0;
  for (;; n++) {
    detail err = {0};
    safetensors *s = NULL;
    memory_fail_once(n);
    status failed = safetensors_memory(&s, "x", f.bytes, f.count, &err);
    memory_fail_once(-1);
    safetensors_close(s);
    if (!failed) break;
    ck_assert_int_eq(failed, E_MEMORY);
  }
  ck_assert_int_gt(n, 10);
}
END_TEST

/* ---- folders --------------------------------------------------------------------------------- */

static const char *in_folder(const char *name) {
  static char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", support_path("model"), name);
  return path;
}

static void put_image(const char *name, const char *header, size_t data_bytes) {
  image f = made(header, data_bytes);
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(f.bytes, 1, f.count, file), f.count);
  ck_assert_int_eq(fclose(file), 0);
}

#define INDEX(map)   "{\"metadata\":{},\"weight_map\":" map "}"
#define TENSOR(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"

static void put_index(const char *index) {
  support_write(in_folder("model.safetensors.index.json"), index);
}

START_TEST(test_sharded) {
  detail err;
  safetensors *s = NULL;
  ck_assert_int_eq(mkdir(support_path("model"), 0777), 0);
  put_image("s-1.safetensors", TENSOR("a"), 2);
  put_image("s-2.safetensors", TENSOR("b"), 2);
  put_index(INDEX("{\"a\":\"s-1.safetensors\",\"b\":\"s-2.safetensors\"}"));
  ck_ok(safetensors_open(&s, support_path("model"), &err));
  ck_assert_uint_eq(safetensors_count(s), 2);
  ck_assert_ptr_nonnull(strstr(safetensors_find(s, "b")->file, "s-2.safetensors"));
  ck_assert_int_eq(safetensors_find(s, "b")->data[1], 1);
  safetensors_drop(s);
  ck_assert_int_eq(safetensors_find(s, "b")->data[1], 1);
  safetensors_close(s);
}
END_TEST

static const struct {
  const char *index, *says;
} bad_indexes[] = {
    {"[]", "a JSON object is needed"},
    {"{}", "\"weight_map\" must be an object"},
    {INDEX("[]"), "\"weight_map\" must be an object"},
    {INDEX("{}"), "\"weight_map\" must be an object"},
    {INDEX("{\"a\":1}"), "gives tensor \"a\" to what is no text"},
    {INDEX("{\"a\":\"../s-1.safetensors\"}"), "a .safetensors file in this folder"},
    {INDEX("{\"a\":\"/etc/s.safetensors\"}"), "a .safetensors file in this folder"},
    {INDEX("{\"a\":\".safetensors\"}"), "a .safetensors file in this folder"},
    {INDEX("{\"a\":\"..\"}"), "a .safetensors file in this folder"},
    {INDEX("{\"a\":\"model.safetensors.index.json\"}"), "a .safetensors file in this folder"},
    {INDEX("{\"a\":\"s-3.safetensors\"}"), "there is no such file"},
    {INDEX("{\"a\":\"folder.safetensors\"}"), "this is a folder; a plain file is needed"},
    {INDEX("{\"a\":\"pipe.safetensors\"}"), "this is a pipe; a plain file is needed"},
    {INDEX("{\"a\":\"loop.safetensors\"}"), "cannot be read"},
    {INDEX("{\"a\":\"s-1.safetensors\",\"c\":\"s-2.safetensors\"}"), "\"c\" is in s-2.safetensors; "
                                                                     "it is not there"},
    {INDEX("{\"a\":\"s-2.safetensors\",\"b\":\"s-1.safetensors\"}"), "it is in another file"},
    {INDEX("{\"a\":\"s-1.safetensors\",\"z\":\"s-1.safetensors\"}"), "it is not there"},
    {INDEX("{\"b\":\"s-2.safetensors\",\"a\":\"twice.safetensors\"}"), "in this file, but not in"},
    {INDEX("{\"a\":\"s-1.safetensors\",\"q\":\"twice.safetensors\"}"), "is in "},
};
enum { BAD_INDEXES = sizeof bad_indexes / sizeof bad_indexes[0] };

START_TEST(test_bad_index) {
  detail err;
  safetensors *s = NULL;
  ck_assert_int_eq(mkdir(support_path("model"), 0777), 0);
  put_image("s-1.safetensors", TENSOR("a"), 2);
  put_image("s-2.safetensors", TENSOR("b"), 2);
  put_image("twice.safetensors",
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
            4);
  ck_assert_int_eq(mkdir(in_folder("folder.safetensors"), 0777), 0);
  ck_assert_int_eq(mkfifo(in_folder("pipe.safetensors"), 0666), 0);
  ck_assert_int_eq(symlink("loop.safetensors", in_folder("loop.safetensors")), 0);
  put_index(bad_indexes[_i].index);
  status failed = safetensors_open(&s, support_path("model"), &err);
  ck_assert_msg(failed == E_INPUT || failed == E_IO, "%s", status_name(failed));
  ck_assert_msg(strstr(err.text, bad_indexes[_i].says) != NULL, "\"%s\" lacks \"%s\"", err.text,
                bad_indexes[_i].says);
  ck_assert_ptr_null(s);
}
END_TEST

START_TEST(test_no_weights) {
  detail err;
  safetensors *s = NULL;
  ck_fails(safetensors_open(&s, support_path("nowhere"), &err), E_INPUT, "has neither");
  ck_assert_int_eq(mkdir(support_path("model"), 0777), 0);
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT, "has neither");
  support_write(in_folder("pytorch_model.bin"), "");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT,
           "only pytorch_model.bin, which is not read: use the checkpoint's safetensors");
  support_write(in_folder("weights.safetensors"), "");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT,
           "has no model.safetensors, only weights.safetensors");
  support_write(in_folder("model-00001-of-00002.safetensors"), "");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT,
           "but no model.safetensors.index.json: download it");
  support_write(in_folder("model.safetensors"), "");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT, "this file is empty");
  support_write(in_folder("model.safetensors"), "1234567");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT, "7 bytes are no");
  support_write(in_folder("model.safetensors"), "version https://git-lfs.github.com/spec/v1\n");
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT, "a Git LFS pointer");
  ck_assert_int_eq(unlink(in_folder("model.safetensors")), 0);
  ck_assert_int_eq(mkdir(in_folder("model.safetensors"), 0777), 0);
  ck_fails(safetensors_open(&s, support_path("model"), &err), E_INPUT, "this is a folder");
}
END_TEST

int main(void) {
  json_install();
  Suite *suite = suite_create("safetensors");
  TCase *file = tcase_create("file"), *folder = tcase_create("folder");
  tcase_add_test(file, test_read);
  tcase_add_loop_test(file, test_hostile, 0, HOSTILE);
  tcase_add_test(file, test_header_length);
  tcase_add_test(file, test_truncated);
  tcase_add_test(file, test_mutated);
  tcase_add_test(file, test_no_memory);
  tcase_add_test(folder, test_sharded);
  tcase_add_loop_test(folder, test_bad_index, 0, BAD_INDEXES);
  tcase_add_test(folder, test_no_weights);
  suite_add_tcase(suite, file);
  suite_add_tcase(suite, folder);
  return support_run(suite);
}
