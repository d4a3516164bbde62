/* The directory that a training makes, and the one beside it where its work in progress stands. */
#ifndef BKI_RUN_TRAIN_DIRECTORY_H
#define BKI_RUN_TRAIN_DIRECTORY_H

#include <stdbool.h>

#include <bki/error.h>
#include <bki/model.h>

typedef struct bki_workplace {
  char *model_path; /* without slashes at its end */
  char *partial;    /* "<model_path>.partial" */
  char *checkpoint; /* in it */
  char *draft;      /* in it: the model, until it is complete */
  char *replaced;   /* in it: the model that was there before, until the draft has its name */
  int lock;         /* the locked file in it */
} bki_workplace;

/* Makes `<model_path>.partial`, or opens and locks the one that is there, and removes what a killed process left half
 * written. Errors: BKI_E_USAGE: another process is at work there; BKI_E_IO. bki_workplace_close is due in any case. */
bki_status bki_workplace_open(bki_workplace *out, const char *model_path, bki_error *err);
/* Frees and unlocks; with `remove` the directory goes too, or whatever in it a training made. */
void bki_workplace_close(bki_workplace *place, bool remove);

/* Whether something stands at model_path. With `force` it has to be a directory with nothing in it but a model.
 * Errors: BKI_E_USAGE. */
bki_status bki_workplace_check_target(const char *model_path, bool force, bool *exists, bki_error *err);

/* Writes the model with its record, and gives it its name; what stood there goes. */
bki_status bki_workplace_publish(const bki_workplace *place, const bki_model *model, const char *meta, bki_error *err);

#endif
