#!/usr/bin/python3
"""Ensembles of X with missing entries and weights of rows; ensemble files that lie."""
import os
import sys
import unittest

import h5py
import numpy as np
import scipy.sparse

from program import RANKS, ProgramTest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz"))
from mutations import seal


def planted(m=60, n=40, k=3, missing=0.15, seed=0):
    """Positive data of k parts, whose entries are NaN at random."""
    random = np.random.RandomState(seed)
    X = random.gamma(0.5, 1, (m, k)) @ random.gamma(0.5, 1, (k, n)) + 0.05 * random.rand(m, n)
    X[random.rand(m, n) < missing] = np.nan
    return X


def fitted(X, W, H, iterations, update_H=True):
    """Multiplicative updates of the squared error over what is observed, in scikit-learn's order."""
    S, X = ~np.isnan(X), np.nan_to_num(X)
    safe = lambda a: np.where(a == 0, np.finfo(float).eps, a)
    for _ in range(iterations):
        W = W * (X @ H.T) / safe((S * (W @ H)) @ H.T)
        if update_H:
            H = H * (W.T @ X) / safe(W.T @ (S * (W @ H)))
    return W, H


def held(X, H, iterations):
    start = np.full((len(X), len(H)), np.sqrt(np.nanmean(X) / len(H)))
    return fitted(X, start, H, iterations, update_H=False)[0]


def test_error(X, k, random_state, iterations, folds=2):
    """Of a bi-cross-validation: the mean over what is observed, and its standard error."""
    random = np.random.RandomState(random_state)
    row_fold, column_fold = (random.permutation(length) % folds for length in X.shape)
    errors, means = 0, []
    for r in range(folds):
        for c in range(folds):
            rows, columns = row_fold == r, column_fold == c
            A, B, C, D = (X[np.ix_(i, j)] for i in (rows, ~rows) for j in (columns, ~columns))
            start, scale = np.random.RandomState(random_state), np.sqrt(np.nanmean(D) / k)
            H = np.abs(scale * start.standard_normal((k, D.shape[1])))
            W = np.abs(scale * start.standard_normal((len(D), k)))
            W, H = fitted(D, W, H, iterations)
            found = held(B, H, iterations) @ held(C.T, W.T, iterations).T
            errors += np.nansum((A - found)**2)
            means.append(np.nanmean((A - found)**2))
    return errors / (~np.isnan(X)).sum(), np.std(means, ddof=1) / folds


