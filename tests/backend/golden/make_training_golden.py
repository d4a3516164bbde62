#!/usr/bin/env python3
"""Makes training.json: gradients and losses of small trainings, by PyTorch, for every learner to follow.

    /usr/bin/python3 tests/backend/golden/make_training_golden.py

{"gradients": [case + {"gradient"}], "runs": [case + {"losses"}]}. A case has the sizes and settings of MODEL and RUN
below. `losses` are the mean cross-entropies of the 20 batches of a training, each before its step; `gradient` is that
of the first batch, tensor after tensor in the order of a model directory. PyTorch's own LSTM over packed sequences, its
losses, its optimizers and its clip_grad_norm_. Keras' optimizers are the updates that its documentation and sources
publish, in numpy. Computed in float64, and once more in float32: a run whose losses differ by more than FP32_LIMIT is
refused, because then the run and not the learner decides how far fp32 gets. (RMSprop's first step is ten times its
learning rate whatever the gradient; at 0.05 PyTorch's own float32 was off by 5e-4 after 20 steps.)

Initial weights and texts are not stored: both sides make them of splitmix64 started at `seed`, which random_model.h of
the tests has in C. Weights come first, tensor after tensor: bound * (next >> 40) / 2^23 - bound with bound 1 for the
embedding, else `bound`, a power of two, so that every number is exact in float32. Then batch after batch and text after
text: 1 + next % longest words of id next % V each. The label is the first id % C, so that there is something to learn.
Dropout masks are those of Philox4x32-10 as src/backend/learner.c uses it.
"""
import json
import os

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 20
FP32_LIMIT = 1e-5
MASK = (1 << 64) - 1
MODEL = dict(V=20, E=5, H=4, layers=1, D=6, C=3, activation="relu", readout="final", pad="none", pad_vector="embedding",
             bound=0.25)
RUN = dict(seed=1, batch=8, longest=9, optimizer="adam", convention="pytorch", lr=0.05, clip=0.0, tuned=True,
           dropout=0.0)
PAPER = dict(V=200, E=100, H=128, D=128, C=14, bound=0.125, batch=64, longest=60, lr=0.001)
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda x: x}
torch.set_num_threads(1)


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        return z ^ z >> 31

    def below(self, n):
        return self.next() % n

    def uniform(self, shape, bound):
        numbers = [(self.next() >> 40) / 2 ** 23 - 1 for _ in range(int(np.prod(shape)))]
        return bound * np.array(numbers).reshape(shape)


