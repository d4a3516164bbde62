/* How gradients become steps. g is the gradient of the mean loss over the batch, clipped; t counts steps from 1. */
#ifndef BKI_OPTIMIZER_H
#define BKI_OPTIMIZER_H

#include <stdbool.h>

#include <bki/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_optimizer_type {
  /* m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2               (Kingma & Ba 2015, Algorithm 1)
   * PyTorch: w -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
   * Keras:   w -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon) */
  BKI_OPTIMIZER_ADAM = 0,
  /* v = beta2 v + (1 - beta2) g^2,  w -= lr g / (sqrt(v) + epsilon); beta2 is PyTorch's alpha and Keras' rho */
  BKI_OPTIMIZER_RMSPROP,
} bki_optimizer_type;

/* Whose defaults and initial weights a training follows. */
typedef enum bki_convention {
  /* lr 0.001 (Adam), 0.01 (RMSprop); alpha 0.99; epsilon 1e-8. LSTM U(-k, k), k = 1/sqrt(H); layers U(-k, k), k =
   * 1/sqrt(inputs); embedding N(0, 1). */
  BKI_CONVENTION_PYTORCH = 0,
  /* What the authors' scripts used. lr 0.001; rho 0.9; epsilon 1e-7. W_ih and layers Glorot uniform, W_hh orthogonal,
   * biases 0 but 1 for the forget gate; embedding U(-0.05, 0.05). */
  BKI_CONVENTION_KERAS,
} bki_convention;

typedef struct bki_optimizer_config {
  bki_optimizer_type type;
  bki_convention convention; /* of Adam's epsilon; the initial weights follow bki_train_config */
  double learning_rate;      /* above 0 */
  double beta1;              /* Adam: 0.9; 0 to below 1 */
  double beta2;              /* Adam: 0.999; RMSprop: 0.99 or 0.9; 0 to below 1 */
  double epsilon;            /* above 0 */
  double clip_norm;          /* c, the largest Euclidean norm of all gradients together; above it g is multiplied by
                              * c / (norm + 1e-6), as clip_grad_norm_ does; 0: no clipping */
} bki_optimizer_config;

/* The defaults of a convention; no clipping. */
BKI_API void bki_optimizer_config_init(bki_optimizer_config *config, bki_optimizer_type type,
                                       bki_convention convention);
/* BKI_E_USAGE when a field is out of its range. */
BKI_API bki_status bki_optimizer_config_check(const bki_optimizer_config *config, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
