#!/usr/bin/python3
"""scanmf ensemble and select: replicates, consensus, stability, choice of k, going on after an interruption."""
import csv
import json
import os
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
import scipy.sparse

from program import DATA, MPIRUN, PROGRAM, RANKS, ProgramTest, attributes, contents

GOLDEN = os.path.join(DATA, "golden_ensemble.h5")
# A k of the golden file that is less stable: scikit-learn's k-means may end in other clusters.
STABLE = 0.9


def planted(seed=0, m=120, n=60, k=4, noise=0.02):
    """Non-negative data of k parts that hardly overlap, and noise."""
    random = np.random.RandomState(seed)
    H = np.zeros((k, n))
    for c in range(k):
        part = slice(c * n // k, (c + 1) * n // k + 3)
        H[c, part] = random.gamma(2, 1, H[c, part].shape)
    W = random.dirichlet(np.full(k, 0.3), m) * random.gamma(5, 1, (m, 1))
    return np.maximum(0, W @ H + noise * (W @ H).mean() * random.standard_normal((m, n)))


class Ensemble(ProgramTest):
    def ensemble(self, *options, output="e.h5", **how):
        return self.succeed("ensemble", "X.h5", "--quiet", "--threads", "1", "-o", output, *options, **how)

    def test_golden(self):
        with h5py.File(GOLDEN, "r") as golden:
            for name, case in golden.items():
                with self.subTest(name):
                    self.compare(case)

    def compare(self, case):
        self.write("X.h5", X=case["X"][()])
        options = [
            "-k", ",".join(map(str, case.attrs["ks"])), "--replicates", case.attrs["replicates"], "--random-state",
            case.attrs["random_state"], "--select", "bicv"
        ]
        for parameter in ["solver", "beta_loss", "max_iter"]:
            if parameter in case.attrs:
                options += ["--" + parameter.replace("_", "-"), case.attrs[parameter]]
        self.ensemble(*options, timeout=300)
        with h5py.File(self.path("e.h5"), "r") as found:
            for row, k in enumerate(case.attrs["ks"]):
                mine, other = found[f"k{k}"], case[f"k{k}"]
                stability = found["table/stability"][row]
                self.assertEqual(found["table/k"][row], k)
                np.testing.assert_array_equal(mine["seeds"], case["seeds"][row])
                np.testing.assert_allclose(mine["errors"], other["errors"], rtol=1e-6)
                np.testing.assert_allclose(mine["density"], other["density"], atol=2e-5)
                np.testing.assert_array_equal(mine["kept"], other["keep"])
                self.assertEqual(mine["kept"].dtype, bool)
                self.assertGreater(stability, other["stability"][()] - 0.05)
                np.testing.assert_allclose(found["table/cv_error"][row], other["bicv"], rtol=1e-4)
                if other["stability"][()] < STABLE:
                    continue
                np.testing.assert_allclose(stability, other["stability"], atol=1e-5)
                np.testing.assert_array_equal(mine["labels"][()][other["keep"][()]], other["labels"])
                np.testing.assert_allclose(mine["cluster_stability"], other["cluster_stability"], atol=1e-4)
                np.testing.assert_allclose(mine["H"], other["H"], atol=1e-5 * other["H"][()].max())
                np.testing.assert_allclose(found["table/error"][row], other["error"], rtol=1e-5)
                W, H = mine["W"][()], mine["H"][()]
                np.testing.assert_allclose(((case["X"][()] - W @ H)**2).sum(), found["table/error"][row], rtol=1e-9)

    def test_a_replicate_is_the_fit_with_its_seed(self):
        self.write("X.h5", X=planted())
        for options in [[], ["--solver", "mu", "--beta-loss", "kullback-leibler", "--max-iter", "60"], ["--shuffle"],
                        ["--dtype", "float32"]]:
            self.ensemble("-k", "3:5:2", "--replicates", "3", "--random-state", "7", "--groups", "1", *options)
            with h5py.File(self.path("e.h5"), "r") as file:
                for k in [3, 5]:
                    for r, seed in enumerate(file[f"k{k}/seeds"]):
                        self.succeed("fit", "X.h5", "-k", k, "--init", "random", "--random-state", seed, "--quiet",
                                     "--threads", "1", *options)
                        with h5py.File(self.path("model.h5"), "r") as model:
                            np.testing.assert_array_equal(file[f"k{k}/spectra"][r * k:(r + 1) * k], model["H"])
                            self.assertEqual(file[f"k{k}/errors"][r], model.attrs["reconstruction_err"])
                            self.assertEqual(file[f"k{k}/n_iter"][r], model.attrs["n_iter"])
                            self.assertEqual(file[f"k{k}/converged"][r], model.attrs["converged"])

    def test_groups_of_ranks(self):
        self.write("X.h5", X=planted(m=300))
        options = ["-k", "2:4", "--replicates", "5", "--random-state", "7", "--select", "bicv"]
        if RANKS == 0:
            self.fail_with(2, "--groups 2 needs as many ranks: there are 1", "ensemble", "X.h5", *options, "--groups",
                           "2")
            return
        self.ensemble(*options, "--groups", "1", output="shared.h5")
        self.ensemble(*options, "--groups", "2", "--log-json", "log", output="two.h5")
        result = self.succeed("ensemble", "X.h5", *options, "-o", "all.h5", "--threads", "1")
        self.assertIn(f"{RANKS} groups of ranks, each with all of X", result.stderr)
        with open(self.path("log")) as log:
            replicates = [json.loads(line) for line in log if '"event":"replicate"' in line.replace(" ", "")]
        self.assertEqual(sorted((one["k"], one["replicate"]) for one in replicates),
                         [(k, r) for k in (2, 3, 4) for r in range(5)])
        shared = contents(self.path("shared.h5"))
        for name in ("two.h5", "all.h5"):
            other = contents(self.path(name))
            self.assertEqual(sorted(shared), sorted(other))
            for path in shared:
                if path == "/":
                    self.assertEqual(shared[path], other[path])
                else:
                    np.testing.assert_allclose(other[path], shared[path], rtol=1e-6, atol=1e-8, err_msg=path)
        # A group of one rank fits as a run of one rank does.
        seed = self.read("all.h5", "k3/seeds")[4]
        self.run_alone("fit", "X.h5", "-k", "3", "--init", "random", "--random-state", seed, "--threads", "1")
        np.testing.assert_array_equal(self.read("all.h5", "k3/spectra")[12:], self.read("model.h5", "H"))

    def run_alone(self, *words):
        subprocess.run([PROGRAM, *map(str, words), "--quiet"], cwd=self.folder, check=True)

    def test_streamed_is_in_memory(self):
        self.write("X.h5", X=planted(m=2000))
        options = [
            "-k", "3:4", "--replicates", "3", "--random-state", "1", "--max-iter", "20", "--select", "bicv", "--groups",
            "1"
        ]
        self.ensemble(*options)
        self.ensemble(*options, "--memory", "300K", output="streamed.h5")
        self.assert_same_contents("e.h5", "streamed.h5")

    def test_planted_k_is_chosen(self):
        self.write("X.h5", X=planted(noise=0.1))
        result = self.succeed("ensemble", "X.h5", "-k", "2:6", "--replicates", "20", "--random-state", "2",
                              "--log-json", "log", "--max-iter", "500")
        self.assertRegex(result.stdout, r"\n +4 +0\.9\d+ .*<- chosen\n")
        with h5py.File(self.path("ensemble.h5"), "r") as file:
            self.assertEqual(file.attrs["chosen_k"], 4)
            self.assertEqual(attributes(file)["format"], "scanmf-ensemble")
            self.assertEqual(attributes(file)["select"], "stability")
        with open(self.path("log")) as log:
            events = [json.loads(line) for line in log]
        self.assertEqual(sum(event["event"] == "replicate" for event in events), 100)
        self.assertEqual(events[-1]["chosen_k"], 4)
        self.assertEqual(len(events[-1]["table"]), 5)
        inspected = self.succeed("inspect", "ensemble.h5").stdout
        self.assertRegex(inspected, r"\n +4 +0\.9\d+ .*<- chosen\n")
        self.assertEqual(inspected.count("<- chosen"), 1)
        table = list(csv.DictReader(self.succeed("inspect", "ensemble.h5", "--csv").stdout.splitlines()))
        self.assertEqual([row["k"] for row in table], ["2", "3", "4", "5", "6"])
        described = json.loads(self.succeed("inspect", "ensemble.h5", "--json").stdout)
        self.assertEqual((described["kind"], described["chosen_k"]), ("ensemble", 4))

    def test_planted_k_is_chosen_by_cross_validation(self):
        self.write("X.h5", X=planted())
        options = ["-k", "2:6", "--replicates", "2", "--random-state", "2", "--select", "bicv", "--max-iter", "500"]
        self.ensemble(*options)
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertEqual((file.attrs["chosen_k"], attributes(file)["select"]), (4, "bicv"))
            self.assertTrue((file["table/cv_error_se"][()] > 0).all())
        sparse = scipy.sparse.csr_matrix(planted())
        with h5py.File(self.path("X.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": sparse.shape})
            group["data"], group["indices"], group["indptr"] = sparse.data, sparse.indices, sparse.indptr
        self.ensemble(*options, output="sparse.h5")
        np.testing.assert_allclose(self.read("sparse.h5", "table/cv_error"), self.read("e.h5", "table/cv_error"),
                                   rtol=1e-3)

    def test_select(self):
        X = planted()
        self.write("X.h5", X=X)
        self.ensemble("-k", "3:4", "--replicates", "6", "--random-state", "2", "--max-iter", "500")
        self.succeed("select", "e.h5", "-o", "m.h5", "--quiet")
        with h5py.File(self.path("m.h5"), "r") as model, h5py.File(self.path("e.h5"), "r") as file:
            k = file.attrs["chosen_k"]
            self.assertEqual(model.attrs["n_components"], k)
            np.testing.assert_array_equal(model["H"], file[f"k{k}/H"])
            np.testing.assert_array_equal(model["W"], file[f"k{k}/W"])
            error = np.linalg.norm(X - model["W"][()] @ model["H"][()])
            self.assertAlmostEqual(model.attrs["reconstruction_err"], error, 8)
        self.succeed("transform", "X.h5", "--model", "m.h5", "-o", "W.h5", "--quiet", "--threads", "1")
        # Not to the last digits: the ensemble solves for W before it orders the components.
        W = self.read("m.h5", "W")
        np.testing.assert_allclose(self.read("W.h5", "W"), W, atol=1e-4 * W.max())
        self.succeed("inspect", "m.h5")
        self.succeed("select", "e.h5", "-k", "3", "-o", "m3.h5")
        self.assertEqual(self.read("m3.h5", "H").shape[0], 3)
        self.fail_with(1, "has no k = 9: it has 3, 4", "select", "e.h5", "-k", "9", "-o", "no.h5")
        self.fail_with(1, "no ensemble file", "select", "m.h5", "-o", "no.h5")

    def test_nothing_is_stable(self):
        self.write("X.h5", X=np.random.RandomState(0).uniform(0, 1, (40, 30)))
        result = self.ensemble("-k", "12", "--replicates", "4", "--random-state", "0", "--density-threshold", "0.05")
        self.assertTrue(any("no k can be chosen" in warning for warning in result.warnings), result.warnings)
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertEqual(file.attrs["chosen_k"], 0)
            self.assertNotIn("H", file["k12"])
            self.assertTrue(np.isnan(file["table/stability"][0]))
            self.assertTrue((file["k12/labels"][()][~file["k12/kept"][()]] == -1).all())
        self.fail_with(1, "no k was chosen", "select", "e.h5", "-o", "m.h5")
        self.fail_with(1, "has no consensus", "select", "e.h5", "-k", "12", "-o", "m.h5")
        result = self.ensemble("-k", "12", "--replicates", "4", "--random-state", "0", "--density-threshold", "2")
        self.assertTrue(any("no k is stable" in warning for warning in result.warnings), result.warnings)

    def test_one_replicate_is_never_chosen(self):
        self.write("X.h5", X=planted())
        self.ensemble("-k", "1,4", "--replicates", "1", "--random-state", "0", "--density-threshold", "2")
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertTrue(np.isnan(file["table/stability"][()]).all())
            self.assertEqual(file.attrs["chosen_k"], 0)
            self.assertIn("H", file["k4"])

    def test_more_components_than_columns_and_empty_columns(self):
        X = planted(m=10, n=6, k=2)
        X[:, 3] = 0
        X[4] = 0
        self.write("X.h5", X=X)
        self.ensemble("-k", "1,2,8", "--replicates", "5", "--random-state", "3", "--density-threshold", "2")
        with h5py.File(self.path("e.h5"), "r") as file:
            self.assertEqual(file["table/stability"][0], 1)
            for k in [1, 2, 8]:
                self.assertEqual(file[f"k{k}/spectra"].shape, (5 * k, 6))
                self.assertTrue((file[f"k{k}/spectra"][:, 3] == 0).all())
            self.assertTrue((file["k2/W"][4] == 0).all())

    def test_spectra_of_zeros_are_counted(self):
        self.write("X.h5", X=planted(m=30, n=12, k=2))
        self.ensemble("-k", "6", "--replicates", "4", "--random-state", "3", "--alpha-w", "0", "--alpha-h", "0.5",
                      "--l1-ratio", "1", "--density-threshold", "2")
        with h5py.File(self.path("e.h5"), "r") as file:
            zero = (file["k6/spectra"][()] == 0).all(axis=1)
            self.assertGreater(zero.sum(), 0)
            np.testing.assert_array_equal(np.isnan(file["k6/density"]), zero)
            np.testing.assert_array_equal(file["k6/labels"][()] == -1, zero)
            self.assertAlmostEqual(file["table/kept"][0], 1 - zero.mean())

    def test_usage(self):
        for words, phrase in [
            (["ensemble", "X.h5"], "needs option '-k'"),
            (["ensemble", "X.h5", "-k", "5:3"], "Got '5:3' instead"),
            (["ensemble", "X.h5", "-k", "0,1"], "Got '0,1' instead"),
            (["ensemble", "X.h5", "-k", "3", "--init", "nndsvd"], "'--init' is not one of 'ensemble'"),
            (["ensemble", "X.h5", "-k", "3", "--neighbourhood", "0"], "--neighbourhood must be"),
            (["ensemble", "X.h5", "-k", "3", "--replicates", "0"], "takes N"),
            (["ensemble", "X.h5", "-k", "3", "--select", "gap"], "takes stability|bicv|speckled"),
            (["ensemble", "X.h5", "-k", "3", "--folds", "3"], "belongs to --select bicv"),
            (["select", "e.h5"], "needs option '--output FILE'"),
        ]:
            self.fail_with(2, phrase, *words)

    def test_too_many_replicates_for_the_memory(self):
        self.write("X.h5", X=planted())
        result = self.fail_with(1, "the consensus of", "ensemble", "X.h5", "-k", "50", "--replicates", "3000")
        self.assertRegex(result.errors[0], r"needs [\d.]+ GB on a rank, [\d.]+ GB are free there")

    def test_goes_on_after_a_kill(self):
        self.write("X.h5", X=planted(m=400))
        options = [
            "ensemble", "X.h5", "-k", "3:6", "--replicates", "12", "--random-state", "5", "--tol", "0", "--max-iter",
            "150", "--threads", "1"
        ]
        self.succeed(*options, "-o", "whole.h5", "--quiet", timeout=300)
        options += ["-o", "e.h5", "--checkpoint", "c"]
        self.kill_when_some_are_done([PROGRAM, *options])
        self.assertNotIn("e.h5", os.listdir(self.folder))
        result = self.succeed(*options, timeout=300)
        self.assertRegex(result.stderr, r"going on from '.*c': [1-9]\d* of 48 replicates are done")
        self.assert_same_contents("whole.h5", "e.h5")
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "e.h5", "log", "whole.h5"])

    def kill_when_some_are_done(self, command):
        ranks = [*MPIRUN, str(RANKS)] if RANKS > 0 else []
        process = subprocess.Popen([*ranks, *command, "--log-json", "log"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if self.replicates_in_the_log() >= 3:
                process.send_signal(signal.SIGKILL if RANKS == 0 else signal.SIGTERM)
                break
            time.sleep(0.01)
        process.wait()

    def replicates_in_the_log(self):
        if not os.path.exists(self.path("log")):
            return 0
        with open(self.path("log")) as log:
            return log.read().count('"replicate"')

    def test_a_checkpoint_of_another_run_is_refused(self):
        self.write("X.h5", X=planted(m=400))
        self.write("c", X=1)
        options = ["ensemble", "X.h5", "-k", "3", "--replicates", "4", "--quiet", "--checkpoint", "c"]
        self.fail_with(1, "is no checkpoint of an ensemble", *options)

    def test_stop_file(self):
        self.write("X.h5", X=planted(m=400))
        self.write_text("STOP")
        options = ["ensemble", "X.h5", "-k", "3", "--replicates", "4", "--random-state", "1", "--checkpoint", "c"]
        result = self.run_program(*options)
        self.assertEqual(result.status, 75, result.stderr)
        self.assertIn("run the same command again", result.warnings[-1])
        self.assertNotIn("STOP", os.listdir(self.folder))
        self.fail_with(1, "belongs to other data or parameters", *options[:3], "4", *options[4:])
        self.succeed(*options)
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "ensemble.h5"])

    def write_text(self, name, text=""):
        with open(self.path(name), "w") as file:
            file.write(text)


if __name__ == "__main__":
    unittest.main()
