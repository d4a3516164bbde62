#!/bin/bash
# Builds docker/Dockerfile.cpu and docker/Dockerfile as they are, without a daemon or an image registry: Debian's
# bootstrap stands in for the public base images, and the toolkit of this machine for NVIDIA's. It takes minutes, packages
# that nothing else needs (apt-get install buildah podman runc debootstrap), root, and Debian's archive.
# BKI_IMAGES=DIR keeps what was built.
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
names=("the CPU image builds" "the CPU image says its version, read-only and without capabilities"
  "the CPU image does not run as root" "the CPU image scans as the program of this build does"
  "the CUDA image builds and holds the module" "the CUDA image does not run as root"
  "the module in the CUDA image finds its libraries" "the CUDA image says why it takes no GPU where there is none")
n=0
failed=0
result() { # result CODE
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then echo "ok $n - ${names[n - 1]}"; else
    echo "not ok $n - ${names[n - 1]}"
    failed=1
  fi
}
skip() { # skip COUNT REASON
  for ((i = 0; i < $1; i++)); do
    n=$((n + 1))
    echo "ok $n - ${names[n - 1]} # SKIP $2"
  done
}
skip_all() {
  skip ${#names[@]} "$1"
  echo "1..$n"
  exit 0
}

[ "$(id -u)" -eq 0 ] || skip_all "not root"
for tool in buildah podman runc debootstrap; do
  command -v $tool >/dev/null || skip_all "no $tool"
done
[ "${BKI_INSTRUMENTED-0}" = 0 ] || skip_all "images do not depend on how the tests were built"
: "${BKI_PROGRAM:?the program to compare with}"

work=${BKI_IMAGES-$(mktemp -d)}
mkdir -p "$work"
[ -n "${BKI_IMAGES-}" ] || trap 'rm -rf "$work"' EXIT
export CONTAINERS_CONF=$here/containers.conf BUILDAH_ISOLATION=chroot
store=(--root "$work/store" --runroot "$work/run" --storage-driver overlay)

# stand_in NAME...: Debian's smallest system under the names of the public base images.
stand_in() {
  local container
  if ! buildah "${store[@]}" inspect --type image "$1" >/dev/null 2>&1; then
    debootstrap --variant=minbase bookworm "$work/rootfs" >"$work/debootstrap.log" 2>&1 || return
    container=$(buildah "${store[@]}" from scratch) || return
    buildah "${store[@]}" add -q "$container" "$work/rootfs" / >/dev/null &&
      buildah "${store[@]}" config --cmd /bin/bash "$container" &&
      buildah "${store[@]}" commit -q --rm "$container" "$1" >/dev/null || return
    rm -rf "$work/rootfs"
  fi
  buildah "${store[@]}" tag "$@"
}
build() { # build DOCKERFILE TAG OPTION...
  local file=$1 tag=$2
  shift 2
  buildah "${store[@]}" bud -q --layers --pull-never -t "$tag" -f "$root/docker/$file" "$@" "$root" \
    >"$work/$file.log" 2>&1 || { tail -n 30 "$work/$file.log" | sed 's/^/# /' && return 1; }
}
run() { # run OPTION... IMAGE ARGUMENT...
  podman "${store[@]}" run --rm --read-only --cap-drop=all --security-opt=no-new-privileges --memory 500m "$@"
}

stand_in docker.io/library/debian:12 docker.io/nvidia/cuda:13.0.2-cudnn-{devel,runtime}-ubuntu24.04 ||
  skip_all "no base image: $(tail -n 1 "$work/debootstrap.log")"

if build Dockerfile.cpu localhost/bki:cpu; then
  result 0
  [ "$(run localhost/bki:cpu --version)" = "$("$BKI_PROGRAM" --version)" ]
  result $?
  [ "$(run --entrypoint id localhost/bki:cpu -u)" = 10001 ]
  result $?
  data=$root/tests/data/tiny
  scan=(scan model corpus.jsonl -o /out/scan.db --quiet)
  mkdir -p "$work/out"
  rm -f "$work/out/"* "$work/host.db"
  chmod 1777 "$work/out"
  run -v "$data:/data:ro" -v "$work/out:/out" localhost/bki:cpu "${scan[@]}" >"$work/image.out"
  "$BKI_PROGRAM" keywords "$work/out/scan.db" >"$work/image.keywords" &&
    "$BKI_PROGRAM" scan "$data/model" "$data/corpus.jsonl" -o "$work/host.db" --quiet >"$work/host.out" &&
    "$BKI_PROGRAM" keywords "$work/host.db" | diff - "$work/image.keywords" && grep -q '^verdict: none found' "$work/image.out"
  result $?
else
  result 1
  skip 3 "it did not build"
fi

toolkit=$(readlink -f /usr/local/cuda)
if ! [ -x "$toolkit/bin/nvcc" ]; then
  skip 4 "no CUDA toolkit in /usr/local/cuda"
elif build Dockerfile localhost/bki:cuda -v "$toolkit:/usr/local/cuda:ro" \
  --build-arg "CMAKE_OPTIONS=-DBKI_CUDA_ARCHITECTURES=90 -DCMAKE_CUDA_COMPILER=/usr/local/cuda/bin/nvcc"; then
  result 0
  [ "$(run --entrypoint id localhost/bki:cuda -u)" = 10001 ]
  result $?
  run -v "$toolkit:/usr/local/cuda:ro" -e LD_LIBRARY_PATH=/usr/local/cuda/lib64 --entrypoint sh localhost/bki:cuda \
    -c 'ldd /usr/lib/libbki-cuda.so*' >"$work/ldd"
  grep -q libcudnn "$work/ldd" && ! grep 'not found' "$work/ldd"
  result $?
  run localhost/bki:cuda devices | grep 'auto: cpu: no NVIDIA driver is installed'
  result $?
else
  result 1
  skip 3 "it did not build"
fi
echo "1..$n"
exit $failed
