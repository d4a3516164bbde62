/* A known-answer test of what computes on devices: before a backend serves, every one of its devices computes a few
 * short texts made of the model's vocabulary, and the CPU does in fp32. Readouts and logits of the texts, and of the
 * texts without each word (engines have a way of their own for whole texts), their scores, increments and picked words,
 * and the classes they call are compared.
 *
 * Limits go by the model. A broken kernel (another word, direction or gate, rows mixed up, nothing, NaN) is off by 0.1
 * and more in most words of most texts. What rounding does depends on how much the net amplifies: r, the mean over a
 * text and its variants of the largest difference between the CPU's bf16 and its fp32, is measured beside it.
 *
 * fp32 and split: at most 1e-4 + 4 r^2. Two ways to compute fp32 differ by less than 1e-6 + 2e-3 r as long as r < 0.5,
 * and by less than 1e-6 in ordinary nets, whose r is below 5e-3. Beyond, states are chaotic in the time of the text,
 * fp32 may be off by as much as bf16 is, and 4 r^2 lets it pass.
 *
 * fp16 and tf32: at most 1e-2 + 4 r. They have three bits more than bf16, in more places: up to a sixth of the limit in
 * ordinary nets, nearly half of it in chaotic ones.
 *
 * Scores are the difference of two readouts and have twice the limit. A text that tells nothing, as r is large, leaves
 * it to the shorter ones: with one word r is 0 in every net. Classes, which a score passes on as flips, are compared
 * with those of the device's own logits, where these are further from a tie than the limit.
 *
 * It cannot find what depends on long texts, full groups or time, and it does not look at training. */
#ifndef BKI_DETECT_PROVE_H
#define BKI_DETECT_PROVE_H

#include "backend.h"

/* `backend` was made of all the rest. A backend without devices is taken as proven. Errors: BKI_E_DEVICE: a device
 * fails, or computes something else; BKI_E_INTERNAL. */
bki_status bki_prove(bki_backend *backend, const bki_model_config *model, const bki_parameters *parameters,
                     const bki_backend_config *config, bki_error *err);

#endif
