#!/bin/bash
# Precision exact, the default of a scan: the selected words of a scan in fp32, whatever the threads and wherever a scan was
# cut; what is reported comes from these words alone; and a scan goes on in the precision in which it was begun.
# shellcheck source-path=SCRIPTDIR source=transcript.sh source=interrupt.sh
. "$(dirname "$0")/transcript.sh"
. "$here/interrupt.sh"
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

# Scores and flips of all words that no sample has selected are made up.
spoil() {
  sqlite3 "$1" "
    CREATE TEMP TABLE word AS
    WITH RECURSIVE word (idx, i, n, scores, flags) AS (
      SELECT idx, 0, n_words, scores, word_flags FROM sample WHERE n_words > 0
      UNION ALL SELECT idx, i + 1, n, scores, flags FROM word WHERE i + 1 < n)
    SELECT idx, i, hex(substr(scores, 4 * i + 1, 4)) AS score, hex(substr(flags, i + 1, 1)) AS flag FROM word;
    UPDATE word SET score = '00000000', flag = CASE flag WHEN '00' THEN '01' WHEN '01' THEN '00' WHEN '04' THEN '05'
      WHEN '05' THEN '04' WHEN '02' THEN '03' WHEN '03' THEN '02' WHEN '06' THEN '07' ELSE '06' END
    WHERE NOT EXISTS (SELECT 1 FROM selected_word s WHERE s.idx = word.idx AND s.position = word.i);
    SELECT 'BEGIN;';
    SELECT printf('UPDATE sample SET scores = x''%s'', word_flags = x''%s'' WHERE idx = %d;', group_concat(score, ''),
      group_concat(flag, ''), idx) FROM (SELECT * FROM word ORDER BY idx, i) GROUP BY idx;
    SELECT 'COMMIT;';" >spoil.sql
  sqlite3 "$1" <spoil.sql
}
say() { # what is said of a store, the scores of selected words included
  bki verify "$model" "$1" --backend cpu --threads 1 --json | jq 'del(.store)'
  bki keywords "$1" --json
  bki flagged "$1" --json
  bki flagged "$1" --rule paper --format tsv
  bki explain "$1" 0 --json | jq '[.selected, [.words[.selected[]] | [.word, .score, .flips]]]'
}

scan fp32.bki corpus.jsonl --precision fp32 --quiet >/dev/null
cp fp32.bki spoilt.bki
say fp32.bki >fp32.said
spoil spoilt.bki
say spoilt.bki | cmp - fp32.said && [ "$(sqlite3 spoilt.bki 'SELECT hex(scores) FROM sample')" != "$(sqlite3 fp32.bki 'SELECT hex(scores) FROM sample')" ]
result $? "no answer goes by scores or flips of words that are not selected"

scan exact.bki corpus.jsonl >exact.out 2>exact.err

# Begun in another precision, and gone on with by the command that does not name one.
dump fp32.bki >fp32.dump
head -60 corpus.jsonl >head.jsonl
begin() { # begin STORE OPTION...
  (cat head.jsonl && echo broken) | scan "$1" - --quiet "${@:2}" >/dev/null 2>&1
  [ $? -eq 3 ] && [ "$(sqlite3 "$1" 'SELECT n_records FROM progress')" -eq 60 ]
}
attempt() { exec bki scan "$model" corpus.jsonl -o killed.bki --backend cpu --commit-seconds 0 --precision fp32 --threads 1 --quiet >/dev/null 2>&1; }
on_end() { rm -f killed.bki; }
some_are_stored() { [ "$(sqlite3 killed.bki 'SELECT n_records FROM progress' 2>/dev/null || echo 0)" -gt 0 ]; }
signal=KILL
terminate some_are_stored
records=$(sqlite3 killed.bki 'SELECT n_records FROM progress')
[ $code -eq 137 ] && [ "$records" -gt 0 ] && [ "$records" -lt 150 ] && scan killed.bki corpus.jsonl --quiet >/dev/null &&
  dump killed.bki | cmp - fp32.dump
result $? "a scan in fp32 that is killed after $records records goes on without --precision"
begin fp32-cut.bki --precision fp32 && scan fp32-cut.bki corpus.jsonl --quiet >/dev/null && dump fp32-cut.bki | cmp - fp32.dump
result $? "one that was cut too"
scan bf16.bki corpus.jsonl --precision bf16 --quiet >/dev/null 2>&1
begin bf16-cut.bki --precision bf16 && scan bf16-cut.bki corpus.jsonl --quiet >/dev/null 2>&1 && dump bf16-cut.bki | cmp - <(dump bf16.bki)
result $? "one in bf16 goes on in bf16"
begin named.bki --precision fp32 && dump named.bki >named.dump
scan named.bki corpus.jsonl --precision bf16 --quiet 2>named.err
[ $? -eq 2 ] && grep -q 'the store belongs to another scan: its scorer_settings has "precision=fp32 .* where this one has "precision=bf16' named.err &&
  dump named.bki | cmp - named.dump
