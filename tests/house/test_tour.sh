#!/bin/bash
# The commands of the README's tour run, with one epoch and a small model; the numbers printed there are not compared.
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${BKI_INSTRUMENTED:-0}" != 0 ]; then
  echo "ok 1 - the README's tour # SKIP too slow in an instrumented build"
  echo "1..1"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$BKI_PROGRAM" "$work/bin/bki"
ln -s "$root/demo" "$work/demo"
sed -n '/^## Five minutes/,/^## Scan/p' "$root/README.md" | awk '
  /^    \$ / { command = 1; sub(/^    \$ /, "") ; print; command = /\\$/; next }
  command { print; command = /\\$/ }' | sed 's/--epochs 15/--epochs 1 --hidden 8 --dense 8 -q/' >"$work/tour.sh"
# shellcheck source=SCRIPTDIR/../support/tap.sh
. "$root/tests/support/tap.sh"
[ "$(grep -c '^bki' "$work/tour.sh")" -eq 7 ]
result $? "the tour has seven commands"
(cd "$work" && PATH=$work/bin:$PATH bash -e tour.sh >out 2>err)
result $? "each of them succeeds"
sed 's/^/  /' "$work/err" | tail -n 5
grep -q '^attack success: ' "$work/out"
result $? "it ends with the attack on the model that was trained anew"
echo "1..$n"
exit $failed
