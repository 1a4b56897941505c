#!/usr/bin/python3
"""What inspect says of models, checkpoints and several models beside one another."""
import csv
import json
import shutil
import unittest
import zlib

import h5py
import numpy as np

from named_model import NamedModel
from program import positive_matrix


class Inspect(NamedModel):
    def test_inspect(self):
        self.fit("--max-iter", "8", "--tol", "0")
        model = json.loads(self.succeed("inspect", "m.h5", "--json").stdout)
        self.assertEqual((model["kind"], model["n_components"], model["params"]["solver"], model["n_iter"]),
                         ("model", 3, "cd", 8))
        H = self.read("m.h5", "H")
        for component, row in zip(model["top_features"], H):
            order = [feature["feature"] for feature in component]
            self.assertEqual(order, [j for j in np.argsort(-row, kind="stable") if row[j] > 0])
            self.assertEqual(component[0]["name"], f"gene{order[0]}")
        self.assertEqual(model["history"]["iteration"], [4, 5, 6, 7, 8])
        self.assertEqual((model["params"]["init"], model["provenance"]["init"]), ("none", "nndsvda"))
        self.assertIn("top features", self.succeed("inspect", "m.h5").stdout)
        few = json.loads(self.succeed("inspect", "m.h5", "--json", "--top", "2").stdout)
        self.assertEqual(few["top_features"], [component[:2] for component in model["top_features"]])
        for others in (["m.h5", "m.h5"], ["m.h5", "--csv"], ["x.h5"], ["m.h5", "m.h5", "--json"]):
            self.fail_with(2, "option '--top' has no meaning", "inspect", *others, "--top", "2")
        data = json.loads(self.succeed("inspect", "x.h5", "--json").stdout)
        self.assertEqual((data["shape"], data["element_type"], data["feature_names"]["count"]), ([40, 7], "float64", 7))
        with h5py.File(self.path("huge.h5"), "w") as file:  # 8 PB that nobody must read
            file.create_dataset("X", (10**9, 10**6), "f8", chunks=(1000, 100))
        self.assertEqual(json.loads(self.succeed("inspect", "huge.h5", "--json").stdout)["shape"], [10**9, 10**6])

    def test_inspect_shows_iterations_that_are_evaluated(self):
        self.fit("--solver", "MU", "--beta-loss", "KL", "--max-iter", "25", "--tol", "1e-14")
        model = json.loads(self.succeed("inspect", "m.h5", "--json").stdout)
        self.assertEqual((model["params"]["solver"], model["params"]["beta_loss"]), ("mu", "kullback-leibler"))
        self.assertNotRegex(self.succeed("inspect", "m.h5").stdout, r"\bnan\b")
        with h5py.File(self.path("m.h5")) as file:
            errors = file["history/error"][()]
        self.assertEqual(model["history"]["iteration"], list(1 + np.flatnonzero(~np.isnan(errors))[-5:]))
        self.assertEqual(model["history"]["error"], list(errors[~np.isnan(errors)][-5:]))
        self.fit("--solver", "mu", "--max-iter", "7", "--tol", "0")  # whose error is never evaluated
        history = json.loads(self.succeed("inspect", "m.h5", "--json").stdout)["history"]
        self.assertEqual((history["iteration"], history["error"]), ([3, 4, 5, 6, 7], [None] * 5))
        self.assertNotRegex(self.succeed("inspect", "m.h5").stdout, r"\bnan\b")

    def test_inspect_of_a_checkpoint(self):
        fit = ["fit", "x.h5", "-k", "3", "--max-iter", "9", "--tol", "0", "--checkpoint", "c.h5"]
        open(self.path("STOP"), "w").close()
        self.assertEqual(self.run_program(*fit).status, 75)
        checkpoint = json.loads(self.succeed("inspect", "c.h5", "--json").stdout)
        self.assertEqual((checkpoint["kind"], checkpoint["reconstruction_err"]), ("checkpoint", None))
        self.assertRegex(self.succeed("inspect", "c.h5").stdout, r"reconstruction_err +-\n")

    def test_inspect_shows_a_terminal_nothing_that_it_obeys(self):
        names = ["\x1b[2J%d" % i for i in range(4)]
        with h5py.File(self.path("X.h5ad"), "w") as file:
            file["X"] = positive_matrix(5, 4)
            file["layers/\x1b[1m"] = positive_matrix(5, 4)
            file["var/_index"] = names
            file["var"].attrs["_index"] = "_index"
        self.succeed("fit", "X.h5ad:/X", "-k", "2", "-o", "\x1b[3mm.h5", "--quiet")
        shutil.copy(self.path("\x1b[3mm.h5"), self.path("m.h5"))
        for arguments in (["X.h5ad"], ["m.h5"], ["\x1b[3mm.h5", "m.h5"], ["--digest", "\x1b[3mm.h5", "m.h5"]):
            shown = self.succeed("inspect", *arguments, ranks=0).stdout
            self.assertNotIn("\x1b", shown)
            self.assertIn(r"\x1b[", shown)

    def test_digest(self):
        random = np.random.RandomState(0)
        self.write("X.h5", X=random.uniform(0, 1, (30, 8)))
        options = ["fit", "X.h5", "-k", "3", "--max-iter", "5", "--tol", "0", "--threads", "1", "--random-state"]
        printed = self.succeed(*options, "0", "-o", "a.h5").stdout.splitlines()[-1]
        self.assertRegex(printed, r"^digest: W [0-9a-f]{8}  H [0-9a-f]{8}  history [0-9a-f]{8}$")
        self.succeed(*options, "0", "-o", "again.h5")
        self.succeed(*options, "1", "-o", "other.h5")
        self.succeed(*options, "0", "-o", "no_W.h5", "--save-w", "false")
        digests = self.succeed("inspect", "--digest", "a.h5", "again.h5", "other.h5", "no_W.h5").stdout.splitlines()
        own, again, other, without = [line.split("  ")[1:] for line in digests]
        self.assertEqual("digest: " + "  ".join(own), printed)
        self.assertEqual(own, again)
        self.assertFalse(set(own) & set(other))
        self.assertEqual(without, ["W -", *own[1:]])
        for part, element in (("W", own[0]), ("H", own[1])):
            self.assertEqual(element, f"{part} {zlib.crc32(self.read('a.h5', part).tobytes()):08x}")
        self.fail_with(1, "X.h5", "inspect", "--digest", "X.h5")
        for option in ("--json", "--transpose", "--feature-type=x"):
            message = f"{option.split('=')[0]} has no meaning beside it"
            self.fail_with(2, message, "inspect", "--digest", option, "a.h5")

    def test_inspect_compares_models(self):
        self.fit("--max-iter", "8", "--tol", "0")
        self.succeed("fit", "x.h5", "-k", "2", "--estimator", "minibatch-nmf", "-o", "b, c.h5")
        rows = json.loads(self.succeed("inspect", "m.h5", "b, c.h5", "--json").stdout)
        self.assertEqual([row["n_components"] for row in rows], [3, 2])
        self.assertEqual([row["solver"] for row in rows], ["cd", None])
        self.assertEqual([row["beta_loss"] for row in rows], ["frobenius"] * 2)
        text = self.succeed("inspect", "m.h5", "b, c.h5", "--csv").stdout
        read = list(csv.DictReader(text.splitlines()))
        self.assertEqual([row["file"] for row in read], ["m.h5", "b, c.h5"])
        for row, name in zip(read, ("m.h5", "b, c.h5")):
            with h5py.File(self.path(name)) as file:
                self.assertEqual(float(row["reconstruction_err"]), file.attrs["reconstruction_err"])
                self.assertAlmostEqual(float(row["seconds"]), file["history/seconds"][()].sum())
        lines = self.succeed("inspect", "m.h5", "b, c.h5").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(len({len(line) for line in lines}), 1)
        self.fail_with(1, "'x.h5' is no model", "inspect", "m.h5", "x.h5")
        self.assertEqual(self.succeed("inspect", "m.h5", "--csv").stdout.splitlines(), text.splitlines()[:2])
        listed = list(csv.DictReader(self.succeed("inspect", "x.h5", "--csv").stdout.splitlines()))
        self.assertEqual((listed[0]["path"], listed[0]["rows"], listed[0]["columns"]), ("/X", "40", "7"))


if __name__ == "__main__":
    unittest.main()
