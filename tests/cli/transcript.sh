# shellcheck shell=bash
# Sourced by test scripts: runs transcripts. In a transcript a line `$ command` is run by bash in a fresh directory that
# holds `model` and `corpus.jsonl` (tests/data/tiny); below it stand its stdout as it is, its stderr with `! ` before
# each line, and `? N` when it does not end with 0. Lines that begin with `#` say why; an empty line stands before them.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${BKI_PROGRAM:?the program to test}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$BKI_PROGRAM" "$work/bin/bki"
export PATH="$work/bin:$PATH" LC_ALL=C.UTF-8 TERM=dumb
export VERDICT=$here/verdict.sql # what `sqlite3 STORE <"$VERDICT"` makes of a scan of the corpus
export CUDA_VISIBLE_DEVICES= # the same with and without a GPU
unset NO_COLOR

# shellcheck source=SCRIPTDIR/../support/tap.sh
. "$here/../support/tap.sh"

# run_transcript FILE: what FILE has to look like, to stdout.
run_transcript() {
  local line code n_lines=0 directory="$work/run"
  rm -rf "$directory"
  mkdir "$directory"
  cp -r "$here/../data/tiny/." "$directory"
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '$ '*)
        printf '%s\n' "$line"
        (cd "$directory" && bash -c "${line#??}" 2>"$work/stderr" </dev/null)
        code=$?
        sed 's/^/! /' "$work/stderr"
        [ $code -eq 0 ] || echo "? $code"
        ;;
      '#'*)
        [ $n_lines -eq 0 ] || echo
        printf '%s\n' "$line"
        ;;
    esac
    n_lines=$((n_lines + 1))
  done <"$1"
}
