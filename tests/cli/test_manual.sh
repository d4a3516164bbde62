#!/bin/bash
# The manual page is clean, describes every command, and its examples do what it says; completion follows the help.
# `test_manual.sh --update` writes the examples' output into it.
# shellcheck source-path=SCRIPTDIR source=transcript.sh
. "$(dirname "$0")/transcript.sh"
page=$here/../../src/cli/bki.1

# The lines of the examples, without the macros around them.
sed -n '/^\.\\" transcript$/,/^\.\\" end$/p' "$page" | grep -v '^\.' >"$work/examples"
run_transcript "$work/examples" >"$work/actual"
if [ "${1-}" = --update ]; then
  # The examples in order: each command line takes its new output with it.
  awk -v actual="$work/actual" '
    /^\.\\" transcript$/ { inside = 1 }
    /^\.\\" end$/ { inside = 0 }
    inside && /^[^.]/ && !/^\$ / { next }
    inside && /^$/ { next }
    { print }
    inside && /^\$ / {
      command = $0
      if (!started) { getline line <actual; started = 1 }
      while ((getline line <actual) > 0 && line !~ /^\$ /) print line
    }' "$page" >"$work/page"
  cat "$work/page" >"$page"
  exit
fi
diff -u "$work/examples" "$work/actual" >"$work/diff"
result $? "the examples print what the manual says"
sed 's/^/  /' "$work/diff"

if command -v man >/dev/null; then
  man --warnings --local-file "$page" 2>"$work/warnings" | col -b >"$work/formatted"
  [ ! -s "$work/warnings" ] && [ "$(wc -l <"$work/formatted")" -gt 100 ]
  result $? "it formats without warnings"
  sed 's/^/  /' "$work/warnings"
else
  n=$((n + 1))
  echo "ok $n - it formats without warnings # SKIP there is no man"
fi

for command in $(bki help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
  grep -q "^\.It Cm $command$" "$page"
  result $? "it describes $command"
done

# Completion offers the options of the help.
. "$here/../../src/cli/completion/bki.bash"
complete_words() { # complete_words WORD...: what is offered for the last word
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _bki
  printf '%s ' "${COMPREPLY[@]}"
}
[ "$(complete_words bki k)" = "keywords " ]
result $? "completion knows the commands"
[ "$(complete_words bki scan --te)" = "--text-field " ]
result $? "completion knows the options"
[ "$(complete_words bki scan --preset j)" = "journal " ]
result $? "completion knows the choices"
[ "$(complete_words bki model c)" = "check " ]
result $? "completion knows the verbs of model"

echo "1..$n"
exit $failed
