/* nightjar archive: jobs, store and report in one file, and back. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/newfile.h"
#include "pipeline/manifest.h"
#include "pipeline/output.h"
#include "reports/report.h"
#include "store/pack.h"
#include "store/query.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 64 << 20, BLOCK_BYTES = 64 << 10 };

static status no_memory(detail *err) {
  return fault(err, E_MEMORY, "no memory for an archive");
}

/* ---- pack -------------------------------------------------------------------------------------
 */

typedef struct packing {
  const invocation *in;
  pack_writer *to;
  manifest members;
  char *copy;  /* the store's snapshot, beside the archive while it is made */
  text pieces; /* what is not in a file, one behind the other in the order of members */
} packing;

static status hash_file(const char *path, hash *out, int64_t *bytes, detail *err) {
  char block[BLOCK_BYTES];
  hash_parts h;
  hash_start(&h);
  *bytes = 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t count = file < 0 ? -1 : 1;
  while (count > 0) {
    count = read(file, block, sizeof block);
    if (count <= 0) break;
    hash_piece(&h, block, (size_t)count);
    *bytes += count;
  }
  status failed = count < 0 ? fault(err, E_IO, "cannot read %s: %s", path, strerror(errno)) : OK;
  if (file >= 0) (void)close(file);
  *out = hash_end(&h);
  return failed;
}

/* A member whose bytes stand at the end of pieces, from start on. */
static status add_piece(packing *p, const char *name, size_t start, detail *err) {
  status failed = text_state(&p->pieces, err);
  if (failed) return failed;
  size_t bytes = p->pieces.bytes - start;
  hash content = hash_of(text_string(&p->pieces) + start, bytes);
  return manifest_add(&p->members, name, (int64_t)bytes, &content, err);
}

static status add_job(packing *p, const char *job, const char *document, detail *err) {
  char name[MANIFEST_JOB_BYTES_MAX + 16];
  size_t start = p->pieces.bytes;
  if (snprintf(name, sizeof name, "jobs/%s.json", job) >= (int)sizeof name) {
    return fault(err, E_INPUT, "the name of job '%.80s' is too long for an archive", job);
  }
  text_put(&p->pieces, document);
  text_char(&p->pieces, '\n');
  return add_piece(p, name, start, err);
}

static status add_jobs(packing *p, store *s, detail *err) {
  query *q = NULL;
  const char *only = command_value(p->in, "job");
  int found = 0;
  status failed = query_open(&q, s,
                             "SELECT name, document FROM job WHERE name = ?1 OR ?1 IS NULL "
                             "ORDER BY name",
                             err);
  if (failed) return failed;
  query_bind_text(q, 1, only);
  for (int row = 1; !failed && row;) {
    failed = query_next(q, &row, err);
    if (failed || !row) break;
    failed = add_job(p, query_text(q, 0), query_text(q, 1), err);
    found = 1;
  }
  query_close(q);
  if (!failed && only && !found) {
    failed = fault(err, E_INPUT, "no job '%s' in %s; nightjar status lists them", only, p->in->db);
  }
  return failed;
}

/* As on a stream: no name is cut, nothing is coloured. */
static status add_report(packing *p, store *s, detail *err) {
  report_options o = {.job = command_value(p->in, "job"), .width = 1000};
  text report;
  text_open(&report, REPORT_BYTES_MAX);
  status failed = report_text(s, &o, &report, err);
  if (!failed) failed = text_state(&report, err);
  size_t start = p->pieces.bytes;
  text_add(&p->pieces, text_string(&report), report.bytes);
  text_close(&report);
  return failed ? failed : add_piece(p, MANIFEST_REPORT, start, err);
}

/* Jobs and report are those of the copy, so that the three belong together while a run goes on. */
static status describe(packing *p, detail *err) {
  store *s = NULL;
  hash content;
  int64_t bytes;
  status failed = hash_file(p->copy, &content, &bytes, err);
  if (!failed) failed = manifest_add(&p->members, MANIFEST_STORE, bytes, &content, err);
  if (!failed) failed = store_open(&s, p->copy, STORE_READ, NULL, err);
  if (!failed) failed = add_jobs(p, s, err);
  if (!failed) failed = add_report(p, s, err);
  (void)store_close(s, NULL);
  return failed;
}

