/* SHA-256 (FIPS 180-4, by libmd). Hashes name content: task sets, tasks, runs, bits. Pure. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/status.h"

enum { HASH_BYTES = 32, HASH_HEX_BYTES = 65 };

typedef struct hash {
  uint8_t bytes[HASH_BYTES];
} hash;

hash hash_of(const void *data, size_t bytes);

/* A hash over parts, each preceded by its length, so that no two lists of parts collide. */
typedef struct hash_parts {
  uint64_t state[32]; /* the library's context, kept out of this header */
} hash_parts;

void hash_start(hash_parts *h);
void hash_part(hash_parts *h, const void *data, size_t bytes);
/* Adds bytes as they are: of pieces alone, hash_end gives what hash_of gives for all of them. */
void hash_piece(hash_parts *h, const void *data, size_t bytes);
hash hash_end(hash_parts *h);

uint64_t hash_head(const hash *h); /* its first eight bytes, big-endian */
int hash_equal(const hash *a, const hash *b);
const char *hash_hex(const hash *h, char out[HASH_HEX_BYTES]); /* returns out */

#endif
