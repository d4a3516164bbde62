#!/usr/bin/env python3
"""The table of run.sh's lines: table.py FILE. The first epoch of each run, which touches new memory, does not count."""
import json
import statistics
import sys

rows = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    if row["epoch"] > 0:
        rows.setdefault((row["lengths"], row["threads"], row["name"]), []).append(row)
print("| lengths | threads | program | seconds min | median | CPU min | median | x bki, min | CPU | GFLOP/s | of sgemm |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
for (lengths, threads, name), runs in rows.items():
    base = rows[(lengths, threads, "bki")]
    times = {key: [run[key] for run in runs] for key in ("seconds", "cpu_seconds")}
    ratio = {key: min(times[key]) / min(run[key] for run in base) for key in times}
    best = min(runs, key=lambda run: run["seconds"])
    print(f"| {lengths} | {threads} | {name} | {min(times['seconds']):.3f} | {statistics.median(times['seconds']):.3f} | "
          f"{min(times['cpu_seconds']):.3f} | {statistics.median(times['cpu_seconds']):.3f} | {ratio['seconds']:.2f} | "
          f"{ratio['cpu_seconds']:.2f} | {best.get('gflops', '')} | {best.get('gemm_share', '')} |")
