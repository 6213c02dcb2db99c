#include "pipeline/manifest.h"

#include "base/json.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

enum { FORM = 1 }; /* of the archive; a newer one is refused */

status manifest_open(manifest *m, detail *err) {
  *m = (manifest){0};
  status failed = arena_open(&m->memory, 4 * MANIFEST_BYTES_MAX, err);
  if (failed) return failed;
  m->members = arena_take(m->memory, MANIFEST_MEMBERS_MAX, sizeof *m->members);
  if (m->members) return OK;
  failed = arena_full(m->memory, err);
  manifest_close(m);
  return failed;
}

void manifest_close(manifest *m) {
  arena_close(m->memory);
  *m = (manifest){0};
}

/* "jobs/NAME.json" with the letters that a job's name may have, and the ~ that merging gives it, so
   that no name can lead elsewhere. */
static int is_job(const char *name) {
  static const char letters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-~";
  if (strncmp(name, "jobs/", 5) != 0) return 0;
  size_t bytes = strspn(name + 5, letters);
  return bytes > 5 && bytes <= MANIFEST_JOB_BYTES_MAX + 5 && !name[5 + bytes] &&
         !strcmp(name + bytes, ".json");
}

manifest_member *manifest_find(const manifest *m, const char *name) {
  for (size_t i = 0; i < m->count; i++) {
    if (!strcmp(m->members[i].name, name)) return &m->members[i];
  }
  return NULL;
}

status manifest_add(manifest *m, const char *name, int64_t bytes, const hash *content,
                    detail *err) {
  if (strcmp(name, MANIFEST_STORE) != 0 && strcmp(name, MANIFEST_REPORT) != 0 && !is_job(name)) {
    return fault(err, E_INPUT, "no archive holds a member of the name '%.100s'", name);
  }
  if (manifest_find(m, name)) return fault(err, E_INPUT, "member '%s' is there twice", name);
  if (m->count == MANIFEST_MEMBERS_MAX) {
    return fault(err, E_INPUT, "more than %d members", (int)MANIFEST_MEMBERS_MAX);
  }
  manifest_member *member = &m->members[m->count];
  *member = (manifest_member){.bytes = bytes, .content = *content};
  member->name = arena_text(m->memory, name, strlen(name));
  if (!member->name) return arena_full(m->memory, err);
  m->count++;
  return OK;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static json_t *member_json(const manifest_member *member) {
  char hex[HASH_HEX_BYTES];
  return json_pack("{s:I, s:s}", "bytes", (json_int_t)member->bytes, "sha256",
                   hash_hex(&member->content, hex));
}

status manifest_write(const manifest *m, text *out, detail *err) {
  json_t *members = json_object();
  int whole = members != NULL;
  for (size_t i = 0; whole && i < m->count; i++)
    whole = json_object_set_new(members, m->members[i].name, member_json(&m->members[i])) == 0;
  json_t *document =
      json_pack("{s:i, s:s, s:i, s:s, s:o}", "archive", (int)FORM, "nightjar", m->version,
                "store_version", (int)STORE_VERSION, "made", m->made, "members", members);
  status failed = whole && document ? json_canonical(document, out, err)
                                    : fault(err, E_MEMORY, "no memory for a manifest");
  json_decref(document);
  text_char(out, '\n');
  return failed ? failed : text_state(out, err);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hash(const char *hex, hash *out) {
  if (!hex || strlen(hex) != 2 * HASH_BYTES) return 0;
  for (int i = 0; i < HASH_BYTES; i++) {
    int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return 0;
    out->bytes[i] = (uint8_t)(high << 4 | low);
  }
  return 1;
}

static status read_member(manifest *m, const char *name, const json_t *value, const char *file,
                          detail *err) {
  hash content;
  const json_t *bytes = json_object_get(value, "bytes");
  if (!json_is_integer(bytes) || json_integer_value(bytes) < 0 ||
      !read_hash(json_string_value(json_object_get(value, "sha256")), &content)) {
    return fault_at(err, E_INPUT, file, 0, "member '%.100s' needs its bytes and its sha256", name);
  }
  detail why;
  status failed = manifest_add(m, name, json_integer_value(bytes), &content, &why);
  return failed ? fault_at(err, failed, file, 0, "%s", why.text) : OK;
}

static status read_members(manifest *m, const json_t *members, const char *file, detail *err) {
  const char *name;
  json_t *value;
  if (!json_is_object(members)) return fault_at(err, E_INPUT, file, 0, "it lists no members");
  json_object_foreach((json_t *)(uintptr_t)members, name, value) {
    status failed = read_member(m, name, value, file, err);
    if (failed) return failed;
  }
  if (manifest_find(m, MANIFEST_STORE)) return OK;
  return fault_at(err, E_INPUT, file, 0, "it lists no %s", MANIFEST_STORE);
}

static void read_word(const json_t *document, const char *field, char out[MANIFEST_WORD_BYTES]) {
  const char *word = json_string_value(json_object_get(document, field));
  int known = word && strlen(word) < MANIFEST_WORD_BYTES &&
              !word[strspn(word, "0123456789abcdefghijklmnopqrstuvwxyzTZ.:+-")];
  (void)snprintf(out, MANIFEST_WORD_BYTES, "%s", known ? word : "?");
}

static status read_document(manifest *m, const json_t *document, const char *file, detail *err) {
  const json_t *form = json_object_get(document, "archive");
  read_word(document, "nightjar", m->version);
  read_word(document, "made", m->made);
  if (!json_is_integer(form)) return fault_at(err, E_INPUT, file, 0, "no archive of Nightjar");
  if (json_integer_value(form) > FORM) {
    return fault_at(err, E_INPUT, file, 0,
                    "made by a newer Nightjar (%s) in a form that this one does not read; use the "
                    "newer one",
                    m->version);
  }
  return read_members(m, json_object_get(document, "members"), file, err);
}

status manifest_read(manifest *m, const char *bytes, size_t count, const char *file, detail *err) {
  json_t *document = NULL;
  status failed = json_read(&document, bytes, count, file, 1, err);
  if (!failed) failed = read_document(m, document, file, err);
  json_decref(document);
  return failed;
}
