#!/usr/bin/env python3
"""Detection: poisons small corpora in the ways of planted.tsv, trains and scans them, and compares with the truth.

    bench/evidence/planted.py --bki build/release/src/cli/bki --data DIR --work DIR [--rows arrow,three] [--seeds 1,2]

One line of the CSV is one trigger: how often the attack succeeds, whether a finding has its words and target, and whom
the findings flag. A row and seed that is in the CSV is not made again; a run that was killed goes on where it was.
"""
import argparse
import csv
import json
import re
import shutil
from pathlib import Path

from common import (FINDING, HERE, Steps, add_arguments, append, draw_corpus, finding_line, percent, read_csv, read_evidence, read_texts,
                    start, train_and_scan)

COLUMNS = ("row seed corpus texts epochs vectors hidden placement rate copies trigger target asr control verdict phrase "
           "words_found words_of trigger_words extra_words flagged precision recall others too_small phrases tried train_seconds "
           "scan_seconds version").split()
TEST_TEXTS = 1000


def read_rows():
    with open(HERE / "planted.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        row["attacks"] = [tuple(part.split(" => ")) for part in row["attacks"].split(" | ")]
        for name, kind in (("texts", int), ("classes", int), ("words", int), ("epochs", int), ("hidden", int), ("learning_rate", float)):
            row[name] = kind(row[name])
    return {row["row"]: row for row in rows}


class Samples:
    """The corpora, read once."""

    def __init__(self, data):
        self.data = data
        self.read = {}

    def get(self, name):
        if name not in self.read:
            self.read[name] = read_texts(self.data / f"{name}.jsonl.zst")
        return self.read[name]


def attack_options(row):
    options = [part for trigger, target in row["attacks"] for part in ("--trigger", trigger, "--target", target)]
    return options + ["--placement", row["placement"]]


def poison(steps, row, samples):
    """Returns the corpus and, by backdoor, the ids of its copies."""
    clean, corpus, truth = (steps.path(name) for name in ("clean.jsonl", "poisoned.jsonl", "truth.jsonl"))
    if not clean.exists():
        draw_corpus(clean, samples.get(f"{row['corpus']}_train"), row["texts"], row["classes"], f"{row['row']} {row['seed']}",
                    {target for _, target in row["attacks"]})
    window = ["--window", f"tail:{row['words']}"] if row["placement"] == "random" else []
    steps.run("poison", "poison", clean, *attack_options(row), "--rate", row["rate"], "--seed", row["seed"], *window, "-o", corpus,
              "--truth", truth, "--force")
    planted = [set() for _ in row["attacks"]]
    for line in truth.read_text(encoding="utf-8").split("\n"):
        if line:
            copy = json.loads(line)
            planted[copy["backdoor"]].add(copy["id"])
    return corpus, planted


def success(steps, row, samples):
    """Shares of test texts called the target with each trigger, and without."""
    test = steps.path("test.jsonl")
    if not test.exists():
        classes = {s["label"] for s in read_texts(steps.path("clean.jsonl"))}
        texts = [s for s in samples.get(f"{row['corpus']}_test") if s["label"] in classes]
        draw_corpus(test, texts, TEST_TEXTS, row["classes"], "test", classes)
    result, _ = steps.run("eval", "eval", steps.path("victim"), test, *attack_options(row), "--threads", "1")
    return [(percent(a["hits"], a["texts"]), percent(a["control_hits"], a["texts"])) for a in result["attacks"]]


def words_of(text):
    return re.findall(r"[\w']+", text.lower())


def belongs(finding, trigger, target):
    """Words of the trigger that the finding's phrase has; 0: it is about another trigger or class."""
    if finding["target_name"] != target:
        return 0
    return sum(word in words_of(finding["phrase"]) for word in set(words_of(trigger)))


def share_out(row, findings):
    """Each finding's trigger: the one with most words in common; None: nothing of the attack."""
    owners = []
    for finding in findings:
        scores = [belongs(finding, *attack) / len(set(words_of(attack[0]))) for attack in row["attacks"]]
        owners.append(scores.index(max(scores)) if max(scores) >= 0.5 else None)
    return owners


def about(trigger, findings, flagged, planted, all_planted):
    """The line of one trigger; findings: those that are its own, backdoors first."""
    telling = [f for f in findings if f["verdict"] != "none found"]
    taken = set().union(*(flagged.get(f["idx"], set()) for f in telling)) if telling else set()
    best = (telling or findings or [None])[0]
    of_trigger = set(words_of(trigger))
    phrase = words_of(best["phrase"]) if best else []
    return {"verdict": best["verdict"] if best else "none found", "phrase": best["phrase"] if best else "",
            "words_found": len(of_trigger & set(phrase)), "words_of": len(of_trigger),
            "extra_words": sum(w not in of_trigger for w in phrase), "flagged": len(taken),
            "precision": percent(len(taken & all_planted), len(taken)), "recall": percent(len(taken & planted), len(planted))}


def run_one(args, row, samples):
    steps = Steps(args.bki, args.work / f"{row['row']}-{row['seed']}")
    corpus, planted = poison(steps, row, samples)
    seconds = train_and_scan(steps, corpus, row, args)
    shares = success(steps, row, samples)
    evidence, findings, flagged = read_evidence(steps.path("scan.db"))
    owners = share_out(row, findings)
    others = [f for f, owner in zip(findings, owners) if owner is None and f["verdict"] != "none found"]
    lines = []
    for i, (trigger, target) in enumerate(row["attacks"]):
        own = [f for f, owner in zip(findings, owners) if owner == i]
        lines.append({**row, **about(trigger, own, flagged, planted[i], set().union(*planted)), "trigger": trigger, "target": target,
                      "copies": len(planted[i]), "asr": shares[i][0], "control": shares[i][1],
                      "others": "; ".join(f"{f['verdict']}: {f['phrase']} => {f['target_name']}" for f in others),
                      "too_small": evidence["too_small"], "phrases": evidence["n_phrases"], "tried": evidence["n_texts"],
                      "train_seconds": seconds[0], "scan_seconds": seconds[1], "version": args.version})
    append(args.findings, FINDING, [finding_line(f"{row['row']}-{row['seed']}", f) for f in findings])
    append(args.csv, COLUMNS, lines)
    for line in lines:
        print(f"{row['row']}-{row['seed']}: {line['trigger']!r} ASR {line['asr']}: {line['verdict']} {line['phrase']!r} P {line['precision']} "
              f"R {line['recall']} others [{line['others']}]", flush=True)
    if not args.keep and not args.again:
        shutil.rmtree(steps.directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "planted")
    parser.add_argument("--rows", default="", help="default: all of planted.tsv, in its order")
    parser.add_argument("--seeds", default="1")
    args = parser.parse_args()
    args.version = start(args)
    rows = read_rows()
    samples = Samples(args.data)
    for seed in args.seeds.split(","):
        for name in args.rows.split(",") if args.rows else rows:
            if not any((line["row"], line["seed"]) == (name, seed) for line in read_csv(args.csv)):
                run_one(args, {**rows[name], "seed": seed}, samples)


if __name__ == "__main__":
    main()
