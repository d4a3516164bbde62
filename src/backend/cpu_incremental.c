/* Engine `incremental`: what variants have in common is run once. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cpu_run.h"
#include "fail.h"

/* Texts share a batch up to this many rows: short ones would leave register tiles and caches unused. */
enum { BATCH_ROWS = 192 };

/* Texts order[first .. first + n). */
typedef struct batch {
  size_t first;
  size_t n;
} batch;

typedef struct bki_cpu_incremental {
  bki_cpu_pad_states pads[2];
  bki_cpu_workspace *workers;
  int32_t n_workers;
  /* Of the call. */
  bki_extent extent;
  const bki_sequence *sequences;
  const bki_picks *picks; /* of each sequence; NULL: every word */
  bki_scores *scores;
  float *readout;
  float *logits;
  size_t *order; /* sequences, longest first */
  size_t order_capacity;
  batch *batches;
  size_t n_batches;
  size_t batches_capacity;
} bki_cpu_incremental;

bki_status bki_cpu_incremental_create(bki_cpu *cpu, bki_error *err) {
  bki_cpu_incremental *engine = calloc(1, sizeof *engine);
  cpu->incremental = engine;
  if (engine == NULL) {
    return bki_fail_memory(err);
  }
  engine->n_workers = bki_pool_threads(cpu->pool);
  engine->workers = bki_array_create((size_t)engine->n_workers, sizeof *engine->workers);
  if (engine->workers == NULL) {
    return bki_fail_memory(err);
  }
  for (int direction = 0; direction < 2; direction++) {
    BKI_TRY(bki_cpu_pad_states_create(&engine->pads[direction], cpu, direction, err));
  }
  return BKI_OK;
}

void bki_cpu_incremental_destroy(bki_cpu *cpu) {
  bki_cpu_incremental *engine = cpu->incremental;
  if (engine == NULL) {
    return;
  }
  for (int32_t i = 0; engine->workers != NULL && i < engine->n_workers; i++) {
    bki_cpu_workspace_clear(&engine->workers[i]);
  }
  free(engine->workers);
  for (int direction = 0; direction < 2; direction++) {
    bki_cpu_pad_states_clear(&engine->pads[direction]);
  }
  free(engine->order);
  free(engine->batches);
  free(engine);
}

/* Words of sequence i that have a variant. */
static int32_t n_variants(const bki_cpu_incremental *engine, size_t i) {
  return engine->picks != NULL ? engine->picks[i].n : engine->sequences[i].length;
}

/* Cuts the sequences into batches, longest first, and makes room for the largest. */
static bki_status plan_batches(bki_cpu *cpu, size_t n, bki_error *err) {
  bki_cpu_incremental *engine = cpu->incremental;
  BKI_TRY(bki_array_reserve(&engine->order, &engine->order_capacity, n, sizeof *engine->order, err));
  BKI_TRY(bki_array_reserve(&engine->batches, &engine->batches_capacity, n, sizeof *engine->batches, err));
  bki_plan_order(engine->order, engine->sequences, n);
  size_t rows = 0; /* of this batch */
  size_t slots = 0;
  size_t max_rows = 0;
  size_t max_slots = 0;
  engine->n_batches = 0;
  for (size_t i = 0; i < n; i++) {
    const int32_t variants = n_variants(engine, engine->order[i]);
    const size_t added = bki_plan_rows(engine->extent, variants);
    if (i == 0 || rows + added > BATCH_ROWS) {
      engine->batches[engine->n_batches++] = (batch){.first = i};
      rows = slots = 0;
    }
    engine->batches[engine->n_batches - 1].n++;
    rows += added;
    slots += bki_plan_slots(engine->extent, variants);
    max_rows = rows > max_rows ? rows : max_rows;
    max_slots = slots > max_slots ? slots : max_slots;
  }
  for (int32_t i = 0; i < engine->n_workers; i++) {
    BKI_TRY(bki_cpu_workspace_reserve(&engine->workers[i], cpu, max_rows, max_slots, err));
  }
  return BKI_OK;
}

static void plan_text(const bki_cpu *cpu, bki_cpu_workspace *ws, int direction, uint32_t text, size_t sequence) {
  const bki_cpu_incremental *engine = cpu->incremental;
  const int32_t length = ws->texts[text].length;
  if (engine->picks != NULL) {
    bki_plan_picks(ws->rows, &ws->n_rows, cpu->model, direction, &engine->picks[sequence], text, length);
  } else {
    bki_plan_text(ws->rows, &ws->n_rows, cpu->model, direction, engine->extent, text, length);
  }
}

