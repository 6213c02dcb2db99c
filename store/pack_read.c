#include "base/memory.h"
#include "base/text.h"
#include "store/pack_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

struct pack_reader {
  source *from;
  struct archive *members; /* NULL: the file is its only member */
  locale_t names;          /* UTF-8 for libarchive, which asks the thread's locale */
  int64_t count, given;    /* members, and bytes of all of them */
  int within;              /* a member that is not at its end */
  int64_t said, read;      /* the member's bytes: as the pack says (-1: it does not), and so far */
  int ended;
  const unsigned char *rest; /* of a block of the only member; borrowed from the source */
  size_t rest_bytes;
  char name[PACK_NAME_BYTES]; /* of the member, for messages */
};

pack_limits pack_usual_limits(void) {
  return (pack_limits){
      .bytes_max = INT64_C(1) << 40, .ratio_max = 250, .ratio_from_bytes = INT64_C(64) << 20};
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static status open_members(pack_reader *r, detail *err) {
  struct archive *a = r->members = archive_read_new();
  if (!a) return fault_at(err, E_MEMORY, source_path(r->from), 0, "no memory to unpack it");
  int code = source_is_zip(r->from) ? archive_read_support_format_zip_seekable(a)
                                    : archive_read_support_format_tar(a);
  if (code != ARCHIVE_OK) return source_failed(r->from, a, err);
  return source_attach(r->from, a, err);
}

status pack_open(pack_reader **out, const char *path, const pack_limits *limits, detail *err) {
  pack_reader *r = memory_zeroed(1, sizeof *r);
  if (!r) return fault_at(err, E_MEMORY, path, 0, "no memory to read it");
  status failed = source_open(&r->from, path, limits, err);
  if (!failed && source_is_empty_zip(r->from)) {
    r->ended = 1; /* libarchive takes it for damaged */
  } else if (!failed && (source_is_zip(r->from) || source_is_tar(r->from))) {
    r->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    failed = r->names ? open_members(r, err)
                      : fault(err, E_IO, "this system has no locale C.UTF-8: %s", strerror(errno));
  }
  if (failed) {
    pack_close(r);
    return failed;
  }
  *out = r;
  return OK;
}

void pack_close(pack_reader *r) {
  if (!r) return;
  if (r->members) (void)archive_read_free(r->members);
  if (r->names) freelocale(r->names);
  source_close(r->from);
  memory_free(r);
}

/* ---- the only member --------------------------------------------------------------------------
 */

/* The file's own name, without the compression's suffix. */
static void name_alone(const pack_reader *r, pack_member *member) {
  static const char *const suffixes[] = {".gz", ".bz2", ".xz", ".zst"};
  const char *path = source_path(r->from), *slash = strrchr(path, '/');
  (void)snprintf(member->name, sizeof member->name, "%s", slash ? slash + 1 : path);
  if (!source_is_compressed(r->from)) return;
  size_t bytes = strlen(member->name);
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    size_t suffix = strlen(suffixes[i]);
    if (bytes <= suffix || strcmp(member->name + bytes - suffix, suffixes[i]) != 0) continue;
    member->name[bytes - suffix] = 0;
    return;
  }
}

static void next_alone(pack_reader *r, pack_member *member, int *found) {
  name_alone(r, member);
  member->bytes = source_size(r->from);
  member->alone = 1;
  r->within = *found = r->ended = 1;
}

static status read_alone(pack_reader *r, void *bytes, size_t capacity, size_t *count, detail *err) {
  if (!r->rest_bytes) {
    const void *next;
    status failed = source_next(r->from, &next, &r->rest_bytes, err);
    if (failed) return failed;
    r->rest = next;
  }
  *count = r->rest_bytes < capacity ? r->rest_bytes : capacity;
  if (*count) memcpy(bytes, r->rest, *count);
  r->rest += *count;
  r->rest_bytes -= *count;
  if (*count == 0) r->within = 0;
  return OK;
}

/* ---- members of a collection ------------------------------------------------------------------
 */

const char *pack_name_fault(const char *name) {
  if (!name) return "its name is no UTF-8"; /* libarchive could not make it one */
  if (!*name) return "it has no name";
  if (strlen(name) >= PACK_NAME_BYTES) return "its name is too long";
  if (!text_is_utf8(name, strlen(name), NULL)) return "its name is no UTF-8";
  if (strstr(name, "\xef\xbf\xbd")) return "its name is no UTF-8"; /* what libarchive puts there */
  if (*name == '/') return "its name starts at the root of the file system";
  for (const char *at = name; *at; at++) {
    if ((unsigned char)*at < 0x20 || *at == 0x7f) return "its name holds a control character";
  }
  for (const char *part = name; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (!strncmp(part, "..", 2) && (part[2] == '/' || !part[2])) return "its name climbs by '..'";
  }
  return NULL;
}

