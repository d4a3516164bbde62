#!/bin/sh
# Runs the test of tools/export_pytorch.py with the first Python that has PyTorch.
set -u
cd "$(dirname "$0")"
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    exec "$python" -B export_pytorch_test.py
  fi
done
echo "ok 1 - export_pytorch # SKIP skipped: no Python with PyTorch here (Debian: python3-torch)"
