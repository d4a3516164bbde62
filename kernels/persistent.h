/* Launchers of the persistent kernels: all variants of all texts of a scan, without a step of the host in between.
 * kernels/README.md has the idea; persistent_index.h the layouts as functions, and what builds texts and items.
 *
 * They serve one LSTM layer, one or two directions, readout `final`, no padding, H hidden units a direction. Letters
 * and rules are those of kernels.h: device memory, unless said otherwise; asynchronous; cudaGetLastError().
 *
 * A call of the base kernel runs whole texts and leaves the states that items begin with; a call of the scan kernel
 * with the same arithmetic, behind it on the stream or an event, runs the items. Words are in the order of reading: the
 * backward direction goes through ids with sign -1. Of a text of l words, "variant p" is the text without its word p,
 * p = 0 .. l - 1 in the order of reading:
 *
 *   base   step p reads word p. After every 8 words (8, 16, .. as far as bki_k_text_states says) h and c go to states.
 *          The variant of the last word is scored here: it ends where the text's step l - 1 begins.
 *   item   up to 8 variants p of one text and direction, p <= l - 2, all from one state; its steps read the words from
 *          there to the end of the text. Row r holds (keeps h and c) in step skip[r]. In the last step nobody holds. */
#ifndef BKI_KERNELS_PERSISTENT_H
#define BKI_KERNELS_PERSISTENT_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BKI_K_ITEM_ROWS = 8,    /* rows of an item, and the distance of stored states in words */
  BKI_K_MAX_HIDDEN = 128, /* H is a multiple of 16 up to here */
  BKI_K_HIDDEN_STEP = 16,
};

/* What computes: the instructions and the arithmetic. Scores of a kind do not depend on the batch, the order of items,
 * the GPU's size or timing: the same texts give the same bits. */
typedef enum bki_k_kind {
  BKI_K_FP32,    /* FFMA, every H; from sm_75 */
  BKI_K_HALF,    /* mma.sync: h and W_hh in half precision, sums and c in fp32, tanh.approx; every H; from sm_80 */
  BKI_K_SPLIT,   /* mma.sync: h and W_hh as sums of two halves, three products, accurate sigma and tanh; from sm_80 */
  BKI_K_HALF_WG, /* wgmma: as HALF in arithmetic, not in bits; H = 128; sm_90 alone */
  BKI_K_N_KINDS
} bki_k_kind;

/* What of a GPU the launchers ask for (host memory): cudaDevAttrComputeCapabilityMajor and ..Minor,
 * cudaDevAttrMultiProcessorCount, cudaDevAttrMaxSharedMemoryPerBlockOptin. */
typedef struct bki_k_gpu {
  int32_t major;
  int32_t minor;
  int32_t multiprocessors;
  int32_t shared_bytes;
} bki_k_gpu;

/* A text in one direction, for the base kernel. 32 bytes. */
typedef struct bki_k_text {
  int64_t word;   /* of its first word in the order of reading, in ids */
  int64_t score;  /* of the variant of its last word in the order of reading, in scores */
  int32_t length; /* l >= 1 */
  int32_t number; /* its row of finals */
  int64_t state;  /* row of states of the state after 8 words; the others follow */
} bki_k_text;

/* Variants of one text in one direction. 64 bytes. */
typedef struct bki_k_item {
  int64_t word;    /* that its first step reads, in ids */
  int64_t score;   /* of the variant of that word; of row r: score + sign * skip[r] */
  int64_t state;   /* row of states to begin with; -1: zeros */
  int32_t steps;   /* >= 2 */
  int32_t text;    /* its row of finals */
  int32_t skip[8]; /* ascending, 0 <= skip[r] <= steps - 2; -1: row r has no variant, and must come out as the text */
} bki_k_item;

/* One direction of a model and of the texts at work. */
typedef struct bki_k_direction {
  const void *weights;     /* image of W_hh for the kind: persistent_weights.h */
  const float *table;      /* [V, H / 2, 4, 2] bki_k_gate_scale * (W_ih x + b_ih + b_hh): see bki_k_gate_column;
                              aligned to 16, as weights are */
  const bki_k_text *texts; /* [n_texts] longest first: 8 neighbours share their steps */
  const bki_k_item *items; /* [n_items] most steps first */
  float *states;           /* [.., 2, H] h and c, written by the base kernel; NULL: no items follow. Aligned to 8, as
                              finals and readouts are */
  float *finals;           /* [texts, 2, H] h after the last word, and before it; written by the base kernel */
  int64_t n_texts;
  int64_t n_items;
  int32_t sign; /* 1: words, and scores of one text, ascend in the order of reading; -1: they descend */
  int32_t unused;
} bki_k_direction;

/* How much a call has to do, in steps of its pieces of work (items, or 8 neighbouring texts), all directions together:
 * it decides how many rows a block has, which no result depends on. */
typedef struct bki_k_load {
  int64_t steps;   /* of all pieces */
  int32_t longest; /* of one; 0: not known */
} bki_k_load;

typedef struct bki_k_work {
  bki_k_direction direction[2];
  bki_k_load base;      /* of the base kernel */
  bki_k_load scan;      /* of the scan kernel */
  const int32_t *ids;   /* [words] each 0 .. V - 1 */
  uint32_t *scores;     /* [variants] bits of max_k | h_k - final_k | over both directions: the maximum with what is
                           there, so zeroed beforehand; a NaN is larger than all numbers */
  float *readouts;      /* [variants, n_directions, H] h of every variant, where its score goes; or NULL */
  uint32_t *queue;      /* [2] scratch of a call; calls that run at the same time have their own */
  uint32_t *violations; /* [1] counts up the rows without a variant that do not end as the text does, bit for bit; when
                           it is not what it was before a scan, the scores are worthless */
  int32_t n_directions;
  int32_t hidden; /* H */
} bki_k_work;

/* 1 where the GPU has what the kind takes at this H. */
int bki_k_kind_runs(bki_k_kind kind, int32_t hidden, const bki_k_gpu *gpu);
/* 1 where a call of this load has spread blocks (kernels/README.md): of a kind that runs, FP32 alone has them. */
int bki_k_spreads(bki_k_kind kind, int32_t hidden, const bki_k_load *load, const bki_k_gpu *gpu);

/* The two kernels. `work` and `gpu` are on the host. No texts, or no items: nothing is launched. */
cudaError_t bki_k_base(bki_k_kind kind, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream);
cudaError_t bki_k_scan(bki_k_kind kind, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream);

/* The texts' own readouts from their finals, which are numbered 0 .. n_texts - 1: h of text t, all directions side by
 * side, to row slots[t] of readout [.., n_directions, H]. Behind the base kernel. */
cudaError_t bki_k_text_readouts(float *readout, const bki_k_work *work, const int32_t *slots, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
