/* How a training goes, and what came of it. */
#ifndef BKI_REPORT_TRAIN_REPORT_H
#define BKI_REPORT_TRAIN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include <bki/train.h>

/* "epoch 2 of 10: 40 %, loss 0.3120, accuracy 87.5 %, 512 samples/s, 3 min left", without the share and with the
 * validation at the end of an epoch. */
void bki_format_train_progress(char *buf, size_t size, const bki_train_progress *progress);

void bki_print_train(FILE *out, const char *model_path, const bki_train_summary *summary);
/* NULL: out of memory. Without validation its keys are null. */
json_t *bki_json_train(const char *model_path, const bki_train_summary *summary);

#endif
