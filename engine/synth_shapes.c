/* The shapes that model synth knows: the bench model of the APR paper, published ones to measure
   with, and tiny ones for tests, each odd in its own way. */
#include "engine/synth.h"

#include <string.h>

#define LLAMA   .architecture = "LlamaForCausalLM"
#define MISTRAL .architecture = "MistralForCausalLM"
#define QWEN2   .architecture = "Qwen2ForCausalLM", .qkv_bias = 1
#define QWEN3   .architecture = "Qwen3ForCausalLM", .head_norm = 1

#define HEADS(count, kv, size)                                                                     \
  .heads = (count), .kv_heads = (kv), .head_size = (size), .rope.head_size = (size)
#define SCALED(by, from, to, original)                                                             \
  .rope.kind = ROPE_LLAMA3, .rope.factor = (by), .rope.low_frequency_factor = (from),              \
  .rope.high_frequency_factor = (to), .rope.original_positions = (original)

static const synth_shape shapes[] = {
    {"apr-228m",
     "the bench model: the APR paper's",
     {LLAMA, .layers = 18, .hidden = 1024, HEADS(16, 16, 64), .feed_forward = 2752,
      .vocabulary = 32000, .context = 4096, .epsilon = 1e-5, .rope.theta = 10000},
     0},
    {"llama3.2-1b",
     "Llama 3.2 1B",
     {LLAMA, .layers = 16, .hidden = 2048, HEADS(32, 8, 64), .feed_forward = 8192,
      .vocabulary = 128256, .context = 131072, .epsilon = 1e-5, .tied = 1, .rope.theta = 500000,
      SCALED(32, 1, 4, 8192)},
     0},
    {"qwen2.5-0.5b",
     "Qwen2.5 0.5B",
     {QWEN2, .layers = 24, .hidden = 896, HEADS(14, 2, 64), .feed_forward = 4864,
      .vocabulary = 151936, .context = 32768, .epsilon = 1e-6, .tied = 1, .rope.theta = 1000000},
     0},
    {"qwen3-0.6b",
     "Qwen3 0.6B",
     {QWEN3, .layers = 28, .hidden = 1024, HEADS(16, 8, 128), .feed_forward = 3072,
      .vocabulary = 151936, .context = 40960, .epsilon = 1e-6, .tied = 1, .rope.theta = 1000000},
     0},
    {"tiny-llama",
     "heads wider than the model, two to a key",
     {LLAMA, .layers = 2, .hidden = 72, HEADS(4, 2, 32), .feed_forward = 100, .vocabulary = 515,
      .context = 1024, .epsilon = 1e-5, .rope.theta = 10000},
     0},
    {"tiny-llama3",
     "Llama 3's rotary scaling, tied embeddings",
     {LLAMA, .layers = 2, .hidden = 90, HEADS(2, 1, 64), .feed_forward = 130, .vocabulary = 400,
      .context = 1024, .epsilon = 1e-5, .tied = 1, .rope.theta = 500000, SCALED(8, 1, 4, 64)},
     0},
    {"tiny-llama-bias",
     "biases everywhere, linear rotary scaling, heads of 128",
     {LLAMA, .layers = 1, .hidden = 66, HEADS(2, 2, 128), .feed_forward = 75, .vocabulary = 301,
      .context = 1024, .epsilon = 1e-6, .qkv_bias = 1, .output_bias = 1, .mlp_bias = 1,
      .rope.theta = 10000, .rope.kind = ROPE_LINEAR, .rope.factor = 4},
     1},
    {"tiny-mistral",
     "three heads of 80 to one key",
     {MISTRAL, .layers = 2, .hidden = 81, HEADS(3, 1, 80), .feed_forward = 70, .vocabulary = 333,
      .context = 1024, .epsilon = 1e-5, .rope.theta = 1000000},
     0},
    {"tiny-qwen2",
     "biases of queries, keys and values; five heads to one key; tied embeddings",
     {QWEN2, .layers = 2, .hidden = 160, HEADS(5, 1, 32), .feed_forward = 52, .vocabulary = 411,
      .context = 1024, .epsilon = 1e-6, .tied = 1, .rope.theta = 1000000},
     0},
    {"tiny-qwen3",
     "norms of heads, heads of 96",
     {QWEN3, .layers = 2, .hidden = 70, HEADS(2, 1, 96), .feed_forward = 90, .vocabulary = 300,
      .context = 1024, .epsilon = 1e-6, .rope.theta = 1000000},
     1},
};

const synth_shape *synth_shapes(size_t *count) {
  *count = sizeof shapes / sizeof shapes[0];
  return shapes;
}

const synth_shape *synth_find(const char *name) {
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    if (!strcmp(shapes[i].name, name)) return &shapes[i];
  }
  return NULL;
}
