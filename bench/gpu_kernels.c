/* The persistent kernels by themselves, as rows of bench_gpu's table: a base run and a scan of a whole corpus, one
 * launch each, by events on the device.
 *
 *   bench_gpu_kernels [lengths=imdb-whole] [texts=10000] [kind=fp32|half|split|half-wg] [vocabulary=20000] [seconds=1]
 *                     [blocks=engine|other]
 *
 * Random weights and inputs, H = 128, both directions. States and finals are no numbers before each run; a
 * run whose scores are not the bytes of the run before, and rows without a variant that do not end as their text does,
 * end the program with 1. Where the kind does not run on the GPU it ends with 77, and without a GPU with 5. The rows
 * have the median of the runs that fill `seconds` (one at least) after a first one. Blocks are spread where the
 * engine's are, or, with blocks=other, where they are not; a kind that has no others ends with 77. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistent_weights.h"
#include "synthetic.h"

#ifndef BKI_PING_PONG
#define BKI_PING_PONG 1
#endif

enum { H = 128, MAX_RUNS = 100, MAX_MEMORIES = 32, EXIT_DIFFERENT = 1, EXIT_DEVICE = 5, EXIT_SKIPPED = 77 };

static const struct {
  const char *name;
  const char *precision;
  const char *how; /* beside the name of the kernel */
} kinds[BKI_K_N_KINDS] = {[BKI_K_FP32] = {"fp32", "fp32", ""},
                          [BKI_K_HALF] = {"half", "fp16", " mma"},
                          [BKI_K_SPLIT] = {"split", "split", ""},
                          [BKI_K_HALF_WG] = {"half-wg", "fp16", BKI_PING_PONG ? " wgmma" : " wgmma without ping-pong"}};

typedef struct options {
  const char *lengths;
  int32_t n_texts;
  int32_t vocabulary;
  int kind;
  double seconds;
  bool other_blocks;
} options;

typedef struct bench {
  bki_k_gpu gpu;
  cudaStream_t stream;
  cudaEvent_t events[3]; /* before the base run, between, behind the scan */
  bki_k_work work;
  size_t state_bytes; /* of a direction */
  size_t final_bytes;
  uint32_t *scores;             /* [words + 1] on the host, of the last run; the violations are the last */
  void *memories[MAX_MEMORIES]; /* all on the device */
  int n_memories;
} bench;

static void check(cudaError_t status, const char *what) {
  if (status != cudaSuccess) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, cudaGetErrorString(status));
    exit(EXIT_DEVICE);
  }
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) {
    synthetic_die("out of memory");
  }
  return memory;
}

static void *device_memory(bench *b, size_t bytes) {
  void **memory = &b->memories[b->n_memories++];
  check(cudaMalloc(memory, bytes > 0 ? bytes : 1), "cudaMalloc");
  return *memory;
}

/* To the device; frees what was on the host. */
static void *upload(bench *b, void *host, size_t bytes) {
  void *memory = device_memory(b, bytes);
  void *pinned = NULL;
  check(cudaMallocHost(&pinned, bytes > 0 ? bytes : 1), "cudaMallocHost");
  memcpy(pinned, host, bytes);
  check(cudaMemcpyAsync(memory, pinned, bytes, cudaMemcpyHostToDevice, b->stream), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(b->stream), "cudaStreamSynchronize");
  check(cudaFreeHost(pinned), "cudaFreeHost");
  free(host);
  return memory;
}

static int32_t attribute(enum cudaDeviceAttr which) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, 0), "cudaDeviceGetAttribute");
  return value;
}

