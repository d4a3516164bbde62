// Layouts and schedules of the persistent kernels, tried exhaustively.
#include <criterion/criterion.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "fragments.h"
#include "persistent_weights.h"

namespace {

std::vector<int> hidden_sizes() {
  std::vector<int> sizes;
  for (int H = BKI_K_HIDDEN_STEP; H <= BKI_K_MAX_HIDDEN; H += BKI_K_HIDDEN_STEP) {
    sizes.push_back(H);
  }
  return sizes;
}

// Calls f(u, gate, k) for all weights.
template <typename F>
void for_weights(int H, F f) {
  for (int u = 0; u < H; u++) {
    for (int gate = 0; gate < 4; gate++) {
      for (int k = 0; k < H; k++) {
        f(u, gate, k);
      }
    }
  }
}

Test(persistent_layout, a_word_of_the_table_has_every_gate_once_and_two_units_together) {
  for (int H : hidden_sizes()) {
    std::set<int> columns;
    for (int u = 0; u < H; u++) {
      for (int gate = 0; gate < 4; gate++) {
        const int column = bki_k_gate_column(u, gate);
        cr_assert(column >= 0 && column < 4 * H && columns.insert(column).second);
        cr_assert_eq(column / 8, u / 2);
      }
    }
  }
}

Test(persistent_layout, every_weight_has_a_place_of_its_own) {
  for (int H : hidden_sizes()) {
    std::vector<int> fp32(static_cast<size_t>(4 * H * H)), half(fp32), wg(fp32);
    for_weights(H, [&](int u, int gate, int k) {
      fp32.at(static_cast<size_t>(bki_k_fp32_place(H, u, gate, k)))++;
      half.at(static_cast<size_t>(bki_k_half_place(H, u, gate, k)))++;
      if (H == 128) {
        wg.at(static_cast<size_t>(bki_k_half_wg_place(H, u, gate, k)))++;
      }
    });
    for (size_t i = 0; i < fp32.size(); i++) {
      cr_assert(fp32[i] == 1 && half[i] == 1 && (H != 128 || wg[i] == 1));
    }
  }
}

// With two units a thread, its numbers are in the order of the table.
Test(persistent_layout, a_thread_of_fp32_finds_the_gates_of_its_units_in_a_line_of_weights) {
  for (int H : hidden_sizes()) {
    const int units = bki_k_fp32_units(H);
    for_weights(H, [&](int u, int gate, int k) {
      const int chunk = u / (16 * units);
      const int line = bki_k_fp32_place(H, u, gate, k) - (chunk * H + k) * 64 * units;
      cr_assert_eq(line / 4 % 16, u % (16 * units) / units);
      const int number = line / 64 * 4 + line % 4;
      cr_assert_eq(number, gate * units + u % units);
      cr_assert(units == 1 || number == bki_k_gate_column(u, gate) % 8);
    });
  }
}

// Of a warp whose lanes read 16 bytes each, from these places in floats: a request serves 8 lanes, or 16 where all
// lanes l and l ^ 1, or all l and l ^ 2, read the same; in a request other 16 bytes of the same banks wait.
int wavefronts(const std::vector<int> &places) {
  int served = 8;
  for (size_t other : {1u, 2u}) {
    bool same = true;
    for (size_t lane = 0; lane < 32; lane++) {
      same = same && places.at(lane) == places.at(lane ^ other);
    }
    served = same ? 16 : served;
  }
  size_t waves = 0;
  for (int first = 0; first < 32; first += served) {
    std::map<int, std::set<int>> read;  // by bank of 16 bytes
    size_t most = 0;
    for (int lane = first; lane < first + served; lane++) {
      const int place = places.at(static_cast<size_t>(lane)) / 4;
      read[place % 8].insert(place);
      most = std::max(most, read[place % 8].size());
    }
    waves += most;
  }
  return static_cast<int>(waves);
}

Test(persistent_layout, a_warp_of_fp32_reads_its_operands_in_two_wavefronts_an_instruction) {
  std::set<std::pair<int, int>> owners;
  for (int warp = 0; warp < 8; warp++) {
    std::vector<int> h, weights, second;
    for (int lane = 0; lane < 32; lane++) {
      const int slot = bki_k_fp32_slot(32 * warp + lane);
      const int wide = bki_k_fp32_wide(32 * warp + lane);
      cr_assert(slot >= 0 && slot < 16 && wide >= 0 && wide < 16 && owners.insert({slot, wide}).second);
      h.push_back(8 * slot);
      weights.push_back(bki_k_fp32_place(128, 2 * wide, 0, 0));
      second.push_back(bki_k_fp32_place(128, 2 * wide, 2, 0));
    }
    cr_assert_eq(wavefronts(h), 2);
    cr_assert_eq(wavefronts(weights), 2);
    cr_assert_eq(wavefronts(second), 2);
  }
}

Test(persistent_layout, every_row_unit_and_gate_is_the_sum_of_one_thread) {
  for (int H : hidden_sizes()) {
    std::map<std::vector<int>, int> hits;
    for (int lane = 0; lane < 32; lane++) {
      for (int block = 0; block < H / 8; block++) {
        for (int i = 0; i < 16; i++) {
          const simt::element d = simt::fragment_d(lane, i);  // of the 32 columns of the block
          const int gate = d.column / 8;
          const int half = i % 4 / 2;
          const int e = i % 2;
          cr_assert_eq(i, bki_k_lane_sum(gate, half, e));
          cr_assert_eq(d.row, bki_k_lane_row(lane, half));
          cr_assert_eq(8 * block + d.column % 8, bki_k_lane_unit(lane, block, e));
          hits[{d.row, 8 * block + d.column % 8, gate}]++;
        }
      }
    }
    cr_assert_eq(hits.size(), static_cast<size_t>(16 * H * 4));
    for (const auto &h : hits) {
      cr_assert_eq(h.second, 1);
    }
  }
}

Test(persistent_layout, what_a_thread_computes_is_what_it_feeds_into_the_next_product) {
  for (int lane = 0; lane < 32; lane++) {
    for (int block = 0; block < 16; block++) {
      for (int half = 0; half < 2; half++) {
        for (int e = 0; e < 2; e++) {
          const simt::element a = simt::fragment_a(lane, block % 2 * 2 + half, e);
          cr_assert_eq(a.row, bki_k_lane_row(lane, half));
          cr_assert_eq(block / 2 * 16 + a.column, bki_k_lane_unit(lane, block, e));
        }
      }
    }
  }
}

Test(persistent_layout, h_of_half_has_a_place_each_and_no_two_of_eight_rows_in_one_bank) {
  for (int H : hidden_sizes()) {
    std::set<int> places;
    for (int k = 0; k < H; k++) {
      for (int first = 0; first < 64; first += 8) {
        std::set<int> banks;  // of 16 bytes
        for (int row = first; row < first + 8; row++) {
          const int place = bki_k_half_h_place(H, row, k);
          cr_assert(place >= 0 && place < 64 * bki_k_half_line(H) && places.insert(place).second);
          cr_assert_eq(place % 8, k % 8);
          banks.insert(place / 8 % 8);
        }
        cr_assert_eq(banks.size(), 8u);
      }
    }
  }
}

Test(persistent_layout, fragments_of_half_are_those_of_mma) {
  for (int H : hidden_sizes()) {
    for_weights(H, [&](int u, int gate, int k) {
      const int place = bki_k_half_place(H, u, gate, k);
      const int fragment = place / 128;
      const simt::element b = simt::fragment_b(place / 4 % 32, place / 2 % 2, place % 2);
      cr_assert_eq(fragment % (H / 16) * 16 + b.row, k);
      cr_assert_eq(fragment / (H / 16) / 4 * 8 + b.column, u);
      cr_assert_eq(fragment / (H / 16) % 4, gate);
    });
  }
}

Test(persistent_layout, descriptors_lead_to_where_the_weights_were_put) {
  const int H = 128;
  for (uint32_t start : {0u, 1024u, 5u * 1024u}) {
    for_weights(H, [&](int u, int gate, int k) {
      const int column = u / 8 * 32 + gate * 8 + u % 8;
      const uint64_t bits = bki_k_half_wg_descriptor(start, H, column / 128, k / 16);
      const simt::matrix_descriptor d = simt::decode_descriptor(bits);
      cr_assert_eq(d.swizzle, 1);
      cr_assert_eq(simt::descriptor_address(d, column % 128, k % 16),
                   start + 2 * static_cast<uint32_t>(bki_k_half_wg_place(H, u, gate, k)));
    });
  }
}

// Words that row r of an item reads, as places in ids.
std::vector<int64_t> read_by(const bki_k_item &item, int r, int sign) {
  std::vector<int64_t> words;
  for (int step = 0; step < item.steps; step++) {
    if (step != item.skip[r]) {
      words.push_back(item.word + sign * step);
    }
  }
  return words;
}

Test(persistent_layout, items_of_a_text_score_every_variant_once_and_read_its_words) {
  const int64_t first = 1000, score = 5000, states = 70;
  for (int sign : {1, -1}) {
    for (int length = 1; length <= 70; length++) {
      const bki_k_text text = bki_k_make_text(first, score, length, 3, states, sign);
      std::map<int64_t, int> scored = {{text.score, 1}};  // the last word's, by the base kernel
      cr_assert_eq(text.score, score + (sign > 0 ? length - 1 : 0));
      for (int i = 0; i < bki_k_text_items(length); i++) {
        const bki_k_item item = bki_k_scan_item(&text, i, sign);
        const int begin = 8 * i;  // words read before
        cr_assert_eq(item.state, i == 0 ? -1 : states + i - 1);
        cr_assert(i == 0 || i <= bki_k_text_states(length));
        cr_assert_eq(item.text, 3);
        cr_assert_geq(item.steps, 2);
        for (int r = 0; r < 8; r++) {
          const std::vector<int64_t> words = read_by(item, r, sign);
          std::vector<int64_t> expected;
          for (int p = begin; p < length; p++) {
            if (item.skip[r] < 0 || p != begin + r) {
              expected.push_back(sign > 0 ? first + p : first + length - 1 - p);
            }
          }
          cr_assert(words == expected);
          cr_assert(item.skip[r] == (begin + r <= length - 2 ? r : -1));
          if (item.skip[r] >= 0) {
            scored[item.score + sign * item.skip[r]]++;
          }
        }
      }
      cr_assert_eq(scored.size(), static_cast<size_t>(length));
      for (const auto &s : scored) {
        cr_assert(s.first >= score && s.first < score + length && s.second == 1);
      }
    }
  }
}

Test(persistent_layout, scattered_variants_begin_at_the_last_state_before_the_first) {
  for (int sign : {1, -1}) {
    const bki_k_text text = bki_k_make_text(0, 0, 60, 0, 10, sign);
    for (int a = 0; a <= 57; a++) {
      for (int b = a + 1; b <= 58; b++) {
        const int32_t skip[2] = {a, b};
        const bki_k_item item = bki_k_make_item(&text, skip, 2, sign);
        const int begin = 60 - item.steps;
        cr_assert(begin % 8 == 0 && begin <= a && a - begin < 8);
        cr_assert_eq(item.state, begin == 0 ? -1 : 10 + begin / 8 - 1);
        cr_assert_eq(item.score + sign * item.skip[1], sign > 0 ? b : 59 - b);
        cr_assert(item.skip[2] == -1 && item.skip[7] == -1);
      }
    }
  }
}

Test(persistent_weights, halves_come_back_and_round_to_nearest_even) {
  for (unsigned bits = 0; bits < 0x7c00; bits++) {
    const float x = bki_k_half_value(static_cast<uint16_t>(bits));
    const float next = bki_k_half_value(static_cast<uint16_t>(bits + 1));
    cr_assert_eq(bki_k_half_bits(x), bits);
    cr_assert_eq(bki_k_half_bits(-x), bits | 0x8000);
    if (bits + 1 < 0x7c00) {
      const float middle = x + (next - x) / 2;
      cr_assert_eq(bki_k_half_bits(middle), (bits + 1) & ~1u);
      cr_assert_eq(bki_k_half_bits(std::nextafter(middle, 0.0f)), bits);
      cr_assert_eq(bki_k_half_bits(std::nextafter(middle, 1e9f)), bits + 1);
    }
  }
  cr_assert_eq(bki_k_half_bits(65519), 0x7bff);
  cr_assert_eq(bki_k_half_bits(65520), 0x7c00);
  cr_assert_eq(bki_k_half_bits(1e30f), 0x7c00);
}

Test(persistent_weights, both_halves_of_a_split_weight_give_22_bits) {
  const int H = 16;
  std::vector<float> w(static_cast<size_t>(4 * H * H));
  for (size_t i = 0; i < w.size(); i++) {
    w[i] = std::sin(static_cast<float>(i)) * (i % 7 == 0 ? 1e-3f : 0.7f);
  }
  std::vector<uint16_t> image(static_cast<size_t>(bki_k_weights_bytes(BKI_K_SPLIT, H)) / 2);
  bki_k_pack_weights(BKI_K_SPLIT, image.data(), w.data(), H);
  float back;
  std::memcpy(&back, &image[static_cast<size_t>(8 * H * H)], sizeof back);
  for_weights(H, [&](int u, int gate, int k) {
    const size_t place = static_cast<size_t>(bki_k_half_place(H, u, gate, k));
    const float both = bki_k_half_value(image[place]) + bki_k_half_value(image[static_cast<size_t>(4 * H * H) + place]);
    const float expected = w[static_cast<size_t>((gate * H + u) * H + k)] * bki_k_gate_scale(gate);
    cr_assert_leq(std::fabs(both * back - expected), std::fabs(expected) * 0x1p-22f);
  });
}

Test(persistent_weights, weights_that_a_kind_cannot_hold_are_refused) {
  std::vector<float> w(4 * 16 * 16, 0.1f);
  for (bki_k_kind kind : {BKI_K_FP32, BKI_K_HALF, BKI_K_SPLIT}) {
    for (float bad : {NAN, INFINITY, -INFINITY}) {
      w[37] = bad;
      cr_assert_not(bki_k_weights_fit(kind, w.data(), 16));
    }
    w[37] = -65505;
    cr_assert_eq(bki_k_weights_fit(kind, w.data(), 16), kind != BKI_K_HALF);
    w[37] = 0.1f;
    cr_assert(bki_k_weights_fit(kind, w.data(), 16));
  }
}

}  // namespace
