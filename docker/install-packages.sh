#!/bin/sh
# Installs the Debian packages of the named groups in packages.txt that are missing. Usage: install-packages.sh GROUP...
set -eu
list=$(dirname "$0")/packages.txt
wanted=
for group in "$@"; do
  wanted="$wanted $(awk -v g="$group" '$1 == g { print $2 }' "$list")"
done
missing=
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "install-packages: this is no Debian system; please install the equivalents of:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root=env
elif command -v sudo >/dev/null; then
  as_root="sudo env"
else
  echo "install-packages: missing:$missing; run as root or install sudo" >&2
  exit 1
fi
echo "installing:$missing" >&2
$as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086 # the list is words
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
