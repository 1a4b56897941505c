"""Missing entries and sample weights: results of a plain reference (golden_missing.h5), and what they must equal."""
import os
import unittest

import h5py
import numpy as np
from scipy import sparse

from missing_case import MissingCase, planted
from program import DATA, RANKS, attributes, share

GOLDEN = os.path.join(DATA, "golden_missing.h5")


def golden_cases():
    with h5py.File(GOLDEN, "r") as file:
        return sorted(file)


def options_of(case, shape):
    """Options of a golden case; its penalties are l1_W = n·alpha_W·l1_ratio and so on."""
    rows, columns = shape
    options = [
        "-k", case["k"], "--init", "random", "--random-state", case["seed"], "--max-iter", case["max_iter"], "--tol",
        case["tol"], "--solver", case["solver"]
    ]
    if "beta" in case:
        options += ["--beta-loss", case["beta"]]
    l1_W, l2_W, l1_H, l2_H = (case.get(name, 0.0) for name in ("l1W", "l2W", "l1H", "l2H"))
    if l1_W:
        options += [
            "--l1-ratio",
            repr(l1_W / (l1_W + l2_W)), "--alpha-w",
            repr((l1_W + l2_W) / columns), "--alpha-h",
            repr((l1_H + l2_H) / rows)
        ]
    return options


def sweep(W, H, X, observed, weights):
    """One coordinate sweep over every row of W by its definition; weights of the columns of X."""
    for i, w in enumerate(W):
        h = H[:, observed[i]]
        G, b = (h * weights[observed[i]]) @ h.T, (h * weights[observed[i]]) @ X[i, observed[i]]
        for t in range(len(w)):
            if G[t, t] != 0:
                w[t] = max(w[t] - (G[t] @ w - b[t]) / G[t, t], 0)


def mini_batches(X, observed, weights, k, seed, batch, max_iter, beta):
    """MiniBatchNMF by its definition, with what is observed and weights; its random start, no penalties."""
    random, (m, n) = np.random.RandomState(seed), X.shape
    scale = np.sqrt(X[observed].mean() / k)
    H = np.abs(scale * random.standard_normal((k, n)))
    W = np.abs(scale * random.standard_normal((m, k)))
    gamma = 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1.0
    epsilon, zero = np.finfo(np.float32).eps, np.finfo(np.float64).eps
    A, B, rho = H.copy(), np.ones_like(H), 0.7**(min(batch, m) / m)

    def weighted(rows):
        """What the numerator and the denominator of these rows are products of."""
        Y = W[rows] @ H
        guarded = np.maximum(Y, epsilon) if beta < 2 else Y
        return (np.where(observed[rows], X[rows] * guarded**(beta - 2.0),
                         0), np.where(observed[rows], (guarded if beta < 1 else Y)**(beta - 1.0), 0))

    for _ in range(max_iter):
        for begin in range(0, m, batch):
            rows = slice(begin, min(begin + batch, m))
            Q, R = weighted(rows)
            below = R @ H.T
            W[rows] *= (Q @ H.T / np.where(below == 0, epsilon, below))**gamma
            if beta < 1:
                W[rows][W[rows] < zero] = 0
            Q, R = weighted(rows)
            above = (W[rows] * weights[rows, None]).T @ Q * H**(1 / gamma)
            below = (W[rows] * weights[rows, None]).T @ R
            learns = (observed[rows] & (weights[rows, None] > 0)).any(0)  # others keep their H
            A, B = rho * A + above, rho * B + np.where(learns, np.where(below == 0, epsilon, below), 0)
            H = np.where(learns, (A / B)**gamma, H)
            if beta <= 1:
                H[H < zero] = 0
    return W, H


