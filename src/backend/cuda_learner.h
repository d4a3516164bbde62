/* Inside of the learner `cuda`: one GPU, one stream, fp32.
 *
 * A batch is uploaded as cuda_batch.h lays it out; every layer runs forward through cuDNN, then head and loss; then all
 * of it back. Kernels of our own do the rest: what the numbers are does not depend on the order in which they run. */
#ifndef BKI_BACKEND_CUDA_LEARNER_H
#define BKI_BACKEND_CUDA_LEARNER_H

#include "cuda_affine.h"
#include "cuda_batch.h"
#include "cuda_rnn.h"
#include "learner.h"

/* A layer at work on a batch of T steps and B rows. */
typedef struct bki_cuda_layer {
  bki_cuda_rnn *rnn;
  size_t space;            /* its weight space begins with this float of `spaces` */
  bki_cuda_buffer x;       /* [T, B, inputs]; not used where dropout leaves the outputs below as they are */
  bki_cuda_buffer y;       /* [T, B, 2H] */
  bki_cuda_buffer reserve; /* what cuDNN keeps for the way back */
} bki_cuda_layer;

/* Of the n texts of a batch. */
typedef struct bki_cuda_learner_head {
  bki_cuda_affine dense; /* not created for D = 0 */
  bki_cuda_affine output;
  bki_cuda_buffer readout;   /* [n, 2H] with dropout */
  bki_cuda_buffer source;    /* int32 [B, 2H] */
  bki_cuda_buffer hidden;    /* [n, D] after the activation */
  bki_cuda_buffer logits;    /* [n, C], then their gradients */
  bki_cuda_buffer d_readout; /* [n, 2H] */
  bki_cuda_buffer d_hidden;  /* [n, D] */
  /* Where the tensors begin in a block of parameters. */
  size_t dense_weight;
  size_t dense_bias;
  size_t output_weight;
  size_t output_bias;
} bki_cuda_learner_head;

enum { BKI_CUDA_BLOCKS = BKI_BLOCK_VARIANCE + 1 };

typedef struct bki_cuda_learner {
  bki_learner base;
  bki_learner_config config;
  const bki_model_config *model;
  bki_cuda_device device;
  cudaStream_t stream;
  cudaEvent_t told;                        /* the losses are on the host */
  size_t count;                            /* of parameters */
  size_t first;                            /* those before it are frozen */
  bki_cuda_buffer blocks[BKI_CUDA_BLOCKS]; /* as bki_block */
  cudnnHandle_t dnn;
  bki_cuda_rnn rnns[2];   /* of the first layer, of the deeper ones */
  bki_cuda_layer *layers; /* [num_layers] */
  size_t spaces_count;    /* floats of the weight spaces of all layers */
  bki_cuda_buffer spaces; /* the parameters of the layers in cuDNN's form */
  bki_cuda_buffer d_spaces;
  bki_cuda_buffer parts; /* bki_k_part [n_parts]: what is where in block and spaces */
  size_t n_parts;
  bool packed; /* `spaces` has the parameters of now */
  bki_cuda_buffer work;
  bki_cuda_buffer dx; /* [T, B, inputs] of the layer on its way back */
  bki_cuda_buffer dy; /* [T, B, 2H] */
  bki_cuda_buffer segment_sums;
  bki_cuda_learner_head head;
  bki_cuda_batch batch;
  bki_cuda_mirror norm;       /* bki_k_norm [1] */
  bki_cuda_buffer norm_parts; /* double [] */
} bki_cuda_learner;

extern const bki_learner_ops bki_learner_cuda;

/* A number of a block on the device; `at` counts all parameters, frozen ones too. */
float *bki_cuda_learner_at(const bki_cuda_learner *l, bki_block block, size_t at);

/* Layers: cuDNN's descriptors and the weight spaces for parameters laid out as `initial`. */
bki_status bki_cuda_layers_create(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err);
void bki_cuda_layers_destroy(bki_cuda_learner *l);
/* Memory for the batch in l->batch; nothing may be at work. */
bki_status bki_cuda_layers_reserve(bki_cuda_learner *l, bool training, bki_error *err);
/* The outputs of the last layer from the ids on the device. */
bki_status bki_cuda_layers_forward(bki_cuda_learner *l, bool training, const bki_k_dropout_mask *mask, bki_error *err);
/* From l->dy of the last layer to the gradients of all layers and of the words. */
bki_status bki_cuda_layers_back(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err);

/* Head: from the outputs of the last layer to the losses, and from there to l->dy. */
bki_status bki_cuda_learner_head_create(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err);
void bki_cuda_learner_head_destroy(bki_cuda_learner *l);
bki_status bki_cuda_learner_head_reserve(bki_cuda_learner *l, bool training, bki_error *err);
bki_status bki_cuda_learner_head_forward(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err);
bki_status bki_cuda_learner_head_back(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err);

/* As update of bki_learner_ops. */
bki_status bki_cuda_learner_update(bki_cuda_learner *l, uint64_t step, double *norm, bki_error *err);

#endif
