#!/usr/bin/env python3
"""Write an nn.LSTM text classifier as a model directory that bki reads (docs/models.md describes the format).

From Python, with the modules of a trained model:

    from export_pytorch import export
    export("model", embedding=net.embedding, lstm=net.lstm, dense=net.hidden, output=net.out,
           vocabulary=["<pad>", "<oov>", "the", ...], classes=["negative", "positive"], max_words=500,
           selftest=["a text", "another one"], forward=net)

From the shell, with a saved state_dict:

    export_pytorch.py model.pt model --vocabulary vocab.txt --classes negative,positive --max-words 500 \\
        --lstm net.lstm --dense net.hidden --output net.out --selftest texts.txt

Needs PyTorch and nothing else.
"""
import argparse
import array
import json
import math
import os
import re
import struct
import sys

import torch

MAX_DIFFERENCE = 1e-4  # between the logits of the caller's model and those of the exported one
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda x: x}
PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~"
LINE_BREAK = re.compile(r"</?br(?:[ \t\n\f\r/][^<>]*)?>", re.IGNORECASE)


class ExportError(ValueError):
    """What was expected and what was found."""


def check(condition, message):
    if not condition:
        raise ExportError(message)


def tokenize(text, tokenizer):
    """The words of a text, as the `tokenizer` object of config.json says."""
    kind = tokenizer["type"]
    if kind == "whitespace":
        return text.split()
    if tokenizer["strip_html"]:
        text = LINE_BREAK.sub(" ", text)
    if tokenizer["lowercase"]:
        text = text.lower()
    spaces = PUNCTUATION + ("\t\n" if kind == "keras" else "\t\n\r")
    text = text.translate(str.maketrans(spaces, " " * len(spaces)))
    return [word for word in text.split(" ") if word] if kind == "keras" else text.split()


def encode(text, config, ids):
    """The ids of a text's words: tokenised, unknown words dropped or replaced, truncated."""
    oov = config["oov_id"]
    found = [ids.get(word, oov) for word in tokenize(text, config["tokenizer"])]
    found = [i for i in found if i >= 0]
    n = config["max_words"]
    return found[:n] if config["keep"] == "head" else found[-n:]


def parse_pad(pad):
    """("none", 0), ("pre", T) or ("post", T)."""
    match = re.fullmatch(r"none|(pre|post):([1-9][0-9]{0,8})", pad)
    check(match, f"pad: expected none, pre:T or post:T, found {pad!r}")
    return (match.group(1), int(match.group(2))) if match.group(1) else ("none", 0)


def add_pads(ids, config):
    """The ids of all steps, pads included, and which of them are pads."""
    side, steps = parse_pad(config["pad"])
    pads = [config["pad_id"]] * max(0, steps - len(ids))
    if side == "pre":
        return pads + ids, [True] * len(pads) + [False] * len(ids)
    return ids + pads, [False] * len(ids) + [True] * len(pads)


def read_out(output, readout):
    """[T, 2H] outputs of the last layer -> [2H]."""
    hidden = output.shape[1] // 2
    if len(output) == 0:
        return output.new_zeros(2 * hidden)
    if readout == "final":
        return torch.cat([output[-1, :hidden], output[0, hidden:]])
    if readout == "last":
        return output[-1]
    return output.mean(0) if readout == "mean" else output.max(0).values


@torch.no_grad()
def compute_logits(tensors, config, ids):
    """The logits of one text, out of what is about to be written."""
    steps, is_pad = add_pads(ids, config)
    x = tensors["embedding.weight"][torch.tensor(steps, dtype=torch.long)]
    if config["pad_vector"] == "zero":
        x = x.masked_fill(torch.tensor(is_pad, dtype=torch.bool).reshape(-1, 1), 0)
    lstm = torch.nn.LSTM(config["embedding_dim"], config["hidden"], config["num_layers"], bidirectional=True)
    lstm.load_state_dict({name[len("lstm."):]: t for name, t in tensors.items() if name.startswith("lstm.")})
    output = lstm(x.unsqueeze(1))[0].squeeze(1) if steps else x.new_zeros(0, 2 * config["hidden"])
    features = read_out(output, config["readout"])
    if config["dense"] > 0:
        activation = ACTIVATIONS[config["dense_activation"]]
        features = activation(tensors["dense.weight"] @ features + tensors["dense.bias"])
    return tensors["output.weight"] @ features + tensors["output.bias"]


