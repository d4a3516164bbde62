#!/usr/bin/env python3
"""Counts the instructions of kernels in a cubin, without a disassembler.

    opcodes.py CUBIN KERNEL [NAME=N | NAME<=N | NAME>=N]...

A cubin is a 64-bit ELF file, a kernel a section .text.<mangled name>, an instruction 16 bytes whose lowest 12 bits are
the opcode. For each kernel whose mangled name contains KERNEL the counts of the opcodes below are printed, and each
condition is checked; exit 1 when one fails or no kernel has the name.
"""

import collections
import re
import struct
import sys

# Found by assembling kernels of one instruction (nvcc 13.0; the same from sm_75 to sm_120).
OPCODES = {0xDF0: "HGMMA", 0x23C: "HMMA", 0x308: "MUFU", 0x983: "LDL", 0x387: "STL", 0x3BA: "UBLKCP"}
FFMA = (0x223, 0x423, 0x823, 0xC23)
SHFL = (0x389, 0x589, 0x989, 0xF89)
LDS = 0x984
LDS_128 = 6  # in bits 73 to 75, where an access to memory has its width


def text_sections(elf):
    """Pairs (name, bytes) of the sections of code."""
    (headers,) = struct.unpack_from("<Q", elf, 0x28)
    size, number, names = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", elf, headers + i * size) for i in range(number)]
    for name, _, _, _, offset, length in sections:
        begin = sections[names][4] + name
        text = elf[begin : elf.index(b"\0", begin)].decode()
        if text.startswith(".text."):
            yield text[len(".text.") :], elf[offset : offset + length]


def name(opcode, width):
    if opcode in FFMA:
        return "FFMA"
    if opcode in SHFL:
        return "SHFL"
    if opcode == LDS:
        return "LDS.128" if width == LDS_128 else "LDS"
    return OPCODES.get(opcode, "other")


def count(code):
    counts = collections.Counter()
    for at in range(0, len(code), 16):
        low, high = struct.unpack_from("<QQ", code, at)
        counts[name(low & 0xFFF, high >> 9 & 7)] += 1
    return counts


def holds(counts, condition):
    name, relation, limit = re.fullmatch(r"([\w.]+)(<=|>=|=)(\d+)", condition).groups()
    found = counts[name]
    return {"<=": found <= int(limit), ">=": found >= int(limit), "=": found == int(limit)}[relation]


def main(cubin, kernel, *conditions):
    failed = False
    kernels = 0
    with open(cubin, "rb") as file:
        for name, code in text_sections(file.read()):
            if kernel not in name:
                continue
            kernels += 1
            counts = count(code)
            print("#", name, *(f"{key}:{value}" for key, value in sorted(counts.items())))
            for condition in conditions:
                if not holds(counts, condition):
                    print(f"# {name}: {condition} does not hold")
                    failed = True
    if kernels == 0:
        print(f"# {cubin}: no kernel {kernel}")
    return 1 if failed or kernels == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
