#!/bin/bash
# A defence that is killed or stopped goes on with the same command and ends with the same models and summary.
# shellcheck source-path=SCRIPTDIR source=transcript.sh
. "$(dirname "$0")/transcript.sh"
cd "$work" || exit
n=0
failed=0
result() { # result CODE NAME
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
    echo "not ok $n - $2"
    failed=1
  fi
}

awk -v n=300 -v poison=15 -v start=7 -v name=c -f "$here/make_toy.awk" >corpus.jsonl
awk -v n=100 -v poison=0 -v start=77 -v name=t -f "$here/make_toy.awk" >test.jsonl
jq -c 'select(.id | startswith("p")) | {id}' corpus.jsonl >truth.jsonl
options=(--test test.jsonl --trigger 'zebra flies' --target positive --truth truth.jsonl --hidden 8 --dense 8
  --embedding-dim 8 --epochs 12 --batch-size 8 --learning-rate 0.01 --threads 1 --checkpoint-seconds 0.1 --commit-seconds 0)
defend() { bki defend corpus.jsonl --work "$1" "${options[@]}" "${@:2}"; }
# Everything but the database, whose pages may lie otherwise, and what is in that.
contents() {
  (cd "$1" && find . -type f ! -name scan.db ! -name lock | LC_ALL=C sort | xargs sha256sum && sqlite3 scan.db .dump)
}

begun=$(date +%s%N)
defend whole --quiet >whole.out 2>whole.err
code=$?
milliseconds=$((($(date +%s%N) - begun) / 1000000))
echo "# undisturbed: $milliseconds ms"
contents whole >whole.contents
[ $code -eq 0 ] && [ ! -s whole.err ] && [ "$(grep -c . whole.contents)" -gt 300 ]
result $? "an undisturbed run ends (found $code: $(cat whole.err))"

# shellcheck disable=SC2012
ls -lR --time-style=full-iso --inode whole | grep -v lock >whole.list
defend whole >again.out 2>again.err
ls -lR --time-style=full-iso --inode whole | grep -v lock | cmp - whole.list && cmp again.out whole.out &&
  [ "$(grep -c 'there already' again.err)" -eq 5 ]
result $? "a second run finds everything, replaces nothing and says the same"

# Kill after a random part of the whole time, again and again; a run that ends is compared and begun anew.
RANDOM=2020
within=$((milliseconds < 2000 ? milliseconds : 2000))
kills=0
runs=0
same=0
files=""
while [ $kills -lt 15 ] && [ $runs -lt 60 ]; do
  runs=$((runs + 1))
  bki defend corpus.jsonl --work killed "${options[@]}" --quiet >/dev/null 2>killed.err &
  pid=$!
  sleep "$(awk -v r=$RANDOM -v t=$within 'BEGIN { print r / 32768 * t / 1000 }')"
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  if [ $? -eq 137 ]; then
    kills=$((kills + 1))
    files="$files $(find killed -type f 2>/dev/null | wc -l)"
  else
    [ -s killed.err ] && cat killed.err
    contents killed | cmp - whole.contents || same=1
    rm -rf killed
    within=$((within * 3 / 4 + 10)) # faster than the undisturbed run was: this machine has other work too
  fi
done
echo "# files after each kill:$files"
defend killed --quiet >killed.out && contents killed | cmp - whole.contents && [ $same -eq 0 ] && [ $kills -ge 15 ] &&
  sed 's/killed/whole/' killed.out | cmp - whole.out
result $? "killed $kills times it ends with the same models and summary"

# SIGTERM once the first epoch was told; the training writes a checkpoint.
bki defend corpus.jsonl --work stopped "${options[@]}" >/dev/null 2>stopped.err &
pid=$!
for _ in $(seq 1000); do
  grep -q 'epoch 1 of' stopped.err && break
  sleep 0.01
done
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 75 ] && [ ! -e stopped/victim ] && [ ! -e stopped/summary.json ]
result $? "SIGTERM ends with 75 (found $code): $(tail -n 1 stopped.err)"
defend stopped --quiet >/dev/null && contents stopped | cmp - whole.contents
result $? "a stopped run goes on"

# Two at a time: one of them is refused.
mkdir shared
exec 9>shared/lock
flock 9
defend shared --quiet 2>shared.err
[ $? -eq 2 ] && grep -q 'shared: another process is at work in this directory' shared.err && [ ! -e shared/victim ]
result $? "a second process is refused: $(cat shared.err)"
exec 9>&-
defend shared --quiet >/dev/null && contents shared | cmp - whole.contents
result $? "it is let in once the first is gone"

echo "1..$n"
exit $failed
