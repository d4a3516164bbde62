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
MEASURES = "asr accuracy keyword removed hits precision recall asr_after control_after asr_clean accuracy_after".split()
HEADS = ["success", "accuracy", "keyword or phrase", "removed", "poisoned of these", "precision", "recall",
         "success after", "without trigger after", "success on the clean model", "accuracy after"]
RULES = ("paper", "evidence")
NAMES = {"imdb": "IMDB (Table 2)", "dbpedia": "DBpedia (Table 3)"}
LEAST_SUCCESS = 90.0
MOST_LOSS = 1.0  # points of accuracy below the clean model
LEAST_RATE = 99.0  # precision and recall of the rule evidence
MOST_LEFT = 2.0  # points of success after retraining above the clean model's


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
        return ", ".join(sorted({line[key] or line["verdict"] for line in lines}))
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


def misses_of_paper(config, line):
    """What Algorithm 1 was to reach in a poisoned row and did not, in words."""
    if number(line["asr"]) < LEAST_SUCCESS:
        yield f"attack success {line['asr']} is below {LEAST_SUCCESS:.0f}"
    if line["keyword"] not in trigger_words(config):
        yield f"keyword \"{line['keyword']}\" is no word of the trigger"
    if number(line["asr_after"]) > number(config["asr_after"]):
        yield (f"attack success after retraining {line['asr_after']} is above the paper's {config['asr_after']}; "
               f"without the trigger it calls {line['control_after']} the target")


def misses_of_evidence(config, line):
    """The same for the rule evidence, of any row."""
    if not config["trigger"]:
        if line["verdict"] != "none found" or line["removed"] != "0":
            yield f"verdict {line['verdict']}, {line['removed']} removed"
        return
    missing = [word for word in trigger_words(config) if word not in line["keyword"].split()]
    if line["verdict"] != "backdoor":
        yield f"verdict {line['verdict']}"
    if len(missing) > 1:
        yield f"the phrase lacks {', '.join(missing)}"
    for key in ("precision", "recall"):
        if (number(line[key]) or 0) < LEAST_RATE:
            yield f"{key} {line[key] or 0} is below {LEAST_RATE:.0f}"
    if number(line["asr_after"]) > number(line["asr_clean"]) + MOST_LEFT:
        yield f"attack success after retraining {line['asr_after']} is above the clean model's {line['asr_clean']}"


def misses_of(config, lines, clean):
    """What this row was to reach and did not, seed by seed, in words."""
    result = []
    for line in lines:
        texts = []
        if line["rule"] == "evidence":
            texts += misses_of_evidence(config, line)
        elif config["trigger"]:
            texts += misses_of_paper(config, line)
        for key, name in (("accuracy", "accuracy"), ("accuracy_after", "accuracy after retraining")):
            if clean is not None and number(line[key]) < clean - MOST_LOSS:
                texts.append(f"{name} {line[key]} is {clean - number(line[key]):.2f} points below the clean model's "
                             f"{clean:.2f}")
        result += [f"{line['row']}, seed {line['seed']}, rule {line['rule']}: {text}" for text in texts]
    return result


def misses_of_means(name, rule, pairs):
    """pairs: (config, lines) of the poisoned rows by one rule. Means are over the rows that were run, seeds averaged first."""
    result = []
    for key in ("precision", "recall"):
        ours = statistics.mean(mean(lines, key) for _, lines in pairs)
        paper = statistics.mean(float(rates(config)[key]) for config, _ in pairs)
        verdict = "not below" if ours >= paper else "**below**"
        result.append(f"{name}, rule {rule}: mean {key} {ours:.2f}, {verdict} the paper's {paper:.2f} in the same {len(pairs)} rows")
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
        for rule in RULES:
            ours = [line for line in lines if line["rule"] == rule]
            seeds = ", ".join(line["seed"] for line in ours)
            print_row(["", f"bki, rule {rule}", *([seeds, *(spread(ours, m) for m in MEASURES)] if ours else
                                                  ["not run yet", *[""] * len(MEASURES)])])
        misses += misses_of(config, lines, clean)
    means = []
    for rule in RULES:
        chosen = [(c, [line for line in lines if line["rule"] == rule]) for c, lines in rows]
        poisoned = [(c, lines) for c, lines in chosen if c["trigger"] and lines]
        means += misses_of_means(NAMES[name], rule, poisoned) if poisoned else []
    return misses, means


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