def philox(seed, stream, index):
    """Philox4x32-10 of Salmon et al. 2011, four words."""
    key = [seed & 0xFFFFFFFF, seed >> 32]
    x = [index & 0xFFFFFFFF, index >> 32, stream & 0xFFFFFFFF, stream >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [b >> 32 ^ x[1] ^ key[0], b & 0xFFFFFFFF, a >> 32 ^ x[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


def dropout_mask(case, step, site, row, units):
    """[units] of 0 and 1 / (1 - dropout)."""
    words = [w for i in range((units + 3) // 4) for w in philox(case["seed"], step << 32 | row, 1 << 63 | site << 56 | i)]
    kept = np.array(words[:units]) >= case["dropout"] * 2 ** 32
    return torch.tensor(kept / (1 - case["dropout"]))


class Net(torch.nn.Module):
    """The modules in the order of a model directory, with the weights of the recipe."""

    def __init__(self, case, random, dtype):
        super().__init__()
        E, H, D, C = case["E"], case["H"], case["D"], case["C"]
        self.embedding = torch.nn.Embedding(case["V"], E)
        self.lstm = torch.nn.ModuleList(torch.nn.LSTM(2 * H if layer else E, H, bidirectional=True, batch_first=True)
                                        for layer in range(case["layers"]))
        self.dense = torch.nn.Linear(2 * H, D) if D else None
        self.output = torch.nn.Linear(D or 2 * H, C)
        for p in self.parameters():
            p.data = torch.tensor(random.uniform(p.shape, 1 if p is self.embedding.weight else case["bound"]), dtype=dtype)
        self.embedding.weight.requires_grad = case["tuned"]


def make_batch(case, random):
    texts = []
    for _ in range(case["batch"]):
        length = 1 + random.below(case["longest"])
        texts.append([random.below(case["V"]) for _ in range(length)])
    return texts, torch.tensor([text[0] % case["C"] for text in texts])


def pad(case, text):
    """Ids of the steps, -1 for a vector of zeros."""
    if case["pad"] == "none":
        return text
    side, total = case["pad"].split(":")
    pads = [0 if case["pad_vector"] == "embedding" else -1] * (int(total) - len(text))
    return pads + text if side == "pre" else text + pads


def read_out(case, y, final, lengths):
    there = torch.arange(y.shape[1])[None, :, None] < lengths[:, None, None]
    if case["readout"] == "final":
        return final
    if case["readout"] == "last":
        return y[torch.arange(len(y)), lengths - 1]
    if case["readout"] == "mean":
        return (y * there).sum(1) / lengths[:, None]
    return y.masked_fill(~there, -np.inf).max(1).values


def mean_loss(case, net, texts, labels, step):
    H = case["H"]
    rows = [torch.tensor(pad(case, text)) for text in texts]
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    y = net.embedding(ids.clamp(min=0)) * (ids >= 0)[:, :, None]
    for i, layer in enumerate(net.lstm):
        if i and case["dropout"]:
            masks = [dropout_mask(case, step, i - 1, b, y.shape[1] * 2 * H) for b in range(len(y))]
            y = y * torch.stack(masks).reshape(y.shape).to(y.dtype)
        packed, (h, _) = layer(pack_padded_sequence(y, lengths, batch_first=True, enforce_sorted=False))
        y = pad_packed_sequence(packed, batch_first=True)[0]
    r = read_out(case, y, torch.cat([h[0], h[1]], 1), lengths)
    if case["dropout"]:
        r = r * torch.stack([dropout_mask(case, step, case["layers"], b, 2 * H) for b in range(len(r))]).to(r.dtype)
    if net.dense:
        r = ACTIVATIONS[case["activation"]](net.dense(r))
    return torch.nn.functional.cross_entropy(net.output(r), labels)


class KerasOptimizer:
    """keras.optimizers.Adam (epsilon outside of the bias correction, as Kingma & Ba say before section 2.1) and
    RMSprop of Keras 2.2: new_p = p - lr * g / (sqrt(new_a) + epsilon)."""

    def __init__(self, case, parameters):
        self.adam, self.lr, self.parameters, self.t = case["optimizer"] == "adam", case["lr"], parameters, 0
        self.m = [np.zeros(p.shape) for p in parameters]
        self.v = [np.zeros(p.shape) for p in parameters]

    def step(self):
        self.t += 1
        beta1, beta2, epsilon = 0.9, 0.999 if self.adam else 0.9, 1e-7
        for i, p in enumerate(self.parameters):
            g = p.grad.numpy()
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * g * g
            if self.adam:
                self.m[i] = beta1 * self.m[i] + (1 - beta1) * g
                lr_t = self.lr * np.sqrt(1 - beta2 ** self.t) / (1 - beta1 ** self.t)
                change = lr_t * self.m[i] / (np.sqrt(self.v[i]) + epsilon)
            else:
                change = self.lr * g / (np.sqrt(self.v[i]) + epsilon)
            p.data -= torch.tensor(change, dtype=p.dtype)


def make_optimizer(case, parameters):
    if case["convention"] == "keras":
        return KerasOptimizer(case, parameters)
    return {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[case["optimizer"]](parameters, lr=case["lr"])


def train(case, dtype=torch.float64):
    """The losses, and the gradient of the first batch."""
    random = SplitMix(case["seed"])
    net = Net(case, random, dtype)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = make_optimizer(case, trained)
    losses, first = [], None
    for step in range(STEPS):
        for p in trained:
            p.grad = None
        loss = mean_loss(case, net, *make_batch(case, random), step)
        loss.backward()
        losses.append(round(loss.item(), 12))
        first = first or [g for p in trained for g in p.grad.flatten().tolist()]
        if case["clip"]:
            torch.nn.utils.clip_grad_norm_(trained, case["clip"])
        optimizer.step()
    return losses, first


def make_cases():
    runs = []
    for layers in (1, 2):
        for optimizer in ("adam", "rmsprop"):
            for clip in (0.0, 0.25):
                for tuned in (False, True):
                    runs.append(dict(layers=layers, optimizer=optimizer, clip=clip, tuned=tuned))
    for optimizer in ("adam", "rmsprop"):
        runs.append(dict(optimizer=optimizer, convention="keras"))
        runs.append(dict(optimizer=optimizer, convention="keras", layers=2, tuned=False, clip=0.25))
    runs += [dict(readout=readout, pad=pad, pad_vector=vector) for readout in ("final", "last", "mean", "max")
             for pad, vector in (("none", "embedding"), ("pre:12", "embedding"), ("post:11", "zero"))]
    runs += [dict(activation="tanh"), dict(activation="none"), dict(D=0)]
    runs += [dict(dropout=0.5), dict(dropout=0.25, layers=2), dict(dropout=0.25, layers=3, pad="post:11")]
    runs += [PAPER, dict(PAPER, tuned=False)]
    cases = [{**MODEL, **RUN, **run, "seed": 1 + i} for i, run in enumerate(runs)]
    return [{**case, "lr": 0.01} if case["optimizer"] == "rmsprop" else case for case in cases]


def main():
    gradients, runs = [], []
    for layers in (1, 2):
        case = {**MODEL, **RUN, "layers": layers, "seed": 100 + layers}
        gradients.append({**case, "gradient": [float(f"{g:.9g}") for g in train(case)[1]]})
    for case in make_cases():
        losses = train(case)[0]
        error = np.abs(np.subtract(losses, train(case, torch.float32)[0])).max()
        print(case["seed"], losses[0], losses[-1], f"float32 within {error:.2g}")
        assert error < FP32_LIMIT, case
        runs.append({**case, "losses": losses})
    with open(os.path.join(HERE, "training.json"), "w", encoding="utf-8") as file:
        lines = {key: ",\n".join(json.dumps(case) for case in cases)
                 for key, cases in (("gradients", gradients), ("runs", runs))}
        file.write(f'{{"gradients": [\n{lines["gradients"]}],\n"runs": [\n{lines["runs"]}]}}\n')


if __name__ == "__main__":
    main()
