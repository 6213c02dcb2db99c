#include "pipeline/fingerprint.h"

enum { SAMPLED = 16 };

status fingerprint_of(engine *e, const model_config *c, hash *out, detail *err) {
  int positions = c->context < FINGERPRINT_POSITIONS ? c->context : FINGERPRINT_POSITIONS;
  int most = positions > SAMPLED ? SAMPLED : 1, count = positions - most;
  uint32_t tokens[FINGERPRINT_POSITIONS] = {0};
  if (count < 1) count = 1;
  for (int i = 0; i < count; i++)
    tokens[i] = (uint32_t)i * 2654435761U % (uint32_t)c->vocabulary;
  thread_request request = {
      .tokens = tokens, .count = count, .most_tokens = most, .temperature = 1, .top_p = 1};
  thread_id id;
  hash_parts parts;
  hash_start(&parts);
  status failed = engine_submit(e, &request, &id, err);
  while (!failed && !engine_is_idle(e)) {
    const engine_event *events;
    int made;
    failed = engine_step(e, &events, &made, err);
    for (int i = 0; !failed && i < made; i++) {
      hash_part(&parts, &events[i].token, sizeof events[i].token);
      hash_part(&parts, &events[i].logprob, sizeof events[i].logprob);
    }
  }
  if (!failed) *out = hash_end(&parts);
  return failed;
}
