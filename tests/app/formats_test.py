#!/usr/bin/python3
"""Names of features and rows through every format and command; how the initialisation can be chosen. Expected values by
numpy alone."""
import json
import unittest

import h5py
import numpy as np

from program import ProgramTest, attributes, positive_matrix

GENES = [f"gene {j}" for j in range(7)] + ["Größe"]
CELLS = [f"cell{i}" for i in range(30)]


def strings(values):
    return [value.decode() for value in values]


def compressed(x, by_rows):
    """data, indices, indptr of a dense matrix."""
    a = x if by_rows else x.T
    slices, others = np.nonzero(a)
    return a[slices, others], others, np.concatenate([[0], np.cumsum((a != 0).sum(1))])


def write_arrays(group, arrays):
    for name, values in zip(["data", "indices", "indptr"], arrays):
        group[name] = values


def write_frame(file, name, index, key="_index", as_attribute=True):
    group = file.create_group(name)
    group.create_dataset(key, data=index, dtype=h5py.string_dtype())
    if as_attribute:
        group.attrs["_index"] = key


class Formats(ProgramTest):
    """The same matrix with the same names in every format."""
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(0)
        self.x = (random.rand(30, 8) < 0.7) * (0.1 + random.rand(30, 8))

    def write_format(self, name, kind, genes=GENES, cells=CELLS):
        with h5py.File(self.path(name), "w") as file:
            if kind == "10x":
                write_arrays(file.create_group("matrix"), compressed(self.x, True))
                file["matrix/shape"] = [8, 30]
                file["matrix"].create_dataset("barcodes", data=[c.encode() for c in cells])
                file["matrix"].create_dataset("features/name", data=genes, dtype=h5py.string_dtype())
                return name
            if kind == "dense":
                file["X"] = self.x
            else:
                group = file.create_group("X")
                write_arrays(group, compressed(self.x, kind != "csc"))
                if kind == "h5sparse":
                    group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", self.x.shape
                else:
                    group.attrs["encoding-type"], group.attrs["shape"] = f"{kind}_matrix", self.x.shape
            write_frame(file, "var", genes, key="symbol")
            write_frame(file, "obs", cells, key="index", as_attribute=False)
        return name

    def test_names_go_through_every_command(self):
        factors = {}
        for kind in ["dense", "csr", "csc", "h5sparse", "10x"]:
            with self.subTest(kind):
                x = self.write_format("x.h5", kind)
                self.succeed("fit", x, "-k", "3", "--init", "random", "--random-state", "0", "--max-iter", "20",
                             "--tol", "0", "-o", "m.h5")
                self.assertEqual(strings(self.read("m.h5", "feature_names")), GENES)
                self.assertEqual(strings(self.read("m.h5", "obs_names")), CELLS)
                factors[kind] = self.read("m.h5", "W"), self.read("m.h5", "H")
                result = self.succeed("transform", x, "--model", "m.h5", "-o", "w.h5")
                self.assertFalse(any("feature names" in warning for warning in result.warnings))
                self.assertEqual(strings(self.read("w.h5", "obs/_index")), CELLS)
                self.assertEqual(strings(self.read("w.h5", "var/_index")), ["nmf0", "nmf1", "nmf2"])
                self.succeed("inverse-transform", "w.h5", "--model", "m.h5", "-o", "back.h5")
                self.assertEqual(strings(self.read("back.h5", "var/_index")), GENES)
                self.assertEqual(strings(self.read("back.h5", "obs/_index")), CELLS)
                top = json.loads(self.succeed("inspect", "m.h5", "--json").stdout)["top_features"]
                self.assertEqual([component[0]["name"] for component in top],
                                 [GENES[j] for j in factors[kind][1].argmax(1)])
                self.assertEqual(json.loads(self.succeed("inspect", x, "--json").stdout)["feature_names"]["count"], 8)
        for W, H in factors.values():  # of all formats
            self.assertLess(np.abs(W - factors["dense"][0]).max(), 1e-11 * W.max())
            self.assertLess(np.abs(H - factors["dense"][1]).max(), 1e-11 * H.max())

    def test_other_names_are_refused_in_every_format(self):
        self.succeed("fit", self.write_format("x.h5", "csr"), "-k", "2", "--max-iter", "2", "--tol", "0", "-o", "m.h5")
        swapped = [GENES[1], GENES[0]] + GENES[2:]
        for kind in ["dense", "csr", "csc", "h5sparse", "10x"]:
            with self.subTest(kind):
                self.write_format("other.h5", kind, genes=swapped)
                result = self.fail_with(1, "The feature names should match those that were passed during fit",
                                        "transform", "other.h5", "--model", "m.h5", "-o", "w.h5")
                self.assertIn("column 0 of X is 'gene 1', in the model it is 'gene 0'", result.errors[0])
        self.write_format("other.h5", "dense", cells=CELLS[::-1])  # rows may have any names
        self.succeed("transform", "other.h5", "--model", "m.h5", "-o", "w.h5")
        self.assertEqual(strings(self.read("w.h5", "obs/_index")), CELLS[::-1])

    def test_names_on_one_side_alone_lead_to_a_warning(self):
        self.write("plain.h5", X=self.x)
        named = self.write_format("x.h5", "dense")
        for fitted, transformed, phrase in [
            (named, "plain.h5", "X does not have valid feature names, but NMF was fitted with feature names"),
            ("plain.h5", named, "X has feature names, but NMF was fitted without feature names")
        ]:
            self.succeed("fit", fitted, "-k", "2", "--max-iter", "2", "--tol", "0", "-o", "m.h5")
            warnings = self.succeed("transform", transformed, "--model", "m.h5", "-o", "w.h5", "--tol", "0",
                                    "--max-iter", "2").warnings
            self.assertEqual([w for w in warnings if "feature names" in w], [phrase])