def write_safetensors(path, tensors):
    """Writes {name: CPU tensor} as F32, little-endian, in the given order."""
    header, blobs, end = {}, [], 0
    for name, tensor in tensors.items():
        values = array.array("f", tensor.detach().to("cpu", torch.float32).reshape(-1).tolist())
        if sys.byteorder == "big":
            values.byteswap()
        blobs.append(values.tobytes())
        begin, end = end, end + len(blobs[-1])
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(blobs)


def linear(name, module, inputs):
    """Weight and bias of an nn.Linear that reads `inputs` numbers."""
    check(isinstance(module, torch.nn.Linear), f"{name}: expected an nn.Linear, found {type(module).__name__}")
    check(module.in_features == inputs, f"{name}: expected {inputs} inputs, found {module.in_features}")
    weight = module.weight
    return weight, module.bias if module.bias is not None else weight.new_zeros(len(weight))


def collect_lstm(lstm, embedding_dim):
    """The LSTM's tensors under their own names; absent biases are zeros."""
    check(isinstance(lstm, torch.nn.LSTM), f"lstm: expected an nn.LSTM, found {type(lstm).__name__}")
    check(lstm.bidirectional, "lstm: expected bidirectional=True, found False")
    check(getattr(lstm, "proj_size", 0) == 0, "lstm: projections (proj_size) are not supported")
    check(lstm.input_size == embedding_dim,
          f"lstm: expected {embedding_dim} inputs, the width of the embedding, found {lstm.input_size}")
    tensors = {}
    for layer in range(lstm.num_layers):
        for suffix in ("", "_reverse"):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                name = f"{kind}_l{layer}{suffix}"
                tensors["lstm." + name] = getattr(lstm, name) if lstm.bias or kind.startswith("weight") \
                    else torch.zeros(4 * lstm.hidden_size)
    return tensors


def collect_tensors(embedding, lstm, dense, output, n_classes):
    """All tensors of a model directory, float32 on the CPU, in the order of the documentation."""
    check(isinstance(embedding, torch.nn.Embedding),
          f"embedding: expected an nn.Embedding, found {type(embedding).__name__}")
    check(embedding.max_norm is None, "embedding: max_norm rescales vectors as they are read; clear it after training")
    tensors = {"embedding.weight": embedding.weight, **collect_lstm(lstm, embedding.embedding_dim)}
    width = 2 * lstm.hidden_size
    if dense is not None:
        tensors["dense.weight"], tensors["dense.bias"] = linear("dense", dense, width)
        width = dense.out_features
    weight, bias = linear("output", output, width)
    if len(weight) == 1 and n_classes == 2:  # sigmoid(z) = softmax(0, z)
        weight, bias = torch.cat([torch.zeros_like(weight), weight]), torch.cat([torch.zeros_like(bias), bias])
    check(len(weight) == n_classes, f"output: expected {n_classes} outputs, one a class, found {len(weight)}")
    tensors["output.weight"], tensors["output.bias"] = weight, bias
    tensors = {name: t.detach().to("cpu", torch.float32) for name, t in tensors.items()}
    for name, tensor in tensors.items():
        check(bool(torch.isfinite(tensor).all()), f"{name}: expected finite numbers, found infinity or NaN")
    return tensors


def check_words(vocabulary, rows):
    """The word list becomes lines of vocab.txt; returns {word: id}."""
    check(1 <= len(vocabulary) <= rows,
          f"vocabulary: expected 1 to {rows} words, the rows of the embedding, found {len(vocabulary)}")
    ids = {}
    for i, word in enumerate(vocabulary):
        check(word != "" and not re.search("[ \n\0]", word) and not word.endswith("\r"),
              f"vocabulary: expected words without spaces and line ends, found {word!r} at {i}")
        check(word not in ids, f"vocabulary: {word!r} stands at {ids.get(word)} and again at {i}")
        ids[word] = i
    return ids


def check_config(config, rows):
    side, steps = parse_pad(config["pad"])
    for key, values in (("readout", ("final", "last", "mean", "max")), ("keep", ("tail", "head")),
                        ("pad_vector", ("embedding", "zero")), ("dense_activation", tuple(ACTIVATIONS))):
        check(config[key] in values, f"{key}: expected one of {', '.join(values)}, found {config[key]!r}")
    check(config["max_words"] >= 1, f"max_words: expected at least 1, found {config['max_words']}")
    check(side == "none" or config["max_words"] <= steps,
          f"max_words: expected at most T of pad {config['pad']}, found {config['max_words']}")
    check(-1 <= config["oov_id"] < rows, f"oov_id: expected -1 to {rows - 1}, found {config['oov_id']}")
    check(0 <= config["pad_id"] < rows, f"pad_id: expected 0 to {rows - 1}, found {config['pad_id']}")
    names = config["classes"]
    check(len(names) >= 2 and len(set(names)) == len(names) and all(names),
          f"classes: expected at least two distinct names, found {names}")


