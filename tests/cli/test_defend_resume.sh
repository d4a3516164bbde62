#!/bin/bash
# A defence that is killed or stopped goes on with the same command and ends with the same models and summary.
# shellcheck source-path=SCRIPTDIR source=transcript.sh source=interrupt.sh
. "$(dirname "$0")/transcript.sh"
. "$here/interrupt.sh"
cd "$work" || exit

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

attempt() { exec bki defend corpus.jsonl --work killed "${options[@]}" --quiet >/dev/null 2>killed.err; }
on_kill() { files="$files $(find killed -type f 2>/dev/null | wc -l)"; }
on_end() {
  cat killed.err
  contents killed | cmp - whole.contents || same=1
  rm -rf killed
}
same=0
files=""
kill_often 15 "$(within "$milliseconds")"
echo "# files after each kill:$files"
defend killed --quiet >killed.out && contents killed | cmp - whole.contents && [ $same -eq 0 ] && [ $kills -ge 15 ] &&
  sed 's/killed/whole/' killed.out | cmp - whole.out
result $? "killed $kills times it ends with the same models and summary"

# SIGTERM once the first epoch was told: too late to stop the training on a fast machine, but not the defence.
attempt() { exec bki defend corpus.jsonl --work stopped "${options[@]}" >/dev/null 2>stopped.err; }
on_end() { rm -rf stopped; }
terminate grep -q 'epoch 1 of' stopped.err
[ $code -eq 75 ] && [ ! -e stopped/summary.json ]
result $? "SIGTERM ends with 75 (found $code): $(tail -n 1 stopped.err)"
defend stopped --quiet >/dev/null && contents stopped | cmp - whole.contents
result $? "a stopped run goes on"
attempt() { exec bki defend corpus.jsonl --work training "${options[@]}" --epochs 1000000 >/dev/null 2>training.err; }
terminate grep -q 'epoch 1 of' training.err
[ $code -eq 75 ] && [ ! -e training/victim ] && grep -q 'the same command goes on' training.err
result $? "SIGTERM stops a training before its end (found $code): $(tail -n 1 training.err)"

# Begun when fp32 was the default: the scan half done, then the whole defence.
defend fp32 --quiet --precision fp32 >fp32.out && contents fp32 >fp32.contents
mkdir begun
cp -r fp32/victim fp32/lock begun
(head -n 100 corpus.jsonl && echo broken) |
  bki scan begun/victim - -o begun/scan.db --precision fp32 --threads 1 --quiet >/dev/null 2>&1
[ "$(sqlite3 begun/scan.db 'SELECT n_records FROM progress')" -eq 100 ] && defend begun --quiet >begun.out &&
  contents begun | cmp - fp32.contents && sed 's/begun/fp32/' begun.out | cmp - fp32.out
result $? "a scan that was begun in another precision goes on in that"
defend fp32 --quiet >again.out && cmp again.out fp32.out && contents fp32 | cmp - fp32.contents
result $? "one that is done is taken as it is"
defend fp32 --quiet --precision bf16 2>refused.err
[ $? -eq 2 ] && grep -q 'scorer_settings has "precision=fp32 .* where this one has "precision=bf16' refused.err
result $? "a precision that is named has to be that of the scan: $(cat refused.err)"

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
