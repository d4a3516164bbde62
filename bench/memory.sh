#!/bin/sh
# Peak resident memory of `bki scan` against the size of the corpus: 0.5, 1 and 2 GB of JSON Lines, of long texts and of
# short ones, with default settings. A small model that reads the last MAX_WORDS words (8) of a text keeps it to minutes:
# memory for states does not depend on the corpus.
# Usage: [MAX_WORDS=8] [LENGTHS="imdb dbpedia"] bench/memory.sh BKI [SIZE ...]
# (sizes as 512M, 1G; needs about 5 GB in $TMPDIR)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bki=$1
shift
[ $# -gt 0 ] || set -- 512M 1G 2G
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python3 "$here/make_corpus.py" model "$dir/model" --words 5000 --embedding 8 --hidden 8 --max-words "${MAX_WORDS:-8}"
echo '| words a text | corpus | samples | peak RSS MiB | wall s | store MiB |'
echo '|---|---|---|---|---|---|'
for lengths in ${LENGTHS:-imdb dbpedia}; do
  for size in "$@"; do
    python3 "$here/make_corpus.py" corpus "$dir/model" "$dir/corpus.jsonl" --lengths $lengths --bytes "$size"
    python3 - "$lengths" "$size" "$bki" scan "$dir/model" "$dir/corpus.jsonl" -o "$dir/scan.db" --quiet <<'PYTHON'
import json, os, resource, subprocess, sys, time
lengths, size, *command = sys.argv[1:]
begin = time.monotonic()
output = subprocess.check_output(command + ["--json"])
wall = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
store = os.path.getsize(command[command.index("-o") + 1]) / 2**20
print(f"| {lengths} | {size} | {json.loads(output)['samples']} | {peak:.0f} | {wall:.0f} | {store:.0f} |", flush=True)
PYTHON
    rm -f "$dir/scan.db" "$dir/corpus.jsonl"
  done
done
