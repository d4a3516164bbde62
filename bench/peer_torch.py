#!/usr/bin/python3
"""The paper's loop in PyTorch, as fast as we can make it: what `bki scan` is measured against.

Every variant of a sample (the text without one of its words) has the same length, so that a sample is one dense batch:
embedding gathered once, one bidirectional nn.LSTM over all variants at a time (or over --chunk of them, where the whole
batch leaves the cache), only the last hidden states kept, inference mode, no gradients, no packing.

    bench/peer_torch.py MODEL CORPUS --limit 200 --threads 1 --scores scores.jsonl

MODEL is a model directory (one layer, readout final, no padding), CORPUS a JSON Lines file, plain or .zst.
Prints one JSON object: seconds of the whole process, of `import torch`, of the loop; samples; row-steps (2 l (l-1) a
sample: the loop shares nothing between variants). Works with PyTorch 1.13 and later.
"""
import time

STARTED = time.perf_counter()

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--limit", type=int, default=0, help="first samples only; 0: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=64, help="variants in a batch; 0: all of a sample")
    parser.add_argument("--scores", type=Path, help="write {id, words, scores} a line")
    return parser.parse_args()


ARGS = parse_arguments()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)  # read when the libraries load; torch.set_num_threads misses OpenBLAS
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from export_pytorch import tokenize

IMPORTED = time.perf_counter()


def load_safetensors(path):
    dtypes = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    body = memoryview(data)[8 + size :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(body[begin:end], dtype=dtypes[entry["dtype"]]).reshape(entry["shape"]).float()
    return tensors


def load_model(directory):
    config = json.loads((directory / "config.json").read_text())
    expected = {"num_layers": 1, "readout": "final", "pad": "none", "keep": "tail"}
    for key, value in expected.items():
        if config[key] != value:
            raise SystemExit(f"{directory}: {key} {config[key]}: only {value} is implemented here")
    tensors = load_safetensors(directory / "weights.safetensors")
    lstm = torch.nn.LSTM(config["embedding_dim"], config["hidden"], bidirectional=True)
    lstm.load_state_dict({k[len("lstm.") :]: v for k, v in tensors.items() if k.startswith("lstm.")})
    vocabulary = {word: i for i, word in enumerate((directory / "vocab.txt").read_text().split("\n")[:-1])}
    return config, vocabulary, tensors["embedding.weight"], lstm.eval()


def read_corpus(path, limit):
    data = path.read_bytes() if path.suffix != ".zst" else subprocess.check_output(["zstd", "-dcq", path])
    lines = data.split(b"\n")
    return [json.loads(line) for line in (lines[:limit] if limit else lines) if line]


def last_states(lstm, inputs):
    """inputs [T, n, E] -> [n, 2H]"""
    _, (h, _) = lstm(inputs)
    return torch.cat([h[0], h[1]], dim=1)


def score(lstm, x, chunk):
    """x [l, E] -> f [l], the L-infinity distance of the readouts."""
    n = len(x)
    base = last_states(lstm, x[:, None])
    if n == 1:
        return base.abs().amax(1)
    steps = torch.arange(n - 1)[:, None]
    scores = []
    for first in range(0, n, chunk or n):
        deleted = torch.arange(first, min(n, first + (chunk or n)))
        inputs = x[steps + (steps >= deleted)]  # [l-1, variants, E]
        scores.append((last_states(lstm, inputs) - base).abs().amax(1))
    return torch.cat(scores)


def main():
    torch.set_num_threads(ARGS.threads)
    config, vocabulary, embedding, lstm = load_model(ARGS.model)
    records = read_corpus(ARGS.corpus, ARGS.limit)
    texts = [tokenize(record["text"], config["tokenizer"])[-config["max_words"] :] for record in records]
    ids = [torch.tensor([vocabulary.get(w, config["oov_id"]) for w in words], dtype=torch.long) for words in texts]
    begin, begin_cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        scores = [score(lstm, embedding[sample], ARGS.chunk) if len(sample) else torch.zeros(0) for sample in ids]
    end, end_cpu = time.perf_counter(), time.process_time()
    if ARGS.scores:
        with ARGS.scores.open("w") as out:
            for record, words, f in zip(records, texts, scores):
                out.write(json.dumps({"id": record.get("id"), "words": words, "scores": f.tolist()}) + "\n")
    row_steps = sum(2 * len(s) * (len(s) - 1) for s in ids)
    print(json.dumps({
        "torch": torch.__version__, "threads": ARGS.threads, "samples": len(ids), "row_steps": row_steps,
        "seconds": round(time.perf_counter() - STARTED, 3), "import_seconds": round(IMPORTED - STARTED, 3),
        "loop_seconds": round(end - begin, 3), "loop_cpu_seconds": round(end_cpu - begin_cpu, 3),
        "row_steps_per_second": round(row_steps / (end - begin)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))


if __name__ == "__main__":
    main()
