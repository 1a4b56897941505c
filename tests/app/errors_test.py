#!/usr/bin/python3
"""What must be refused is refused: malformed files, data, factors and models, with scikit-learn's key phrases where it
has some."""
import ast
import json
import os
import unittest

import numpy as np

from program import DATA, RANKS, ProgramTest, positive_matrix, share

ESTIMATORS = {"NMF": "nmf", "MiniBatchNMF": "minibatch-nmf"}

# Outcomes that differ on purpose: NaN in custom factors and negative values are refused everywhere, the element type of
# new data need not be that of the model, and 'auto' is a number of components.
DECIDED_OTHERWISE = {
    "custom, NaN in W", "transform of negative X", "transform of float32 X after float64 fit", "n_components='auto'",
    "transform before fit"
}


def option_text(value):
    """A Python literal of the golden file as it is written on the command line."""
    try:
        literal = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return value  # nan, inf
    return "none" if literal is None else literal if isinstance(literal, str) else value


def options_of(case):
    options = ["--estimator", ESTIMATORS[case["estimator"]]]
    for name, value in case["params"].items():
        options.append(f"--{name.lower().replace('_', '-')}={option_text(value)}")
    return options


def key_phrase(case):
    """What must be found: of a parameter's mistake all but the list of accepted values, else the first sentence."""
    message = case["message"].strip()
    if case["outcome"] == "InvalidParameterError":
        return message[:message.index(" must be ") + len(" must be ")], message[message.index(" Got ") + 1:]
    for cut in [" (shape=", ": ", " for dtype"]:
        message = message.split(cut)[0] if "beta_loss" not in message else message
    return (message.rstrip(":"), )


class GoldenErrors(ProgramTest):
    def setUp(self):
        super().setUp()
        x = positive_matrix()
        changed = lambda value: np.where(np.arange(24).reshape(6, 4) == 9, value, x)
        matrices = {
            "X": x,
            "neg": changed(-1.0),
            "nan": changed(np.nan),
            "inf": changed(np.inf),
            "zero": changed(0.0),
            "narrow": x[:, :3].copy(),
            "empty_rows": x[:0],
            "empty_cols": x[:, :0],
            "one_dim": x[0],
            "f32": x.astype("f4")
        }
        for name, matrix in matrices.items():
            self.write(name + ".h5", X=matrix)
        W, H = positive_matrix(6, 2, 1), positive_matrix(2, 4, 2)
        nan = W.copy()
        nan[3, 1] = np.nan
        self.factors = {
            "custom without W": {
                "H": H
            },
            "custom without H": {
                "W": W
            },
            "custom, W of wrong shape": {
                "W": W[:5],
                "H": H
            },
            "custom, H of wrong shape": {
                "W": W,
                "H": H[:, :3]
            },
            "custom, negative H": {
                "W": W,
                "H": -H
            },
            "custom, negative W": {
                "W": -W,
                "H": H
            },
            "custom, H all zero": {
                "W": W,
                "H": 0 * H
            },
            "custom, W all zero": {
                "W": 0 * W,
                "H": H
            },
            "custom, H float32 for float64 X": {
                "W": W,
                "H": H.astype("f4")
            },
            "custom, NaN in W": {
                "W": nan,
                "H": H
            },
            "n_components=None with custom 2-row H": {
                "W": W,
                "H": H
            },
            "W/H given without init='custom'": {
                "W": W,
                "H": H
            }
        }

    def check(self, result, case):
        if case["outcome"] == "accepted":
            self.assertEqual(result.status, 0, result.stderr)
            return
        self.assertEqual(result.status,
                         2 if case["outcome"] == "InvalidParameterError" or "solver 'cd'" in case["message"] else 1,
                         result.stderr)
        self.assertEqual(len(result.errors), 1, result.stderr)
        if case["what"] in ("custom without W", "custom without H"):
            return  # the message names the missing dataset
        for phrase in key_phrase(case):
            self.assertIn(phrase, result.errors[0])

    def fit(self, case):
        options = options_of(case)
        if case["what"] in self.factors:
            options += ["--init-file", self.write("init.h5", **self.factors[case["what"]])]
        if "n_components" not in case["params"] and "shape" not in case["what"]:
            options += ["-k", "2"]
        if "max_iter" not in case["params"]:
            options += ["--max-iter", "3"]
        return self.run_program("fit", case["data"] + ".h5", "-o", "m.h5", *options)

    def test_golden(self):
        with open(os.path.join(DATA, "golden_errors.json"), encoding="utf-8") as file:
            cases = json.load(file)
        tried = 0
        actions = {
            action: [case for case in cases if case["action"] == action and case["what"] not in DECIDED_OTHERWISE]
            for action in ("fit", "transform")
        }
        for case in share(actions["fit"], first=2) + share(actions["transform"]):
            with self.subTest(what=case["what"], estimator=case["estimator"]):
                if case["action"] == "transform":
                    estimator = ["--estimator", ESTIMATORS[case["estimator"]]]
                    self.succeed("fit", "X.h5", "-k", "2", "--max-iter", "3", "-o", "m.h5", *estimator)
                    result = self.run_program("transform", case["data"] + ".h5", "--model", "m.h5", "-o", "w.h5")
                else:
                    result = self.fit(case)
                self.check(result, case)
                warned = any("Maximum number of iterations" in warning for warning in result.warnings)
                self.assertEqual(warned, "ConvergenceWarning" in case["warnings"] and case["action"] == "fit")
                if "UserWarning" in case["warnings"]:
                    self.assertTrue(any("nndsvd" in warning for warning in result.warnings))
                tried += 1
        self.assertGreater(tried, 85 if RANKS == 0 else 15)
        self.assertTrue(all(actions.values()))

    def test_decided_otherwise(self):
        for estimator, name in ESTIMATORS.items():
            self.write("init.h5", **self.factors["custom, NaN in W"])
            custom = ["--estimator", name, "--init", "custom", "--init-file", "init.h5", "-k", "2", "-o", "m.h5"]
            self.fail_with(1, "NaN", "fit", "X.h5", *custom)
            self.succeed("fit", "X.h5", "-k", "2", "--max-iter", "3", "-o", "m.h5", "--estimator", name)
            self.fail_with(1, f"Negative values in data passed to {estimator} (input X)", "transform", "neg.h5",
                           "--model", "m.h5", "-o", "w.h5")
            self.succeed("transform", "f32.h5", "--model", "m.h5", "-o", "w.h5")
            self.assertEqual(self.read("w.h5", "W").dtype, np.float64)
            os.remove(self.path("m.h5"))
            os.remove(self.path("w.h5"))
        self.fail_with(1, "cannot open m.h5", "transform", "X.h5", "--model", "m.h5", "-o", "w.h5")
        self.fail_with(1, "/H", "transform", "X.h5", "--model", "X.h5", "-o", "w.h5")


