#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* What is here, and what "auto" makes of it. */
typedef struct found {
  bki_device *devices;
  size_t n;
  int32_t chosen; /* GPU of "auto"; -1: the CPU */
  bki_error why;  /* there is no such GPU */
  bki_processor cpu;
} found;

static void find(found *out) {
  *out = (found){.chosen = -1};
  bki_processor_get(&out->cpu);
  if (bki_devices_list(&out->devices, &out->n, &out->why) != BKI_OK) {
    out->n = 0;
  } else if (bki_devices_choose(&out->chosen, &out->why) != BKI_OK) {
    out->chosen = -1;
  }
}

static json_t *device_json(const bki_device *d) {
  char capability[32];
  snprintf(capability, sizeof capability, "%" PRId32 ".%" PRId32, d->major, d->minor);
  return json_pack("{s:i, s:o, s:s, s:i, s:I, s:o, s:i, s:i}", "device", (int)d->ordinal, "name",
                   bki_json_text((bki_str){d->name, strlen(d->name)}), "compute_capability", capability,
                   "multiprocessors", (int)d->multiprocessors, "memory_bytes", (json_int_t)d->total_bytes, "free_bytes",
                   d->free_bytes < 0 ? json_null() : json_integer(d->free_bytes), "driver_version",
                   (int)d->driver_version, "runtime_version", (int)d->runtime_version);
}

static json_t *to_json(const found *f) {
  json_t *gpus = json_array();
  for (size_t i = 0; i < f->n; i++) {
    json_array_append_new(gpus, device_json(&f->devices[i]));
  }
  json_t *cpu =
      json_pack("{s:i, s:s, s:s}", "cores", (int)f->cpu.cores, "isa", f->cpu.isa, "isa_bf16", f->cpu.isa_bf16);
  json_t *device = f->chosen < 0 ? json_null() : json_integer(f->chosen);
  json_t *reason = f->chosen < 0 ? bki_json_text((bki_str){f->why.message, strlen(f->why.message)}) : json_null();
  return json_pack("{s:s, s:o, s:o, s:o, s:o}", "auto", f->chosen < 0 ? "cpu" : "cuda", "device", device, "reason",
                   reason, "gpus", gpus, "cpu", cpu);
}

static void add_gigabytes(bki_table *table, int64_t bytes) {
  if (bytes < 0) {
    bki_table_add(table, "-");
  } else {
    bki_table_add(table, "%.1f", (double)bytes / (1 << 30));
  }
}

static bool print_gpus(const found *f) {
  static const char *const head[] = {"GPU", "name", "capability", "SMs", "GiB", "free"};
  bki_table *table = bki_table_create("rlrrrr");
  if (table == NULL) {
    return false;
  }
  for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
    bki_table_add(table, "%s", head[i]);
  }
  for (size_t i = 0; i < f->n; i++) {
    const bki_device *d = &f->devices[i];
    bki_table_add(table, "%" PRId32, d->ordinal);
    bki_table_add_text(table, (bki_str){d->name, strlen(d->name)});
    bki_table_add(table, "%" PRId32 ".%" PRId32, d->major, d->minor);
    bki_table_add(table, "%" PRId32, d->multiprocessors);
    add_gigabytes(table, d->total_bytes);
    add_gigabytes(table, d->free_bytes);
  }
  const bool ok = bki_table_print(table, stdout);
  bki_table_destroy(table);
  const bki_device *first = &f->devices[0];
  printf("CUDA: %d.%d, driver up to %d.%d\n\n", first->runtime_version / 1000, first->runtime_version % 1000 / 10,
         first->driver_version / 1000, first->driver_version % 1000 / 10);
  return ok;
}

static int print(const found *f) {
  if (f->n > 0 && !print_gpus(f)) {
    return cli_out_of_memory();
  }
  printf("CPU:  %" PRId32 " cores, %s; precision bf16: %s\n", f->cpu.cores, f->cpu.isa, f->cpu.isa_bf16);
  if (f->chosen >= 0) {
    printf("auto: cuda, GPU %" PRId32 "\n", f->chosen);
  } else {
    fputs("auto: cpu: ", stdout);
    bki_print_message(stdout, f->why.message);
    putchar('\n');
  }
  return BKI_OK;
}

int cli_devices(int argc, char **argv) {
  bool json = false;
  int exit_code;
  cli_command_line line = {
      .command = "devices",
      .usage = "[OPTION...]",
      .summary = "Lists the GPUs and the CPU, and which of them --backend auto takes.",
      .options = {{.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print JSON"}},
      .n_options = 1,
  };
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  found f;
  find(&f);
  exit_code = json ? cli_print_json(to_json(&f)) : print(&f);
  bki_devices_free(f.devices);
  return exit_code;
}
