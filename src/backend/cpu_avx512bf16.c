/* bfloat16 on the dot products of AVX-512 (VDPBF16PS), the rest on AVX-512.
 *
 * A lane of the instruction is an fp32 sum that takes in two products of bfloat16 numbers. So states and weights lie in
 * pairs of k, (2k, 2k + 1) in 32 bits: a row's pair is broadcast to the lanes, a vector of weights is the pair of 16
 * units of one gate. Sums are rounded to nearest even; denormal factors, products and sums count as zero, whatever
 * MXCSR says. */
#define V_ROWS 6
#include "cpu_vectors_avx512.h"

#include "array.h"
#include "cpu_kernels_template.h"

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* [blocks][pair of k][gate][unit][2] */
static void *pack_bf16(const float *w_hh, size_t hidden) {
  const size_t blocks = divide_up(hidden, V_WIDTH);
  const size_t pairs = divide_up(hidden, 2);
  const size_t count = blocks * pairs * BLOCK * 2;
  uint16_t *packed = bki_array_create_aligned(count, sizeof *packed);
  if (packed == NULL) {
    return NULL;
  }
  memset(packed, 0, count * sizeof *packed);
  for (size_t gate = 0; gate < BKI_CPU_GATES; gate++) {
    for (size_t unit = 0; unit < hidden; unit++) {
      for (size_t k = 0; k < hidden; k++) {
        const size_t vector = ((unit / V_WIDTH) * pairs + k / 2) * BKI_CPU_GATES + gate;
        packed[(vector * V_WIDTH + unit % V_WIDTH) * 2 + k % 2] =
            bki_cpu_to_bf16(w_hh[(gate * hidden + unit) * hidden + k]);
      }
    }
  }
  return packed;
}

/* gates[r] = x[r][column..] + states[r] . w for n rows and one block, pairs of k ascending, all sums in registers. */
V_INLINE void v_dot_tile(int n, const int32_t *states, size_t stride, size_t pairs, const uint16_t *w,
                         const float *const *x, size_t column, float *gates) {
  vf acc[V_ROWS][BKI_CPU_GATES];
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      acc[r][g] = v_load(x[r] + column + g * V_WIDTH);
    }
  }
  for (size_t k = 0; k < pairs; k++, w += 2 * BLOCK) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      vf wg = _mm512_castsi512_ps(_mm512_load_si512(w + 2 * g * V_WIDTH));
      V_KEEP(wg);
      V_UNROLL
      for (int r = 0; r < n; r++) {
        const __m512i pair = _mm512_set1_epi32(states[(size_t)r * stride + k]);
        acc[r][g] = _mm512_dpbf16_ps(acc[r][g], (__m512bh)pair, (__m512bh)wg);
      }
    }
  }
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      v_store(gates + r * BLOCK + g * V_WIDTH, acc[r][g]);
    }
  }
}

#define DOT_TILE(n)                                                                                           \
  static __attribute__((noinline)) void dot_tile_##n(const int32_t *states, size_t stride, size_t pairs,      \
                                                     const uint16_t *w, const float *const *x, size_t column, \
                                                     float *gates) {                                          \
    v_dot_tile(n, states, stride, pairs, w, x, column, gates);                                                \
  }
DOT_TILE(1)
DOT_TILE(2)
DOT_TILE(3)
DOT_TILE(4)
DOT_TILE(5)
DOT_TILE(6)

typedef void (*dot_tile_fn)(const int32_t *states, size_t stride, size_t pairs, const uint16_t *w,
                            const float *const *x, size_t column, float *gates);
static const dot_tile_fn dot_tiles[] = {NULL, dot_tile_1, dot_tile_2, dot_tile_3, dot_tile_4, dot_tile_5, dot_tile_6};

/* The rows' states in bfloat16 pairs, at a distance of `stride` pairs; units beyond the last are zero already. */
static void round_states(const bki_cpu_step *job, size_t stride, int32_t *states) {
  for (size_t r = 0; r < job->n_rows; r++) {
    const float *h = job->h_in + job->row[r] * job->stride;
    for (size_t k = 0; k < stride; k += 8) {
      const __m512 all = v_load(h + 2 * k);
      _mm256_store_si256((__m256i *)(void *)(states + r * stride + k), (__m256i)_mm512_cvtneps_pbh(all));
    }
  }
}

/* Rows first .. first + n, n <= CHUNK: as step_chunk of the template. */
static void dot_chunk(const bki_cpu_step *job, size_t first, size_t n, const int32_t *states, size_t stride) {
  const size_t pairs = divide_up(job->hidden, 2);
  const uint16_t *w = job->packed;
  size_t at[CHUNK];
  _Alignas(64) float gates[GROUP * BLOCK];
  for (size_t r = 0; r < n; r++) {
    at[r] = job->row[first + r] * job->stride;
  }
  for (size_t block = 0; block < job->blocks; block++, w += pairs * 2 * BLOCK) {
    for (size_t group = 0; group < n; group += GROUP) {
      const size_t m = n - group < GROUP ? n - group : GROUP;
      for (size_t r = 0; r < m; r += V_ROWS) {
        const size_t row = first + group + r;
        dot_tiles[m - r < V_ROWS ? m - r : V_ROWS](states + row * stride, stride, pairs, w, job->x + row, block * BLOCK,
                                                   gates + r * BLOCK);
      }
      v_update(m, gates, at + group, job->c + block * V_WIDTH, job->h_out + block * V_WIDTH);
    }
  }
}

static void step_dots(const bki_cpu_step *job) {
  const size_t stride = job->stride / 2;
  int32_t *states = (int32_t *)(void *)job->scratch;
  round_states(job, stride, states);
  for (size_t first = 0; first < job->n_rows; first += CHUNK) {
    dot_chunk(job, first, job->n_rows - first < CHUNK ? job->n_rows - first : CHUNK, states, stride);
  }
}

const bki_cpu_kernels bki_cpu_kernels_avx512bf16 = {
    .width = V_WIDTH, .product = product, .step = step, .step_bf16 = step_dots, .pack_bf16 = pack_bf16};
