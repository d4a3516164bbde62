// Runs the persistent kernels on the SIMT machine as the host engine does: texts and items of every direction, sorted.
#ifndef BKI_TESTS_PERSISTENT_RUN_H
#define BKI_TESTS_PERSISTENT_RUN_H

#include <criterion/criterion.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "persistent.h"
#include "persistent_model.h"
#include "standin.h"

namespace persistent {

using texts = std::vector<std::vector<int32_t>>;

// Device memory that frees itself.
template <typename T>
struct device {
  T *at = nullptr;
  size_t n = 0;
  device() = default;
  device(const device &) = delete;
  device &operator=(const device &) = delete;
  ~device() { cudaFree(at); }
  void make(size_t count) {
    n = count;
    void *memory = nullptr;
    cr_assert_eq(cudaMalloc(&memory, std::max<size_t>(count, 1) * sizeof(T)), cudaSuccess);
    at = static_cast<T *>(memory);
  }
  void make(const std::vector<T> &from) {
    make(from.size());
    std::copy(from.begin(), from.end(), at);
  }
};

struct direction {
  device<unsigned char> weights;
  device<float> table, states, finals;
  device<bki_k_text> texts;
  device<bki_k_item> items;
  std::vector<bki_k_text> host_texts;
};

struct options {
  bki_k_gpu gpu = {9, 0, 2, 227 * 1024};
  bool readouts = false;
  bki_k_load load = {};  // of both kernels
  // Changes the items of a direction, or what lies in memory between base and scan.
  std::function<std::vector<bki_k_item>(const std::vector<bki_k_text> &, int32_t)> items;
  std::function<void(bki_k_work *)> between;
};

struct result {
  std::vector<float> scores;                  // of all texts, one after the other
  std::vector<float> readouts;                // [scores, directions, H]
  std::vector<std::vector<float>> finals[2];  // [text] h after the last word
  uint32_t violations = 0;
};

inline std::vector<bki_k_item> all_items(const std::vector<bki_k_text> &of, int32_t sign) {
  std::vector<bki_k_item> items;
  for (const bki_k_text &t : of) {
    for (int32_t i = 0; i < bki_k_text_items(t.length); i++) {
      items.push_back(bki_k_scan_item(&t, i, sign));
    }
  }
  return items;
}

inline void fill(direction *d, bki_k_direction *out, const model::lstm &m, bki_k_kind kind, const texts &corpus,
                 int32_t sign, const options &o) {
  d->weights.make(static_cast<size_t>(bki_k_weights_bytes(kind, m.H)));
  bki_k_pack_weights(kind, d->weights.at, m.w_hh.data(), m.H);
  d->table.make(m.input.size());
  for (int w = 0; w < m.words; w++) {
    for (int gate = 0; gate < 4; gate++) {
      for (int u = 0; u < m.H; u++) {
        d->table.at[w * 4 * m.H + bki_k_gate_column(u, gate)] =
            m.input[static_cast<size_t>((w * 4 + gate) * m.H + u)] * bki_k_gate_scale(gate);
      }
    }
  }
  int64_t word = 0, states = 0;
  for (size_t i = 0; i < corpus.size(); i++) {
    const int32_t length = static_cast<int32_t>(corpus[i].size());
    d->host_texts.push_back(bki_k_make_text(word, word, length, static_cast<int32_t>(i), states, sign));
    word += length;
    states += bki_k_text_states(length);
  }
  std::vector<bki_k_item> items = o.items ? o.items(d->host_texts, sign) : all_items(d->host_texts, sign);
  std::stable_sort(items.begin(), items.end(),
                   [](const bki_k_item &a, const bki_k_item &b) { return a.steps > b.steps; });
  std::vector<bki_k_text> sorted = d->host_texts;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const bki_k_text &a, const bki_k_text &b) { return a.length > b.length; });
  d->texts.make(sorted);
  d->items.make(items);
  d->states.make(static_cast<size_t>(states * 2 * m.H));
  d->finals.make(corpus.size() * 2 * static_cast<size_t>(m.H));
  *out = {d->weights.at,
          d->table.at,
          d->texts.at,
          d->items.at,
          d->states.at,
          d->finals.at,
          static_cast<int64_t>(sorted.size()),
          static_cast<int64_t>(items.size()),
          sign,
          0};
}