def make_tokenizer(kind, lowercase, strip_html):
    check(kind in ("words", "keras", "whitespace"), f"tokenizer: expected words, keras or whitespace, found {kind!r}")
    tokenizer = {"type": kind, "lowercase": kind != "whitespace" if lowercase is None else lowercase,
                 "strip_html": kind == "words" if strip_html is None else strip_html}
    check(not tokenizer["lowercase"] or kind != "whitespace", "tokenizer: whitespace does no lower-casing")
    check(not tokenizer["strip_html"] or kind == "words", f"tokenizer: {kind} does no HTML handling")
    return tokenizer


@torch.no_grad()
def run_selftest(texts, tensors, config, ids, forward):
    """The texts with their logits. With `forward`, the caller's model has the say, and has to agree."""
    results = []
    for text in texts:
        encoded = encode(text, config, ids)
        logits = compute_logits(tensors, config, encoded)
        if forward is not None:
            steps = torch.tensor([add_pads(encoded, config)[0]], dtype=torch.long)
            check(steps.shape[1] > 0, f"selftest: no known word in {text!r}")
            theirs = forward(steps).detach().to("cpu", torch.float32).reshape(-1)
            if len(theirs) == 1 and len(logits) == 2:
                theirs = torch.cat([torch.zeros(1), theirs])
            check(theirs.shape == logits.shape,
                  f"forward: expected {len(logits)} logits for one text, found {len(theirs)}")
            difference = float((theirs - logits).abs().max())
            check(difference <= MAX_DIFFERENCE,
                  f"forward: its logits are off by {difference:.3g} for {text[:60]!r}: readout, pad, pad_vector or "
                  "dense_activation do not describe this model, or it is not in eval mode")
            logits = theirs
        results.append({"text": text, "logits": [float(f"{z:.9g}") for z in logits.tolist()]})
    return results


def export(directory, *, embedding, lstm, output, vocabulary, classes, max_words, dense=None, dense_activation="relu",
           readout="final", pad="none", pad_vector="embedding", pad_id=0, oov_id=1, keep="tail", tokenizer="words",
           lowercase=None, strip_html=None, selftest=(), forward=None, meta=None, force=False):
    """Writes config.json, weights.safetensors and vocab.txt; returns the configuration.

    embedding, lstm, dense, output: the trained nn.Embedding, nn.LSTM(bidirectional=True), nn.Linear or None, nn.Linear.
        An output layer of one unit (a sigmoid) becomes two classes with the logits 0 and z.
    vocabulary: the words, index = id, at most as many as the embedding has rows.
    classes: their names in the order of the outputs.
    selftest: texts whose logits are stored, for `bki model check`.
    forward: a function of ids [1, T] (pads included) to logits, usually the model in eval mode. It is compared with
        what was exported: a wrong readout, padding or activation is an error.
    The rest is described in docs/models.md. Raises ExportError.
    """
    vocabulary, classes = list(vocabulary), [str(name) for name in classes]
    tensors = collect_tensors(embedding, lstm, dense, output, len(classes))
    rows = embedding.num_embeddings
    config = {
        "format": "bki-model", "version": 1,
        "embedding_dim": embedding.embedding_dim, "hidden": lstm.hidden_size, "num_layers": lstm.num_layers,
        "bidirectional": True,
        "dense": dense.out_features if dense is not None else 0, "dense_activation": dense_activation,
        "classes": classes, "readout": readout, "pad": pad, "pad_vector": pad_vector,
        "max_words": max_words, "keep": keep,
        "tokenizer": make_tokenizer(tokenizer, lowercase, strip_html), "oov_id": oov_id, "pad_id": pad_id,
    }
    check_config(config, rows)
    ids = check_words(vocabulary, rows)
    if meta is not None:
        config["meta"] = meta
    config["selftest"] = run_selftest(selftest, tensors, config, ids, forward)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "config.json")
    check(force or not os.path.exists(path), f"{path} exists; pass force to replace it")
    write_safetensors(os.path.join(directory, "weights.safetensors"), tensors)
    with open(os.path.join(directory, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(word + "\n" for word in vocabulary)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, ensure_ascii=False, indent=1)
        file.write("\n")
    return config
