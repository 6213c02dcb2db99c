#include "base/hash.h"

#include <sha2.h>
#include <string.h>

_Static_assert(sizeof(SHA2_CTX) <= sizeof(hash_parts), "hash_parts must hold the context");

static void update(SHA2_CTX *context, const void *data, size_t bytes) {
  if (bytes) SHA256Update(context, data, bytes);
}

hash hash_of(const void *data, size_t bytes) {
  hash h;
  SHA2_CTX context;
  SHA256Init(&context);
  update(&context, data, bytes);
  SHA256Final(h.bytes, &context);
  return h;
}

void hash_start(hash_parts *h) {
  SHA256Init((SHA2_CTX *)(void *)h->state);
}

void hash_part(hash_parts *h, const void *data, size_t bytes) {
  SHA2_CTX *context = (SHA2_CTX *)(void *)h->state;
  uint8_t length[8];
  for (int i = 0; i < 8; i++)
    length[i] = (uint8_t)((uint64_t)bytes >> (56 - 8 * i));
  update(context, length, sizeof length);
  update(context, data, bytes);
}

void hash_piece(hash_parts *h, const void *data, size_t bytes) {
  update((SHA2_CTX *)(void *)h->state, data, bytes);
}

hash hash_end(hash_parts *h) {
  hash out;
  SHA256Final(out.bytes, (SHA2_CTX *)(void *)h->state);
  return out;
}

uint64_t hash_head(const hash *h) {
  uint64_t head = 0;
  for (int i = 0; i < 8; i++)
    head = head << 8 | h->bytes[i];
  return head;
}

int hash_equal(const hash *a, const hash *b) {
  return !memcmp(a->bytes, b->bytes, HASH_BYTES);
}

const char *hash_hex(const hash *h, char out[HASH_HEX_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < HASH_BYTES; i++) {
    out[2 * i] = digits[h->bytes[i] >> 4];
    out[2 * i + 1] = digits[h->bytes[i] & 15];
  }
  out[2 * HASH_BYTES] = 0;
  return out;
}
