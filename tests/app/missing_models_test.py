#!/usr/bin/python3
"""Models and checkpoints of fits with missing entries: what later commands make of them."""
import os
import sys
import unittest
import zlib

import h5py
import numpy as np

from missing_case import MissingCase, planted
from program import attributes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz"))
from mutations import seal


class MissingModels(MissingCase):
    def test_chunks_that_lack_columns(self):
        X, _ = planted(60, 12)
        lacking = X.copy()
        lacking[:, 5] = np.nan
        file = self.write("x.h5", X=X)
        self.write_sparse("s.h5", lacking)
        self.write("d.h5", X=lacking)
        self.fail_with(1, "column 5 of", "partial-fit", "d.h5", "--model", "p.h5", "-k", 3, "--missing", "nan",
                       "--init", "random")
        for chunk in ("d.h5", "s.h5"):
            model = f"of_{chunk}"
            self.succeed("partial-fit", file, "--model", model, "-k", 3, "--missing", "nan", "--init", "random",
                         "--random-state", 1)
            before = self.read(model, "H")[:, 5]
            for _ in range(3):
                self.succeed("partial-fit", chunk, "--model", model)
            np.testing.assert_array_equal(self.read(model, "H")[:, 5], before)
            self.assertGreater(before.max(), 0)
            self.succeed("transform", chunk, "--model", model, "-o", "w.h5")
            self.assertGreater(self.read("w.h5", "W").max(1).min(), 0)
        np.testing.assert_allclose(self.read("of_d.h5", "H"), self.read("of_s.h5", "H"), rtol=1e-9)

    def test_what_a_chunk_is_told_is_not_of_the_next(self):
        X, observed = planted(60, 12)
        full, holes = self.write("x.h5", X=X), self.write("z.h5", X=np.where(observed, X, 0))
        self.succeed("partial-fit", full, "--model", "p.h5", "-k", 3, "--random-state", 1)
        told = self.succeed("partial-fit", holes, "--model", "p.h5", "--missing", "zero")
        self.assertIn("left out", told.stderr)
        with h5py.File(self.path("p.h5")) as file:
            self.assertEqual(attributes(file["params"])["missing"], "none")
        for command in (["partial-fit", holes, "--model",
                         "p.h5"], ["transform", holes, "--model", "p.h5", "-o", "w.h5"]):
            self.assertNotIn("left out", self.succeed(*command).stderr)

    def test_a_chunk_with_weights_is_one_of_repeated_rows(self):
        random = np.random.RandomState(3)
        chunks, weights = [], []
        for _ in range(3):
            X, _ = planted(60, 12, seed=random.randint(1000))
            chunks.append(X / X.sum(1, keepdims=True))  # later steps begin W with the mean of X
            weights.append(random.randint(0, 4, 60))
        chunks[0][random.random_sample(chunks[0].shape) < 0.2] = np.nan
        W, H = random.gamma(1, 1, (60, 3)), random.gamma(1, 1, (3, 12))
        self.write("init.h5", W=W, H=H)
        self.write("repeated_init.h5", W=np.repeat(W, weights[0], axis=0), H=H)
        for kind, loss in (("dense", "2"), ("dense", "1.5"), ("sparse", "1")):
            write = self.write_sparse if kind == "sparse" else lambda name, X: self.write(name, X=X)
            for i, (X, w) in enumerate(zip(chunks, weights)):
                chunk, repeated = write("x.h5", X), write("r.h5", np.repeat(X, w, axis=0))
                self.write("w.h5", w=w)
                begin = ["-k", 3, "--missing", "nan", "--beta-loss", loss, "--init", "custom"] if i == 0 else []
                self.succeed("partial-fit", chunk, "--model", "p.h5", "--sample-weight", "w.h5:/w", *begin,
                             *(["--init-file", "init.h5"] if i == 0 else []))
                self.succeed("partial-fit", repeated, "--model", "q.h5", *begin,
                             *(["--init-file", "repeated_init.h5"] if i == 0 else []))
                np.testing.assert_allclose(self.read("p.h5", "H"), self.read("q.h5", "H"), rtol=1e-9,
                                           err_msg=f"{kind}, beta {loss}, chunk {i}")
            os.remove(self.path("p.h5"))
            os.remove(self.path("q.h5"))
        self.write("w.h5", w=np.ones(59))
        self.fail_with(1, "has the shape (59)", "partial-fit", "x.h5", "--model", "p.h5", "-k", 3, "--sample-weight",
                       "w.h5:/w")

    def test_transform_divides_penalties_by_weights(self):
        X, observed = planted(60, 12)
        X[~observed] = np.nan
        weights = np.random.RandomState(3).choice([0.0, 0.25, 1.0, 2.0], 60)
        self.write("x.h5", X=X, w=weights)
        for missing, columns in ((["--missing", "nan"], X), ([], np.nan_to_num(X))):
            self.write("y.h5", X=columns)
            for solver in ("cd", "mu"):
                penalised = ["--solver", solver, "--max-iter", 30, "--tol", 0, "--l1-ratio", 0.5]
                self.fit("y.h5", "-k", 3, "--random-state", 1, *penalised, *missing, output="m.h5")
                with h5py.File(self.path("m.h5")) as model, h5py.File(self.path("h.h5"), "w") as file:
                    file["H"] = model["H"][()]
                solve = ["transform", "y.h5", "--model", "h.h5", *penalised, *missing, "-o", "w.h5"]
                self.succeed(*solve, "--alpha-w", 0.02, "--sample-weight", "x.h5:/w")
                weighted = self.read("w.h5", "W")
                for weight in np.unique(weights):
                    self.succeed(*solve, "--alpha-w", 0.02 / (weight or 1))
                    rows = weights == weight
                    np.testing.assert_allclose(weighted[rows],
                                               self.read("w.h5", "W")[rows], rtol=1e-9,
                                               err_msg=f"{solver}, weight {weight}")

    def test_state_of_an_earlier_version(self):
        """Parameters that a checkpoint does not know have their defaults."""
        X, _ = planted(300, 40)
        self.write("x.h5", X=X)
        options = ["x.h5", "-k", 3, "--tol", 0, "--random-state", 1, "--init", "random", "--max-iter", 20]
        whole = self.fit(*options)
        open(self.path("STOP"), "w").close()
        kept = ["--checkpoint", "c.h5", "--checkpoint-every", 5]
        self.assertEqual(self.run_program("fit", *options, *kept).status, 75)
        with h5py.File(self.path("c.h5"), "a") as file:
            file.attrs["schema_release"] = np.int64(2)
            for later in ("acceleration", "missing", "missing_empty", "strata"):
                del file["params"].attrs[later]
        seal(self.path("c.h5"))
        self.fail_with(1, "acceleration is none there and sweeps now", "fit", *options, *kept, "--acceleration",
                       "sweeps")
        self.fail_with(1, "missing is none there and nan now", "fit", *options, *kept, "--missing", "nan")
        model = self.fit(*options, *kept, "--resume", "require")
        self.expect_same(model, whole)
        self.assertIn("going on from", model["log"])

    def test_replicates_of_an_earlier_version(self):
        X, _ = planted(300, 40)
        self.write("x.h5", X=X)
        open(self.path("STOP"), "w").close()
        options = [
            "ensemble", "x.h5", "-k", 3, "--replicates", 4, "--random-state", 1, "--checkpoint", "c", "--tol", 0,
            "--max-iter", 30
        ]
        self.assertEqual(self.run_program(*options).status, 75)
        with open(self.path("c"), "r+b") as file:
            magic, numbers, lines = file.read().split(b"\n", 2)
            text = lines[:int(numbers.split()[1])]
            kept = [line for line in text.splitlines(True) if not line.startswith((b"missing", b"acceleration"))]
            self.assertLess(len(kept), len(text.splitlines()))
            older = b"".join(kept)
            head = b"%s\n%08x %d\n%s" % (magic, zlib.crc32(older), len(older), older)
            file.seek(0)
            file.write(head.ljust(1 << 16, b"\0"))
        self.fail_with(1, "acceleration is none there and sweeps now", *options, "--acceleration", "sweeps")
        self.assertIn("going on from", self.succeed(*options).stderr)

    def test_imputation_and_prediction(self):
        X, observed = planted(80, 30)
        self.write("x.h5", X=np.where(observed, X, np.nan))
        model = self.fit("x.h5", "-k", 3, "--missing", "nan", "--max-iter", 50, "--random-state", 1)
        product = model["W"] @ model["H"]
        self.succeed("inverse-transform", "m.h5", "--model", "m.h5", "--only-missing", "x.h5", "-o", "filled.h5")
        filled = self.read("filled.h5", "X")
        np.testing.assert_array_equal(filled[observed], X[observed])
        np.testing.assert_allclose(filled[~observed], product[~observed], rtol=1e-12)
        random = np.random.RandomState(3)
        rows, columns = random.randint(0, 80, 500), random.randint(0, 30, 500)
        self.write("pairs.h5", rows=rows, columns=columns.astype("i4"), twos=np.column_stack([rows, columns]))
        # A table that was text: floating-point numbers, where convert puts them.
        self.write("table.h5", X=np.column_stack([rows, columns]).astype("f8"))
        self.write("half.h5", X=np.array([[1, 2], [3, .5]]))
        self.fail_with(1, "whole numbers", "predict", "m.h5", "half.h5", "-o", "q.h5")
        for pairs in ("pairs.h5", "pairs.h5:/twos", "table.h5"):
            self.succeed("predict", "m.h5", pairs, "-o", "p.h5")
            np.testing.assert_allclose(self.read("p.h5", "values"), product[rows, columns], rtol=1e-12)
            np.testing.assert_array_equal(self.read("p.h5", "rows"), rows)
            np.testing.assert_array_equal(self.read("p.h5", "columns"), columns)
        columns[77] = 30
        self.write("wrong.h5", rows=rows, columns=columns, short=rows[1:], text=np.array([b"a"]))
        self.fail_with(1, f"pair 77 is ({rows[77]}, 30)", "predict", "m.h5", "wrong.h5", "-o", "q.h5")
        self.fail_with(1, "holds no pairs", "predict", "m.h5", "wrong.h5:/short", "-o", "q.h5")
        self.write("single.h5", X=np.where(observed, X, np.nan).astype("f4"))
        self.fit("single.h5", "-k", 3, "--missing", "nan", "--max-iter", 5, "--random-state", 1, output="f4.h5")
        for own, model_of in (("x.h5", "f4.h5"), ("single.h5", "m.h5")):
            self.succeed("inverse-transform", model_of, "--model", model_of, "--only-missing", own, "-o", "filled.h5")
            filled = self.read("filled.h5", "X")
            self.assertEqual(filled.dtype, self.read(own, "X").dtype)
            np.testing.assert_array_equal(filled[observed], self.read(own, "X")[observed])
        self.fail_with(1, "80 x 30", "inverse-transform", "m.h5", "--model", "m.h5", "--only-missing", "pairs.h5:/twos",
                       "-o", "q.h5")

    def test_transform(self):
        X, observed = planted(90, 30)
        hidden = np.where(observed, X, np.nan)
        file, sparse_file = self.write("x.h5", X=hidden), self.write_sparse("s.h5", hidden)
        for solver in (["cd"], ["mu", "--beta-loss", "1"], ["mu", "--beta-loss", "1.5"]):
            model = self.fit(file, "-k", 3, "--missing", "nan", "--solver", *solver, "--tol", "1e-8", "--max-iter",
                             2000, "--random-state", 1, timeout=300)
            results = []
            for more in ([file], [sparse_file], [file, "--memory", "4K"], [sparse_file, "--memory", "4K"]):
                self.succeed("transform", *more, "--model", "m.h5", "-o", "w.h5")
                results.append(self.read("w.h5", "W"))
            for other in results[1:]:
                np.testing.assert_allclose(other, results[0], rtol=1e-7, atol=1e-9)
            error = np.linalg.norm((results[0] @ model["H"] - X)[~observed]) / np.linalg.norm(X[~observed])
            self.assertLess(error, 0.02)

    def test_checkpoint_belongs_to_missing_and_weights(self):
        X, observed = planted()
        X[~observed] = np.nan
        self.write("x.h5", X=X, w=np.ones(len(X)), v=np.full(len(X), 2.0))
        fit = ["fit", "x.h5", "-k", 2, "--missing", "nan", "--tol", 0, "--random-state", 1, "--init", "random"]
        weighted = [*fit, "--sample-weight", "x.h5:/w", "--checkpoint", "c.h5", "--checkpoint-every", 5]
        open(self.path("STOP"), "w").close()
        first = self.run_program(*weighted, "--max-iter", 20)
        self.assertEqual(first.status, 75, first.stderr)
        self.fail_with(1, "sample weights", *fit, "--checkpoint", "c.h5", "--max-iter", 20)
        self.fail_with(1, "sample weights", *fit, "--sample-weight", "x.h5:/v", "--checkpoint", "c.h5", "--max-iter",
                       20)
        refused = self.run_program(*weighted, "--max-iter", 20, "--missing-empty", "keep")
        self.assertIn("missing_empty", refused.errors[0])
        went_on = self.fit(*weighted[1:], "--max-iter", 20)
        self.expect_same(went_on, self.fit(*fit[1:], "--sample-weight", "x.h5:/w", "--max-iter", 20))


if __name__ == "__main__":
    unittest.main()
