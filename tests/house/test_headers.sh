#!/bin/sh
# Each public header compiles alone, in C11 and in C++11, without a warning.
cd "$(dirname "$0")/../.." || exit 1
failed=0
check() { # description command...
  what=$1
  shift
  if "$@"; then echo "ok - $what"; else echo "not ok - $what"; failed=1; fi
}
warnings="-Wall -Wextra -Werror -fsyntax-only -Iinclude"
for header in include/bki/*.h; do
  name=${header#include/}
  # shellcheck disable=SC2086 # the warnings are words
  check "$name compiles alone in C" "${CC:-cc}" -std=c11 $warnings -x c -include "$name" /dev/null
  # shellcheck disable=SC2086
  check "$name compiles alone in C++" c++ -std=c++11 $warnings -x c++ -include "$name" /dev/null
  [ "$header" = include/bki/bki.h ] || check "bki.h includes $name" grep -q "<$name>" include/bki/bki.h
done
exit $failed
