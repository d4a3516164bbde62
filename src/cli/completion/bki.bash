# bash completion for bki. Commands, options and choices come from the program's own help.
_bki() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help choices
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(bki help | sed -n 's/^  \([a-z]*\) .*/\1/p') help --version" -- "$current")
    return
  fi
  help=$(bki help "${COMP_WORDS[1]}" 2>/dev/null)
  if [[ $previous == --* ]]; then
    choices=$(sed -n "s/^ .*$previous \([a-z0-9]*|[a-z0-9|]*\).*/\1/p" <<<"$help")
    if [ -n "$choices" ]; then
      mapfile -t COMPREPLY < <(compgen -W "${choices//|/ }" -- "$current")
      return
    fi
  fi
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -o -e '--[a-z-]*' <<<"$help" | sort -u)" -- "$current")
  elif [ "${COMP_WORDS[1]}" = model ] && [ "$COMP_CWORD" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W "info check" -- "$current")
  else
    compopt -o default 2>/dev/null
  fi
}
complete -F _bki bki
