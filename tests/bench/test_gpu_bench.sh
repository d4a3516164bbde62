#!/bin/bash
# What bench/gpu.sh is made of, as far as it goes without a GPU.
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=SCRIPTDIR/../support/tap.sh
. "$root/tests/support/tap.sh"

refused=0
for arguments in "--part build" "--part rate" "--samples none" "--samples 1x" "--limit 0" "--build" "--backend ref" "--out" "bench"; do
  # shellcheck disable=SC2086 # words
  "$root/bench/gpu.sh" $arguments >"$work/stdout" 2>"$work/stderr"
  [ $? -eq 2 ] && grep -q -- '--part' "$work/stderr" && [ ! -s "$work/stdout" ] || refused=1
done
result $refused "gpu.sh refuses options that it does not know with 2 and its usage"

# A machine with a GPU and what was built, made up: a program of the tests that hangs, one that passes and skips, a
# sanitizer that refuses to run, or that hangs over one program.
fake=$work/build
mkdir -p "$fake/bench" "$fake/src/cli" "$fake/tests/gpu" "$work/bin"
program() { # program FILE LINE...
  printf '%s\n' '#!/bin/sh' "${@:2}" >"$1"
  chmod +x "$1"
}
program "$fake/bench/bench_gpu" ':'
rates=rate,unit,assumed,measured,ratio,by_time,clock_mhz,seconds,repeats
made_up_rate=tanh,results,16,8,0.500,7.9,1500,0.002,9
program "$fake/bench/bench_gpu_rates" "[ \"\$1\" = header ] && echo $rates || echo $made_up_rate"
for suffix in '' _no_ping_pong; do # a device without the kind half
  program "$fake/bench/bench_gpu_kernels$suffix" "echo kernels$suffix \$* | sed 's/ lengths=.*//' >>$work/kernels" \
    "[ \$1 != kind=half ] || exit 77"
done
program "$fake/src/cli/bki" ':'
program "$fake/tests/gpu/gpu_cuda_a" 'exec sleep 60'
program "$fake/tests/gpu/gpu_cuda_b" 'echo "ok - b::passes"; echo "ok - b::skips  # SKIP no such thing"'
program "$work/bin/nvidia-smi" 'echo Imaginary 1'
gpu() { PATH=$work/bin:$PATH CUDA_VISIBLE_DEVICES=0 timeout 60 "$root/bench/gpu.sh" --limit 40 "$@" 2>"$work/stderr"; }

begun=$SECONDS
gpu --build "$fake" --part test
[ $? -eq 1 ] && grep -qF 'failed: test: gpu_cuda_a: out of time' "$work/stderr" &&
  grep -qF 'gpu_cuda_b: 2 passed or skipped' "$work/stderr" && grep -qF '1 failed, 1 skipped' "$work/stderr" &&
  [ $((SECONDS - begun)) -lt 40 ]
result $? "gpu.sh goes on after a test that hangs"

program "$work/bin/compute-sanitizer" 'echo "========= COMPUTE-SANITIZER"' 'echo "========= Error: Device not supported"' 'exit 1'
gpu --build "$fake" --part sanitize &&
  grep -qF 'skipped: sanitize: memcheck does not run here: ========= Error: Device not supported' "$work/stderr" &&
  grep -q ' 0 failed, [1-9][0-9]* skipped' "$work/stderr"
result $? "gpu.sh skips visibly what a sanitizer refuses"

# shellcheck disable=SC2016 # of the program
program "$work/bin/compute-sanitizer" "echo \"\$@\" >>$work/sanitized" 'case "$*" in *precision=fp16*) exec sleep 60 ;; esac' \
  'echo "========= ERROR SUMMARY: 0 errors"'
gpu --build "$fake" --part sanitize && grep -q 'skipped: sanitize: memcheck: out of time' "$work/stderr" &&
  grep -q '^--tool racecheck .* train ' "$work/sanitized" && grep -q '^--tool memcheck .* engine=full' "$work/sanitized" &&
  grep -q '^--tool racecheck .* engine=persistent precision=exact' "$work/sanitized"
result $? "gpu.sh goes on after a sanitizer that hangs"
[ "$(grep -c '^--tool racecheck .*bench_gpu' "$work/sanitized")" -eq 0 ] ||
  grep -Elq '__shared__|BKI_DYNAMIC_SHARED' "$root"/kernels/[!t]*.cu
result $? "gpu.sh looks for races in shared memory where there is some"

