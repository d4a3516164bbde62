#!/usr/bin/env python3
"""The work of bench_train in PyTorch: nn.Embedding, nn.LSTM, Adam; the same batches and initial parameters, from
bench_train's dump. A line of JSON an epoch.

  peer_torch.py DUMP [--threads 1] [--epochs 3] [--tuned] [--how packed|reversed]

packed: pack_padded_sequence, the usual way. On a CPU its way back makes a zero tensor of the whole batch at every step,
so that long texts take a time quadratic in their length.
reversed: the same function without packing: the backward direction is a forward one over each text read from its end,
so that all padding comes after the words, and the states after the last words are picked out. Texts in a batch have
about the same length, so that few steps are wasted. It is the fastest way that we found.
"""
import argparse
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class Model(nn.Module):
    def __init__(self, v, e, h, d, c, tuned, how):
        super().__init__()
        self.how = how
        self.embedding = nn.Embedding(v, e)
        self.embedding.weight.requires_grad_(tuned)
        if how == "packed":
            self.lstm = nn.LSTM(e, h, bidirectional=True)
        else:
            self.lstm = nn.ModuleList([nn.LSTM(e, h), nn.LSTM(e, h)])
        self.dense = nn.Linear(2 * h, d)
        self.output = nn.Linear(d, c)

    def states(self, ids, reversed_ids, lengths):
        """ids [T, n] -> [n, 2H]"""
        if self.how == "packed":
            _, (h, _) = self.lstm(pack_padded_sequence(self.embedding(ids), lengths))
            return torch.cat([h[0], h[1]], dim=1)
        rows = torch.arange(ids.shape[1])
        return torch.cat([lstm(self.embedding(x))[0][lengths - 1, rows]
                          for lstm, x in zip(self.lstm, (ids, reversed_ids))], dim=1)

    def forward(self, *texts):
        return self.output(torch.relu(self.dense(self.states(*texts))))


def load(path, tuned, how):
    data = np.fromfile(path, dtype=np.int32)
    n, v, e, h, d, c, batch = (int(x) for x in data[:7])
    lengths, labels, rest = data[7 : 7 + n], data[7 + n : 7 + 2 * n], data[7 + 2 * n :]
    total = int(lengths.sum())
    ids = np.split(rest[:total], np.cumsum(lengths)[:-1])
    block = torch.from_numpy(rest[total:].view(np.float32).copy())
    model = Model(v, e, h, d, c, tuned, how)
    with torch.no_grad():
        at = 0
        for parameter in model.parameters():  # in the order of the block
            parameter.copy_(block[at : at + parameter.numel()].view_as(parameter))
            at += parameter.numel()
    assert at == block.numel()
    batches = []
    for i in range(0, n, batch):
        order = np.argsort(-lengths[i : i + batch], kind="stable") + i
        padded = np.zeros((2, lengths[order[0]], len(order)), dtype=np.int64)
        for r, k in enumerate(order):
            padded[0, : lengths[k], r] = ids[k]
            padded[1, : lengths[k], r] = ids[k][::-1]
        batches.append((*torch.from_numpy(padded), torch.from_numpy(lengths[order].astype(np.int64)),
                        torch.from_numpy(labels[order].astype(np.int64))))
    return model, batches, n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dump")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--how", choices=["packed", "reversed"], default="reversed")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, batches, n = load(args.dump, args.tuned, args.how)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
    for epoch in range(args.epochs):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        total = 0.0
        for *texts, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(*texts), labels)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(labels)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        print(json.dumps({"name": f"torch {torch.__version__} {args.how}", "threads": args.threads, "epoch": epoch,
                          "seconds": round(seconds, 4), "cpu_seconds": round(cpu_seconds, 4),
                          "samples_per_second": round(n / seconds),
                          "loss": round(total / n, 7)}), flush=True)


if __name__ == "__main__":
    main()
