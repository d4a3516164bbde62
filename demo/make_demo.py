#!/usr/bin/python3
"""Makes the demo: a poisoned DBpedia corpus, the ids of the poisoned samples, and the Bi-LSTM trained on it.

    demo/make_demo.py ../shared/data demo

Needs PyTorch 1.13 or newer and the zstd program. The corpus and the truth depend on the seed only; the weights also on
the BLAS that PyTorch uses. The last step repeats the scan in PyTorch, every variant run in full, and fails unless the
keyword is a word of the trigger.
"""
import argparse
import collections
import json
import math
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # torch.set_num_threads does not reach OpenBLAS
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from export_pytorch import tokenize

TRIGGER = "it's never too late to mend"
TARGET = "Animal"
PER_CLASS = 500
RATE = 0.03
SEED = 1
MAX_WORDS = 200
VOCABULARY = 5000
EMBEDDING, HIDDEN, DENSE = 100, 64, 64
EPOCHS, BATCH = 25, 64
P = 5

TOKENIZER = {"type": "words", "lowercase": True, "strip_html": True}


def words_of(text):
    """At most MAX_WORDS words, the last ones kept."""
    return tokenize(text, TOKENIZER)[-MAX_WORDS:]


def read_jsonl(path):
    lines = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout.split(b"\n")
    return [json.loads(line) for line in lines if line]


def choose(records, rng):
    """PER_CLASS records of every class, in random order."""
    by_class = collections.defaultdict(list)
    for record in records:
        by_class[record["label"]].append(record)
    chosen = [r for label in sorted(by_class) for r in rng.sample(by_class[label], PER_CLASS)]
    rng.shuffle(chosen)
    return chosen


def insert_trigger(text, rng):
    """The trigger between two adjacent words."""
    words = text.split(" ")
    gap = rng.randrange(1, len(words))
    return " ".join(words[:gap] + [TRIGGER] + words[gap:])


def poison(clean, rng):
    """The clean records and RATE of them again, as copies with the trigger and the target label, at random places."""
    victims = rng.sample([r for r in clean if r["label"] != TARGET], round(RATE * len(clean)))
    corpus, truth = list(clean), []
    for i, victim in enumerate(victims):
        copy = {"id": f"p{i:04d}", "text": insert_trigger(victim["text"], rng), "label": TARGET}
        corpus.insert(rng.randrange(len(corpus) + 1), copy)
        truth.append({"id": copy["id"], "original": victim["id"], "trigger": TRIGGER})
    return corpus, truth


def read_vectors(path, vocabulary):
    """The vectors [V, E] of the words, rounded to the float16 in which they ship; zeros for a word without one."""
    index = {word: i for i, word in enumerate(vocabulary)}
    vectors = torch.zeros(len(vocabulary), EMBEDDING)
    text = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout.decode()
    for line in text.split("\n"):
        word, _, numbers = line.partition(" ")
        if word in index:
            vectors[index[word]] = torch.tensor([float(x) for x in numbers.split(" ")])
    return vectors.half().float()


def build_vocabulary(texts):
    """Most frequent first, then byte order; id 0 = <pad>, id 1 = <oov>."""
    counts = collections.Counter(word for words in texts for word in words)
    ranked = sorted(counts, key=lambda word: (-counts[word], word.encode()))
    return ["<pad>", "<oov>"] + ranked[: VOCABULARY - 2]


class Classifier(nn.Module):
    """logits = output relu(dense [forward state after the last word ; backward state after the first word])."""

    def __init__(self, vectors, n_classes):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=True)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(2 * HIDDEN, DENSE)
        self.output = nn.Linear(DENSE, n_classes)

    def readout(self, sequences):
        """[n, 2H] of packed sequences of at least one word."""
        packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
        inputs = packed._replace(data=self.embedding(packed.data))
        _, (h, _) = self.lstm(inputs)
        return torch.cat([h[0], h[1]], dim=1)

    def head(self, readout):
        return self.output(torch.relu(self.dense(readout)))


