"""Test of tools/export_pytorch.py: what it writes is what the trained model computes, as `bki model check` sees it."""
import itertools
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import export_pytorch  # noqa: E402

TOOL = export_pytorch.__file__
WORDS = ["<pad>", "<oov>", "the", "film", "was", "good", "bad", "it's"]
TEXTS = ["The film was good!", "the BAD<br />bad, zounds it's", "good"]
CLASSES = ["negative", "positive", "neutral"]
torch.set_num_threads(1)


class Net(torch.nn.Module):
    """A classifier as users write them; `read` turns LSTM outputs and h_n into what the head sees."""

    def __init__(self, layers=1, dense=4, outputs=3, bias=True, read="final", zero_pads=False):
        super().__init__()
        torch.manual_seed(layers + dense + outputs)
        self.read, self.zero_pads = read, zero_pads
        self.embedding = torch.nn.Embedding(9, 5)
        self.lstm = torch.nn.LSTM(5, 6, layers, bidirectional=True, batch_first=True, bias=bias, dropout=0.0)
        self.dense = torch.nn.Linear(12, dense, bias=bias) if dense else None
        self.output = torch.nn.Linear(dense or 12, outputs, bias=bias)

    def forward(self, ids):
        x = self.embedding(ids)
        if self.zero_pads:
            x = x * (ids != 0).unsqueeze(2)
        out, (h, _) = self.lstm(x)
        r = {"final": lambda: torch.cat([h[-2], h[-1]], 1), "last": lambda: out[:, -1],
             "mean": lambda: out.mean(1), "max": lambda: out.max(1).values}[self.read]()
        return self.output(torch.relu(self.dense(r)) if self.dense else r)


class Fixture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.directory = os.path.join(folder.name, "model")

    def export(self, net, **settings):
        options = dict(vocabulary=WORDS, classes=CLASSES, max_words=6, selftest=TEXTS, forward=net)
        options.update(settings)
        return export_pytorch.export(self.directory, embedding=net.embedding, lstm=net.lstm, dense=net.dense,
                                     output=net.output, **options)

    def refuses(self, message, net=None, **settings):
        with self.assertRaises(export_pytorch.ExportError) as caught:
            self.export(net or Net(), **settings)
        self.assertIn(message, str(caught.exception))
        self.assertFalse(os.path.exists(self.directory), "nothing is written")

    def check_with_bki(self):
        """bki computes the logits that the caller's model gave."""
        run = subprocess.run([os.environ["BKI_PROGRAM"], "model", "check", self.directory], capture_output=True,
                             text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"{len(TEXTS)} self-test texts agree", run.stdout)


