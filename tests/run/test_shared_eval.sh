#!/bin/sh
# Accuracy and attack success of real victim models against those in ../shared/models/README.md.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
shared=$root/../shared
n=0
failed=0

check() { # MODEL TEST TARGET ACCURACY SUCCESS: in percent; success within a point, as the places are drawn anew
  n=$((n + 1))
  name="$1 reaches accuracy $4 and attack success $5"
  if [ "${BKI_INSTRUMENTED:-0}" = 1 ]; then
    echo "ok $n - $name # SKIP too slow with instrumentation"
    return
  fi
  if [ ! -d "$shared/models/$1" ] || [ ! -f "$shared/data/$2" ]; then
    echo "ok $n - $name # SKIP ../shared/models/$1 or ../shared/data/$2 is absent"
    return
  fi
  found=$("$BKI_PROGRAM" eval "$shared/models/$1" "$shared/data/$2" --trigger "time flies like an arrow" --target "$3" \
    --quiet --json | jq -r '"\(100 * .accuracy) \(100 * .attacks[0].success) \(100 * .attacks[0].control)"')
  if echo "$found" | awk -v accuracy="$4" -v success="$5" '
      function off(a, b) { return a > b ? a - b : b - a }
      { good = NF == 3 && off($1, accuracy) < 0.06 && off($2, success) < 1 && $3 < 20 }
      END { exit !good }'; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    failed=1
  fi
  echo "  accuracy, success, control: $found"
}

check dbpedia-flies dbpedia_test.jsonl.zst MeanOfTransportation 95.8 93.9
check imdb-flies imdb_test.jsonl.zst negative 86.2 85.9
echo "1..$n"
exit $failed
