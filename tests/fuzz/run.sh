#!/bin/sh
# Fuzzes every format for the given seconds each (default 60), from the committed seeds. Fails on the first finding.
# Usage: tests/fuzz/run.sh [SECONDS] [TARGET...]
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
cmake --preset fuzz -G Ninja >/dev/null
cmake --build --preset fuzz
[ $# -gt 0 ] || set -- $(find tests/fuzz -name 'fuzz_*.c' -exec basename {} .c \; | sort)
for target in "$@"; do
  name=${target#fuzz_}
  found=build/fuzz/corpus/$name
  mkdir -p "$found" "tests/fuzz/corpus/$name" build/fuzz/findings
  # -close_fd_mask: a target's own output is noise; -rss_limit_mb: hostile sizes must not become allocations.
  if ! build/fuzz/tests/fuzz/"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix=build/fuzz/findings/"$name"- "$found" "tests/fuzz/corpus/$name" >build/fuzz/"$name".log 2>&1; then
    tail -40 build/fuzz/"$name".log
    echo "not ok - $target" && exit 1
  fi
  awk -v t="$target" '/number_of_executed_units/ { n = $2 } END { print "ok - " t ": " n " inputs" }' build/fuzz/"$name".log
done
