#!/bin/sh
# Runs the test of the Keras snippet in docs/models.md with the first Python that has numpy.
set -u
cd "$(dirname "$0")"
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import numpy' 2>/dev/null; then
    exec "$python" -B keras_snippet_test.py
  fi
done
echo "ok 1 - keras_snippet # SKIP skipped: no Python with numpy here (Debian: python3-numpy)"
