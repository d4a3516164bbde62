/* bfloat16 on AMX tiles, the rest on AVX-512.
 *
 * A tile is 16 rows of 64 bytes. A: 16 rows x 32 states. B: 16 pairs of k x 16 units of one gate, the two of a pair
 * side by side. C: 16 rows x 16 units of one gate, fp32. The tests include this file with BKI_CPU_AMX_EMULATED, which
 * replaces the tile instructions by loops, so that the rest is tried on any machine. */
#define V_ROWS 6
#ifdef BKI_CPU_AMX_EMULATED
#define V_WIDTH 16
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed between static functions only */
#include "cpu_vectors_generic.h"
#else
#include "cpu_vectors_avx512.h"
#endif

#include "array.h"
#include "cpu_kernels_template.h"

enum { TILE = 16, DEPTH = 32, TILE_NUMBERS = TILE * DEPTH };

/* The layout that ldtilecfg reads. */
typedef struct tile_config {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

/* Tiles 0 .. 3 are C of the gates, 4 is A, 5 is B. */
#ifdef BKI_CPU_AMX_EMULATED
static _Alignas(64) uint8_t emulated[8][TILE][64];

static void emulate_load(int tile, const void *from, size_t stride) {
  for (size_t row = 0; row < TILE; row++) {
    memcpy(emulated[tile][row], (const uint8_t *)from + row * stride, 64);
  }
}
static void emulate_store(int tile, void *to, size_t stride) {
  for (size_t row = 0; row < TILE; row++) {
    memcpy((uint8_t *)to + row * stride, emulated[tile][row], 64);
  }
}
static float emulated_bf16(int tile, size_t row, size_t column) {
  const uint8_t *at = emulated[tile][row] + 2 * column;
  const uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static void emulate_product(int c, int a, int b) {
  for (size_t row = 0; row < TILE; row++) {
    for (size_t column = 0; column < TILE; column++) {
      float sum;
      memcpy(&sum, emulated[c][row] + 4 * column, sizeof sum);
      for (size_t k = 0; k < DEPTH; k++) {
        sum += emulated_bf16(a, row, k) * emulated_bf16(b, k / 2, 2 * column + k % 2);
      }
      memcpy(emulated[c][row] + 4 * column, &sum, sizeof sum);
    }
  }
}
#define TILE_CONFIGURE(config) (void)(config)
#define TILE_RELEASE() (void)0
#define TILE_ZERO(tile) memset(emulated[tile], 0, sizeof emulated[tile])
#define TILE_LOAD(tile, from, stride) emulate_load(tile, from, stride)
#define TILE_STORE(tile, to, stride) emulate_store(tile, to, stride)
#define TILE_PRODUCT(c, a, b) emulate_product(c, a, b)
#else
#define TILE_CONFIGURE(config) _tile_loadconfig(config)
#define TILE_RELEASE() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define TILE_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define TILE_PRODUCT(c, a, b) _tile_dpbf16ps(c, a, b)
#endif

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* [blocks][H / 32][gate][pair of k][unit][2] */
static void *pack_bf16(const float *w_hh, size_t hidden) {
  const size_t blocks = divide_up(hidden, TILE);
  const size_t depth = divide_up(hidden, DEPTH);
  uint16_t *packed = bki_array_create_aligned(blocks * depth * BKI_CPU_GATES * TILE_NUMBERS, sizeof *packed);
  if (packed == NULL) {
    return NULL;
  }
  memset(packed, 0, blocks * depth * BKI_CPU_GATES * TILE_NUMBERS * sizeof *packed);
  for (size_t gate = 0; gate < BKI_CPU_GATES; gate++) {
    for (size_t unit = 0; unit < hidden; unit++) {
      for (size_t k = 0; k < hidden; k++) {
        const size_t tile = ((unit / TILE) * depth + k / DEPTH) * BKI_CPU_GATES + gate;
        const size_t at = (k % DEPTH / 2 * TILE + unit % TILE) * 2 + k % 2;
        packed[tile * TILE_NUMBERS + at] = bki_cpu_to_bf16(w_hh[(gate * hidden + unit) * hidden + k]);
      }
    }
  }
  return packed;
}

/* The rows' states in bfloat16, [n_rows, depth 32]. */
static void round_states(const bki_cpu_step *job, size_t depth, uint16_t *states) {
  for (size_t r = 0; r < job->n_rows; r++) {
    const float *h = job->h_in + job->row[r] * job->stride;
    uint16_t *to = states + r * depth * DEPTH;
    for (size_t k = 0; k < job->hidden; k++) {
      to[k] = bki_cpu_to_bf16(h[k]);
    }
    memset(to + job->hidden, 0, (depth * DEPTH - job->hidden) * sizeof *to);
  }
}

/* gates[16][4][16] = 16 rows of states times a block of weights. */
V_INLINE void multiply(const uint16_t *states, const uint16_t *weights, size_t depth, float *gates) {
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (size_t k = 0; k < depth; k++, weights += BKI_CPU_GATES * TILE_NUMBERS) {
    TILE_LOAD(4, states + k * DEPTH, depth * DEPTH * sizeof *states);
    TILE_LOAD(5, weights, 64);
    TILE_PRODUCT(0, 4, 5);
    TILE_LOAD(6, weights + TILE_NUMBERS, 64);
    TILE_PRODUCT(1, 4, 6);
    TILE_LOAD(7, weights + 2 * TILE_NUMBERS, 64);
    TILE_PRODUCT(2, 4, 7);
    TILE_LOAD(5, weights + 3 * TILE_NUMBERS, 64);
    TILE_PRODUCT(3, 4, 5);
  }
  TILE_STORE(0, gates, BLOCK * sizeof *gates);
  TILE_STORE(1, gates + V_WIDTH, BLOCK * sizeof *gates);
  TILE_STORE(2, gates + 2 * V_WIDTH, BLOCK * sizeof *gates);
  TILE_STORE(3, gates + 3 * V_WIDTH, BLOCK * sizeof *gates);
}

/* The rows of the last tile that are none are computed and left alone. */
static void step_tiles(const bki_cpu_step *job) {
  const size_t depth = divide_up(job->hidden, DEPTH);
  uint16_t *states = (uint16_t *)(void *)job->scratch;
  const uint16_t *weights = job->packed;
  tile_config config = {.palette = 1};
  for (size_t tile = 0; tile < 8; tile++) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = TILE;
  }
  round_states(job, depth, states);
  TILE_CONFIGURE(&config);
  _Alignas(64) float gates[TILE * BLOCK];
  for (size_t block = 0; block < job->blocks; block++, weights += depth * BKI_CPU_GATES * TILE_NUMBERS) {
    for (size_t first = 0; first < job->n_rows; first += TILE) {
      const size_t n = job->n_rows - first < TILE ? job->n_rows - first : TILE;
      size_t at[TILE];
      multiply(states + first * depth * DEPTH, weights, depth, gates);
      for (size_t r = 0; r < n; r++) {
        const float *x = job->x[first + r] + block * BLOCK;
        at[r] = job->row[first + r] * job->stride;
        for (size_t i = 0; i < BLOCK; i += V_WIDTH) {
          v_store(gates + r * BLOCK + i, v_load(gates + r * BLOCK + i) + v_load(x + i));
        }
      }
      v_update(n, gates, at, job->c + block * V_WIDTH, job->h_out + block * V_WIDTH);
    }
  }
  TILE_RELEASE();
}

#ifdef BKI_CPU_AMX_EMULATED
static const bki_cpu_kernels emulated_amx = {
#else
const bki_cpu_kernels bki_cpu_kernels_amx = {
#endif
    .width = V_WIDTH, .product = product, .step = step, .step_bf16 = step_tiles, .pack_bf16 = pack_bf16};
