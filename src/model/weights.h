/* weights.safetensors of a model directory. All errors: BKI_E_DATA with `path` and the tensor. */
#ifndef BKI_MODEL_WEIGHTS_H
#define BKI_MODEL_WEIGHTS_H

#include <bki/model.h>
#include <bki/safetensors.h>

/* V, the rows of embedding.weight, which config.json does not say. */
bki_status bki_weights_read_vocabulary_size(const bki_safetensors *file, const char *path, int32_t *out,
                                            bki_error *err);

/* Every tensor that the settings ask for is there with its shape, and no other: a tensor that went unused would say
 * that the settings are not those of the weights. To be called before anything is allocated by sizes that the settings
 * only claim. */
bki_status bki_weights_check(const bki_safetensors *file, const bki_model_config *config, const char *path,
                             bki_error *err);

/* All tensors, checked before, one after the other into the block of parameters. */
bki_status bki_weights_read(const bki_safetensors *file, const bki_model_config *config, float *block, bki_error *err);

#endif