static status write_manifest(packing *p, detail *err) {
  text bytes, made;
  text_open(&made, MANIFEST_WORD_BYTES);
  text_open(&bytes, MANIFEST_BYTES_MAX);
  output_time(&made, clock_unix_ns());
  (void)snprintf(p->members.version, sizeof p->members.version, "%s", NIGHTJAR_VERSION);
  (void)snprintf(p->members.made, sizeof p->members.made, "%s", text_string(&made));
  status failed = text_state(&made, err);
  if (!failed) failed = manifest_write(&p->members, &bytes, err);
  if (!failed) {
    log_progress(p->in->messages, "packing %s", p->in->arguments[0]);
    failed = pack_add_bytes(p->to, MANIFEST_NAME, text_string(&bytes), bytes.bytes, err);
  }
  text_close(&bytes);
  text_close(&made);
  return failed;
}

static status write_members(packing *p, detail *err) {
  status failed = write_manifest(p, err);
  size_t start = 0;
  for (size_t i = 0; !failed && i < p->members.count; i++) {
    const manifest_member *m = &p->members.members[i];
    if (!strcmp(m->name, MANIFEST_STORE)) {
      failed = pack_add_file(p->to, m->name, p->copy, err);
      continue;
    }
    failed = pack_add_bytes(p->to, m->name, text_string(&p->pieces) + start, (size_t)m->bytes, err);
    start += (size_t)m->bytes;
  }
  return failed;
}

static status snapshot(packing *p, detail *err) {
  const char *path = p->in->arguments[0];
  size_t bytes = strlen(path) + 32;
  store *s = NULL;
  status failed = command_store(p->in, STORE_READ, &s, err);
  char *copy = failed ? NULL : memory_take(bytes);
  if (!failed && !copy) failed = no_memory(err);
  if (!failed) {
    (void)snprintf(copy, bytes, "%s.%ld.db", path, (long)getpid());
    log_progress(p->in->messages, "copying %s", p->in->db);
    failed = store_snapshot(s, copy, err);
  }
  (void)store_close(s, NULL);
  if (failed) {
    memory_free(copy);
  } else {
    p->copy = copy;
  }
  return failed;
}

static status make_archive(packing *p, detail *err) {
  const char *path = p->in->arguments[0];
  int64_t now = clock_unix_ns() / 1000000000;
  text_open(&p->pieces, 2 * (size_t)REPORT_BYTES_MAX);
  status failed = pack_create(&p->to, path, command_flag(p->in, "replace"), now, err);
  if (!failed) failed = manifest_open(&p->members, err);
  if (!failed) failed = snapshot(p, err);
  if (!failed) failed = describe(p, err);
  if (!failed) failed = write_members(p, err);
  if (!failed) {
    failed = pack_finish(p->to, err);
    p->to = NULL;
  }
  return failed;
}

static status run_pack(const invocation *in, detail *err) {
  packing p = {.in = in};
  status failed = make_archive(&p, err);
  if (!failed) {
    struct stat made;
    double bytes = stat(in->arguments[0], &made) == 0 ? (double)made.st_size : 0;
    log_info(in->messages,
             "%s (%.1f MB) holds the store, the report and the job files; nightjar archive unpack "
             "opens it",
             in->arguments[0], bytes / 1e6);
  }
  if (p.copy) (void)unlink(p.copy);
  pack_abandon(p.to);
  memory_free(p.copy);
  text_close(&p.pieces);
  manifest_close(&p.members);
  return failed;
}

/* ---- unpack -----------------------------------------------------------------------------------
 */

typedef struct unpacking {
  const char *file; /* the archive, for messages */
  char *folder;     /* where all goes at the end */
  char *part;       /* where it is written meanwhile; NULL: not made */
  pack_reader *from;
  manifest members;
  text listed; /* the manifest as it stands */
} unpacking;

/* A path within the folder that is being written. */
static status part_path(const unpacking *u, const char *name, text *out, detail *err) {
  text_clear(out);
  text_put(out, u->part);
  text_char(out, '/');
  text_put(out, name);
  return text_state(out, err);
}

static status not_as_listed(const unpacking *u, const char *name, const char *what, detail *err) {
  return fault_at(err, E_INPUT, u->file, 0,
                  "%s %s; it was damaged or changed, fetch it again (nothing was unpacked)", name,
                  what);
}

/* The first member is the manifest, or this is no archive of ours. */
static status read_manifest(unpacking *u, detail *err) {
  pack_member member;
  int found;
  status failed = pack_next(u->from, &member, &found, err);
  if (!failed && (!found || member.alone || strcmp(member.name, MANIFEST_NAME) != 0)) {
    failed = fault_at(err, E_INPUT, u->file, 0,
                      "no archive of Nightjar: it does not start with " MANIFEST_NAME);
  }
  text_open(&u->listed, MANIFEST_BYTES_MAX);
  for (size_t count = 1; !failed && count;) {
    char block[4096];
    failed = pack_read(u->from, block, sizeof block, &count, err);
    if (!failed) text_add(&u->listed, block, count);
  }
  if (!failed && u->listed.failed == E_LIMIT) {
    failed = fault_at(err, E_INPUT, u->file, 0,
                      "no archive of Nightjar: its " MANIFEST_NAME " is too long");
  }
  if (!failed) failed = text_state(&u->listed, err);
  if (failed) return failed;
  return manifest_read(&u->members, text_string(&u->listed), u->listed.bytes, u->file, err);
}