static bench open_device(void) {
  bench b = {0};
  check(cudaSetDevice(0), "cudaSetDevice");
  b.gpu = (bki_k_gpu){.major = attribute(cudaDevAttrComputeCapabilityMajor),
                      .minor = attribute(cudaDevAttrComputeCapabilityMinor),
                      .multiprocessors = attribute(cudaDevAttrMultiProcessorCount),
                      .shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)};
  check(cudaStreamCreateWithFlags(&b.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  for (int i = 0; i < 3; i++) {
    check(cudaEventCreateWithFlags(&b.events[i], cudaEventDefault), "cudaEventCreateWithFlags");
  }
  return b;
}

static float *random_numbers(size_t n, double bound) {
  float *x = allocate(n, sizeof *x);
  for (size_t i = 0; i < n; i++) {
    x[i] = (float)(bound * (2 * synthetic_uniform() - 1));
  }
  return x;
}

static const void *make_weights(bench *b, bki_k_kind kind) {
  const size_t bytes = (size_t)bki_k_weights_bytes(kind, H);
  void *image = allocate(1, bytes);
  float *w = random_numbers((size_t)4 * H * H, 1 / sqrt(H));
  bki_k_pack_weights(kind, image, w, H); /* which holds such small ones */
  free(w);
  return upload(b, image, bytes);
}

static int longest_first(const void *a, const void *b) {
  return ((const bki_sequence *)b)->length - ((const bki_sequence *)a)->length;
}
static int most_steps_first(const void *a, const void *b) {
  return ((const bki_k_item *)b)->steps - ((const bki_k_item *)a)->steps;
}

static void add_load(bki_k_load *load, int32_t steps) {
  load->steps += steps;
  load->longest = steps > load->longest ? steps : load->longest;
}

/* Texts and items of one direction; c is sorted. */
static void add_work(bench *b, bki_k_direction *d, const synthetic_corpus *c, int32_t sign) {
  bki_k_text *texts = allocate(c->n, sizeof *texts);
  int64_t word = 0;
  int64_t states = 0;
  for (size_t i = 0; i < c->n; i++) {
    const int32_t length = c->sequences[i].length;
    texts[i] = bki_k_make_text(word, word, length, (int32_t)i, states, sign);
    if (i % BKI_K_ITEM_ROWS == 0) {
      add_load(&b->work.base, length);
    }
    word += length;
    states += bki_k_text_states(length);
    d->n_items += bki_k_text_items(length);
  }
  bki_k_item *items = allocate((size_t)d->n_items, sizeof *items);
  size_t n = 0;
  for (size_t i = 0; i < c->n; i++) {
    for (int32_t k = 0; k < bki_k_text_items(texts[i].length); k++) {
      items[n] = bki_k_scan_item(&texts[i], k, sign);
      add_load(&b->work.scan, items[n++].steps);
    }
  }
  qsort(items, n, sizeof *items, most_steps_first);
  d->n_texts = (int64_t)c->n;
  d->sign = sign;
  d->texts = upload(b, texts, c->n * sizeof *texts);
  d->items = upload(b, items, n * sizeof *items);
  b->state_bytes = (size_t)states * 2 * H * sizeof(float);
  b->final_bytes = c->n * 2 * H * sizeof(float);
  d->states = device_memory(b, b->state_bytes);
  d->finals = device_memory(b, b->final_bytes);
}

static void make_work(bench *b, const synthetic_corpus *c, const options *o) {
  int32_t *ids = allocate(c->n_words, sizeof *ids);
  size_t word = 0;
  for (size_t i = 0; i < c->n; i++) {
    memcpy(ids + word, c->sequences[i].ids, (size_t)c->sequences[i].length * sizeof *ids);
    word += (size_t)c->sequences[i].length;
  }
  b->work = (bki_k_work){.ids = upload(b, ids, c->n_words * sizeof *ids),
                         .scores = device_memory(b, c->n_words * sizeof *b->work.scores),
                         .queue = device_memory(b, 2 * sizeof *b->work.queue),
                         .violations = device_memory(b, sizeof *b->work.violations),
                         .n_directions = 2,
                         .hidden = H};
  for (int half = 0; half < 2; half++) {
    bki_k_direction *d = &b->work.direction[half];
    const size_t n = (size_t)o->vocabulary * 4 * H;
    d->weights = make_weights(b, (bki_k_kind)o->kind);
    d->table = upload(b, random_numbers(n, 0.75), n * sizeof(float));
    add_work(b, d, c, half == 0 ? 1 : -1);
  }
  check(cudaMallocHost((void **)&b->scores, (c->n_words + 1) * sizeof *b->scores), "cudaMallocHost");
}

static const bki_k_load uneven = {.longest = 1}; /* has spread blocks wherever there are any */

static bool is_spread(const options *o, const bki_k_load *load, const bki_k_gpu *gpu) {
  return bki_k_spreads((bki_k_kind)o->kind, H, load, gpu);
}

/* A load that has the blocks that this one does not have. */
static bki_k_load other_load(const options *o, const bki_k_load *load, const bki_k_gpu *gpu) {
  return is_spread(o, load, gpu) ? (bki_k_load){0} : uneven;
}

/* Both kernels once, and the seconds of each. */
static void run(bench *b, bki_k_kind kind, size_t n_words, double seconds[2]) {
  const size_t bytes = n_words * sizeof *b->scores;
  for (int half = 0; half < 2; half++) {
    const bki_k_direction *d = &b->work.direction[half];
    check(cudaMemsetAsync(d->states, 0xff, b->state_bytes, b->stream), "cudaMemsetAsync");
    check(cudaMemsetAsync(d->finals, 0xff, b->final_bytes, b->stream), "cudaMemsetAsync");
  }
  check(cudaMemsetAsync(b->work.scores, 0, bytes, b->stream), "cudaMemsetAsync");
  check(cudaMemsetAsync(b->work.violations, 0, sizeof *b->work.violations, b->stream), "cudaMemsetAsync");
  check(cudaEventRecord(b->events[0], b->stream), "cudaEventRecord");
  check(bki_k_base(kind, &b->work, &b->gpu, b->stream), "base kernel");
  check(cudaEventRecord(b->events[1], b->stream), "cudaEventRecord");
  check(bki_k_scan(kind, &b->work, &b->gpu, b->stream), "scan kernel");
  check(cudaEventRecord(b->events[2], b->stream), "cudaEventRecord");
  check(cudaMemcpyAsync(b->scores, b->work.scores, bytes, cudaMemcpyDeviceToHost, b->stream), "cudaMemcpyAsync");
  check(cudaMemcpyAsync(b->scores + n_words, b->work.violations, sizeof *b->scores, cudaMemcpyDeviceToHost, b->stream),
        "cudaMemcpyAsync");
  check(cudaStreamSynchronize(b->stream), "kernels");
  for (int i = 0; i < 2; i++) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, b->events[i], b->events[i + 1]), "cudaEventElapsedTime");
    seconds[i] = 1e-3 * (double)ms;
  }
}

