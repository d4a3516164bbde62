#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "terminal.h"
#include "train_report.h"

#define TERMINAL_SECONDS 0.2
#define PLAIN_SECONDS 30

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_init(cli_progress *progress, bool quiet) {
  bool terminal = isatty(STDERR_FILENO) == 1;
  *progress = (cli_progress){.quiet = quiet, .terminal = terminal, .last = terminal ? 0 : now()};
}

void cli_progress_show(cli_progress *progress, const bki_progress *state) {
  double time = now();
  if (progress->quiet || time - progress->last < (progress->terminal ? TERMINAL_SECONDS : PLAIN_SECONDS)) {
    return;
  }
  char line[256];
  bki_format_progress(line, sizeof line, state);
  if (progress->terminal) {
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
  } else {
    fprintf(stderr, "bki: %s\n", line);
  }
  progress->shown = progress->terminal;
  progress->last = time;
}

void cli_progress_show_training(cli_progress *progress, const bki_train_progress *state) {
  if (progress->quiet || (!progress->terminal && !state->epoch_ended)) {
    return;
  }
  char line[256];
  bki_format_train_progress(line, sizeof line, state);
  cli_progress_clear(progress);
  fprintf(stderr, state->epoch_ended ? "bki: %s\n" : "%s", line);
  fflush(stderr);
  progress->shown = !state->epoch_ended;
}

void cli_progress_clear(cli_progress *progress) {
  if (progress->shown) {
    fputs("\r\033[K", stderr);
    progress->shown = false;
  }
}
