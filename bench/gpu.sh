#!/bin/bash
# Everything that wants a GPU, from a clean checkout, in less than nine minutes: builds (preset cuda, for this GPU's
# architecture only), measures the rates that kernels/README.md assumes, runs the tests with the label gpu,
# compute-sanitizer on a small corpus, and the benchmark. gpu-<device>.csv and .md are left in bench/results, the rates in
# gpu-<device>-rates.csv.
#
#   bench/gpu.sh [--part rates|test|sanitize|bench]... [--build DIR] [--samples N] [--python PYTHON]... [--out DIR]
#                [--limit SECONDS] [--backend cuda|cpu]
#
#   --part       this part only, after the build; repeatable
#   --build      what was built elsewhere, of this checkout, with the targets bki, bki_cuda, bench_gpu, bench_gpu_rates,
#                bench_gpu_kernels, bench_gpu_kernels_no_ping_pong and, for the tests, gpu_tests: nothing is installed,
#                configured or compiled
#   --samples    texts of each corpus; default 10,000 IMDB-like and 14,000 DBpedia-like ones
#   --python     an interpreter with PyTorch for the peers, repeatable; default python3; `none`: no peers
#   --out        where the results go
#   --limit      when all of it has to be over; default 530. A step that hangs does not take the time of the others
#   --backend    cpu: the benchmark without a GPU, to try this script; give few --samples. Results are called cpu-trial
#
# Needs nvcc, cuDNN 9 and a C compiler; what else is missing is installed where apt-get works, and no network is used where
# nothing is. cuDNN is looked for beside the toolkit, in CUDNN_PATH, and in the wheels of the --python. A part without what
# it needs is skipped and says so. Exit code: 0, or 1 when something failed.
set -u
shopt -s extglob
cd "$(dirname "$0")/.." || exit
command_line="bench/gpu.sh $*"
# In hundredths of --limit; the build has the rest. A part may use what those before it have left.
declare -A shares=([rates]=2 [test]=24 [sanitize]=16 [bench]=37)
readonly SHARE_INSTALL=8 SHARE_TEST=16 SHARE_SANITIZE=6 SHARE_MEASURE=12 # of one step
limit=530
prebuilt=
samples=
pythons=()
backend=cuda
out=bench/results
parts=()
skipped=0
failed=0

usage() {
  sed -n '2,/^set -u/p' "$0" | sed '/^set/d; s/^# \{0,1\}//' >&2
  exit 2
}
say() { echo "gpu.sh: $*" >&2; }
fail() {
  say "failed: $*"
  failed=$((failed + 1))
}
skip() {
  say "skipped: $*"
  skipped=$((skipped + 1))
}
# within SHARE COMMAND...: for as long as a step may take and the current part has left.
within() {
  local seconds=$((limit * $1 / 100)) left=$((deadline - SECONDS))
  shift
  [ $seconds -gt 0 ] || seconds=1
  [ $seconds -lt $left ] || seconds=$left
  if [ $seconds -le 0 ]; then
    say "out of time: not run: $*"
    return 124
  fi
  timeout -k 5 $seconds "$@" </dev/null
}
out_of_time() { [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; }

while [ $# -gt 0 ]; do
  case "$1 ${2-}" in
    "--part rates" | "--part test" | "--part sanitize" | "--part bench") parts+=("$2") ;;
    "--samples "[1-9]*) samples=$2 ;;
    "--limit "[1-9]*) limit=$2 ;;
    "--build "?*) prebuilt=$2 ;;
    "--python "?*) pythons+=("$2") ;;
    "--out "?*) out=$2 ;;
    "--backend cuda" | "--backend cpu") backend=$2 ;;
    *) usage ;;
  esac
  shift 2
