# shellcheck shell=bash
# Sourced by test scripts. result CODE NAME: a line of TAP. The script ends with `echo "1..$n"; exit $failed`.
n=0
failed=0
result() {
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
    echo "not ok $n - $2"
    failed=1
  fi
}
