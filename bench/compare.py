#!/usr/bin/env python3
"""Measures `bki scan` against the paper's loop in PyTorch (peer_torch.py), and against itself.

    bench/compare.py build/release/src/cli/bki --python python3 [--python OTHER_PYTHON] [--repeats 5]

Whole processes on the same first samples, in turn (A B A B ...), so that a machine that slows down slows both; ratios
are of medians. Wall and processor time are both given: on a shared machine processor time is the steadier one. Texts
come from ../shared where it is present, else (or with --synthetic) they are random words in texts of the same lengths.
Prints Markdown.
"""
import argparse
import itertools
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "models"
CORPORA = {"imdb": ("imdb-flies", 48), "dbpedia": ("dbpedia-flies", 600)}  # lengths: shared model, samples
HIDDEN = 128


def measure(command, env=None):
    """Wall seconds, processor seconds, standard output of a whole process."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command[0]} failed: {status}")
    return wall, usage.ru_utime + usage.ru_stime, output


class Corpus:
    """A model and the first samples of a corpus, in `directory`."""

    def __init__(self, name, directory, synthetic, samples):
        shared, default_samples = CORPORA[name]
        samples = samples or default_samples
        self.path = directory / f"{name}.jsonl"
        self.real = (SHARED / shared).is_dir() and not synthetic
        if self.real:
            self.model = SHARED / shared
            with subprocess.Popen(["zstd", "-dcq", self.model / "corpus.jsonl.zst"], stdout=subprocess.PIPE) as source:
                self.path.write_bytes(b"".join(itertools.islice(source.stdout, samples)))
                source.stdout.close()
        else:
            self.model = directory / "model"
            make = [sys.executable, HERE / "make_corpus.py"]
            subprocess.run([*make, "model", self.model], check=True)
            size = ["--lengths", name, "--samples", str(samples)]
            subprocess.run([*make, "corpus", self.model, self.path, *size], check=True)


def scan(bki, corpus, directory, *options):
    store = directory / "scan.db"
    store.unlink(missing_ok=True)
    fixed = ["--rule", "paper", "--quiet", "--precision", "fp32"]  # of options that are given twice the last one counts
    return measure([bki, "scan", corpus.model, corpus.path, "-o", store, *fixed, *options])[:2]


def peer(python, corpus, chunk):
    wall, cpu, output = measure([python, HERE / "peer_torch.py", corpus.model, corpus.path, "--chunk", str(chunk)])
    return wall, cpu, json.loads(output)


def medians(runs):
    return [statistics.median(column) for column in zip(*runs)]


def row_steps(bki, corpus, directory):
    """sum of l (l-1): what the incremental engine has to run."""
    scan(bki, corpus, directory)
    with sqlite3.connect(directory / "scan.db") as db:
        return db.execute("SELECT count(*), sum(n_words), sum(n_words * (n_words - 1)) FROM sample").fetchone()


def gemm_peak(python):
    """GF/s of a 512^3 sgemm on one thread: the best of 50."""
    code = """
import torch, time
torch.set_num_threads(1)
a, b, best = torch.randn(512, 512), torch.randn(512, 512), 1e9
for _ in range(50):
    t = time.process_time(); a @ b; best = min(best, time.process_time() - t)
