#!/usr/bin/python3
"""Ensembles of X with missing entries and weights of rows; stops in cross-validation; ensemble files that lie."""
import os
import signal
import subprocess
import sys
import unittest

import h5py
import numpy as np
import scipy.sparse

from program import MPIRUN, PROGRAM, RANKS, ProgramTest

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


class Speckled(ProgramTest):
    """Cross-validation of entries: what is held out is the same however X is held, and is not fitted."""
    common = ["--replicates", "1", "--random-state", "3", "--threads", "1", "--quiet", "--select", "speckled"]

    def errors(self, *options, x="X.h5", ranks=RANKS):
        self.succeed("ensemble", x, *self.common, *options, "-o", "e.h5", "--density-threshold", "2", ranks=ranks)
        return self.read("e.h5", "table/cv_error"), self.read("e.h5", "table/cv_error_se")

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


class Stops(ProgramTest):
    def begin(self, *words):
        command = [PROGRAM, *words]
        if RANKS > 0:
            command = [*MPIRUN, str(RANKS), *command]
        running = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True)
        self.addCleanup(running.wait)
        self.addCleanup(running.stderr.close)
        return running

    def write_empty(self, name):
        open(self.path(name), "w").close()

    def test_asked_to_stop_during_the_cross_validation(self):
        """By a signal, or the file STOP, since mpirun ends at one. Replicates that are done stay, and the same command
        goes on to the same file."""
        self.write("X.h5", X=np.nan_to_num(planted(m=400, n=120)))
        options = [
            "ensemble", "X.h5", "-k", "2,3", "--replicates", "2", "--random-state", "1", "--select", "bicv", "--tol",
            "0", "--max-iter", "1500", "--threads", "1", "--groups", "1", "--checkpoint", "c", "--progress", "off",
            "--verbose", "1"
        ]
        running = self.begin(*options)
        for line in running.stderr:
            if "bi-cross-validation: block" in line:
                if RANKS == 0:
                    running.send_signal(signal.SIGTERM)
                else:
                    self.write_empty("STOP")
                break
        rest = running.stderr.read()
        self.assertEqual(running.wait(), 75, rest)
        self.assertIn("run the same command again", rest)
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "c"])
        self.assertNotIn("is not kept when it is stopped", rest)
        self.write_empty("STOP")  # a run that has the cross-validation alone to do, and does not come to its end
        again = self.run_program(*options)
        self.assertEqual(again.status, 75, again.stderr)
        self.assertIn("is not kept when it is stopped", again.stderr)
        self.succeed(*options, timeout=120)
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "ensemble.h5"])
        self.assertTrue((self.read("ensemble.h5", "table/cv_error") > 0).all())

    def test_a_time_limit_in_which_no_replicate_ends_is_said(self):
        self.write("X.h5", X=np.nan_to_num(planted(m=300, n=100)))
        options = [
            "ensemble", "X.h5", "-k", "3", "--replicates", "4", "--random-state", "1", "--tol", "0", "--max-iter",
            "100000000", "--threads", "1", "--groups", "1", "--checkpoint", "c"
        ]
        for share in ("4 shared its time, in the next one 1 will", "one needs more time than this"):
            result = self.run_program(*options, "--max-time", "4s")
            self.assertEqual(result.status, 75, result.stderr)
            self.assertTrue(any(share in warning for warning in result.warnings), result.stderr)


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
