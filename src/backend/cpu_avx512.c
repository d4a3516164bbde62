/* AVX-512: a tile of 6 rows x 4 vectors of 16, 24 of the 32 registers. */
#define V_ROWS 6
#include "cpu_vectors_avx512.h"

#include "cpu_kernels_template.h"
#include "cpu_learner_template.h"

const bki_cpu_kernels bki_cpu_kernels_avx512 = {
    .width = V_WIDTH,
    .product = product,
    .step = step,
    .step_bf16 = step_bf16,
    .train_step = train_step,
    .train_back = train_back,
    .train_outer = train_outer,
    .train_sum = train_sum,
};
