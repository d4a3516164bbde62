/* Scores: how far the readout of the Bi-LSTM moves when a word is deleted.
 *
 *   f(w_j) = max_k | h_k(x) - h_k(x without word j) |       (Chen & Dai 2020, Algorithm 1; L-infinity over 2H units)
 *
 * and, on request, the prefix increment of the authors' later version, |h(w_1..w_j) - h(w_1..w_{j-1})|_inf. */
#ifndef BKI_SCORER_H
#define BKI_SCORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_engine {
  /* The fastest that the model allows: persistent on a GPU, incremental, full. On a GPU one that does not work there
   * makes room for the next: bki_scorer_engine_reason. */
  BKI_ENGINE_AUTO = 0,
  BKI_ENGINE_FULL,        /* every variant from end to end: any depth */
  BKI_ENGINE_INCREMENTAL, /* exact sharing between variants: one layer */
  BKI_ENGINE_PERSISTENT,  /* the same sharing, in one launch for all steps: GPU, one layer, see docs/cuda.md */
} bki_engine;

typedef enum bki_precision {
  BKI_PRECISION_FP32 = 0,
  BKI_PRECISION_BF16, /* weights and states rounded to bfloat16 in the recurrent product, sums in fp32; CPU */
  BKI_PRECISION_TF32, /* products in TF32, sums in fp32; GPU */
  BKI_PRECISION_FP16, /* weights and states rounded to half precision, sums in fp32; GPU */
  /* Weights and states as sums of two numbers in half precision: about what fp32 gives; GPU, engine persistent. */
  BKI_PRECISION_SPLIT,
  /* The best words of a text as in fp32, found by scoring all of them in bf16 (CPU) or fp16 (GPU, engine persistent)
   * and those that may be among the best again in fp32. The others keep what the fast precision gave. See
   * bki_scorer_screening. */
  BKI_PRECISION_EXACT,
  BKI_PRECISION_AUTO, /* of a scan: that of the store that it goes on with, else exact; of anything else: fp32 */
} bki_precision;

/* "fp32", "bf16", "tf32", "fp16", "split", "exact", "auto"; NULL for what is none. */
BKI_API const char *bki_precision_name(bki_precision precision);

typedef struct bki_scorer_config {
  /* "auto", "cpu", "cuda", "ref" (slow, the oracle); NULL is "auto": cuda where there is a GPU that does what is asked
   * for here, else cpu. What only a GPU does (devices, precisions) is not left to the CPU. */
  const char *backend;
  bki_engine engine;
  bki_precision precision;
  int32_t top_words;      /* precision exact: so many best words of a text are as in fp32; default, and 0: 5 */
  int32_t threads;        /* 0: one a core that this process may use */
  const char *isa;        /* "auto", "portable", "avx2", "avx512", "avx512bf16", "amx"; NULL is "auto": the best here */
  const int32_t *devices; /* [n_devices] GPUs, each once; none: the first that will do. Read by create only */
  size_t n_devices;
  double gpu_memory; /* share of a GPU's free memory that may be used, above 0 to 1; default, and 0: 0.8 */
  bool increments;   /* compute the prefix increments too (the journal preset needs them; about 1.5x the work) */
} bki_scorer_config;

BKI_API void bki_scorer_config_init(bki_scorer_config *config);
/* Whether this machine has what the settings ask for, as far as that does not depend on a model. Errors: as
 * bki_scorer_create. */
BKI_API bki_status bki_scorer_config_check(const bki_scorer_config *config, bki_error *err);

/* A text as ids. length 0 is allowed. */
typedef struct bki_sequence {
  const int32_t *ids; /* [length], each 0 <= id < V */
  int32_t length;     /* l, at most T with padding */
} bki_sequence;

/* Where the results of one sequence go: arrays of the caller, [length] each. */
typedef struct bki_scores {
  float *score;      /* f */
  float *increment;  /* prefix increments; NULL unless config.increments */
  uint8_t *flip;     /* 1 where the predicted class without the word is another one */
  int32_t predicted; /* out: the class of the whole text; the lowest of equal logits */
  uint8_t *screened; /* 1 where score and flip are not those of fp32 (precision exact); NULL: not wanted */
} bki_scores;

