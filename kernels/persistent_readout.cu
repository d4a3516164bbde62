// Where the persistent kernels leave off: the readouts of the texts themselves.
#include "launch.cuh"
#include "persistent_index.h"

enum { BLOCK = 256 };

// A thread is a number of a readout: direction dir, unit u of text t.
__global__ static void text_readouts(float *readout, const __grid_constant__ bki_k_work w, const int32_t *slots) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const int64_t units = (int64_t)w.n_directions * w.hidden;
  const int64_t text = at / units;
  if (text < w.direction[0].n_texts) {
    const int64_t unit = at % units;
    const float *finals = w.direction[unit / w.hidden].finals;
    readout[slots[text] * units + unit] = finals[text * 2 * w.hidden + unit % w.hidden];
  }
}

extern "C" cudaError_t bki_k_text_readouts(float *readout, const bki_k_work *work, const int32_t *slots,
                                           cudaStream_t stream) {
  const int64_t n = work->direction[0].n_texts * work->n_directions * work->hidden;
  if (n > 0) {
    BKI_LAUNCH(text_readouts, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, readout, *work, slots);
  }
  return cudaGetLastError();
}
