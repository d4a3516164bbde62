#!/bin/bash
# Golden transcripts of the commands: cases/*.txt. `test_cases.sh --update` writes them anew: read the diff.
# shellcheck source-path=SCRIPTDIR source=transcript.sh
. "$(dirname "$0")/transcript.sh"
for case in "$here"/cases/*.txt; do
  n=$((n + 1))
  run_transcript "$case" >"$work/actual"
  if [ "${1-}" = --update ]; then
    cp "$work/actual" "$case"
  elif diff -u "$case" "$work/actual" >"$work/diff"; then
    echo "ok $n - $(basename "$case" .txt)"
  else
    echo "not ok $n - $(basename "$case" .txt)"
    sed 's/^/  /' "$work/diff"
    failed=1
  fi
done
echo "1..$n"
exit $failed
