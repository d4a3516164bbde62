/* What a multiprocessor does in a cycle, measured: one row of CSV for each rate of the table in gpu_rates.cu.
 *
 *   bench_gpu_rates [device=0] [cycles=4000000] [repeats=9]
 *   bench_gpu_rates header
 *   bench_gpu_rates list
 *
 * A loop runs in one block on every multiprocessor, for about so many cycles if the assumed rate is true, after a first
 * time that is not counted. `measured` is by the multiprocessors' own clocks, `by_time` by events around the launch and
 * `clock_mhz` (cycles of a block by its nanoseconds): of all repeats, and of the blocks in each, the median. They
 * differ by what a launch takes, and by more where a multiprocessor did not have its block alone. `list` prints what
 * each kernel is made of: name, a part of its mangled name, instruction, so many of them, first and last major compute
 * capability; it needs no GPU. Exit code: 0; 2 for options; 5 without a GPU, or when it fails. */
#include "gpu_rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synthetic.h"

enum { MAX_REPEATS = 99, EXIT_OPTIONS = 2, EXIT_DEVICE = 5 };

typedef struct options {
  int32_t device;
  int32_t cycles;
  int32_t repeats;
} options;

/* What all rates are measured with. */
typedef struct bench {
  int32_t major;
  int32_t multiprocessors;
  int32_t shared_bytes;
  cudaStream_t stream;
  cudaEvent_t begin;
  cudaEvent_t end;
  bki_rate_work work;
  bki_rate_span *spans; /* [multiprocessors] on the host */
  double *numbers;      /* [multiprocessors] of which a median is looked for */
} bench;

/* [repeats] each */
typedef struct samples {
  double rate[MAX_REPEATS];
  double by_time[MAX_REPEATS];
  double clock_mhz[MAX_REPEATS];
  double seconds[MAX_REPEATS];
} samples;

static _Noreturn void die(int code, const char *what, const char *why) {
  fprintf(stderr, "bench_gpu_rates: %s: %s\n", what, why);
  exit(code);
}

static void check(cudaError_t status, const char *what) {
  if (status != cudaSuccess) {
    die(EXIT_DEVICE, what, cudaGetErrorString(status));
  }
}

