#!/usr/bin/python3
"""What an ensemble can be asked beside its fits: resampled X, matching by the Hungarian method, connectivity,
mini-batches."""
import unittest

import h5py
import numpy as np
import scipy.sparse
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.decomposition import non_negative_factorization
from sklearn.metrics import silhouette_samples

from ensemble_test import planted
from program import ProgramTest, attributes, contents


class EnsembleOptions(ProgramTest):
    def ensemble(self, *options, output="e.h5", **how):
        return self.succeed("ensemble", "X.h5", "--quiet", "--threads", "1", "-o", output, *options, **how)

    def test_hungarian(self):
        self.write("X.h5", X=planted(m=60, noise=1))
        self.ensemble("-k", "1,5", "--replicates", "9", "--random-state", "3", "--match", "hungarian",
                      "--density-threshold", "0.2")
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertEqual(attributes(file["params"])["match"], "hungarian")
            group = file["k5"]
            kept, labels = group["kept"][()], group["labels"][()]
            self.assertLess(kept.sum(), 45, "the test is to have replicates of which not all spectra are kept")
            spectra = group["spectra"][()]
            spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
            centres = np.array([spectra[labels == c].mean(axis=0) for c in range(5)])
            cosines = spectra @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
            for r in range(9):
                own = np.arange(5 * r, 5 * r + 5)[kept[5 * r:5 * r + 5]]
                rows, columns = linear_sum_assignment(cosines[own], maximize=True)
                np.testing.assert_array_equal(labels[own][rows], columns)
            np.testing.assert_allclose(group["H"], centres / centres.sum(axis=1, keepdims=True), atol=1e-12)
            silhouettes = silhouette_samples(spectra[kept], labels[kept], metric="cosine")
            self.assertAlmostEqual(file["table/stability"][1], silhouettes.mean(), 9)
            np.testing.assert_allclose(group["cluster_stability"],
                                       [silhouettes[labels[kept] == c].mean() for c in range(5)], atol=1e-9)
            self.assertEqual(file["table/stability"][0], 1)

    def test_k_means(self):
        """Spectra that are kept, clusters, their medians, W and the order of the components: as scikit-learn has it."""
        X = planted(m=150, noise=0.3)
        self.write("X.h5", X=X)
        self.ensemble("-k", "4,5", "--replicates", "12", "--random-state", "3", "--match", "kmeans", "--tol", "1e-6",
                      "--density-threshold", "0.1", "--max-iter", "2000")
        for k in (4, 5):
            with h5py.File(self.path("e.h5"), "r") as file:
                group = {name: item[()] for name, item in file[f"k{k}"].items()}
                row = list(file["table/k"]).index(k)
                table = {name: column[row] for name, column in file["table"].items()}
            spectra = group["spectra"] / np.linalg.norm(group["spectra"], axis=1, keepdims=True)
            distances = np.sort(np.linalg.norm(spectra[:, None] - spectra[None], axis=2), axis=1)
            kept = distances[:, :4].sum(1) / 3 < 0.1  # int(0.3 · 12) others
            np.testing.assert_array_equal(group["kept"], kept)
            labels = KMeans(n_clusters=k, n_init=10, random_state=1).fit(spectra[kept]).labels_
            H = np.array([np.median(spectra[kept][labels == c], axis=0) for c in range(k)])
            H /= H.sum(axis=1, keepdims=True)
            W, _, _ = non_negative_factorization(X, H=H, n_components=k, init="random", update_H=False, tol=1e-6,
                                                 max_iter=2000)
            order = np.argsort(-(W / W.sum(axis=1, keepdims=True)).sum(axis=0), kind="stable")
            silhouettes = silhouette_samples(spectra[kept], labels)
            np.testing.assert_array_equal(group["labels"][kept], np.argsort(order)[labels])
            self.assertTrue((group["labels"][~kept] == -1).all())
            np.testing.assert_allclose(group["H"], H[order], atol=1e-9)
            np.testing.assert_allclose(group["W"], W[:, order], atol=1e-6 * W.max())
            np.testing.assert_allclose(group["cluster_stability"], [silhouettes[labels == c].mean() for c in order],
                                       atol=1e-6)
            self.assertAlmostEqual(table["stability"], silhouettes.mean(), 6)
            self.assertAlmostEqual(table["kept"], kept.mean(), 12)
            np.testing.assert_allclose(table["error"], ((X - W @ H)**2).sum(), rtol=1e-6)

    def test_mini_batches(self):
        X = planted(m=300)
        self.write("X.h5", X=X)
        for options in [["--batch-size", "64"],
                        [
                            "--batch-size", "150", "--beta-loss", "kullback-leibler", "--fresh-restarts",
                            "--fresh-restarts-max-iter", "5"
                        ], ["--batch-size", "64", "--memory", "100K"]]:
            options = ["--estimator", "minibatch-nmf", "--max-iter", "4", *options]
            self.ensemble("-k", "2,4", "--replicates", "3", "--random-state", "7", "--groups", "1", *options)
            with h5py.File(self.path("e.h5"), "r") as file:
                for k in [2, 4]:
                    for r, seed in enumerate(file[f"k{k}/seeds"]):
                        self.succeed("fit", "X.h5", "-k", k, "--init", "random", "--random-state", seed, "--quiet",
                                     "--threads", "1", *options)
                        with h5py.File(self.path("model.h5"), "r") as model:
                            np.testing.assert_array_equal(file[f"k{k}/spectra"][r * k:(r + 1) * k], model["H"])
                            self.assertEqual(file[f"k{k}/errors"][r], model.attrs["reconstruction_err"])
                            self.assertEqual(file[f"k{k}/n_iter"][r], model.attrs["n_iter"])
                W, H = file["k4/W"][()], file["k4/H"][()]
                np.testing.assert_allclose(((X - W @ H)**2).sum(), file["table/error"][1], rtol=1e-9)
        self.succeed("select", "e.h5", "-k", "4", "-o", "m.h5", "--quiet")
        self.succeed("inspect", "m.h5")
        self.succeed("transform", "X.h5", "--model", "m.h5", "-o", "W.h5", "--quiet", "--threads", "1")
        np.testing.assert_allclose(self.read("W.h5", "W"), W, atol=1e-3 * W.max())
        self.succeed("partial-fit", "X.h5", "--model", "m.h5", "--quiet", "--threads", "1")
        self.assertEqual(self.read_attributes("m.h5")["n_steps"], 1)

    def test_connectivity(self):
        """Against scipy's average linkage, from the replicates' own fits."""
        m, k, R = 70, 4, 5
        self.write("X.h5", X=planted(m=m, noise=1.5))
        for options in [[], ["--estimator", "minibatch-nmf", "--batch-size", "32"]]:
            self.ensemble("-k", f"1,{k}", "--replicates", R, "--random-state", "4", "--connectivity", *options)
            labels = []
            with h5py.File(self.path("e.h5"), "r") as file:
                for seed in file[f"k{k}/seeds"]:
                    self.succeed("fit", "X.h5", "-k", k, "--init", "random", "--random-state", seed, "--quiet",
                                 "--threads", "1", *options)
                    labels.append(self.read("model.h5", "W").argmax(axis=1))
                labels = np.array(labels)
                C = (labels[:, :, None] == labels[:, None, :]).mean(axis=0)
                distances = squareform(1 - C, checks=False)
                expected, _ = cophenet(linkage(distances, "average"), distances)
                self.assertLess(expected, 0.999)
                self.assertAlmostEqual(file["table/cophenetic"][1], expected, 9)
                self.assertAlmostEqual(file["table/dispersion"][1], (4 * (C - 0.5)**2).mean(), 12)
                self.assertEqual((file["table/cophenetic"][0], file["table/dispersion"][0]), (1, 1))
        self.assertRegex(self.succeed("inspect", "e.h5").stdout, r"cophenetic +dispersion\n")
        self.ensemble("-k", f"1,{k}", "--replicates", R, "--random-state", "4")
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertNotIn("cophenetic", file["table"])

    def test_connectivity_of_a_sample(self):
        self.write("X.h5", X=planted(m=300, noise=1))
        options = ["-k", "4", "--replicates", "4", "--random-state", "4", "--connectivity", "--connectivity-rows"]
        self.ensemble(*options, "40")
        self.ensemble(*options, "40", output="again.h5", ranks=2)
        self.ensemble(*options, "300", output="all.h5")
        few, again, all_rows = (self.read(name, "table/dispersion") for name in ["e.h5", "again.h5", "all.h5"])
        np.testing.assert_array_equal(few, again)
        self.assertNotEqual(few[0], all_rows[0])
        np.testing.assert_allclose(few, all_rows, atol=0.15)
        self.write("X.h5", X=np.ones((300000, 1)))
        result = self.fail_with(1, "--connectivity-rows", "ensemble", "X.h5", "-k", "1", "--connectivity",
                                "--connectivity-rows", "300000")
        self.assertRegex(result.errors[0], r"connectivity of 300000 rows needs 36\d GB")

    def counts(self, m=200):
        return np.random.RandomState(1).poisson(planted(m=m, n=40) * 3).astype(float)

    def test_resampled_replicates_are_the_same_however_x_is_held(self):
        X = self.counts(m=2000)
        self.write("X.h5", X=X)
        for kind, more in [("poisson", []), ("multinomial", ["--solver", "mu", "--beta-loss", "kl"]),
                           ("uniform", ["--resample-width", "0.1"]),
                           ("poisson", ["--estimator", "minibatch-nmf", "--batch-size", "500"])]:
            options = [
                "-k", "3", "--replicates", "3", "--random-state", "1", "--max-iter", "15", "--groups", "1",
                "--resample", kind, *more
            ]
            self.ensemble(*options)
            self.ensemble(*options, "--memory", "800K", output="redrawn.h5")
            self.ensemble(*options, "--memory", "200K", output="streamed.h5")
            with h5py.File(self.path("e.h5"), "r") as file:
                spectra = file["k3/spectra"][()]
                self.assertEqual(attributes(file["params"])["resample"], kind)
                self.assertEqual(attributes(file["params"])["match"], "hungarian")
                W, H = file["k3/W"][()], file["k3/H"][()]
                np.testing.assert_allclose(((X - W @ H)**2).sum(), file["table/error"][0], rtol=1e-9)
            for other in ["redrawn.h5", "streamed.h5"]:
                np.testing.assert_array_equal(self.read(other, "k3/spectra"), spectra)
            for ranks in [1, 2]:
                self.ensemble(*options, output="ranks.h5", ranks=ranks)
                np.testing.assert_allclose(self.read("ranks.h5", "k3/spectra"), spectra, rtol=1e-6, atol=1e-9)

    def test_resampled_sparse_x_is_that_of_dense_x(self):
        X = self.counts()
        self.write("X.h5", X=X)
        options = [
            "-k", "3", "--replicates", "2", "--random-state", "1", "--max-iter", "30", "--resample", "multinomial"
        ]
        self.ensemble(*options)
        X[X < 2] = 0
        self.write("X.h5", X=X)
        self.ensemble(*options, output="dense.h5")
        sparse = scipy.sparse.csr_matrix(X)
        with h5py.File(self.path("X.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": sparse.shape})
            group["data"], group["indices"], group["indptr"] = sparse.data, sparse.indices, sparse.indptr
        self.ensemble(*options, output="sparse.h5")
        dense = self.read("dense.h5", "k3/spectra")
        np.testing.assert_allclose(self.read("sparse.h5", "k3/spectra"), dense, atol=1e-6 * dense.max())
        self.assertGreater(abs(self.read("e.h5", "k3/spectra") - dense).max(), 1e-3 * dense.max())

    def test_what_cannot_be_drawn_from(self):
        X = planted(m=30, n=12)
        self.write("X.h5", X=X)
        options = ["ensemble", "X.h5", "-k", "2", "--replicates", "2", "--random-state", "1"]
        result = self.succeed(*options, "--resample", "poisson")
        self.assertTrue(any("no whole numbers" in warning and "--resample" in warning for warning in result.warnings))
        self.assertEqual(self.succeed(*options, "--resample", "uniform", "--quiet").warnings, [])
        self.write("X.h5", X=np.round(X))
        self.assertEqual(self.succeed(*options, "--resample", "multinomial", "--quiet").warnings, [])
        self.write("X.h5", X=1e-9 * X)
        self.fail_with(1, "--resample", *options, "--resample", "poisson")
        self.write("X.h5", X=1e17 * X)
        self.fail_with(1, "more than 2^53", *options, "--resample", "multinomial")

    def test_a_checkpoint_belongs_to_its_choices(self):
        self.write("X.h5", X=self.counts(m=400))
        options = ["ensemble", "X.h5", "-k", "3", "--replicates", "4", "--random-state", "1", "--checkpoint", "c"]
        for choice, other in [(["--resample", "poisson"], ["--resample", "multinomial"]),
                              (["--resample", "uniform"], ["--resample", "uniform", "--resample-width", "0.2"]),
                              (["--connectivity"], ["--connectivity", "--connectivity-rows", "30"]),
                              (["--connectivity"], []), ([], ["--resample", "poisson"])]:
            self.succeed(*options[:-2], *choice, "-o", "whole.h5")
            open(self.path("STOP"), "w").close()
            self.assertEqual(self.run_program(*options, *choice).status, 75)
            self.fail_with(1, "belongs to other data or parameters", *options, *other)
            self.succeed(*options, *choice, "-o", "e.h5")
            whole, mine = contents(self.path("whole.h5")), contents(self.path("e.h5"))
            for name in whole:
                np.testing.assert_equal(mine[name], whole[name], name)

    def read_attributes(self, name):
        with h5py.File(self.path(name), "r") as file:
            return attributes(file)

    def test_usage(self):
        for words, phrase in [
            (["--estimator", "minibatch-nmf", "--select", "bicv"], "minibatch-nmf"),
            (["--batch-size", "10"], "'--batch-size' belongs to the estimator minibatch-nmf"),
            (["--estimator", "minibatch-nmf", "--solver", "mu"], "'--solver' belongs to the estimator nmf"),
            (["--match", "nearest"], "takes auto|kmeans|hungarian"),
            (["--resample", "bootstrap"], "takes none|poisson|multinomial|uniform"),
            (["--resample-width", "0.1"], "belongs to --resample uniform"),
            (["--resample", "uniform", "--resample-width", "0"], "--resample-width must be"),
            (["--resample", "poisson", "--solver", "mu", "--beta-loss", "0"], "take --resample uniform"),
            (["--connectivity-rows", "10"], "belongs to --connectivity"),
        ]:
            self.write("X.h5", X=planted())
            self.fail_with(2, phrase, "ensemble", "X.h5", "-k", "3", *words)


if __name__ == "__main__":
    unittest.main()