done
case $samples$limit in *[!0-9]*) usage ;; esac
[ ${#parts[@]} -gt 0 ] || parts=(rates test sanitize bench)
[ ${#pythons[@]} -gt 0 ] || pythons=(python3)
preset=cuda
[ "$backend" = cuda ] || preset=release
build=${prebuilt:-build/$preset}
[ "${build#/}" != "$build" ] || build=$PWD/$build
logs=$build/gpu-logs
command -v nvcc >/dev/null || PATH=$PATH:/usr/local/cuda/bin
export CUDA_DEVICE_ORDER=PCI_BUS_ID # as nvidia-smi counts them
gpu=${CUDA_VISIBLE_DEVICES-0}
gpu=${gpu%%,*}
ask() { nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader,nounits 2>/dev/null; }
has_gpu() { [ -n "$(ask name)" ]; }
wants_tests() { [[ " ${parts[*]} " = *" test "* ]]; }

# cuDNN of a Python wheel, where the toolkit has none beside it: for CMake, and for who loads it.
find_cudnn() {
  local directory python
  for directory in "$(dirname "$(command -v nvcc || echo /)")/../include" /usr/include /usr/include/*-linux-gnu \
    /usr/local/include ${CUDNN_PATH:+"$CUDNN_PATH/include"}; do
    [ ! -e "$directory/cudnn.h" ] || return 0
  done
  for python in "${pythons[@]}"; do
    CUDNN_PATH=$("$python" -c 'from importlib.util import find_spec
print(find_spec("nvidia.cudnn").submodule_search_locations[0])' 2>/dev/null) && [ -e "$CUDNN_PATH/include/cudnn.h" ] &&
      export CUDNN_PATH && say "cuDNN is that of $python: $CUDNN_PATH" && return
  done
  unset CUDNN_PATH
}

configure() {
  local command=(cmake --preset "$preset" -DBKI_BENCH=ON) architecture
  command -v ninja >/dev/null && command+=(-G Ninja)
  architecture=$(ask compute_cap | tr -d '. ')
  [ -z "$architecture" ] || command+=("-DBKI_CUDA_ARCHITECTURES=$architecture")
  if ! wants_tests || ! within 100 "${command[@]}" -DBKI_TESTS=ON >"$logs/configure" 2>&1; then
    [ ! -s "$logs/configure" ] || say "no tests: $(grep -m 1 -A 2 'CMake Error' "$logs/configure" | tr -s '\n ' ' ')"
    within 100 "${command[@]}" -DBKI_TESTS=OFF >"$logs/configure" 2>&1 || { tail -n 20 "$logs/configure" >&2 && return 1; }
  fi
}

compile() {
  within 100 cmake --build "$build" -j "$(nproc)" --target "$@" >"$logs/build" 2>&1 || { tail -n 40 "$logs/build" >&2 && return 1; }
}

build() {
  local tool groups=(build) targets=(bki bench_gpu)
  rm -rf "$logs"
  mkdir -p "$logs"
  find_cudnn
  export LD_LIBRARY_PATH="$build/src${CUDNN_PATH:+:$CUDNN_PATH/lib}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  if [ -n "$prebuilt" ]; then
    [ -x "$build/bench/bench_gpu" ] || { say "no $build/bench/bench_gpu" && return 1; }
    return
  fi
  wants_tests && groups+=(test)
  within $SHARE_INSTALL docker/install-packages.sh "${groups[@]}" ||
    say "some packages could not be installed; going on with what is here"
  for tool in cmake cc $([ $preset = cuda ] && echo nvcc); do
    command -v "$tool" >/dev/null || { say "no $tool" && return 1; }
  done
  [ $preset != cuda ] || targets+=(bki_cuda bench_gpu_rates bench_gpu_kernels bench_gpu_kernels_no_ping_pong)
  configure && compile "${targets[@]}" || return 1
  if wants_tests && cmake --build "$build" --target help | grep -q gpu_tests; then
    compile gpu_tests || fail "build: the tests"
  fi
}

# The programs of the label gpu themselves, as a build from elsewhere is not where its CTest thinks. They skip what needs a
# device where none is, test by test. Every test is a process that loads the libraries and opens the device.
run_test() {
  local program name code missed=0
  if grep -qs '^BKI_TESTS:BOOL=OFF' "$build/CMakeCache.txt"; then
    skip "test: built without tests, see above"
    return
  fi
  for program in "$build"/tests/gpu/gpu_cuda_*; do
    [ -x "$program" ] || { skip "test: no programs of tests in $build" && return; }
    name=${program##*/}
    within $SHARE_TEST "$program" --tap -j4 --timeout $((limit / 15 + 1)) >"$logs/$name" 2>&1
    code=$?
    grep -E '^(not ok|ok .*# SKIP)' "$logs/$name" >&2
    missed=$((missed + $(grep -c '^ok .*# SKIP' "$logs/$name")))
    if out_of_time $code; then
      fail "test: $name: out of time"
    elif [ $code -ne 0 ]; then
      fail "test: $name: $(grep -c '^not ok' "$logs/$name") of its tests; the log is $logs/$name"
    fi
    say "test: $name: $(grep -c '^ok ' "$logs/$name") passed or skipped"
  done
  [ $missed -eq 0 ] || skip "test: $missed of them"
}

# A tool that ran tells a summary, whatever it found.
refused() {
  ! grep -q 'SUMMARY' "$1" || grep -Eq '^=+ (Internal Sanitizer Error|Error: .*([Nn]ot supported|[Ff]ailed to init))' "$1"
}

# sanitize TOOL COMMAND...
sanitize() {
  local log=$logs/$1-$((++n_sanitized)) tool=$1 code
  shift
  within $SHARE_SANITIZE compute-sanitizer --tool "$tool" --error-exitcode 99 "$@" >"$log" 2>&1
  code=$?
  if out_of_time $code; then
    skip "sanitize: $tool: out of time: ${*##*/}"
  elif refused "$log"; then
    skip "sanitize: $tool does not run here: $(grep -m 1 -i 'error' "$log" || head -n 1 "$log"): ${*##*/}"
  elif [ $code -ne 0 ]; then
    grep -v '^#' "$log" | head -n 40 >&2
    fail "$tool: ${*##*/}; the log is $log"
  else
    say "$tool: $(grep -m 1 'SUMMARY' "$log"): ${*##*/}"
  fi
}

# uses_shared FILE...: kernels that a race in shared memory can be in.
uses_shared() { grep -Eqs '__shared__|BKI_DYNAMIC_SHARED|bki_sum_block' "$@"; }

run_sanitize() {
  has_gpu || { skip "sanitize: nvidia-smi finds no GPU" && return; }
  command -v compute-sanitizer >/dev/null || { skip "sanitize: no compute-sanitizer" && return; }
  local tool engine precision work n_sanitized=0 scoring=(kernels/!(train*).cu)
  for engine in persistent incremental full; do # first what has the most to hide
    for tool in memcheck racecheck; do
      [ $tool = memcheck ] || uses_shared "${scoring[@]}" || continue
      for precision in fp32 fp16 split exact; do
        case $engine-$precision in incremental-@(split|exact) | full-@(split|exact)) continue ;; esac
        sanitize $tool "$build/bench/bench_gpu" lengths=dbpedia-whole texts=8 classes=14 vocabulary=500 seconds=0 \
          engine=$engine precision=$precision
      done
    done
  done
  work=$(mktemp -d)
  for tool in memcheck racecheck; do
    [ $tool = memcheck ] || uses_shared kernels/train*.cu || continue
    sanitize $tool "$build/src/cli/bki" train tests/data/tiny/corpus.jsonl -o "$work/$tool" --backend cuda --epochs 1 \
      --embeddings tests/data/tiny/model --quiet
  done
  rm -rf "$work"
}

# measured COMMAND...: its rows of CSV, with clock and memory of the device while it ran.
measured() {
  local seen before sampler code clock from
  seen=$(mktemp)
  before=$(ask memory.used)
  nvidia-smi -i "$gpu" --query-gpu=clocks.sm,memory.used,utilization.gpu --format=csv,noheader,nounits -lms 100 \
    >"$seen" 2>/dev/null &
  sampler=$!
  within $SHARE_MEASURE "$@" >"$rows"
  code=$?
  kill $sampler 2>/dev/null
  wait $sampler 2>/dev/null
  clock=$(awk -F', ' '$3 >= 50 { print $1 }' "$seen" | sort -n | awk '{ c[NR] = $1 } END { print c[int((NR + 1) / 2)] }')
  from="median under load"
  [ -n "$clock" ] || { clock=$(ask clocks.max.sm) && from="the device's maximum"; } || from=
  awk -F', ' -v before="${before:-0}" -v tail="$clock,$from" '
    FILENAME == ARGV[1] { if ($2 > most) most = $2; next }
    { print $0 "," tail "," (most ? most - before : "") }' "$seen" "$rows" >>"$csv"
  rm -f "$seen"
  return $code
}

write_facts() {
  fact() { [ -z "$2" ] || echo "# $1: $2"; }
  fact device "$device"
  fact multiprocessors "$("$build/src/cli/bki" devices --json 2>/dev/null |
    grep -m 1 -o '"multiprocessors": *[0-9]*' | grep -o '[0-9]*$')"
  fact driver "$(ask driver_version)"
  fact "device memory, MiB" "$(ask memory.total)"
  fact "power limit, W" "$(ask power.limit)"
  fact toolkit "$(nvcc --version 2>/dev/null | grep -o 'release.*')"
  fact cpu "$(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) cores"
  fact commit "$(git describe --always --dirty 2>/dev/null || echo unknown)"
  fact command "$command_line"
  fact date "$(date -u +%F)"
}

# bench_kernels LENGTHS TEXTS: the persistent kernels by themselves, those of fp32 in spread blocks and in big ones, that of
# wgmma with and without ping-pong. What the device does not run has no row.
bench_kernels() {
  local way command
  for way in "kernels kind=fp32" "kernels kind=fp32 blocks=other" "kernels kind=split" "kernels kind=half" \
    "kernels kind=half-wg" "kernels_no_ping_pong kind=half-wg"; do
    read -ra command <<<"$way"
    measured "$build/bench/bench_gpu_${command[0]}" "${command[@]:1}" lengths="$1" texts="$2"
    case $? in 0 | 77) ;; *) fail "bench: $1, $way" ;; esac
  done
}

