"""--align-features: columns of X in the order of the model's features, by their names."""
import os
import unittest

import h5py
import numpy as np
import scipy.sparse
from program import ProgramTest, positive_matrix

ROWS, FEATURES, UNKNOWN = 300, 75, 12  # the last strips of columns of both have other widths


class Align(ProgramTest):
    def setUp(self):
        super().setUp()
        self.X = positive_matrix(ROWS, FEATURES)
        self.X[np.random.RandomState(1).rand(ROWS, FEATURES) < 0.7] = 0
        self.names = [f"gene {j}" for j in range(FEATURES)]
        self.table("X.h5", self.X, self.names)
        # Three of the model's features are missing, others are unknown to it, and all have another place.
        random = np.random.RandomState(2)
        known = [j for j in random.permutation(FEATURES) if j not in (0, 17, FEATURES - 1)]
        self.order = known[:40] + [-1] + known[40:] + list(range(-2, -UNKNOWN - 1, -1))
        self.other_names = [self.names[j] if j >= 0 else f"unknown {-j}" for j in self.order]
        self.new = positive_matrix(ROWS, FEATURES) * (random.rand(ROWS, FEATURES) < 0.4)
        self.new[:, [0, 17, FEATURES - 1]] = 0
        self.turned = np.column_stack([self.new[:, j] if j >= 0 else np.full(ROWS, 7.0) for j in self.order])

    def table(self, name, X, names, kind="dense", **options):
        with h5py.File(self.path(name), "w") as file:
            if kind == "dense":
                file.create_dataset("X", data=X, **options)
            else:
                matrix = (scipy.sparse.csr_matrix if kind == "csr" else scipy.sparse.csc_matrix)(X)
                group = file.create_group("X")
                group.attrs.update({"encoding-type": f"{kind}_matrix", "shape": X.shape})
                for part in ("data", "indices", "indptr"):
                    group[part] = getattr(matrix, part)
            if names:
                file["var/_index"] = names
                file["var"].attrs["_index"] = "_index"

    def check_W(self, fit, *more):
        self.succeed("fit", "X.h5", "-k", "4", "--random-state", "0", "--max-iter", "20", "--save-w", "false", "-o",
                     "m.h5", "--quiet", *fit)
        for kind in ("dense", "csr", "csc"):
            self.table("right.h5", self.new, self.names, kind)
            self.table("turned.h5", self.turned, self.other_names, kind)
            self.succeed("transform", "right.h5", "--model", "m.h5", "-o", "expected.h5", "--quiet", *more)
            for memory in ("none", "20K") if kind != "csc" else ("none", ):
                with self.subTest(kind=kind, memory=memory):
                    result = self.succeed("transform", "turned.h5", "--model", "m.h5", "--align-features", "--memory",
                                          memory, "-o", "W.h5", *more)
                    np.testing.assert_allclose(self.read("W.h5", "W"), self.read("expected.h5", "W"), rtol=1e-9,
                                               atol=1e-12)
                    self.assertEqual(memory != "none", "streamed" in result.stderr)

    def test_W_of_features_in_another_order(self):
        self.check_W([])
        self.check_W(["--solver", "mu", "--beta-loss", "kl"])
        self.check_W(["--estimator", "minibatch-nmf", "--batch-size", "64"])

    def test_where_entries_are_missing(self):
        self.check_W([], "--missing", "zero", "--missing-empty", "keep")

    def test_what_is_told(self):
        self.succeed("fit", "X.h5", "-k", "4", "-o", "m.h5", "--quiet")
        self.table("turned.h5", self.turned, self.other_names)
        arguments = ("transform", "turned.h5", "--model", "m.h5", "-o", "W.h5")
        self.assertIn("; --align-features puts", self.fail_with(1, "X has 84 features, but", *arguments).errors[0])
        warnings = self.succeed(*arguments, "--align-features").warnings
        self.assertEqual(len(warnings), 2)
        self.assertIn("X lacks 3 ('gene 0', 'gene 17', 'gene 74') of the model's 75 features", warnings[0])
        self.assertIn(
            "does not know 12 ('unknown 1', 'unknown 2', 'unknown 3', 'unknown 4', 'unknown 5', ...) of the 84",
            warnings[1])
        self.assertEqual(self.succeed("transform", "X.h5", *arguments[2:], "--align-features").warnings, [])

    def test_partial_fit_learns_from_chunks_with_other_vocabularies(self):
        options = ("-k", "4", "--random-state", "0", "--batch-size", "64")
        for kind in ("dense", "csr"):
            self.table("right.h5", self.new, self.names, kind)
            self.table("turned.h5", self.turned, self.other_names, kind)
            for name, chunk, more in (("expected.h5", "right.h5", []), ("m.h5", "turned.h5", ["--align-features"]),
                                      ("s.h5", "turned.h5", ["--align-features", "--memory", "20K"])):
                self.succeed("partial-fit", "X.h5", "--model", name, *options, "--align-features", "--quiet")
                self.succeed("partial-fit", chunk, "--model", name, "--quiet", *more)
                np.testing.assert_allclose(self.read(name, "H"), self.read("expected.h5", "H"), rtol=1e-9)
                self.assertEqual([str(text) for text in self.texts(name, "feature_names")], self.names)
                os.rename(self.path(name), self.path("expected.h5")) if name == "expected.h5" else os.remove(
                    self.path(name))
            os.remove(self.path("expected.h5"))

    def texts(self, name, path):
        with h5py.File(self.path(name)) as file:
            return file[path].asstr()[()]

    def test_what_is_refused(self):
        self.table("nameless.h5", self.X, None)
        self.succeed("fit", "X.h5", "-k", "2", "-o", "m.h5", "--quiet")
        self.succeed("fit", "nameless.h5", "-k", "2", "-o", "n.h5", "--quiet")
        self.table("twice.h5", self.X, ["gene 3"] + self.names[1:])
        self.table("strange.h5", self.X, [name.upper() for name in self.names])
        for X, model, message in (("nameless.h5", "m.h5", "X has no names of features"),
                                  ("X.h5", "n.h5", "the model has no names of features"),
                                  ("twice.h5", "m.h5", "'gene 3' is twice among the features of X"),
                                  ("strange.h5", "m.h5", "X has none of the model's features")):
            self.fail_with(1, message, "transform", X, "--model", model, "--align-features", "-o", "W.h5")
        self.fail_with(2, "--align-features", "fit", "X.h5", "--align-features")


if __name__ == "__main__":
    unittest.main()
