#!/bin/bash
# Every kernel compiles for every architecture without a warning, within its budget of registers and shared memory, and
# without spills, local memory or serialised wgmma (ptxas says that in an information line only: C7510 to C7519). What
# the persistent kernels are made of shows in their instructions.
#
#     test_kernels.sh [FILE.cu...]      of kernels/; all of them when none is named
set -u
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../kernels
architectures="75 80 86 89 90a 100 120"
max_shared_bytes=$((48 << 10)) # static; dynamic shared memory is what launchers ask for

# Registers of a thread. The persistent kernels keep states in them: a multiprocessor has one block, or few.
max_registers() {
  case $1 in
    persistent_*) echo 255 ;;
    *) echo 64 ;;
  esac
}

nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if [ ! -x "$nvcc" ]; then
  echo "ok 1 - kernels # SKIP no nvcc"
  echo "1..1"
  exit 0
fi
# Where tests are instrumented too, once is enough.
if [ "${BKI_INSTRUMENTED:-0}" = 1 ]; then
  echo "ok 1 - kernels # SKIP compiled in the other build"
  echo "1..1"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
codes=()
for a in $architectures; do
  codes+=(-gencode "arch=compute_$a,code=sm_$a")
done
# shellcheck source=SCRIPTDIR/../support/tap.sh
. "$here/../support/tap.sh"

# opcodes ARCHITECTURE KERNEL CONDITION...: of the file that was compiled last
opcodes() {
  local cubin=$work/keep/${name%.cu}.compute_$1.cubin
  shift
  python3 "$here/opcodes.py" "$cubin" "$@"
}

# Instructions that a step of 16 rows (HALF, SPLIT) or of a warp (HALF_WG) takes at H = 128: products, special functions.
# A shuffle would be ptxas gathering the lanes that take work, and waiting for what they get.
tensor_code() {
  local a bad=0
  case $name in
    persistent_wgmma.cu)
      opcodes 90a persistent_wgmmaILb0E HGMMA=32 'MUFU>=320' 'MUFU<=322' SHFL=0 || bad=1
      opcodes 90a persistent_wgmmaILb1E HGMMA=32 'MUFU>=320' 'MUFU<=322' || bad=1
      ;;
    persistent_mma.cu)
      for a in 80 86 89 90a 100 120; do
        opcodes "$a" shapeILi128ELb0E HMMA=64 'MUFU>=40' 'MUFU<=42' SHFL=0 || bad=1
        opcodes "$a" shapeILi128ELb1E HMMA=192 'MUFU>=56' 'MUFU<=58' SHFL=0 || bad=1
      done
      ;;
    persistent_fp32.cu)
      for a in $architectures; do # 4 k of 4 chunks, or of the one that a thread of a spread block has, 64 each
        opcodes "$a" shapeILi128ELi16ELb0E 'FFMA>=1024' 'FFMA<=1280' HMMA=0 || bad=1
        opcodes "$a" shapeILi128ELi4ELb1E 'FFMA>=256' 'FFMA<=384' HMMA=0 || bad=1
      done
      ;;
  esac
  for a in $architectures; do
    [ "$kernels_written" -eq 0 ] || opcodes "$a" "" LDL=0 STL=0 >"$work/opcodes" || { cat "$work/opcodes"; bad=1; }
  done
  return $bad
}

n_architectures=$(echo "$architectures" | wc -w)
[ $# -gt 0 ] || set -- "$kernels"/*.cu
for name in "$@"; do
  name=$(basename "$name")
  file=$kernels/$name
  rm -rf "$work/keep" && mkdir "$work/keep"
  "$nvcc" -std=c++17 -O3 --threads 2 "${codes[@]}" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror \
    -Xptxas -v,-warn-spills,-warn-lmem-usage --keep --keep-dir "$work/keep" -c "$file" \
    -o "$work/object" >"$work/log" 2>&1
  result $? "$name compiles for $architectures"
  entries=$(grep -c 'Compiling entry function' "$work/log")
  kernels_written=$(grep -c '^__global__' "$file")
  [ "$((entries > 0))" -eq "$((kernels_written > 0))" ] && [ $((entries % n_architectures)) -eq 0 ]
  result $? "$name has the same kernels everywhere ($entries of all)"
  # Used R registers, used B barriers[, S bytes smem]...; bytes stack frame, spill stores, spill loads
  registers=$(max_registers "$name")
  awk -v registers="$registers" -v shared=$max_shared_bytes '
    /Compiling entry function/ { split($0, part, "\047"); kernel = part[2] }
    /bytes stack frame/ { if ($1 + $5 + $9 > 0) { print "# " kernel ": " $0; bad = 1 } }
    /Used [0-9]+ registers/ {
      match($0, /Used [0-9]+/); r = substr($0, RSTART + 5, RLENGTH - 5)
      s = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
      if (r + 0 > registers || s > shared) { print "# " kernel ": " $0; bad = 1 }
    }
    /C75[0-9][0-9]/ { print "# " $0; bad = 1 }
    END { exit bad }' "$work/log"
  result $? "$name: at most $registers registers, $max_shared_bytes bytes of shared memory, no spill"
  tensor_code
  result $? "$name: the instructions that it should be made of, no local memory"
done

# Of the kernels of a step every thread would pay for it.
"$nvcc" -std=c++17 -O3 -arch=compute_80 -ptx "$kernels/incremental.cu" -o "$work/ptx" && [ -s "$work/ptx" ] &&
  ! grep -Eq '(div|rem)\.[su]64' "$work/ptx"
result $? "incremental.cu divides no 64-bit numbers"
echo "1..$n"
exit $failed
