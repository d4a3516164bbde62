/* One product in cuBLASLt whose algorithm was chosen once.
 *
 * cuBLAS would choose its kernel by the sizes of a call, and another kernel adds in another order. Here the algorithm
 * is chosen for the largest number of columns, without a workspace and without split sums, and used for any number of
 * them, so that a column's result does not depend on the columns beside it. */
#ifndef BKI_BACKEND_CUDA_PRODUCT_H
#define BKI_BACKEND_CUDA_PRODUCT_H

#include "cuda_device.h"

typedef enum bki_cuda_math { BKI_CUDA_FP32, BKI_CUDA_TF32, BKI_CUDA_FP16 } bki_cuda_math;

/* A matrix as it lies in memory, columns first and without gaps: a row-major [m, n] is {n, m}. */
typedef struct bki_cuda_shape {
  int64_t rows;
  int64_t columns;
} bki_cuda_shape;

/* Zero-initialise. */
typedef struct bki_cuda_product {
  bki_cuda_device *device;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t a;
  cublasLtMatrixLayout_t b;
  cublasLtMatrixLayout_t c;
  cublasLtMatmulAlgo_t algorithm;
} bki_cuda_product;

/* c = op(a) . op(b). BKI_CUDA_FP16: a and b are in half precision; sums and c are in fp32 always. Where cublasLt has no
 * algorithm for the way of computing that `math` stands for, it is plain fp32, and device->fell_back tells.
 * `alignment_bytes` is that of all pointers. Errors: BKI_E_DEVICE. */
bki_status bki_cuda_product_create(bki_cuda_product *product, bki_cuda_device *device, bki_cuda_math math,
                                   uint32_t alignment_bytes, bool transpose_a, bool transpose_b, bki_cuda_shape a,
                                   bki_cuda_shape b, bki_cuda_shape c, bki_error *err);
void bki_cuda_product_destroy(bki_cuda_product *product);

/* Sets the columns of one of its layouts. */
bki_status bki_cuda_product_resize(const bki_cuda_product *product, cublasLtMatrixLayout_t layout, int64_t columns,
                                   bki_error *err);
/* c = op(a) . op(b) + add c */
bki_status bki_cuda_product_run(const bki_cuda_product *product, const void *a, const void *b, float add, float *c,
                                cudaStream_t stream, bki_error *err);

#endif
