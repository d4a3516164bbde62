/* The options that say where a command computes. */
#include <math.h>
#include <string.h>

#include "options.h"

enum { MAX_DEVICE = 1023, MAX_THREADS = 4096 };

void cli_run_options_init(cli_run_options *options) {
  *options = (cli_run_options){.backend = "auto", .isa = "auto", .device = -1, .gpu_memory = NAN};
}

static void add_common_options(cli_command_line *line, cli_run_options *options) {
  const cli_option common[] = {
      {.name = "backend",
       .kind = CLI_TEXT,
       .target = &options->backend,
       .value = "NAME",
       .help = "auto, cuda, cpu, or ref (slow, the oracle) (default auto: a GPU if there is one)"},
      {.name = "threads",
       .kind = CLI_INT,
       .target = &options->threads,
       .value = "N",
       .min = 0,
       .max = MAX_THREADS,
       .help = "0 is one a core (default 0)"},
  };
  CLI_ADD_OPTIONS(line, common);
}

void cli_add_run_options(cli_command_line *line, cli_run_options *options) {
  const cli_option scoring[] = {
      {.name = "isa",
       .kind = CLI_TEXT,
       .target = &options->isa,
       .value = "NAME",
       .help = "auto, portable, avx2, avx512, avx512bf16 or amx (default auto: the best here)"},
      {.name = "devices",
       .kind = CLI_INTS,
       .target = &options->devices,
       .value = "N,...",
       .min = 0,
       .max = MAX_DEVICE,
       .help = "GPUs to use, as 'bki devices' numbers them (default: the one that it names)"},
      {.name = "gpu-memory",
       .kind = CLI_REAL,
       .target = &options->gpu_memory,
       .value = "X",
       .help = "share of a GPU's free memory to use, above 0 to 1 (default 0.8)"},
  };
  add_common_options(line, options);
  CLI_ADD_OPTIONS(line, scoring);
}

void cli_add_train_run_options(cli_command_line *line, cli_run_options *options) {
  add_common_options(line, options);
  cli_add_option(line,
                 &(cli_option){.name = "device",
                               .kind = CLI_INT,
                               .target = &options->device,
                               .value = "N",
                               .min = 0,
                               .max = MAX_DEVICE,
                               .help = "GPU to use, as 'bki devices' numbers it (default: the one that it names)"});
}

/* A CPU that was asked for by name has no use for what is said about GPUs. */
static int check(const cli_run_options *o, const char *command) {
  const char *option = o->devices.n > 0        ? "--devices"
                       : o->device >= 0        ? "--device"
                       : !isnan(o->gpu_memory) ? "--gpu-memory"
                                               : NULL;
  if (option != NULL && (strcmp(o->backend, "cpu") == 0 || strcmp(o->backend, "ref") == 0)) {
    return cli_usage_error(command, "%s is for GPUs, found --backend %s", option, o->backend);
  }
  if (!isnan(o->gpu_memory) && !(o->gpu_memory > 0 && o->gpu_memory <= 1)) {
    return cli_usage_error(command, "--gpu-memory X: expected a share above 0 to 1, found %g", o->gpu_memory);
  }
  return BKI_OK;
}

int cli_run_options_apply(const cli_run_options *options, const char *command, bki_scorer_config *config) {
  config->backend = options->backend;
  config->threads = options->threads;
  config->isa = options->isa;
  config->devices = options->devices.items;
  config->n_devices = options->devices.n;
  if (!isnan(options->gpu_memory)) {
    config->gpu_memory = options->gpu_memory;
  }
  return check(options, command);
}

int cli_train_run_options_apply(const cli_run_options *options, const char *command, bki_train_config *config) {
  config->backend = options->backend;
  config->threads = options->threads;
  config->device = options->device;
  return check(options, command);
}
