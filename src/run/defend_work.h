/* The directory in which a defence works. */
#ifndef BKI_RUN_DEFEND_WORK_H
#define BKI_RUN_DEFEND_WORK_H

#include <stdbool.h>

#include <jansson.h>

#include <bki/defend.h>

typedef struct bki_work {
  int lock;     /* open while the directory is ours; -1: not */
  char *victim; /* directory; that of config.model_path when one was given */
  char *store;
  char *kept; /* NULL until bki_work_name_outputs */
  char *removed;
  char *retrained;
  char *purified; /* record of what kept and removed were made from */
  char *before;   /* evaluations */
  char *after;
} bki_work;

/* Creates the directory or takes it over, for one process at a time, and removes what a killed one left half written.
 * Errors: BKI_E_USAGE: not a directory, one with other things in it, one that another process has; BKI_E_IO. On failure
 * bki_work_close is still due. */
bki_status bki_work_open(bki_work *out, const bki_defend_config *config, bki_error *err);

/* kept.jsonl.zst for a corpus that is JSON Lines and whose first file's name ends in .zst. */
bki_status bki_work_name_outputs(bki_work *work, const char *directory, bki_format format, const char *corpus_path,
                                 bki_error *err);
void bki_work_close(bki_work *work); /* frees names; a zeroed one with lock -1 is allowed */

bool bki_work_has(const char *path);

/* A record: a JSON object of its own file. Absent or damaged: NULL, and its step is done again. The caller owns it. */
json_t *bki_work_read_record(const char *path);
/* Replaces it as a whole, releases `record`; NULL is out of memory. */
bki_status bki_work_write_record(const char *path, json_t *record, bki_error *err);

#endif
