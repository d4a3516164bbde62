#!/bin/bash
# The way to the CUDA module, end to end, on fakes: which one is taken, and what is said when there is none.
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
: "${BKI_PROGRAM:?the program to test}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CUDA_VISIBLE_DEVICES
export LC_ALL=C.UTF-8
model=$root/tests/data/tiny/model
failed=0
n=0

# library DIRECTORY FILE [ARGUMENT...]: a shared library of the sources and flags in the arguments.
library() {
  mkdir -p "$work/$1"
  "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -shared -fPIC -o "$work/$1/$2" "${@:3}" || exit 1
}
# fake DIRECTORY [FLAG...]: a driver and a module.
fake() {
  local layer includes=()
  for layer in base data model backend; do includes+=(-I"$root/src/$layer"); done
  library "$1" libcuda.so.1 -x c /dev/null
  library "$1" libbki-cuda.so.0 -I"$root/include" "${includes[@]}" "${@:2}" "$here/fake_module.c"
}
# computing DIRECTORY [FLAG...]: the same, of a module that computes.
computing() {
  fake "$@" "$root"/src/backend/{names,ref,ref_forward}.c "$root"/src/base/{array,fail,pool}.c -lpthread -lm
}
# run DIRECTORY COMMAND...: what bki says with the libraries of the directory.
run() {
  LD_LIBRARY_PATH=$work/$1 "$BKI_PROGRAM" "${@:2}" 2>&1 </dev/null
  echo "? $?"
}
# says NAME PATTERN DIRECTORY COMMAND...: whether PATTERN, a glob, is in it.
says() {
  local output
  n=$((n + 1))
  output=$(run "${@:3}")
  # shellcheck disable=SC2053 # the right side is a pattern
  if [[ $output == *$2* ]]; then echo "ok $n - $1"; else
    printf 'not ok %d - %s\n  expected: %s\n  found:    %s\n' "$n" "$1" "$2" "${output//$'\n'/$'\n'            }"
    failed=1
  fi
}

fake two
fake old -DFAKE_OLD=0
fake version '-DFAKE_VERSION="0.0.9"'
fake symbol -DFAKE_SYMBOL=another_name
fake none -DFAKE_DEVICES=0
fake refuses '-DFAKE_ERROR="cudaGetDeviceCount: no device"'
fake garbage
echo nonsense >"$work/garbage/libbki-cuda.so.0"
library driver libcuda.so.1 -x c /dev/null
mkdir "$work/nothing"
library elsewhere libneeded.so -x c /dev/null -Wl,-soname,libneeded.so
fake needs -Wl,--no-as-needed -L"$work/elsewhere" -lneeded
score=(score "$model" 'time flies')

says "devices lists two, and names the one of auto" $'GPU  name *  0  Fake GPU *9.0 *79.0\n  1 *6.0 * -\n*auto: cuda, GPU 0\n? 0' two devices
says "auto takes the first GPU that is new enough" 'auto: cuda, GPU 1' old devices
says "auto takes the GPU" 'the fake got fp32, share 0.8, GPUs 0*? 5' two "${score[@]}"
says "cuda takes the GPU" 'the fake got fp32, share 0.5, GPUs 0*? 5' two "${score[@]}" --backend cuda --gpu-memory 0.5
says "tf32 is the GPU's" 'the fake got tf32*? 5' two "${score[@]}" --precision tf32
says "engine persistent is the GPU's, and refuses models that it does not run" \
  'engine persistent is for models of one layer*? 2' two "${score[@]}" --engine persistent
says "bf16 is the CPU's" '? 0' two "${score[@]}" --precision bf16
says "an instruction set is the CPU's" '? 0' two "${score[@]}" --isa portable
says "training takes the GPU" 'the fake was to train on GPU 0*? 5' two train "$root/tests/data/tiny/corpus.jsonl" -o "$work/m"
says "training takes a GPU by number" 'expected compute capability 7.5 or newer, found 6.0*? 5' two train \
  "$root/tests/data/tiny/corpus.jsonl" -o "$work/m" --device 1
says "a GPU that is not there is refused" 'expected GPUs 0 to 1, which are here, found 5*? 5' two "${score[@]}" --devices 0,5
says "a GPU that is too old is refused" 'expected compute capability 7.5 or newer, found 6.0*? 5' two "${score[@]}" --devices 0,1
says "a GPU is named once" 'each once, found "0,0"*? 2' two "${score[@]}" --devices 0,0
says "a CPU by name has no devices" '--devices is for GPUs, found --backend cpu*? 2' two "${score[@]}" --devices 0 --backend cpu
says "a CPU by name has no GPU memory" '--gpu-memory is for GPUs, found --backend ref*? 2' two "${score[@]}" --gpu-memory 1 --backend ref
says "more than all memory is refused" 'expected a share above 0 to 1, found 1.5*? 2' two "${score[@]}" --gpu-memory 1.5
says "the log tells what auto is" 'backend auto is cpu: isa portable is for CPUs*? 0' two eval "$model" \
  "$root/tests/data/tiny/corpus.jsonl" --isa portable

