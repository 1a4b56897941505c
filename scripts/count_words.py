#!/usr/bin/python3
"""Chapters by words, as sparse matrices for scanmf.

    count_words.py TEXT -o FOLDER     TEXT as the program `bible` prints it; writes counts.h5ad and tfidf.h5ad there
    count_words.py --print-topics     reads `scanmf inspect MODEL --json` from standard input, prints a topic's words a
                                      line
"""
import argparse
import collections
import json
import os
import re
import sys

from arguments import no_import

try:
    import h5py
    import numpy as np
    import scipy.sparse
except ImportError as missing:
    no_import(missing, "Debian's packages python3-h5py, python3-numpy, python3-scipy")

FORMS_OF_ADDRESS = set("thou thee thy thine shall shalt unto hath hast saith said upon came come went let thereof "
                       "therefore every before because".split())


def read_chapters(path):
    """Chapter name -> text. A heading is a line such as "Genesis 1"; verses are indented and numbered."""
    chapters, name = collections.OrderedDict(), None
    with open(path, encoding="latin-1") as lines:
        for line in lines:
            verse = re.match(r"\s+\d+ (.*)", line)
            if verse and name:
                chapters[name] += " " + verse[1]
            elif re.match(r"\S.* \d+\s*$", line):
                name = line.strip()
                chapters[name] = ""
    return chapters


def count(texts):
    """Documents by words: words of 3 letters or more that stand in 5 documents or more, but in no more than 40 of
    100."""
    counters = [collections.Counter(re.findall(r"[a-z]{3,}", text.lower())) for text in texts]
    documents = collections.Counter(word for counter in counters for word in counter)
    words = sorted(w for w, d in documents.items() if 5 <= d <= 0.4 * len(texts) and w not in FORMS_OF_ADDRESS)
    number = {word: j for j, word in enumerate(words)}
    rows, columns, values = zip(*((i, number[w], c) for i, counter in enumerate(counters) for w, c in counter.items()
                                  if w in number))
    return scipy.sparse.csr_matrix((np.asarray(values, np.float32), (rows, columns)),
                                   shape=(len(texts), len(words))), words


def tfidf(counts):
    """(1 + ln count)·(1 + ln((1 + m)/(1 + documents with the word))), rows scaled to length 1."""
    x = counts.copy()
    x.data = 1 + np.log(x.data)
    x = x @ scipy.sparse.diags(1 + np.log((1 + x.shape[0]) / (1 + np.bincount(counts.indices, minlength=x.shape[1]))))
    return (scipy.sparse.diags(1 / np.sqrt(x.multiply(x).sum(1)).A1) @ x).tocsr().astype(np.float32)


def write(path, x, words, names):
    with h5py.File(path, "w") as f:
        group = f.create_group("X")
        group.attrs["encoding-type"], group.attrs["encoding-version"], group.attrs[
            "shape"] = "csr_matrix", "0.1.0", np.array(x.shape)
        group["data"], group["indices"], group["indptr"] = x.data, x.indices, x.indptr
        for frame, index in (("var", words), ("obs", names)):
            g = f.create_group(frame)
            g.attrs["encoding-type"], g.attrs["encoding-version"], g.attrs["_index"] = "dataframe", "0.2.0", "_index"
            g.create_dataset("_index", data=index, dtype=h5py.string_dtype())
    print(f"{path}: {x.shape[0]} x {x.shape[1]}, {x.nnz} non-zeros")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("text", nargs="?")
    p.add_argument("-o", "--output", default=".")
    p.add_argument("--print-topics", action="store_true")
    a = p.parse_args()
    if a.print_topics:
        for topic in json.load(sys.stdin)["top_features"]:
            print("  " + " ".join(feature["name"] for feature in topic))
        return
    if a.text is None:
        p.error("the text is missing")
    chapters = read_chapters(a.text)
    counts, words = count(list(chapters.values()))
    write(os.path.join(a.output, "counts.h5ad"), counts, words, list(chapters))
    write(os.path.join(a.output, "tfidf.h5ad"), tfidf(counts), words, list(chapters))


if __name__ == "__main__":
    main()
