#!/bin/sh
# Training speed against PyTorch, same batches and initial parameters, every program in turn, REPEATS times.
#
#   bench/train/run.sh BENCH_TRAIN PYTHON...          e.g. build/release/bench/bench_train /usr/bin/python3
#
# Environment: REPEATS (3), THREADS ("1 2"), LENGTHS ("imdb dbpedia"), TEXTS_imdb (512), TEXTS_dbpedia (2048),
# HOW ("reversed packed": what peer_torch.py says of them). Prints a table; the lines of JSON go to $OUT (train.jsonl).
# The peers get a malloc that keeps its memory, without which they wait for the kernel's zero pages most of the time, and
# no more threads of OpenBLAS than of their own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,8p' "$0" >&2; exit 2; }
bench=$1
shift
out=${OUT:-train.jsonl}
dump=$(mktemp)
trap 'rm -f "$dump"' EXIT
: >"$out"
export MALLOC_MMAP_THRESHOLD_=8000000000 MALLOC_TRIM_THRESHOLD_=16000000000
tag() { sed "s/^{/{\"lengths\": \"$lengths\", /" >>"$out"; }
for lengths in ${LENGTHS:-imdb dbpedia}; do
  classes=2
  texts=${TEXTS_imdb:-512}
  [ "$lengths" = imdb ] || { classes=14 texts=${TEXTS_dbpedia:-2048}; }
  for repeat in $(seq "${REPEATS:-3}"); do
    for threads in ${THREADS:-1 2}; do
      echo "$lengths, run $repeat, $threads threads" >&2
      "$bench" lengths="$lengths" texts="$texts" classes=$classes threads="$threads" epochs=3 dump="$dump" | tag
      for python in "$@"; do
        for how in ${HOW:-reversed packed}; do
          OPENBLAS_NUM_THREADS=$threads "$python" "$here/peer_torch.py" "$dump" --threads "$threads" --epochs 2 --how "$how" | tag
        done
      done
    done
  done
done
exec "${1:-python3}" "$here/table.py" "$out"
