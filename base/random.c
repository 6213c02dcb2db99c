#include "base/random.h"

#include <Random123/philox.h>
#include <string.h>

random_key random_key_of(uint64_t seed, const hash *task, uint32_t repeat, const char *path) {
  uint8_t numbers[12];
  for (int i = 0; i < 8; i++)
    numbers[i] = (uint8_t)(seed >> (56 - 8 * i));
  for (int i = 0; i < 4; i++)
    numbers[8 + i] = (uint8_t)(repeat >> (24 - 8 * i));
  hash_parts parts;
  hash_start(&parts);
  hash_part(&parts, "random key", 10);
  hash_part(&parts, numbers, sizeof numbers);
  hash_part(&parts, task->bytes, HASH_BYTES);
  hash_part(&parts, path, strlen(path));
  hash place = hash_end(&parts);
  uint64_t head = hash_head(&place);
  return (random_key){{(uint32_t)(head >> 32), (uint32_t)head}};
}

void random_words(random_key key, uint64_t high, uint64_t low, uint32_t out[4]) {
  philox4x32_ctr_t counter = {
      {(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)}};
  philox4x32_key_t k = {{key.word[0], key.word[1]}};
  philox4x32_ctr_t words = philox4x32(counter, k);
  for (int i = 0; i < 4; i++)
    out[i] = words.v[i];
}

random_stream random_start(random_key key) {
  return (random_stream){.key = key};
}

uint32_t random_next(random_stream *s) {
  if (s->left == 0) {
    random_words(s->key, 0, s->counter++, s->ready);
    s->left = 4;
  }
  return s->ready[4 - s->left--];
}

uint32_t random_below(random_stream *s, uint32_t bound) {
  REQUIRE(bound > 0);
  /* Lemire, "Fast random integer generation in an interval", 2019: unbiased by rejection. */
  uint64_t product = (uint64_t)random_next(s) * bound;
  if ((uint32_t)product < bound) {
    uint32_t threshold = (0u - bound) % bound;
    while ((uint32_t)product < threshold)
      product = (uint64_t)random_next(s) * bound;
  }
  return (uint32_t)(product >> 32);
}

int64_t random_between(random_stream *s, int64_t low, int64_t high) {
  REQUIRE(low <= high && high - low < (int64_t)UINT32_MAX);
  return low + (int64_t)random_below(s, (uint32_t)(high - low + 1));
}

int random_chance(random_stream *s, double probability) {
  return (double)random_next(s) < probability * 4294967296.0;
}
