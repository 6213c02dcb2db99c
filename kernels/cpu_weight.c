/* Weights in panels, and rows of them back: the vocabulary's matrix is also the table of embeddings
   where a model ties them, and is held once. */
#include "kernels/cpu_internal.h"

#include <string.h>

/* x has room for a block of rows, in every thread. */
static status widen_scratch(cpu_device *d, int k, detail *err) {
  size_t wanted = (size_t)cpu_block_rows(d, k) * cpu_operand_bytes(d, k);
  if (wanted <= d->scratch_bytes) return OK;
  for (int t = 0; t < d->head.options.threads; t++) {
    void *x = host_take(wanted);
    if (!x) return fault(err, E_MEMORY, "no memory for rows of %d elements in each thread", k);
    host_free(d->scratch[t]->x);
    d->scratch[t]->x = x;
  }
  d->scratch_bytes = wanted;
  return OK;
}

/* ---- packing: threads share panels ----------------------------------------------------------- */

typedef struct packing {
  const cpu_device *d;
  const weight_source *source;
  packed_weight *w;
} packing;

/* One output of a panel: where its elements stand in the source; none past the last output. */
typedef struct source_row {
  const weight_part *part;
  size_t at;
} source_row;

static source_row find_row(const packing *p, int index) {
  for (int i = 0; i < p->source->count; index -= p->source->parts[i++].n) {
    const weight_part *part = &p->source->parts[i];
    if (index < part->n) return (source_row){part, (size_t)index * p->w->k};
  }
  return (source_row){0};
}

/* Elements from..from + count - 1 of an output as activations, at to. */
static void take_elements(compute_type c, const source_row *o, int from, int count, void *to) {
  const weight_part *part = o->part;
  if (c == COMPUTE_BF16 && part->element == ELEMENT_BF16) {
    memcpy(to, (const uint16_t *)part->data + o->at + from, (size_t)count * sizeof(uint16_t));
    return;
  }
  for (int i = 0; i < count; i++)
    activation_put(c, to, (size_t)i, backend_element(part, o->at + from + i));
}

/* A group of a panel from its outputs' elements, of which the last may be zeros. */
static inline void place_halves(panel_order order, uint16_t (*from)[KERNELS_GROUP], uint16_t *to) {
  for (int i = 0; i < KERNELS_GROUP; i++) {
    for (int lane = 0; lane < CPU_LANES; lane++)
      to[panel_at(order, i, lane)] = from[lane][i];
  }
}

static void place_singles(float (*from)[KERNELS_GROUP], float *to) {
  for (int i = 0; i < KERNELS_GROUP; i++) {
    for (int lane = 0; lane < CPU_LANES; lane++)
      to[panel_at(PANEL_SINGLES, i, lane)] = from[lane][i];
  }
}

static void pack_panel(const packing *p, int panel) {
  union {
    float singles[CPU_LANES][KERNELS_GROUP]; /* the larger one first, since {0} is of the first */
    uint16_t halves[CPU_LANES][KERNELS_GROUP];
  } group = {0};
  compute_type c = p->d->head.options.compute;
  size_t unit = kernels_activation_bytes(c), group_bytes = KERNELS_GROUP * CPU_LANES * unit;
  unsigned char *to = (unsigned char *)p->w->data + panel * panel_size(p->w) * unit;
  source_row outputs[CPU_LANES];
  for (int lane = 0; lane < CPU_LANES; lane++)
    outputs[lane] = find_row(p, panel * CPU_LANES + lane);
  for (int from = 0; from < p->w->k; from += KERNELS_GROUP, to += group_bytes) {
    int count = p->w->k - from < KERNELS_GROUP ? p->w->k - from : KERNELS_GROUP;
    if (count < KERNELS_GROUP) memset(&group, 0, sizeof group);
    for (int lane = 0; lane < CPU_LANES && outputs[lane].part; lane++)
      take_elements(c, &outputs[lane], from, count,
                    (unsigned char *)&group + (size_t)lane * KERNELS_GROUP * unit);
    switch (p->d->order) {
    case PANEL_SINGLES: place_singles(group.singles, (float *)(void *)to); break;
    case PANEL_PAIRS: place_halves(PANEL_PAIRS, group.halves, (uint16_t *)(void *)to); break;
    case PANEL_QUADS: place_halves(PANEL_QUADS, group.halves, (uint16_t *)(void *)to); break;
    }
  }
}

static void share_packing(void *context, int thread, int first, int last) {
  (void)thread;
  for (int panel = first; panel < last; panel++)
    pack_panel(context, panel);
}

status cpu_weight_pack(device *head, packed_weight **out, const weight_source *source,
                       detail *err) {
  cpu_device *d = (cpu_device *)head;
  int n;
  size_t bytes;
  status failed = backend_source_rows(source, &n, err);
  if (failed) return failed;
  int panels = padded(n, CPU_LANES) / CPU_LANES;
  size_t panel = (size_t)padded(source->k, KERNELS_GROUP) * CPU_LANES;
  failed = backend_size(&bytes, (size_t)panels,
                        panel * kernels_activation_bytes(d->head.options.compute), "a weight", err);
  if (!failed) failed = widen_scratch(d, source->k, err);
  if (failed) return failed;
  packed_weight *w = host_take(sizeof *w);
  if (w) w->data = host_take(bytes);
  if (!w || !w->data) {
    host_free(w);
    return fault(err, E_MEMORY, "no memory for a weight of %zu bytes", bytes);
  }
  w->n = n;
  w->k = source->k;
  packing p = {d, source, w};
  pool_run(d->pool, panels, 1, share_packing, &p);
  *out = w;
  return OK;
}

void cpu_embed(const cpu_device *d, const embed_args *a, int first, int last) {
  compute_type c = d->head.options.compute;
  int width = a->table->k;
  for (int row = first; row < last; row++) {
    int output = (int)a->plan->token[row];
    size_t panel = (size_t)(output / CPU_LANES) * panel_size(a->table);
    for (int i = 0; i < width; i++) {
      size_t at = panel + panel_at(d->order, i, output % CPU_LANES);
      a->residual[(size_t)row * width + i] = activation_get(c, a->table->data, at);
    }
  }
}
