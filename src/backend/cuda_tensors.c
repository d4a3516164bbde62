#include "cuda_tensors.h"

#include <assert.h>
#include <stdlib.h>

#include "array.h"

enum { ALIGNMENT = 64 /* floats */ };

static void add(bki_cuda_tensors *t, const float *host, size_t count) {
  const bki_cuda_tensor_place *last = t->n == 0 ? NULL : &t->places[t->n - 1];
  const size_t end = last == NULL ? 0 : last->offset + last->count;
  if (host != NULL) {
    t->places[t->n++] = (bki_cuda_tensor_place){host, count, (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT};
  }
}

static void list(bki_cuda_tensors *t, const bki_model_config *m, const bki_parameters *p) {
  const size_t H = (size_t)m->hidden;
  const size_t D = (size_t)m->dense;
  const size_t C = (size_t)m->n_classes;
  add(t, p->embedding, (size_t)m->vocabulary_size * (size_t)m->embedding_dim);
  for (int32_t i = 0; i < 2 * m->num_layers; i++) {
    add(t, p->lstm[i].w_ih, 4 * H * (i < 2 ? (size_t)m->embedding_dim : 2 * H));
    add(t, p->lstm[i].w_hh, 4 * H * H);
    add(t, p->lstm[i].b_ih, 4 * H);
    add(t, p->lstm[i].b_hh, 4 * H);
  }
  add(t, p->dense_weight, D * 2 * H);
  add(t, p->dense_bias, D);
  add(t, p->output_weight, C * (D > 0 ? D : 2 * H));
  add(t, p->output_bias, C);
}

bki_status bki_cuda_tensors_create(bki_cuda_tensors *tensors, bki_cuda_device *device, const bki_model_config *model,
                                   const bki_parameters *parameters, bki_error *err) {
  *tensors = (bki_cuda_tensors){.places = bki_array_create(8 * (size_t)model->num_layers + 5, sizeof *tensors->places)};
  if (tensors->places == NULL) {
    return bki_fail_memory(err);
  }
  list(tensors, model, parameters);
  const bki_cuda_tensor_place *last = &tensors->places[tensors->n - 1];
  bki_status status = bki_cuda_reserve(device, &tensors->block, last->offset + last->count, sizeof(float), err);
  for (size_t i = 0; status == BKI_OK && i < tensors->n; i++) {
    const bki_cuda_tensor_place *place = &tensors->places[i];
    status = bki_cuda_upload(device, (float *)tensors->block.data + place->offset, place->host,
                             place->count * sizeof(float), err);
  }
  if (status != BKI_OK) {
    bki_cuda_tensors_destroy(tensors);
  }
  return status;
}

void bki_cuda_tensors_destroy(bki_cuda_tensors *tensors) {
  bki_cuda_release(&tensors->block);
  free(tensors->places);
  *tensors = (bki_cuda_tensors){0};
}

float *bki_cuda_tensors_find(const bki_cuda_tensors *tensors, const float *host) {
  for (size_t i = 0; i < tensors->n; i++) {
    const bki_cuda_tensor_place *place = &tensors->places[i];
    if (host >= place->host && host < place->host + place->count) {
      return (float *)tensors->block.data + place->offset + (host - place->host);
    }
  }
  assert(!"a tensor of these parameters");
  return NULL;
}
