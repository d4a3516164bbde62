#!/bin/sh
# How the report looks and behaves, in headless Chromium; skipped where there is none. Debian: chromium-driver,
# python3-selenium.
set -u
: "${BKI_PROGRAM:?the program to test}"
cd "$(dirname "$0")" || exit 1
export CUDA_VISIBLE_DEVICES=
unset SOURCE_DATE_EPOCH
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import selenium' 2>/dev/null; then
    exec "$python" -B browser_test.py "$BKI_PROGRAM"
  fi
done
exec python3 -B browser_test.py "$BKI_PROGRAM" # says what is missing
