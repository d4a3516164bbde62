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
    command = [bki, "scan", model, corpus, "-o", store, "--rule", "paper", "--quiet", "--precision", "fp32", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def read_store(path):
    """id -> (words, scores)"""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, words, scores FROM sample")
        return {i: (words.split(" ") if words else [], array("f", scores)) for i, words, scores in rows}


def distance(a, b):
    return max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)


def compare_scores(model, found):
    """[(difference, id, stored scores)], largest first; fails where words differ."""
    differences = []
    for line in lines_of(model / "scores.jsonl.zst"):
        stored = json.loads(line)
        if stored["id"] not in found:
            break
        words, scores = found[stored["id"]]
        if words != stored["words"]:
            raise SystemExit(f"{stored['id']}: words {words[:8]}... instead of {stored['words'][:8]}...")
        differences.append((distance(scores, stored["scores"]), stored["id"], stored["scores"]))
    return sorted(differences, reverse=True)


def judge_in_double(args, model, differ, found, directory):
    """Complaints about scores that differ. Some texts amplify rounding until no two fp32 programs agree. It is one of
    them where the stored scores are off from double precision (backend ref) by more than the tolerance too, and
    these by no more than twice as much."""
    ids = {i for _, i, _ in differ}
    corpus, store = Path(directory) / "differ.jsonl", Path(directory) / "differ.db"
    corpus.write_bytes(b"".join(line for line in lines_of(model / "corpus.jsonl.zst") if json.loads(line)["id"] in ids))
    store.unlink(missing_ok=True)
    scan(args.bki, model, corpus, store, ["--backend", "ref"])
    exact, complaints = read_store(store), []
    for difference, i, stored in differ:
        ours, theirs = distance(found[i][1], exact[i][1]), distance(stored, exact[i][1])
        text = f"scores of {i} differ by {difference:.2e}; from double precision: these {ours:.2e}, stored {theirs:.2e}"
        print(f"  {text}")
        complaints += [text] if theirs <= args.tolerance or ours > 2 * theirs else []
    return complaints


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
    differences = compare_scores(model, samples)
    differ = [d for d in differences if d[0] > args.tolerance]
    print(f"{model.name}: {len(samples)} samples in {seconds:.1f} s")
    print(f"  scores of {len(differences)} samples: {len(differ)} differ by more than {args.tolerance}, "
          f"the largest of the others by {max((d[0] for d in differences[len(differ):]), default=0.0):.2e}")
    complaints = judge_in_double(args, model, differ, samples, directory) if differ else []
    if not args.limit:
        expected = json.loads((model / "expected.json").read_text())
        result = json.loads(subprocess.check_output([args.bki, "flagged", store, "--rule", "paper", "--json"]))
        ranked = json.loads(subprocess.check_output([args.bki, "keywords", store, "--rule", "paper", "--json", "--limit", "0"]))
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
