#!/usr/bin/env python3
"""Scans the shared victim models and compares with what PyTorch and the prototype found.

    bench/check_shared.py build/release/src/cli/bki [--models ../shared/models] [--limit 200] [MODEL ...]

Each model is a directory with corpus.jsonl.zst, scores.jsonl.zst (the first samples) and expected.json. Exit status: 0
all agree, 1 something differs, 77 nothing to compare with (ctest: skipped). With --limit only the scores of the first
samples are compared: keyword and flagged samples need the whole corpus.
"""
import argparse
import itertools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

MEAN_TOLERANCE = 1e-6   # means of hundreds of scores, six decimals in the file
TIE = 4e-6              # scores closer than this may change places: twice the rounding seen between PyTorch and here


def lines_of(path):
    process = subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE)
    with process.stdout:
        yield from process.stdout
    process.wait()


def scan(bki, model, corpus, store, options):
    begin = time.monotonic()
    command = [bki, "scan", model, corpus, "-o", store, "--quiet", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def read_store(path):
    """id -> (words, scores)"""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, words, scores FROM sample")
        return {i: (words.split(" ") if words else [], array("f", scores)) for i, words, scores in rows}


def compare_scores(model, found):
    """Largest difference, its sample, samples compared; fails where words differ."""
    worst, where, n = 0.0, None, 0
    for line in lines_of(model / "scores.jsonl.zst"):
        expected = json.loads(line)
        if expected["id"] not in found:
            break
        words, scores = found[expected["id"]]
        if words != expected["words"]:
            raise SystemExit(f"{expected['id']}: words {words[:8]}... instead of {expected['words'][:8]}...")
        n += 1
        difference = max((abs(a - b) for a, b in zip(scores, expected["scores"])), default=0.0)
        if difference > worst:
            worst, where = difference, expected["id"]
    return worst, where, n


def could_tie(sample, keyword, p=5):
    """Whether selecting the keyword hangs on a difference below TIE."""
    words, scores = sample
    own = max((s for w, s in zip(words, scores) if w == keyword), default=None)
    ranked = sorted(scores, reverse=True)
    return own is not None and len(ranked) > p and min(abs(own - ranked[p - 1]), abs(own - ranked[p])) < TIE


def compare_candidates(expected, found):
    """Complaints about the 20 best candidates."""
    by_word = {c["word"]: c for c in found}
    complaints = []
    for want in expected:
        have = by_word.get(want["word"])
        if have is None:
            complaints.append(f"{want['word']} is no candidate")
        elif have["count"] != want["count"]:
            complaints.append(f"{want['word']}: count {have['count']} instead of {want['count']}")
        elif any(abs(have[key] - want[key]) > MEAN_TOLERANCE for key in ("mean", "g")):
            found_values, expected_values = [(c["mean"], c["g"]) for c in (have, want)]
            complaints.append(f"{want['word']}: mean and g {found_values} instead of {expected_values}")
    return complaints


def check(args, model, directory):
    corpus, store = model / "corpus.jsonl.zst", Path(directory) / (model.name + ".db")
    if args.limit:
        corpus = Path(directory) / (model.name + ".jsonl")
        corpus.write_bytes(b"".join(itertools.islice(lines_of(model / "corpus.jsonl.zst"), args.limit)))
    seconds = scan(args.bki, model, corpus, store, args.option)
    samples = read_store(store)
    worst, where, n = compare_scores(model, samples)
    complaints = [] if worst <= args.tolerance else [f"score of {where} differs by {worst:.2e}"]
    print(f"{model.name}: {len(samples)} samples in {seconds:.1f} s")
    print(f"  scores of {n} samples: largest difference {worst:.2e} ({where})")
    if not args.limit:
        expected = json.loads((model / "expected.json").read_text())
        result = json.loads(subprocess.check_output([args.bki, "flagged", store, "--json"]))
        ranked = json.loads(subprocess.check_output([args.bki, "keywords", store, "--json", "--limit", "0"]))
        candidates = ranked["candidates"]
        keyword, flagged = result["keyword"]["word"], {f["id"] for f in result["flagged"]}
        poisoned = {json.loads(line)["id"] for line in (model / "truth.jsonl").open()}
        differ = flagged ^ set(expected["flagged"])
        ties = {i for i in differ if could_tie(samples[i], keyword)}
        complaints += compare_candidates(expected["candidates"], candidates)
        complaints += [f"flagged differently: {i}" for i in sorted(differ - ties)]
        complaints += [] if keyword == expected["keyword"] else [f"keyword {keyword} instead of {expected['keyword']}"]
        print(f"  keyword {keyword}; flagged {len(flagged)}, among them {len(flagged & poisoned)} of {len(poisoned)} "
              f"poisoned; {len(differ)} ids differ from the stored list, {len(ties)} of them ties")
        for want, have in zip(expected["candidates"][:5], candidates):
            print(f"  {have['word']:<10} {have['count']:6d} {have['mean']:.6f} {have['g']:.6f}"
                  f"   expected {want['word']:<10} {want['count']:6d} {want['mean']:.6f} {want['g']:.6f}")
    for complaint in complaints:
        print(f"  DIFFERS: {complaint}")
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bki")
    parser.add_argument("names", nargs="*", metavar="MODEL", help="default: all")
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "models")
    parser.add_argument("--limit", type=int, default=0, help="first samples only")
    parser.add_argument("--tolerance", type=float, default=2e-5, help="largest difference of a score (default: fp32)")
    parser.add_argument("--option", action="append", default=[], help="passed to bki scan: --option=--threads=1")
    args = parser.parse_args()
    names = args.names or sorted(p.name for p in args.models.glob("*") if p.is_dir())
    if not names:
        print(f"skipped: no shared models in {args.models}")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as directory:
        agree = [check(args, args.models / name, directory) for name in names]
    sys.exit(0 if all(agree) else 1)


if __name__ == "__main__":
    main()
