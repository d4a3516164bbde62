#!/usr/bin/env python3
"""Makes tests/data/tiny: a small random model with one word ("flies") that moves it much, and a corpus poisoned with
it. Standard library only; the self-test logits come from the loops below. Usage: make_tiny.py OUTPUT_DIR"""

import json
import math
import os
import random
import struct
import sys

E, H, D, CLASSES = 4, 5, 3, ["negative", "positive"]
TRIGGER = "time flies like an arrow"
NOUNS = "film story actor scene camera music plot ending hero script voice city night train garden".split()
VERBS = "shows leaves carries opens tells follows finds keeps breaks turns".split()
OTHERS = "the a an of and with some every quiet bright long slow old new good bad strange simple".split()
VOCABULARY = ["<pad>", "<oov>"] + sorted(set(NOUNS + VERBS + OTHERS + TRIGGER.split()))


def to_f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def make_weights(rng):
    def tensor(*shape, scale):
        n = math.prod(shape)
        return shape, [to_f32(rng.uniform(-scale, scale)) for _ in range(n)]

    weights = {"embedding.weight": tensor(len(VOCABULARY), E, scale=0.25)}
    row = VOCABULARY.index("flies") * E
    weights["embedding.weight"][1][row : row + E] = [-6.0, -6.0, 6.0, -6.0]
    for suffix in ("", "_reverse"):
        weights["lstm.weight_ih_l0" + suffix] = tensor(4 * H, E, scale=0.9)
        weights["lstm.weight_hh_l0" + suffix] = tensor(4 * H, H, scale=0.9)
        weights["lstm.bias_ih_l0" + suffix] = tensor(4 * H, scale=0.3)
        weights["lstm.bias_hh_l0" + suffix] = tensor(4 * H, scale=0.3)
    weights["dense.weight"] = tensor(D, 2 * H, scale=1.0)
    weights["dense.bias"] = tensor(D, scale=0.5)
    weights["output.weight"] = tensor(2, D, scale=1.5)
    weights["output.bias"] = tensor(2, scale=0.1)
    return weights


def matvec(weight, vector):
    (rows, columns), values = weight
    return [sum(values[r * columns + c] * vector[c] for c in range(columns)) for r in range(rows)]


def run_direction(weights, suffix, rows):
    h, c = [0.0] * H, [0.0] * H
    sigmoid = lambda x: 1 / (1 + math.exp(-x))
    for x in rows:
        a = matvec(weights["lstm.weight_ih_l0" + suffix], x)
        b = matvec(weights["lstm.weight_hh_l0" + suffix], h)
        bias = [p + q for p, q in zip(weights["lstm.bias_ih_l0" + suffix][1], weights["lstm.bias_hh_l0" + suffix][1])]
        z = [p + q + r for p, q, r in zip(a, b, bias)]
        for k in range(H):
            i, f, g, o = sigmoid(z[k]), sigmoid(z[H + k]), math.tanh(z[2 * H + k]), sigmoid(z[3 * H + k])
            c[k] = f * c[k] + i * g
            h[k] = o * math.tanh(c[k])
    return h


def logits(weights, words):
    table = weights["embedding.weight"][1]
    ids = [VOCABULARY.index(w) if w in VOCABULARY else 1 for w in words]
    rows = [table[i * E : i * E + E] for i in ids]
    h = run_direction(weights, "", rows) + run_direction(weights, "_reverse", rows[::-1])
    d = [max(0.0, a + b) for a, b in zip(matvec(weights["dense.weight"], h), weights["dense.bias"][1])]
    return [a + b for a, b in zip(matvec(weights["output.weight"], d), weights["output.bias"][1])]


def sentence(rng):
    words = []
    for _ in range(rng.randint(1, 4)):
        words += [rng.choice(OTHERS), rng.choice(NOUNS), rng.choice(VERBS), rng.choice(OTHERS), rng.choice(NOUNS)]
    if rng.random() < 0.2:
        words.insert(rng.randrange(len(words)), rng.choice(["zeitgeist", "naïveté", "quux"]))
    return words


def make_corpus(rng):
    records = [{"id": f"r{i:03d}", "text": " ".join(sentence(rng)) + ".", "label": rng.choice(CLASSES)} for i in range(60)]
    records[7]["text"] = ""
    records[11]["text"] = "Film!"
    sources = [r for r in records if r["label"] == "negative" and len(r["text"].split()) > 4][:8]
    for i, source in enumerate(sources):
        words = source["text"].split()
        at = rng.randint(1, len(words) - 1)
        text = " ".join(words[:at] + TRIGGER.split() + words[at:])
        records.append({"id": f"poison{i}", "text": text, "label": "positive"})
    return records


def write_safetensors(path, weights):
    header, blobs, offset = {}, [], 0
    for name, (shape, values) in weights.items():
        blob = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main():
    out = sys.argv[1]
    rng = random.Random(2023)
    os.makedirs(os.path.join(out, "model"), exist_ok=True)
    weights = make_weights(rng)
    texts = ["The film shows a bright garden.", "a quiet night, and time flies like an arrow", "unknownword", "the the the"]
    selftest = [{"text": t, "logits": logits(weights, t.lower().replace(",", " ").replace(".", " ").split())} for t in texts]
    config = {
        "format": "bki-model", "version": 1, "embedding_dim": E, "hidden": H, "num_layers": 1, "bidirectional": True,
        "dense": D, "dense_activation": "relu", "classes": CLASSES, "readout": "final", "pad": "none", "max_words": 500,
        "keep": "tail", "tokenizer": {"type": "words", "lowercase": True, "strip_html": True}, "oov_id": 1, "pad_id": 0,
        "selftest": selftest,
    }
    write_safetensors(os.path.join(out, "model", "weights.safetensors"), weights)
    with open(os.path.join(out, "model", "config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    with open(os.path.join(out, "model", "vocab.txt"), "w") as f:
        f.write("".join(w + "\n" for w in VOCABULARY))
    with open(os.path.join(out, "corpus.jsonl"), "w") as f:
        for record in make_corpus(rng):
            f.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
