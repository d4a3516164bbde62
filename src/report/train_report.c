#include "train_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"
#include "terminal.h"

void bki_format_train_progress(char *buf, size_t size, const bki_train_progress *p) {
  char done[32] = "";
  char validation[80] = "";
  char left[48] = "";
  if (!p->epoch_ended) {
    const double samples = p->samples > 0 ? (double)p->samples : 1;
    snprintf(done, sizeof done, "%.0f %%, ", floor(100 * (double)p->samples_done / samples));
  } else if (!isnan(p->validation_loss)) {
    snprintf(validation, sizeof validation, ", validation loss %.4f, accuracy %.2f %%", p->validation_loss,
             100 * p->validation_accuracy);
  }
  if (!isnan(p->seconds_left) && p->seconds_left > 0) {
    char time[32];
    bki_format_duration(time, sizeof time, p->seconds_left);
    snprintf(left, sizeof left, ", %s left", time);
  }
  snprintf(buf, size, "epoch %" PRId32 " of %" PRId32 ": %sloss %.4f, accuracy %.2f %%%s, %.0f samples/s%s",
           p->epoch + 1, p->epochs, done, p->loss, 100 * p->accuracy, validation, p->samples_per_second, left);
}

void bki_print_train(FILE *out, const char *model_path, const bki_train_summary *s) {
  fprintf(out, "trained: %" PRId64 " samples, %" PRId32 " classes, %" PRId32 " words, %" PRId64 " skipped\n",
          s->n_samples, s->n_classes, s->vocabulary_size - 2, s->n_skipped);
  fprintf(out, "epochs:  %" PRId32 ", loss %.4f, accuracy %.2f %%\n", s->epochs, s->loss, 100 * s->accuracy);
  if (s->n_validation > 0) {
    fprintf(out, "best:    epoch %" PRId32 ", validation loss %.4f, accuracy %.2f %% of %" PRId64 " samples\n",
            s->best_epoch + 1, s->validation_loss, 100 * s->validation_accuracy, s->n_validation);
  }
  fputs("model:   ", out);
  bki_print_text(out, (bki_str){model_path, strlen(model_path)});
  fputc('\n', out);
}

static json_t *real_or_null(double value) {
  return isnan(value) ? json_null() : json_real(value);
}

json_t *bki_json_train(const char *model_path, const bki_train_summary *s) {
  return json_pack("{s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "model",
                   bki_json_text((bki_str){model_path, strlen(model_path)}), "samples", (json_int_t)s->n_samples,
                   "validation_samples", (json_int_t)s->n_validation, "skipped", (json_int_t)s->n_skipped, "classes",
                   s->n_classes, "vocabulary_size", s->vocabulary_size, "epochs", s->epochs, "best_epoch",
                   s->best_epoch + 1, "loss", real_or_null(s->loss), "accuracy", real_or_null(s->accuracy),
                   "validation_loss", real_or_null(s->validation_loss), "validation_accuracy",
                   real_or_null(s->validation_accuracy));
}
