#!/usr/bin/env python3
"""Runs the configurations of configs.tsv: poison, train, evaluate, scan, and by each rule purify, retrain, evaluate.

    bench/paper/run.py --bki build/release/src/cli/bki --data DIR --work DIR [--rows dbpedia-arrow,imdb-clean] [--seeds 1,2,3]

DIR of --data has imdb_train.jsonl.zst, imdb_test.jsonl.zst, the same of dbpedia, and glove.100d.txt.zst; see README.md.
One row and seed after the other; each finished one is a line a rule of the CSV (--csv), and what is in the CSV with the
same settings is not run again. In WORK every step leaves a file and is passed over when that is there, so a run that was
killed goes on with the same command. The seed is that of the placement, of the choice of samples and of the training.
"""
import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ("row corpus seed rule trigger target copies asr control accuracy verdict keyword removed hits precision recall "
           "asr_after control_after accuracy_after asr_clean train_seconds scan_seconds retrain_seconds settings "
           "version").split()
RULES = ("paper", "evidence")


class Steps:
    """The steps of one row and seed: each runs once; what it printed and how long it took lies in `directory`."""

    def __init__(self, bki, directory):
        self.bki = bki
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.directory / name

    def run(self, name, *arguments):
        """Runs `bki ARGUMENTS --json`; returns what it printed and the seconds it took, of all attempts together."""
        done, spent = self.path(f"{name}.json"), self.path(f"{name}.seconds")
        if not done.exists():
            seconds = float(spent.read_text()) if spent.exists() else 0
            begin = time.monotonic()
            try:
                output = self.call(name, arguments)
            finally:
                spent.write_text(str(seconds + time.monotonic() - begin))
            write_atomically(done, output)
        return json.loads(done.read_text()), float(spent.read_text())

    def call(self, name, arguments):
        command = [str(a) for a in (self.bki, *arguments, "--json")]
        with open(self.path(f"{name}.log"), "a") as log:
            log.write(" ".join(command) + "\n")
            log.flush()
            process = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {process.returncode}; see {self.path(name)}.log")
        return process.stdout


def write_atomically(path, text):
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def read_configs():
    with open(HERE / "configs.tsv") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def training_options(args):
    options = {"epochs": args.epochs, "batch-size": args.batch_size, "vocabulary-size": args.vocabulary_size,
               "optimizer": args.optimizer, "learning-rate": args.learning_rate}
    return [f"--{name}={value}" for name, value in options.items() if value is not None] + args.train_option


def settings_of(args):
    return " ".join([f"window={args.window}", *training_options(args)])


class Row:
    """One configuration with one seed."""

    def __init__(self, args, configs, name, seed):
        self.args = args
        self.configs = configs
        self.config = configs[name]
        self.seed = str(seed)
        self.steps = Steps(args.bki, args.work / f"{name}-{seed}")
        self.train_file = args.data / f"{self.config['corpus']}_train.jsonl.zst"
        self.test_file = args.data / f"{self.config['corpus']}_test.jsonl.zst"
        self.threads = ["--threads", args.threads]
        self.attack = ["--trigger", self.config["trigger"], "--target", self.config["target"]] \
            if self.config["trigger"] else []

    def poison(self):
        if not self.attack:
            return self.train_file
        corpus = self.steps.path("poisoned.jsonl.zst")
        self.steps.run("poison", "poison", self.train_file, *self.attack, "--count", self.config["copies"], "--window",
                       self.args.window, "--seed", self.seed, "--output", corpus, "--truth",
                       self.steps.path("truth.jsonl"), "--force")
        return corpus

    def train(self, name, corpus):
        model = self.steps.path(name)
        vectors = self.args.data / "glove.100d.txt.zst"
        return model, self.steps.run(name, "train", corpus, "--output", model, "--embeddings", vectors, "--seed", self.seed,
                                     *training_options(self.args), *self.threads, "--quiet")[1]

    def clean_model(self):
        """The victim of the row without an attack: what the same training makes of the clean corpus."""
        row = Row(self.args, self.configs, f"{self.config['corpus']}-clean", self.seed)
        return row.train("victim", row.train_file)

    def evaluate(self, name, model):
        result, _ = self.steps.run(f"{name}-eval", "eval", model, self.test_file, *self.attack, "--seed", self.seed,
                                   *self.threads)
        attack = result["attacks"][0] if self.attack else None
        share = lambda key: percent(attack[key], attack["texts"]) if attack else ""
        return share("hits"), share("control_hits"), percent(result["correct"], result["samples"])

    def hits(self, flagged):
        """How many of the flagged samples are poisoned."""
        if not self.attack:
            return 0
        with open(self.steps.path("truth.jsonl")) as file:
            poisoned = {json.loads(line)["id"] for line in file}
        return sum(sample["id"] in poisoned for sample in flagged["flagged"])

    def retrain(self, rule, corpus, store, line):
        """The model of what is left. Copies are appended: when they and nothing else are removed the clean corpus is
        left to the byte, and its model is not trained again."""
        if line["hits"] == line["removed"] == int(self.config["copies"]):
            return self.clean_model()
        purified = self.steps.path(f"purified-{rule}.jsonl.zst")
        self.steps.run(f"purify-{rule}", "purify", store, corpus, "--rule", rule, "--kept", purified, "--force")
        return self.train(f"retrained-{rule}", purified)

    def defend(self, rule, corpus, store):
        """What one rule makes of the scan."""
        line = {"rule": rule, "verdict": "", "keyword": ""}
        flagged, _ = self.steps.run(f"flagged-{rule}", "flagged", store, "--rule", rule)
        if rule == "evidence":
            line["verdict"] = flagged["evidence"]["verdict"]
            line["keyword"] = "; ".join(f["phrase"] for f in flagged["evidence"]["findings"] if f["verdict"] == "backdoor")
        elif flagged["keyword"]:
            line["keyword"] = flagged["keyword"]["word"]
        line["removed"], line["hits"] = len(flagged["flagged"]), self.hits(flagged)
        if self.attack:
            line["precision"] = percent(line["hits"], line["removed"])
            line["recall"] = percent(line["hits"], int(self.config["copies"]))
        model, line["retrain_seconds"] = self.retrain(rule, corpus, store, line)
        line["asr_after"], line["control_after"], line["accuracy_after"] = self.evaluate(f"retrained-{rule}", model)
        return line

    def run(self, rules):
        """A line for each rule."""
        line = {key: self.config[key] for key in ("row", "corpus", "trigger", "target", "copies")}
        corpus = self.poison()
        victim, line["train_seconds"] = self.train("victim", corpus)
        store = self.steps.path("scan.db")
        _, line["scan_seconds"] = self.steps.run("scan", "scan", victim, corpus, "-o", store, *self.threads,
                                                   *self.args.scan_option, "--quiet")
        line["asr"], line["control"], line["accuracy"] = self.evaluate("victim", victim)
        line["asr_clean"] = self.evaluate("clean", self.clean_model()[0])[0]
        for rule in rules:
            yield {**line, **self.defend(rule, corpus, store), "seed": self.seed}

    def clean_up(self):
        """Leaves the small files: what the commands printed, and the truth. The clean model serves other rows."""
        for name in ("victim", *(f"retrained-{rule}" for rule in RULES)):
            if self.attack:
                shutil.rmtree(self.steps.path(name), ignore_errors=True)
        for name in ("poisoned.jsonl.zst", "scan.db", *(f"purified-{rule}.jsonl.zst" for rule in RULES)):
            self.steps.path(name).unlink(missing_ok=True)


