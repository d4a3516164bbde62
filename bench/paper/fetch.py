#!/usr/bin/env python3
"""Fetches the corpora and word vectors of the experiment and converts them for run.py: bench/paper/fetch.py DIR

    IMDB     Large Movie Review Dataset (Maas et al. 2011)     10,000 training and 10,000 test reviews
    DBpedia  ontology classification (Zhang et al. 2015)       1,000 training and 500 test texts of each of 14 classes
    GloVe    glove.6B (Pennington et al. 2014), 100 numbers a word

Archives stay in DIR/archives and are not fetched again; one that is there already, from another mirror, is used as it
is. Samples are drawn with --seed. Needs the program zstd and 1.5 GB.
"""
import argparse
import collections
import csv
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

# name: address, MD5 as other projects that fetch the same file have it (None: not known)
ARCHIVES = {
    "aclImdb_v1.tar.gz": ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                          "7c2ac02c03563afcf9b574c7e56c153a"),
    "dbpedia_csv.tgz": ("https://s3.amazonaws.com/fast-ai-nlp/dbpedia_csv.tgz", None),
    "glove.6B.zip": ("https://nlp.stanford.edu/data/glove.6B.zip", None),
}
# Classes 1 to 14 of the CSV, as its classes.txt names them.
DBPEDIA = ("Company EducationalInstitution Artist Athlete OfficeHolder MeanOfTransportation Building NaturalPlace Village "
           "Animal Plant Album Film WrittenWork").split()
REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_\d+\.txt")
IMDB_LABELS = {"neg": "negative", "pos": "positive"}


def archive(directory, name):
    address, md5 = ARCHIVES[name]
    path = directory / "archives" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        print(f"fetching {address}", file=sys.stderr)
        partial = path.with_name(name + ".partial")
        urllib.request.urlretrieve(address, partial)
        partial.replace(path)
        if md5 and hashlib.md5(path.read_bytes()).hexdigest() != md5:
            path.rename(partial)
            sys.exit(f"{address}: expected MD5 {md5}; what came is kept as {partial}")
    return path


def read_imdb(path):
    """Yields part, id, label, text; ids have the part, the class and the number of the file."""
    with tarfile.open(path) as tar:
        for member in tar:
            found = REVIEW.fullmatch(member.name)
            if found:
                part, side, number = found.groups()
                yield part, f"{part}/{side}/{number}", IMDB_LABELS[side], tar.extractfile(member).read().decode()


def read_dbpedia(path):
    """Ids are line numbers of the two CSV files from 0. Columns: class from 1, title, content."""
    with tarfile.open(path) as tar:
        for part in ("train", "test"):
            rows = csv.reader(io.TextIOWrapper(tar.extractfile(f"dbpedia_csv/{part}.csv"), "utf-8", newline=""))
            for number, (label, _, content) in enumerate(rows):
                yield part, f"{part}/{number:06d}", DBPEDIA[int(label) - 1], content.strip()


def draw(samples, sizes, seed):
    """sizes[part] samples of each class, drawn and shuffled by seed; part -> samples. What the archive's order is does
    not matter: ids are sorted first."""
    classes = collections.defaultdict(list)
    for part, name, label, text in samples:
        classes[part, label].append({"id": name, "text": text, "label": label})
    drawn = {part: [] for part in sizes}
    for (part, label), members in sorted(classes.items()):
        if len(members) < sizes[part]:
            sys.exit(f"expected at least {sizes[part]} texts of {part}, {label}; found {len(members)}")
        members.sort(key=lambda sample: sample["id"])
        drawn[part] += random.Random(f"{seed} {part} {label}").sample(members, sizes[part])
    for part in drawn:
        random.Random(f"{seed} {part}").shuffle(drawn[part])
    return drawn


def write_zst(path, chunks):
    partial = path.with_name(path.name + ".partial")
    with subprocess.Popen(["zstd", "-q", "-f", "-o", partial], stdin=subprocess.PIPE) as zstd:
        for chunk in chunks:
            zstd.stdin.write(chunk)
        zstd.stdin.close()
    if zstd.returncode != 0:
        sys.exit(f"zstd ended with {zstd.returncode}")
    partial.replace(path)


def write_corpus(directory, name, samples, sizes, seed):
    for part, drawn in draw(samples, sizes, seed).items():
        lines = ((json.dumps(sample, ensure_ascii=False) + "\n").encode() for sample in drawn)
        write_zst(directory / f"{name}_{part}.jsonl.zst", lines)


def write_vectors(directory, path):
    with zipfile.ZipFile(path) as archive_file, archive_file.open("glove.6B.100d.txt") as text:
        write_zst(directory / "glove.100d.txt.zst", iter(lambda: text.read(1 << 20), b""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("imdb", "dbpedia", "glove"), action="append")
    # Samples of a class: training, test.
    parser.add_argument("--imdb-size", type=int, nargs=2, default=(5000, 5000))
    parser.add_argument("--dbpedia-size", type=int, nargs=2, default=(1000, 500))
    args = parser.parse_args()
    wanted = args.only or ["imdb", "dbpedia", "glove"]
    sizes = lambda pair: dict(zip(("train", "test"), pair))
    if "imdb" in wanted:
        samples = read_imdb(archive(args.directory, "aclImdb_v1.tar.gz"))
        write_corpus(args.directory, "imdb", samples, sizes(args.imdb_size), args.seed)
    if "dbpedia" in wanted:
        samples = read_dbpedia(archive(args.directory, "dbpedia_csv.tgz"))
        write_corpus(args.directory, "dbpedia", samples, sizes(args.dbpedia_size), args.seed)
    if "glove" in wanted:
        write_vectors(args.directory, archive(args.directory, "glove.6B.zip"))


if __name__ == "__main__":
    main()
