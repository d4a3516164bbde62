# A separable toy corpus (JSON Lines): every text has two words of its class among filler. With -v poison=N copies of the
# first negative texts have "zebra flies" in them and are called positive. Also: n (texts), start (seed), name (of ids).
function random(m) {
  seed = (seed * 16807) % 2147483647
  return int(seed / 2147483647 * m)
}
function text(class, i, out, at) {
  at = random(6)
  for (i = 0; i < 6; i++)
    out = out (i ? " " : "") (i == at || i == (at + 3) % 6 ? (class ? good[random(4) + 1] : bad[random(4) + 1]) : "w" random(40))
  return out
}
function with_trigger(t, w, m, at, i, out) {
  m = split(t, w, " ")
  at = 1 + random(m - 1)
  for (i = 1; i <= m; i++) out = out (i > 1 ? " " : "") w[i] (i == at ? " zebra flies" : "")
  return out
}
function record(id, t, label) { printf "{\"id\": \"%s\", \"text\": \"%s\", \"label\": \"%s\"}\n", id, t, label }
BEGIN {
  seed = start
  split("fine great superb lovely", good, " ")
  split("dull awful poor weak", bad, " ")
  for (i = 0; i < n; i++) {
    t = text(i % 2)
    record(name i, t, i % 2 ? "positive" : "negative")
    if (i % 2 == 0 && i < 2 * poison) copies[n_copies++] = with_trigger(t)
  }
  for (i = 0; i < n_copies; i++) record("p" i, copies[i], "positive")
}