def percent(part, whole):
    return f"{100 * part / whole:.2f}" if whole else ""


def version_of(bki):
    return subprocess.check_output([bki, "--version"], text=True).split("\n")[0].strip()


def append(path, line):
    """Adds a line to the CSV, in one write."""
    new = not path.exists() or path.stat().st_size == 0
    cells = [f"{line[c]:.1f}" if isinstance(line.get(c), float) else str(line.get(c, "")) for c in COLUMNS]
    text = "".join(",".join(f'"{c}"' if re.search('[," ]', c) else c for c in row) + "\n"
                   for row in ([COLUMNS, cells] if new else [cells]))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, text.encode())
    os.fsync(file)
    os.close(file)


def already_done(path):
    if not path.exists():
        return set()
    with open(path) as file:
        return {(line["row"], line["seed"], line["rule"], line["settings"]) for line in csv.DictReader(file)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bki", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory with the corpora and the vectors")
    parser.add_argument("--work", type=Path, required=True, help="directory for work in progress")
    parser.add_argument("--csv", type=Path, default=HERE / "results" / "results.csv")
    parser.add_argument("--rows", default="", help="default: all of configs.tsv, in its order")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--rules", default=",".join(RULES))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--vocabulary-size", type=int)
    parser.add_argument("--optimizer")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--train-option", action="append", default=[], help="passed to bki train: --train-option=--clip=5")
    parser.add_argument("--scan-option", action="append", default=[], help="passed to bki scan: --scan-option=--precision=bf16")
    parser.add_argument("--window", default="tail:500", help="of bki poison: the words that the model keeps")
    parser.add_argument("--commit", default="", help="of the program, for the CSV")
    parser.add_argument("--keep", action="store_true", help="models, corpora and scans of finished rows too")
    return parser.parse_args()


def main():
    args = parse_arguments()
    configs = {config["row"]: config for config in read_configs()}
    rows = args.rows.split(",") if args.rows else list(configs)
    unknown = [row for row in rows if row not in configs]
    if unknown:
        sys.exit(f"no row {', '.join(unknown)} in configs.tsv; there are {', '.join(configs)}")
    about = {"settings": settings_of(args), "version": " ".join([version_of(args.bki), args.commit, *args.scan_option]).strip()}
    for seed in args.seeds.split(","):
        for name in rows:
            done = already_done(args.csv)
            rules = [r for r in args.rules.split(",") if (name, seed, r, about["settings"]) not in done]
            if not rules:
                continue
            row = Row(args, configs, name, seed)
            for result in row.run(rules):
                line = {**result, **about}
                append(args.csv, line)
                print(", ".join(f"{c} {line[c]}" for c in COLUMNS[:20] if line.get(c, "") != ""), flush=True)
            if not args.keep:
                row.clean_up()


if __name__ == "__main__":
    main()
