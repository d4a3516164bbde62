#!/bin/bash
# A scan that is killed, stopped, or refused the disk goes on with the same command and ends with the same contents.
# shellcheck source-path=SCRIPTDIR source=transcript.sh source=interrupt.sh
. "$(dirname "$0")/transcript.sh"
. "$here/interrupt.sh"
cd "$work" || exit
skip() {
  n=$((n + 1))
  echo "ok $n - $1 # SKIP $2"
}

model=$here/../data/tiny/model
# 150 records of about 50 words, with ids of their own, from the tiny corpus.
jq -sc '[range(150) as $i | {id: "k\($i)", label: .[$i % 68].label,
  text: ([range(4) as $k | .[($i * 7 + $k * 13) % 68].text] | join(" "))}] | .[]' "$here/../data/tiny/corpus.jsonl" >corpus.jsonl
options=(--backend ref --engine full --quiet --threads 1 --commit-seconds 0)
scan() { bki scan "$model" "${2-corpus.jsonl}" -o "$1" "${options[@]}"; }
dump() { sqlite3 "$1" .dump; }
n_records() { sqlite3 "$1" 'select n_records from progress' 2>/dev/null || echo 0; }

begun=$(date +%s%N)
scan whole.bki >/dev/null
milliseconds=$((($(date +%s%N) - begun) / 1000000))
dump whole.bki >whole.dump
echo "# undisturbed: $milliseconds ms"
[ "$(n_records whole.bki)" -eq 150 ]
result $? "an undisturbed scan ends"

bki scan "$model" corpus.jsonl -o three.bki --backend ref --engine full --quiet --threads 3 >/dev/null
dump three.bki | cmp - whole.dump
result $? "the store does not depend on the number of threads or commits"

attempt() { exec bki scan "$model" corpus.jsonl -o killed.bki "${options[@]}" >/dev/null 2>&1; }
on_kill() {
  records=$(n_records killed.bki)
  [ "$records" -gt 0 ] && [ "$records" -lt 150 ] && partial=$((partial + 1))
}
on_end() {
  dump killed.bki | cmp - whole.dump || same=1
  rm -f killed.bki
}
same=0
partial=0
kill_often 20 "$(within "$milliseconds")"
scan killed.bki >/dev/null && dump killed.bki | cmp - whole.dump && [ $same -eq 0 ] && [ $kills -eq 20 ] && [ $partial -gt 3 ]
result $? "killed $kills times ($partial with part of it stored) it ends with the same contents"

# The first SIGTERM finishes the batch.
attempt() { exec bki scan "$model" corpus.jsonl -o stopped.bki "${options[@]}" >/dev/null 2>stopped.err; }
on_end() { rm -f stopped.bki; }
some_are_stored() { [ "$(n_records stopped.bki)" -gt 0 ]; }
terminate some_are_stored
records=$(n_records stopped.bki)
[ $code -eq 75 ] && [ "$records" -gt 0 ] && [ "$records" -lt 150 ] && grep -q "stopped after $records records" stopped.err
result $? "SIGTERM ends with 75 (found $code) and keeps $records records"
scan stopped.bki >/dev/null && dump stopped.bki | cmp - whole.dump
result $? "a stopped scan goes on"

# A file size limit; SIGXFSZ is ignored.
(
  ulimit -f 100
  scan limited.bki
) >/dev/null 2>limited.err
code=$?
[ $code -eq 4 ] && grep -q 'limited.bki: cannot' limited.err
result $? "a file size limit ends with 4 (found $code): $(cat limited.err)"
scan limited.bki >/dev/null && dump limited.bki | cmp - whole.dump
result $? "a scan that met the limit goes on"

mkdir disk
if mount -t tmpfs -o size=160k bki-test disk 2>/dev/null; then
  scan disk/full.bki >/dev/null 2>full.err
  code=$?
  [ $code -eq 4 ] && grep -q 'disk/full.bki: cannot' full.err
  result $? "a full disk ends with 4 (found $code): $(cat full.err)"
  mount -o remount,size=4m disk
  scan disk/full.bki >/dev/null && dump disk/full.bki | cmp - whole.dump
  result $? "a scan that met a full disk goes on"
  umount disk
else
  skip "a full disk" "mount is not permitted"
fi

sed 's/film/song/' corpus.jsonl >other.jsonl
(ulimit -f 100; scan begun.bki) >/dev/null 2>&1
records=$(n_records begun.bki)
scan begun.bki other.jsonl 2>other.err
[ $? -eq 2 ] && grep -q "the first $records records have fingerprint" other.err
result $? "part of a scan does not go on with another corpus"

echo "1..$n"
exit $failed