# A GPU has to compute what the CPU does, and "auto" takes the fastest engine with which it does.
computing works '-DFAKE_WRONG="none"'
computing errs '-DFAKE_WRONG="persistent"'
computing limited '-DFAKE_WRONG="none"' '-DFAKE_REFUSES="persistent"'
computing broken '-DFAKE_WRONG="persistent incremental full"'
corpus=$root/tests/data/tiny/corpus.jsonl
scan=(scan "$model" "$corpus" --quiet -o)
wrong='GPU 0 (Fake GPU): it computes wrong numbers with engine'
says "auto is engine persistent on a GPU" 'backend cuda, engine persistent, fp32, fake*? 0' works eval "$model" "$corpus"
says "an engine by name is taken" '? 0' works "${scan[@]}" "$work/s.bki" --engine incremental
says "a scan of another engine is told how to go on" \
  'has "engine=incremental * where this one has "engine=persistent *: go on with --engine "incremental"*? 2' works \
  "${scan[@]}" "$work/s.bki"
says "it goes on with that" '? 0' works "${scan[@]}" "$work/s.bki" --engine incremental
says "prefix increments are engine incremental's" 'backend cuda, engine incremental*? 0' works scan "$model" "$corpus" \
  -o "$work/i.bki" --increments
says "tf32 too" 'backend cuda, engine incremental, tf32*? 0' works scan "$model" "$corpus" -o "$work/t.bki" --precision tf32
says "split is engine persistent's alone" $'bki: the fake has no engine persistent\n? 5' limited "${score[@]}" --precision split
says "an engine that errs is not taken, with the reason" \
  "engine auto is incremental: $wrong persistent in precision fp32: expected scores within * of the CPU's, found * --engine incremental or" \
  errs eval "$model" "$corpus"
says "and the next one is" 'backend cuda, engine incremental, fp32, fake*? 0' errs eval "$model" "$corpus"
says "an engine that cannot be created is not taken" 'engine auto is incremental: the fake has no engine persistent*? 0' \
  limited eval "$model" "$corpus"
says "an engine by name is not replaced when it errs" "$wrong persistent*use --engine incremental or --backend cpu*? 5" errs \
  "${score[@]}" --engine persistent
says "nor when it cannot be created" 'the fake has no engine persistent*? 5' limited "${score[@]}" --engine persistent
for backend in auto cuda; do
  says "$backend: a GPU that errs with every engine is an error" "$wrong persistent*$wrong full*use --backend cpu*? 5" broken \
    "${score[@]}" --backend "$backend"
done
says "exact is fp32 with an engine that does not screen" \
  'precision exact is fp32: on a GPU engine persistent alone screens*? 0' errs scan "$model" "$corpus" -o "$work/e.bki" --precision exact

refuses() { # refuses DIRECTORY REASON
  says "$1: auto is the CPU" "auto: cpu: $2*? 0" "$1" devices
  says "$1: auto scores" "? 0" "$1" "${score[@]}"
  says "$1: cuda fails" "bki: backend cuda: $2*? 5" "$1" "${score[@]}" --backend cuda
}
# The linker looks further than the fakes' directories: what is really here would be found.
ldconfig -p | grep -q 'libcuda\.so\.1 ' || refuses nothing 'no NVIDIA driver is installed (libcuda.so.1: '
[ -e "${BKI_BUILD_DIR-}/src/libbki-cuda.so.0" ] || refuses driver 'the CUDA module of bki is not installed (libbki-cuda.so.0: '
refuses needs 'a library that the CUDA module of bki needs is missing (libneeded.so: '
refuses garbage 'the CUDA module of bki cannot be loaded ('
refuses symbol 'libbki-cuda.so.0 is no CUDA module of bki ('
refuses version 'the CUDA module of bki is of another version: expected *, found 0.0.9'
refuses none 'no GPU can be used (CUDA lists none)'
refuses refuses 'no GPU can be used (cudaGetDeviceCount: no device)'
says "named GPUs are not left to the CPU" 'the GPUs that were named cannot be taken: *? 5' version "${score[@]}" --devices 0
says "tf32 is not left to the CPU" 'precision tf32 needs a GPU: *? 5' version "${score[@]}" --precision tf32
export CUDA_VISIBLE_DEVICES=
refuses two 'CUDA_VISIBLE_DEVICES is set and empty: it hides every GPU'
export CUDA_VISIBLE_DEVICES=7
refuses refuses 'CUDA_VISIBLE_DEVICES="7" leaves no GPU that can be used (cudaGetDeviceCount: no device)'

# A sanitizer opens libraries in the program's place, and does not know where the program looks.
if [ "${BKI_INSTRUMENTED:-0}" = 0 ] && [ -n "${BKI_BUILD_DIR-}" ]; then
  unset CUDA_VISIBLE_DEVICES
  cmake --install "$BKI_BUILD_DIR" --prefix "$work/prefix" >/dev/null || exit 1
  library=$(find "$work/prefix" -name libbki.so)
  cp "$work/two/libbki-cuda.so.0" "$(dirname "$library")"
  BKI_PROGRAM=$work/prefix/bin/bki
  says "an installed program finds the module beside the library" 'auto: cuda, GPU 0' driver devices
fi

echo "1..$n"
exit $failed
