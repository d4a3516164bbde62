#!/bin/bash
# What a report holds: its data against what the other commands say of the same store, the same bytes twice, and inert
# whatever the corpus holds. How it looks and behaves is test_browser.sh.
here=$(cd "$(dirname "$0")" && pwd)
: "${BKI_PROGRAM:?the program to test}"
bki=$BKI_PROGRAM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 CUDA_VISIBLE_DEVICES=
unset SOURCE_DATE_EPOCH
failed=0
n=0
check() { # check NAME COMMAND...
  n=$((n + 1))
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then echo "ok $n - $name"; else
    echo "not ok $n - $name"
    head -n 20 "$work/log" | sed 's/^/  /'
    failed=1
  fi
}
cd "$work" && python3 -B "$here/make_stores.py" "$bki" "$here/../data/tiny" . || exit 1

# data FILE / samples FILE: the embedded JSON.
data() { sed -n 's|^<script type="application/json" id="data">\(.*\)</script>$|\1|p' "$1"; }
samples() {
  awk '/id="sample-data">/ { on = 1; sub(/.*id="sample-data">/, "") }
    on { end = sub(/<\/script>$/, ""); print; if (end) exit }' "$1"
}
report() { "$bki" report "$1.db" -o "$1.html" -f "${@:2}"; }
for store in backdoor several suspicious none small unjudged hostile large; do report $store || exit 1; done

headline_is() { grep -qF "<h1 id=\"headline\">$2</h1>" "$1.html" && grep -qF "<title>$2 - bki report</title>" "$1.html"; }
check "a backdoor is the headline" headline_is backdoor "Backdoor found"
check "several backdoors are counted" headline_is several "3 backdoors found"
check "what is suspicious is not called proven" headline_is suspicious "Suspicious, not proven"
check "nothing found says so" headline_is none "No backdoor found"
check "nothing found in a small corpus says that it is too small" headline_is small "Nothing found, too few texts to tell"
check "an unjudged store is reported as such" headline_is unjudged "Not judged yet"
check "the first screen is there without a script" grep -q "190 of 200 (95&nbsp;%) changed to that class" backdoor.html

same_evidence() { diff <(data backdoor.html | jq -S 'def f: if type == "number" then (. * 1e4 | round) else . end; .evidence | walk(f)') \
  <("$bki" flagged backdoor.db --json | jq -S 'def f: if type == "number" then (. * 1e4 | round) else . end; .evidence | walk(f)'); }
check "its evidence is that of the other commands" same_evidence
same_flagged() { diff <(samples backdoor.html | jq -r '.[] | [.index, .id, .at, .n, .reason] | @tsv') \
  <("$bki" flagged backdoor.db --json | jq -r '.flagged[] | [.index, .id, .position, .words, .reason] | @tsv'); }
check "its samples are those that flagged lists" same_flagged
check "suspicious samples are flagged when asked for" \
  test "$("$bki" report suspicious.db --rule suspicious -o - >s.html && samples s.html | jq length)" = 12
check "nothing is flagged without a verdict" test "$(samples unjudged.html | jq length)" = 0
same_candidates() { diff <(data backdoor.html | jq -c '.candidates.rows[:20][] | [.[0], .[1]]') \
  <("$bki" keywords backdoor.db --json | jq -c '.candidates[] | [.word, .count]'); }
check "its candidates are those of keywords" same_candidates
check "how the flagged samples carry the phrase is counted" \
  test "$(data backdoor.html | jq -c '.flagged.kinds[0]')" = '{"exact":48,"edited":6,"part":6,"keyword":0}'
check "a level stands for every word" test "$(samples backdoor.html | jq 'all(.[]; (.words | split(" ") | length) == (.levels | length))')" = true
check "settings of the verdict are told" grep -q '\["seed","1"\]' backdoor.html

"$bki" report backdoor.db --rule paper -o paper.html
check "the paper's rule names its keyword" headline_is paper "The paper&#39;s rule names “$(data paper.html | jq -r .keyword.word)”"
check "and says that it always names one" grep -q "some word always has it, in a clean corpus too" paper.html
check "and reports no verdict" test "$(data paper.html | jq .evidence)" = null

mkdir elsewhere && cp backdoor.db elsewhere/other.db
"$bki" report elsewhere/other.db -o - >again.html
check "the same store gives the same bytes" cmp backdoor.html again.html
SOURCE_DATE_EPOCH=1700000000 "$bki" report backdoor.db -o dated.html
check "SOURCE_DATE_EPOCH dates it" test "$(data dated.html | jq -r .made)" = "2023-11-14 22:13 UTC"
check "without it there is no date" test "$(data backdoor.html | jq .made)" = null
"$bki" report backdoor.db -o now.html --dated
check "--dated dates it" grep -q "\"made\":\"$(date -u +%Y)" now.html
check "10,000 of more flagged samples are kept" test "$(samples large.html | jq length)" = 10000
check "--limit sets how many" test "$("$bki" report large.db -o - --limit 7 >l.html && samples l.html | jq length)" = 7
check "--limit 0 keeps all" test "$("$bki" report large.db -o - -n 0 >l.html && samples l.html | jq length)" = 10050
check "all are counted whatever is kept" test "$(data large.html | jq .flagged.n)" = 10050

exits() { # exits CODE COMMAND...
  "${@:2}"
  test $? -eq "$1"
}
check "a report that exists is not replaced" exits 2 "$bki" report backdoor.db -o backdoor.html
check "a report needs a name" exits 2 "$bki" report backdoor.db
check "SOURCE_DATE_EPOCH has to be a number" exits 2 env SOURCE_DATE_EPOCH=today "$bki" report backdoor.db -o x.html
check "a damaged store is refused" exits 3 "$bki" report damaged.db -o damaged.html
check "and leaves no file behind" test -z "$(find . -name '*damaged.html*')"

check "nothing is fetched" exits 1 grep -nE '(src|href)="?[^#"]|url\(|@import|https?://[^ ]*"' <(sed '/^!function\|^ \*/d' backdoor.html)
check "no text ends a script element" test "$(grep -o '</script' hostile.html | wc -l)" = 4
check "no text begins an element" exits 1 grep -qE '<(img|b>bold)' hostile.html
no_raw() { ! grep -qP '[\x00-\x08\x0b-\x1f\x{202a}-\x{202e}\x{2066}-\x{2069}\x{2028}\x{2029}]' <(sed -n '/<title>/p; /<body>/,/<noscript>/p' hostile.html); }
check "no character of the corpus controls or reorders the page" no_raw
check "a word of a megabyte is cut" test "$(stat -c %s hostile.html)" -lt 400000
check "a long text shows a window around the phrase" \
  test "$(samples hostile.html | jq -c '.[] | select(.id == "long") | [.offset, .length, (.levels | length)]')" = "[700,2000,600]"
check "hostile words are what they were" test "$(samples hostile.html | jq -r '.[0].words | split(" ")[1]')" = "</script><script>window.pwned=1</script>"
hashes() { python3 -B - backdoor.html <<'PY'
import base64, hashlib, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
parts = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.S)
assert "default-src 'none'" in policy and "unsafe" not in policy, policy
assert len(parts) == 3, len(parts)
for part in parts:
    assert "sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() in policy, part[:60]
PY
}
check "the policy lets only its own scripts and style run" hashes
check "the licence of Chart.js is in it" grep -q "The above copyright notice and this permission notice shall be" backdoor.html
echo "1..$n"
exit $failed
