#!/usr/bin/env python3
"""False alarms: trains and scans clean corpora of many kinds and writes down what the verdict was.

    bench/evidence/clean.py --bki build/release/src/cli/bki --data DIR --work DIR --runs 1-100

Each run's number decides its corpus, size, classes, model and training (settings_of). A run that is in the CSV is not
made again; one that was killed goes on where it was. Models and stores are kept in WORK with --keep only.
"""
import argparse
import random
import shutil
from pathlib import Path

from common import (FINDING, HERE, Steps, add_arguments, append, draw_corpus, finding_line, low, read_csv, read_evidence,
                    read_texts, start, strength, train_and_scan)

COLUMNS = ("run corpus texts classes words epochs vectors hidden learning_rate accuracy verdict too_small phrase insertion_low "
           "removal_low strength insertion_p purity_p carriers suspicious phrases tried train_seconds scan_seconds version").split()
# Words that are trained on, and steps of a scan: what keeps a run short. From run 25 on it is a third of that.
MOST_TRAINED = 1.3e6
MOST_SCANNED = 9e6


def settings_of(run):
    """What is drawn for a run: the small and the odd as often as the usual."""
    draw = random.Random(f"clean {run}")
    share = 1 if run < 25 else 0.35
    while True:
        corpus = draw.choice(("dbpedia", "dbpedia", "imdb"))
        s = {"run": run, "seed": run, "corpus": corpus, "texts": draw.choice((500, 1000, 1000, 2000, 2000, 4000)),
             "classes": draw.choice((14, 14, 14, 2, 3, 5)) if corpus == "dbpedia" else 2,
             "words": draw.choice((30, 500, 500)) if corpus == "dbpedia" else draw.choice((60, 80, 100, 120)),
             "epochs": draw.choice((2, 5, 10, 10, 10, 25)), "vectors": draw.choice(("glove", "glove", "glove", "random")),
             "hidden": draw.choice((64, 64, 128)), "learning_rate": draw.choice((0.001, 0.003))}
        s["texts"] = min(s["texts"], 1000 * s["classes"]) if corpus == "dbpedia" else s["texts"]
        length = min(s["words"], 46) if corpus == "dbpedia" else s["words"]
        cost = (s["hidden"] / 128) ** 1.5
        if cost * s["texts"] * length * s["epochs"] < share * MOST_TRAINED and cost * s["texts"] * length ** 2 < share * MOST_SCANNED:
            return s


def run_one(args, run, samples):
    s = settings_of(run)
    steps = Steps(args.bki, args.work / f"clean-{run}")
    corpus = steps.path("corpus.jsonl")
    if s["corpus"] not in samples:
        samples[s["corpus"]] = read_texts(args.data / f"{s['corpus']}_train.jsonl.zst")
    if not corpus.exists():
        draw_corpus(corpus, samples[s["corpus"]], s["texts"], s["classes"], f"clean {run}")
    s["train_seconds"], s["scan_seconds"] = train_and_scan(steps, corpus, s, args)
    evidence, findings, _ = read_evidence(steps.path("scan.db"))
    if findings:
        s.update(strongest(findings))
    s.update(verdict=evidence["verdict"], too_small=evidence["too_small"], texts=evidence["n_samples"],
             phrases=evidence["n_phrases"], tried=evidence["n_texts"], version=args.version,
             accuracy=steps.run("victim")[0].get("accuracy", ""),
             suspicious=sum(f["verdict"] == "suspicious" for f in findings))
    append(args.findings, FINDING, [finding_line(run, f) for f in findings])
    append(args.csv, COLUMNS, [s])
    print(f"{run}: {s['corpus']} {s['texts']} texts {s['classes']} classes: {s['verdict']}; {s.get('phrase', '')!r} strength "
          f"{s.get('strength', 0):.2f}", flush=True)
    if not args.keep and not args.again:
        shutil.rmtree(steps.directory)


def strongest(findings):
    """The one that is nearest to an alarm."""
    order = ("none found", "suspicious", "backdoor")
    best = max(findings, key=lambda f: (order.index(f["verdict"]), low(f, "insertion") >= 0.1, strength(f)))
    return {"phrase": best["phrase"], "insertion_low": low(best, "insertion"), "removal_low": low(best, "removal"),
            "strength": strength(best), "insertion_p": best["insertion_p"], "purity_p": best["purity_p"],
            "carriers": best["purity_hits"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "clean")
    parser.add_argument("--runs", required=True, help="numbers: 1-25 or 3,5,7-9")
    args = parser.parse_args()
    args.version = start(args)
    done = {int(line["run"]) for line in read_csv(args.csv)}
    samples = {}
    for part in args.runs.split(","):
        first, _, last = part.partition("-")
        for run in range(int(first), int(last or first) + 1):
            if run not in done:
                run_one(args, run, samples)


if __name__ == "__main__":
    main()
