// The persistent kernels on the SIMT machine: the bits of the plain model, and close to the reference.
#include "persistent_run.h"

using namespace persistent;

namespace {

const std::vector<int> RAGGED = {1, 2, 3, 8, 9, 10, 17, 23, 18, 1, 5};
const std::vector<int> FEW = {1, 2, 10};  // for H = 128: a step is 4 million operations here

std::vector<model::lstm> two_lstms(int H, float gain = 2) {
  return {model::make_lstm(H, 30, gain, 1), model::make_lstm(H, 30, gain, 2)};
}

template <typename K>
void expect_bits(const result &r, const std::vector<model::lstm> &lstms, const texts &corpus) {
  const std::vector<float> expected = expect<K>(lstms, corpus);
  for (size_t i = 0; i < expected.size(); i++) {
    cr_assert_eq(r.scores[i], expected[i], "variant %zu: %a, expected %a", i, static_cast<double>(r.scores[i]),
                 static_cast<double>(expected[i]));
  }
  cr_assert_eq(r.violations, 0);
}

void expect_close(const result &r, const std::vector<model::lstm> &lstms, const texts &corpus, double limit) {
  const std::vector<double> expected = expect<model::exact>(lstms, corpus);
  for (size_t i = 0; i < expected.size(); i++) {
    cr_assert_leq(std::fabs(static_cast<double>(r.scores[i]) - expected[i]), limit, "variant %zu: %g, expected %g", i,
                  static_cast<double>(r.scores[i]), expected[i]);
  }
}

Test(persistent_fp32, every_hidden_size_gives_the_bits_of_the_plain_model) {
  for (int H = BKI_K_HIDDEN_STEP; H < BKI_K_MAX_HIDDEN; H += BKI_K_HIDDEN_STEP) {
    const auto lstms = two_lstms(H);
    const texts corpus = make_texts({1, 2, 9, 11}, 30, 3);
    expect_bits<model::fp32>(run(BKI_K_FP32, lstms, corpus), lstms, corpus);
  }
}

Test(persistent_fp32, ragged_texts_give_the_bits_of_the_plain_model_however_many_rows_a_block_has) {
  const auto lstms = two_lstms(128);
  const texts corpus = make_texts({1, 2, 2, 2, 2, 10}, 30, 4);  // more items than a spread block has slots
  const std::vector<float> expected = expect<model::fp32>(lstms, corpus);
  for (int32_t shared_bytes : {64 << 10, 99 << 10, 227 << 10}) {
    for (int32_t longest : {0, 1}) {  // a call that waits for its longest has blocks of their own
      options o;
      o.gpu.shared_bytes = shared_bytes;
      o.load.longest = longest;
      const result r = run(BKI_K_FP32, lstms, corpus, o);
      cr_assert(r.scores == expected, "%d bytes of shared memory", shared_bytes);
      cr_assert_eq(r.violations, 0);
    }
  }
}

// On 132 multiprocessors with 16 slots each: 2112 pieces of 100 steps are 100 steps of each slot.
Test(persistent_fp32, blocks_are_spread_where_the_longest_piece_is_longer_than_the_mean_of_all_slots) {
  const bki_k_gpu hopper = {9, 0, 132, 227 << 10};
  const bki_k_gpu ada = {8, 9, 128, 99 << 10};
  const bki_k_gpu single = {9, 0, 1, 227 << 10};
  const bki_k_load even = {2112 * 100, 100};
  const bki_k_load uneven = {2112 * 100, 101};
  const bki_k_load one_text = {2 * 2500, 2500};
  const bki_k_load one_direction = {2500, 2500};
  const bki_k_load unknown = {2112 * 100, 0};
  cr_assert_not(bki_k_spreads(BKI_K_FP32, 128, &even, &hopper));
  cr_assert(bki_k_spreads(BKI_K_FP32, 128, &uneven, &hopper));
  cr_assert_not(bki_k_spreads(BKI_K_FP32, 128, &unknown, &hopper));
  for (const bki_k_load &few : {one_text, one_direction}) {
    cr_assert(bki_k_spreads(BKI_K_FP32, 128, &few, &hopper));
    cr_assert(bki_k_spreads(BKI_K_FP32, 128, &few, &single));
    cr_assert_not(bki_k_spreads(BKI_K_FP32, 128, &few, &ada));
    cr_assert_not(bki_k_spreads(BKI_K_FP32, 64, &few, &hopper));
    cr_assert_not(bki_k_spreads(BKI_K_HALF_WG, 128, &few, &hopper));
  }
}

Test(persistent_fp32, scores_are_within_rounding_of_the_reference) {
  for (int H : {16, 128}) {
    const auto lstms = two_lstms(H);
    const texts corpus = make_texts(H == 16 ? RAGGED : FEW, 30, 5);
    expect_close(run(BKI_K_FP32, lstms, corpus), lstms, corpus, 1e-6);
  }
}

Test(persistent_fp32, one_direction_is_scored_alone) {
  const std::vector<model::lstm> one = {model::make_lstm(32, 30, 2, 6)};
  const texts corpus = make_texts(RAGGED, 30, 7);
  expect_bits<model::fp32>(run(BKI_K_FP32, one, corpus), one, corpus);
}

// Of all kinds; a row of readouts has both directions.
template <typename K>
void expect_readouts(bki_k_kind kind, int H) {
  const auto lstms = two_lstms(H);
  const texts corpus = make_texts({1, 2, 12}, 30, 8);
  options o;
  o.readouts = true;
  const result r = run(kind, lstms, corpus, o);
  K forward_kind(lstms[0]), backward_kind(lstms[1]);
  auto at = r.readouts.begin();
  for (size_t t = 0; t < corpus.size(); t++) {
    std::vector<int32_t> backwards(corpus[t].rbegin(), corpus[t].rend());
    cr_assert(r.finals[0][t] == model::run(&forward_kind, lstms[0], corpus[t], -1));
    cr_assert(r.finals[1][t] == model::run(&backward_kind, lstms[1], backwards, -1));
    for (int p = 0; p < static_cast<int>(corpus[t].size()); p++) {
      const auto forward = model::run(&forward_kind, lstms[0], corpus[t], p);
      const auto back = model::run(&backward_kind, lstms[1], backwards, static_cast<int>(corpus[t].size()) - 1 - p);
      cr_assert(std::equal(forward.begin(), forward.end(), at), "kind %d, text %zu, word %d", kind, t, p);
      cr_assert(std::equal(back.begin(), back.end(), at + H), "kind %d, text %zu, word %d", kind, t, p);
      at += 2 * H;
    }
  }
}

Test(persistent_fp32, readouts_are_the_states_of_text_and_variants) {
  expect_readouts<model::fp32>(BKI_K_FP32, 16);
}

Test(persistent_mma, readouts_are_the_states_of_text_and_variants) {
  expect_readouts<model::fp16>(BKI_K_HALF, 16);
  expect_readouts<model::split>(BKI_K_SPLIT, 16);
}

Test(persistent_wgmma, readouts_are_the_states_of_text_and_variants) {
  expect_readouts<model::fp16>(BKI_K_HALF_WG, 128);
}

// Rescoring asks for some variants only, anywhere in the text.
Test(persistent_fp32, items_of_scattered_variants_give_the_same_bits) {
  const auto lstms = two_lstms(16);
  const texts corpus = make_texts({40, 21}, 30, 9);
  const result all = run(BKI_K_FP32, lstms, corpus);
  options o;
  o.items = [](const std::vector<bki_k_text> &of, int32_t sign) {
    std::vector<bki_k_item> items;
    for (const bki_k_text &t : of) {
      const int32_t skip[3] = {10, 13, t.length - 2};
      items.push_back(bki_k_make_item(&t, skip, 3, sign));
    }
    return items;
  };
  const result some = run(BKI_K_FP32, {lstms[0]}, corpus, o);
  const result forward = run(BKI_K_FP32, {lstms[0]}, corpus);
  int scored = 0;
  for (size_t i = 0; i < all.scores.size(); i++) {
    cr_assert(some.scores[i] == 0 || some.scores[i] == forward.scores[i]);
    scored += some.scores[i] != 0;
  }
  cr_assert_eq(scored, 2 * (3 + 1));  // and the last word's, by the base kernel
  cr_assert_eq(some.violations, 0);
}

Test(persistent_fp32, equal_neighbours_tie_and_repeats_are_bit_identical) {
  const auto lstms = two_lstms(16);
  const texts corpus = {{4, 7, 7, 7, 2, 9, 9, 1, 1, 1, 5, 5}};
  const result r = run(BKI_K_FP32, lstms, corpus);
  for (size_t i = 1; i < corpus[0].size(); i++) {
    if (corpus[0][i] == corpus[0][i - 1]) {
      cr_assert_float_eq(r.scores[i], r.scores[i - 1], 1e-6f);
    }
  }
  cr_assert(r.scores == run(BKI_K_FP32, lstms, corpus).scores);
}

Test(persistent_fp32, rows_without_a_variant_report_a_text_that_they_do_not_end_as) {
  const auto lstms = two_lstms(16);
  const texts corpus = make_texts({12}, 30, 10);  // 11 variants in items: 8 and 3
  options o;
  o.between = [](bki_k_work *work) { work->direction[0].finals[5] += 0x1p-20f; };
  cr_assert_eq(run(BKI_K_FP32, lstms, corpus, o).violations, 5);
}

Test(persistent_fp32, a_nan_is_the_largest_score) {
  auto lstms = two_lstms(16);
  std::fill(lstms[0].input.begin() + 3 * 64, lstms[0].input.begin() + 4 * 64, NAN);
  const result r = run(BKI_K_FP32, lstms, {{1, 2, 3, 4, 5}});
  cr_assert(std::isnan(r.scores[0]));
}

Test(persistent_mma, every_hidden_size_gives_the_bits_of_the_plain_model) {
  for (int H = BKI_K_HIDDEN_STEP; H <= BKI_K_MAX_HIDDEN; H += BKI_K_HIDDEN_STEP) {
    const auto lstms = two_lstms(H);
    const texts corpus = make_texts({1, 4}, 30, 3);
    expect_bits<model::fp16>(run(BKI_K_HALF, lstms, corpus), lstms, corpus);
    expect_bits<model::split>(run(BKI_K_SPLIT, lstms, corpus), lstms, corpus);
  }
}

// More items than a block has slots, of all lengths: short ones follow each other as fast as words are fetched.
Test(persistent_mma, ragged_texts_give_the_bits_of_the_plain_model) {
  const auto lstms = two_lstms(16);
  texts corpus = make_texts(RAGGED, 30, 4);
  for (const auto &more : {make_texts(std::vector<int>(20, 2), 30, 5), make_texts(RAGGED, 30, 6),
                           make_texts(std::vector<int>(9, 3), 30, 7)}) {
    corpus.insert(corpus.end(), more.begin(), more.end());
  }
  expect_bits<model::fp16>(run(BKI_K_HALF, lstms, corpus), lstms, corpus);
  expect_bits<model::split>(run(BKI_K_SPLIT, lstms, corpus), lstms, corpus);
}

Test(persistent_mma, half_is_near_the_reference_and_split_within_rounding_of_it) {
  for (int H : {16, 128}) {
    const auto lstms = two_lstms(H);
    const texts corpus = make_texts(H == 16 ? RAGGED : FEW, 30, 5);
    expect_close(run(BKI_K_HALF, lstms, corpus), lstms, corpus, 1e-3);
    expect_close(run(BKI_K_SPLIT, lstms, corpus), lstms, corpus, 1e-6);
  }
}

Test(persistent_mma, one_direction_is_scored_alone) {
  const std::vector<model::lstm> one = {model::make_lstm(32, 30, 2, 6)};
  const texts corpus = make_texts({12, 5, 1}, 30, 7);
  expect_bits<model::fp16>(run(BKI_K_HALF, one, corpus), one, corpus);
}

Test(persistent_mma, rows_without_a_variant_report_a_text_that_they_do_not_end_as) {
  const auto lstms = two_lstms(16);
  const texts corpus = make_texts({12}, 30, 10);
  options o;
  o.between = [](bki_k_work *work) { work->direction[1].finals[5] += 0x1p-20f; };
  cr_assert_eq(run(BKI_K_HALF, lstms, corpus, o).violations, 5);
}

Test(persistent_wgmma, ragged_texts_give_the_bits_of_the_plain_model) {
  const auto lstms = two_lstms(128);
  const texts corpus = make_texts({1, 2, 10, 18, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4}, 30, 4);
  const result r = run(BKI_K_HALF_WG, lstms, corpus);
  expect_bits<model::fp16>(r, lstms, corpus);
  cr_assert(r.scores == run(BKI_K_HALF, lstms, corpus).scores);  // here, where both sum in one order
}

Test(persistent_wgmma, rows_without_a_variant_report_a_text_that_they_do_not_end_as) {
  const auto lstms = two_lstms(128);
  options o;
  o.between = [](bki_k_work *work) { work->direction[1].finals[77] += 0x1p-20f; };
  cr_assert_eq(run(BKI_K_HALF_WG, lstms, make_texts({4}, 30, 10), o).violations, 5);
}

Test(persistent_kinds, a_gpu_that_lacks_what_a_kind_takes_does_not_run_it) {
  const bki_k_gpu turing = {7, 5, 40, 64 << 10};
  const bki_k_gpu ada = {8, 9, 128, 99 << 10};
  const bki_k_gpu hopper = {9, 0, 132, 227 << 10};
  cr_assert(bki_k_kind_runs(BKI_K_FP32, 128, &turing));
  cr_assert_not(bki_k_kind_runs(BKI_K_HALF, 16, &turing));
  cr_assert(bki_k_kind_runs(BKI_K_HALF, 128, &ada));
  cr_assert_not(bki_k_kind_runs(BKI_K_SPLIT, 128, &ada));
  cr_assert(bki_k_kind_runs(BKI_K_SPLIT, 80, &ada));
  cr_assert(bki_k_kind_runs(BKI_K_SPLIT, 128, &hopper));
  const bki_k_gpu blackwell = {10, 0, 148, 227 << 10};
  cr_assert(bki_k_kind_runs(BKI_K_HALF_WG, 128, &hopper));
  cr_assert_not(bki_k_kind_runs(BKI_K_HALF_WG, 64, &hopper));
  cr_assert_not(bki_k_kind_runs(BKI_K_HALF_WG, 128, &blackwell));
  cr_assert_not(bki_k_kind_runs(BKI_K_HALF_WG, 128, &ada));
  for (int kind = 0; kind < BKI_K_N_KINDS; kind++) {
    for (int32_t hidden : {-16, 0, 8, 17, 144, 256}) {
      cr_assert_not(bki_k_kind_runs(static_cast<bki_k_kind>(kind), hidden, &hopper));
    }
  }
}

}  // namespace
