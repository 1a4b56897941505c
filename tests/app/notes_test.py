#!/usr/bin/python3
"""What a run says of itself: what it took for granted, what will cost time, how it is stopped."""
import os
import shutil
import unittest
from unittest import mock

import h5py
import numpy as np

from named_model import NamedModel
from program import RANKS, positive_matrix


class Notes(NamedModel):
    def test_number_of_components_that_nobody_gave(self):
        result = self.succeed("fit", "x.h5", "--max-iter", "2", "--tol", "0")
        self.assertIn("no -k given: 7 components, as many as X has columns", result.warnings)
        self.write("wide.h5", X=positive_matrix(20, 101))
        for k, expected in (("auto", True), ("none", True), ("5", False)):
            warnings = self.succeed("fit", "wide.h5", "-k", k, "--max-iter", "1", "--tol", "0").warnings
            self.assertEqual([f"-k {k}: 101 components" in warning for warning in warnings].count(True), int(expected))
        result = self.succeed("partial-fit", "x.h5", "--model", "p.h5")
        self.assertIn("no -k given: 7 components", result.stderr)

    def test_output_named_as_another_format(self):
        def warned(*command):
            return ["will be an HDF5 file" in warning for warning in self.succeed(*command).warnings].count(True)

        fit = ["fit", "x.h5", "-k", "2", "--max-iter", "1", "-o"]
        self.assertEqual([warned(*fit, name) for name in ("m.csv", "m.h5", "m", "m.hdf5", "m.tsv")], [1, 0, 0, 0, 1])
        self.assertTrue(h5py.is_hdf5(self.path("m.csv")))
        self.assertEqual(warned("transform", "x.h5", "--model", "m.csv", "-o", "W.npy"), 1)
        self.assertEqual(warned("export", "m.csv", "-o", "tables.csv"), 0)

    def test_divergence_of_counts_on_other_values(self):
        kl = ["-k", "2", "--solver", "mu", "--beta-loss", "kl", "--max-iter", "1", "--tol", "0"]
        self.assertIn("values of X are not whole numbers", self.succeed("fit", "x.h5", *kl).stderr)
        self.write("counts.h5", X=np.floor(3 * positive_matrix(9, 5)))
        self.assertNotIn("not whole numbers", self.succeed("fit", "counts.h5", *kl).stderr)
        self.assertNotIn("not whole numbers", self.succeed("fit", "x.h5", "-k", "2", "--max-iter", "1").stderr)
        for file, expected in (("x.h5", True), ("counts.h5", False)):
            for command in (["ensemble", file, *kl, "--replicates", "2", "-o",
                             "e.h5"], ["partial-fit", file, "-k", "2", "--beta-loss", "kl", "--model",
                                       f"{file}.model"]):
                self.assertEqual("not whole numbers" in self.succeed(*command).stderr, expected, command)

    def test_another_matrix_than_that_of_the_fit(self):
        """Without a path X is /X, whatever the model was learned from."""
        for name in ("x.h5", "other.h5"):
            self.write_named(name, self.x)
            with h5py.File(self.path(name), "r+") as file:
                file["layers/counts"] = 2 * self.x
        self.write_named("plain.h5", self.x)
        learned = "x.h5:/layers/counts"
        self.succeed("fit", learned, "-k", 2, "-o", "m.h5")
        self.succeed("partial-fit", learned, "-k", 2, "--model", "p.h5")
        self.succeed("ensemble", learned, "-k", 2, "--replicates", 2, "--density-threshold", 2, "-o", "e.h5")
        self.succeed("select", "e.h5", "-k", 2, "-o", "s.h5")
        for file, expected in (("other.h5", True), ("other.h5:/layers/counts", False), ("other.h5:/X", False),
                               ("plain.h5", False)):
            for command in (["transform", file, "--model", "m.h5", "-o",
                             "W.h5"], ["transform", file, "--model", "s.h5", "-o",
                                       "W.h5"], ["partial-fit", file, "--model", "p.h5"]):
                shutil.copy(self.path("p.h5"), self.path("kept.h5"))
                warnings = self.succeed(*command).warnings
                shutil.move(self.path("kept.h5"), self.path("p.h5"))
                self.assertEqual(["learned from /layers/counts" in warning for warning in warnings], [True] * expected,
                                 (command, warnings))

    def test_how_to_stop_is_told(self):
        kept = "to stop it, with its state kept: touch 'STOP', or kill -USR1 of mpirun (not Ctrl-C)"
        lost = "no --checkpoint: what is stopped (Ctrl-C, a time limit of the job) is lost"
        for command in (["fit", "x.h5", "-k", "2", "-o",
                         "m.h5"], ["ensemble", "x.h5", "-k", "2", "--replicates", "2", "-o", "m.h5"]):
            told = self.succeed(*command, "--checkpoint", "c").stderr
            self.assertEqual((kept in told, lost in told), (True, False), told)
            told = self.succeed(*command).stderr
            self.assertEqual((kept in told, lost in told), (False, RANKS > 1), told)

    @unittest.skipIf(RANKS == 0, "of ranks")
    def test_more_ranks_than_cores(self):
        cores = len(os.sched_getaffinity(0))
        for idle, expected in (("1", False), ("0", True)):
            with mock.patch.dict(os.environ, {"OMPI_MCA_mpi_yield_when_idle": idle, "OMP_NUM_THREADS": "1"}):
                warnings = self.succeed("fit", "x.h5", "-k", 2, "--max-iter", 1, "--tol", 0, ranks=cores + 1).warnings
            self.assertEqual([f"{cores + 1} ranks share {cores} cores of a node" in warning for warning in warnings],
                             [True] * expected, warnings)

    def test_more_threads_than_cores(self):
        cores = len(os.sched_getaffinity(0))
        for policy, expected in (("active", True), ("passive", False)):
            with mock.patch.dict(os.environ, {"OMP_WAIT_POLICY": policy, "GOMP_SPINCOUNT": "0"}):
                warnings = self.succeed("fit", "x.h5", "-k", 2, "--max-iter", 1, "--tol", 0, "--threads",
                                        cores + 1).warnings
            self.assertEqual([f"threads share {cores} cores of a node" in warning for warning in warnings],
                             [True] * expected, warnings)
        with mock.patch.dict(os.environ):
            for variable in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
                os.environ.pop(variable, None)
            result = self.succeed("fit", "x.h5", "-k", 2, "--max-iter", 1, "--tol", 0)
        self.assertEqual(result.warnings, [], "--threads auto takes no more than there are")


if __name__ == "__main__":
    unittest.main()
