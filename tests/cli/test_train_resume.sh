#!/bin/bash
# A training that is killed, stopped, or refused the disk goes on with the same command and ends with the same model,
# byte for byte.
# shellcheck source-path=SCRIPTDIR source=transcript.sh source=interrupt.sh
. "$(dirname "$0")/transcript.sh"
. "$here/interrupt.sh"
cd "$work" || exit
skip() {
  n=$((n + 1))
  echo "ok $n - $1 # SKIP $2"
}

# 150 records of about 50 words from the tiny corpus.
jq -sc '[range(150) as $i | {label: .[$i % 68].label,
  text: ([range(4) as $k | .[($i * 7 + $k * 13) % 68].text] | join(" "))}] | .[]' "$here/../data/tiny/corpus.jsonl" >corpus.jsonl
options=(--hidden 8 --embedding-dim 8 --dense 8 --batch-size 8 --epochs 12 --dropout 0.1 --clip-norm 1 --validation-split 0.2
  --learning-rate 0.01 --threads 1 --quiet --checkpoint-seconds 0)
train() { bki train "${2-corpus.jsonl}" -o "$1" "${options[@]}" "${@:3}"; }
same() { diff -r "$1" whole && [ ! -e "$1.partial" ]; }

begun=$(date +%s%N)
train whole >whole.out
milliseconds=$((($(date +%s%N) - begun) / 1000000))
echo "# undisturbed: $milliseconds ms"
bki model check whole >/dev/null && [ ! -e whole.partial ]
result $? "an undisturbed training ends with a model that passes its self-test"

bki train corpus.jsonl -o three "${options[@]}" --threads 3 --checkpoint-seconds 1e9 >/dev/null && same three
result $? "the model does not depend on the number of threads or checkpoints"

attempt() { exec bki train corpus.jsonl -o killed "${options[@]}" >/dev/null 2>&1; }
on_kill() { [ -e killed.partial/checkpoint.safetensors ] && partial=$((partial + 1)); }
on_end() {
  same killed || differ=1
  rm -rf killed
}
differ=0
partial=0
kill_often 20 "$(within "$milliseconds")"
train killed >killed.out && same killed && [ $differ -eq 0 ] && [ $kills -eq 20 ] && [ $partial -gt 3 ] &&
  sed 's/killed/whole/' killed.out | cmp - whole.out
result $? "killed $kills times ($partial with a checkpoint) it ends with the same model and the same summary"

# The first SIGTERM finishes the step and saves.
attempt() { exec bki train corpus.jsonl -o stopped "${options[@]}" >/dev/null 2>stopped.err; }
on_end() { rm -rf stopped; }
terminate test -e stopped.partial/checkpoint.safetensors
[ $code -eq 75 ] && [ ! -e stopped ] && grep -q 'stopped in epoch .*: the same command goes on from there' stopped.err
result $? "SIGTERM ends with 75 (found $code)"
cp -r stopped.partial kept.partial
train stopped >/dev/null && same stopped
result $? "a stopped training goes on"

mv kept.partial other.partial
train other corpus.jsonl --seed 2 2>other.err
[ $? -eq 2 ] && grep -q 'other.partial: work in progress of another training: it has seed "1", this training has "2"' other.err
result $? "work in progress of another seed is refused"
sed 's/film/song/' corpus.jsonl >song.jsonl
train other song.jsonl 2>other.err
[ $? -eq 2 ] && grep -q 'other.partial: work in progress of another training: it has corpus' other.err
result $? "work in progress of another corpus is refused"
train other corpus.jsonl --seed 2 --force >/dev/null 2>other.err && [ ! -e other.partial ] && ! diff -rq other whole >/dev/null
result $? "--force drops the work of another training"
train other 2>other.err
[ $? -eq 2 ] && grep -q 'other: the model of another training: it has seed' other.err
result $? "a model of another training is not replaced"
train other corpus.jsonl --force >/dev/null && same other
result $? "--force replaces it"
touch -d '2001-01-01' whole/*
train whole >again.out 2>/dev/null && cmp whole.out again.out && [ -z "$(find whole -newermt 2002-01-01 -type f)" ]
result $? "a model of the same training is left as it is"

# Damage is found.
mkdir -p damaged.partial
attempt() { exec bki train corpus.jsonl -o begun "${options[@]}" --epochs 1000000 >/dev/null 2>&1; }
attempt &
pid=$!
await test -e begun.partial/checkpoint.safetensors
train begun 2>locked.err
[ $? -eq 2 ] && grep -q 'begun.partial: another process is training this model' locked.err
result $? "two processes do not train one model: $(cat locked.err)"
kill -TERM $pid
wait $pid
cp begun.partial/checkpoint.safetensors damaged.partial
printf x | dd of=damaged.partial/checkpoint.safetensors bs=1 seek=700 conv=notrunc 2>/dev/null
train damaged 2>damaged.err
[ $? -eq 3 ] && grep -q 'checkpoint.safetensors: damaged (its checksum)' damaged.err
result $? "a damaged checkpoint is refused: $(cat damaged.err)"
head -c 900 begun.partial/checkpoint.safetensors >damaged.partial/checkpoint.safetensors
train damaged 2>damaged.err
[ $? -eq 3 ] && grep -q 'checkpoint.safetensors: damaged' damaged.err
result $? "a cut checkpoint is refused: $(cat damaged.err)"
train damaged corpus.jsonl --force >/dev/null 2>&1 && same damaged
result $? "--force drops a damaged checkpoint"

# A file size limit; SIGXFSZ is ignored.
(
  ulimit -f 8
  train limited
) >/dev/null 2>limited.err
code=$?
[ $code -eq 4 ] && grep -q 'limited.partial.*: cannot write' limited.err
result $? "a file size limit ends with 4 (found $code): $(cat limited.err)"
train limited >/dev/null && same limited
result $? "a training that met the limit goes on"

mkdir disk
if mount -t tmpfs -o size=48k bki-test disk 2>/dev/null; then
  train disk/full >/dev/null 2>full.err
  code=$?
  [ $code -eq 4 ] && grep -q 'disk/full.partial.*: cannot' full.err
  result $? "a full disk ends with 4 (found $code): $(cat full.err)"
  mount -o remount,size=4m disk
  train disk/full >/dev/null && same disk/full
  result $? "a training that met a full disk goes on"
  umount disk
else
  skip "a full disk" "mount is not permitted"
fi

train nowhere/model 2>nowhere.err
[ $? -eq 4 ] && grep -q 'nowhere/model.partial: cannot create the directory' nowhere.err
result $? "a directory that is not there ends with 4"
mkdir mine && touch mine/notes.txt
train mine corpus.jsonl --force 2>mine.err
[ $? -eq 2 ] && grep -q 'mine: only a model directory is replaced' mine.err && [ -e mine/notes.txt ] && [ ! -e mine.partial ]
result $? "--force does not remove what is no model"

echo "1..$n"
exit $failed
