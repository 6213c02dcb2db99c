#include "base/memory.h"
#include "engine/tokenizer_internal.h"

#include <string.h>

/* A vocabulary of bytes that learns merges from a text, as byte pair encoding does: words by
   themselves, so that one pass over the different words stands for one over the text. */

enum { BYTES = 256, FIRST_MERGE = BYTES + 2, WORDS_MAX = 1 << 20, SYNTH_BYTES_MAX = 60 << 20 };

typedef struct learnt_word {
  size_t at;      /* of its ids */
  size_t count;   /* of its ids, fewer with every merge */
  int64_t occurs; /* in the text */
} learnt_word;

typedef struct pair_count {
  uint64_t pair; /* left << 32 | right, plus 1; 0: free */
  int64_t occurs;
} pair_count;

typedef struct learner {
  learnt_word *words; /* [word_count] */
  size_t word_count;
  int32_t *ids;      /* of all words */
  token_list merged; /* left and right, in turn */
  pair_count *pairs; /* [mask + 1] */
  size_t mask;
} learner;

/* The text of every id in the letters of bytes; names[id] is where it starts in bytes. */
typedef struct names {
  text bytes;
  size_t *starts; /* [count + 1] */
  size_t count;
} names;

static void put_header(text *out) {
  text_put(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
  for (int i = 0; i < 2; i++) {
    text_format(out,
                "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,"
                "\"rstrip\":false,\"normalized\":false,\"special\":true}",
                i ? "," : "", BYTES + i, i ? TOKENIZER_SYNTH_END : TOKENIZER_SYNTH_BEGIN);
  }
  text_put(out, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
                "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"ByteLevel\","
                "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}]},");
  text_format(
      out,
      "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
      "{\"SpecialToken\":{\"id\":\"%s\",\"type_id\":0}},"
      "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":["
      "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
      "\"special_tokens\":{\"%s\":{\"id\":\"%s\",\"ids\":[%d],\"tokens\":[\"%s\"]}}},",
      TOKENIZER_SYNTH_BEGIN, TOKENIZER_SYNTH_BEGIN, TOKENIZER_SYNTH_BEGIN, BYTES,
      TOKENIZER_SYNTH_BEGIN);
  text_put(out, "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
                "\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
                "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,"
                "\"ignore_merges\":false,\"vocab\":{");
}

static void put_name(text *out, const names *n, size_t id) {
  json_quote(out, text_string(&n->bytes) + n->starts[id], n->starts[id + 1] - n->starts[id]);
}

static void put_file(text *out, const names *n, const learner *l, int32_t size) {
  put_header(out);
  for (int32_t id = 0; id < size; id++) {
    if (id) text_char(out, ',');
    if (id == BYTES || id == BYTES + 1) {
      text_format(out, "\"%s\"", id == BYTES ? TOKENIZER_SYNTH_BEGIN : TOKENIZER_SYNTH_END);
    } else if ((size_t)id < n->count) {
      put_name(out, n, (size_t)id);
    } else {
      text_format(out, "\"<|unused %d|>\"", (int)id); /* no merge leads there */
    }
    text_format(out, ":%d", (int)id);
  }
  text_put(out, "},\"merges\":[");
  for (size_t i = 0; l && i < l->merged.count; i += 2) {
    text_put(out, i ? ",[" : "[");
    put_name(out, n, (size_t)l->merged.ids[i]);
    text_char(out, ',');
    put_name(out, n, (size_t)l->merged.ids[i + 1]);
    text_char(out, ']');
  }
  text_put(out, "]}}\n");
}

static void start_names(names *n) {
  for (int byte = 0; byte < BYTES; byte++) {
    char letter[4];
    n->starts[byte] = n->bytes.bytes;
    text_add(&n->bytes, letter, point_write(byte_letter((uint8_t)byte), letter));
  }
  n->starts[BYTES] = n->starts[BYTES + 1] = n->starts[FIRST_MERGE] = n->bytes.bytes;
  n->count = FIRST_MERGE;
}

/* The id of two tokens' joined name: a new one, or that of another pair that gave the same. */
static int32_t join_names(names *n, int32_t left, int32_t right) {
  size_t start = n->bytes.bytes;
  for (int i = 0; i < 2; i++) {
    size_t id = (size_t)(i ? right : left), from = n->starts[id];
    size_t length = n->starts[id + 1] - from;
    for (size_t k = 0; k < length && !n->bytes.failed; k++) /* the text itself may move */
      text_char(&n->bytes, n->bytes.data[from + k]);
  }
  size_t length = n->bytes.bytes - start;
  for (size_t id = FIRST_MERGE; id < n->count; id++) {
    if (n->starts[id + 1] - n->starts[id] != length) continue;
    if (memcmp(n->bytes.data + n->starts[id], n->bytes.data + start, length) != 0) continue;
    text_cut(&n->bytes, start);
    return (int32_t)id;
  }
  n->starts[++n->count] = n->bytes.bytes;
  return (int32_t)n->count - 1;
}

static uint64_t pair_key(int32_t left, int32_t right) {
  return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

static void count_pair(learner *l, int32_t left, int32_t right, int64_t occurs) {
  uint64_t key = pair_key(left, right), h = key * 0x9e3779b97f4a7c15u;
  for (size_t i = (h >> 32) & l->mask;; i = (i + 1) & l->mask) {
    if (l->pairs[i].pair && l->pairs[i].pair != key) continue;
    l->pairs[i].pair = key;
    l->pairs[i].occurs += occurs;
    return;
  }
}

/* The most frequent pair of all words; 0 when none occurs twice. */
static int best_pair(learner *l, int32_t *left, int32_t *right) {
  memset(l->pairs, 0, (l->mask + 1) * sizeof *l->pairs);
  for (size_t w = 0; w < l->word_count; w++) {
    const int32_t *ids = l->ids + l->words[w].at;
    for (size_t i = 0; i + 1 < l->words[w].count; i++)
      count_pair(l, ids[i], ids[i + 1], l->words[w].occurs);
  }
  pair_count best = {.occurs = 1};
  for (size_t i = 0; i <= l->mask; i++) {
    const pair_count *p = &l->pairs[i];
    if (!p->pair || p->occurs < best.occurs || p->occurs < 2) continue;
    if (p->occurs > best.occurs || p->pair < best.pair) best = *p;
  }
  if (!best.pair) return 0;
  *left = (int32_t)((best.pair - 1) >> 32);
  *right = (int32_t)((best.pair - 1) & UINT32_MAX);
  return 1;
}

static void merge_words(learner *l, int32_t left, int32_t right, int32_t result) {
  for (size_t w = 0; w < l->word_count; w++) {
    int32_t *ids = l->ids + l->words[w].at;
    size_t kept = 0, count = l->words[w].count;
    for (size_t i = 0; i < count; i++) {
      int is_pair = i + 1 < count && ids[i] == left && ids[i + 1] == right;
      ids[kept++] = is_pair ? result : ids[i];
      i += (size_t)is_pair;
    }
    l->words[w].count = kept;
  }
}

/* The different pieces of a text and how often each occurs, in the order of their first. */
static status collect(learner *l, const encoder *e, detail *err) {
  size_t slots = 1 << 21;
  uint32_t *table = memory_zeroed(slots, sizeof *table); /* the word's number plus 1 */
  const piece **firsts = memory_take(e->pieces.count * sizeof *firsts);
  size_t at = 0;
  status s = table && firsts ? OK : fault(err, E_MEMORY, "no memory to learn a tokenizer");
  for (size_t i = 0; !s && i < e->pieces.count; i++) {
    const piece *p = &e->pieces.pieces[i];
    const char *bytes = text_string(&e->now) + p->at;
    size_t slot = tokenizer_hash(bytes, p->bytes) & (slots - 1);
    for (; table[slot]; slot = (slot + 1) & (slots - 1)) {
      const piece *q = firsts[table[slot] - 1];
      if (q->bytes == p->bytes && !memcmp(text_string(&e->now) + q->at, bytes, p->bytes)) break;
    }
    if (!table[slot]) {
      if (l->word_count == WORDS_MAX) {
        s = fault(err, E_LIMIT, "more than %d different words to learn from", (int)WORDS_MAX);
        break;
      }
      firsts[l->word_count] = p;
      l->words[l->word_count] = (learnt_word){.at = at};
      table[slot] = (uint32_t)++l->word_count;
      for (size_t k = 0, length; k < p->bytes; k += length) {
        int32_t point;
        length = point_read(bytes + k, p->bytes - k, &point);
        l->ids[at++] = point_byte(point);
        l->words[l->word_count - 1].count++;
      }
    }
    l->words[table[slot] - 1].occurs++;
  }
  memory_free(firsts);
  memory_free(table);
  return s;
}

static status learn(learner *l, names *n, int32_t size, detail *err) {
  size_t symbols = 0;
  for (size_t w = 0; w < l->word_count; w++)
    symbols += l->words[w].count;
  l->mask = 1023;
  while (l->mask < symbols * 2)
    l->mask = l->mask * 2 + 1;
  l->pairs = memory_zeroed(l->mask + 1, sizeof *l->pairs);
  if (!l->pairs) return fault(err, E_MEMORY, "no memory to learn a tokenizer");
  int32_t left, right;
  while (n->count < (size_t)size && best_pair(l, &left, &right)) {
    status s = token_list_add(&l->merged, (int32_t[]){left, right}, 2, err);
    if (s) return s;
    merge_words(l, left, right, join_names(n, left, right));
    if (n->bytes.failed) break;
  }
  return text_state(&n->bytes, err);
}

/* The pieces of the text as the tokenizer itself will cut it. */
static status cut_text(encoder **e, tokenizer **t, const names *n, const char *bytes, size_t count,
                       detail *err) {
  text file;
  text_open(&file, SYNTH_BYTES_MAX);
  put_file(&file, n, NULL, FIRST_MERGE);
  status s = text_state(&file, err);
  if (!s) s = tokenizer_read(t, text_string(&file), file.bytes, "a tokenizer of bytes", err);
  text_close(&file);
  token_list none = {0};
  if (!s) s = encoder_open(e, *t, err);
  if (!s) s = encoder_encode(*e, bytes, count, ENCODE_PLAIN, &none, err);
  token_list_close(&none);
  return s;
}

static status learn_from(learner *l, names *n, const char *bytes, size_t count, int32_t size,
                         detail *err) {
  tokenizer *t = NULL;
  encoder *e = NULL;
  status s = cut_text(&e, &t, n, bytes, count, err);
  if (!s) {
    l->words =
        memory_take((e->pieces.count < WORDS_MAX ? e->pieces.count : WORDS_MAX) * sizeof *l->words);
    l->ids = memory_take(count * sizeof *l->ids);
    if (!l->words || !l->ids) s = fault(err, E_MEMORY, "no memory to learn a tokenizer");
  }
  if (!s) s = collect(l, e, err);
  encoder_close(e);
  tokenizer_close(t);
  return s ? s : learn(l, n, size, err);
}

status tokenizer_synth(text *out, const char *bytes, size_t count, int32_t size, detail *err) {
  if (size < FIRST_MERGE || size >= TOKENIZER_IDS_MAX) {
    return fault(err, E_INPUT, "a tokenizer of %d ids; %d to %d are possible", (int)size,
                 (int)FIRST_MERGE, TOKENIZER_IDS_MAX - 1);
  }
  learner l = {0};
  names n = {.starts = memory_zeroed((size_t)size + 1, sizeof *n.starts)};
  text_open(&n.bytes, SYNTH_BYTES_MAX);
  status s = OK;
  if (!n.starts) s = fault(err, E_MEMORY, "no memory for %d names of tokens", (int)size);
  if (!s) {
    start_names(&n);
    s = learn_from(&l, &n, bytes, count, size, err);
  }
  if (!s) {
    put_file(out, &n, &l, size);
    s = text_state(out, err);
  }
  text_close(&n.bytes);
  memory_free(n.starts);
  memory_free(l.words);
  memory_free(l.ids);
  token_list_close(&l.merged);
  memory_free(l.pairs);
  return s;
}