class Export(Fixture):
    def test_every_depth_and_head_computes_the_same_in_bki(self):
        for layers, dense, bias in itertools.product((1, 3), (0, 4), (True, False)):
            with self.subTest(layers=layers, dense=dense, bias=bias):
                self.export(Net(layers, dense, bias=bias), force=True)
                self.check_with_bki()

    def test_every_pad_mode_and_readout_computes_the_same_in_bki(self):
        for pad, read, zero in itertools.product(("none", "pre:7", "post:6"), ("final", "last", "mean", "max"), (0, 1)):
            with self.subTest(pad=pad, readout=read, zero=zero):
                self.export(Net(read=read, zero_pads=bool(zero)), pad=pad, readout=read,
                            pad_vector="zero" if zero else "embedding", force=True)
                self.check_with_bki()

    def test_tokenizers_and_truncation_compute_the_same_in_bki(self):
        for tokenizer, keep, oov in itertools.product(("words", "keras", "whitespace"), ("head", "tail"), (1, -1)):
            with self.subTest(tokenizer=tokenizer, keep=keep, oov_id=oov):
                self.export(Net(), tokenizer=tokenizer, keep=keep, oov_id=oov, max_words=2, force=True)
                self.check_with_bki()

    def test_one_sigmoid_output_becomes_two_classes(self):
        net = Net(outputs=1)
        config = self.export(net, classes=["no", "yes"])
        ids = torch.tensor([[2, 3, 4, 5]])
        self.assertEqual(config["selftest"][0]["logits"][0], 0)
        self.assertAlmostEqual(config["selftest"][0]["logits"][1], float(net(ids)), places=6)
        self.check_with_bki()

    def test_a_wrong_description_of_the_model_is_found_out(self):
        self.refuses("forward: its logits are off by", Net(read="max"), readout="final")
        self.refuses("forward: its logits are off by", Net(), pad="pre:6", pad_vector="zero")
        self.refuses("forward: its logits are off by", Net(), dense_activation="tanh")
        self.refuses("forward: expected 3 logits for one text, found 2", forward=lambda ids: torch.zeros(1, 2))

    def test_modules_that_do_not_fit_are_refused(self):
        net = Net()
        net.lstm = torch.nn.LSTM(5, 6)
        self.refuses("lstm: expected bidirectional=True, found False", net)
        net.lstm = torch.nn.LSTM(4, 6, bidirectional=True)
        self.refuses("lstm: expected 5 inputs, the width of the embedding, found 4", net)
        net.lstm = torch.nn.LSTM(5, 6, bidirectional=True, proj_size=2)
        self.refuses("lstm: projections (proj_size) are not supported", net)
        net.lstm = torch.nn.GRU(5, 6, bidirectional=True)
        self.refuses("lstm: expected an nn.LSTM, found GRU", net)
        net = Net()
        net.dense = torch.nn.Linear(13, 4)
        self.refuses("dense: expected 12 inputs, found 13", net)
        self.refuses("output: expected 2 outputs, one a class, found 3", classes=["a", "b"])
        net = Net()
        net.output.bias.data[1] = float("nan")
        self.refuses("output.bias: expected finite numbers", net)

    def test_settings_that_do_not_fit_are_refused(self):
        self.refuses("vocabulary: expected 1 to 9 words, the rows of the embedding, found 10",
                     vocabulary=[f"w{i}" for i in range(10)])
        self.refuses("vocabulary: 'a' stands at 0 and again at 2", vocabulary=["a", "b", "a"])
        self.refuses("found 'a b' at 0", vocabulary=["a b"])
        self.refuses("max_words: expected at most T of pad pre:5, found 6", pad="pre:5")
        self.refuses("pad: expected none, pre:T or post:T, found 'left'", pad="left")
        self.refuses("oov_id: expected -1 to 8, found 9", oov_id=9)
        self.refuses("classes: expected at least two distinct names", classes=["a", "a", "b"])
        self.refuses("tokenizer: keras does no HTML handling", tokenizer="keras", strip_html=True)
        self.refuses("readout: expected one of final, last, mean, max, found 'sum'", readout="sum")

    def test_a_model_is_not_replaced_unless_forced(self):
        self.export(Net())
        with self.assertRaises(export_pytorch.ExportError) as caught:
            self.export(Net())
        self.assertIn("exists; pass force to replace it", str(caught.exception))
        self.export(Net(), force=True)

    def test_files_are_as_documented(self):
        net = Net()
        self.export(net, meta={"epochs": 3})
        with open(os.path.join(self.directory, "weights.safetensors"), "rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(size))
            data = file.read()
        self.assertEqual(size % 8, 0, "the data is aligned")
        self.assertEqual(header["lstm.weight_ih_l0_reverse"]["shape"], [24, 5])
        begin, end = header["output.bias"]["data_offsets"]
        self.assertEqual(end, len(data))
        self.assertEqual(list(struct.unpack("<3f", data[begin:end])), net.output.bias.tolist())
        with open(os.path.join(self.directory, "vocab.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read().split("\n"), WORDS + [""])
        with open(os.path.join(self.directory, "config.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["meta"], {"epochs": 3})


class CommandLine(Fixture):
    def run_tool(self, *options):
        return subprocess.run([sys.executable, TOOL, *options], capture_output=True, text=True, check=False)

    def arguments(self, net, classes=("a", "b", "c")):
        wrapped = torch.nn.ModuleDict({"net": net})  # names with a dot, as in larger models
        checkpoint, vocabulary, texts = (os.path.join(self.folder, name) for name in ("net.pt", "vocab.txt", "texts"))
        torch.save(wrapped.state_dict(), checkpoint)
        with open(vocabulary, "w", encoding="utf-8") as file:
            file.writelines(word + "\n" for word in WORDS)
        with open(texts, "w", encoding="utf-8") as file:
            file.writelines(text + "\n" for text in TEXTS)
        return [checkpoint, self.directory, "--vocabulary", vocabulary, "--classes", *classes, "--max-words", "6",
                "--embedding", "net.embedding", "--lstm", "net.lstm", "--dense", "net.dense", "--output", "net.output",
                "--selftest", texts]

    def test_a_state_dict_is_enough(self):
        run = self.run_tool(*self.arguments(Net(2)))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("3 classes, 2 layer(s) of 6 units, 3 self-test texts", run.stdout)
        self.check_with_bki()

    def test_errors_are_one_line(self):
        arguments = self.arguments(Net())
        for change, message in ((("--lstm", "rnn"), "no module 'rnn' in the state_dict; it has net.dense, net.embedding"),
                                (("--lstm", "net.dense"), "net.dense: expected weight_hh_l0 of shape [4H, H]"),
                                (("--pad", "pre:3"), "max_words: expected at most T of pad pre:3, found 6"),
                                (("--vocabulary", "/nonexistent"), "No such file or directory")):
            run = self.run_tool(*arguments, *change)
            self.assertEqual(run.returncode, 3, run.stdout)
            self.assertIn(message, run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)


class Tap(unittest.TextTestResult):
    """One TAP line a test."""

    def report(self, test, word):
        self.stream.writeln(f"{word} {self.testsRun} - {test.id()}")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.report(test, "not ok")

    def addError(self, test, err):
        super().addError(test, err)
        self.report(test, "not ok")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.report(subtest, "not ok")


if __name__ == "__main__":
    unittest.main(testRunner=unittest.TextTestRunner(stream=sys.stdout, resultclass=Tap, verbosity=0))