class MissingTest(MissingCase):
    def golden(self, name, *more, X=None):
        with h5py.File(GOLDEN, "r") as file:
            expected = {**{part: values[()] for part, values in file[name].items()}, **attributes(file[name])}
        expected["options"] = options_of(expected, expected["X"].shape)
        if not (expected["sample_weight"] == 1).all():
            expected["options"] += ["--sample-weight", f"{GOLDEN}:/{name}/sample_weight"]
        return expected

    def test_golden(self):
        for name in share(golden_cases()) + share(golden_cases(), 3) if RANKS > 0 else golden_cases():
            for storage in ("dense", "nan", "zero", "streamed"):
                with self.subTest(name, storage=storage):
                    expected = self.golden(name)
                    X = expected["X"]
                    missing = "nan"
                    if storage == "zero":
                        if (X == 0).any():
                            continue  # observed zeros
                        X, missing = np.nan_to_num(X), "zero"
                    more = ["--memory", "4K"] if storage == "streamed" else []
                    file = self.write("x.h5", X=X) if storage in ("dense", "streamed") else self.write_sparse("x.h5", X)
                    model = self.fit(file, "--missing", missing, *expected["options"], *more)
                    self.expect_same(model, expected, 1e-7)

    def test_many_components(self):
        """Gram matrices of more components than a strip of the kernels has columns."""
        random = np.random.RandomState(7)
        X = random.random_sample((150, 90)) + 0.1
        W, H = random.random_sample((150, 70)), random.random_sample((70, 90))
        weights = random.randint(0, 3, 150).astype(float)
        self.write("start.h5", W=W, H=H, weights=weights)
        for hidden in (0.1, 0.7):
            observed = random.random_sample(X.shape) >= hidden
            observed[:, :5] = random.random_sample((150, 5)) < 0.5  # columns and rows that differ in what is less
            file = self.write("x.h5", X=np.where(observed, X, np.nan))
            sparse_file = self.write_sparse("s.h5", np.where(observed, X, np.nan))
            zeros = self.write_sparse("z.h5", np.where(observed, X, 0))
            ours, theirs = W.copy(), np.ascontiguousarray(H.T)
            for _ in range(2):
                sweep(ours, theirs.T, X, observed, np.ones(90))
                sweep(theirs, ours.T, X.T, observed.T, weights)
            for name, missing in ((file, "nan"), (sparse_file, "nan"), (zeros, "zero")):
                model = self.fit(name, "-k", 70, "--init", "custom", "--init-file", "start.h5", "--max-iter", 2,
                                 "--tol", 0, "--missing", missing, "--sample-weight", "start.h5:/weights")
                np.testing.assert_allclose(model["W"], ours, rtol=1e-6, atol=1e-8)
                np.testing.assert_allclose(model["H"], theirs.T, rtol=1e-6, atol=1e-8)

    def test_mini_batches(self):
        X, observed = planted(300, 40)
        hidden = np.where(observed, X, np.nan)
        zeros = np.where(observed, X, 0)
        for loss in ("frobenius", "kullback-leibler", "1.5") if RANKS == 0 else ("1.5", ):
            for more in ([], ["--fresh-restarts"]):
                options = [
                    "--estimator", "minibatch-nmf", "-k", 3, "--batch-size", 70, "--max-iter", 6, "--random-state", 1,
                    "--beta-loss", loss, "--init", "random", *more
                ]
                models = [
                    self.fit(file, *options, "--missing", missing, *memory)
                    for file, missing, memory in ((self.write("x.h5", X=hidden), "nan", []), ("x.h5", "nan",
                                                                                              ["--memory", "4K"]),
                                                  (self.write_sparse("s.h5", hidden), "nan",
                                                   []), (self.write_sparse("z.h5", zeros), "zero", []))
                ]
                for model in models[1:]:
                    self.expect_same(model, models[0], 1e-7)
                plain = self.fit(self.write("full.h5", X=X), *options)
                self.expect_same(self.fit("full.h5", *options, "--missing", "nan"), plain)
        self.succeed("partial-fit", "x.h5", "--model", "p.h5", "-k", 3, "--missing", "nan", "--init", "random")
        self.succeed("partial-fit", "x.h5", "--model", "p.h5")
        self.assertGreater(self.read("p.h5", "H").max(), 0)

    def test_mini_batches_by_their_definition(self):
        X, observed = planted(120, 12, hidden=0.6)
        observed[:30, 4] = False  # of which a batch says nothing
        observed[30:60] |= np.arange(12) % 3 == 0
        random = np.random.RandomState(8)
        weights = random.randint(0, 3, 120).astype(float)
        weights[60:90] = 0  # a batch without a say
        everything = np.ones_like(observed)
        self.write("w.h5", w=weights)
        for beta in (2, 1, 1.5, 0.5) if RANKS == 0 else (2, 0.5):
            for mask, s in ((observed, weights), (observed, np.ones(120)), (everything, weights)):
                W, H = mini_batches(X, mask, s, 3, 4, 30, 5, beta)
                hidden = np.where(mask, X, np.nan)
                files = (self.write("x.h5", X=hidden), self.write_sparse("s.h5", hidden))
                for file in files:
                    weighted = ["--sample-weight", "w.h5:/w"] if s is weights else []
                    model = self.fit(file, "--estimator", "minibatch-nmf", "-k", 3, "--batch-size", 30, "--max-iter", 5,
                                     "--tol", 0, "--max-no-improvement", "none", "--random-state", 4, "--beta-loss",
                                     beta, "--init", "random", "--missing", "nan", "--missing-empty", "keep", *weighted)
                    np.testing.assert_allclose(model["H"], H, rtol=1e-6, atol=1e-9)
                    np.testing.assert_allclose(model["W"], W, rtol=1e-6, atol=1e-9)

    def test_a_batch_of_weight_0_ends_no_fit(self):
        X, _ = planted(200, 10)
        weights = np.ones(200)
        weights[50:100] = 0
        self.write("x.h5", X=X, w=weights)
        for loss in ("2", "1"):
            options = [
                "x.h5", "--estimator", "minibatch-nmf", "-k", 3, "--batch-size", 50, "--max-iter", 60, "--random-state",
                1, "--init", "random", "--beta-loss", loss, "--max-no-improvement", "none", "--tol", 1e-9, "--alpha-w",
                0.001, "--l1-ratio", 1
            ]
            model = self.fit(*options, "--sample-weight", "x.h5:/w")
            self.assertEqual(model["n_iter"], 60)
            errors = (X - model["W"] @ model["H"])[weights > 0]
            self.assertLess(np.linalg.norm(errors) / np.linalg.norm(X[weights > 0]), 0.2)

    def test_weights_that_float32_does_not_have(self):
        X, _ = planted()
        self.write("x.h5", X=X.astype("f4"), tiny=np.full(60, 1e-40), huge=np.full(60, 1e39), X64=X)
        for name in ("tiny", "huge"):
            self.fail_with(1, "of row 0 (counted from 0) is beyond the numbers of float32", "fit", "x.h5:/X", "-k", 2,
                           "--sample-weight", f"x.h5:/{name}")
            self.fit("x.h5:/X64", "-k", 2, "--sample-weight", f"x.h5:/{name}", "--max-iter", 3)

    def test_observed_everywhere_is_as_without(self):
        X, _ = planted()
        for solver in (["--solver", "cd"], ["--solver", "mu", "--beta-loss",
                                            "1"], ["--solver", "mu", "--beta-loss", "1.5"]):
            for file in (self.write("x.h5", X=X), self.write_sparse("s.h5", X)):
                options = ["-k", 3, "--max-iter", 15, "--random-state", 2, *solver]
                plain = self.fit(file, *options)
                for missing in ("nan", "zero"):
                    self.expect_same(self.fit(file, *options, "--missing", missing), plain)
                self.write("w.h5", w=np.full(len(X), 1.0))
                self.expect_same(self.fit(file, *options, "--sample-weight", "w.h5:/w"), plain)

    def test_equal_weights_change_nothing_but_the_error(self):
        X, observed = planted()
        X[~observed] = np.nan
        file = self.write("x.h5", X=X)
        for solver in ("cd", "mu"):
            options = [
                "-k", 3, "--max-iter", 12, "--tol", 0, "--random-state", 2, "--solver", solver, "--missing", "nan"
            ]
            plain = self.fit(file, *options)
            for weight in (3.0, 1e30, 1e-30) if RANKS == 0 else (3.0, ):
                self.write("w.h5", w=np.full(len(X), weight))
                weighted = self.fit(file, *options, "--sample-weight", "w.h5:/w")
                weighted["reconstruction_err"] /= np.sqrt(weight)
                self.expect_same(weighted, plain, 1e-9)

    def test_rows_of_weight_0_have_no_say_in_H(self):
        X, observed = planted()
        X[~observed] = np.nan
        weights = np.ones(len(X))
        weights[40:] = 0
        with h5py.File(self.path("x.h5ad"), "w") as file:
            file["X"], file["obs/weight"] = X, weights
        for solver in ("cd", "mu"):
            options = [
                "-k", 3, "--max-iter", 30, "--tol", 0, "--random-state", 2, "--solver", solver, "--missing", "nan"
            ]
            weighted = self.fit("x.h5ad", *options, "--sample-weight", "obs/weight")
            other = X.copy()
            other[40:] *= 7  # rows without a say
            with h5py.File(self.path("y.h5"), "w") as file:
                file["X"], file["w"] = other, weights
            W, H = np.abs(np.random.RandomState(1).randn(60, 3)), np.abs(np.random.RandomState(2).randn(3, 40))
            self.write("start.h5", W=W, H=H)
            custom = [*options, "--init", "custom", "--init-file", "start.h5"]
            one = self.fit("x.h5ad", *custom, "--sample-weight", "obs/weight")
            two = self.fit("y.h5", *custom, "--sample-weight", "y.h5:/w")
            np.testing.assert_allclose(one["H"], two["H"], rtol=1e-9)
            self.assertGreater(np.abs(weighted["W"][40:]).max(), 0)

    def test_objective_never_rises(self):
        random = np.random.RandomState(5)
        X, observed = planted(hidden=0.5)
        X = random.poisson(X).astype(float)
        X[~observed] = np.nan
        weights = random.randint(0, 4, len(X)).astype(float)
        self.write("w.h5", w=weights)
        for file in (self.write("x.h5", X=X), self.write_sparse("s.h5", X)):
            for solver in ("cd", "1", "1.5", "2") if RANKS == 0 else ("cd", "1"):
                which = ["--solver", "cd"] if solver == "cd" else ["--solver", "mu", "--beta-loss", solver]
                errors = [
                    self.fit(file, "-k", 4, *which, "--missing", "nan", "--missing-empty", "keep", "--tol", 0,
                             "--random-state", 1, "--max-iter", n, "--sample-weight", "w.h5:/w")["reconstruction_err"]
                    for n in (1, 2, 3, 5, 8, 13, 40)
                ]
                self.assertTrue(all(b <= a * (1 + 1e-9) for a, b in zip(errors, errors[1:])), (solver, errors))

    def test_hidden_entries_are_found(self):
        X, observed = planted(200, 80, seed=9)
        hidden = np.where(observed, X, np.nan)
        options = ["-k", 3, "--tol", "1e-9", "--max-iter", 5000, "--random-state", 3, "--init", "random"]

        def error(model):
            difference = (model["W"] @ model["H"] - X)[~observed]
            return np.linalg.norm(difference) / np.linalg.norm(X[~observed])

        zeros = np.where(observed, X, 0)
        for file, missing in ((self.write("x.h5", X=hidden), "nan"), (self.write_sparse("n.h5", hidden), "nan"),
                              (self.write_sparse("z.h5", zeros), "zero"), (self.write("d.h5", X=zeros), "zero")):
            self.assertLess(error(self.fit(file, *options, "--missing", missing, timeout=300)), 1e-3)
        self.assertGreater(error(self.fit("d.h5", *options[:4], "--max-iter", 300, "--init", "random")), 0.1)

    def test_rows_and_columns_without_entries(self):
        X, observed = planted(130, 20)
        X[~observed] = np.nan
        X[70:110, :] = np.nan  # a rank's rows, and whole tiles
        X[3, :] = np.nan
        X[:, 7] = np.nan
        for file in (self.write("x.h5", X=X), self.write_sparse("s.h5", X)):
            for solver in (["cd"], ["mu", "--beta-loss", "2"], ["mu", "--beta-loss", "1"], ["mu", "--beta-loss",
                                                                                            "0.5"]):
                options = [
                    file, "-k", 2, "--missing", "nan", "--solver", *solver, "--max-iter", 20, "--random-state", 1
                ]
                self.fail_with(1, "row 3 of", "fit", *options)
                model = self.fit(*options, "--missing-empty", "keep")
                self.assertEqual(model["params"]["missing_empty"], "keep")
                empty = np.isnan(X).all(1)
                self.assertEqual(np.abs(model["W"][empty]).max(), 0)
                self.assertEqual(np.abs(model["H"][:, 7]).max(), 0)
                self.assertGreater(model["W"][~empty].max(1).min(), 0)
        full = np.where(np.isnan(X), 1.0, X)
        full[:, 7] = np.nan
        self.fail_with(1, "column 7 of", "fit", self.write("c.h5", X=full), "-k", 2, "--missing", "nan")
        weights = np.ones(len(X))
        weights[:50] = 0
        full[:50, 7] = 1
        self.write("w.h5", w=weights)
        self.fail_with(1, "of weight > 0", "fit", self.write("c.h5", X=full), "-k", 2, "--missing", "nan",
                       "--sample-weight", "w.h5:/w")

    def test_what_is_refused(self):
        X, observed = planted()
        hidden = np.where(observed, X, np.nan)
        self.write("x.h5", X=hidden)
        self.fail_with(1, "Input X contains NaN.", "fit", "x.h5", "-k", 2)
        self.fail_with(1, "Input X contains NaN.", "fit", "x.h5", "-k", 2, "--missing", "zero")
        self.fail_with(1, "--init random", "fit", "x.h5", "-k", 2, "--missing", "nan", "--init", "nndsvda")
        bad = hidden.copy()
        bad[4, 5] = -1
        self.fail_with(1, "Negative values in data passed to NMF (input X) (row 4, column 5", "fit",
                       self.write("n.h5", X=bad), "-k", 2, "--missing", "nan")
        bad[4, 5] = np.inf
        self.fail_with(1, "Input X contains infinity", "fit", self.write("n.h5", X=bad), "-k", 2, "--missing", "nan")
        zeros = np.where(observed, X, np.nan)
        zeros[0, np.flatnonzero(observed[0])[0]] = 0
        self.fail_with(1, "When beta_loss <= 0 and X contains zeros", "fit", self.write("z.h5", X=zeros), "-k", 2,
                       "--missing", "nan", "--solver", "mu", "--beta-loss", "0")
        self.fail_with(2, "missing", "fit", "x.h5", "-k", 2, "--missing", "maybe")

    def test_gram_matrices_that_do_not_fit_are_refused_before_reading(self):
        wide = sparse.csr_matrix((np.ones(3), ([0, 1, 2], [5, 9, 1999999])), (4, 2000000))
        self.write_sparse("wide.h5", wide)
        self.fail_with(1, "--solver mu needs none of these", "fit", "wide.h5", "-k", 300, "--missing", "zero")

    def test_weights_that_are_refused(self):
        X, _ = planted()
        self.write("x.h5", X=X)
        weights = np.ones(len(X))
        wrong = {
            "short": weights[1:],
            "square": np.ones((len(X), 2)),
            "text": np.array([b"a"] * len(X)),
            "zero": np.zeros(len(X))
        }
        for name, row, value in (("negative", 5, -1.0), ("nan", 50, np.nan), ("infinite", 0, np.inf)):
            wrong[name] = weights.copy()
            wrong[name][row] = value
        self.write("w.h5", **wrong)
        for name, phrase in {
                "short": "one number for each of the 60 rows",
                "square": "(60, 2)",
                "text": "does not hold numbers",
                "zero": "all sample weights are 0",
                "negative": "sample weight -1 of row 5",
                "nan": "of row 50",
                "infinite": "of row 0",
                "none": "there is no"
        }.items():
            self.fail_with(1, phrase, "fit", "x.h5", "-k", 2, "--sample-weight", f"w.h5:/{name}")
        self.fail_with(1, "there is no", "fit", "x.h5", "-k", 2, "--sample-weight", "obs/none")
        self.fail_with(1, "say which dataset", "fit", "x.h5", "-k", 2, "--sample-weight", "w.h5")

    def test_none_becomes_random_only_where_entries_are_missing(self):
        X, observed = planted()
        file = self.write("x.h5", X=X)
        hidden = self.write("h.h5", X=np.where(observed, X, np.nan))
        options = ["-k", 3, "--max-iter", 5, "--random-state", 1]
        self.expect_same(self.fit(file, *options, "--missing", "nan"), self.fit(file, *options, "--init", "nndsvda"))
        self.expect_same(self.fit(hidden, *options, "--missing", "nan"),
                         self.fit(hidden, *options, "--missing", "nan", "--init", "random"))

    def test_acceleration(self):
        """Both kinds with what is missing, weights and penalties: never worse than plain descent, and never rising."""
        X, observed = planted(150, 40, seed=6)
        X += 0.1 * np.random.RandomState(2).random_sample(X.shape)
        weights = np.random.RandomState(3).randint(0, 4, 150) * 1.5
        everything = np.ones_like(observed)
        self.write("w.h5", w=weights)
        hidden = np.where(observed, X, np.nan)
        penalties = ["--alpha-w", 0.002, "--alpha-h", 0.001, "--l1-ratio", 0.5]
        for mask, more in ((observed, []), (everything, penalties), (observed, penalties)):
            masked = np.where(mask, X, np.nan)
            for file in (self.write("x.h5", X=masked), self.write_sparse("s.h5", masked)):
                options = [
                    file, "-k", 3, "--init", "random", "--random-state", 2, "--tol", 0, "--missing", "nan",
                    "--sample-weight", "w.h5:/w", *more
                ]
                plain = self.fit(*options, "--max-iter", 60)
                early = self.fit(*options, "--max-iter", 12)
                for kind in ("sweeps", "extrapolation"):
                    errors = [
                        self.fit(*options, "--acceleration", kind, "--max-iter", n)["reconstruction_err"]
                        for n in ((10, 60) if RANKS > 0 else (5, 10, 20, 60))
                    ]
                    self.assertLess(errors[-1], 1.001 * plain["reconstruction_err"])
                    if not more:
                        self.assertTrue(all(b <= a * (1 + 1e-9) for a, b in zip(errors, errors[1:])), errors)
                swept = self.fit(*options, "--acceleration", "sweeps", "--max-iter", 12)
                self.assertLess(swept["reconstruction_err"], 0.9999 * early["reconstruction_err"])
        self.fit(self.write("x.h5", X=X), "-k", 3, "--acceleration", "extrapolation", "--random-state", 1)
        self.succeed("transform", self.write("h.h5", X=hidden), "--model", "m.h5", "--missing", "nan", "-o", "t.h5")
        rebuilt = self.read("t.h5", "W") @ self.read("m.h5", "H")
        self.assertLess(np.linalg.norm(rebuilt - X) / np.linalg.norm(X), 0.05)

    def test_float32_has_the_digits_of_direct_sums(self):
        """Rows and columns whose largest terms are missing: little is left of the full Gram matrices."""
        random = np.random.RandomState(4)
        X, observed = planted(120, 60, hidden=0.1, seed=8)
        X[:8] *= 3e3
        X[:, :5] *= 1e3
        observed[:8, 30:40] = False
        observed[40:60, :5] = False
        W, H = random.random_sample((120, 3)), random.random_sample((3, 60))
        W[:8] *= 1e3
        hidden = np.where(observed, X, np.nan)
        for dtype in ("f4", "f8"):
            self.write(f"start_{dtype}.h5", W=W.astype("f4").astype(dtype), H=H.astype("f4").astype(dtype))
        for write in (lambda name, x: self.write(name, X=x), self.write_sparse):
            models = []
            for dtype in ("f8", "f4"):
                file = write("x.h5", hidden.astype("f4").astype(dtype))
                models.append(
                    self.fit(file, "-k", 3, "--missing", "nan", "--init", "custom", "--init-file", f"start_{dtype}.h5",
                             "--tol", 0, "--max-iter", 4))
            for name in ("W", "H"):
                np.testing.assert_allclose(models[1][name], models[0][name], rtol=2e-3,
                                           atol=1e-5 * np.median(models[0][name]))

    def test_messages(self):
        X, observed = planted()
        file = self.write("x.h5", X=np.where(observed, X, np.nan))
        model = self.fit(file, "-k", 2, "--missing", "nan", "--max-iter", 2)
        self.assertIn("random factors to begin with: entries of X are missing", model["log"])
        with h5py.File(self.path("m.h5")) as saved:
            self.assertEqual(attributes(saved["provenance"])["init"], "random")
        self.write("y.h5", X=X, rows=[0], columns=[0])
        result = self.succeed("fit", "y.h5:/X", "-k", 2, "--missing-empty", "keep", "--max-iter", 2, "-o", "m.h5")
        self.assertIn("--missing-empty is not used: it belongs to --missing nan or zero", result.stderr)
        self.succeed("partial-fit", "y.h5:/X", "--model", "p.h5", "-k", 2)
        self.fail_with(1, "learned by partial-fit, which keeps no W", "predict", "p.h5", "y.h5", "-o", "q.h5")

    def test_streamed_through_little_memory(self):
        names = golden_cases() if RANKS > 0 else golden_cases()[:2]
        for name in names:
            expected = self.golden(name)
            for file in (self.write("x.h5", X=expected["X"]), self.write_sparse("s.h5", expected["X"])):
                model = self.fit(file, "--missing", "nan", *expected["options"], "--memory", "1K")
                self.expect_same(model, expected, 1e-7)


if __name__ == "__main__":
    unittest.main()
