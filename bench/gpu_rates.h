/* Rates of a multiprocessor that the persistent kernels are designed by (kernels/README.md, "Numbers"): loops of one
 * instruction, as the kernels use it. gpu_rates.cu has the loops and their table, gpu_rates.c the program. */
#ifndef BKI_BENCH_GPU_RATES_H
#define BKI_BENCH_GPU_RATES_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BKI_RATE_TABLE_ROWS = 1 << 13, /* of the table that copies are from: 16 MB, which L2 holds */
  BKI_RATE_ROW_BYTES = 2048,
};

/* How long the loop of a block took, by both clocks of a GPU. */
typedef struct bki_rate_span {
  uint64_t cycles;
  uint64_t ns;
} bki_rate_span;

/* Device memory. */
typedef struct bki_rate_work {
  int32_t iterations;
  bki_rate_span *spans; /* [blocks] */
  float *sink;          /* [blocks, threads] what comes out: without it a loop would be left out */
  float *table;         /* [BKI_RATE_TABLE_ROWS] of BKI_RATE_ROW_BYTES */
} bki_rate_work;

typedef struct bki_rate {
  const char *name;
  const char *unit;        /* what is counted */
  double assumed;          /* units a cycle of a multiprocessor, that kernels/README.md computes with */
  double units;            /* of an instruction of a warp */
  const char *symbol;      /* part of the kernel's mangled name */
  const char *instruction; /* as tests/gpu/opcodes.py names it */
  int32_t instructions;    /* of a warp in an iteration */
  int32_t warps;           /* of a block; a multiprocessor has one block */
  int32_t major[2];        /* first and last major compute capability that has the instruction */
  void (*kernel)(bki_rate_work);
} bki_rate;

extern const bki_rate bki_rates[];
extern const int32_t bki_n_rates;

/* Runs the loop in `blocks` blocks with shared_bytes each, which is to be all that a block can have: one block a
 * multiprocessor then. Asynchronous. */
cudaError_t bki_rate_start(const bki_rate *rate, const bki_rate_work *work, int32_t blocks, int32_t shared_bytes,
                           cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