# bench_corpus LENGTHS TEXTS CLASSES EVERY: the kernels, the engines in all their precisions, then the peers on every
# EVERY-th length (more of them where --samples makes the corpus smaller).
bench_corpus() {
  local engine precision python dump options every=$(($4 * ${samples:-$2} / $2))
  dump=$(mktemp)
  [ "$backend" = cpu ] || bench_kernels "$1" "${samples:-$2}"
  for engine in incremental full persistent; do
    [ $engine = persistent ] && [ "$backend" = cpu ] && continue
    for precision in $precisions; do
      case $engine-$precision in persistent-tf32 | incremental-@(split|exact) | full-@(split|exact)) continue ;; esac
      options=(lengths="$1" texts="${samples:-$2}" classes="$3" backend="$backend" engine="$engine" precision="$precision")
      [ "$engine-$precision" != incremental-fp32 ] || options+=(dump="$dump")
      measured "$build/bench/bench_gpu" "${options[@]}" || fail "bench: $1 $engine $precision"
    done
  done
  for python in "${pythons[@]}"; do
    if [ "$python" = none ] || ! [ -s "$dump" ]; then continue; fi
    measured "$python" bench/gpu_peer_torch.py "$dump" --lengths "$1" --device "$backend" --every $((every > 0 ? every : 1))
    case $? in
      0) ;;
      77 | 126 | 127) skip "bench: $1, the peers of $python" ;;
      124 | 137) skip "bench: $1, the peers of $python: out of time" ;;
      *) fail "bench: $1, the peers of $python" ;;
    esac
  done
  rm -f "$dump"
}

