#!/usr/bin/env python3
"""The Markdown of gpu.sh's CSV: gpu_table.py FILE.csv > FILE.md

The CSV begins with lines `# name: value` about the machine. Where a program was measured with several batch sizes, its
fastest row is shown. Times are of the whole corpus: what was measured, times corpus_row_steps / row_steps.
"""
import csv
import sys

# Multiprocessors; dense peaks in TFLOP/s (fp32 without tensor cores; TF32 and fp16 with fp32 sums), from NVIDIA's data
# sheets. The first name that the device's contains counts: an unknown device has no share of a roofline.
DEVICES = [
    ("H200", 132, {"fp32": 66.9, "tf32": 494.7, "fp16": 989.4}),
    ("H100 80GB HBM3", 132, {"fp32": 66.9, "tf32": 494.7, "fp16": 989.4}),
    ("H100 PCIe", 114, {"fp32": 51.2, "tf32": 378, "fp16": 756}),
    ("A100", 108, {"fp32": 19.5, "tf32": 156, "fp16": 312}),
    ("A10G", None, {}),
    ("A10", 72, {"fp32": 31.2, "tf32": 62.5, "fp16": 125}),
    ("L40S", 142, {"fp32": 91.6, "tf32": 183, "fp16": 362}),
    ("L40", None, {}),
    ("RTX 4090", 128, {"fp32": 82.6, "tf32": 82.6, "fp16": 165.2}),
    ("T4", 40, {"fp32": 8.1, "fp16": 65}),
]
SHARING = ("incremental", "persistent")
COLUMNS = ["program", "engine", "precision", "batch", "seconds", "M row-steps/s", "SM cycles/row-step", "of roofline",
           "MiB", "runs"]


def read(path):
    """({fact: value}, [row])"""
    with open(path, newline="") as source:
        lines = source.read().splitlines()
    facts = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    return facts, list(csv.DictReader(line for line in lines if not line.startswith("#")))


def describe(facts):
    """(multiprocessors or None, peaks)"""
    for name, multiprocessors, peaks in DEVICES:
        if name in facts.get("device", ""):
            break
    else:
        multiprocessors, peaks = None, {}
    return int(facts.get("multiprocessors") or multiprocessors or 0) or None, peaks


def flop(row):
    """Of a row-step: recurrent products; and the input's where a run shares nothing with others."""
    h, e = int(row["hidden"]), int(row["embedding"])
    return 8 * h * h if row["how"] in SHARING else 8 * h * (h + e)


def whole_seconds(row):
    return float(row["seconds"]) * int(row["corpus_row_steps"]) / int(row["row_steps"])


def fastest(rows):
    best = {}
    for row in rows:
        key = (row["program"], row["how"], row["precision"])
        if key not in best or whole_seconds(row) < whole_seconds(best[key]):
            best[key] = row
    return list(best.values())


def cells(row, multiprocessors, peaks):
    rate = int(row["row_steps"]) / float(row["seconds"])
    cycles = share = ""
    if multiprocessors and row["clock_mhz"]:
        cycles = f"{multiprocessors * float(row['clock_mhz']) * 1e6 / rate:.1f}"
    if row["precision"] in peaks:
        share = f"{100 * rate * flop(row) / (peaks[row['precision']] * 1e12):.1f} %"
    scaled = "*" if row["row_steps"] != row["corpus_row_steps"] else ""
    return [row["program"], row["how"], row["precision"], row["batch"], f"{whole_seconds(row):.3f}{scaled}",
            f"{rate / 1e6:.2f}", cycles, share, row["memory_mib"], row["runs"]]


def ratios(rows):
    """Lines that compare bki's engines with the fastest peer of the same precision."""
    for precision in dict.fromkeys(row["precision"] for row in rows):
        same = [row for row in rows if row["precision"] == precision]
        peers = [row for row in same if not row["program"].startswith("bki")]
        if peers:
            peer = min(peers, key=whole_seconds)
            for row in same:
                if row["program"].startswith("bki"):
                    yield (f"- {precision}: `{row['how']}` is {whole_seconds(peer) / whole_seconds(row):.2f} times as fast "
                           f"as {peer['program']} {peer['how']}, the fastest peer.")


def main():
    facts, rows = read(sys.argv[1])
    multiprocessors, peaks = describe(facts)
    print(f"# {facts.get('device', 'unknown device')}\n")
    for name, value in facts.items():
        print(f"- {name}: {f'`{value}`' if name == 'command' else value}")
    print("\nRow-steps are those that the engine takes: l (l-1) a text for `incremental` and `persistent`, 2 l (l-1)\n"
          "for the others. FLOP of a row-step: 8 H^2 for these two, 8 H (H + E) for the others. "
          f"Clock: {', '.join(sorted({r['clock_from'] for r in rows if r['clock_from']})) or 'unknown'}.\n"
          "MiB: device memory while the program ran, less what was in use before it.")
    if any(row["row_steps"] != row["corpus_row_steps"] for row in rows):
        print("`*`: scaled from a part of the corpus (every N-th length, all texts that have it) by its row-steps.")
    for lengths in dict.fromkeys(row["lengths"] for row in rows):
        best = fastest([row for row in rows if row["lengths"] == lengths])
        first = best[0]
        print(f"\n## {lengths}: {first['texts']} texts, mean {first['mean_words']} words, E[l^2] = "
              f"{first['mean_squared_words']}; E = {first['embedding']}, H = {first['hidden']}\n")
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
        for row in best:
            print("| " + " | ".join(cells(row, multiprocessors, peaks)) + " |")
        for i, line in enumerate(ratios(best)):
            print(line if i else f"\n{line}")


if __name__ == "__main__":
    main()