/* One user at a time; it uses its own threads inside. The model has to outlive it. */
typedef struct bki_scorer bki_scorer;

/* Every GPU has to compute what the CPU does, on short texts made of the vocabulary, before it is used. Errors:
 * BKI_E_USAGE (an unknown name, an engine that does not run the model, devices of a CPU), BKI_E_DEVICE (not usable on
 * this machine, or a GPU that computes wrong numbers, with the reason). */
BKI_API bki_status bki_scorer_create(bki_scorer **out, const bki_model *model, const bki_scorer_config *config,
                                     bki_error *err);
/* NULL is allowed. */
BKI_API void bki_scorer_destroy(bki_scorer *scorer);

/* Scores n sequences. The result of a sequence does not depend on the others, on n or on the number of threads. */
BKI_API bki_status bki_scorer_score(bki_scorer *scorer, const bki_sequence *sequences, size_t n, bki_scores *scores,
                                    bki_error *err);

/* The forward pass alone: readout [n, 2H] and logits [n, C], row-major; either may be NULL. */
BKI_API bki_status bki_scorer_forward(bki_scorer *scorer, const bki_sequence *sequences, size_t n, float *readout,
                                      float *logits, bki_error *err);

/* Row-steps (one variant, one direction, one word of a layer) that scoring a sequence of `length` words takes: the
 * measure of work that progress and benchmarks use. It depends on engine and model, not on the backend: l(l-1) for
 * incremental and persistent, 2 num_layers l(l-1) for full, with T in the place of l-1 where the model pads; with
 * increments half as much again, or twice where the model pads. The run of the whole text is not counted. */
BKI_API int64_t bki_scorer_work(const bki_scorer *scorer, int32_t length);

/* What was chosen: "cpu", "incremental", "fp32", "avx2"; the number of threads. Borrowed. Precision exact that screens
 * nothing is "fp32"; else its isa is that of screening and that of fp32, "avx512bf16+avx512". */
BKI_API const char *bki_scorer_backend(const bki_scorer *scorer);
BKI_API const char *bki_scorer_engine(const bki_scorer *scorer);
BKI_API const char *bki_scorer_precision(const bki_scorer *scorer);
BKI_API const char *bki_scorer_isa(const bki_scorer *scorer);
BKI_API int32_t bki_scorer_threads(const bki_scorer *scorer);
/* Why "auto" came to this backend, one line: "GPU 0 is ..." or why there is none. "" when the backend was named. */
BKI_API const char *bki_scorer_reason(const bki_scorer *scorer);
/* Why engine "auto" came to this one and not to a faster one that the model allows, one line; else "". */
BKI_API const char *bki_scorer_engine_reason(const bki_scorer *scorer);

/* What precision `exact` came to, and how it went in all calls of bki_scorer_score so far. */
typedef struct bki_screening {
  /* Of the model: */
  double epsilon;     /* how far screened scores are taken to be from fp32, to begin with; 0: nothing is screened */
  int32_t top_words;  /* so many best words of each text are as in fp32; 0: all */
  char reason[160];   /* why precision exact screens nothing and is fp32, one line; else "" */
  double model_error; /* the largest difference on texts made of the vocabulary */
  double model_share; /* of the words of these texts, scored twice */
  /* Of texts: */
  int64_t n_short;    /* texts too short to screen: fp32 at once */
  int64_t n_screened; /* texts screened */
  int64_t n_words;    /* their words */
  int64_t n_rescored; /* of these words, scored again in fp32 */
  int64_t n_widened;  /* texts for which epsilon is too small, as differences or bistability show: more of their words
                       * were scored again */
} bki_screening;
/* All 0 for every other precision. Borrowed. */
BKI_API const bki_screening *bki_scorer_screening(const bki_scorer *scorer);
/* Whether screening is at work: precision `exact` that did not come to fp32. */
BKI_API bool bki_scorer_screens(const bki_scorer *scorer);

/* Row-steps of a call that gives a slow machine of this kind about a second to do and keeps it busy: a first guess, for
 * callers that measure. */
BKI_API double bki_scorer_second_of_work(const bki_scorer *scorer);

#ifdef __cplusplus
}
#endif

#endif
