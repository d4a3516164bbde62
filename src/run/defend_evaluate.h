/* The last step of a defence: evaluations that are kept as records. */
#ifndef BKI_RUN_DEFEND_EVALUATE_H
#define BKI_RUN_DEFEND_EVALUATE_H

#include <jansson.h>

#include <bki/defend.h>

/* What evaluations of these settings and test texts have in common, as JSON; reads the test texts once, for their
 * fingerprint. The caller owns *out. */
bki_status bki_defend_evaluation_identity(json_t **out, const bki_defend_config *config, bki_error *err);

/* Whether the record at `record_path` is of this identity and model. */
bool bki_defend_has_evaluation(const char *record_path, const json_t *identity, const bki_model *model);

/* The evaluation of a model: read from its record, or made and recorded. The caller clears and frees *out. */
bki_status bki_defend_evaluate(bki_evaluation **out, const bki_defend_config *config, const bki_model *model,
                               const json_t *identity, const char *record_path, bki_error *err);

#endif
