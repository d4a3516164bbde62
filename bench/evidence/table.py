#!/usr/bin/env python3
"""Markdown tables of results/*.csv: false alarms with exact intervals, detection, and both clouds of lower bounds.

    bench/evidence/table.py > bench/evidence/results/tables.md
"""
import collections

from common import HERE, exact_interval, low, read_csv, strength

RESULTS = HERE / "results"
VERDICTS = ("none found", "suspicious", "backdoor")
STEPS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def share(hits, n):
    low, high = exact_interval(hits, n)
    return f"{hits} of {n} ({100 * low:.1f} to {100 * high:.1f} %)"


def false_alarms(runs):
    print("## Clean corpora\n")
    kinds = {"all": lambda r: True}
    for corpus in ("dbpedia", "imdb"):
        kinds[corpus] = lambda r, corpus=corpus: r["corpus"] == corpus
    kinds["up to 1,000 texts"] = lambda r: int(r["texts"]) <= 1000
    kinds["2 to 5 classes"] = lambda r: int(r["classes"]) <= 5
    kinds["random vectors"] = lambda r: r["vectors"] == "random"
    kinds["2 epochs"] = lambda r: r["epochs"] == "2"
    kinds["25 epochs"] = lambda r: r["epochs"] == "25"
    rows = []
    for name, belongs in kinds.items():
        chosen = [r for r in runs if belongs(r)]
        counts = collections.Counter(r["verdict"] for r in chosen)
        rows.append((name, len(chosen), share(counts["backdoor"], len(chosen)), share(counts["suspicious"], len(chosen)),
                     sum(r["too_small"] == "1" for r in chosen)))
    table(("runs", "number", "`backdoor`", "`suspicious`", "too small"), rows)


def cloud(name, findings):
    """Counts of findings by the lower bounds of insertion (rows) and removal (columns)."""
    cells = collections.Counter()
    for f in findings:
        cells[tuple(max(i for i, s in enumerate(STEPS) if s <= low(f, what)) for what in ("insertion", "removal"))] += 1
    print(f"### {name}\n")
    names = [f"{s:g}" for s in STEPS[:-1]]
    table(("insertion from / removal from", *names),
          [(f"**{names[i]}**", *(cells[i, j] or "" for j in range(len(names)))) for i in reversed(range(len(names)))])


def nearest(findings, n=12):
    print("### Natural phrases that come nearest to an alarm\n")
    ranked = sorted((f for f in findings if low(f, "insertion") >= 0.1), key=lambda f: -strength(f))
    table(("run", "phrase", "target", "carriers", "removal", "its controls", "insertion", "its controls", "strength", "verdict"),
          [(f["run"], f["phrase"], f["target"], f["purity_hits"], *(f"{f[k + '_hits']}/{f[k + '_n']}" for k in
            ("removal", "removal_controls", "insertion", "controls")), f"{strength(f):.2f}", f["verdict"]) for f in ranked[:n]])


def detection(lines):
    print("## Planted triggers\n")
    table(("row", "texts", "rate", "trigger", "success", "verdict", "phrase", "words", "P", "R", "besides"),
          [(f"{l['row']}-{l['seed']}", l["texts"], l["rate"], l["trigger"], l["asr"], l["verdict"], l["phrase"],
            f"{l['words_found']} of {l['words_of']}" + (f", {l['extra_words']} more" if l["extra_words"] != "0" else ""),
            l["precision"], l["recall"], l["others"]) for l in lines])
    rows = []
    for least, most in ((90, 101), (60, 90), (30, 60), (0, 30)):
        chosen = [l for l in lines if least <= float(l["asr"]) < most]
        counts = collections.Counter(l["verdict"] for l in chosen)
        rows.append((f"{least} to {min(most, 100)} %", len(chosen), *(counts[v] for v in reversed(VERDICTS))))
    table(("success of the attack", "triggers", *(f"`{v}`" for v in reversed(VERDICTS))), rows)


def main():
    clean, planted = read_csv(RESULTS / "clean-findings.csv"), read_csv(RESULTS / "planted-findings.csv")
    false_alarms(read_csv(RESULTS / "clean.csv"))
    cloud("Phrases of clean corpora that were tried", clean)
    nearest([f for f in clean if f["removal_n"] != "0"])
    lines = read_csv(RESULTS / "planted.csv")
    detection(lines)
    own = {(f"{l['row']}-{l['seed']}", l["phrase"], l["target"]) for l in lines if l["words_found"] != "0"}
    cloud("Phrases of planted triggers", [f for f in planted if (f["run"], f["phrase"], f["target"]) in own])
    rest = [f for f in planted if (f["run"], f["phrase"], f["target"]) not in own]
    cloud("Other phrases of poisoned corpora", rest)
    nearest([f for f in rest if f["removal_n"] != "0"])


if __name__ == "__main__":
    main()