static int32_t attribute(enum cudaDeviceAttr which, int32_t device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

/* Zeros in device memory. */
static void *allocate(const bench *b, size_t bytes) {
  void *memory = NULL;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  check(cudaMemsetAsync(memory, 0, bytes, b->stream), "cudaMemsetAsync");
  return memory;
}

static bench open_device(int32_t device) {
  enum { MAX_THREADS = 1024 };
  bench b = {0};
  check(cudaSetDevice(device), "cudaSetDevice");
  b.major = attribute(cudaDevAttrComputeCapabilityMajor, device);
  b.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
  b.shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  check(cudaStreamCreateWithFlags(&b.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaEventCreateWithFlags(&b.begin, cudaEventDefault), "cudaEventCreateWithFlags");
  check(cudaEventCreateWithFlags(&b.end, cudaEventDefault), "cudaEventCreateWithFlags");
  const size_t n = (size_t)b.multiprocessors;
  b.work.spans = allocate(&b, n * sizeof *b.work.spans);
  b.work.sink = allocate(&b, n * MAX_THREADS * sizeof *b.work.sink);
  b.work.table = allocate(&b, (size_t)BKI_RATE_TABLE_ROWS * BKI_RATE_ROW_BYTES);
  check(cudaMallocHost((void **)&b.spans, n * sizeof *b.spans), "cudaMallocHost");
  b.numbers = malloc(n * sizeof *b.numbers);
  if (b.numbers == NULL) {
    die(EXIT_DEVICE, "malloc", "out of memory");
  }
  return b;
}

static void close_device(bench *b) {
  free(b->numbers);
  cudaFreeHost(b->spans);
  cudaFree(b->work.table);
  cudaFree(b->work.sink);
  cudaFree(b->work.spans);
  cudaEventDestroy(b->end);
  cudaEventDestroy(b->begin);
  cudaStreamDestroy(b->stream);
}

/* Units that a block counts in an iteration. */
static double units_of(const bki_rate *rate) {
  return rate->units * rate->instructions * rate->warps;
}

static double run_seconds(bench *b, const bki_rate *rate) {
  const size_t bytes = (size_t)b->multiprocessors * sizeof *b->spans;
  check(cudaEventRecord(b->begin, b->stream), "cudaEventRecord");
  check(bki_rate_start(rate, &b->work, b->multiprocessors, b->shared_bytes, b->stream), rate->name);
  check(cudaEventRecord(b->end, b->stream), "cudaEventRecord");
  check(cudaMemcpyAsync(b->spans, b->work.spans, bytes, cudaMemcpyDeviceToHost, b->stream), rate->name);
  check(cudaStreamSynchronize(b->stream), rate->name);
  float ms = 0;
  check(cudaEventElapsedTime(&ms, b->begin, b->end), "cudaEventElapsedTime");
  return 1e-3 * (double)ms;
}

static void add_sample(samples *s, int32_t i, bench *b, const bki_rate *rate) {
  const double units = units_of(rate) * b->work.iterations;
  s->seconds[i] = run_seconds(b, rate);
  for (int32_t block = 0; block < b->multiprocessors; block++) {
    b->numbers[block] = units / (double)b->spans[block].cycles;
  }
  s->rate[i] = synthetic_median(b->numbers, b->multiprocessors);
  for (int32_t block = 0; block < b->multiprocessors; block++) {
    b->numbers[block] = 1e3 * (double)b->spans[block].cycles / (double)b->spans[block].ns;
  }
  s->clock_mhz[i] = synthetic_median(b->numbers, b->multiprocessors);
  s->by_time[i] = units / (s->seconds[i] * s->clock_mhz[i] * 1e6);
}

static void measure(bench *b, const bki_rate *rate, const options *o) {
  b->work.iterations = (int32_t)fmax(2, round(o->cycles * rate->assumed / units_of(rate)));
  samples s;
  run_seconds(b, rate);
  for (int32_t i = 0; i < o->repeats; i++) {
    add_sample(&s, i, b, rate);
  }
  const double measured = synthetic_median(s.rate, o->repeats);
  printf("%s,%s,%g,%.4g,%.3f,%.4g,%.0f,%.6f,%d\n", rate->name, rate->unit, rate->assumed, measured,
         measured / rate->assumed, synthetic_median(s.by_time, o->repeats), synthetic_median(s.clock_mhz, o->repeats),
         synthetic_median(s.seconds, o->repeats), o->repeats);
  fflush(stdout);
}

static void list(void) {
  for (int32_t i = 0; i < bki_n_rates; i++) {
    const bki_rate *r = &bki_rates[i];
    printf("%s,%s,%s,%d,%d,%d\n", r->name, r->symbol, r->instruction, r->instructions, r->major[0], r->major[1]);
  }
}

static void set_option(options *o, const char *argument) {
  const struct {
    const char *name;
    int32_t *value;
    long least;
    long most;
  } numbers[] = {{"device=", &o->device, 0, INT32_MAX},
                 {"cycles=", &o->cycles, 1, INT32_MAX},
                 {"repeats=", &o->repeats, 1, MAX_REPEATS}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    const size_t n = strlen(numbers[i].name);
    if (strncmp(argument, numbers[i].name, n) == 0) {
      char *end;
      const long value = strtol(argument + n, &end, 10);
      if (end != argument + n && *end == '\0' && value >= numbers[i].least && value <= numbers[i].most) {
        *numbers[i].value = (int32_t)value;
        return;
      }
    }
  }
  die(EXIT_OPTIONS, argument, "expected device=0.., cycles=1.., repeats=1..99, or one of header and list");
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "header") == 0) {
    puts("rate,unit,assumed,measured,ratio,by_time,clock_mhz,seconds,repeats");
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "list") == 0) {
    list();
    return 0;
  }
  options o = {.device = 0, .cycles = 4000000, .repeats = 9};
  for (int i = 1; i < argc; i++) {
    set_option(&o, argv[i]);
  }
  bench b = open_device(o.device);
  for (int32_t i = 0; i < bki_n_rates; i++) {
    const bki_rate *rate = &bki_rates[i];
    if (b.major >= rate->major[0] && b.major <= rate->major[1]) {
      measure(&b, rate, &o);
    } else {
      fprintf(stderr, "bench_gpu_rates: skipped: %s: not on this GPU\n", rate->name);
    }
  }
  close_device(&b);
  return 0;
}
