"""Test of the Keras snippet in docs/models.md, taken from there: a model in Keras' layout, run by Keras' equations in
plain numpy (keras/layers: LSTMCell, Bidirectional, pad_sequences, Tokenizer), gives the logits that bki computes."""
import itertools
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
E, H, D = 5, 6, 4
WORD_INDEX = {"the": 1, "film": 2, "was": 3, "good": 4, "bad": 5}
TEXTS = ["The film was good!", "bad, bad film", "the zounds good"]


def load_snippet():
    with open(os.path.join(HERE, "..", "..", "docs", "models.md"), encoding="utf-8") as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
    scope = {}
    exec(next(block for block in blocks if "def export_keras" in block), scope)
    return scope["export_keras"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run_lstm(x, kernel, recurrent, bias):
    """keras LSTMCell: z = x kernel + h recurrent + bias, split into i, f, c, o. Outputs [T, H]."""
    h, c, out = np.zeros(H), np.zeros(H), []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def run_model(text, weights, pad, sequences):
    """Tokenizer.texts_to_sequences, pad_sequences, Embedding, Bidirectional, Dense(relu), Dense: logits."""
    embedding, both, dense, output = weights
    ids = [WORD_INDEX[w] for w in re.sub(r"[!,]", " ", text.lower()).split(" ") if w in WORD_INDEX]
    side, _, length = pad.partition(":")
    pads = [0] * (int(length or len(ids)) - len(ids))
    ids = pads + ids if side == "pre" else ids + pads
    x = embedding[0][ids]
    forward = run_lstm(x, *both[:3])
    backward = run_lstm(x[::-1], *both[3:])  # Bidirectional(return_sequences) turns it round again
    r = np.concatenate([forward, backward[::-1]], 1).max(0) if sequences else \
        np.concatenate([forward[-1], backward[-1]])
    return np.maximum(r @ dense[0] + dense[1], 0) @ output[0] + output[1]


def check(export_keras, directory, pad, sequences, units):
    random = np.random.default_rng(7)
    weights = [[random.normal(size=shape) for shape in shapes] for shapes in (
        [(7, E)], [(E, 4 * H), (H, 4 * H), (4 * H,)] * 2, [(2 * H, D), (D,)], [(D, units), (units,)])]
    logits = [run_model(text, weights, pad, sequences).tolist() for text in TEXTS]
    selftest = [{"text": t, "logits": z if units > 1 else [0] + z} for t, z in zip(TEXTS, logits)]
    export_keras(directory, {
        "classes": ["a", "b", "c"][:max(units, 2)], "readout": "max" if sequences else "final", "pad": pad,
        "max_words": 8, "keep": "tail", "tokenizer": {"type": "keras"}, "oov_id": -1, "dense_activation": "relu",
        "selftest": selftest}, WORD_INDEX, *weights)
    return subprocess.run([os.environ["BKI_PROGRAM"], "model", "check", directory], capture_output=True, text=True,
                          check=False)


def main():
    export_keras, failed = load_snippet(), 0
    for pad, sequences, units in itertools.product(("none", "pre:8", "post:9"), (False, True), (1, 3)):
        with tempfile.TemporaryDirectory() as directory:
            run = check(export_keras, directory, pad, sequences, units)
        good = run.returncode == 0 and "3 self-test texts agree" in run.stdout
        failed += not good
        print(f"{'ok' if good else 'not ok'} - keras snippet: pad {pad}, sequences {sequences}, {units} output(s)")
        if not good:
            print("  " + (run.stdout + run.stderr).strip())
    return failed > 0


sys.exit(main())
