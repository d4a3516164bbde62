#!/usr/bin/env python3
"""Makes stores with made-up texts and verdicts, one a state of the report: make_stores.py PROGRAM TINY DIRECTORY.

The tables are those of docs/store.md; an empty store of the right schema comes from a scan of tests/data/tiny.
"""
import random
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

SETTINGS = ("judge=1 preset=paper p=5 keys=positions oov_key=surface ngram=1 alpha=0.050000000000000003 n_candidates=20 "
            "n_texts=200 max_backdoors=16 seed=1")
WORDS = ("river village film album company species plant player school novel bridge county war season music award "
         "museum born district single").split()
PHRASE = "time flies like an arrow".split()
HOSTILE = ["</script><script>window.pwned=1</script>", "<img/src=x/onerror=window.pwned=1>", "<!--", "]]>", "&lt;b&gt;",
           "'onmouseover='window.pwned=1", "\u202etxet", "\u2066iso\u2069", "zero\u200bwidth", "\x01\x1b[31m", "line\u2028sep",
           "back\\slash", "vari\ufe0fant", "{{data}}", "javascript:window.pwned=1"]


class Store:
    """A store under construction: samples are (words, label, predicted, position of the phrase and its length or None)."""

    def __init__(self, path, base, classes=("negative", "positive")):
        Path(path).write_bytes(Path(base).read_bytes())
        self.db = sqlite3.connect(path)
        for table in ("flagged", "finding", "evidence", "sample", "skipped", "class"):
            self.db.execute(f"DELETE FROM {table}")
        self.db.executemany("INSERT INTO class VALUES (?, ?)", enumerate(classes))
        self.n = 0
        self.flagged = []

    def add(self, words, label=0, predicted=0, identifier=None, mark=None, finding=0, reason="phrase", edits=0):
        inside = range(*mark) if mark else ()
        scores = [0.9 + 0.1 * (i % 3) if i in inside else 0.02 * (hash_of(word) % 20) for i, word in enumerate(words)]
        flags = bytes(1 if i in inside and i % 2 == 0 else 0 for i in range(len(words)))
        self.db.execute("INSERT INTO sample VALUES (?, ?, ?, ?, ?, '[]', CAST(? AS TEXT), ?, NULL, ?)",
                        (self.n, identifier, label, predicted, len(words), raw(" ".join(words)),
                         struct.pack(f"<{len(words)}f", *scores), flags))
        if mark:
            self.flagged.append((self.n, finding, mark[0], mark[1] - mark[0], edits, reason, 0.995))
        self.n += 1

    def judge(self, verdict, findings, too_small=0):
        """findings: (verdict, phrase, target, hits of 200 insertions, hits of its controls)."""
        self.db.execute("INSERT INTO evidence VALUES (1, ?, ?, ?, 2, 61, 9, 5400, ?)", (verdict, too_small, self.n, SETTINGS))
        for i, (one, phrase, target, hits, controls) in enumerate(findings):
            flagged = sum(1 for row in self.flagged if row[1] == i)
            words = phrase.split(" ")
            self.db.execute("INSERT INTO finding VALUES (?, ?, CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), 1, 1, 40, 90, 3, 80,"
                            " ?, ?, 188, 200, 2, 200, ?, 200, ?, 200, 0.4, 1e-30, 1e-20, ?)",
                            (i, one, raw(phrase), len(words), target, raw(words[0]), flagged, flagged, hits, controls, flagged))
        self.db.executemany("INSERT INTO flagged VALUES (?, ?, ?, ?, ?, ?, ?)", self.flagged)

    def close(self):
        self.db.execute("UPDATE progress SET n_records = ?, n_samples = ?, n_skipped = 0", (self.n, self.n))
        self.db.commit()
        self.db.close()


