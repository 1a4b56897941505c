"""What README.md and the pages of src/docs print can be typed: the commands of the first of them are run, and of all
the others the options are known."""
import functools
import glob
import gzip
import itertools
import os
import re
import shlex
import struct
import subprocess
import unittest

import anndata
import numpy as np
import scipy.sparse
from program import PROGRAM, ProgramTest, positive_matrix

PROJECT = os.path.join(os.path.dirname(__file__), "..", "..")
PAGES = ["README.md", *sorted(os.path.relpath(page, PROJECT) for page in glob.glob(f"{PROJECT}/src/docs/*.md"))]


def text_of(page):
    with open(os.path.join(PROJECT, page), encoding="utf-8") as file:
        return file.read()


def commands_of(text):
    """What is printed to be typed, from the word scanmf on: lines of blocks, and words between backquotes."""
    fences = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = "".join(fences).splitlines() + re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    blocks = [line[match.start():] for line in lines if (match := re.search(r"(?<![\w/])scanmf [a-z]", line))]
    return blocks, re.findall(r"`(scanmf [a-z][^`\n]*)`", text)


@functools.cache
def options_of(command):
    text = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(?:(-\w), )?(--[\w-]+)", text, re.MULTILINE))


class Pages(ProgramTest):
    def run_lines(self, lines):
        for line in lines:
            with self.subTest(line):
                self.succeed(*shlex.split(line, comments=True)[1:], timeout=240)

    def test_readme_in_an_empty_folder(self):
        lines, _ = commands_of(text_of("README.md").split("### Command line\n")[1].split("\n### ")[0])
        self.assertGreaterEqual(len(lines), 4)
        self.run_lines(lines)

    def test_commands(self):
        X = positive_matrix(90, 40).astype(np.float32)
        for name in ("X.h5", "chunk1.h5", "new.h5"):
            self.write(name, **{"X": X, "var/_index": [str(j) for j in range(40)]})
        self.write("pairs.h5", rows=np.arange(5), columns=np.arange(5))
        anndata.AnnData(X).write_h5ad(self.path("X.h5ad"))
        for name in ("other.h5ad", "chunk2.h5ad"):  # features in another order
            anndata.AnnData(X)[:, ::-1].write_h5ad(self.path(name))
        counts = scipy.sparse.csr_matrix(np.floor(5 * X))
        anndata.AnnData(counts.astype(np.float32)).write_h5ad(self.path("counts.h5ad"))
        with open(self.path("stop.txt"), "w") as file:
            file.write("0\n7\n")
        with gzip.open(self.path("images-idx3-ubyte.gz"), "wb") as file:
            file.write(struct.pack(">4i", 0x803, 3, 2, 2) + bytes(range(12)))
        lines, _ = commands_of(text_of("src/docs/commands.md"))
        self.assertGreaterEqual(len(lines), 14)
        self.run_lines(lines)
        self.assertLessEqual({"model.h5", "W.h5", "Y.h5", "values.h5", "X_nmf.h5ad", "images.h5", "test.h5"},
                             set(os.listdir(self.folder)))

    def test_options_are_known(self):
        checked = 0
        for page in PAGES:
            for line in itertools.chain(*commands_of(text_of(page))):
                command, *words = re.sub(r"\s#.*", "", line).split()[1:]
                known = {name for pair in options_of(command) for name in pair}
                for word in words:
                    if re.match(r"--?[a-z]", word):
                        checked += 1
                        self.assertIn(word.split("=")[0], known, f"{page}: {line}")
        self.assertGreater(checked, 80)


if __name__ == "__main__":
    unittest.main()