# What results are called: sets device and name.
name_device() {
  device=$(ask name)
  name=gpu-$(echo "${device#NVIDIA }" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]\n' -)
}

# Rates of a multiprocessor, before anything else is on the device.
run_rates() {
  local device name csv
  has_gpu || { skip "rates: nvidia-smi finds no GPU" && return; }
  name_device
  mkdir -p "$out"
  csv=$out/$name-rates.csv
  { write_facts && "$build/bench/bench_gpu_rates" header; } >"$csv"
  within 100 "$build/bench/bench_gpu_rates" >>"$csv" || fail "rates"
  say "rates: $(grep -vc '^#' "$csv") lines are in $csv"
}

run_bench() {
  local name device precisions="fp32 tf32 fp16 split exact" csv rows
  if [ "$backend" = cpu ]; then
    device="no GPU: a trial of the script on the CPU" name=cpu-trial precisions=fp32
  else
    has_gpu || { skip "bench: nvidia-smi finds no GPU" && return; }
    name_device
  fi
  mkdir -p "$out"
  csv=$out/$name.csv
  rows=$(mktemp)
  { write_facts && echo "$("$build/bench/bench_gpu" header),clock_mhz,clock_from,memory_mib"; } >"$csv"
  bench_corpus dbpedia-whole 14000 14 4
  bench_corpus imdb-whole 10000 2 16
  rm -f "$rows"
  if command -v python3 >/dev/null; then
    python3 bench/gpu_table.py "$csv" "${csv%.csv}-rates.csv" >"${csv%.csv}.md" || fail "bench: the table of $csv"
  else
    skip "bench: no python3 to make the table of $csv"
  fi
  say "bench: results are in $csv and ${csv%.csv}.md"
}

later=0 # shares of the parts that are still to come
for part in "${parts[@]}"; do
  later=$((later + shares[$part]))
done
deadline=$((limit - limit * later / 100))
if build; then
  say "build: $SECONDS s"
  for part in "${parts[@]}"; do
    begun=$SECONDS
    later=$((later - shares[$part]))
    deadline=$((limit - limit * later / 100))
    run_"$part"
    say "$part: $((SECONDS - begun)) s"
  done
else
  fail "build"
fi
say "$failed failed, $skipped skipped"
[ $failed -eq 0 ]