class MissingInEnsembles(ProgramTest):
    common = ["--random-state", "3", "--threads", "1", "--quiet"]

    def ensemble(self, *options, x="X.h5", output="e.h5"):
        self.succeed("ensemble", x, *options, *self.common, "-o", output)

    def write_sparse(self, name, matrix):
        with h5py.File(self.path(name), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": matrix.shape})
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr

    def test_cross_validation_leaves_missing_entries_out(self):
        X = planted()
        self.write("X.h5", X=X)
        options = [
            "-k", "2,3", "--replicates", "2", "--select", "bicv", "--missing", "nan", "--solver", "mu", "--tol", "0",
            "--max-iter", "30", "--groups", "1"
        ]
        self.ensemble(*options)
        expected = [test_error(X, k, 3, 30) for k in (2, 3)]
        np.testing.assert_allclose(self.read("e.h5", "table/cv_error"), [mean for mean, _ in expected], rtol=1e-6)
        np.testing.assert_allclose(self.read("e.h5", "table/cv_error_se"), [se for _, se in expected], rtol=1e-6)
        stored = scipy.sparse.csr_matrix(np.where(np.isnan(X), -1, X))
        stored.data[stored.data == -1] = np.nan
        self.write_sparse("S.h5", stored)
        self.ensemble(*options, x="S.h5", output="s.h5")
        np.testing.assert_allclose(self.read("s.h5", "table/cv_error"), [mean for mean, _ in expected], rtol=1e-6)
        self.ensemble(*options, "--memory", "8K", output="streamed.h5")
        np.testing.assert_array_equal(self.read("streamed.h5", "table/cv_error"), self.read("e.h5", "table/cv_error"))
        # What is hidden in the file makes no difference: zeros of ratings are as if they were not there.
        self.write_sparse("Z.h5", scipy.sparse.csr_matrix(np.nan_to_num(X)))
        self.ensemble(*[word if word != "nan" else "zero" for word in options], x="Z.h5", output="z.h5")
        np.testing.assert_allclose(self.read("z.h5", "table/cv_error"), [mean for mean, _ in expected], rtol=1e-6)

    def test_folds(self):
        X = planted(missing=0.1)
        self.write("X.h5", X=X)
        self.ensemble("-k", "2", "--replicates", "2", "--select", "bicv", "--folds", "3", "--missing", "nan",
                      "--solver", "mu", "--tol", "0", "--max-iter", "15")
        mean, error = test_error(X, 2, 3, 15, folds=3)
        np.testing.assert_allclose(self.read("e.h5", "table/cv_error"), [mean], rtol=1e-6)
        np.testing.assert_allclose(self.read("e.h5", "table/cv_error_se"), [error], rtol=1e-6)

    def test_neighbourhood(self):
        self.write("X.h5", X=np.nan_to_num(planted()))
        for share, others in (("0.3", 2), ("0.7", 5), ("1", 8)):
            self.ensemble("-k", "3", "--replicates", "8", "--neighbourhood", share, "--density-threshold", "2",
                          "--max-iter", "20")
            spectra = self.read("e.h5", "k3/spectra")
            spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
            distances = np.sort(np.linalg.norm(spectra[:, None] - spectra[None], axis=2), axis=1)
            np.testing.assert_allclose(self.read("e.h5", "k3/density"), distances[:, :others + 1].sum(1) / others,
                                       atol=1e-6)

    def test_a_replicate_is_the_fit_with_its_seed(self):
        X = planted()
        weights = np.random.RandomState(1).randint(0, 4, len(X)).astype(float)
        self.write("X.h5", X=X, **{"obs/w": weights})
        for options in [["--missing", "nan", "--sample-weight", "obs/w"],
                        ["--missing", "nan", "--solver", "mu", "--beta-loss", "kullback-leibler"],
                        ["--missing", "nan", "--estimator", "minibatch-nmf", "--batch-size", "20"]]:
            options += ["--max-iter", "20"]
            self.ensemble("-k", "3", "--replicates", "2", "--groups", "1", *options)
            for r, seed in enumerate(self.read("e.h5", "k3/seeds")):
                self.succeed("fit", "X.h5", "-k", "3", "--init", "random", "--random-state", seed, "--quiet",
                             "--threads", "1", *options)
                np.testing.assert_array_equal(
                    self.read("e.h5", "k3/spectra")[3 * r:3 * r + 3], self.read("model.h5", "H"))
        self.fail_with(2, "knows no weights of rows", "ensemble", "X.h5", "-k", "3", "--replicates", "2", "--select",
                       "bicv", "--missing", "nan", "--sample-weight", "obs/w")

    def test_what_is_drawn_is_observed(self):
        """A width of nearly nothing draws X itself, with the same entries missing."""
        self.write("X.h5", X=planted())
        options = ["-k", "3", "--replicates", "2", "--missing", "nan", "--max-iter", "20"]
        self.ensemble(*options)
        self.ensemble(*options, "--resample", "uniform", "--resample-width", "1e-12", output="drawn.h5")
        np.testing.assert_allclose(self.read("drawn.h5", "k3/spectra"), self.read("e.h5", "k3/spectra"), rtol=1e-6,
                                   atol=1e-9)
        for kind in ("poisson", "multinomial"):
            self.ensemble(*options, "--resample", kind, output="drawn.h5")
            self.assertTrue(np.isfinite(self.read("drawn.h5", "k3/spectra")).all())
        self.fail_with(2, "--missing zero takes for not observed", "ensemble", "X.h5", "-k", "3", "--missing", "zero",
                       "--resample", "poisson")

    def test_a_column_without_entries(self):
        X = planted()
        X[:, 7] = np.nan
        self.write("X.h5", X=X)
        options = ["-k", "3", "--replicates", "2", "--missing", "nan", "--max-iter", "20", "--select", "bicv"]
        self.fail_with(1, "column 7 of X.h5:/X", "ensemble", "X.h5", *options)
        self.ensemble(*options, "--missing-empty", "keep")
        self.assertTrue((self.read("e.h5", "k3/H")[:, 7] == 0).all())
        self.assertTrue(np.isfinite(self.read("e.h5", "table/cv_error")).all())


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) of arrays of four 32-bit numbers."""
    low = lambda number: number & np.uint64(0xffffffff)
    c, k = [np.asarray(one, np.uint64) for one in counter], list(key)
    for _ in range(10):
        p, q = np.uint64(0xd2511f53) * c[0], np.uint64(0xcd9e8d57) * c[2]
        c = [q >> np.uint64(32) ^ c[1] ^ np.uint64(k[0]), low(q), p >> np.uint64(32) ^ c[3] ^ np.uint64(k[1]), low(p)]
        k = [(k[0] + 0x9e3779b9) % 2**32, (k[1] + 0xbb67ae85) % 2**32]
    return c


def held_out(shape, share, seed, repeat):
    """By position: one of the four numbers of the hash of a row and four columns."""
    rows, columns = np.indices(shape)
    hashes = philox([columns // 4, rows, 0 * rows, 0 * rows + 2], (seed, repeat))
    return np.choose(columns % 4, hashes) < int(share * 2**32)


def descended(X, S, W, H, iterations):
    """Coordinate descent over what is observed, row by row, for W and then for H."""
    def sweep(W, H, X, S):
        for i in range(len(W)):
            h = H[:, S[i]]
            gram, product = h @ h.T, h @ X[i, S[i]]
            for t in range(len(H)):
                W[i, t] = max(W[i, t] - (gram[t] @ W[i] - product[t]) / gram[t, t], 0)

    W, Ht = W.copy(), H.T.copy()
    for _ in range(iterations):
        sweep(W, Ht.T, X, S)
        sweep(Ht, W.T, X.T, S.T)
    return W, Ht.T


def multiplied(X, S, W, H, iterations):
    """Multiplicative updates of the Kullback-Leibler divergence over what is observed."""
    eps = np.finfo(np.float32).eps
    for _ in range(iterations):
        W = W * ((S * X / np.maximum(W @ H, eps)) @ H.T) / (S @ H.T)
        H = H * (W.T @ (S * X / np.maximum(W @ H, eps))) / (W.T @ S)
    return W, H


def speckled_error(X, k, seed, repeats, share, fit, divergence, iterations):
    """The mean over repeats of the mean divergence of what is held out, and its standard error."""
    means, observed = [], ~np.isnan(X)
    for repeat in range(repeats):
        test = held_out(X.shape, share, seed, repeat) & observed
        S = observed & ~test
        random, scale = np.random.RandomState(seed), np.sqrt(X[S].mean() / k)
        H = np.abs(scale * random.standard_normal((k, X.shape[1])))
        W = np.abs(scale * random.standard_normal((len(X), k)))
        W, H = fit(np.where(S, X, 0), S, W, H, iterations)
        means.append(divergence(X[test], (W @ H)[test]).mean())
    return np.mean(means), np.std(means, ddof=1) / np.sqrt(repeats)


def half_square(x, y):
    return (x - y)**2 / 2


def kullback_leibler(x, y):
    y = np.maximum(y, np.finfo(np.float32).eps)
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / y), 0) - x + y


class Speckled(ProgramTest):
    """Cross-validation of entries: what is held out is the same however X is held, and is not fitted."""
    common = ["--replicates", "1", "--random-state", "3", "--threads", "1", "--quiet", "--select", "speckled"]

    def errors(self, *options, x="X.h5", ranks=RANKS):
        self.succeed("ensemble", x, *self.common, *options, "-o", "e.h5", "--density-threshold", "2", ranks=ranks)
        return self.read("e.h5", "table/cv_error"), self.read("e.h5", "table/cv_error_se")

    def test_a_plain_loop_finds_the_same(self):
        X = planted(m=90, n=45, missing=0.1)
        counts = np.random.RandomState(5).poisson(3 * np.nan_to_num(planted(m=90, n=45, missing=0))).astype(float)
        self.write("X.h5", X=X)
        self.write("counts.h5", X=counts)
        for x, data, fit, divergence, options in (("X.h5", X, descended, half_square, []),
                                                  ("counts.h5", counts, multiplied, kullback_leibler,
                                                   ["--solver", "mu", "--beta-loss", "kullback-leibler"])):
            for share in (0.05, 0.2):
                found = self.errors("-k", "2,3", "--max-iter", "12", "--tol", "0", "--holdout", share, "--missing",
                                    "nan", "--dtype", "float64", *options, x=x)
                expected = [speckled_error(data, k, 3, 3, share, fit, divergence, 12) for k in (2, 3)]
                np.testing.assert_allclose(np.transpose(found), expected, rtol=1e-6)

    def test_planted_k_is_chosen(self):
        random = np.random.RandomState(0)
        X = random.gamma(0.5, 1, (120, 3)) @ random.gamma(0.5, 1, (3, 60))
        self.write("X.h5", X=np.maximum(0, X * (1 + 0.1 * random.standard_normal(X.shape))))
        self.errors("-k", "1:6", "--max-iter", "300", "--holdout", "0.1")
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertEqual(file.attrs["chosen_k"], 3)
            self.assertEqual(file.attrs["select"], b"speckled")
            self.assertEqual((file["params"].attrs["holdout"], file["params"].attrs["select_repeats"]), (0.1, 3))

    def test_noise_is_foretold_at_its_own_size(self):
        """X = 1 + noise of variance 0.01: the error of k = 1 is half of it where what is held out is not fitted."""
        X = 1 + 0.1 * np.random.RandomState(0).standard_normal((300, 200))
        self.write("X.h5", X=X)
        means, errors = self.errors("-k", "1", "--holdout", "0.2", "--select-repeats", "4")
        self.assertLess(abs(means[0] / 0.005 - 1), 0.05)
        self.assertLess(errors[0], 0.0002)
        self.assertEqual(self.errors("-k", "1", "--select-repeats", "1")[1], 0)

    def test_however_x_is_held(self):
        X = planted(m=200, missing=0.3)
        zeros = np.nan_to_num(X)
        zeros[np.random.RandomState(1).rand(*X.shape) < 0.5] = 0
        self.write("X.h5", X=zeros)
        with h5py.File(self.path("S.h5"), "w") as file:
            matrix = scipy.sparse.csr_matrix(zeros)
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": matrix.shape})
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        for how in (["--solver",
                     "cd"], ["--solver", "mu", "--beta-loss",
                             "kullback-leibler"], ["--solver", "mu", "--beta-loss", "1.5", "--missing", "zero"]):
            options = ["-k", "2,3", "--max-iter", "20", "--tol", "0", "--groups", "1", *how]
            expected = self.errors(*options, ranks=0)
            for other in ({}, {"x": "S.h5"}, {"x": "S.h5", "ranks": 0}):
                np.testing.assert_allclose(self.errors(*options, **other), expected, rtol=1e-6,
                                           err_msg=f"{how} {other}")
            np.testing.assert_allclose(self.errors(*options, "--memory", "16K"), expected, rtol=1e-6)
        self.write("X.h5", X=X)
        options = ["-k", "2", "--max-iter", "20", "--missing", "nan", "--tol", "0", "--groups", "1"]
        expected = self.errors(*options, ranks=0)
        np.testing.assert_allclose(self.errors(*options), expected, rtol=1e-6)
        self.assertTrue(np.isfinite(expected).all())

    def test_usage(self):
        self.write("X.h5", X=np.nan_to_num(planted()))
        for options, words in [(["--holdout", "0.1"], "--holdout belongs to --select speckled"),
                               (["--select-repeats", "2", "--select", "bicv"], "belongs to --select speckled"),
                               (["--select", "speckled", "--holdout", "1"], "a number between 0 and 1"),
                               (["--select", "speckled", "--estimator", "minibatch-nmf"], "take --select"),
                               (["--select", "bicv", "--sample-weight", "X.h5:/w"], "knows no weights of rows")]:
            self.fail_with(2, words, "ensemble", "X.h5", "-k", "2", *options)
        refused = self.fail_with(1, "needs from 2 to", "ensemble", "X.h5", "-k", "2", "--select", "bicv", "--folds",
                                 "90")
        self.assertNotIn("replicate 1", refused.stderr)  # before anything is fitted
        told = self.succeed("ensemble", "X.h5", "-k", "2", "--replicates", "2", "--max-iter", "2", "--missing-empty",
                            "keep", "--select", "speckled", "--select-repeats", "1")
        self.assertIn("--missing-empty is not used", told.stderr)
        self.assertIn("one repeat has no standard error", told.stderr)


class Lies(ProgramTest):
    def save_again(self, change):
        """A copy of the ensemble, as another program writes it, in which something was changed."""
        with h5py.File(self.path("e.h5"), "r") as file, h5py.File(self.path("lie.h5"), "w") as copy:
            copy.attrs.update(file.attrs)
            for name in file:
                file.copy(name, copy)
            change(copy)

    def lie(self, change):
        """The same, with checksums of its own."""
        self.save_again(change)
        seal(self.path("lie.h5"))

    def test_files_whose_parts_do_not_belong_together(self):
        self.write("X.h5", X=np.nan_to_num(planted(m=30, n=12)))
        self.succeed("ensemble", "X.h5", "-k", "2,3", "--replicates", "2", "--random-state", "0", "--quiet", "-o",
                     "e.h5", "--density-threshold", "2", "--max-iter", "20")

        def attribute(name, value):
            return lambda file: file.attrs.__setitem__(name, value)

        def replace(path, values):
            def change(file):
                del file[path]
                file[path] = values

            return change

        for change, words in [
            (attribute("dtype", "float16"), "dtype is 'float16'"),
            (attribute("estimator", "pca"), "estimator is 'pca'"),
            (attribute("select", "gap"), "select is 'gap'"),
            (attribute("chosen_k", 7), "chosen_k is 7"),
            (attribute("n_samples", 0), "a size is below 1"),
            (replace("table/k", [3, 2]), "no list of ascending"),
            (replace("table/k", [0, 2]), "no list of ascending"),
            (replace("table/k", [2.0, 3.0]), "no list of ascending"),
        ]:
            with self.subTest(words):
                self.lie(change)
                for command in (["inspect", "lie.h5"], ["select", "lie.h5", "-k", "2", "-o", "m.h5"]):
                    self.fail_with(1, words, *command)
        for change, words in [
            (replace("k2/H", np.full((2, 12), -1.0)), "no finite numbers >= 0"),
            (replace("k2/W", np.full((30, 2), np.nan)), "no finite numbers >= 0"),
            (replace("k2/H", np.ones((2, 12), np.float32)), "no 2 x 12 matrix of float64"),
            (replace("k2/H", np.ones((2, 11))), "no 2 x 12 matrix of float64"),
        ]:
            with self.subTest(words):
                self.lie(change)
                self.fail_with(1, words, "select", "lie.h5", "-k", "2", "-o", "m.h5")
        self.save_again(attribute("chosen_k", 2))
        self.fail_with(1, "another program wrote it again", "select", "lie.h5", "-o", "m.h5")


if __name__ == "__main__":
    unittest.main()
