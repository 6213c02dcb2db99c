/* What kernels.h asks of arguments, so that a caller's slip ends where it happened and not in
   another sample's page. */
#include "kernels/backend_internal.h"

void check_embed(const device *d, const embed_args *a) {
  (void)d;
  REQUIRE(a->plan && a->table && a->residual);
  for (int32_t r = 0; r < a->plan->rows; r++)
    REQUIRE(a->plan->token[r] < (uint32_t)a->table->n);
}

void check_norm_add(const device *d, const norm_add_args *a) {
  (void)d;
  REQUIRE(a->rows >= 0 && a->width > 0 && a->epsilon >= 0);
  REQUIRE(a->residual && a->gain && a->out);
}

void check_product(const device *d, const product_args *a) {
  (void)d;
  REQUIRE(a->rows >= 0 && a->w && a->x && a->y);
}

static void check_position(int32_t position, int positions) {
  REQUIRE(position >= 0 && position < positions);
}

void check_rope_append(const device *d, const rope_append_args *a) {
  const step_plan *p = a->plan;
  int64_t slots = (int64_t)d->options.pages * d->options.page_keys;
  size_t head_size = (size_t)d->options.head_size;
  REQUIRE(p && a->q && a->k && a->v && a->rope && a->out);
  REQUIRE(a->layer >= 0 && a->layer < d->options.layers);
  REQUIRE(a->heads > 0 && a->q_stride >= (size_t)a->heads * head_size);
  REQUIRE(a->k_stride >= (size_t)d->options.kv_heads * head_size);
  REQUIRE(a->v_stride >= (size_t)d->options.kv_heads * head_size);
  for (int32_t r = 0; r < p->rows; r++) {
    REQUIRE(p->write_slot[r] >= 0 && p->write_slot[r] < slots);
    check_position(p->write_position[r], a->rope_positions);
  }
}

void check_attention(const device *d, const attention_args *a) {
  const step_plan *p = a->plan;
  REQUIRE(p && a->q && a->rope && a->out);
  REQUIRE(a->layer >= 0 && a->layer < d->options.layers);
  REQUIRE(a->heads > 0 && a->heads % d->options.kv_heads == 0);
  REQUIRE(a->heads / d->options.kv_heads <= KERNELS_GROUPED_MAX);
  REQUIRE(p->rows == 0 || p->row_span[0] >= 0);
  for (int32_t r = 0; r < p->rows; r++)
    REQUIRE(p->row_span[r] <= p->row_span[r + 1] && p->row_span[r + 1] <= p->spans);
  for (int32_t s = 0; s < p->spans; s++) {
    check_position(p->span_position[s], a->rope_positions);
    REQUIRE(p->span_keys[s] >= 0 && p->span_page[s] >= 0);
    int32_t pages = (p->span_keys[s] + d->options.page_keys - 1) / d->options.page_keys;
    for (int32_t i = 0; i < pages; i++) {
      int32_t page = p->pages[p->span_page[s] + i];
      REQUIRE(page >= 0 && page < d->options.pages);
    }
  }
}

void check_swiglu(const device *d, const swiglu_args *a) {
  (void)d;
  REQUIRE(a->rows >= 0 && a->width > 0 && a->gate && a->up && a->out);
  REQUIRE(a->gate_stride >= (size_t)a->width && a->up_stride >= (size_t)a->width);
}

void check_gather(const device *d, const gather_args *a) {
  (void)d;
  REQUIRE(a->plan && a->width > 0 && a->from && a->to);
  for (int32_t i = 0; i < a->plan->outputs; i++)
    REQUIRE(a->plan->output_row[i] >= 0 && a->plan->output_row[i] < a->plan->rows);
}

void check_splice(const device *d, const splice_args *a) {
  int64_t slots = (int64_t)d->options.pages * d->options.page_keys;
  REQUIRE(a->slots >= 0 && a->rope);
  check_position(a->turn, a->rope_positions);
  for (int i = 0; i < a->slots; i++) {
    REQUIRE(a->from[i] >= 0 && a->from[i] < slots);
    REQUIRE(a->to[i] >= 0 && a->to[i] < slots);
  }
}

void check_sample(const device *d, const sample_args *a) {
  (void)d;
  REQUIRE(a->rows >= 0 && a->vocabulary > 0 && a->vocabulary < 1 << 23);
  REQUIRE(a->logits && a->row && a->out);
  for (int r = 0; r < a->rows; r++) {
    const sample_row *s = &a->row[r];
    REQUIRE(s->temperature >= 0 && number_is_finite(s->temperature) && s->top_k >= 0);
    REQUIRE(s->top_p > 0 && s->top_p <= 1 && s->min_p >= 0 && s->min_p <= 1);
    REQUIRE(s->suppressed_first >= 0 && s->suppressed_count >= 0);
    REQUIRE(!a->logits_row || a->logits_row[r] >= 0);
    for (int i = 0; i < s->suppressed_count; i++)
      REQUIRE(a->suppressed[s->suppressed_first + i] < (uint32_t)a->vocabulary);
  }
}
