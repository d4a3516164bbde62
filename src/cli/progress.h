/* Telling how a scan goes: one line that is rewritten on a terminal, else a line every 30 s. */
#ifndef BKI_CLI_PROGRESS_H
#define BKI_CLI_PROGRESS_H

#include <stdbool.h>

#include <bki/scan.h>
#include <bki/train.h>

typedef struct cli_progress {
  bool quiet;
  bool terminal;
  bool shown;  /* a line stands on the terminal */
  double last; /* when a line was written */
} cli_progress;

void cli_progress_init(cli_progress *progress, bool quiet);
void cli_progress_show(cli_progress *progress, const bki_progress *state);
/* Training has a line of its own for every epoch. */
void cli_progress_show_training(cli_progress *progress, const bki_train_progress *state);
/* Wipes the line, so that something else can be written. */
void cli_progress_clear(cli_progress *progress);

#endif
