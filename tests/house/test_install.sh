#!/bin/sh
# What is installed works for somebody else: pkg-config and CMake consumers, shared and static; only bki_ leaves the library.
here=$(cd "$(dirname "$0")" && pwd)
if [ "${BKI_INSTRUMENTED:-0}" = 1 ]; then
  echo "ok - install # SKIP an instrumented library needs instrumented consumers"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() { # description command...
  what=$1
  shift
  if "$@" >"$work/log" 2>&1; then echo "ok - $what"; else sed 's/^/  /' "$work/log"; echo "not ok - $what"; failed=1; fi
}
prefix=$work/prefix
check "make install puts everything under the prefix" cmake --install "$BKI_BUILD_DIR" --prefix "$prefix"
library=$(find "$prefix" -name 'libbki.so')
lib_dir=$(dirname "$library")

exported() { nm -D --defined-only "$library" | awk '{ print $3 }'; }
check "the shared library exports symbols" test "$(exported | wc -l)" -gt 50
check "every exported symbol begins with bki_" test -z "$(exported | grep -v '^bki_')"
declared() { sed -n '/BKI_API/,/;/p' "$prefix"/include/bki/*.h | grep -o 'bki_[a-z0-9_]*(' | tr -d '(' | sort -u; }
undefined=$(declared | while read -r f; do exported | grep -qx "$f" || echo "$f"; done)
echo "$undefined" | sed '/^$/d; s/^/  declared but not exported: /'
check "every function of the headers is exported" test -z "$undefined"

# The .pc file carries the configured prefix; --define-variable is what a relocated install uses.
pc() { PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" bki; }
# shellcheck disable=SC2046 # flags are words
check "pkg-config: a consumer links with the shared library" \
  cc -std=c11 "$here/consumer/main.c" $(pc --cflags --libs) -o "$work/shared"
check "pkg-config: it runs" env LD_LIBRARY_PATH="$lib_dir" "$work/shared"
# shellcheck disable=SC2046
check "pkg-config: a consumer links with the static library" \
  cc -std=c11 "$here/consumer/main.c" -I"$prefix/include" "$lib_dir/libbki.a" \
  $(pc --static --libs | sed 's/-lbki\b//') -o "$work/static"
check "pkg-config: it runs without the shared library" "$work/static"
check "CMake: find_package(bki) configures" \
  cmake -S "$here/consumer" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix"
check "CMake: bki::shared and bki::static link" cmake --build "$work/cmake"
check "CMake: both run" sh -c "'$work/cmake/with_shared' && '$work/cmake/with_static'"
exit $failed