/* Readouts and logits of all slots of a batch. */
static void run_batch(const bki_cpu *cpu, bki_cpu_workspace *ws, const batch *b) {
  const bki_cpu_incremental *engine = cpu->incremental;
  size_t slots = 0;
  ws->n_texts = b->n;
  for (size_t i = 0; i < b->n; i++) {
    const size_t k = engine->order[b->first + i];
    const bki_sequence *sequence = &engine->sequences[k];
    ws->texts[i] = (bki_cpu_text){.ids = sequence->ids, .length = sequence->length, .first_slot = slots};
    slots += bki_plan_slots(engine->extent, n_variants(engine, k));
  }
  for (int direction = 0; direction < 2; direction++) {
    ws->n_rows = 0;
    for (size_t i = 0; i < b->n; i++) {
      plan_text(cpu, ws, direction, (uint32_t)i, engine->order[b->first + i]);
    }
    bki_cpu_run(cpu, &engine->pads[direction], ws, direction);
  }
  for (size_t s = 0; s < slots; s++) {
    ws->readouts[s] = ws->readout + s * ws->readout_stride;
  }
  bki_cpu_head(cpu, slots, ws->readouts, ws->hidden, ws->logits);
}

/* picks NULL: of every word. */
static void score_text(const bki_cpu *cpu, const bki_cpu_workspace *ws, const bki_cpu_text *text,
                       const bki_picks *picks, bki_scores *scores) {
  const float *const *readout = ws->readouts + text->first_slot;
  const float *logits = ws->logits + text->first_slot * cpu->output.stride;
  const size_t l = (size_t)text->length;
  const size_t n = picks != NULL ? (size_t)picks->n : l;
  scores->predicted = bki_cpu_argmax(cpu, logits);
  for (size_t k = 1; k <= n; k++) {
    const size_t at = picks != NULL ? (size_t)picks->position[k - 1] : k - 1;
    scores->score[at] = bki_cpu_distance(cpu, readout[0], readout[k]);
    scores->flip[at] = bki_cpu_argmax(cpu, logits + k * cpu->output.stride) != scores->predicted;
  }
  for (size_t j = 1; cpu->incremental->extent == BKI_EXTENT_PREFIXES && j <= l;
       j++) { /* the prefix of all l words is the text */
    scores->increment[j - 1] = bki_cpu_distance(cpu, readout[j < l ? l + 1 + j : 0], readout[l + j]);
  }
}

static void score_batch(void *context, size_t i, int32_t worker) {
  const bki_cpu *cpu = context;
  const bki_cpu_incremental *engine = cpu->incremental;
  bki_cpu_workspace *ws = &engine->workers[worker];
  const batch *b = &engine->batches[i];
  run_batch(cpu, ws, b);
  for (size_t k = 0; k < b->n; k++) {
    const size_t which = engine->order[b->first + k];
    score_text(cpu, ws, &ws->texts[k], engine->picks == NULL ? NULL : &engine->picks[which], &engine->scores[which]);
  }
}

static void forward_batch(void *context, size_t i, int32_t worker) {
  const bki_cpu *cpu = context;
  const bki_cpu_incremental *engine = cpu->incremental;
  bki_cpu_workspace *ws = &engine->workers[worker];
  const batch *b = &engine->batches[i];
  const size_t units = 2 * cpu->hidden;
  const size_t n_classes = (size_t)cpu->model->n_classes;
  run_batch(cpu, ws, b);
  for (size_t k = 0; k < b->n; k++) {
    const size_t to = engine->order[b->first + k];
    if (engine->readout != NULL) {
      memcpy(engine->readout + to * units, ws->readouts[k], units * sizeof *engine->readout);
    }
    if (engine->logits != NULL) {
      memcpy(engine->logits + to * n_classes, ws->logits + k * cpu->output.stride, n_classes * sizeof *engine->logits);
    }
  }
}

static bki_status score(bki_cpu *cpu, bki_extent extent, const bki_sequence *sequences, const bki_picks *picks,
                        size_t n, bki_scores *scores, bki_error *err) {
  bki_cpu_incremental *engine = cpu->incremental;
  engine->extent = extent;
  engine->sequences = sequences;
  engine->picks = picks;
  engine->scores = scores;
  BKI_TRY(plan_batches(cpu, n, err));
  bki_pool_for(cpu->pool, engine->n_batches, score_batch, cpu);
  return BKI_OK;
}

bki_status bki_cpu_incremental_score(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_scores *scores,
                                     bki_error *err) {
  return score(cpu, cpu->increments ? BKI_EXTENT_PREFIXES : BKI_EXTENT_VARIANTS, sequences, NULL, n, scores, err);
}

bki_status bki_cpu_incremental_score_some(bki_cpu *cpu, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                                          bki_scores *scores, bki_error *err) {
  return score(cpu, BKI_EXTENT_VARIANTS, sequences, picks, n, scores, err);
}

bki_status bki_cpu_incremental_forward(bki_cpu *cpu, const bki_sequence *sequences, size_t n, float *readout,
                                       float *logits, bki_error *err) {
  bki_cpu_incremental *engine = cpu->incremental;
  engine->extent = BKI_EXTENT_WHOLE;
  engine->sequences = sequences;
  engine->picks = NULL;
  engine->readout = readout;
  engine->logits = logits;
  BKI_TRY(plan_batches(cpu, n, err));
  bki_pool_for(cpu->pool, engine->n_batches, forward_batch, cpu);
  return BKI_OK;
}
