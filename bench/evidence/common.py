"""What the scripts of this directory share: corpora drawn from files, models trained, stores scanned and read."""
import csv
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "paper"))
from run import Steps, percent, version_of, write_atomically  # noqa: E402,F401 (the steps of bench/paper, taken up again when killed)

RATES = ("flips", "flips_alike", "purity", "removal", "removal_controls", "insertion", "controls")
FINDING = ("run verdict round rank keyword phrase words target prior purity_p insertion_p flagged "
           + " ".join(f"{r}_hits {r}_n" for r in RATES)).split()


def read_texts(path):
    """The lines of a corpus, packed or not, as dictionaries."""
    packed = path.suffix == ".zst"
    text = subprocess.check_output(["zstd", "-dc", path] if packed else ["cat", path], text=True, encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def draw_corpus(path, samples, n, n_classes, seed, classes=()):
    """Writes n of the samples, of n_classes random classes besides those named, to a file; returns the classes."""
    draw = random.Random(f"corpus {seed}")
    all_classes = sorted({s["label"] for s in samples})
    others = [c for c in all_classes if c not in classes]
    kept = set(classes) | set(draw.sample(others, min(len(others), max(0, n_classes - len(classes)))))
    chosen = [s for s in samples if s["label"] in kept]
    chosen = draw.sample(chosen, min(n, len(chosen)))
    write_atomically(path, "".join(json.dumps(s, ensure_ascii=False) + "\n" for s in chosen))
    return sorted(kept)


def training_options(settings, data):
    options = {"epochs": settings["epochs"], "hidden": settings["hidden"], "dense": settings["hidden"],
               "max-words": settings["words"], "seed": settings["seed"], "learning-rate": settings["learning_rate"]}
    vectors = [f"--embeddings={data / 'glove.100d.txt.zst'}"] if settings["vectors"] == "glove" else []
    return [f"--{name}={value}" for name, value in options.items()] + ["--clip-norm=1"] + vectors


def train_and_scan(steps, corpus, settings, args):
    """Leaves the directory `victim` and the store `scan.db`, judged; returns the seconds of both."""
    _, training = steps.run("victim", "train", corpus, "-o", steps.path("victim"), *training_options(settings, args.data),
                            "--threads", "1", "--quiet")
    _, scan = steps.run("scan", "scan", steps.path("victim"), corpus, "-o", steps.path("scan.db"), "--threads", "1", "--quiet")
    if args.again:
        steps.run(f"verify-{args.again}", "verify", steps.path("victim"), steps.path("scan.db"), "--threads", "1")
    return training, scan


def add_arguments(parser, name):
    """The options of both scripts. --again: of kept runs, the verdict of another program."""
    parser.add_argument("--bki", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory with the corpora and the vectors, as for bench/paper")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--csv", type=Path, default=HERE / "results" / f"{name}.csv")
    parser.add_argument("--findings", type=Path, default=HERE / "results" / f"{name}-findings.csv")
    parser.add_argument("--commit", default="", help="of the program, for the CSV")
    parser.add_argument("--keep", action="store_true", help="models, corpora and stores too")
    parser.add_argument("--again", default="", metavar="COMMIT",
                        help="judge stores that were kept anew with this program, into a new CSV")


def start(args):
    """What a run writes as its version; with --again the files of results are begun anew."""
    if args.again:
        for path in (args.csv, args.findings):
            path.unlink(missing_ok=True)
    return f"{version_of(args.bki)} {args.again or args.commit}".strip()


def read_evidence(store):
    """The verdict's row, its findings and, by finding, the ids of flagged samples."""
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    evidence = dict(db.execute("SELECT * FROM evidence").fetchone())
    findings = [dict(row) for row in db.execute(
        "SELECT f.*, c.name AS target_name FROM finding f JOIN class c ON c.idx = f.target ORDER BY f.idx")]
    flagged = {}
    for finding, sample in db.execute("SELECT f.finding, s.id FROM flagged f JOIN sample s ON s.idx = f.idx"):
        flagged.setdefault(finding, set()).add(sample)
    db.close()
    return evidence, findings, flagged


def finding_line(run, finding):
    line = {"run": run, "words": finding["n_words"], "target": finding["target_name"], "flagged": finding["n_flagged"]}
    return {c: line.get(c, finding.get(c)) for c in FINDING}


def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def binomial_tail(k, n, p):
    """P[X >= k]."""
    if k <= 0 or p >= 1:
        return 1.0
    if p <= 0:
        return 0.0
    return math.fsum(math.exp(log_choose(n, i) + i * math.log(p) + (n - i) * math.log1p(-p)) for i in range(k, n + 1))


def exact_interval(hits, n, level=0.95):
    """Clopper & Pearson 1934."""
    if n == 0:
        return 0.0, 1.0
    side = (1 - level) / 2

    def solve(tail, wanted):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle) < wanted else (low, middle)
        return (low + high) / 2

    low = 0.0 if hits == 0 else solve(lambda p: binomial_tail(hits, n, p), side)
    high = 1.0 if hits == n else solve(lambda p: binomial_tail(hits + 1, n, p), 1 - side)
    return low, high


def low(finding, rate):
    """The lower bound of one of RATES."""
    return exact_interval(int(finding[f"{rate}_hits"]), int(finding[f"{rate}_n"]))[0]


def strength(finding):
    """What the verdict goes by: removal, and half of what insertion does more than control phrases; see docs/evidence.md."""
    n = int(finding["controls_n"])
    return low(finding, "removal") + (low(finding, "insertion") - (int(finding["controls_hits"]) / n if n else 0)) / 2


def append(path, columns, lines):
    """Adds lines to a CSV, in one write; a new file gets a head."""
    new = not path.exists() or path.stat().st_size == 0
    rows = ([columns] if new else []) + [[cell(line.get(c, "")) for c in columns] for line in lines]
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def cell(value):
    return f"{value:.3g}" if isinstance(value, float) else value


def read_csv(path):
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
