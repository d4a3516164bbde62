#!/usr/bin/env python3
"""Makes the golden cases: small random models, and what brute force in PyTorch says about a few sequences.

    /usr/bin/python3 tests/data/golden/make_golden.py

Each folder here is one model with several ways to pad and to read out:
    config.json, weights.safetensors, vocab.txt   a model directory
    cases.json            {"sequences": [[ids]], "cases": [{"pad", "readout", "pad_vector"}]}: each case is the model
                          with these settings in place of its own, run over all sequences
    expected.safetensors  readout [cases, sequences, 2H], logits [cases, sequences, C], predicted [cases, sequences];
                          score, increment, flip [cases, sum of lengths], sequence after sequence
Computed in float64 from float32 weights. Every variant and every prefix is a text of its own, run from end to end.
"""
import itertools
import json
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tools"))
import export_pytorch  # noqa: E402

V = 12
torch.set_num_threads(1)
MIN_MARGIN = 2e-4  # between the two largest logits of any text: float32 has to predict the same
LENGTHS = [0, 1, 2, 5, 6, 17]
READOUTS = ["final", "last", "mean", "max"]
MODELS = {  # T = 17 leaves the longest sequence without pads
    "small": dict(E=5, H=7, layers=1, D=3, act="relu", C=3, pads=["none", "pre:17", "post:19"]),
    "wide": dict(E=19, H=33, layers=1, D=9, act="tanh", C=2, pads=["none", "pre:19", "post:17"]),
    "deep": dict(E=5, H=7, layers=2, D=0, act="relu", C=4, pads=["none", "pre:17", "post:19"]),
    "linear": dict(E=3, H=2, layers=1, D=4, act="none", C=2, pads=["none", "pre:18", "post:18"]),
}
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda x: x}


class Unsuitable(Exception):
    """These random weights do not test what they should: take the next seed."""


class Net:
    """One model of MODELS with random weights, large enough that gates open and close and classes change."""

    def __init__(self, spec, seed):
        torch.manual_seed(seed)
        E, H, D, C = spec["E"], spec["H"], spec["D"], spec["C"]
        self.hidden, self.act = H, ACTIVATIONS[spec["act"]]
        self.embedding = torch.nn.Embedding(V, E)
        self.lstm = torch.nn.LSTM(E, H, spec["layers"], bidirectional=True)
        self.dense = torch.nn.Linear(2 * H, D) if D else None
        self.output = torch.nn.Linear(D or 2 * H, C)
        for module in filter(None, [self.lstm, self.dense, self.output]):
            for parameter in module.parameters():
                parameter.data *= 2
        self.output.bias.data *= 0.1

    def double(self):
        for module in filter(None, [self.embedding, self.lstm, self.dense, self.output]):
            module.double()

    def read(self, words, pad, readout, pad_vector):
        """Readout [2H] of a list of ids."""
        side, _, length = pad.partition(":")
        pads = int(length or 0) - len(words) if side != "none" else 0
        x = self.embedding(torch.tensor(words, dtype=torch.long))
        fill = torch.zeros(pads, x.shape[1], dtype=x.dtype) if pad_vector == "zero" \
            else self.embedding.weight[:1].expand(pads, -1)
        x = torch.cat([fill, x] if side == "pre" else [x, fill])
        if len(x) == 0:
            return torch.zeros(2 * self.hidden, dtype=x.dtype)
        out, (h, _) = self.lstm(x.unsqueeze(1))  # [T, 1, 2H], h [2 layers, 1, H]
        if readout == "final":
            return torch.cat([h[-2, 0], h[-1, 0]])
        return {"last": out[-1, 0], "mean": out[:, 0].mean(0), "max": out[:, 0].max(0).values}[readout]

    def head(self, r):
        return self.output(self.act(self.dense(r)) if self.dense else r)

    def predict(self, r):
        logits = self.head(r)
        best = logits.topk(2).values
        if best[0] - best[1] < MIN_MARGIN:
            raise Unsuitable
        return int(logits.argmax())

    def score(self, words, *settings):
        whole = self.read(words, *settings)
        predicted = self.predict(whole)
        prefixes = [self.read(words[:j], *settings) for j in range(len(words) + 1)]
        variants = [self.read(words[:j] + words[j + 1:], *settings) for j in range(len(words))]
        return {
            "readout": whole,
            "logits": self.head(whole),
            "predicted": torch.tensor(predicted),
            "score": torch.tensor([float((whole - v).abs().max()) for v in variants]),
            "increment": torch.tensor([float((b - a).abs().max()) for a, b in zip(prefixes, prefixes[1:])]),
            "flip": torch.tensor([self.predict(v) != predicted for v in variants]),
        }


def make_sequences(seed):
    """Ragged random ids (2 .. V-1 words, 1 unknown), then all words equal, all unknown, and repeats."""
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randint(1, V, (n,), generator=generator).tolist() for n in LENGTHS]
    return draw + [[4] * 5, [1] * 4, [7, 7, 3, 1, 1, 3, 7]]


def make_cases(pads):
    """Pads take both vectors; without pads the vector does not matter."""
    triples = [(p, r, v) for p, r, v in itertools.product(pads, READOUTS, ["embedding", "zero"])
               if p != "none" or v == "embedding"]
    return [dict(zip(("pad", "readout", "pad_vector"), triple)) for triple in triples]


@torch.no_grad()
def make(name, spec, seed):
    folder = os.path.join(HERE, name)
    net, sequences, cases = Net(spec, seed), make_sequences(seed), make_cases(spec["pads"])
    words = ["<pad>", "<oov>"] + [f"w{i}" for i in range(2, V)]
    texts = [" ".join("unknown" if i == 1 else words[i] for i in ids) for ids in sequences]
    export_pytorch.export(
        folder, embedding=net.embedding, lstm=net.lstm, dense=net.dense, output=net.output,
        dense_activation=spec["act"], vocabulary=words, classes=[f"class{c}" for c in range(spec["C"])], max_words=17,
        tokenizer="whitespace", selftest=texts, force=True)
    net.double()
    results = []
    for case in cases:
        results.append([net.score(ids, *case.values()) for ids in sequences])
        if not any(r["flip"].any() for r in results[0]) or len({int(r["predicted"]) for r in results[0]}) < 2:
            raise Unsuitable
    expected = {}
    for key in ("readout", "logits", "predicted"):
        expected[key] = torch.stack([torch.stack([r[key] for r in row]) for row in results])
    for key in ("score", "increment", "flip"):
        expected[key] = torch.stack([torch.cat([r[key] for r in row]) for row in results])
    flips = float(expected["flip"].float().mean())
    export_pytorch.write_safetensors(os.path.join(folder, "expected.safetensors"), expected)
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump({"sequences": sequences, "cases": cases}, file, separators=(",", ":"))
        file.write("\n")
    print(f"{name}: {len(cases)} cases, {len(sequences)} sequences, seed {seed}, share of flips {flips:.3f}")


def main():
    for name, spec in MODELS.items():
        for seed in itertools.count(1):
            try:
                make(name, spec, seed)
                break
            except Unsuitable:
                continue


if __name__ == "__main__":
    main()
