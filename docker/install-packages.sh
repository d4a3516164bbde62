#!/bin/sh
# Installs the packages of the named groups in packages.txt that are missing. Usage: install-packages.sh GROUP...
# a|b stands for a package whose name newer systems (Debian 13, Ubuntu 24.04) have changed: the first that apt has.
set -eu
list=$(dirname "$0")/packages.txt

packages_of() { awk -v g="$1" '$1 == g { print $2 }' "$list"; }
alternatives() { echo "$1" | tr '|' ' '; }
is_installed() {
  for name in $(alternatives "$1"); do
    if dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed; then return 0; fi
  done
  return 1
}
# The first name that apt can install; the first one of all where it can install none, for apt to complain of.
choose() {
  for name in $(alternatives "$1"); do
    if apt-cache madison "$name" 2>/dev/null | grep -q .; then echo "$name" && return; fi
  done
  echo "${1%%|*}"
}

missing=
for group in "$@"; do
  for package in $(packages_of "$group"); do
    is_installed "$package" || missing="$missing $package"
  done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "install-packages: this is no Debian system; please install the equivalents of:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root="env"
elif command -v sudo >/dev/null; then
  as_root="sudo env"
else
  echo "install-packages: missing:$missing; run as root or install sudo" >&2
  exit 1
fi
echo "installing:$missing" >&2
$as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq
names=$(for package in $missing; do choose "$package"; done)
# shellcheck disable=SC2086 # the list is words
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names >/dev/null
