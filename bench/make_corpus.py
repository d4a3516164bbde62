#!/usr/bin/env python3
"""Random corpora and models for measuring speed and memory where no real ones may be shipped.

    bench/make_corpus.py corpus MODEL OUT.jsonl --lengths imdb|dbpedia|N (--samples N | --bytes 1G) [--seed 1]
    bench/make_corpus.py model OUT_DIR [--words 20000] [--embedding 100] [--hidden 128] [--max-words 500] [--seed 1]

Texts are words drawn from the model's vocabulary, frequent ones more often (Zipf). Their lengths are log-normal with
the mean and the spread of IMDB reviews (mean 231 words) or DBpedia abstracts (mean 46), or N words each.
"""
import argparse
import array
import json
import random
import struct
from pathlib import Path

# (mu, sigma, shortest, longest) of ln(words), fitted to the training texts
LENGTHS = {"imdb": (5.24, 0.63, 10, 2500), "dbpedia": (3.69, 0.53, 3, 216)}
SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(text):
    return int(float(text[:-1]) * SUFFIXES[text[-1]]) if text[-1] in SUFFIXES else int(text)


def draw_length(rng, lengths):
    if lengths not in LENGTHS:
        return int(lengths)
    mu, sigma, shortest, longest = LENGTHS[lengths]
    return min(longest, max(shortest, round(rng.lognormvariate(mu, sigma))))


def make_corpus(args):
    rng = random.Random(args.seed)
    words = (args.model / "vocab.txt").read_text().split("\n")[2:-1]
    classes = json.loads((args.model / "config.json").read_text())["classes"]
    cumulative, total = [], 0.0
    for rank in range(len(words)):
        total += 1 / (rank + 10)
        cumulative.append(total)
    pool = rng.choices(words, cum_weights=cumulative, k=1 << 18)  # texts are windows of it: fast at gigabytes
    written, i = 0, 0
    with args.out.open("w") as out:
        while i < args.samples or written < args.bytes:
            n = draw_length(rng, args.lengths)
            first = rng.randrange(len(pool) - n)
            text, label = " ".join(pool[first : first + n]), classes[i % len(classes)]
            line = f'{{"id": "r{i:08d}", "text": "{text}", "label": "{label}"}}\n'
            out.write(line)
            written += len(line)
            i += 1


def make_model(args):
    rng = random.Random(args.seed)
    v, e, h, d = args.words, args.embedding, args.hidden, args.hidden
    classes = ["first", "second"]
    shapes = {"embedding.weight": [v, e]}
    for suffix in ("", "_reverse"):
        shapes.update({f"lstm.weight_ih_l0{suffix}": [4 * h, e], f"lstm.weight_hh_l0{suffix}": [4 * h, h],
                       f"lstm.bias_ih_l0{suffix}": [4 * h], f"lstm.bias_hh_l0{suffix}": [4 * h]})
    shapes.update({"dense.weight": [d, 2 * h], "dense.bias": [d]})
    shapes.update({"output.weight": [len(classes), d], "output.bias": [len(classes)]})
    header, body = {}, bytearray()
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        bound = 0.5 if name == "embedding.weight" else h**-0.5
        data = array.array("f", (rng.uniform(-bound, bound) for _ in range(count))).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "weights.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded + body)
    (args.out / "vocab.txt").write_text("<pad>\n<oov>\n" + "".join(f"w{i:x}\n" for i in range(v - 2)))
    config = {
        "format": "bki-model", "version": 1, "embedding_dim": e, "hidden": h, "num_layers": 1, "bidirectional": True,
        "dense": d, "dense_activation": "relu", "classes": classes, "readout": "final", "pad": "none",
        "max_words": args.max_words, "keep": "tail", "oov_id": 1, "pad_id": 0,
        "tokenizer": {"type": "words", "lowercase": True, "strip_html": True},
    }
    (args.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    corpus = commands.add_parser("corpus")
    corpus.add_argument("model", type=Path)
    corpus.add_argument("out", type=Path)
    corpus.add_argument("--lengths", default="imdb")
    corpus.add_argument("--samples", type=int, default=0)
    corpus.add_argument("--bytes", type=size, default=0)
    corpus.set_defaults(run=make_corpus)
    model = commands.add_parser("model")
    model.add_argument("out", type=Path)
    model.add_argument("--words", type=int, default=20000)
    model.add_argument("--embedding", type=int, default=100)
    model.add_argument("--hidden", type=int, default=128)
    model.add_argument("--max-words", type=int, default=500)
    model.set_defaults(run=make_model)
    for command in (corpus, model):
        command.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
