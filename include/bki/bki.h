/* Backdoor Keyword Identification for Bi-LSTM text classifiers: all public headers. */
#ifndef BKI_BKI_H
#define BKI_BKI_H

#include <bki/analysis.h>
#include <bki/corpus.h>
#include <bki/defend.h>
#include <bki/device.h>
#include <bki/dictionary.h>
#include <bki/embeddings.h>
#include <bki/error.h>
#include <bki/evaluate.h>
#include <bki/evidence.h>
#include <bki/export.h>
#include <bki/log.h>
#include <bki/model.h>
#include <bki/optimizer.h>
#include <bki/poison.h>
#include <bki/purify.h>
#include <bki/safetensors.h>
#include <bki/scan.h>
#include <bki/scorer.h>
#include <bki/store.h>
#include <bki/stream.h>
#include <bki/text.h>
#include <bki/tokenizer.h>
#include <bki/train.h>
#include <bki/version.h>
#include <bki/vocabulary.h>

#endif
