/* A trained Bi-LSTM classifier: a directory with config.json, weights.safetensors and vocab.txt.
 *
 *   x_t    = embedding[id_t]                                                            [E]
 *   h, c   = LSTM(x), gate order i, f, g, o, per layer and direction                    [H]
 *   r      = readout of the last layer: [forward half ; backward half]                  [2H]
 *   logits = output.weight . act(dense.weight . r + dense.bias) + output.bias           [C]
 *            (dense = 0: output.weight . r + output.bias)
 *
 * Tensors, as PyTorch names and lays them out: embedding.weight [V,E]; lstm.weight_ih_l{k} [4H,E] (k > 0: [4H,2H]),
 * lstm.weight_hh_l{k} [4H,H], lstm.bias_ih_l{k} [4H], lstm.bias_hh_l{k} [4H] and the same with "_reverse";
 * dense.weight [D,2H], dense.bias [D]; output.weight [C,D], output.bias [C]. F32, F16, BF16 or F64. */
#ifndef BKI_MODEL_H
#define BKI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>
#include <bki/tokenizer.h>
#include <bki/vocabulary.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the head reads. T is the number of steps: the number of words, or pad_length with padding. */
typedef enum bki_readout {
  /* Forward state after the last step, backward state after the first position (PyTorch h_n, Keras Bidirectional). */
  BKI_READOUT_FINAL = 0,
  /* The output at the last position: forward state after it, backward state after this one step (out[:, -1]). */
  BKI_READOUT_LAST,
  BKI_READOUT_MEAN, /* the mean of the outputs over all T positions */
  BKI_READOUT_MAX,  /* the maximum of each unit over all T positions */
} bki_readout;

typedef enum bki_pad {
  BKI_PAD_NONE = 0, /* packed or masked sequences: nothing but words runs through the LSTM */
  BKI_PAD_PRE,      /* "pre:T": pads before the words up to T steps, unmasked */
  BKI_PAD_POST,     /* "post:T": pads after the words */
} bki_pad;

typedef enum bki_pad_vector {
  BKI_PAD_VECTOR_EMBEDDING = 0, /* a pad is the row pad_id of the embedding */
  BKI_PAD_VECTOR_ZERO,          /* a pad is a zero vector */
} bki_pad_vector;

typedef enum bki_keep { BKI_KEEP_TAIL = 0, BKI_KEEP_HEAD } bki_keep; /* which end of a text of too many words is kept */

typedef enum bki_activation {
  BKI_ACTIVATION_RELU = 0,
  BKI_ACTIVATION_TANH,
  BKI_ACTIVATION_NONE,
} bki_activation;

typedef struct bki_model_config {
  int32_t vocabulary_size; /* V, rows of the embedding, at least the words in vocab.txt */
  int32_t embedding_dim;   /* E */
  int32_t hidden;          /* H, per direction */
  int32_t num_layers;
  int32_t dense; /* D; 0: no dense layer */
  bki_activation dense_activation;
  int32_t n_classes;          /* C, at least 2 */
  const char *const *classes; /* [C], NUL-terminated, in the order of the logits */
  bki_readout readout;
  bki_pad pad;
  int32_t pad_length; /* T; 0 without padding */
  bki_pad_vector pad_vector;
  int32_t max_words; /* longer texts lose words at the end that is not kept; at most T with padding */
  bki_keep keep;
  bki_tokenizer_config tokenizer;
  int32_t oov_id; /* id of every unknown word; -1: unknown words are dropped (Keras without oov_token) */
  int32_t pad_id;
} bki_model_config;

/* A text as the model reads it. `oov[i]` is set where word i is not in the vocabulary. */
typedef struct bki_encoding {
  bki_words words;
  int32_t *ids;    /* [words.n_words] */
  uint8_t *oov;    /* [words.n_words] */
  size_t capacity; /* private */
} bki_encoding;

BKI_API void bki_encoding_init(bki_encoding *encoding);
BKI_API void bki_encoding_clear(bki_encoding *encoding);

/* Immutable once loaded: all functions on a const model are thread-safe. */
typedef struct bki_model bki_model;

/* Loads and validates a directory. Errors: BKI_E_IO; BKI_E_DATA with the file and the key or tensor: what was expected
 * and what was found (shapes, sizes, ids out of range, non-finite weights, unknown settings). */
BKI_API bki_status bki_model_load(bki_model **out, const char *directory, bki_error *err);
/* Writes a directory that bki_model_load reads, weights as F32, with the model's self-test. `meta`: a JSON object for
 * the key of that name, or NULL. The same model gives the same bytes. `directory` must not exist; everything is on disk
 * when the call returns, but what a failure or a killed process leaves is not a model: write beside, then rename.
 * Errors: BKI_E_IO; BKI_E_DATA: words that do not fit a line each; BKI_E_INTERNAL. */
BKI_API bki_status bki_model_save(const bki_model *model, const char *directory, const char *meta, bki_error *err);
/* NULL is allowed. */
BKI_API void bki_model_destroy(bki_model *model);

BKI_API const bki_model_config *bki_model_get_config(const bki_model *model);
BKI_API const bki_vocabulary *bki_model_vocabulary(const bki_model *model);
/* Number of trained numbers, embedding included. */
BKI_API int64_t bki_model_n_parameters(const bki_model *model);
/* XXH3-128 over everything that decides a score (settings, classes, words, weights), 32 hexadecimal digits. */
BKI_API const char *bki_model_fingerprint(const bki_model *model);

/* Tokenise, drop unknown words when oov_id is -1, truncate, look up. Thread-safe for different encodings.
 * Errors: as bki_tokenizer_split. */
BKI_API bki_status bki_model_encode(const bki_model *model, bki_str text, bki_encoding *out, bki_error *err);

/* The class of a label: by name, else a canonical decimal number 0 .. C-1; -1 when it is neither. */
BKI_API int32_t bki_model_find_class(const bki_model *model, bki_str label);

/* The same where a label has to be one: else *out is -1 and an error of the status `unknown` says "expected WHAT that
 * the model knows", the classes and the label. */
BKI_API bki_status bki_model_expect_class(const bki_model *model, bki_str label, const char *what, bki_status unknown,
                                          int32_t *out, bki_error *err);

/* The stored self-test: texts with the logits [C] of the framework that trained the model. */
BKI_API size_t bki_model_selftest_count(const bki_model *model);
BKI_API void bki_model_selftest_get(const bki_model *model, size_t i, bki_str *text, const float **logits);

#ifdef __cplusplus
}
#endif

#endif