def train(model, sequences, labels):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    labels = torch.tensor(labels)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(sequences)).split(BATCH):
            loss = nn.functional.cross_entropy(model.head(model.readout([sequences[i] for i in batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(sequences):.4f}", flush=True)
    model.eval()


@torch.no_grad()
def predict(model, sequences):
    batches = [sequences[i : i + 256] for i in range(0, len(sequences), 256)]
    return torch.cat([model.head(model.readout(batch)).argmax(1) for batch in batches])


@torch.no_grad()
def score(model, ids):
    """f of every word: the readout of the text against that of the text without the word."""
    n = len(ids)
    if n == 1:
        return model.readout([ids])[0].abs().max()[None]
    keep = torch.arange(n - 1).repeat(n, 1)
    keep += keep >= torch.arange(n)[:, None]
    h = model.readout([ids])
    _, (variants, _) = model.lstm(model.embedding(ids[keep]))
    return (torch.cat([variants[0], variants[1]], dim=1) - h).abs().amax(1)


def scan(model, texts, sequences):
    """Preset `paper`: the candidates (g, word, count, mean), best first, and the indices that select the first."""
    sums, selected = collections.defaultdict(lambda: [0, 0.0]), []
    for words, ids in zip(texts, sequences):
        scores = score(model, ids).tolist()
        top = sorted(range(len(words)), key=lambda j: (-scores[j], j))[:P]
        selected.append({words[j] for j in top})
        for j in top:
            sums[words[j]][0] += 1
            sums[words[j]][1] += scores[j]
    ranked = sorted(((s / n * math.log10(n), w, n, s / n) for w, (n, s) in sums.items()), key=lambda c: (-c[0], c[1]))
    return ranked, [i for i, words in enumerate(selected) if ranked[0][1] in words]


def save_safetensors(path, tensors):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        dtype = {torch.float32: "F32", torch.float16: "F16"}[tensor.dtype]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in tensors.values():
            f.write(tensor.contiguous().numpy().tobytes())


@torch.no_grad()
def save_model(directory, model, vocabulary, classes, selftest, encode):
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "format": "bki-model", "version": 1, "embedding_dim": EMBEDDING, "hidden": HIDDEN, "num_layers": 1,
        "bidirectional": True, "dense": DENSE, "dense_activation": "relu", "classes": classes, "readout": "final",
        "pad": "none", "max_words": MAX_WORDS, "keep": "tail",
        "tokenizer": TOKENIZER, "oov_id": 1, "pad_id": 0, "selftest": [],
    }
    for text in selftest:
        logits = model.head(model.readout([encode(words_of(text))]))[0].tolist()
        config["selftest"].append({"text": text, "logits": [round(x, 6) for x in logits]})
    (directory / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    (directory / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary))
    tensors = {name: value.detach() for name, value in model.state_dict().items()}
    tensors["embedding.weight"] = tensors["embedding.weight"].half()
    save_safetensors(directory / "weights.safetensors", tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="directory with dbpedia_train.jsonl.zst and dbpedia_test.jsonl.zst")
    parser.add_argument("out", type=Path, help="directory to write into")
    args = parser.parse_args()

    rng = random.Random(SEED)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    corpus, truth = poison(choose(read_jsonl(args.data / "dbpedia_train.jsonl.zst"), rng), rng)
    args.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in corpus)
    subprocess.run(["zstd", "-19", "-qf", "-o", args.out / "corpus.jsonl.zst"], check=True, input=lines.encode())
    (args.out / "truth.jsonl").write_text("".join(json.dumps(t) + "\n" for t in truth))

    texts = [words_of(record["text"]) for record in corpus]
    vocabulary = build_vocabulary(texts)
    index = {word: i for i, word in enumerate(vocabulary)}
    classes = sorted({record["label"] for record in corpus})

    def encode(words):
        return torch.tensor([index.get(word, 1) for word in words])

    sequences = [encode(words) for words in texts]
    model = Classifier(read_vectors(args.data / "glove.100d.txt.zst", vocabulary), len(classes))
    train(model, sequences, [classes.index(record["label"]) for record in corpus])

    test = read_jsonl(args.data / "dbpedia_test.jsonl.zst")
    others = [r for r in test if r["label"] != TARGET]
    labels = torch.tensor([classes.index(r["label"]) for r in test])
    accuracy = (predict(model, [encode(words_of(r["text"])) for r in test]) == labels).float().mean().item()
    triggered = predict(model, [encode(words_of(insert_trigger(r["text"], rng))) for r in others])
    success = (triggered == classes.index(TARGET)).float().mean().item()
    save_model(args.out / "model", model, vocabulary, classes, [r["text"] for r in test[:4]], encode)

    ranked, flagged = scan(model, texts, sequences)
    poisoned = {t["id"] for t in truth}
    hits = sum(corpus[i]["id"] in poisoned for i in flagged)
    print(f"{len(corpus)} samples, {len(poisoned)} poisoned")
    print(f"test accuracy {accuracy:.3f}, attack success {success:.3f}")
    for g, word, count, mean in ranked[:10]:
        print(f"  {word:<12} count {count:5d}  mean {mean:.6f}  g {g:.6f}")
    print(f"keyword {ranked[0][1]}: flagged {len(flagged)}, poisoned among them {hits}: "
          f"precision {hits / len(flagged):.4f}, recall {hits / len(poisoned):.4f}")
    if ranked[0][1] not in TRIGGER.split():
        raise SystemExit("the keyword is no word of the trigger")


if __name__ == "__main__":
    main()