/* No byte more than the manifest says. */
static status copy_member(unpacking *u, const newfile *to, manifest_member *m, detail *err) {
  char block[BLOCK_BYTES];
  hash_parts h;
  int64_t bytes = 0;
  status failed = OK;
  hash_start(&h);
  for (size_t count = 1; !failed && count;) {
    failed = pack_read(u->from, block, sizeof block, &count, err);
    bytes += (int64_t)count;
    if (!failed && bytes > m->bytes) failed = not_as_listed(u, m->name, "is too long", err);
    hash_piece(&h, block, count);
    if (!failed) failed = newfile_write(to, block, count, err);
  }
  hash content = hash_end(&h);
  if (!failed && bytes < m->bytes) failed = not_as_listed(u, m->name, "is too short", err);
  if (!failed && !hash_equal(&content, &m->content)) {
    failed =
        not_as_listed(u, m->name, "does not have the SHA-256 that " MANIFEST_NAME " says", err);
  }
  return failed;
}

/* A new file in the folder: this member, or with NULL the manifest itself. */
static status put_file(unpacking *u, const char *name, manifest_member *m, detail *err) {
  newfile to;
  text path;
  text_open(&path, PATH_MAX);
  status failed = part_path(u, name, &path, err);
  if (!failed) failed = newfile_open(&to, text_string(&path), 0, err);
  if (!failed) {
    failed = m ? copy_member(u, &to, m, err)
               : newfile_write(&to, text_string(&u->listed), u->listed.bytes, err);
    if (!failed) {
      failed = newfile_finish(&to, err);
    } else {
      newfile_abandon(&to);
    }
  }
  text_close(&path);
  return failed;
}

static status unpack_member(unpacking *u, const char *name, detail *err) {
  manifest_member *m = manifest_find(&u->members, name);
  if (!m) return not_as_listed(u, name, "is not listed in " MANIFEST_NAME, err);
  if (m->seen) return not_as_listed(u, name, "is there twice", err);
  m->seen = 1;
  return put_file(u, name, m, err);
}

static status unpack_members(unpacking *u, detail *err) {
  pack_member member;
  status failed = put_file(u, MANIFEST_NAME, NULL, err);
  for (int found = 1; !failed && found;) {
    failed = pack_next(u->from, &member, &found, err);
    if (!failed && found) failed = unpack_member(u, member.name, err);
  }
  for (size_t i = 0; !failed && i < u->members.count; i++) {
    const manifest_member *m = &u->members.members[i];
    if (!m->seen) failed = not_as_listed(u, m->name, "is missing", err);
  }
  return failed;
}

static status make_folder(const unpacking *u, const char *path, detail *err) {
  if (mkdir(path, 0777) == 0) return OK;
  return fault(err, E_IO, "cannot make the folder %s: %s; choose another place with -o", u->folder,
               strerror(errno));
}

static status make_folders(unpacking *u, detail *err) {
  size_t bytes = strlen(u->folder) + 32;
  text jobs;
  char *part = memory_take(bytes);
  if (!part) return no_memory(err);
  (void)snprintf(part, bytes, "%s.%ld.part", u->folder, (long)getpid());
  status failed = make_folder(u, part, err);
  if (failed) {
    memory_free(part);
    return failed;
  }
  u->part = part;
  text_open(&jobs, PATH_MAX);
  failed = part_path(u, "jobs", &jobs, err);
  if (!failed) failed = make_folder(u, text_string(&jobs), err);
  text_close(&jobs);
  return failed;
}

/* A store that this program can read, and not only bytes that are as they were. */
static status check_store(const unpacking *u, detail *err) {
  text path;
  detail why = {0};
  text_open(&path, PATH_MAX);
  status failed = part_path(u, MANIFEST_STORE, &path, err);
  if (!failed) {
    failed = store_check(text_string(&path), &why);
    if (failed) failed = fault_at(err, failed, u->file, 0, "its " MANIFEST_STORE ": %s", why.text);
  }
  text_close(&path);
  return failed;
}

