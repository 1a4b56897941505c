"""`scanmf export`: factors within a copy of an AnnData file, and as tables."""
import os
import shutil
import unittest

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from program import ProgramTest, positive_matrix


class Export(ProgramTest):
    def setUp(self):
        super().setUp()
        self.X = positive_matrix(12, 7).astype(np.float32)  # the type that anndata makes of all others
        self.cells = [f"cell,{i}" if i == 3 else f"cell{i}" for i in range(12)]
        self.genes = [f'gene "{j}"' if j == 2 else f"gene{j}" for j in range(7)]
        adata = anndata.AnnData(scipy.sparse.csr_matrix(self.X), pd.DataFrame({"type": list("ab" * 6)}, self.cells),
                                pd.DataFrame(index=self.genes))
        adata.layers["counts"] = adata.X.copy()
        adata.write_h5ad(self.path("X.h5ad"))
        self.succeed("fit", "X.h5ad", "-k", "3", "--random-state", "0", "-o", "model.h5", "--quiet")
        self.H = self.read("model.h5", "H")
        self.W = self.read("model.h5", "W")

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def rewrite(self, name, rows=slice(None), columns=slice(None), **more):
        adata = anndata.read_h5ad(self.path("X.h5ad"))[rows, columns].copy()
        for key, value in more.items():
            getattr(adata, key).update(value)
        adata.write_h5ad(self.path(name))

    def test_anndata_reads_the_factors_from_a_copy(self):
        before = self.bytes_of("X.h5ad")
        self.succeed("export", "model.h5", "X.h5ad", "-o", "out.h5ad")
        self.assertEqual(self.bytes_of("X.h5ad"), before)
        out = anndata.read_h5ad(self.path("out.h5ad"))
        np.testing.assert_array_equal(out.obsm["X_nmf"], self.W)
        np.testing.assert_array_equal(out.varm["NMF"], self.H.T)
        np.testing.assert_array_equal(out.X.toarray(), self.X)
        np.testing.assert_array_equal(out.layers["counts"].toarray(), self.X)
        self.assertEqual(list(out.obs["type"]), list("ab" * 6))
        about = out.uns["nmf"]
        self.assertEqual(about["params"]["solver"], "cd")
        self.assertEqual(about["params"]["shuffle"], False)
        self.assertEqual(about["params"]["n_components"], 3)
        with h5py.File(self.path("model.h5")) as model:
            self.assertEqual(about["reconstruction_err"], model.attrs["reconstruction_err"])
            self.assertEqual(about["n_iter"], model.attrs["n_iter"])
            np.testing.assert_array_equal(about["history"]["violation"], model["history/violation"][()])
        out.write_h5ad(self.path("again.h5ad"))  # all of it is what anndata can write
        self.succeed("fit", "out.h5ad", "-k", "2", "-o", "next.h5", "--quiet")

    def test_an_earlier_result_is_replaced_and_others_stay(self):
        arrays = {"X_nmf": np.ones((12, 9)), "X_pca": np.ones((12, 2))}
        self.rewrite("old.h5ad", obsm=arrays, uns={"nmf": "old", "a": 1})
        result = self.succeed("export", "model.h5", "old.h5ad", "-o", "out.h5ad")
        self.assertIn("/obsm/X_nmf of old.h5ad is replaced", result.stderr)
        out = anndata.read_h5ad(self.path("out.h5ad"))
        np.testing.assert_array_equal(out.obsm["X_nmf"], self.W)
        self.assertEqual((out.obsm["X_pca"].shape, out.uns["a"]), ((12, 2), 1))
        self.succeed("export", "model.h5", "out.h5ad", "-o", "third.h5ad")

    def test_samples_and_features_are_matched_by_names(self):
        order = np.random.RandomState(0).permutation(12)
        self.rewrite("mixed.h5ad", rows=order, columns=list(range(6, -1, -1)))
        self.succeed("export", "model.h5", "mixed.h5ad", "-o", "out.h5ad")
        out = anndata.read_h5ad(self.path("out.h5ad"))
        np.testing.assert_array_equal(out.obsm["X_nmf"], self.W[order])
        np.testing.assert_array_equal(out.varm["NMF"], self.H.T[::-1])

    def test_features_that_the_model_lacks_have_weight_zero(self):
        self.rewrite("some.h5ad", columns=[1, 4, 6])
        self.succeed("fit", "some.h5ad", "-k", "2", "-o", "some.h5", "--quiet")
        self.succeed("export", "some.h5", "X.h5ad", "-o", "out.h5ad")
        loadings = anndata.read_h5ad(self.path("out.h5ad")).varm["NMF"]
        np.testing.assert_array_equal(loadings[[1, 4, 6]], self.read("some.h5", "H").T)
        self.assertEqual(loadings[[0, 2, 3, 5]].sum(), 0)

    def test_another_file_is_refused(self):
        self.rewrite("few.h5ad", rows=slice(0, 9))
        self.fail_with(1, "is not in the file", "export", "model.h5", "few.h5ad", "-o", "out.h5ad")
        self.succeed("fit", "few.h5ad", "-k", "2", "-o", "few.h5", "--quiet")
        self.fail_with(1, "scanmf transform", "export", "few.h5", "X.h5ad", "-o", "out.h5ad")
        self.write("plain.h5", X=self.X[:, :5])
        self.fail_with(1, "is no AnnData file", "export", "model.h5", "plain.h5", "-o", "out.h5ad")
        self.write("factors.h5", H=self.H)
        self.fail_with(1, "is no model", "export", "factors.h5", "-o", "tables")

    def test_no_input_is_replaced(self):
        for target in ("X.h5ad", "model.h5"):
            before = self.bytes_of(target)
            self.fail_with(1, "they are one file", "export", "model.h5", "X.h5ad", "-o", target)
            self.assertEqual(self.bytes_of(target), before)
        os.link(self.path("X.h5ad"), self.path("link.h5ad"))
        self.fail_with(1, "they are one file", "export", "model.h5", "X.h5ad", "-o", "link.h5ad")
        os.mkdir(self.path("folder"))
        shutil.move(self.path("model.h5"), self.path("folder/model.h5"))
        self.fail_with(1, "which is no table", "export", "folder/model.h5", "-o", "folder")
        self.assertEqual(os.listdir(self.path("folder")), ["model.h5"])
        self.fail_with(1, "is a file", "export", "folder/model.h5", "-o", "X.h5ad/")

    def test_tables(self):
        for format, separator in (("auto", ","), ("tsv", "\t")):
            ending = "csv" if format == "auto" else format
            self.succeed("export", "model.h5", "-o", "tables", "--format", format)
            self.assertEqual(sorted(os.listdir(self.path("tables"))),
                             [f"H.{ending}", f"W.{ending}", f"top_features.{ending}"])
            how = {"sep": separator, "float_precision": "round_trip"}
            read = lambda name, **more: pd.read_csv(self.path(f"tables/{name}.{ending}"), **how, **more)
            W, H, top = read("W", index_col=0), read("H", index_col=0), read("top_features")
            np.testing.assert_array_equal(W.to_numpy().astype(self.W.dtype), self.W)
            np.testing.assert_array_equal(H.to_numpy().astype(self.H.dtype), self.H)
            self.assertEqual((list(W.index), list(H.columns)), (self.cells, self.genes))
            self.assertEqual(list(W.columns), list(H.index))
            first = top[top["rank"] == 1]
            self.assertEqual(list(first["feature"]), [self.genes[j] for j in self.H.argmax(axis=1)])
            np.testing.assert_array_equal(first["weight"].astype(self.H.dtype), self.H.max(axis=1))

    def test_without_W(self):
        self.succeed("fit", "X.h5ad", "-k", "3", "--save-w", "false", "-o", "model.h5", "--quiet")
        result = self.succeed("export", "model.h5", "-o", "tables")
        self.assertEqual(len(result.warnings), 1)
        self.assertEqual(sorted(os.listdir(self.path("tables"))), ["H.csv", "top_features.csv"])
        self.succeed("export", "model.h5", "X.h5ad", "-o", "out.h5ad")
        self.assertNotIn("X_nmf", anndata.read_h5ad(self.path("out.h5ad")).obsm)

    def test_a_full_folder_or_a_damaged_model_leaves_nothing(self):
        self.succeed("export", "model.h5", "-o", "tables")
        with open(self.path("tables/notes.txt"), "w") as file:
            file.write("mine")
        self.fail_with(1, "'notes.txt'", "export", "model.h5", "-o", "tables")
        with open(self.path("model.h5"), "r+b") as file:
            file.seek(os.path.getsize(self.path("model.h5")) // 2)
            file.write(b"\xff" * 64)
        self.fail_with(1, "model.h5", "export", "model.h5", "X.h5ad", "-o", "out.h5ad")
        self.fail_with(1, "there is no folder", "export", "model.h5", "X.h5ad", "-o", "nowhere/out.h5ad")

    def test_usage(self):
        self.fail_with(2, "scanmf export MODEL [X.h5ad] -o OUT", "export", "model.h5")
        self.fail_with(2, "scanmf export MODEL X.h5ad -o out.h5ad", "export", "model.h5", "-o", "out.h5ad")
        self.fail_with(2, "csv or tsv", "export", "model.h5", "-o", "tables", "--format", "npy")
        self.fail_with(2, "csv or tsv", "export", "model.h5", "X.h5ad", "-o", "out.h5ad", "--format", "csv")
        self.fail_with(2, "--format text", "convert", "x.csv", "-o", "X.h5", "--format", "csv")


if __name__ == "__main__":
    unittest.main()
