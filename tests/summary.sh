#!/bin/sh
# Counts the TAP lines of a ctest log (Testing/Temporary/LastTest.log), shows what was skipped and what failed with its
# explanation, and ends with `passed N`, `failed N`. A program without TAP lines, or one that failed without a `not ok`
# (a crash, a timeout), counts as one test.
exec awk '
  function close_program() {
    if (name == "") return
    if (verdict != "Passed" && bad == 0) { printf "not ok: %s (%s)\n%s", name, verdict, output; failed++ }
    if (verdict == "Passed" && good + bad + skipped_here == 0) passed++
    passed += good; failed += bad; name = ""
  }
  /^[0-9]+\/[0-9]+ Test: / { close_program(); name = $3; good = bad = skipped_here = 0; verdict = "no end"; output = ""; next }
  /^Test (Passed|Failed|Timeout)/ { verdict = $2; sub(/\.$/, "", verdict) }
  { if (length(output) < 20000) output = output $0 "\n" }
  /^ok .*# SKIP/ { print "skipped: " substr($0, 6); skipped_here++; explain = 0; next }
  /^ok / { good++; explain = 0; next }
  /^not ok / { bad++; print name ": " $0; explain = 1; next }
  explain && /^ / { print; next }
  { explain = 0 }
  END { close_program(); print "passed " passed + 0; print "failed " failed + 0 }
' "$1"
