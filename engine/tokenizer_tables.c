#include "engine/tokenizer_internal.h"

#include <string.h>

/* No honest file comes near: a table is at most half full. A file that was made so that names
   collide is refused instead of searched for ever. */
enum { PROBES_MAX = 512 };

static size_t mask_for(size_t count) {
  size_t slots = 16;
  while (slots < count * 2)
    slots *= 2;
  return slots - 1;
}

static uint64_t mixed(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  return x ^ x >> 32;
}

uint64_t tokenizer_hash(const char *bytes, size_t count) {
  uint64_t h = count * 0x9e3779b97f4a7c15u, word;
  for (; count >= 8; bytes += 8, count -= 8) {
    memcpy(&word, bytes, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 29;
  }
  word = 0;
  memcpy(&word, bytes, count);
  return mixed(h ^ word);
}

status names_take(name_table *table, const reader *r, size_t count) {
  table->mask = mask_for(count);
  table->slots = arena_take(r->t->memory, table->mask + 1, sizeof *table->slots);
  return table->slots ? OK : reader_full(r);
}

/* The slot of these bytes, or the free one where they would stand; NULL after too many. */
static name_slot *names_seek(const name_table *table, const tokenizer *t, const char *bytes,
                             size_t count) {
  uint64_t h = tokenizer_hash(bytes, count);
  uint32_t tag = (uint32_t)(h >> 32);
  for (size_t i = 0; i < PROBES_MAX; i++) {
    name_slot *slot = &table->slots[(h + i) & table->mask];
    if (!slot->next_to) return slot;
    if (slot->tag != tag) continue;
    const token *k = &t->tokens[slot->next_to - 1];
    if (k->count == count && !memcmp(k->bytes, bytes, count)) return slot;
  }
  return NULL;
}

status names_add(name_table *table, const reader *r, int32_t id, int32_t *other) {
  const token *k = &r->t->tokens[id];
  name_slot *slot = names_seek(table, r->t, k->bytes, k->count);
  if (!slot) return reader_refuse(r, "model.vocab", "tokens that were chosen to collide");
  *other = slot->next_to - 1;
  if (slot->next_to) return OK;
  slot->tag = (uint32_t)(tokenizer_hash(k->bytes, k->count) >> 32);
  slot->next_to = id + 1;
  return OK;
}

int32_t names_find(const name_table *table, const tokenizer *t, const char *bytes, size_t count) {
  const name_slot *slot = names_seek(table, t, bytes, count);
  return slot ? slot->next_to - 1 : -1;
}

status merges_take(merge_table *table, const reader *r, size_t count) {
  table->mask = mask_for(count);
  table->slots = arena_take(r->t->memory, table->mask + 1, sizeof *table->slots);
  return table->slots ? OK : reader_full(r);
}

static merge_slot *merges_seek(const merge_table *table, uint64_t pair) {
  uint64_t h = mixed(pair * 0x9e3779b97f4a7c15u);
  for (size_t i = 0; i < PROBES_MAX; i++) {
    merge_slot *slot = &table->slots[(h + i) & table->mask];
    if (!slot->next_to || slot->pair == pair) return slot;
  }
  return NULL;
}

static uint64_t pair_of(int32_t left, int32_t right) {
  return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

status merges_add(merge_table *table, const reader *r, int32_t left, int32_t right, int32_t rank,
                  int32_t result) {
  uint64_t pair = pair_of(left, right);
  merge_slot *slot = merges_seek(table, pair);
  if (!slot) return reader_refuse(r, "model.merges", "pairs that were chosen to collide");
  *slot = (merge_slot){.pair = pair, .rank = rank, .next_to = result + 1};
  return OK;
}

const merge_slot *merges_find(const merge_table *table, int32_t left, int32_t right) {
  const merge_slot *slot = merges_seek(table, pair_of(left, right));
  return slot && slot->next_to ? slot : NULL;
}

/* bytes: of all contents together, so that every node has room. */
status trie_take(trie *out, const reader *r, size_t bytes) {
  out->mask = mask_for(bytes + 1);
  out->slots = arena_take(r->t->memory, out->mask + 1, sizeof *out->slots);
  out->ends = arena_take(r->t->memory, bytes + 1, sizeof *out->ends);
  out->nodes = 1;
  return out->slots && out->ends ? OK : reader_full(r);
}

static trie_slot *trie_seek(const trie *t, int32_t node, uint8_t byte) {
  uint64_t edge = ((uint64_t)(uint32_t)node << 8 | byte) + 1, h = mixed(edge);
  for (size_t i = 0; i < PROBES_MAX; i++) {
    trie_slot *slot = &t->slots[(h + i) & t->mask];
    if (!slot->edge || slot->edge == edge) return slot;
  }
  return NULL;
}

status trie_add(trie *out, const reader *r, const char *bytes, size_t count, int32_t id,
                int32_t *other) {
  int32_t node = 0;
  for (size_t i = 0; i < count; i++) {
    uint8_t byte = (uint8_t)bytes[i];
    trie_slot *slot = trie_seek(out, node, byte);
    if (!slot) return reader_refuse(r, "added_tokens", "contents that were chosen to collide");
    if (!slot->edge) {
      *slot = (trie_slot){.edge = ((uint64_t)(uint32_t)node << 8 | byte) + 1, .node = out->nodes++};
    }
    node = slot->node;
  }
  *other = out->ends[node] - 1;
  if (!out->ends[node]) out->ends[node] = id + 1;
  out->starts[(uint8_t)bytes[0]] = 1;
  return OK;
}

int32_t trie_find(const trie *t, const char *bytes, size_t count, size_t *length) {
  int32_t node = 0, id = -1;
  for (size_t i = 0; i < count; i++) {
    const trie_slot *slot = trie_seek(t, node, (uint8_t)bytes[i]);
    if (!slot || !slot->edge) break;
    node = slot->node;
    if (t->ends[node]) {
      id = t->ends[node] - 1;
      *length = i + 1;
    }
  }
  return id;
}