class Initialisation(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("x.h5", X=positive_matrix(40, 12))

    def fit(self, *options, name="m.h5", **where):
        result = self.succeed("fit", "x.h5", "-k", "3", "--random-state", "4", "--max-iter", "3", "--tol", "0", "-o",
                              name, *options, **where)
        return result, self.read(name, "H")

    def test_exact_decomposition(self):
        exact, of_sketch = self.fit("--svd", "exact")[1], self.fit()[1]  # k + 10 >= 12: the sketch spans everything
        self.assertLess(np.abs(exact - of_sketch).max(), 1e-10)
        self.fail_with(1, "--svd exact needs X in memory, and X is streamed from its file", "fit", "x.h5", "-k", "3",
                       "--svd", "exact", "--memory", "500", "-o", "s.h5")
        with h5py.File(self.path("sparse.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", (40, 12)
            write_arrays(group, compressed(positive_matrix(40, 12), True))
        self.fail_with(1, "--svd exact needs dense X, and X is sparse", "fit", "sparse.h5", "-k", "3", "--svd", "exact",
                       "-o", "s.h5")

    def test_generator(self):
        for init in ["random", "nndsvd", "nndsvda", "nndsvdar"]:
            with self.subTest(init):
                options = ["--init", init, "--random-generator", "counter"]
                result, H = self.fit(*options)
                self.assertIn("from the counter generator", result.stderr)
                self.assertLess(np.abs(H - self.fit(*options, name="one.h5", ranks=0)[1]).max(), 1e-11)
                with h5py.File(self.path("m.h5"), "r") as model:
                    self.assertEqual(attributes(model["params"])["random_generator"], "counter")
        self.write("wide.h5", X=positive_matrix(12, 50))  # m < n: the sketch is of the rows
        found = []
        for ranks in [None, 0]:
            where = {} if ranks is None else {"ranks": ranks}
            self.succeed("fit", "wide.h5", "-k", "1", "--random-state", "4", "--random-generator", "counter",
                         "--max-iter", "3", "--tol", "0", "-o", "w.h5", **where)
            found.append(self.read("w.h5", "H"))
        self.assertLess(np.abs(found[0] - found[1]).max(), 1e-11)

    def test_custom_factors_decide_on_the_components(self):
        n = 400_000  # as many components would need terabytes
        self.write("wide.h5", X=positive_matrix(6, n).astype("f4"))
        W, H = positive_matrix(6, 2).astype("f4"), positive_matrix(2, n).astype("f4")
        custom = ["--init", "custom", "--init-file", "init.h5"]
        for learn in (
            ["fit", "wide.h5", "--max-iter", "2", "--tol", "0", "--checkpoint", "state.h5", "-o", "m.h5"],
            ["partial-fit", "wide.h5", "--model", "p.h5"],
        ):
            for factors, phrase in (({
                    "W": W
            }, "init.h5 has no dataset /H"), ({
                    "W": W,
                    "H": H[0]
            }, "Expected 2D array, got 1D array instead: init.h5:/H"), ({
                    "W": W,
                    "H": H.T
            }, f"(input H). Expected ({n}, {n}), but got ({n}, 2)")):
                self.write("init.h5", **factors)
                self.fail_with(1, phrase, *learn, *custom)
            self.write("init.h5", W=W, H=H)
            self.succeed(*learn, *custom)
            self.assertEqual(self.read(learn[-1], "H").shape, (2, n))


if __name__ == "__main__":
    unittest.main()
