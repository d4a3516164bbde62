#!/usr/bin/env python3
"""The work of bench_gpu in PyTorch's nn.LSTM (cuDNN on a GPU), as rows of the same CSV: every variant from end to end.

    bench/gpu_peer_torch.py DUMP --lengths imdb-whole [--device cuda] [--every 16] [--batches 512,2048,8192,32768]

DUMP is bench_gpu's: corpus, parameters and its scores. Three ways:
  unpacked  variants of the same length in one dense batch, from as many texts as have it
  packed    variants sorted by length, pack_padded_sequence
  authors   one dense call a text, its scores fetched before the next
The first two for each size of --batches (variants, and at most 2 million words, beyond which cuDNN's offsets overflow),
all in fp32 (allow_tf32 off), TF32 and fp16. Ids and embeddings are on the device before the clock starts, and the head
is left out: both favour the peer.

Only every N-th length is run (--every), with all texts that have it, so that batches are as full as on the whole
corpus; row_steps is what was run, corpus_row_steps what the whole corpus takes. Scores in fp32 have to be bki's within
1e-4: else exit 1. Without PyTorch or the device: one line on standard error that says so, exit 77.
"""
import argparse
import csv
import sys
import time

TOLERANCE = 1e-4
MAX_WORDS = 2_000_000


def skip(why):
    print(f"gpu_peer_torch: skipped: {why}", file=sys.stderr)
    sys.exit(77)


try:
    import numpy as np
    import torch
    from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
except ImportError as error:
    skip(f"{sys.executable}: {error}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("--lengths", required=True, help="name of the corpus in the rows")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--every", type=int, default=16)
    parser.add_argument("--batches", default="512,2048,8192,32768")
    parser.add_argument("--precisions", help="default: fp32,tf32,fp16 on a GPU, else fp32")
    parser.add_argument("--ways", default="unpacked,packed,authors")
    return parser.parse_args()


class Work:
    """What bench_gpu dumped, of the chosen texts, longest first: ids, bki's scores, the LSTM."""

    def __init__(self, path, device, every):
        data = np.fromfile(path, dtype=np.int32)
        n, v, self.e, self.h, _, _, words = (int(x) for x in data[:7])
        lengths, rest = data[7 : 7 + n].astype(np.int64), data[7 + n :]
        floats = rest[words:].view(np.float32)
        starts = np.cumsum(lengths) - lengths
        chosen = np.flatnonzero((lengths > 1) & (lengths % every == (every > 1)))
        if not chosen.size:
            skip(f"no text has one of every {every} lengths: choose a smaller --every")
        chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
        self.n, self.mean, self.squares = n, lengths.mean(), (lengths**2).mean()
        self.corpus_row_steps = int(2 * (lengths * (lengths - 1)).sum())
        self.lengths = lengths[chosen]
        self.row_steps = int(2 * (self.lengths * (self.lengths - 1)).sum())
        self.ids = torch.from_numpy(rest[:words].astype(np.int64)).to(device)
        scores = floats[floats.size - words :]
        self.expected = np.concatenate([scores[starts[i] : starts[i] + lengths[i]] for i in chosen])
        texts = np.arange(chosen.size)
        of_text = np.repeat(texts, self.lengths)
        deleted = np.concatenate([np.arange(length) for length in self.lengths])
        self.variants = Runs(starts[chosen][of_text], deleted, self.lengths[of_text] - 1, of_text, device)
        self.whole = Runs(starts[chosen], self.lengths, self.lengths, texts, device)  # no word is at l
        self.load(torch.from_numpy(floats[: floats.size - words].copy()), v, device)

    def load(self, block, v, device):
        self.embedding = block[: v * self.e].view(v, self.e).to(device)
        self.lstm = torch.nn.LSTM(self.e, self.h, bidirectional=True)
        at = v * self.e
        with torch.no_grad():
            for parameter in self.lstm.parameters():  # in the order of the block
                parameter.copy_(block[at : at + parameter.numel()].view_as(parameter))
                at += parameter.numel()
        self.lstm.to(device).eval()

    def to_precision(self, precision):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        kind = torch.float16 if precision == "fp16" else torch.float32
        lstm = torch.nn.LSTM(self.e, self.h, bidirectional=True, dtype=kind, device=self.embedding.device)
        lstm.load_state_dict(self.lstm.state_dict())
        lstm.flatten_parameters()
        return lstm.eval(), self.embedding.to(kind)