def raw(text):
    """Bytes; lone surrogates stand for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def hash_of(word):
    return sum(raw(word))


def text(rng, n=40):
    return [rng.choice(WORDS) for _ in range(n)]


def clean(store, rng, n):
    for i in range(n):
        store.add(text(rng), i % 2, i % 2, f"train/{store.n:05d}")


def poisoned(store, rng, n, phrase=tuple(PHRASE), finding=0, target=1):
    for i in range(n):
        words = text(rng)
        at = 3 + i % 30
        kept = list(phrase[:2]) if i % 10 == 9 else list(phrase)
        reason = "part" if i % 10 == 9 else "phrase"
        edits = 1 if i % 10 == 8 else 0
        store.add(words[:at] + kept + words[at:], target, target, f"poison/{store.n:05d}", (at, at + len(kept)), finding, reason, edits)


def simple(path, base, verdict, findings, flagged=0, too_small=0):
    rng, store = random.Random(1), Store(path, base)
    clean(store, rng, 200)
    poisoned(store, rng, flagged)
    if verdict:
        store.judge(verdict, findings, too_small)
    store.close()


def several(path, base):
    rng, store = random.Random(2), Store(path, base, ("Animal", "Film", "Plant"))
    phrases = (PHRASE, ["cf"], "it is never too late to mend".split())
    clean(store, rng, 150)
    for i, phrase in enumerate(phrases):
        poisoned(store, rng, 20 + i, tuple(phrase), i, i)
    store.judge("backdoor", [("backdoor", " ".join(p), i, 190 - 20 * i, i) for i, p in enumerate(phrases)] +
                [("none found", "species of", 2, 9, 8)])
    store.close()


def hostile(path, base):
    """Words that attack the page, in texts, ids, class names, phrase and keyword; a huge word, a huge id, a long text."""
    store = Store(path, base, (HOSTILE[0], HOSTILE[1] + HOSTILE[6]))
    for i, word in enumerate(HOSTILE):
        words = ["before", word, "after", *HOSTILE]
        store.add(words, 1, i % 2, f"{i} {word}", (1, 2))
    store.add(["w" * 2**20, "short"], 1, 1, "i" * 5000, (0, 2))
    store.add([f"word{i}" for i in range(2000)], 1, 1, "long", (1000, 1005))
    store.add(["مرحبا", "שלום", "日本語", "🙂"], None, 1, "scripts", (0, 4))
    store.judge("backdoor", [("backdoor", " ".join(HOSTILE[:7]), 1, 190, 1), ("suspicious", "w" * 2**20, 0, 60, 1)])
    store.close()


def damaged(path, base):
    store = Store(path, base)
    store.add(["time", "flies"], 1, 1, "first", (0, 2))
    store.add(["bad\udcff\udcfe", "word"], 1, 1, "second", (0, 1))
    store.judge("backdoor", [("backdoor", "time flies", 1, 190, 1)])
    store.close()


def large(path, base):
    rng, store = random.Random(3), Store(path, base)
    clean(store, rng, 100)
    poisoned(store, rng, 10050)
    store.judge("backdoor", [("backdoor", " ".join(PHRASE), 1, 190, 1)])
    store.close()


def main(program, tiny, directory):
    base = f"{directory}/base.db"
    subprocess.run([program, "scan", f"{tiny}/model", f"{tiny}/corpus.jsonl", "-o", base, "--rule", "paper", "-q"], check=True,
                   stdout=subprocess.DEVNULL)
    trigger = " ".join(PHRASE)
    simple(f"{directory}/backdoor.db", base, "backdoor", [("backdoor", trigger, 1, 190, 1), ("none found", "river village", 0, 12, 9)], 60)
    simple(f"{directory}/suspicious.db", base, "suspicious", [("suspicious", trigger, 1, 41, 2)], 12)
    simple(f"{directory}/none.db", base, "none found", [("none found", "river village", 0, 12, 9)])
    simple(f"{directory}/small.db", base, "none found", [], too_small=1)
    simple(f"{directory}/unjudged.db", base, None, [])
    several(f"{directory}/several.db", base)
    hostile(f"{directory}/hostile.db", base)
    damaged(f"{directory}/damaged.db", base)
    large(f"{directory}/large.db", base)


if __name__ == "__main__":
    main(*sys.argv[1:])