print(torch.__version__, 2 * 512**3 / best / 1e9)"""
    one = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    version, gflops = measure([python, "-c", code], one)[2].decode().split()
    return version, float(gflops)


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor()


def print_row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def print_header(*cells):
    print_row(*cells)
    print("|" + "---|" * len(cells))


def print_machine(args, peaks):
    commit = subprocess.check_output(["git", "-C", HERE, "describe", "--always", "--dirty"], text=True).strip()
    print(f"Machine: {cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; commit {commit}; "
          f"load average at the start {os.getloadavg()[0]:.1f}")
    print(f"Command: bench/compare.py {' '.join(a if '/' not in a else Path(a).name for a in sys.argv[1:])}\n")
    for version, peak in peaks.values():
        print(f"sgemm of PyTorch {version}, 512^3, one thread: {peak:.0f} GF/s")


def compare_peer(args, corpus, directory, peaks):
    n, words, steps = row_steps(args.bki, corpus, directory)
    best = max(peak for _, peak in peaks.values())
    print(f"\n### {corpus.path.stem} lengths, {'shared' if corpus.real else 'synthetic'} texts: {n} samples, "
          f"{words / n:.0f} words on average, {steps / 1e6:.1f} M row-steps\n")
    ours, theirs = [], {python: [] for python in args.python}
    for _ in range(args.repeats):
        for python in args.python:
            ours.append(scan(args.bki, corpus, directory, "--engine", "incremental", "--threads", "1", *args.option))
            wall, cpu, report = peer(python, corpus, args.chunk)
            theirs[python].append((wall, cpu, report["loop_seconds"], report["loop_cpu_seconds"]))
    wall, cpu = medians(ours)
    gflops = steps * 2 * 4 * HIDDEN * HIDDEN / cpu / 1e9
    print(f"bki, one thread, fp32: wall {wall:.2f} s, cpu {cpu:.2f} s; {steps / cpu / 1e6:.2f} M row-steps/s; the\n"
          f"recurrent product alone {gflops:.0f} GF/s = {100 * gflops / best:.0f} % of the GEMM peak\n")
    print_header("peer", "wall s", "cpu s", "loop cpu s", "bki faster: wall", "cpu", "cpu, peer's loop only")
    for python in args.python:
        w, c, _, loop_cpu = medians(theirs[python])
        print_row(f"PyTorch {peaks[python][0]}", f"{w:.2f}", f"{c:.2f}", f"{loop_cpu:.2f}", f"**{w / wall:.1f}x**",
                  f"**{c / cpu:.1f}x**", f"{loop_cpu / cpu:.1f}x")


def compare_own(args, corpus, directory):
    variants = {
        "incremental, 1 thread": ["--engine", "incremental", "--threads", "1"],
        "incremental, 2 threads": ["--engine", "incremental", "--threads", "2"],
        "full, 1 thread": ["--engine", "full", "--threads", "1"],
        "incremental, 1 thread, bf16": ["--engine", "incremental", "--threads", "1", "--precision", "bf16"],
    }
    runs = {name: [] for name in variants}
    for _ in range(args.repeats):
        for name, options in variants.items():
            runs[name].append(scan(args.bki, corpus, directory, *options, *args.option))
    reference = medians(runs["incremental, 1 thread"])
    print()
    print_header("bki", "wall s", "cpu s", "speed, wall", "speed, cpu")
    for name in variants:
        wall, cpu = medians(runs[name])
        print_row(name, f"{wall:.2f}", f"{cpu:.2f}", f"{reference[0] / wall:.2f}x", f"{reference[1] / cpu:.2f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bki")
    parser.add_argument("--python", action="append", default=[], help="an interpreter with PyTorch; repeatable")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=0, help="of each corpus (default 48 long ones, 600 short ones)")
    parser.add_argument("--chunk", type=int, default=64, help="variants in a batch of the peer (64: its fastest)")
    parser.add_argument("--lengths", action="append", choices=CORPORA, help="default: both")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="passed to bki scan: --option=--isa=avx2")
    args = parser.parse_args()
    args.python = args.python or [sys.executable]
    peaks = {python: gemm_peak(python) for python in args.python}
    print_machine(args, peaks)
    with tempfile.TemporaryDirectory() as name:
        for lengths in args.lengths or CORPORA:
            corpus = Corpus(lengths, Path(name), args.synthetic, args.samples)
            compare_peer(args, corpus, Path(name), peaks)
            compare_own(args, corpus, Path(name))


if __name__ == "__main__":
    main()
