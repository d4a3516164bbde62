#!/usr/bin/env python3
"""The Markdown of gpu.sh's CSV: gpu_table.py FILE.csv [RATES.csv] > FILE.md

The CSV begins with lines `# name: value` about the machine. Where a program was measured with several batch sizes, its
fastest row is shown. Times are of the whole corpus: what was measured, times corpus_row_steps / row_steps. RATES are
bench_gpu_rates'; they may not be there.
"""
import csv
import os
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
WHOLE = ("full", "unpacked", "packed", "authors")  # every variant from end to end
COLUMNS = ["program", "engine", "precision", "batch", "seconds", "M row-steps/s", "SM cycles/row-step", "of roofline",
           "MiB", "runs", "scored twice", "widened"]

# What is asked of engine persistent on an H200: seconds that must and should not be exceeded, a corpus and precision.
GOALS_DEVICE = "H200"
GOALS = {
    "imdb-whole": {"fp32": (2.4, None), "exact": (0.45, 0.30), "split": (0.8, None)},
    "dbpedia-whole": {"fp32": (0.15, None), "exact": (0.040, 0.025), "split": (0.050, None)},
}
SCREENING = ("scan kernel wgmma", "fp16", 60)  # SM cycles a row-step at most
EXACT_TO_CUDNN = 25  # times as fast as the fastest cuDNN in fp32, at least


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
    h = int(row["hidden"])
    return 8 * h * (h + int(row["embedding"])) if row["how"] in WHOLE else 8 * h * h


def whole_seconds(row):
    return float(row["seconds"]) * int(row["corpus_row_steps"]) / int(row["row_steps"])


def fastest(rows):
    best = {}
    for row in rows:
        key = (row["program"], row["how"], row["precision"])
        if key not in best or whole_seconds(row) < whole_seconds(best[key]):
            best[key] = row
    return list(best.values())


def cycles_of(row, multiprocessors):
    """Of a multiprocessor for a row-step; None where it or the clock is unknown."""
    if not multiprocessors or not row["clock_mhz"]:
        return None
    return multiprocessors * float(row["clock_mhz"]) * 1e6 * float(row["seconds"]) / int(row["row_steps"])


def percent(share):
    return f"{100 * float(share):.1f} %" if share else ""


def cells(row, multiprocessors, peaks):
    rate = int(row["row_steps"]) / float(row["seconds"])
    share = ""
    cycles = cycles_of(row, multiprocessors)
    cycles = "" if cycles is None else f"{cycles:.1f}"
    if row["precision"] in peaks:
        share = f"{100 * rate * flop(row) / (peaks[row['precision']] * 1e12):.1f} %"
    scaled = "*" if row["row_steps"] != row["corpus_row_steps"] else ""
    return [row["program"], row["how"], row["precision"], row["batch"], f"{whole_seconds(row):.3f}{scaled}",
            f"{rate / 1e6:.2f}", cycles, share, row["memory_mib"], row["runs"], percent(row["rescored"]),
            percent(row["widened"])]


def ratios(rows):
    """Lines that compare bki's engines with the fastest peer of the same precision."""
    for precision in dict.fromkeys(row["precision"] for row in rows):
        same = [row for row in rows if row["precision"] == precision]
        peers = [row for row in same if row["program"].startswith("torch")]
        if peers:
            peer = min(peers, key=whole_seconds)
            for row in same:
                if row["program"].startswith("bki"):
                    yield (f"- {precision}: `{row['how']}` is {whole_seconds(peer) / whole_seconds(row):.2f} times as fast "
                           f"as {peer['program']} {peer['how']}, the fastest peer.")


def find(rows, how, precision):
    return next((row for row in rows if row["how"] == how and row["precision"] == precision), None)


def verdict(value, limit, at_least=False):
    if value is None:
        return "not measured"
    return "holds" if (value >= limit if at_least else value <= limit) else "missed"


def goals(lengths, rows, multiprocessors):
    """Lines of a table: goal, limit, what was measured, and whether the limit holds."""
    for precision, limits in GOALS[lengths].items():
        row = find(rows, "persistent", precision)
        seconds = whole_seconds(row) if row else None
        for word, limit in zip(("must", "target"), limits):
            if limit is not None:
                yield (f"`persistent`, {precision}, {word}", f"at most {limit * 1e3:g} ms",
                       f"{seconds * 1e3:.1f} ms" if row else "", verdict(seconds, limit))
    how, precision, limit = SCREENING
    row = find(rows, how, precision)
    cycles = cycles_of(row, multiprocessors) if row else None
    yield (how, f"at most {limit} SM cycles a row-step", "" if cycles is None else f"{cycles:.1f}", verdict(cycles, limit))
    exact = find(rows, "persistent", "exact")
    cudnn = [whole_seconds(row) for row in rows if row["precision"] == "fp32" and row["how"] in WHOLE]
    ratio = min(cudnn) / whole_seconds(exact) if exact and cudnn else None
    yield ("`persistent`, exact, against the fastest cuDNN in fp32", f"at least {EXACT_TO_CUDNN} times as fast",
           "" if ratio is None else f"{ratio:.1f}", verdict(ratio, EXACT_TO_CUDNN, at_least=True))


def print_table(columns, lines):
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def print_rates(path):
    _, rows = read(path)
    print("\n## Rates of a multiprocessor, a cycle")
    print_table(["rate", "unit", "assumed", "measured", "ratio", "by time", "clock, MHz"],
                ([row[name] for name in ("rate", "unit", "assumed", "measured", "ratio", "by_time", "clock_mhz")]
                 for row in rows))


def main():
    facts, rows = read(sys.argv[1])
    multiprocessors, peaks = describe(facts)
    print(f"# {facts.get('device', 'unknown device')}\n")
    for name, value in facts.items():
        print(f"- {name}: {f'`{value}`' if name == 'command' else value}")
    print("\nRow-steps are those that the engine takes: 2 l (l-1) a text for `full` and the peers, 2 l for a base kernel,\n"
          "l (l-1) for the others; of precision exact those of screening. FLOP of a row-step: 8 H (H + E) for `full` and\n"
          "the peers, 8 H^2 for the others. Scored twice: share of the screened words; widened: of the screened texts. "
          f"Clock: {', '.join(sorted({r['clock_from'] for r in rows if r['clock_from']})) or 'unknown'}.\n"
          "MiB: device memory while the program ran, less what was in use before it.")
    if any(row["row_steps"] != row["corpus_row_steps"] for row in rows):
        print("`*`: scaled from a part of the corpus (every N-th length, all texts that have it) by its row-steps.")
    for lengths in dict.fromkeys(row["lengths"] for row in rows):
        best = fastest([row for row in rows if row["lengths"] == lengths])
        first = max(best, key=lambda row: row["embedding"])  # the kernels have none
        print(f"\n## {lengths}: {first['texts']} texts, mean {first['mean_words']} words, E[l^2] = "
              f"{first['mean_squared_words']}; E = {first['embedding']}, H = {first['hidden']}")
        print_table(COLUMNS, (cells(row, multiprocessors, peaks) for row in best))
        for i, line in enumerate(ratios(best)):
            print(line if i else f"\n{line}")
        if GOALS_DEVICE in facts.get("device", "") and lengths in GOALS:
            print_table(["goal", "limit", "measured", ""], goals(lengths, best, multiprocessors))
    if len(sys.argv) > 2 and os.path.exists(sys.argv[2]):
        print_rates(sys.argv[2])


if __name__ == "__main__":
    main()