static _Noreturn void die_different(const char *what, uint32_t n) {
  fprintf(stderr, "%s: %s: %u\n", program_invocation_short_name, what, n);
  exit(EXIT_DIFFERENT);
}

/* The scores of a run; every one is a number. */
static uint64_t check_scores(const bench *b, size_t n_words) {
  if (b->scores[n_words] != 0) {
    die_different("rows that leave out no word and do not end as their text does", b->scores[n_words]);
  }
  for (size_t i = 0; i < n_words; i++) {
    if (b->scores[i] > bki_k_float_bits(INFINITY)) {
      die_different("no number is the score of word", (uint32_t)i);
    }
  }
  return synthetic_digest(SYNTHETIC_DIGEST, b->scores, n_words * sizeof *b->scores);
}

static void print_row(const options *o, const synthetic_corpus *c, const char *kernel, bool spread, int64_t row_steps,
                      double *runs, int n_runs, uint64_t digest) {
  double squares = 0;
  for (size_t i = 0; i < c->n; i++) {
    squares += (double)c->sequences[i].length * c->sequences[i].length;
  }
  printf("kernel,%s,%zu,%.1f,%.0f,%s%s%s,%s,,%d,,%" PRId64 ",%" PRId64 ",%.6f,%d,%016" PRIx64 ",,,\n", o->lengths, c->n,
         (double)c->n_words / (double)c->n, squares / (double)c->n, kernel, kinds[o->kind].how, spread ? " spread" : "",
         kinds[o->kind].precision, H, row_steps, row_steps, synthetic_median(runs, n_runs), n_runs, digest);
}

