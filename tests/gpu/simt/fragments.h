// Which element of a matrix lies where, as the PTX ISA draws it ("Matrix Fragments for mma.m16n8k16", "Register
// Fragments and Shared Memory Matrix Layouts" of wgmma): for the host's instructions, and to test the kernels' layouts
// against.
#ifndef BKI_TESTS_SIMT_FRAGMENTS_H
#define BKI_TESTS_SIMT_FRAGMENTS_H

#include <cstdint>

namespace simt {

struct element {
  int row;
  int column;
};

// A, 16 x 16 halves: a lane's register 0 .. 3, half 0 or 1. Of wgmma the same for each warp's 16 of 64 rows.
inline element fragment_a(int lane, int reg, int half) {
  return {lane / 4 + reg % 2 * 8, lane % 4 * 2 + reg / 2 * 8 + half};
}
// B, 16 (k) x 8 halves: register 0 or 1.
inline element fragment_b(int lane, int reg, int half) {
  return {lane % 4 * 2 + reg * 8 + half, lane / 4};
}
// C and D, 16 x N floats: number i of a lane, 4 for every 8 columns.
inline element fragment_d(int lane, int i) {
  return {lane / 4 + i % 4 / 2 * 8, i / 4 * 8 + lane % 4 * 2 + i % 2};
}

// Fields of a descriptor of a matrix in shared memory, in bytes.
struct matrix_descriptor {
  uint32_t start;
  uint32_t stride;   // from 8 rows to the next 8
  uint32_t swizzle;  // 1: 128 bytes
};
inline matrix_descriptor decode_descriptor(uint64_t bits) {
  return {static_cast<uint32_t>(bits & 0x3fff) << 4, static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4,
          static_cast<uint32_t>(bits >> 62)};
}
// Address of half k = 0 .. 15 of row n, K-major, 128-byte swizzle: rows of 128 bytes, 8 to a group; bits 4 to 6 of an
// address are those of the plain one, exclusive or its bits 7 to 9.
inline uint32_t descriptor_address(const matrix_descriptor &d, int n, int k) {
  const uint32_t un = static_cast<uint32_t>(n);
  const uint32_t plain = d.start + un / 8 * d.stride + un % 8 * 128 + static_cast<uint32_t>(k) * 2;
  return plain ^ (plain >> 7 & 7) << 4;
}

}  // namespace simt

#endif