static status put_in_place(unpacking *u, detail *err) {
  if (!newfile_move(u->part, u->folder)) {
    if (errno == EEXIST || errno == ENOTEMPTY) {
      return fault(err, E_INPUT, "%s exists; name another folder with -o", u->folder);
    }
    return fault(err, E_IO, "cannot make %s: %s", u->folder, strerror(errno));
  }
  newfile_sync_folder(u->folder);
  memory_free(u->part);
  u->part = NULL;
  return OK;
}

static status unpack_all(unpacking *u, detail *err) {
  status failed = pack_open(&u->from, u->file, NULL, err);
  if (!failed) failed = manifest_open(&u->members, err);
  if (!failed) failed = read_manifest(u, err);
  if (!failed) failed = make_folders(u, err);
  if (!failed) failed = unpack_members(u, err);
  if (!failed) failed = check_store(u, err);
  return failed ? failed : put_in_place(u, err);
}

/* -o, or the archive's own name without its ending, here. */
static status choose_folder(const invocation *in, unpacking *u, detail *err) {
  const char *wanted = command_value(in, "output"), *slash = strrchr(u->file, '/');
  const char *name = slash ? slash + 1 : u->file;
  size_t stem = pack_stem(name);
  if (!wanted && (stem == strlen(name) || stem == 0)) {
    return fault(err, E_USAGE,
                 "'%s' does not end as an archive does; say the folder that it shall go to with -o",
                 name);
  }
  u->folder = memory_copy_text(wanted ? wanted : name);
  if (!u->folder) return no_memory(err);
  if (!wanted) u->folder[stem] = 0;
  for (size_t end = strlen(u->folder); end > 1 && u->folder[end - 1] == '/'; end--)
    u->folder[end - 1] = 0;
  struct stat info;
  if (lstat(u->folder, &info) == 0) {
    return fault(err, E_INPUT, "%s exists; name another folder with -o", u->folder);
  }
  return OK;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  return remove(path);
}

/* A path within the folder, as it stands in a command. The caller closes out. */
static void put_word(text *out, const char *folder, const char *name) {
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  text_open(out, 4 * sizeof path);
  output_shell_word(out, path);
}

static void say_how_to_go_on(const invocation *in, const unpacking *u) {
  const char *job = NULL;
  for (size_t i = 0; i < u->members.count && !job; i++) {
    const char *name = u->members.members[i].name;
    if (!strncmp(name, "jobs/", 5)) job = name;
  }
  log_info(in->messages, "%s holds what Nightjar %s packed at %s, whole and unchanged", u->folder,
           u->members.version, u->members.made);
  text db, file;
  put_word(&db, u->folder, MANIFEST_STORE);
  put_word(&file, u->folder, job ? job : "");
  log_info(in->messages, "look: nightjar report --text --db %s", text_string(&db));
  if (job) {
    log_info(in->messages, "go on: nightjar run %s --db %s", text_string(&file), text_string(&db));
  }
  text_close(&db);
  text_close(&file);
}

static status run_unpack(const invocation *in, detail *err) {
  unpacking u = {.file = in->arguments[0]};
  status failed = choose_folder(in, &u, err);
  if (!failed) failed = unpack_all(&u, err);
  if (!failed) say_how_to_go_on(in, &u);
  if (u.part) (void)nftw(u.part, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  pack_close(u.from);
  text_close(&u.listed);
  memory_free(u.part);
  memory_free(u.folder);
  manifest_close(&u.members);
  return failed;
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static const command_option pack_options[] = {
    {"job", "NAME", "this job's file and report only; the store is whole"},
    {"replace", NULL, "an existing FILE"},
    {0}};

const command command_archive_pack = {
    .name = "archive pack",
    .arguments = "FILE",
    .summary = "Packs the store, its jobs and the report into one file.",
    .more = "FILE ends in .tar.zst or .zip (.tar, .tar.gz and .tar.xz are written too). The store\n"
            "in it is a consistent copy, also while a run writes. For a moment the copy stands\n"
            "beside FILE, where it needs the store's size.\n\n"
            "  nightjar archive pack night.tar.zst\n",
    .options = pack_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_pack};

static const command_option unpack_options[] = {
    {"output", "DIR", "or -o DIR: a new folder (default: named as FILE)"}, {0}};

const command command_archive_unpack = {
    .name = "archive unpack",
    .arguments = "FILE",
    .summary = "Unpacks such a file into a new folder, whole or not at all.",
    .more = "Every member is compared with the size and the SHA-256 that the archive's manifest\n"
            "says before the folder appears.\n\n"
            "  nightjar archive unpack night.tar.zst\n"
            "  nightjar archive unpack night.zip -o looked-at\n",
    .options = unpack_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .without_store = 1,
    .run = run_unpack};
