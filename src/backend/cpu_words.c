/* The table of projected words. It depends on the word alone, so that one product a word and direction serves the whole
 * corpus; words are added as they turn up, and the table starts over when it has grown too large. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cpu.h"
#include "fail.h"

/* 64,000 words at H = 128. A call with more distinct words than this holds them all the same. */
static const size_t max_table_bytes = (size_t)256 << 20;
enum { ROWS = 64 }; /* words projected at a time */

typedef struct job {
  const bki_cpu *cpu;
  size_t first; /* slots from here on are to be filled */
} job;

static void project(const bki_cpu *cpu, size_t n, const float *const *in, float *out) {
  for (size_t direction = 0; direction < 2; direction++) {
    cpu->kernels->product(&(bki_cpu_product){.n_rows = n,
                                             .in = in,
                                             .depth = (size_t)cpu->model->embedding_dim,
                                             .blocks = cpu->blocks,
                                             .packed = cpu->weights[direction].w_ih,
                                             .bias = cpu->weights[direction].bias,
                                             .out = out + direction * cpu->x_size,
                                             .out_stride = 2 * cpu->x_size});
  }
}

static void project_some(void *context, size_t i, int32_t worker) {
  (void)worker;
  const job *work = context;
  const bki_cpu *cpu = work->cpu;
  const size_t first = work->first + i * ROWS;
  const float *in[ROWS];
  size_t n = 0;
  for (; n < ROWS && first + n < cpu->words.n; n++) {
    in[n] = cpu->embedding + (size_t)cpu->words.ids[first + n] * (size_t)cpu->model->embedding_dim;
  }
  project(cpu, n, in, cpu->words.table + first * 2 * cpu->x_size);
}

/* A pad is a row of the embedding or a zero vector. */
static bki_status project_pad(bki_cpu *cpu, bki_error *err) {
  float *zero = bki_cpu_floats(1, (size_t)cpu->model->embedding_dim);
  cpu->words.pad = bki_cpu_floats(2, cpu->x_size);
  if (zero == NULL || cpu->words.pad == NULL) {
    free(zero);
    return bki_fail_memory(err);
  }
  const float *in = cpu->model->pad_vector == BKI_PAD_VECTOR_ZERO
                        ? zero
                        : cpu->embedding + (size_t)cpu->model->pad_id * (size_t)cpu->model->embedding_dim;
  project(cpu, 1, &in, cpu->words.pad);
  free(zero);
  return BKI_OK;
}

static void forget(bki_cpu *cpu) {
  memset(cpu->words.slot, 0xFF, (size_t)cpu->model->vocabulary_size * sizeof *cpu->words.slot);
  cpu->words.n = 0;
}

bki_status bki_cpu_words_init(bki_cpu *cpu, bki_error *err) {
  const size_t n_words = (size_t)cpu->model->vocabulary_size;
  cpu->words.slot = bki_array_create(n_words, sizeof *cpu->words.slot);
  cpu->words.ids = bki_array_create(n_words, sizeof *cpu->words.ids);
  if (cpu->words.slot == NULL || cpu->words.ids == NULL) {
    return bki_fail_memory(err);
  }
  forget(cpu);
  return cpu->model->pad == BKI_PAD_NONE ? BKI_OK : project_pad(cpu, err);
}

void bki_cpu_words_clear(bki_cpu *cpu) {
  free(cpu->words.slot);
  free(cpu->words.table);
  free(cpu->words.ids);
  free(cpu->words.pad);
}

/* Room for all slots, the first `kept` of which are projected already. */
static bki_status grow_table(bki_cpu *cpu, size_t kept, bki_error *err) {
  bki_cpu_words *words = &cpu->words;
  if (words->n <= words->capacity) {
    return BKI_OK;
  }
  const size_t row = 2 * cpu->x_size;
  size_t limit = max_table_bytes / (row * sizeof *words->table);
  limit = limit < (size_t)cpu->model->vocabulary_size ? limit : (size_t)cpu->model->vocabulary_size;
  size_t capacity = words->n + words->n / 2;
  capacity = capacity < limit ? capacity : limit;
  capacity = capacity > words->n ? capacity : words->n;
  size_t count;
  float *table = bki_size_mul(capacity, row, &count) ? bki_array_create_aligned(count, sizeof *table) : NULL;
  if (table == NULL) {
    return bki_fail_memory(err);
  }
  if (kept > 0) {
    memcpy(table, words->table, kept * row * sizeof *table);
  }
  free(words->table);
  words->table = table;
  words->capacity = capacity;
  return BKI_OK;
}

/* Gives every word of the sequences a slot. */
static void add_words(bki_cpu_words *words, const bki_sequence *sequences, size_t n) {
  for (size_t i = 0; i < n; i++) {
    for (int32_t t = 0; t < sequences[i].length; t++) {
      const int32_t id = sequences[i].ids[t];
      if (words->slot[id] < 0) {
        words->ids[words->n] = id;
        words->slot[id] = (int32_t)words->n++;
      }
    }
  }
}

bki_status bki_cpu_words_prepare(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_error *err) {
  if (cpu->words.n > max_table_bytes / (2 * cpu->x_size * sizeof *cpu->words.table)) {
    forget(cpu);
  }
  const size_t first = cpu->words.n;
  add_words(&cpu->words, sequences, n);
  bki_status status = grow_table(cpu, first, err);
  if (status != BKI_OK) {
    forget(cpu);
    return status;
  }
  bki_pool_for(cpu->pool, (cpu->words.n - first + ROWS - 1) / ROWS, project_some, &(job){cpu, first});
  return BKI_OK;
}
