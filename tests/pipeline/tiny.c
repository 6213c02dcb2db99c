#include "tests/pipeline/tiny.h"

#include "engine/tokenizer.h"

#include <stdio.h>
#include <string.h>

static const char lines[] = "Current State: 12:[3, 4], Operations: []\n"
                            "Exploring Operation: 3*4=12, Resulting Numbers: [12]\n"
                            "12,12 equal: Goal Reached\nCurrent State: 12:[12], Operations: []\n";

const char *tiny_model_of(const char *name, const char *shape, uint64_t seed, element_type element,
                          const char *words) {
  detail err;
  synth_file beside = {"tokenizer.json", words, strlen(words)};
  const char *folder = support_path(name);
  synth_options o = {.shape = synth_find(shape),
                     .folder = folder,
                     .seed = seed,
                     .element = element,
                     .shards = 1,
                     .files = &beside,
                     .file_count = 1};
  ck_ok(synth_write(&o, &err));
  return folder;
}

const char *tiny_model(const char *name, uint64_t seed, element_type element, const char *words) {
  detail err;
  text learnt;
  text_open(&learnt, 1 << 20);
  if (!words) {
    ck_ok(tokenizer_synth(&learnt, lines, strlen(lines), TINY_VOCABULARY, &err));
    words = text_string(&learnt);
  }
  const char *folder = tiny_model_of(name, "tiny-llama", seed, element, words);
  text_close(&learnt);
  return folder;
}

void tiny_write(const char *folder, const char *file, const char *bytes) {
  char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", folder, file);
  support_write(path, bytes);
}
