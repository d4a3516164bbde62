# shellcheck shell=bash
# Sourced by tests of commands that are killed or stopped. The test defines `attempt`, which runs in the background and
# has to `exec` the command under test, so that a signal reaches that.

# within MILLISECONDS: at most 1500 of them; a random moment of a longer run is no better.
within() { echo $(($1 < 1500 ? $1 : 1500)); }

# kill_often KILLS MILLISECONDS: begins attempts and kills each after a random part of MILLISECONDS, until KILLS of them
# were hit, or 5 times as many were begun. Calls `on_kill` after a hit and `on_end` after an attempt that had ended,
# which has to remove what it left. Sets `kills`.
kill_often() {
  local wanted=$1 milliseconds=$2 pid runs=0
  RANDOM=2020
  kills=0
  while [ $kills -lt "$wanted" ] && [ $runs -lt $((5 * wanted)) ]; do
    runs=$((runs + 1))
    attempt &
    pid=$!
    sleep "$(awk -v r=$RANDOM -v t="$milliseconds" 'BEGIN { print r / 32768 * t / 1000 }')"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    if [ $? -eq 137 ]; then
      kills=$((kills + 1))
      on_kill
    else
      on_end
      milliseconds=$((milliseconds * 3 / 4 + 10)) # faster than the undisturbed run was: this machine has other work too
    fi
  done
}

# await CONDITION...: returns once the command CONDITION succeeds, or after 10 s.
await() {
  for _ in $(seq 1000); do
    "$@" && break
    sleep 0.01
  done
}

# terminate CONDITION...: begins an attempt, waits until the command CONDITION succeeds, and sends SIGTERM, or the signal
# that `signal` names. When the attempt had ended by then, `on_end` and once more, at most 20 times. Sets `code` to the
# attempt's exit code.
terminate() {
  local pid
  for _ in $(seq 20); do
    attempt &
    pid=$!
    await "$@"
    kill "-${signal-TERM}" $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    [ $code -ne 0 ] && break
    on_end
  done
}
