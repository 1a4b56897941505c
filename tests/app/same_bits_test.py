"""Results have the same bits on any number of ranks and threads, in memory and streamed. (Of runs that go on on another
number of ranks: tests/reliability/kill_suite.py.)"""
import hashlib
import subprocess
import unittest

import h5py
import numpy as np

from program import MPIRUN, PROGRAM, ProgramTest

# Ranks and threads. Some of the ranks have no rows of small X, or of batches.
MACHINES = [(1, 1), (1, 2), (2, 1), (3, 2), (5, 1), (7, 1)]
KL = ["--solver", "mu", "--beta-loss", "kullback-leibler"]
MINI_BATCH = ["--estimator", "minibatch-nmf", "--batch-size", "150", "--max-iter", "3"]


def digest_of(path, names):
    """Of some datasets, all of a group's but the seconds in it, and of what the model says of its end."""
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        for name in names:
            item = file[name]
            for part in sorted(item) if isinstance(item, h5py.Group) else [None]:
                if part != "seconds":
                    digest.update((item if part is None else item[part])[()].tobytes())
        for name in ("n_iter", "reconstruction_err"):
            if name in file.attrs:
                digest.update(np.asarray(file.attrs[name]).tobytes())
    return digest.hexdigest()[:16]


class SameBitsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        dense = random.gamma(.4, 1, (701, 5)) @ random.gamma(.4, 1, (5, 83)) + random.random((701, 83)) + .01
        counts = random.poisson(random.gamma(.3, 1, (903, 4)) @ random.gamma(.3, 1, (4, 120)) * .3)
        counts[counts.sum(1) == 0, 0] = 1
        counts[0, counts.sum(0) == 0] = 1
        missing = np.where(random.random(dense.shape) < .1, np.nan, dense)
        with h5py.File(self.path("dense.h5"), "w") as file:
            file.create_dataset("X", data=dense.astype("f4"), chunks=(100, 83), compression=1)
            file["double"] = dense
            file["missing"] = missing.astype("f4")
        rows, columns = np.nonzero(counts)
        with h5py.File(self.path("sparse.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": counts.shape})
            group["indptr"] = np.searchsorted(rows, np.arange(len(counts) + 1))
            group["indices"], group["data"] = columns.astype("i4"), counts[rows, columns].astype("f4")

    def run_on(self, machine, *words, status=0):
        ranks, threads = machine
        result = subprocess.run([*MPIRUN, str(ranks), PROGRAM, *words, "--threads",
                                 str(threads), "--quiet"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, status, f"{words} on {machine}: {result.stderr}")

    def assert_same(self, what, digests):
        self.assertEqual(len(set(digests.values())), 1, f"{what}: {digests}")

    def check_fits(self, x, *options, also=()):
        """On all machines; with the options of `also`, too, on some of them."""
        digests = {}
        for extra, machines in [((), MACHINES), *((words, MACHINES[2:4]) for words in also)]:
            for machine in machines:
                self.run_on(machine, "fit", x, "-k", "4", "--random-state", "3", "--tol", "0", *options, *extra, "-o",
                            "m.h5")
                digests[(machine, *extra)] = digest_of(self.path("m.h5"), ["W", "H", "history"])
        self.assert_same((x, *options), digests)

    def test_coordinate_descent(self):
        short = ["--max-iter", "8"]
        self.check_fits("dense.h5:/X", "--init", "random", *short, also=[["--memory", "60K"]])
        self.check_fits("dense.h5:/double", *short)
        self.check_fits("sparse.h5", "--init", "random", "--shuffle", *short, also=[["--memory", "60K"]])
        self.check_fits("sparse.h5", "--init", "nndsvdar", "--acceleration", "extrapolation", *short)

    def test_multiplicative_updates(self):
        short = ["--init", "random", "--max-iter", "8"]
        self.check_fits("dense.h5:/X", *short, *KL, also=[["--memory", "60K"]])
        self.check_fits("sparse.h5", *short, *KL)
        self.check_fits("dense.h5:/double", *short, "--solver", "mu", "--beta-loss", "1.5")

    def test_mini_batches(self):
        self.check_fits("dense.h5:/X", *MINI_BATCH, also=[["--memory", "60K"]])
        self.check_fits("sparse.h5", *MINI_BATCH, "--fresh-restarts", "--beta-loss", "kullback-leibler")

    def test_missing_entries(self):
        missing = ["--missing", "nan", "--init", "random", "--max-iter", "6"]
        self.check_fits("dense.h5:/missing", *missing)
        self.check_fits("dense.h5:/missing", *missing, *KL)

    def test_sparse_rows_that_are_computed_dense(self):
        random = np.random.default_rng(4)
        x = random.random((2100, 500)) * (random.random((2100, 500)) < .3)  # beyond what is called tiny
        rows, columns = np.nonzero(x)
        with h5py.File(self.path("half.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": x.shape})
            group["indptr"] = np.searchsorted(rows, np.arange(len(x) + 1))
            group["indices"], group["data"] = columns.astype("i4"), x[rows, columns]
        self.check_fits("half.h5", "--init", "random", "--max-iter", "4", also=[["--memory", "4M"],
                                                                                ["--memory", "500K"]])

    def test_transform(self):
        self.run_on((2, 1), "fit", "dense.h5:/X", "-k", "4", "--random-state", "3", "-o", "model.h5")
        digests = {}
        for machine in MACHINES:
            for memory in ([], ["--memory", "60K"]):
                self.run_on(machine, "transform", "dense.h5:/X", "--model", "model.h5", "-o", "w.h5", *memory)
                digests[(machine, *memory)] = digest_of(self.path("w.h5"), ["W"])
        self.assert_same("transform", digests)

    def test_ensemble(self):
        for select in (["stability"], ["bicv"], ["speckled", "--select-repeats", "2"]):
            digests = {}
            for machine, groups in [((1, 1), "1"), ((2, 1), "1"), ((2, 1), "2"), ((3, 2), "1"), ((5, 1), "2")]:
                self.run_on(machine, "ensemble", "dense.h5:/X", "-k", "2,3", "--replicates", "4", "--random-state", "5",
                            "--max-iter", "6", "--select", *select, "--groups", groups, "-o", "e.h5")
                with h5py.File(self.path("e.h5"), "r") as file:
                    names = []
                    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
                names = [name for name in names if "seconds" not in name]
                self.assertIn("k3/H", names)
                digests[(machine, groups)] = digest_of(self.path("e.h5"), names)
            self.assert_same(f"ensemble {select}", digests)


if __name__ == "__main__":
    unittest.main()