// lstms: one, or two for both directions.
inline result run(bki_k_kind kind, const std::vector<model::lstm> &lstms, const texts &corpus, const options &o = {}) {
  const size_t H = static_cast<size_t>(lstms[0].H);
  direction d[2];
  device<int32_t> ids;
  device<uint32_t> scores, queue, violations;
  device<float> readouts;
  std::vector<int32_t> words;
  for (const auto &t : corpus) {
    words.insert(words.end(), t.begin(), t.end());
  }
  ids.make(words);
  scores.make(std::vector<uint32_t>(words.size(), 0));
  violations.make(std::vector<uint32_t>(1, 0));
  queue.make(2);
  readouts.make(o.readouts ? words.size() * lstms.size() * H : 0);
  bki_k_work work = {};
  for (size_t i = 0; i < lstms.size(); i++) {
    fill(&d[i], &work.direction[i], lstms[i], kind, corpus, i == 0 ? 1 : -1, o);
  }
  work.base = work.scan = o.load;
  work.ids = ids.at;
  work.scores = scores.at;
  work.readouts = o.readouts ? readouts.at : nullptr;
  work.queue = queue.at;
  work.violations = violations.at;
  work.n_directions = static_cast<int32_t>(lstms.size());
  work.hidden = lstms[0].H;
  cudaStream_t stream;
  cr_assert_eq(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  cr_assert_eq(bki_k_base(kind, &work, &o.gpu, stream), cudaSuccess);
  cr_assert_eq(cudaStreamSynchronize(stream), cudaSuccess);
  if (o.between) {
    o.between(&work);
  }
  cr_assert_eq(bki_k_scan(kind, &work, &o.gpu, stream), cudaSuccess);
  cr_assert_eq(cudaStreamSynchronize(stream), cudaSuccess);
  cudaStreamDestroy(stream);

  result r;
  r.violations = *violations.at;
  r.scores.resize(words.size());
  std::memcpy(r.scores.data(), scores.at, words.size() * sizeof(float));
  r.readouts.assign(readouts.at, readouts.at + readouts.n);
  for (size_t i = 0; i < lstms.size(); i++) {
    for (size_t t = 0; t < corpus.size(); t++) {
      const float *h = d[i].finals.at + t * 2 * H;
      r.finals[i].emplace_back(h, h + H);
    }
  }
  return r;
}

inline texts make_texts(const std::vector<int> &lengths, int words, unsigned seed) {
  std::mt19937 random(seed);
  texts corpus;
  for (int l : lengths) {
    std::vector<int32_t> t;
    for (int i = 0; i < l; i++) {
      t.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(words)));
    }
    corpus.push_back(t);
  }
  return corpus;
}

// Scores of all texts by the plain model.
template <typename K>
std::vector<typename K::number> expect(const std::vector<model::lstm> &lstms, const texts &corpus) {
  std::vector<typename K::number> scores;
  std::vector<K> kinds(lstms.begin(), lstms.end());
  for (std::vector<int32_t> text : corpus) {
    const size_t first = scores.size();
    scores.resize(first + text.size(), 0);
    for (size_t i = 0; i < lstms.size(); i++) {
      const auto base = model::run(&kinds[i], lstms[i], text, -1);
      for (size_t p = 0; p < text.size(); p++) {
        const auto without = model::run(&kinds[i], lstms[i], text, static_cast<int>(p));
        auto &score = scores[first + (i == 0 ? p : text.size() - 1 - p)];
        score = std::max(score, model::distance(base, without));
      }
      std::reverse(text.begin(), text.end());
    }
  }
  return scores;
}

}  // namespace persistent

#endif
