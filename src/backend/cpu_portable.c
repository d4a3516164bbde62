/* Any machine. Two roundings where the others have one (no fused multiply-add). */
#define V_WIDTH 4
#define V_ROWS 3
#include "cpu_vectors_generic.h"

#include "cpu_kernels_template.h"
#include "cpu_learner_template.h"

const bki_cpu_kernels bki_cpu_kernels_portable = {
    .width = V_WIDTH,
    .product = product,
    .step = step,
    .step_bf16 = step_bf16,
    .train_step = train_step,
    .train_back = train_back,
    .train_outer = train_outer,
    .train_sum = train_sum,
};
