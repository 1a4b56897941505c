"""`scanmf export`: factors within a copy of an AnnData file, and as tables."""
import contextlib
import os
import shutil
import subprocess
import unittest
import unittest.mock

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from program import RANKS, ProgramTest, positive_matrix


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
        self.fail_with(1, "learned from another file", "export", "model.h5", "few.h5ad", "-o", "out.h5ad")
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

    def test_a_model_of_partial_fit_has_no_W(self):
        self.succeed("partial-fit", "X.h5ad", "--model", "part.h5", "-k", "3", "--quiet")
        result = self.succeed("export", "part.h5", "-o", "tables")
        self.assertIn("as all models of partial-fit", result.warnings[0])
        self.assertNotIn("save-w", result.stderr)

    def transformed(self, rows=slice(2, 9)):
        """W of some of the cells, in another order, as transform writes it."""
        self.rewrite("new.h5ad", rows=rows)
        self.succeed("transform", "new.h5ad", "--model", "model.h5", "-o", "Wn.h5", "--quiet")
        return self.read("Wn.h5", "W")

    def test_W_of_transform_as_a_table(self):
        W = self.transformed()
        self.succeed("export", "Wn.h5", "-o", "tables", "--format", "tsv")
        self.assertEqual(os.listdir(self.path("tables")), ["W.tsv"])
        table = pd.read_csv(self.path("tables/W.tsv"), sep="\t", index_col=0, float_precision="round_trip")
        np.testing.assert_array_equal(table.to_numpy().astype(W.dtype), W)
        self.assertEqual(list(table.index), self.cells[2:9])
        self.assertEqual(list(table.columns), [f"component_{c}" for c in range(3)])

    def test_W_of_transform_within_anndata(self):
        W = self.transformed()
        self.rewrite("mixed.h5ad", rows=[8, 2, 7, 3, 6, 4, 5])
        self.succeed("export", "Wn.h5", "mixed.h5ad", "-o", "out.h5ad")
        out = anndata.read_h5ad(self.path("out.h5ad"))
        np.testing.assert_array_equal(out.obsm["X_nmf"], W[[6, 0, 5, 1, 4, 2, 3]])
        self.assertEqual((list(out.varm), list(out.uns)), ([], []))
        self.fail_with(1, "W has 7 of the file's 12 samples", "export", "Wn.h5", "X.h5ad", "-o", "all.h5ad")
        self.rewrite("others.h5ad", rows=slice(3, 10))
        self.fail_with(1, "W was computed from another file", "export", "Wn.h5", "others.h5ad", "-o", "all.h5ad")

    def test_W_of_transform_beside_an_earlier_H(self):
        W = self.transformed()
        self.succeed("fit", "X.h5ad", "-k", "3", "--save-w", "false", "-o", "H.h5", "--quiet")
        self.succeed("export", "H.h5", "new.h5ad", "-o", "H.h5ad")
        result = self.succeed("export", "Wn.h5", "H.h5ad", "-o", "both.h5ad")
        self.assertIn("/varm/NMF of H.h5ad stays", result.stderr)
        both = anndata.read_h5ad(self.path("both.h5ad"))
        np.testing.assert_array_equal(both.obsm["X_nmf"], W)
        np.testing.assert_array_equal(both.varm["NMF"], self.read("H.h5", "H").T)
        self.rewrite("old.h5ad", rows=slice(2, 9), varm={"NMF": np.ones((7, 2))}, uns={"nmf": "old"})
        result = self.succeed("export", "Wn.h5", "old.h5ad", "-o", "out.h5ad")
        self.assertIn("/varm/NMF of old.h5ad is removed", result.stderr)
        self.assertNotIn("nmf", anndata.read_h5ad(self.path("out.h5ad")).uns)

    def test_what_is_no_W_of_transform(self):
        self.transformed()
        with open(self.path("Wn.h5"), "r+b") as file:
            file.seek(2000)
            file.write(b"?")
        self.fail_with(1, "damaged", "export", "Wn.h5", "-o", "tables")
        self.write("three.h5", W=np.ones((2, 2, 2)))
        self.fail_with(1, "Expected 2D array", "export", "three.h5", "-o", "tables")
        self.fail_with(1, "is not an HDF5 file", "export", self.text("W.txt"), "-o", "tables")

    def text(self, name):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write("1 2\n")
        return name

    def test_an_old_W_does_not_stay_beside_a_new_H(self):
        self.rewrite("old.h5ad", obsm={"X_nmf": np.ones((12, 3))})
        self.succeed("fit", "X.h5ad", "-k", "3", "--save-w", "false", "-o", "model.h5", "--quiet")
        result = self.succeed("export", "model.h5", "old.h5ad", "-o", "out.h5ad")
        self.assertIn("/obsm/X_nmf of old.h5ad is removed", result.stderr)
        self.assertNotIn("X_nmf", anndata.read_h5ad(self.path("out.h5ad")).obsm)

    def test_factors_of_another_matrix_of_the_file_are_refused(self):
        adata = anndata.read_h5ad(self.path("X.h5ad"))
        adata.raw = adata
        adata = adata[:, :5].copy()
        adata.obsm["X_pca"] = np.ones((12, 2))
        adata.write_h5ad(self.path("raw.h5ad"))
        for matrix in ("raw/X", "obsm/X_pca"):
            self.succeed("fit", f"raw.h5ad:/{matrix}", "-k", "2", "-o", "other.h5", "--quiet")
            self.fail_with(1, "have 12 and 5 rows", "export", "other.h5", f"raw.h5ad:/{matrix}", "-o", "out.h5ad")
        self.succeed("fit", "raw.h5ad:/raw/X", "-k", "2", "-o", "other.h5", "--quiet")
        self.fail_with(1, "a matrix with features of its own (raw)", "export", "other.h5", "raw.h5ad", "-o", "out.h5ad")
        self.succeed("fit", "X.h5ad:/layers/counts", "-k", "2", "-o", "other.h5", "--quiet")
        self.succeed("export", "other.h5", "X.h5ad:/layers/counts", "-o", "out.h5ad")
        self.assertEqual(anndata.read_h5ad(self.path("out.h5ad")).varm["NMF"].shape, (7, 2))
        with h5py.File(self.path("mudata.h5mu"), "w") as file, h5py.File(self.path("X.h5ad")) as source:
            for name in ("obs", "var"):
                source.copy(name, file)
            source.copy("/", file, "mod/rna")
        self.fail_with(1, "is no AnnData file", "export", "model.h5", "mudata.h5mu:/mod/rna/X", "-o", "out.h5ad")

    def test_what_lies_in_other_files_is_not_lost(self):
        os.mkdir(self.path("there"))
        with h5py.File(self.path("part.h5"), "w") as file:
            file["X"] = self.X

        def replaced(name, put, target="X"):
            shutil.copy(self.path("X.h5ad"), self.path(name))
            with h5py.File(self.path(name), "a") as file:
                if target in file:
                    del file[target]
                put(file)
                if target == "X":
                    file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            self.fail_with(1, f"/{target}, which lies in", "export", "model.h5", name, "-o", "there/out.h5ad")
            self.succeed("export", "model.h5", name, "-o", "beside.h5ad")
            with contextlib.chdir(self.folder), h5py.File("beside.h5ad") as file:
                np.testing.assert_array_equal(file[target][()], self.X)

        layout = h5py.VirtualLayout(self.X.shape, self.X.dtype)
        layout[...] = h5py.VirtualSource("part.h5", "X", self.X.shape)
        replaced("virtual.h5ad", lambda file: file.create_virtual_dataset("X", layout))
        replaced("linked.h5ad", lambda file: file.__setitem__("layers/more", h5py.ExternalLink("part.h5", "X")),
                 "layers/more")
        self.X.tofile(self.path("raw.bin"))
        replaced(
            "raw.h5ad",
            lambda file: file.create_dataset("X", self.X.shape, self.X.dtype, external=[("raw.bin", 0, self.X.nbytes)]))

    def test_samples_without_names_are_taken_in_order_and_that_is_said(self):
        self.write("plain.h5", X=self.X)
        self.succeed("fit", "plain.h5", "-k", "3", "--random-state", "0", "-o", "plain_model.h5", "--quiet")
        result = self.succeed("export", "plain_model.h5", "X.h5ad", "-o", "out.h5ad")
        for what in ("samples", "features"):
            self.assertIn(f"no names of {what}", "".join(result.warnings))
        np.testing.assert_array_equal(
            anndata.read_h5ad(self.path("out.h5ad")).obsm["X_nmf"], self.read("plain_model.h5", "W"))

    def test_a_checkpoint_is_no_model(self):
        fit = ("fit", "X.h5ad", "-k", "3", "--tol", "0", "--max-iter", "100000000", "--checkpoint", "run.checkpoint",
               "--checkpoint-every", "1s", "-o", "m.h5", "--quiet", "--max-time", "0:04")
        self.assertEqual(self.run_program(*fit).status, 75)
        self.fail_with(1, "checkpoint of a fit that is not done", "export", "run.checkpoint", "-o", "tables")

    def test_text_that_is_no_utf8_is_still_read_by_anndata(self):
        os.rename(self.path("X.h5ad"), os.path.join(os.fsencode(self.folder), b"X\xe9.h5ad"))
        name = os.fsdecode(b"X\xe9.h5ad")
        self.succeed("fit", name, "-k", "2", "-o", "model.h5", "--quiet")
        self.succeed("export", "model.h5", name, "-o", "out.h5ad")
        about = anndata.read_h5ad(self.path("out.h5ad")).uns["nmf"]
        self.assertIn(r"X\xe9.h5ad", about["provenance"]["command_line"])

    def test_tables_of_others_stay(self):
        os.mkdir(self.path("folder"))
        for name, text in (("H.csv", "gene,weight\n"), ("W.tsv", "sample,component_0\n"), ("top_features.csv", "")):
            with open(self.path(f"folder/{name}"), "w") as file:
                file.write(text)
            self.fail_with(1, f"'{name}', which is no table", "export", "model.h5", "-o", "folder")
            self.assertEqual(os.listdir(self.path("folder")), [name])
            os.remove(self.path(f"folder/{name}"))
        self.succeed("export", "model.h5", "-o", "folder")
        result = self.succeed("export", "model.h5", "-o", "folder", "--format", "tsv")
        self.assertIn("are replaced: H.csv, W.csv, top_features.csv", result.stderr)
        self.assertEqual(len(os.listdir(self.path("folder"))), 3)

    def test_where_folders_cannot_be_exchanged(self):
        if RANKS > 0:
            return  # one process is watched
        source = self.path("no_exchange.c")
        with open(source, "w") as file:
            file.write("#include <errno.h>\nint renameat2(int a, const char* b, int c, const char* d, unsigned e)"
                       " { (void)a; (void)b; (void)c; (void)d; (void)e; errno = EINVAL; return -1; }\n")
        library = self.path("no_exchange.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        for format in ("csv", "tsv"):
            with unittest.mock.patch.dict(os.environ, {"LD_PRELOAD": library}):
                self.succeed("export", "model.h5", "-o", "tables", "--format", format)
        self.assertEqual(sorted(os.listdir(self.path("tables"))), ["H.tsv", "W.tsv", "top_features.tsv"])
        self.assertEqual([name for name in os.listdir(self.folder) if ".part-" in name], [])

    def test_what_a_killed_export_left_goes(self):
        left = self.path(f"tables.part-{os.uname().nodename[:64]}-99999999-0123456789abcdef")
        os.mkdir(left)
        with open(os.path.join(left, "H.csv"), "w"):
            pass
        self.succeed("export", "model.h5", "-o", "tables")
        self.assertFalse(os.path.exists(left))

    def test_folders_that_cannot_be_made(self):
        os.mkdir(self.path("empty"))
        result = self.run_program("export", "../model.h5", "-o", ".", cwd=self.path("empty"))
        self.assertEqual((result.status, len(result.errors)), (1, 1))
        self.assertIn("is the working folder", result.errors[0])
        self.fail_with(1, "File name too long", "export", "model.h5", "-o", "x" * 300)
        self.succeed("export", "model.h5", "-o", "empty/.")
        self.assertIn("H.csv", os.listdir(self.path("empty")))

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
