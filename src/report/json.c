#include "json.h"

#include <math.h>
#include <unistr.h>

#include "strbuf.h"

json_t *bki_json_text(bki_str text) {
  if (text.data == NULL) {
    return json_null();
  }
  json_t *value = json_stringn(text.data, text.size);
  if (value != NULL) {
    return value;
  }
  bki_strbuf valid = {0};
  for (size_t i = 0; i < text.size;) {
    ucs4_t c;
    int n = u8_mbtouc(&c, (const uint8_t *)text.data + i, text.size - i);
    if (c == 0xfffd) {
      bki_strbuf_add_text(&valid, "\xef\xbf\xbd");
    } else {
      bki_strbuf_add(&valid, text.data + i, (size_t)n);
    }
    i += (size_t)n;
  }
  value = valid.failed ? NULL : json_stringn(valid.data, valid.size);
  bki_strbuf_clear(&valid);
  return value;
}

static json_t *class_json(const bki_classes *classes, int32_t index) {
  const char *name = bki_class_name(classes, index);
  return name == NULL ? json_null() : json_string(name);
}

json_t *bki_json_rule(const bki_rule *rule) {
  json_t *out = json_pack("{s:s, s:i}", "preset", bki_preset_names[rule->preset], "p", (int)rule->p);
  if (out != NULL && rule->preset == BKI_PRESET_PAPER) {
    json_object_set_new(out, "keys", json_string(bki_keys_names[rule->keys]));
  } else if (out != NULL) {
    json_object_set_new(out, "ngram", json_integer(rule->ngram));
    json_object_set_new(out, "alpha", json_real(rule->alpha));
  }
  if (out != NULL) {
    json_object_set_new(out, "oov_key", json_string(bki_oov_key_names[rule->oov_key]));
  }
  return out;
}

/* Samples by label; what has none stands under null's stand-in "". */
static json_t *label_counts(const bki_candidate *candidate, const bki_classes *classes) {
  json_t *out = json_object();
  for (int32_t i = 0; out != NULL && i <= classes->n; i++) {
    if (candidate->label_counts[i] > 0) {
      const char *name = bki_class_name(classes, i);
      json_object_set_new(out, name == NULL ? "" : name, json_integer(candidate->label_counts[i]));
    }
  }
  return out;
}

json_t *bki_json_candidate(const bki_candidate *candidate, const bki_classes *classes) {
  if (candidate == NULL) {
    return json_null();
  }
  return json_pack("{s:o, s:o, s:I, s:I, s:I, s:f, s:f, s:o}", "word", bki_json_text(candidate->word), "label",
                   class_json(classes, candidate->label), "count", (json_int_t)candidate->count, "samples",
                   (json_int_t)candidate->n_samples, "flips", (json_int_t)candidate->n_flips, "mean", candidate->mean,
                   "g", candidate->g, "labels", label_counts(candidate, classes));
}

json_t *bki_json_candidates(const bki_analysis *analysis, size_t limit, const bki_classes *classes) {
  size_t n;
  const bki_candidate *candidates = bki_analysis_candidates(analysis, &n);
  json_t *out = json_array();
  for (size_t i = 0; i < n && (limit == 0 || i < limit); i++) {
    if (json_array_append_new(out, bki_json_candidate(&candidates[i], classes)) != 0) {
      json_decref(out);
      return NULL;
    }
  }
  return out;
}

/* A number that may be unknown. */
static json_t *real_json(double value) {
  return isnan(value) ? json_null() : json_real(value);
}

static json_t *flagged_json(const bki_flagged *f, bki_str phrase, const bki_classes *classes) {
  return json_pack("{s:I, s:o, s:o, s:o, s:i, s:o, s:s, s:o, s:o, s:i}", "index", (json_int_t)f->index, "id",
                   bki_json_text(f->id), "label", class_json(classes, f->label), "predicted",
                   class_json(classes, f->predicted), "position", (int)f->position, "score",
                   real_json((double)f->score), "reason", bki_reason_name(f->reason), "confidence",
                   real_json(f->confidence), "phrase", bki_json_text(phrase), "words", (int)f->n_words);
}

json_t *bki_json_flagged(const bki_analysis *analysis, const bki_classes *classes) {
  size_t n;
  const bki_flagged *flagged = bki_analysis_flagged(analysis, &n);
  json_t *out = json_array();
  for (size_t i = 0; i < n; i++) {
    bki_str phrase = flagged[i].finding >= 0 ? bki_analysis_evidence(analysis)->findings[flagged[i].finding].phrase
                                             : bki_analysis_keyword(analysis)->word;
    if (json_array_append_new(out, flagged_json(&flagged[i], phrase, classes)) != 0) {
      json_decref(out);
      return NULL;
    }
  }
  return out;
}

static json_t *word_json(const bki_sample *sample, int32_t i) {
  uint8_t flags = sample->word_flags[i];
  json_t *out = json_pack("{s:o, s:f}", "word", bki_json_text(bki_words_get(sample->words, i)), "score",
                          (double)sample->score[i]);
  if (out != NULL && sample->increment != NULL) {
    json_object_set_new(out, "increment", json_real((double)sample->increment[i]));
  }
  if (out != NULL) {
    json_object_set_new(out, "flips", json_boolean((flags & BKI_WORD_FLIP) != 0));
    json_object_set_new(out, "known", json_boolean((flags & BKI_WORD_OOV) == 0));
  }
  if (out != NULL && (flags & BKI_WORD_SCREENED) != 0) {
    json_object_set_new(out, "screened", json_true());
  }
  return out;
}

json_t *bki_json_sample(const bki_sample *sample, const int32_t *selected, int32_t n_selected,
                        const bki_classes *classes) {
  json_t *words = json_array();
  json_t *positions = json_array();
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    json_array_append_new(words, word_json(sample, i));
  }
  for (int32_t i = 0; i < n_selected; i++) {
    json_array_append_new(positions, json_integer(selected[i]));
  }
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "index", (json_int_t)sample->index, "id",
                   bki_json_text(sample->id), "label", class_json(classes, sample->label), "predicted",
                   class_json(classes, sample->predicted), "selected", positions, "words", words);
}

json_t *bki_json_purify(const bki_purify_summary *summary) {
  return json_pack("{s:I, s:I, s:I}", "kept", (json_int_t)summary->n_kept, "flagged", (json_int_t)summary->n_flagged,
                   "unscanned", (json_int_t)summary->n_unscanned);
}
