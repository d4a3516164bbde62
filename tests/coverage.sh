#!/bin/sh
# Lines of src/ that the tests run; fails below the given percentage (default 90). Usage: tests/coverage.sh [PERCENT]
set -eu
cd "$(dirname "$0")/.."
cmake --preset coverage -G Ninja >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --preset coverage
gcovr --root . --filter src/ --object-directory build/coverage --print-summary --fail-under-line "${1:-90}" \
  --txt build/coverage/coverage.txt
sort -k4 -n build/coverage/coverage.txt | head -40
