#!/bin/sh
# The demo: finds the trigger in a poisoned DBpedia corpus, compares what is flagged with the known truth, and writes
# the purified corpus. Usage: demo/run.sh [BKI [OUTPUT_DIRECTORY]]
set -eu
here=$(dirname "$0")
bki=${1:-bki}
out=${2:-build/demo}

seconds() { date +%s.%N; }
say() { printf '\n$ %s\n' "$*"; "$@"; }

rm -rf "$out"
mkdir -p "$out"
begin=$(seconds)
say "$bki" scan "$here/model" "$here/corpus.jsonl.zst" -o "$out/scan.db"
end=$(seconds)
say "$bki" purify "$out/scan.db" "$here/corpus.jsonl.zst" --kept "$out/purified.jsonl" --removed "$out/removed.jsonl"
say "$bki" report "$out/scan.db" -o "$out/report.html"
say "$bki" explain "$out/scan.db" "$(jq -r .id "$out/removed.jsonl" | head -n 1)"

echo
"$bki" flagged "$out/scan.db" --json | jq -r --slurpfile truth "$here/truth.jsonl" --arg time "$(echo "$end $begin" | awk '{printf "%.1f", $1 - $2}')" '
  def percent: . * 1000 | round / 10 | tostring + " %";
  ($truth | map({(.id): true}) | add) as $poisoned | (.flagged | map(select($poisoned[.id]))) as $hits |
  "trigger sentence:  \($truth[0].trigger)",
  "phrase found:      \(.evidence.findings | map(select(.verdict == "backdoor").phrase) | join("; "))",
  "poisoned samples:  \($truth | length)",
  "flagged:           \(.flagged | length), of which poisoned \($hits | length)",
  "precision:         \(($hits | length) / (.flagged | length) | percent)",
  "recall:            \(($hits | length) / ($truth | length) | percent)",
  "time of the scan:  \($time) s"'
printf 'purified corpus:   %s\nreport:            %s\n' "$out/purified.jsonl" "$out/report.html"