program "$work/bin/compute-sanitizer" 'echo "========= Invalid __global__ read"' 'echo "========= ERROR SUMMARY: 1 error"' 'exit 99'
gpu --build "$fake" --part sanitize
[ $? -eq 1 ] && grep -q 'failed: memcheck' "$work/stderr"
result $? "gpu.sh fails with what a sanitizer finds"

program "$work/bin/compute-sanitizer" 'echo "========= ERROR SUMMARY: 0 errors"'
program "$fake/tests/gpu/gpu_cuda_a" 'echo "ok - a::passes"'
gpu --build "$fake" --python none --out "$work/out" &&
  [ "$(sed -n 's/^gpu.sh: \([a-z]*\): [0-9]* s$/\1/p' "$work/stderr" | xargs)" = "build rates test sanitize bench" ]
result $? "gpu.sh measures rates before all else, and the engines after their tests"
diff - <(grep -v '^#' "$work/out/gpu-imaginary-1-rates.csv") <<<"$rates"$'\n'"$made_up_rate" &&
  grep -qx '# device: Imaginary 1' "$work/out/gpu-imaginary-1-rates.csv"
result $? "gpu.sh leaves the rates with the machine that they are of"
of_a_corpus=$'kernels kind=fp32\nkernels kind=fp32 blocks=other\nkernels kind=split\nkernels kind=half\nkernels kind=half-wg\nkernels_no_ping_pong kind=half-wg'
diff "$work/kernels" - <<<"$of_a_corpus"$'\n'"$of_a_corpus"
result $? "gpu.sh measures every kernel of both corpora, in all its blocks, and that of wgmma without ping-pong too"

gpu --build "$work/bin" --part bench
[ $? -eq 1 ] && grep -qF "no $work/bin/bench/bench_gpu" "$work/stderr"
result $? "gpu.sh fails without what --build should have"

# Made-up numbers.
header=program,lengths,texts,mean_words,mean_squared_words,how,precision,batch,hidden,embedding,row_steps
header+=,corpus_row_steps,seconds,runs,digest,difference,rescored,widened,clock_mhz,clock_from,memory_mib
cat >"$work/made-up.csv" <<END
# device: NVIDIA H200
# command: made up
$header
kernel,some,2,3.0,9,scan kernel wgmma,fp16,,128,,1000000000,1000000000,0.5,1,0,,,,1000,median under load,
bki cuda,some,2,3.0,9,incremental,fp32,,128,100,1000000000,1000000000,2.0,1,0,,,,1000,median under load,100
bki cuda,some,2,3.0,9,persistent,exact,,128,100,1000000000,1000000000,0.5,1,0,,0.0321,0.25,1000,median under load,100
bki cuda,some,2,3.0,9,full,fp32,,128,100,2000000000,2000000000,8.0,1,0,,,,1000,median under load,100
torch 9,some,2,3.0,9,packed,fp32,512,128,100,200000000,2000000000,2.0,1,,1e-7,,,1000,median under load,100
torch 9,some,2,3.0,9,packed,fp32,2048,128,100,200000000,2000000000,1.6,1,,1e-7,,,1000,median under load,100
END
table() { python3 "$root/bench/gpu_table.py" "$work/made-up.csv" "$@" >"$work/made-up.md"; }
table
grep -qx '| bki cuda | incremental | fp32 |  | 2.000 | 500.00 | 264.0 | 98.0 % | 100 | 1 |  |  |' "$work/made-up.md"
result $? "the table has the cycles of a row-step and the share of the roofline"
grep -qx '| kernel | scan kernel wgmma | fp16 |  | 0.500 | 2000.00 | 66.0 | 26.5 % |  | 1 |  |  |' "$work/made-up.md" &&
  grep -qx '| bki cuda | persistent | exact |  | 0.500 | 2000.00 | 66.0 |  | 100 | 1 | 3.2 % | 25.0 % |' "$work/made-up.md"
result $? "the table has the kernels by themselves, and what precision exact scored twice"
grep -qF '| torch 9 | packed | fp32 | 2048 | 16.000* |' "$work/made-up.md" && ! grep -qF '| 512 |' "$work/made-up.md"
result $? "the table shows a peer's fastest batch, scaled to the corpus"
grep -qF ' is 2.00 times as fast as torch 9 packed' "$work/made-up.md" && ! grep -q '^- .*scan kernel' "$work/made-up.md"
result $? "the table compares engines with the fastest peer"
! grep -q '^| goal' "$work/made-up.md"
result $? "the table has goals for the corpora that they are of"

