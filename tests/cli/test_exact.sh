#!/bin/bash
# Precision exact: the selected words of a scan in fp32, whatever the threads and wherever a scan was cut.
# shellcheck source-path=SCRIPTDIR source=transcript.sh
. "$(dirname "$0")/transcript.sh"
cd "$work" || exit

model=$here/../../demo/model
zstd -dcq "$here/../../demo/corpus.jsonl.zst" | head -150 >corpus.jsonl
scan() { # scan STORE CORPUS OPTION...
  local store=$1 corpus=$2
  shift 2
  bki scan "$model" "$corpus" -o "$store" --backend cpu --commit-seconds 0 "$@"
}
dump() { sqlite3 "$1" .dump; }
selected() { sqlite3 "$1" 'SELECT idx, label, predicted, n_words, selected, words FROM sample ORDER BY idx'; }
screening() { sqlite3 "$1" "SELECT value FROM setting WHERE key = 'screening'"; }

scan fp32.bki corpus.jsonl --quiet >/dev/null
scan exact.bki corpus.jsonl --precision exact >exact.out 2>exact.err
if [ -z "$(screening exact.bki)" ]; then
  grep -q 'precision exact is fp32: this CPU, or the instruction set that was asked for, has no bf16 units' exact.err
  result $? "without bf16 units it says that it is fp32"
  dump fp32.bki >fp32.dump
  dump exact.bki | cmp - fp32.dump
  result $? "and the store is that of fp32"
  echo "1..$n"
  exit $failed
fi

selected fp32.bki >fp32.selected
selected exact.bki | cmp - fp32.selected
result $? "the selected words, their scores and the predictions are those of fp32"

words() { sqlite3 "$1" 'SELECT hex(scores) FROM sample'; }
[ "$(words exact.bki)" != "$(words fp32.bki)" ]
result $? "other words keep their screened scores"

for command in keywords flagged; do
  bki $command fp32.bki --json >fp32.json
  bki $command exact.bki --json | cmp - fp32.json
  result $? "$command: the same"
done

grep -q '^screened: [0-9]* of [0-9]* words scored again in fp32$' exact.out &&
  grep -q 'screening: off by .* at most on trial, .* % of the words scored twice' exact.err
result $? "it says how much was scored twice"

dump exact.bki >exact.dump
scan threads.bki corpus.jsonl --precision exact --quiet --threads 3 --json >threads.json
dump threads.bki | cmp - exact.dump
result $? "the store does not depend on the number of threads"
[ "$(jq -r '.screening | "screened=\(.screened) words=\(.words) rescored=\(.rescored)"' threads.json)" = \
  "$(screening exact.bki | grep -o 'screened=.*rescored=[0-9]*')" ]
result $? "--json has the counts of the store"

(head -60 corpus.jsonl && echo broken) | scan cut.bki - --precision exact --quiet >/dev/null 2>&1
[ "$(sqlite3 cut.bki 'SELECT n_records FROM progress')" -eq 60 ] && [ "$(screening cut.bki)" != "$(screening exact.bki)" ]
result $? "a scan of standard input stops at a bad record"
scan cut.bki - --precision exact --quiet <corpus.jsonl >/dev/null && dump cut.bki | cmp - exact.dump
result $? "and goes on to the same contents, counts included"

bki keywords exact.bki --rule paper -p 6 >/dev/null 2>refused.err
[ $? -eq 2 ] && grep -q 'made sure of the 5 best words of each text (precision exact), found p = 6' refused.err
result $? "a rule that selects more words is refused"
bki keywords fp32.bki --rule paper -p 2 --json >fp32.json && bki keywords exact.bki --rule paper -p 2 --json | cmp - fp32.json
result $? "one that selects fewer is not"
bki explain exact.bki 0 --rule paper -p 6 >/dev/null 2>&1
[ $? -eq 2 ]
result $? "explain: the same"

scan journal.bki corpus.jsonl --precision exact --preset journal >/dev/null 2>journal.err
grep -q 'precision exact is fp32: prefix increments are not screened' journal.err
result $? "with prefix increments it says that it is fp32"
echo "1..$n"
exit $failed
