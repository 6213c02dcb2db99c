/* A pack of files from anybody: read to its end under limits or refused with a reason, with names
   that stay below the folder they are in; and what comes out does not depend on the pieces in which
   it is asked for. */
#include "base/hash.h"
#include "store/pack.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const pack_limits limits = {
    .bytes_max = 4 << 20, .ratio_max = 100, .ratio_from_bytes = 64 << 10};

static void check_name(const char *name) {
  size_t bytes = strlen(name);
  REQUIRE(bytes > 0 && bytes < PACK_NAME_BYTES);
  REQUIRE(text_is_utf8(name, bytes, NULL));
  REQUIRE(name[0] != '/');
  for (const char *at = name; *at;) {
    size_t step = strcspn(at, "/");
    REQUIRE(!(step == 2 && at[0] == '.' && at[1] == '.'));
    at += step;
    if (*at == '/') at++;
  }
}

typedef struct reading {
  status failed;
  int64_t members, bytes;
  hash content; /* of names, sizes and bytes, as far as was read */
} reading;

static status read_member(pack_reader *r, size_t piece, hash_parts *sum, reading *out,
                          detail *err) {
  static char bytes[1 << 16];
  text all;
  text_open(&all, (size_t)limits.bytes_max + 1);
  status failed = OK;
  for (size_t count = 1; !failed && count;) {
    failed = pack_read(r, bytes, piece, &count, err);
    if (failed) break;
    REQUIRE(count <= piece);
    text_add(&all, bytes, count);
  }
  out->bytes += (int64_t)all.bytes;
  REQUIRE(!all.failed && out->bytes <= limits.bytes_max);
  /* How far a damaged member is read before the damage is seen is no promise. */
  if (!failed) hash_part(sum, text_string(&all), all.bytes);
  text_close(&all);
  return failed;
}

static reading read_pack(const char *path, size_t piece) {
  pack_reader *r = NULL;
  hash_parts sum;
  reading out = {0};
  detail err = {0};
  hash_start(&sum);
  out.failed = pack_open(&r, path, &limits, &err);
  for (int found = 1; !out.failed && found;) {
    pack_member member = {0};
    out.failed = pack_next(r, &member, &found, &err);
    if (out.failed || !found) break;
    check_name(member.name);
    REQUIRE(++out.members <= PACK_MEMBERS_MAX);
    hash_part(&sum, member.name, strlen(member.name));
    out.failed = read_member(r, piece, &sum, &out, &err);
  }
  if (out.failed) fuzz_explained(out.failed, &err);
  out.content = hash_end(&sum);
  pack_close(r);
  return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *path = fuzz_path("pack.bin");
  fuzz_write(path, data, size);
  reading whole = read_pack(path, 1 << 16), pieces = read_pack(path, 1 + size % 1000);
  REQUIRE(whole.failed == pieces.failed && whole.members == pieces.members);
  REQUIRE(hash_equal(&whole.content, &pieces.content));
  return 0;
}
