#include "kernels/yardstick.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#ifdef NIGHTJAR_ONEDNN
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>

/* What is used of the library, found when a yardstick is opened. */
#define FUNCTIONS(X)                                                                               \
  X(dnnl_version)                                                                                  \
  X(dnnl_engine_create)                                                                            \
  X(dnnl_engine_destroy)                                                                           \
  X(dnnl_stream_create)                                                                            \
  X(dnnl_stream_destroy)                                                                           \
  X(dnnl_stream_wait)                                                                              \
  X(dnnl_memory_desc_init_by_strides)                                                              \
  X(dnnl_memory_desc_init_by_tag)                                                                  \
  X(dnnl_memory_create)                                                                            \
  X(dnnl_memory_destroy)                                                                           \
  X(dnnl_matmul_desc_init)                                                                         \
  X(dnnl_reorder_primitive_desc_create)                                                            \
  X(dnnl_primitive_desc_create)                                                                    \
  X(dnnl_primitive_desc_query_md)                                                                  \
  X(dnnl_primitive_desc_destroy)                                                                   \
  X(dnnl_primitive_create)                                                                         \
  X(dnnl_primitive_destroy)                                                                        \
  X(dnnl_primitive_execute)

struct yardstick {
  void *library;
  char name[32];
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  void (*omp_set_num_threads)(int);
#define X(f) __typeof__(&f) f;
  FUNCTIONS(X)
#undef X
};

struct yardstick_product {
  yardstick *y;
  dnnl_memory_t x, w, out;
  dnnl_primitive_t product;
};

static status failed_in(dnnl_status_t code, const char *what, detail *err) {
  if (code == dnnl_success) return OK;
  if (code == dnnl_out_of_memory) return fault(err, E_MEMORY, "no memory for oneDNN's %s", what);
  return fault(err, E_DEVICE, "oneDNN's %s failed (status %d)%s", what, (int)code,
               code == dnnl_unimplemented ? ": this processor has no such product" : "");
}

/* A pointer to a function comes out of dlsym as one to an object (POSIX says that they are alike).
 */
static status find(void *library, const char *name, void *to, detail *err) {
  void *found = dlsym(library, name);
  if (!found) return fault(err, E_DEVICE, "oneDNN: %s is not what it was built for", dlerror());
  memcpy(to, &found, sizeof found);
  return OK;
}

static status find_all(yardstick *y, detail *err) {
  status failed = OK;
#define X(f)                                                                                       \
  if (!failed) failed = find(y->library, #f, &y->f, err);
  FUNCTIONS(X)
#undef X
  if (!failed) failed = find(y->library, "omp_set_num_threads", &y->omp_set_num_threads, err);
  return failed;
}

status yardstick_open(yardstick **out, int threads, detail *err) {
  yardstick *y = memory_zeroed(1, sizeof *y);
  if (!y) return fault(err, E_MEMORY, "no memory for a yardstick");
  status failed = OK;
  y->library = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (!y->library) failed = fault(err, E_DEVICE, "oneDNN: not installed (apt install libdnnl2)");
  if (!failed) failed = find_all(y, err);
  if (!failed) {
    const dnnl_version_t *v = y->dnnl_version();
    (void)snprintf(y->name, sizeof y->name, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    y->omp_set_num_threads(threads);
    failed = failed_in(y->dnnl_engine_create(&y->engine, dnnl_cpu, 0), "engine", err);
  }
  if (!failed) {
    failed = failed_in(y->dnnl_stream_create(&y->stream, y->engine, dnnl_stream_default_flags),
                       "stream", err);
  }
  if (failed) {
    yardstick_close(y);
    return failed;
  }
  *out = y;
  return OK;
}

/* The library stays loaded: its threads run in it. */
void yardstick_close(yardstick *y) {
  if (!y) return;
  if (y->stream) (void)y->dnnl_stream_destroy(y->stream);
  if (y->engine) (void)y->dnnl_engine_destroy(y->engine);
  memory_free(y);
}

const char *yardstick_name(const yardstick *y) {
  return y->name;
}

/* ---- a product ------------------------------------------------------------------------------- */

static void *cast_away(const void *data) {
  void *out;
  memcpy(&out, &data, sizeof out); /* oneDNN has one type for what is read and what is written */
  return out;
}

static status execute(yardstick *y, dnnl_primitive_t p, const dnnl_exec_arg_t *args, int count,
                      detail *err) {
  dnnl_status_t code = y->dnnl_primitive_execute(p, y->stream, count, args);
  if (code == dnnl_success) code = y->dnnl_stream_wait(y->stream);
  return failed_in(code, "run", err);
}

/* Weights go from [n, k] rows into the layout that the product asks for, in memory of oneDNN's. */
static status pack(yardstick_product *p, const yardstick_shape *s, const dnnl_memory_desc_t *wanted,
                   detail *err) {
  yardstick *y = p->y;
  dnnl_memory_desc_t rows;
  dnnl_memory_t from = NULL;
  dnnl_primitive_desc_t described = NULL;
  dnnl_primitive_t reorder = NULL;
  dnnl_dims_t sizes = {s->k, s->n}, strides = {1, s->k};
  dnnl_data_type_t type = s->fp32 ? dnnl_f32 : dnnl_bf16;
  dnnl_status_t code = y->dnnl_memory_desc_init_by_strides(&rows, 2, sizes, type, strides);
  if (!code) code = y->dnnl_memory_create(&from, &rows, y->engine, cast_away(s->w));
  if (!code) code = y->dnnl_memory_create(&p->w, wanted, y->engine, DNNL_MEMORY_ALLOCATE);
  if (!code) {
    code = y->dnnl_reorder_primitive_desc_create(&described, &rows, y->engine, wanted, y->engine,
                                                 NULL);
  }
  if (!code) code = y->dnnl_primitive_create(&reorder, described);
  status failed = failed_in(code, "packing", err);
  dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, p->w}};
  if (!failed) failed = execute(y, reorder, args, 2, err);
  if (reorder) (void)y->dnnl_primitive_destroy(reorder);
  if (described) (void)y->dnnl_primitive_desc_destroy(described);
  if (from) (void)y->dnnl_memory_destroy(from);
  return failed;
}

