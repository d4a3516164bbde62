#!/bin/bash
# bench_gpu_rates: its loops and its arithmetic on the SIMT machine, whose clock has 1000 cycles for any loop, and 10,000
# every fifth time; and, where nvcc is, that each kernel has the instruction that is counted, as often as it is counted.
# bench_gpu_kernels on the SIMT machine.
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
rates=$BKI_BUILD_DIR/tests/gpu/rates_on_cpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=SCRIPTDIR/../support/tap.sh
. "$root/tests/support/tap.sh"

if [ ! -x "$rates" ]; then
  echo "ok 1 - bench_gpu_rates # SKIP no headers of CUDA"
  echo "1..1"
  exit 0
fi

"$rates" list >"$work/list" && "$rates" cycles=1000 repeats=9 >"$work/rows" 2>"$work/stderr" && [ ! -s "$work/stderr" ] &&
  diff <(cut -d, -f1 "$work/list") <(cut -d, -f1 "$work/rows")
result $? "every loop runs to its end and has a row"

# 2 iterations of 256 instructions, 32 sums, 8 warps in 1000 cycles; the slow ones do not count.
grep -Eqx 'ffma,sums,128,131\.1,1\.024,[0-9.e+-]+,2000,[0-9.]+,9' "$work/rows"
result $? "a row has the median rate of a multiprocessor's cycle and its ratio to the assumed one"
awk -F, 'NR == FNR { n = NF; next } NF != n { exit 1 }' <("$rates" header) "$work/rows"
result $? "rows have the fields of the header"

refused=0
for argument in cycles=0 repeats=100 repeats=1x device=-1 cycles= unknown=1 bare; do
  "$rates" $argument >"$work/stdout" 2>"$work/stderr"
  [ $? -eq 2 ] && [ -s "$work/stderr" ] && [ ! -s "$work/stdout" ] || refused=1
done
result $refused "options that make no sense are refused with 2"
CUDA_VISIBLE_DEVICES='' "$rates" 2>"$work/stderr"
[ $? -eq 5 ] && grep -q '^bench_gpu_rates: ' "$work/stderr"
result $? "without a GPU it says so and ends with 5"

# The scores are right where test_persistent says so; here, that they are asked for as they should be.
kernels_on_cpu() { "$BKI_BUILD_DIR/tests/gpu/kernels_on_cpu" texts=2 lengths=9 vocabulary=20 seconds=0 "$@"; }
expected() { printf 'kernel,2,%s,fp32,128,%d,%d,1\n' "base kernel$1" 36 36 "scan kernel$1" 144 144; }
kernels_on_cpu kind=fp32 >"$work/kernels" && kernels_on_cpu kind=fp32 blocks=other >>"$work/kernels" &&
  cut -d, -f1,3,6-7,9,11-12,14 "$work/kernels" | diff - <(expected ' spread' && expected '') &&
  [ "$(cut -d, -f15 "$work/kernels" | sort -u | wc -l)" -eq 1 ]
result $? "bench_gpu_kernels runs both kernels, in the blocks of the engine and in others, and counts their row-steps"
kernels_on_cpu kind=split blocks=other >"$work/stdout" 2>"$work/stderr"
[ $? -eq 77 ] && grep -q 'kind split with other blocks' "$work/stderr" && [ ! -s "$work/stdout" ]
result $? "bench_gpu_kernels skips blocks that a kind does not have"
refused=0
for argument in kind=double blocks=some texts=0 texts=x vocabulary=0 unknown=1 bare; do
  "$BKI_BUILD_DIR/tests/gpu/kernels_on_cpu" $argument >"$work/stdout" 2>"$work/stderr"
  [ $? -eq 2 ] && [ -s "$work/stderr" ] && [ ! -s "$work/stdout" ] || refused=1
done
result $refused "bench_gpu_kernels refuses options that make no sense with 2"

# kernels ARCHITECTURE MAJOR
kernels() {
  local name symbol instruction count first last bad=0
  if ! "$nvcc" -std=c++17 -O3 -arch="sm_$1" -cubin -I "$root/kernels" -Werror all-warnings \
    -Xptxas -v,-warn-spills,-warn-lmem-usage "$root/bench/gpu_rates.cu" -o "$work/cubin" >"$work/log" 2>&1 ||
    grep 'C75[0-9][0-9]' "$work/log"; then # serialised wgmma
    cat "$work/log"
    return 1
  fi
  while IFS=, read -r name symbol instruction count first last; do
    [ "$2" -lt "$first" ] || [ "$2" -gt "$last" ] ||
      python3 "$here/opcodes.py" "$work/cubin" "$symbol" "$instruction=$count" LDL=0 STL=0 >"$work/opcodes" || {
      echo "# $name:" && cat "$work/opcodes"
      bad=1
    }
  done <"$work/list"
  return $bad
}

nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
for architecture in 75 80 90a 120; do
  name="what is counted is in the kernels of sm_$architecture, as often as it is counted"
  if [ ! -x "$nvcc" ] || [ "${BKI_INSTRUMENTED:-0}" = 1 ]; then
    n=$((n + 1))
    echo "ok $n - $name # SKIP $([ -x "$nvcc" ] && echo compiled in the other build || echo no nvcc)"
    continue
  fi
  kernels "$architecture" $((${architecture%a} / 10))
  result $? "$name"
done
echo "1..$n"
exit $failed