class MalformedFiles(ProgramTest):
    def test_edge_files(self):
        phrases = {
            "bad_csr_nan.h5ad": "Input X contains NaN.",
            "bad_csr_negative.h5ad": "Negative values in data passed to NMF (input X)",
            "bad_dense_3d.h5": "Expected 2D array",
            "bad_dense_inf.h5ad": "Input X contains infinity",
            "bad_dense_negative.h5ad": "Negative values in data passed to NMF (input X)",
            "bad_not_hdf5.h5ad": "is not an HDF5 file"
        }
        folder = os.path.join(DATA, "edge")
        bad = sorted(name for name in os.listdir(folder) if name.startswith("bad_"))
        self.assertGreaterEqual(len(bad), 12)
        for name in bad:  # all of them: what one rank alone sees in its rows is where ranks could disagree
            with self.subTest(file=name):
                result = self.fail_with(1, phrases.get(name, name), "fit", os.path.join(folder, name), "-k", "2", "-o",
                                        "m.h5")
                self.assertIn(name, result.errors[0])

    def test_unusual_but_valid_files(self):
        folder = os.path.join(DATA, "edge")
        for name in share((name for name in sorted(os.listdir(folder)) if not name.startswith("bad_")), first=1):
            with self.subTest(file=name):
                self.succeed("fit", os.path.join(folder, name), "-k", "1", "--max-iter", "2", "--tol", "0", "-o",
                             "m.h5")
                os.remove(self.path("m.h5"))

    def test_where_the_matrix_is(self):
        x = positive_matrix()
        self.write("two.h5", A=x, B=x)
        for name in ["/A", "/B"]:
            self.assertIn(name, self.fail_with(1, "several matrices", "fit", "two.h5", "-k", "1").errors[0])
        self.fail_with(1, "has no /C", "fit", "two.h5:/C", "-k", "1")
        self.write("none.h5", names=[b"a", b"b"])
        self.fail_with(1, "none.h5", "fit", "none.h5", "-k", "1")
        self.fail_with(1, "cannot open missing.h5", "fit", "missing.h5", "-k", "1")
        self.succeed("fit", "two.h5:/B", "-k", "1", "--max-iter", "2", "--tol", "0")

    def test_place_of_the_first_bad_value(self):
        x = positive_matrix(30, 5)
        x[17, 3] = -1
        x[21, 0] = np.nan
        self.write("x.h5", X=x)
        self.fail_with(1, "row 17, column 3", "fit", "x.h5", "-k", "1")


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