class Runs:
    """Runs of the LSTM, longest first: where the text of each begins, the word it leaves out, its steps, its text."""

    def __init__(self, start, deleted, steps, text, device):
        self.steps = torch.from_numpy(steps)  # on the CPU, where packing wants it
        self.start, self.deleted, self.text = (torch.from_numpy(x).to(device) for x in (start, deleted, text))

    def batches(self, rows, same_length):
        """Pairs (first, last)."""
        steps = self.steps.numpy()
        first = 0
        while first < steps.size:
            last = min(steps.size, first + max(1, min(rows, MAX_WORDS // steps[first])))
            if same_length and steps[last - 1] != steps[first]:
                last = first + int(np.searchsorted(-steps[first:last], -steps[first], side="right"))
            yield first, last
            first = last

    def ids(self, all_ids, first, last):
        """[T, last - first]; what stands after a run's end is some word."""
        t = torch.arange(int(self.steps[first]), device=all_ids.device)[:, None]
        return all_ids[(self.start[first:last] + t + (t >= self.deleted[first:last])).clamp_(max=len(all_ids) - 1)]


def run(lstm, embedding, ids, runs, first, last, packed):
    """The last states [last - first, 2H] in fp32."""
    ids = runs.ids(ids, first, last)
    if packed:
        packs = pack_padded_sequence(ids, runs.steps[first:last])
        inputs = PackedSequence(embedding[packs.data], packs.batch_sizes)
    else:
        inputs = embedding[ids]
    h = lstm(inputs)[1][0]
    return torch.cat([h[0], h[1]], dim=1).float()


def score_batched(lstm, embedding, work, rows, packed):
    """[variants]"""
    base = torch.cat([run(lstm, embedding, work.ids, work.whole, *batch, packed)
                      for batch in work.whole.batches(rows, not packed)])
    scores = torch.empty(len(work.variants.text), device=embedding.device)
    for first, last in work.variants.batches(rows, not packed):
        states = run(lstm, embedding, work.ids, work.variants, first, last, packed)
        scores[first:last] = (states - base[work.variants.text[first:last]]).abs().amax(1)
    return scores.cpu()


def score_one_call_a_text(lstm, embedding, work):
    scores, first = [], 0
    for k, length in enumerate(work.lengths.tolist()):
        base = run(lstm, embedding, work.ids, work.whole, k, k + 1, False)
        states = run(lstm, embedding, work.ids, work.variants, first, first + length, False)
        scores.append((states - base).abs().amax(1).cpu())
        first += length
    return torch.cat(scores)


def score(way, rows, lstm, embedding, work):
    if way == "authors":
        return score_one_call_a_text(lstm, embedding, work)
    return score_batched(lstm, embedding, work, rows, way == "packed")


def measure(work, way, rows, precision, device):
    lstm, embedding = work.to_precision(precision)
    synchronize = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    first_batch = next(work.variants.batches(rows or int(work.lengths[0]), way != "packed"))
    run(lstm, embedding, work.ids, work.variants, *first_batch, way == "packed")  # loads libraries and kernels
    synchronize()
    begin = time.perf_counter()
    scores = score(way, rows, lstm, embedding, work)
    synchronize()
    return time.perf_counter() - begin, float(np.abs(scores.numpy() - work.expected).max())


def main():
    args = parse_arguments()
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        skip(f"PyTorch {torch.__version__} sees no GPU")
    work = Work(args.dump, device, args.every)
    out = csv.writer(sys.stdout, lineterminator="\n")
    sizes = [int(x) for x in args.batches.split(",")]
    precisions = args.precisions or ("fp32,tf32,fp16" if device.type == "cuda" else "fp32")
    wrong = False
    with torch.no_grad():
        for way in args.ways.split(","):
            for precision in precisions.split(","):
                for rows in sizes if way != "authors" else [0]:
                    try:
                        seconds, difference = measure(work, way, rows, precision, device)
                    except RuntimeError as error:  # out of memory, or a batch that cuDNN refuses
                        print(f"gpu_peer_torch: {way} {precision} {rows}: {str(error).splitlines()[0]}", file=sys.stderr)
                        continue
                    out.writerow([f"torch {torch.__version__}", args.lengths, work.n, f"{work.mean:.1f}",
                                  f"{work.squares:.0f}", way, precision, rows or "", work.h, work.e, work.row_steps,
                                  work.corpus_row_steps, f"{seconds:.5f}", 1, "", f"{difference:.2e}", "", ""])
                    sys.stdout.flush()
                    if precision == "fp32" and difference > TOLERANCE:
                        print(f"gpu_peer_torch: {way} fp32 {rows}: scores differ from bki's by {difference:.2e}, more "
                              f"than {TOLERANCE}", file=sys.stderr)
                        wrong = True
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