sed -i 's/,some,/,imdb-whole,/' "$work/made-up.csv"
table
diff <(sed -n '/^| goal/,$p' "$work/made-up.md") - <<'END'
| goal | limit | measured |  |
|---|---|---|---|
| `persistent`, fp32, must | at most 2400 ms |  | not measured |
| `persistent`, exact, must | at most 450 ms | 500.0 ms | missed |
| `persistent`, exact, target | at most 300 ms | 500.0 ms | missed |
| `persistent`, split, must | at most 800 ms |  | not measured |
| scan kernel wgmma | at most 60 SM cycles a row-step | 66.0 | missed |
| `persistent`, exact, against the fastest cuDNN in fp32 | at least 25 times as fast | 16.0 | missed |
END
result $? "goals are missed by slower rows, or were not measured: cuDNN is the faster of engine full and the peers"
sed -i 's/\(exact.*\|wgmma.*\),0\.5,1,/\1,0.3,1,/' "$work/made-up.csv"
table
[ "$(sed -n '/^| goal/,$p' "$work/made-up.md" | grep -c ' | holds |$')" -eq 4 ] && ! grep -q ' | missed |$' "$work/made-up.md"
result $? "goals hold where the limit is reached"

sed -i 's/H200/Imaginary 1/' "$work/made-up.csv"
table
grep -qx '| bki cuda | incremental | fp32 |  | 2.000 | 500.00 |  |  | 100 | 1 |  |  |' "$work/made-up.md" &&
  ! grep -q '^| goal' "$work/made-up.md"
result $? "an unknown device has no cycles, no roofline and no goals"
printf '%s\n' $rates $made_up_rate >"$work/rates.csv"
table "$work/rates.csv" && grep -qx '| tanh | results | 16 | 8 | 0.500 | 7.9 | 1500 |' "$work/made-up.md"
result $? "the table has the rates where they were measured"

mkdir "$work/numpy" "$work/torch"
echo 'raise ImportError("hidden")' | tee "$work/numpy/__init__.py" >"$work/torch/__init__.py"
PYTHONPATH=$work python3 "$root/bench/gpu_peer_torch.py" none --lengths some 2>"$work/stderr"
[ $? -eq 77 ] && grep -q '^gpu_peer_torch: skipped: .*hidden' "$work/stderr"
result $? "the peer without PyTorch says so and ends with 77"

bench=$BKI_BUILD_DIR/bench/bench_gpu
if [ -x "$bench" ]; then
  options=(backend=cpu lengths=20 texts=3 hidden=8 embedding=4 vocabulary=50 seconds=0)
  incremental=$("$bench" "${options[@]}") && full=$("$bench" "${options[@]}" engine=full threads=1)
  result $? "bench_gpu measures any backend"
  fields() { paste -d: <("$bench" header | tr , '\n') <(echo "$1" | tr , '\n'); }
  fields "$incremental" | grep -qx row_steps:1140 && fields "$full" | grep -qx row_steps:2280
  result $? "bench_gpu prints the fields of its header"
  exact=$("$bench" "${options[@]}" lengths=60 precision=exact 2>"$work/stderr") &&
    case $exact in # where the CPU has units for it
      *,exact,*) fields "$exact" | grep -Eqx 'rescored:[01]\.[0-9]{4}' && fields "$exact" | grep -Eqx 'widened:[01]\.[0-9]{4}' ;;
      *,fp32,*) grep -q '^bench_gpu: precision exact is fp32: .' "$work/stderr" && fields "$exact" | grep -qx rescored: ;;
      *) false ;;
    esac
  result $? "bench_gpu tells what precision exact scored twice, or why it screens nothing"
  refused=0
  for argument in texts=0 texts=x precision=fp64 engine=half classes=15 devices=0,x unknown=1 bare; do
    "$bench" "$argument" >"$work/stdout" 2>"$work/stderr"
    [ $? -eq 2 ] && [ -s "$work/stderr" ] && [ ! -s "$work/stdout" ] || refused=1
  done
  result $refused "bench_gpu refuses options that make no sense with 2"
else
  for name in measures prints tells refuses; do
    n=$((n + 1))
    echo "ok $n - bench_gpu $name # SKIP built without benchmarks"
  done
fi
echo "1..$n"
exit $failed
