#!/bin/sh
# Builds and runs every test: optimised, then under ASan + UBSan. Ends with `N passed, N failed`; fails when a test does.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
logs=build/logs
rm -rf "$logs"
mkdir -p "$logs"
failed=0

for preset in release dev; do
  echo "== $preset"
  # One architecture: tests/gpu/test_kernels.sh compiles the kernels for all of them.
  cmake --preset "$preset" -G Ninja -DBKI_TESTS=ON -DBKI_BENCH=ON -DBKI_WERROR=ON -DBKI_CUDA_ARCHITECTURES=90 >"$logs/$preset-configure" 2>&1 &&
    cmake --build --preset "$preset" -j "$jobs" >"$logs/$preset-build" 2>&1 || {
    cat "$logs/$preset-configure" "$logs/$preset-build" 2>/dev/null
    echo "not ok - the $preset build" | tee -a "$logs/tap"
    failed=1
    continue
  }
  # A leak is printed but does not fail a Criterion test: every report goes to a file of its own, looked for below.
  ASAN_OPTIONS="log_path=$PWD/$logs/sanitizer:detect_leaks=1:allocator_may_return_null=1" \
    UBSAN_OPTIONS="log_path=$PWD/$logs/sanitizer:print_stacktrace=1" \
    ctest --preset "$preset" -j "$jobs" >"$logs/$preset-ctest" 2>&1 || failed=1
  tests/summary.sh build/$preset/Testing/Temporary/LastTest.log | tee -a "$logs/tap"
done

for report in "$logs"/sanitizer*; do
  [ -e "$report" ] || continue
  cat "$report"
  echo "not ok - a sanitizer complained" | tee -a "$logs/tap"
  failed=1
done

passed=$(awk '/^passed / { n += $2 } END { print n + 0 }' "$logs/tap")
broken=$(awk '/^failed / { n += $2 } /^not ok - / { n++ } END { print n + 0 }' "$logs/tap")
[ "$broken" -gt 0 ] && failed=1
echo "$passed passed, $broken failed"
exit $failed
