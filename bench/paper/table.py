#!/usr/bin/env python3
"""Prints the results of run.py beside the paper's numbers, as Markdown: bench/paper/table.py [RESULTS.csv]

Several seeds of a row: mean and, in brackets, smallest to largest. Rows that miss what the experiment is to reproduce
are listed below the tables. A CSV with several settings gives a table for each.
"""
import csv
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASURES = "asr accuracy keyword removed hits precision recall asr_after control_after accuracy_after".split()
HEADS = ["success", "accuracy", "keyword", "removed", "poisoned of these", "precision", "recall", "success after",
         "without trigger after", "accuracy after"]
NAMES = {"imdb": "IMDB (Table 2)", "dbpedia": "DBpedia (Table 3)"}
LEAST_SUCCESS = 90.0
MOST_LOSS = 1.0  # points of accuracy below the clean model


def read(path, delimiter):
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with open(path) as file:
        return list(csv.DictReader(file, delimiter=delimiter, quoting=quoting))


def number(text):
    return float(text) if text not in ("", None) else None


def rates(config):
    """Precision and recall of the paper's counts."""
    hits, removed, copies = (int(config[key]) for key in ("hits", "removed", "copies"))
    return {"precision": f"{100 * hits / removed:.2f}", "recall": f"{100 * hits / copies:.2f}"} if copies else {}


def spread(lines, key):
    if key == "keyword":
        return ", ".join(sorted({line[key] for line in lines}))
    values = [number(line.get(key)) for line in lines]
    if None in values:
        return ""
    digits = 0 if key in ("removed", "hits") else 2
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{max(digits, 1)}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def mean(lines, key):
    values = [number(line.get(key)) for line in lines]
    return None if not values or None in values else statistics.mean(values)


def trigger_words(config):
    return "".join(c if c.isalnum() or c == "'" else " " for c in config["trigger"].lower()).split()


def misses_of(config, lines, clean):
    """What this row was to reach and did not, seed by seed, in words."""
    result = []
    for line in lines:
        say = lambda text: result.append(f"{line['row']}, seed {line['seed']}: {text}")
        if config["trigger"]:
            if number(line["asr"]) < LEAST_SUCCESS:
                say(f"attack success {line['asr']} is below {LEAST_SUCCESS:.0f}")
            if line["keyword"] not in trigger_words(config):
                say(f"keyword \"{line['keyword']}\" is no word of the trigger")
            if number(line["asr_after"]) > number(config["asr_after"]):
                say(f"attack success after retraining {line['asr_after']} is above the paper's {config['asr_after']}; "
                    f"without the trigger it calls {line['control_after']} the target")
        for key, name in (("accuracy", "accuracy"), ("accuracy_after", "accuracy after retraining")):
            if clean is not None and number(line[key]) < clean - MOST_LOSS:
                say(f"{name} {line[key]} is {clean - number(line[key]):.2f} points below the clean model's {clean:.2f}")
    return result


def misses_of_means(name, pairs):
    """pairs: (config, lines) of the poisoned rows. Means are over the rows that were run, seeds averaged first."""
    result = []
    for key in ("precision", "recall"):
        ours = statistics.mean(mean(lines, key) for _, lines in pairs)
        paper = statistics.mean(float(rates(config)[key]) for config, _ in pairs)
        verdict = "not below" if ours >= paper else "**below**"
        result.append(f"{name}: mean {key} {ours:.2f}, {verdict} the paper's {paper:.2f} in the same {len(pairs)} rows")
    return result


def print_row(cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def print_corpus(name, configs, results):
    """The table of one corpus; returns what it misses and its means."""
    rows = [(c, [line for line in results if line["row"] == c["row"]]) for c in configs if c["corpus"] == name]
    if not any(lines for _, lines in rows):
        return [], []
    print(f"\n#### {NAMES[name]}\n")
    print_row(["trigger, target", "", "seeds", *HEADS])
    print("|" + "---|" * (len(HEADS) + 3))
    clean = next((mean(lines, "accuracy") for c, lines in rows if not c["trigger"]), None)
    misses = []
    for config, lines in rows:
        title = f"{config['trigger']}, {config['target']}" if config["trigger"] else "none (clean)"
        paper = {**config, **rates(config)}
        print_row([title, "paper", "", *(paper.get(m, "") for m in MEASURES)])
        seeds = ", ".join(line["seed"] for line in lines)
        print_row(["", "bki", *([seeds, *(spread(lines, m) for m in MEASURES)] if lines else
                                ["not run yet", *[""] * len(MEASURES)])])
        misses += misses_of(config, lines, clean)
    poisoned = [(c, lines) for c, lines in rows if c["trigger"] and lines]
    return misses, misses_of_means(NAMES[name], poisoned) if poisoned else []


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results" / "results.csv"
    configs, results = read(HERE / "configs.tsv", "\t"), read(path, ",")
    for corpus in NAMES:
        lines = [line for line in results if line["corpus"] == corpus]
        for settings in dict.fromkeys(line["settings"] for line in lines):
            chosen = [line for line in lines if line["settings"] == settings]
            misses, means = print_corpus(corpus, configs, chosen)
            print(f"\nSettings: `{settings}`; {', '.join(sorted({line['version'] for line in chosen}))}.")
            print("\n" + "\n".join(f"- {text}" for text in means + (misses or ["no row misses its target"])))


if __name__ == "__main__":
    main()
