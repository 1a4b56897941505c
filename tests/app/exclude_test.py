#!/usr/bin/python3
"""`--exclude-features`: stop words, and other features that are left out by their names."""
import unittest

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

from program import ProgramTest, positive_matrix

WORDS = ["the", "ark", "of", "flood", "and", "king", "sheep"]
KEPT = [1, 3, 5, 6]


class Exclude(ProgramTest):
    def setUp(self):
        super().setUp()
        self.X = np.floor(4 * positive_matrix(40, 7)) * (positive_matrix(40, 7, 1) > 0.3)
        self.X[:, KEPT[0]] += 1
        self.write_words("X.h5ad", self.X)
        self.write_words("kept.h5ad", self.X[:, KEPT], [WORDS[j] for j in KEPT])
        with open(self.path("stop.txt"), "w", encoding="utf-8") as file:
            file.write("of\nthe\nand\nwhereupon\n")

    def write_words(self, name, X, words=None, kind=scipy.sparse.csr_matrix):
        anndata.AnnData(kind(X.astype("f4")), pd.DataFrame(index=[f"verse{i}" for i in range(len(X))]),
                        pd.DataFrame(index=words or WORDS)).write_h5ad(self.path(name))

    def names(self, name):
        return list(self.read(name, "feature_names").astype(str))

    def test_what_is_left_is_fitted(self):
        for command in (["fit", "-k", 3], ["ensemble", "-k", 3, "--replicates", 2, "--density-threshold",
                                           2], ["fit", "-k", 3, "--memory",
                                                "1K"], ["fit", "-k", 3, "--missing", "zero"]):
            command += ["--random-state", 0, "--quiet"]
            self.succeed(command[0], "X.h5ad", *command[1:], "--exclude-features", "stop.txt", "-o", "a.h5")
            self.succeed(command[0], "kept.h5ad", *command[1:], "-o", "b.h5")
            self.assertEqual(self.names("a.h5"), ["ark", "flood", "king", "sheep"])
            prefix = "k3/" if command[0] == "ensemble" else ""
            for array in ("H", "W"):
                np.testing.assert_array_equal(self.read("a.h5", prefix + array), self.read("b.h5", prefix + array))
        told = self.succeed("fit", "X.h5ad", "-k", 3, "--exclude-features", "stop.txt", "-o", "a.h5").stderr
        self.assertIn("3 of 7 features are left out (--exclude-features); of 4 names 1 are none of X's", told)

    def test_later_rows(self):
        self.succeed("fit", "X.h5ad", "-k", 3, "--random-state", 0, "--exclude-features", "stop.txt", "-o", "m.h5")
        self.succeed("transform", "kept.h5ad", "--model", "m.h5", "-o", "W.h5")
        W = self.read("W.h5", "W")
        self.succeed("transform", "X.h5ad", "--model", "m.h5", "--exclude-features", "stop.txt", "-o", "W.h5")
        np.testing.assert_array_equal(self.read("W.h5", "W"), W)
        self.write_words("mixed.h5ad", self.X[:, ::-1], WORDS[::-1])
        self.succeed("transform", "mixed.h5ad", "--model", "m.h5", "--exclude-features", "stop.txt", "--align-features",
                     "-o", "W.h5")
        np.testing.assert_allclose(self.read("W.h5", "W"), W, 1e-6)
        self.fail_with(1, "X has 7 features, but NMF is expecting 4", "transform", "X.h5ad", "--model", "m.h5", "-o",
                       "V.h5")
        for _ in range(2):
            self.succeed("partial-fit", "X.h5ad", "--model", "p.h5", "-k", 2, "--exclude-features", "stop.txt")
        self.assertEqual(self.names("p.h5"), ["ark", "flood", "king", "sheep"])

    def test_what_is_not_stored_by_rows_is_converted_first(self):
        for kind in (np.asarray, scipy.sparse.csc_matrix):
            self.write_words("other.h5ad", self.X, kind=kind)
            self.fail_with(1, "--exclude-features", "fit", "other.h5ad", "-k", 2, "--exclude-features", "stop.txt")
            self.succeed("convert", "other.h5ad", "--exclude-features", "stop.txt", "-o", "Y.h5")
            self.succeed("fit", "Y.h5", "-k", 3, "--random-state", 0, "-o", "a.h5")
            self.succeed("fit", "kept.h5ad", "-k", 3, "--random-state", 0, "-o", "b.h5")
            self.assertEqual(self.names("a.h5"), self.names("b.h5"))
            np.testing.assert_allclose(self.read("a.h5", "H"), self.read("b.h5", "H"), 1e-4)

    def test_what_cannot_be_left_out(self):
        with open(self.path("all.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(WORDS))
        with open(self.path("none.txt"), "w", encoding="utf-8") as file:
            file.write("whereupon\n")
        fit = ["fit", "X.h5ad", "-k", 2, "--exclude-features"]
        self.fail_with(1, "nothing is left", *fit, "all.txt")
        self.fail_with(1, "missing.txt", *fit, "missing.txt")
        self.write("plain.h5", X=self.X)
        self.fail_with(1, "has no names of features", "fit", "plain.h5", "-k", 2, "--exclude-features", "stop.txt")
        self.write_words("dense.h5ad", self.X, kind=np.asarray)
        told = self.succeed("fit", "dense.h5ad", "-k", 2, "--exclude-features", "none.txt").stderr
        self.assertIn("0 of 7 features are left out", told)
        with open(self.path("verses.txt"), "w", encoding="utf-8") as file:
            file.write("verse3\n")
        for name in ("dense.h5ad", "X.h5ad"):
            self.fail_with(1, "--exclude-features", "fit", name, "-k", 2, "--transpose", "--exclude-features",
                           "verses.txt")
        np.save(self.path("x.npy"), self.X)
        self.fail_with(2, "'--exclude-features' is for HDF5", "convert", "x.npy", "--exclude-features", "stop.txt",
                       "-o", "Y.h5")
        self.fail_with(2, "'--exclude-features' and '--transpose'", "convert", "X.h5ad", "--exclude-features",
                       "stop.txt", "--transpose", "-o", "Y.h5")
        self.fail_with(1, "they are one file", *fit, "stop.txt", "-o", "stop.txt")


if __name__ == "__main__":
    unittest.main()