/* Row-steps of both directions: a text's words; of its variants, the steps that nobody shares. */
static void measure(bench *b, const options *o, const synthetic_corpus *c) {
  double base[MAX_RUNS];
  double scan[MAX_RUNS];
  double seconds[2];
  int n_runs = 0;
  run(b, (bki_k_kind)o->kind, c->n_words, seconds); /* loads the kernels */
  const uint64_t digest = check_scores(b, c->n_words);
  for (double total = 0; n_runs == 0 || (total < o->seconds && n_runs < MAX_RUNS); total += seconds[0] + seconds[1]) {
    run(b, (bki_k_kind)o->kind, c->n_words, seconds);
    base[n_runs] = seconds[0];
    scan[n_runs++] = seconds[1];
    if (check_scores(b, c->n_words) != digest) {
      die_different("other scores than in the run before, in run", (uint32_t)n_runs);
    }
  }
  int64_t variants = 0;
  for (size_t i = 0; i < c->n; i++) {
    variants += (int64_t)c->sequences[i].length * (c->sequences[i].length - 1);
  }
  print_row(o, c, "base kernel", is_spread(o, &b->work.base, &b->gpu), 2 * (int64_t)c->n_words, base, n_runs, digest);
  print_row(o, c, "scan kernel", is_spread(o, &b->work.scan, &b->gpu), variants, scan, n_runs, digest);
}

static void close_device(bench *b) {
  for (int i = 0; i < b->n_memories; i++) {
    cudaFree(b->memories[i]);
  }
  cudaFreeHost(b->scores);
  for (int i = 0; i < 3; i++) {
    cudaEventDestroy(b->events[i]);
  }
  cudaStreamDestroy(b->stream);
}

static void set_kind(options *o, const char *name) {
  for (o->kind = 0; o->kind < BKI_K_N_KINDS; o->kind++) {
    if (strcmp(name, kinds[o->kind].name) == 0) {
      return;
    }
  }
  synthetic_die("expected kind fp32, half, split or half-wg");
}

static void set_blocks(options *o, const char *name) {
  o->other_blocks = strcmp(name, "other") == 0;
  if (!o->other_blocks && strcmp(name, "engine") != 0) {
    synthetic_die("expected blocks engine or other");
  }
}

static void set_option(options *o, const char *argument) {
  const char *value = strchr(argument, '=');
  if (value == NULL) {
    synthetic_die("expected name=value");
  }
  value++;
  const size_t n = (size_t)(value - argument);
  if (strncmp(argument, "lengths=", n) == 0) {
    o->lengths = value;
  } else if (strncmp(argument, "kind=", n) == 0) {
    set_kind(o, value);
  } else if (strncmp(argument, "blocks=", n) == 0) {
    set_blocks(o, value);
  } else if (strncmp(argument, "texts=", n) == 0) {
    o->n_texts = synthetic_number(value);
  } else if (strncmp(argument, "vocabulary=", n) == 0) {
    o->vocabulary = synthetic_number(value);
  } else if (strncmp(argument, "seconds=", n) == 0) {
    o->seconds = atof(value);
  } else {
    synthetic_die("unknown option");
  }
}

static bool runs(const options *o, const bki_k_gpu *gpu) {
  return bki_k_kind_runs((bki_k_kind)o->kind, H, gpu) && (!o->other_blocks || is_spread(o, &uneven, gpu));
}

int main(int argc, char **argv) {
  options o = {.lengths = "imdb-whole", .n_texts = 10000, .vocabulary = 20000, .kind = BKI_K_FP32, .seconds = 1};
  for (int i = 1; i < argc; i++) {
    set_option(&o, argv[i]);
  }
  if (o.n_texts < 1 || o.vocabulary < 1) {
    synthetic_die("expected one text and one word at least");
  }
  bench b = open_device();
  if (!runs(&o, &b.gpu)) {
    fprintf(stderr, "%s: skipped: kind %s%s does not run here\n", program_invocation_short_name, kinds[o.kind].name,
            o.other_blocks ? " with other blocks" : "");
    close_device(&b);
    return EXIT_SKIPPED;
  }
  synthetic_corpus c = synthetic_corpus_create((size_t)o.n_texts, o.lengths, o.vocabulary, false);
  qsort(c.sequences, c.n, sizeof *c.sequences, longest_first);
  make_work(&b, &c, &o);
  if (o.other_blocks) {
    b.work.base = other_load(&o, &b.work.base, &b.gpu);
    b.work.scan = other_load(&o, &b.work.scan, &b.gpu);
  }
  measure(&b, &o, &c);
  close_device(&b);
  synthetic_corpus_destroy(&c);
  return 0;
}
