/* How fast a corpus is cut into records, parsed and turned into ids, on one thread, next to how fast it is scored; in
 * processor time, which is the steadier measure on a busy machine.
 * Usage: bench_read MODEL SCORED CORPUS...   scores the first SCORED records of each (0: none). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bki/bki.h>

typedef struct reading {
  int64_t n_records;
  int64_t n_bytes; /* decompressed */
  double seconds;
} reading;

typedef enum stage { STAGE_CUT = 0, STAGE_PARSE, STAGE_ENCODE, STAGE_SCORE, N_STAGES } stage;
static const char *const stage_names[N_STAGES] = {"cut", "cut + parse", "cut + parse + words + ids", "all + score"};

static double processor_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(bki_status status, const bki_error *err) {
  if (status != BKI_OK) {
    char text[1024];
    fprintf(stderr, "bench_read: %s\n", bki_error_format(err, text, sizeof text));
    exit(status);
  }
}

typedef struct buffers {
  bki_arena *arena;
  bki_encoding encoding;
  float *score;
  uint8_t *flip;
  int32_t capacity;
} buffers;

static void score(bki_scorer *scorer, buffers *b) {
  bki_error err;
  int32_t length = b->encoding.words.n_words;
  if (length > b->capacity) {
    b->capacity = length;
    b->score = realloc(b->score, (size_t)length * sizeof *b->score);
    b->flip = realloc(b->flip, (size_t)length);
    if (b->score == NULL || b->flip == NULL) {
      abort();
    }
  }
  bki_sequence sequence = {.ids = b->encoding.ids, .length = length};
  bki_scores scores = {.score = b->score, .flip = b->flip};
  check(bki_scorer_score(scorer, &sequence, 1, &scores, &err), &err);
}

static reading run(const bki_model *model, bki_scorer *scorer, const char *path, stage last, int64_t limit) {
  bki_error err;
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  config.paths = &path;
  config.n_paths = 1;
  buffers b = {.arena = bki_arena_create()};
  bki_encoding_init(&b.encoding);
  reading out = {0};
  bki_corpus *corpus;
  double begin = processor_seconds();
  check(bki_corpus_open(&corpus, &config, &err), &err);
  for (bool end = false; limit == 0 || out.n_records < limit;) {
    bki_raw_record record;
    check(bki_corpus_next(corpus, &record, &end, &err), &err);
    if (end) {
      break;
    }
    out.n_records++;
    out.n_bytes += (int64_t)record.raw.size;
    if (last >= STAGE_PARSE) {
      bki_fields fields;
      bki_arena_reset(b.arena);
      check(bki_corpus_parse(corpus, &record, b.arena, &fields, &err), &err);
      if (last >= STAGE_ENCODE) {
        check(bki_model_encode(model, fields.text, &b.encoding, &err), &err);
      }
    }
    if (last >= STAGE_SCORE) {
      score(scorer, &b);
    }
  }
  out.seconds = processor_seconds() - begin;
  bki_corpus_close(corpus);
  bki_encoding_clear(&b.encoding);
  bki_arena_destroy(b.arena);
  free(b.score);
  free(b.flip);
  return out;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fputs("usage: bench_read MODEL SCORED CORPUS...\n", stderr);
    return BKI_E_USAGE;
  }
  bki_error err;
  bki_model *model;
  bki_scorer *scorer;
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.threads = 1;
  check(bki_model_load(&model, argv[1], &err), &err);
  check(bki_scorer_create(&scorer, model, &config, &err), &err);
  int64_t n_scored = strtoll(argv[2], NULL, 10);
  puts("| corpus | stage | records | MB (decompressed) | MB/s |\n|---|---|---|---|---|");
  for (int i = 3; i < argc; i++) {
    const char *slash = strrchr(argv[i], '/');
    for (int last = STAGE_CUT; last < (n_scored > 0 ? N_STAGES : STAGE_SCORE); last++) {
      reading r = run(model, scorer, argv[i], (stage)last, last == STAGE_SCORE ? n_scored : 0);
      double megabytes = (double)r.n_bytes / 1e6;
      double rate = megabytes / r.seconds;
      printf("| %s | %s | %" PRId64 " | %.2f | %.*f |\n", slash == NULL ? argv[i] : slash + 1, stage_names[last],
             r.n_records, megabytes,
             rate < 1     ? 4
             : rate < 100 ? 1
                          : 0,
             rate);
      fflush(stdout);
    }
  }
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  return BKI_OK;
}
