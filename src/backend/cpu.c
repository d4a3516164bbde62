/* The fast backend: own kernels for the instruction set that is found, threaded over texts. */
#include "cpu.h"

#include <stdlib.h>

#include "fail.h"

static bool has_incremental(const bki_model_config *model) {
  return model->num_layers == 1;
}

static void destroy(bki_backend *backend) {
  bki_cpu *cpu = (bki_cpu *)backend;
  bki_cpu_incremental_destroy(cpu);
  bki_cpu_full_destroy(cpu);
  bki_cpu_words_clear(cpu);
  bki_cpu_weights_clear(cpu);
  free(cpu);
}

static bki_status create(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                         const bki_backend_config *config, bki_error *err) {
  const bki_cpu_kernels *kernels;
  const char *isa;
  if (config->precision != BKI_PRECISION_FP32 && config->precision != BKI_PRECISION_BF16) {
    return bki_fail(err, BKI_E_USAGE, "backend cpu: expected precision fp32 or bf16, found %s",
                    bki_precision_name(config->precision));
  }
  BKI_TRY(bki_cpu_choose(&kernels, &isa, config->isa, config->precision, err));
  bki_cpu *cpu = calloc(1, sizeof *cpu);
  if (cpu == NULL) {
    return bki_fail_memory(err);
  }
  const bool bf16 = config->precision == BKI_PRECISION_BF16;
  const bool full = config->engine == BKI_ENGINE_FULL;
  cpu->base = (bki_backend){
      .ops = &bki_backend_cpu, .isa = isa, .emulated = bf16 && kernels->pack_bf16 == NULL, .picks = !full};
  cpu->model = model;
  cpu->embedding = parameters->embedding;
  cpu->kernels = kernels;
  cpu->step = bf16 ? kernels->step_bf16 : kernels->step;
  cpu->pool = config->pool;
  cpu->increments = config->increments;
  bki_status status;
  BKI_TRY_GOTO(status, fail, bki_cpu_weights_init(cpu, parameters, config->precision, err));
  BKI_TRY_GOTO(status, fail, bki_cpu_words_init(cpu, err));
  BKI_TRY_GOTO(status, fail, full ? bki_cpu_full_create(cpu, err) : bki_cpu_incremental_create(cpu, err));
  *out = &cpu->base;
  return BKI_OK;
fail:
  destroy(&cpu->base);
  return status;
}

static bki_status score(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                        bki_error *err) {
  bki_cpu *cpu = (bki_cpu *)backend;
  BKI_TRY(bki_cpu_words_prepare(cpu, sequences, n, err));
  return cpu->full != NULL ? bki_cpu_full_score(cpu, sequences, n, scores, err)
                           : bki_cpu_incremental_score(cpu, sequences, n, scores, err);
}

static bki_status forward(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                          bki_error *err) {
  bki_cpu *cpu = (bki_cpu *)backend;
  BKI_TRY(bki_cpu_words_prepare(cpu, sequences, n, err));
  return cpu->full != NULL ? bki_cpu_full_forward(cpu, sequences, n, readout, logits, err)
                           : bki_cpu_incremental_forward(cpu, sequences, n, readout, logits, err);
}

static bki_status score_some(bki_backend *backend, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                             bki_scores *scores, bki_error *err) {
  bki_cpu *cpu = (bki_cpu *)backend;
  BKI_TRY(bki_cpu_words_prepare(cpu, sequences, n, err));
  return bki_cpu_incremental_score_some(cpu, sequences, picks, n, scores, err);
}

const bki_backend_ops bki_backend_cpu = {.name = "cpu",
                                         .screen = BKI_PRECISION_BF16,
                                         .has_incremental = has_incremental,
                                         .create = create,
                                         .destroy = destroy,
                                         .score = score,
                                         .forward = forward,
                                         .score_some = score_some};
