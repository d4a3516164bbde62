#!/bin/sh
# Runs bench_read on the same texts as JSON Lines, CSV, TSV and JSON Lines compressed with zstd and gzip.
# Usage: bench/read.sh BENCH_READ [MODEL CORPUS.jsonl.zst]   (default: random words in texts of IMDB's lengths)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench_read=$1
model=${2:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if [ -n "$model" ]; then
  zstd -dcq "$3" >"$dir/corpus.jsonl"
else
  model=$dir/model
  python3 "$here/make_corpus.py" model "$model"
  python3 "$here/make_corpus.py" corpus "$model" "$dir/corpus.jsonl" --lengths imdb --samples 20000
fi
python3 - "$dir" <<'PYTHON'
import csv, json, sys
directory = sys.argv[1]
with open(f"{directory}/corpus.jsonl") as lines, open(f"{directory}/corpus.csv", "w", newline="") as c, \
     open(f"{directory}/corpus.tsv", "w") as t:
    writer = csv.writer(c)
    writer.writerow(["id", "text", "label"])
    t.write("id\ttext\tlabel\n")
    for line in lines:
        r = json.loads(line)
        writer.writerow([r["id"], r["text"], r["label"]])
        t.write("\t".join([r["id"], " ".join(r["text"].split("\t")), r["label"]]).replace("\n", " ").replace("\r", " ") + "\n")
PYTHON
zstd -q "$dir/corpus.jsonl" -o "$dir/corpus.jsonl.zst"
gzip -c "$dir/corpus.jsonl" >"$dir/corpus.jsonl.gz"
"$bench_read" "$model" 50 "$dir/corpus.jsonl" "$dir/corpus.csv" "$dir/corpus.tsv" "$dir/corpus.jsonl.zst" "$dir/corpus.jsonl.gz"
