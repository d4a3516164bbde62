#!/usr/bin/env python3
"""Write an nn.LSTM text classifier as a model directory that bki reads (docs/models.md describes the format).

From Python, with the modules of a trained model:

    from export_pytorch import export
    export("model", embedding=net.embedding, lstm=net.lstm, dense=net.hidden, output=net.out,
           vocabulary=["<pad>", "<oov>", "the", ...], classes=["negative", "positive"], max_words=500,
           selftest=["a text", "another one"], forward=net)

From the shell, with a saved state_dict:

    export_pytorch.py model.pt model --vocabulary vocab.txt --classes negative positive --max-words 500 \\
        --lstm net.lstm --dense net.hidden --output net.out --selftest texts.txt

Needs PyTorch and nothing else.
"""
import argparse
import array
import json
import os
import pickle
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


def take(state, prefix):
    """The entries below a module's name, without it."""
    found = {name[len(prefix) + 1:]: t for name, t in state.items() if name.startswith(prefix + ".")}
    tops = sorted({name.rpartition(".")[0] for name in state})
    check(found, f"no module {prefix!r} in the state_dict; it has {', '.join(tops)}")
    return found


def rebuild(module, state, name):
    """The module with the given state."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ExportError(f"{name}: {error}") from error
    return module


def rebuild_lstm(state, name):
    recurrent = state.get("weight_hh_l0")
    check(recurrent is not None and recurrent.dim() == 2 and recurrent.shape[0] == 4 * recurrent.shape[1],
          f"{name}: expected weight_hh_l0 of shape [4H, H], that of an nn.LSTM without projections, found "
          f"{'none' if recurrent is None else list(recurrent.shape)}")
    layers = sum(f"weight_ih_l{layer}" in state for layer in range(len(state)))
    lstm = torch.nn.LSTM(state["weight_ih_l0"].shape[1], recurrent.shape[1], layers, bias="bias_ih_l0" in state,
                         bidirectional="weight_ih_l0_reverse" in state)
    return rebuild(lstm, state, name)


def rebuild_linear(state, name):
    check("weight" in state and state["weight"].dim() == 2, f"{name}: expected the weight and bias of an nn.Linear")
    linear_ = torch.nn.Linear(state["weight"].shape[1], state["weight"].shape[0], bias="bias" in state)
    return rebuild(linear_, state, name)


def read_lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description="Turn a saved state_dict of an nn.LSTM classifier into a model directory of bki.",
        epilog="The options after the names are keys of config.json: docs/models.md describes them.")
    parser.add_argument("checkpoint", help="file of torch.save(model.state_dict(), ...); also {'state_dict': ...}")
    parser.add_argument("directory", help="where to write config.json, weights.safetensors and vocab.txt")
    parser.add_argument("--vocabulary", required=True, metavar="FILE", help="one word a line, line number from 0 = id")
    parser.add_argument("--classes", required=True, nargs="+", metavar="NAME", help="in the order of the outputs")
    parser.add_argument("--max-words", required=True, type=int)
    parser.add_argument("--embedding", default="embedding", metavar="MODULE", help="name of the module (%(default)s)")
    parser.add_argument("--lstm", default="lstm", metavar="MODULE", help="name of the module (%(default)s)")
    parser.add_argument("--dense", metavar="MODULE", help="name of the module (none)")
    parser.add_argument("--output", default="output", metavar="MODULE", help="name of the module (%(default)s)")
    parser.add_argument("--dense-activation", default="relu", choices=list(ACTIVATIONS))
    parser.add_argument("--readout", default="final", choices=["final", "last", "mean", "max"])
    parser.add_argument("--pad", default="none", metavar="none|pre:T|post:T")
    parser.add_argument("--pad-vector", default="embedding", choices=["embedding", "zero"])
    parser.add_argument("--pad-id", type=int, default=0)
    parser.add_argument("--oov-id", type=int, default=1, help="-1: unknown words are dropped")
    parser.add_argument("--keep", default="tail", choices=["tail", "head"])
    parser.add_argument("--tokenizer", default="words", choices=["words", "keras", "whitespace"])
    parser.add_argument("--no-lowercase", dest="lowercase", action="store_false", default=None)
    parser.add_argument("--no-strip-html", dest="strip_html", action="store_false", default=None)
    parser.add_argument("--selftest", metavar="FILE", help="texts, one a line, to store with their logits")
    parser.add_argument("--force", action="store_true", help="replace a model that is there")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    try:
        state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        table = take(state, args.embedding)
        check("weight" in table, f"{args.embedding}: expected the weight of an nn.Embedding")
        config = export(
            args.directory, embedding=torch.nn.Embedding.from_pretrained(table["weight"].float()),
            lstm=rebuild_lstm(take(state, args.lstm), args.lstm),
            dense=rebuild_linear(take(state, args.dense), args.dense) if args.dense else None,
            output=rebuild_linear(take(state, args.output), args.output), vocabulary=read_lines(args.vocabulary),
            classes=args.classes, max_words=args.max_words, dense_activation=args.dense_activation,
            readout=args.readout, pad=args.pad, pad_vector=args.pad_vector, pad_id=args.pad_id, oov_id=args.oov_id,
            keep=args.keep, tokenizer=args.tokenizer, lowercase=args.lowercase, strip_html=args.strip_html,
            selftest=read_lines(args.selftest) if args.selftest else (), force=args.force)
    except (ExportError, OSError, pickle.UnpicklingError) as error:
        print(f"export_pytorch.py: {error}", file=sys.stderr)
        return 3
    print(f"{args.directory}: {len(config['classes'])} classes, {config['num_layers']} layer(s) of {config['hidden']} "
          f"units, {len(config['selftest'])} self-test texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
