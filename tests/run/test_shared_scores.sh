#!/bin/sh
# Scores of real victim models against those stored with them. The whole comparison, with keyword and flagged samples,
# takes long: bench/check_shared.py.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
models=$root/../shared/models
n=0
failed=0

check() { # MODEL SAMPLES
  n=$((n + 1))
  name="first $2 samples of $1 score as stored"
  if [ ! -d "$models/$1" ]; then
    echo "ok $n - $name # SKIP ../shared/models/$1 is absent"
    return
  fi
  if found=$(python3 "$root/bench/check_shared.py" "$BKI_PROGRAM" "$1" --models "$models" --limit "$2" 2>&1); then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    failed=1
  fi
  echo "$found" | sed 's/^/  /'
}

if [ "${BKI_INSTRUMENTED:-0}" = 1 ]; then # 50 times slower, and the kernels have tests of their own
  check dbpedia-flies 20
else
  check dbpedia-flies 400
  check imdb-flies 24
  check imdb-clean 24
fi
echo "1..$n"
exit $failed