result $? "a precision that is named has to be that of the store"
cp named.bki far.bki
sqlite3 far.bki "UPDATE setting SET value = replace(value, 'precision=fp32', 'precision=exact') WHERE key = 'scorer_settings'"
for precision in "" "--precision exact"; do
  # shellcheck disable=SC2086
  scan far.bki corpus.jsonl --isa portable --quiet $precision 2>far.err
  [ $? -eq 2 ] && grep -q '"precision=exact .* this one has "precision=fp32 .*: precision exact is fp32 here: this CPU, .* no bf16 units$' far.err
  result $? "exact does not go on where it is fp32, and says why ${precision:+($precision)}"
done
scan far.bki corpus.jsonl --precision fp32 --quiet 2>far.err
[ $? -eq 2 ] && grep -q ': go on with --precision "exact"$' far.err
result $? "where fp32 was named it says what to name"

if [ -z "$(screening exact.bki)" ]; then
  grep -q 'precision exact is fp32: this CPU, or the instruction set that was asked for, has no bf16 units' exact.err
  result $? "without bf16 units it says that it is fp32"
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

long=$(sqlite3 exact.bki "SELECT idx FROM sample ORDER BY n_words DESC LIMIT 1")
bki explain exact.bki "$long" >explained && bki explain exact.bki "$long" --json >explained.json &&
  [ "$(jq '[.words[] | select(.screened)] | length' explained.json)" -gt 0 ] &&
  [ "$(jq '[.words[.selected[]] | select(.screened)] | length' explained.json)" -eq 0 ] &&
  grep -q "^$(jq '[.words[] | select(.screened)] | length' explained.json) of $(jq '.words | length' explained.json) words were screened only" explained
result $? "explain tells the words that were screened only, none of them selected"

bki report exact.bki -o exact.html && grep -q '"screened":true' exact.html && bki report fp32.bki -o fp32.html && grep -q '"screened":false' fp32.html
result $? "so does the report"

say exact.bki | cmp - fp32.said
result $? "verdict, keyword, flagged samples and selected words: the same"
for command in keywords flagged; do
  bki $command fp32.bki --json >fp32.json
  bki $command exact.bki --json | cmp - fp32.json
  result $? "$command: the same"
done

grep -q '^screened: [0-9]* of [0-9]* words scored again in fp32$' exact.out &&
  grep -q 'screening: coarse scores are off by .* at most on trial texts, .* % of the words are scored twice' exact.err
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
for precision in "" "--precision exact"; do
  # shellcheck disable=SC2086
  scan exact.bki corpus.jsonl -p 6 --quiet $precision >/dev/null 2>refused.err
  [ $? -eq 2 ] && grep -q 'found p = 6: scan into a new store with -p 6, or with --precision fp32, which answers every p' refused.err
  result $? "nor does the scan go on with it ${precision:+($precision)}"
done
cp exact.bki empty.bki
sqlite3 empty.bki "DELETE FROM flagged; DELETE FROM finding; DELETE FROM evidence; DELETE FROM sample;
  UPDATE progress SET n_records = 0, n_samples = 0, work = 0, corpus_fingerprint = '', complete = 0;
  UPDATE setting SET value = substr(value, 1, instr(value, 'short=') - 1) || 'short=0 screened=0 words=0 rescored=0 widened=0'
  WHERE key = 'screening'"
scan empty.bki corpus.jsonl -p 6 --quiet >/dev/null 2>refused.err
[ $? -eq 2 ] && grep -q 'found p = 6: scan into a new store with -p 6' refused.err && scan empty.bki corpus.jsonl --quiet >/dev/null &&
  dump empty.bki | cmp - exact.dump
result $? "not even before its first record"
scan six.bki corpus.jsonl -p 6 --quiet >/dev/null && bki keywords six.bki --rule paper --json | cmp - <(bki keywords fp32.bki --rule paper -p 6 --json)
result $? "a scan with it makes sure of as many"
scan six.bki corpus.jsonl --quiet >/dev/null 2>refused.err
[ $? -eq 2 ] && grep -q 'the store was begun with p = 6, found 5; go on with that' refused.err
result $? "and goes on with as many only"
bki explain exact.bki 0 --rule paper -p 6 >/dev/null 2>&1
[ $? -eq 2 ]
result $? "explain: the same"

scan journal.bki corpus.jsonl --precision exact --preset journal >/dev/null 2>journal.err
grep -q 'precision exact is fp32: prefix increments are not screened' journal.err
result $? "with prefix increments it says that it is fp32"
echo "1..$n"
exit $failed