static status make(yardstick_product *p, const yardstick_shape *s, detail *err) {
  yardstick *y = p->y;
  dnnl_memory_desc_t x, w, out;
  dnnl_matmul_desc_t product;
  dnnl_primitive_desc_t described = NULL;
  dnnl_data_type_t type = s->fp32 ? dnnl_f32 : dnnl_bf16;
  dnnl_dims_t x_sizes = {s->rows, s->k}, w_sizes = {s->k, s->n}, out_sizes = {s->rows, s->n};
  dnnl_status_t code = y->dnnl_memory_desc_init_by_tag(&x, 2, x_sizes, type, dnnl_ab);
  if (!code) code = y->dnnl_memory_desc_init_by_tag(&w, 2, w_sizes, type, dnnl_format_tag_any);
  if (!code) code = y->dnnl_memory_desc_init_by_tag(&out, 2, out_sizes, dnnl_f32, dnnl_ab);
  if (!code) code = y->dnnl_matmul_desc_init(&product, &x, &w, NULL, &out);
  if (!code) code = y->dnnl_primitive_desc_create(&described, &product, NULL, y->engine, NULL);
  if (!code) code = y->dnnl_primitive_create(&p->product, described);
  if (!code) code = y->dnnl_memory_create(&p->x, &x, y->engine, cast_away(s->x));
  if (!code) code = y->dnnl_memory_create(&p->out, &out, y->engine, s->y);
  status failed = failed_in(code, "product", err);
  if (!failed) {
    failed = pack(p, s, y->dnnl_primitive_desc_query_md(described, dnnl_query_weights_md, 0), err);
  }
  if (described) (void)y->dnnl_primitive_desc_destroy(described);
  return failed;
}

status yardstick_product_open(yardstick_product **out, yardstick *y, const yardstick_shape *shape,
                              detail *err) {
  yardstick_product *p = memory_zeroed(1, sizeof *p);
  if (!p) return fault(err, E_MEMORY, "no memory for a product of oneDNN");
  p->y = y;
  status failed = make(p, shape, err);
  if (failed) {
    yardstick_product_close(p);
    return failed;
  }
  *out = p;
  return OK;
}

void yardstick_product_close(yardstick_product *p) {
  if (!p) return;
  if (p->product) (void)p->y->dnnl_primitive_destroy(p->product);
  if (p->x) (void)p->y->dnnl_memory_destroy(p->x);
  if (p->w) (void)p->y->dnnl_memory_destroy(p->w);
  if (p->out) (void)p->y->dnnl_memory_destroy(p->out);
  memory_free(p);
}

status yardstick_product_run(yardstick_product *p, detail *err) {
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p->x}, {DNNL_ARG_WEIGHTS, p->w}, {DNNL_ARG_DST, p->out}};
  return execute(p->y, p->product, args, 3, err);
}

#else

status yardstick_open(yardstick **out, int threads, detail *err) {
  (void)out;
  (void)threads;
  return fault(err, E_DEVICE,
               "oneDNN: not in this build (apt install libdnnl-dev, version 2, and build again)");
}

void yardstick_close(yardstick *y) {
  (void)y;
}

const char *yardstick_name(const yardstick *y) {
  (void)y;
  return "none";
}

status yardstick_product_open(yardstick_product **out, yardstick *y, const yardstick_shape *shape,
                              detail *err) {
  (void)out;
  (void)y;
  (void)shape;
  return yardstick_open(NULL, 0, err);
}

void yardstick_product_close(yardstick_product *p) {
  (void)p;
}

status yardstick_product_run(yardstick_product *p, detail *err) {
  (void)p;
  return yardstick_open(NULL, 0, err);
}
#endif