static const char *kind_fault(struct archive_entry *entry) {
  if (archive_entry_hardlink(entry)) return "it is a link";
  if (archive_entry_is_encrypted(entry)) return "it is encrypted";
  switch (archive_entry_filetype(entry)) {
  case AE_IFREG: return NULL;
  case AE_IFLNK: return "it is a link";
  default: return "it is a device, a pipe or a socket";
  }
}

/* A name for a message: what is no text for a terminal becomes '?'. */
static void name_for_message(const char *name, char *out, size_t out_bytes) {
  size_t at = 0;
  for (; name && *name && at + 1 < out_bytes; name++)
    out[at++] = (char)((unsigned char)*name < 0x20 || (unsigned char)*name >= 0x7f ? '?' : *name);
  out[at] = 0;
}

static status take_member(pack_reader *r, struct archive_entry *entry, pack_member *member,
                          detail *err) {
  const char *name = archive_entry_pathname(entry), *path = source_path(r->from);
  const char *why = kind_fault(entry);
  if (!why) why = pack_name_fault(name);
  if (why) {
    char shown[128];
    name_for_message(name, shown, sizeof shown);
    return fault_at(err, E_INPUT, path, 0,
                    "member '%s' is refused: %s; make the file again without it", shown, why);
  }
  if (++r->count > PACK_MEMBERS_MAX) {
    return fault_at(err, E_INPUT, path, 0, "more than %d members; split it", (int)PACK_MEMBERS_MAX);
  }
  while (!strncmp(name, "./", 2)) /* tar's own way to name a folder's files */
    name += 1 + strspn(name + 1, "/");
  (void)snprintf(member->name, sizeof member->name, "%s", name);
  memcpy(r->name, member->name, sizeof r->name);
  member->bytes = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
  member->alone = 0;
  r->said = member->bytes;
  r->read = 0;
  r->within = 1;
  return OK;
}

/* Two blocks of zeros end a tar: without them it was cut, even if between two members. */
static status end_members(pack_reader *r, detail *err) {
  r->ended = 1;
  if (source_is_zip(r->from)) return OK;
  int64_t end = archive_filter_bytes(r->members, 0);
  if (end <= archive_read_header_position(r->members)) {
    return fault_at(err, E_INPUT, source_path(r->from), 0,
                    "cut off: the tar has no end mark; fetch or make it again");
  }
  return source_drain(r->from, end, err);
}

static status next_member(pack_reader *r, pack_member *member, int *found, detail *err) {
  struct archive_entry *entry;
  for (;;) {
    int code = archive_read_next_header(r->members, &entry);
    if (code == ARCHIVE_EOF) return end_members(r, err);
    if (code < ARCHIVE_WARN) return source_failed(r->from, r->members, err);
    if (archive_entry_filetype(entry) == AE_IFDIR && !archive_entry_hardlink(entry)) continue;
    status failed = take_member(r, entry, member, err);
    *found = !failed;
    return failed;
  }
}

static status member_failed(const pack_reader *r, status code, const char *why, detail *err) {
  char shown[128];
  name_for_message(r->name, shown, sizeof shown);
  return fault_at(err, code, source_path(r->from), 0, "member '%s': %s", shown, why);
}

static status read_member(pack_reader *r, void *bytes, size_t capacity, size_t *count,
                          detail *err) {
  la_ssize_t got = archive_read_data(r->members, bytes, capacity);
  if (got < 0) {
    detail why;
    status failed = source_failed(r->from, r->members, &why);
    return member_failed(r, failed, why.text, err);
  }
  *count = (size_t)got;
  r->given += got;
  r->read += got;
  if (got == 0) {
    r->within = 0;
    /* As of a sparse file with a hole at its end, which is not given out. */
    if (r->said >= 0 && r->read != r->said) {
      return member_failed(r, E_INPUT, "not as long as the pack says; make the file again", err);
    }
  }
  return source_allows(r->from, r->given, err);
}

/* ---- both ------------------------------------------------------------------------------------ */

status pack_read(pack_reader *r, void *bytes, size_t capacity, size_t *count, detail *err) {
  *count = 0;
  if (!r->within || !capacity) return OK;
  return r->members ? read_member(r, bytes, capacity, count, err)
                    : read_alone(r, bytes, capacity, count, err);
}

status pack_next(pack_reader *r, pack_member *member, int *found, detail *err) {
  char passed[16384];
  size_t count;
  status failed = OK;
  *found = 0;
  /* Read and not jumped over, so that a checksum behind it is compared. */
  while (!failed && r->within)
    failed = pack_read(r, passed, sizeof passed, &count, err);
  if (failed || r->ended) return failed;
  if (!r->members) {
    next_alone(r, member, found);
    return OK;
  }
  locale_t before = uselocale(r->names);
  failed = next_member(r, member, found, err);
  (void)uselocale(before);
  return failed;
}
