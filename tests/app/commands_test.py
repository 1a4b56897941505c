#!/usr/bin/python3
"""What the commands do: models, transforms, chunks learnt one by one, conversions, generated matrices, logs. Expected
values by numpy alone."""
import concurrent.futures
import gzip
import json
import os
import platform
import struct
import subprocess
import unittest
from unittest import mock

import h5py
import numpy as np

from named_model import NamedModel
from program import DATA, RANKS, ProgramTest, attributes, positive_matrix


def strings(values):
    return [value.decode() for value in values]


class Models(NamedModel):
    def test_model_file(self):
        self.fit("--alpha-w", "0.001", "--beta-loss", "kullback-leibler", "--solver=mu", "--max-iter", "20", "--tol",
                 "1e-14")
        with h5py.File(self.path("m.h5"), "r") as model:
            root = attributes(model)
            self.assertEqual((root["format"], root["format_version"], root["estimator"], root["dtype"]),
                             ("scanmf-model", 1, "nmf", "float64"))
            self.assertEqual((root["n_components"], root["n_features_in"], root["n_samples"], root["n_iter"]),
                             (3, 7, 40, 20))
            self.assertFalse(root["converged"])
            W, H = model["W"][()], model["H"][()]
            y = W @ H
            error = np.sqrt(2 * np.sum(self.x * np.log(self.x / y) - self.x + y))
            self.assertAlmostEqual(root["reconstruction_err"] / error, 1, 10)
            params = attributes(model["params"])
            self.assertEqual((params["alpha_W"], params["alpha_H"], params["beta_loss"], params["init"]),
                             (0.001, "same", "kullback-leibler", "none"))
            self.assertEqual((params["n_components"], params["max_iter"], params["random_state"], params["tol"]),
                             (3, 20, 1, 1e-14))
            self.assertEqual(params["random_generator"], "numpy")
            self.assertFalse(params["shuffle"])
            self.assertEqual(strings(model["feature_names"][()]), [f"gene{i}" for i in range(7)])
            self.assertEqual(strings(model["obs_names"][()])[-1], "cell39")
            self.assertEqual(list(model["history/iteration"][()]), list(range(1, 21)))
            self.assertEqual(np.isnan(model["history/error"][()]).sum(), 18)
            self.assertEqual(model["provenance"].attrs["ranks"], max(RANKS, 1))
            self.assertIn("--alpha-w 0.001", attributes(model["provenance"])["command_line"])

    def test_equal_runs_give_equal_files(self):
        contents = []
        for name in ["a.h5", "b.h5"]:
            self.succeed("fit", "x.h5", "-k", "2", "--random-state", "5", "-o", name, "--init", "random")
            found = {}

            def keep(path, item):
                if not path.startswith("provenance") and path != "history/seconds":
                    found[path] = (dict(item.attrs), item[()].tobytes()
                                   if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" else None)

            with h5py.File(self.path(name), "r") as model:
                model.visititems(keep)
            contents.append(found)
        self.assertEqual(repr(contents[0]), repr(contents[1]))

    def test_transform(self):
        self.fit("--tol", "1e-8", "--max-iter", "1000")
        self.succeed("transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "-k", "3", "--random-state", "none",
                     "--init", "none", "--tol", "1e-12")
        W, H = self.read("w.h5", "W"), self.read("m.h5", "H")
        gradient = (W @ H - self.x) @ H.T  # a solution of non-negative least squares
        self.assertLess(np.abs(np.where(W > 0, gradient, np.minimum(gradient, 0))).max(), 1e-6)
        self.assertEqual(strings(self.read("w.h5", "obs/_index"))[7], "cell7")
        self.assertEqual(strings(self.read("w.h5", "var/_index")), ["nmf0", "nmf1", "nmf2"])
        self.succeed("inverse-transform", "w.h5", "--model", "m.h5", "-o", "back.h5")
        self.assertLess(np.abs(self.read("back.h5", "X") - W @ H).max(), 1e-12)
        self.assertEqual(strings(self.read("back.h5", "var/_index"))[6], "gene6")
        self.succeed("inverse-transform", "m.h5", "--model", "m.h5", "-o", "fitted.h5")  # the model's own W
        self.assertEqual(strings(self.read("fitted.h5", "obs/_index"))[-1], "cell39")
        self.assertEqual(self.read("fitted.h5", "X").shape, (40, 7))

    def test_transform_takes_parameters_from_the_model(self):
        self.fit("--max-iter", "5", "--tol", "0", "--alpha-w", "0.01")
        self.fail_with(2, "alpha_W = 0.02 differs from the model's 0.01", "transform", "x.h5", "--model", "m.h5", "-o",
                       "w.h5", "--alpha-w", "0.02")
        self.fail_with(2, "'batch_size' is a parameter of MiniBatchNMF", "transform", "x.h5", "--model", "m.h5", "-o",
                       "w.h5", "--batch-size", "2")
        self.fail_with(2, "which is of nmf", "transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "--estimator",
                       "minibatch-nmf")
        self.fail_with(2, "Got 0 instead.", "transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "--max-iter", "0")
        self.fail_with(1, "would replace option '--model'", "transform", "x.h5", "--model", "m.h5", "-o", "m.h5")

    def test_features_must_be_those_of_the_model(self):
        self.fit("--max-iter", "2", "--tol", "0")
        self.write_named("other.h5", self.x, ["gene0", "gene2", "gene1", "gene3", "gene4", "gene5", "gene6"])
        result = self.fail_with(1, "feature names should match", "transform", "other.h5", "--model", "m.h5", "-o",
                                "w.h5")
        self.assertIn("column 1 of X is 'gene2', in the model it is 'gene1'", result.errors[0])
        self.write("narrow.h5", X=self.x[:, :3])
        self.fail_with(1, "X has 3 features, but NMF is expecting 7 features as input.", "transform", "narrow.h5",
                       "--model", "m.h5", "-o", "w.h5")
        self.write("wide.h5", W=positive_matrix(4, 5))
        self.fail_with(1, "has 5 columns, but the model has 3 components", "inverse-transform", "wide.h5", "--model",
                       "m.h5", "-o", "back.h5")

    def test_any_file_with_H_is_a_model(self):
        H = positive_matrix(2, 7, 3)
        self.write("h.h5", H=H)
        self.write("exact.h5", X=positive_matrix(9, 2, 4) @ H)
        self.succeed("transform", "exact.h5", "--model", "h.h5", "-o", "w.h5", "--tol", "1e-12", "--max-iter", "5000")
        self.assertLess(np.abs(self.read("w.h5", "W") - positive_matrix(9, 2, 4)).max(), 1e-6)
        self.fail_with(2, "n_components = 3 differs", "transform", "exact.h5", "--model", "h.h5", "-o", "v.h5", "-k",
                       "3")
        self.fail_with(2, "does not handle beta_loss = 1", "transform", "exact.h5", "--model", "h.h5", "-o", "v.h5",
                       "--beta-loss", "1")
        self.write("negative.h5", H=-H)
        self.fail_with(1, "Negative values in data passed to NMF (input H)", "transform", "exact.h5", "--model",
                       "negative.h5", "-o", "v.h5")
        self.write("zero.h5", H=0 * H)
        result = self.succeed("transform", "exact.h5", "--model", "zero.h5", "-o", "z.h5")
        self.assertTrue(any("Array passed to NMF (input H) is full of zeros." in warning
                            for warning in result.warnings))
        self.assertFalse(self.read("z.h5", "W").any())

    def test_partial_fit(self):
        self.write("neg.h5", X=np.where(np.arange(280).reshape(40, 7) == 9, -1, self.x))
        self.write("narrow.h5", X=self.x[:, :3])
        common = ["--model", "m.h5", "-k", "2", "--random-state", "0"]
        self.fail_with(1, "Negative values in data passed to", "partial-fit", "neg.h5", *common)
        for steps in [1, 2, 3]:
            self.succeed("partial-fit", "x.h5", *common)
            with h5py.File(self.path("m.h5"), "r") as model:
                self.assertEqual(model.attrs["n_steps"], steps)
                self.assertEqual(attributes(model)["estimator"], "minibatch-nmf")
        before = self.read("m.h5", "H")
        self.fail_with(1, "Negative values in data passed to", "partial-fit", "neg.h5", *common)
        self.fail_with(1, "X has 3 features, but MiniBatchNMF is expecting 7 features", "partial-fit", "narrow.h5",
                       *common)
        self.fail_with(2, "differs from the model's", "partial-fit", "x.h5", "--model", "m.h5", "--forget-factor",
                       "0.1")
        self.fail_with(2, "belongs to the estimator nmf", "partial-fit", "x.h5", *common, "--solver", "mu")
        self.assertEqual(before.tobytes(), self.read("m.h5", "H").tobytes())

    def write_lock(self, process):
        with open(self.path("m.h5.lock"), "w", encoding="utf-8") as file:
            file.write(f"host={platform.node()}\npid={process}\n")

    def test_partial_fit_of_a_model_in_use(self):
        learn = ["partial-fit", "x.h5", "--model", "m.h5", "-k", "2", "--random-state", "0"]
        self.write_lock(os.getpid())
        self.fail_with(1, f"model m.h5 is in use by process {os.getpid()} on", *learn)
        ended = subprocess.Popen(["true"])
        ended.wait()
        self.write_lock(ended.pid)
        self.assertEqual(
            len([warning for warning in self.succeed(*learn).warnings if "model m.h5: lock taken over" in warning]), 1)
        self.assertEqual(sorted(os.listdir(self.folder)), ["m.h5", "x.h5"])

    def test_partial_fits_at_the_same_time(self):
        learn = ["partial-fit", "x.h5", "--model", "m.h5", "-k", "2", "--random-state", "0", "--threads", "1"]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: self.run_program(*learn), range(8)))
        learnt = [result.status for result in results].count(0)
        self.assertGreater(learnt, 0)
        for result in results:
            if result.status != 0:
                self.assertEqual((result.status, len(result.errors)), (1, 1), result.stderr)
                self.assertRegex(result.errors[0], "model m.h5 (is in use by process|cannot be locked)")
        with h5py.File(self.path("m.h5"), "r") as model:
            self.assertEqual(model.attrs["n_steps"], learnt)
        self.assertEqual(sorted(os.listdir(self.folder)), ["m.h5", "x.h5"])

    def test_random_generator(self):
        for generator, kept in [("auto", "numpy"), ("numpy", "numpy"), ("counter", "counter")]:
            result = self.fit("--init", "random", "--random-generator", generator, "--max-iter", "2", "--tol", "0")
            self.assertIn(f"random factors from the {kept} generator", result.stderr)
            with h5py.File(self.path("m.h5"), "r") as model:
                self.assertEqual(attributes(model["params"])["random_generator"], kept)
            self.succeed("transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "--random-generator", generator)
        self.fail_with(2, "random_generator = numpy differs", "transform", "x.h5", "--model", "m.h5", "-o", "v.h5",
                       "--random-generator", "numpy")

    def test_history_goes_on_where_a_run_stopped(self):
        """Asked to stop after its first iteration and started again, a run has the history of one that was never
        stopped."""
        for estimator in (["--solver", "cd"], ["--solver", "mu"],
                          ["--estimator", "minibatch-nmf", "--batch-size", "10", "--max-no-improvement", "none"]):
            with self.subTest(estimator=estimator):
                fit = ["fit", "x.h5", "-k", "3", "--random-state", "0", "--tol", "0", "--max-iter", "12", *estimator]
                self.succeed(*fit, "-o", "whole.h5")
                open(self.path("STOP"), "w").close()
                self.assertEqual(self.run_program(*fit, "--checkpoint", "c.h5", "-o", "parts.h5").status, 75)
                self.assertFalse(os.path.exists(self.path("STOP")))
                self.succeed(*fit, "--checkpoint", "c.h5", "-o", "parts.h5")
                with h5py.File(self.path("whole.h5")) as whole, h5py.File(self.path("parts.h5")) as parts:
                    self.assertEqual(set(whole["history"]), set(parts["history"]))
                    for name in set(whole["history"]) - {"seconds"}:
                        np.testing.assert_array_equal(whole["history"][name][()], parts["history"][name][()], name)
                    self.assertEqual(len(parts["history/seconds"]), len(whole["history/seconds"]))
                os.remove(self.path("parts.h5"))

    def events(self, name="log.json"):
        with open(self.path(name), encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        starts = [i for i, event in enumerate(events) if event["event"] == "start"]
        return events[starts[-1]:]  # of the last run: each one is added at the end

    @unittest.skipIf(RANKS > 0, "of processes that know of no others")
    def test_launchers_of_another_mpi(self):
        for size, rank in [("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK"),
                           ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID")]:
            for number, warnings in [("0", 1), ("1", 0)]:  # the first one of them says it
                with mock.patch.dict(os.environ, {size: "4", rank: number}):
                    said = self.fit().warnings
                said = [w for w in said if "4 processes were started, and each of them is alone" in w]
                self.assertEqual(len(said), warnings, (size, number))

    def test_every_command_that_takes_a_log_writes_one(self):
        commands = {
            "fit": ["--estimator", "minibatch-nmf", "--max-iter", "1", "--tol", "0", "-o", "f.h5"],
            "partial-fit": ["--model", "p.h5"],
            "transform": ["--model", "f.h5", "-o", "w.h5"]
        }
        for command in ["fit", "partial-fit", "transform", "inverse-transform", "inspect", "convert", "generate"]:
            self.assertEqual("--log-json" in self.succeed(command, "--help").stdout, command in commands)
        for command, options in commands.items():
            self.succeed(command, "x.h5", *options, "--log-json", "log.json")
            first, *_, last = self.events()
            self.assertEqual((first["event"], first["rows"], first["columns"], first["dtype"], first["ranks"]),
                             ("start", 40, 7, "float64", max(RANKS, 1)))
            self.assertIn(command, first["command"])
            self.assertEqual((last["event"], last["model" if "fit" in command else "output"]), ("end", options[-1]))
            self.assertGreater(last["report"]["passes"], 0)
            self.assertLess(0, last["run_seconds"])

    def test_log_of_partial_fit(self):
        for step in [1, 2]:
            result = self.succeed("partial-fit", "x.h5", "--model", "p.h5", "-k", "2", "--random-state", "5",
                                  "--log-json", "log.json")
            start, iteration, end = self.events()
            self.assertEqual((start["event"], iteration["event"], end["event"]), ("start", "iteration", "end"))
            self.assertEqual((start["random_state"], iteration["iteration"], end["n_steps"], end["n_samples"]),
                             (5, step, step, 40 * step))
            self.assertTrue(iteration["cost"] > 0 and iteration["iteration_seconds"] > 0)
            self.assertIn(f"scanmf: iteration {step}/{step}  cost ", result.stderr)

    def test_a_batch_in_the_caches_is_not_all_of_X(self):
        with h5py.File(self.path("large.h5"), "w") as file:  # 72 MB on each rank
            file.create_dataset("X", (9000 * max(1, RANKS), 1000), "f8", chunks=(1000, 1000), fillvalue=1.0)
        result = self.succeed("fit", "large.h5", "-k", "2", "--estimator", "minibatch-nmf", "--max-iter", "1", "--init",
                              "random", "--batch-size", "100", "-o", "m.h5")
        self.assertNotIn("lies in the caches", result.stdout)
        self.assertIn("roofline: ", result.stdout)

    def test_log(self):
        result = self.fit("--max-iter", "12", "--log-json", "log.json", "--progress", "on", "--tol", "1e-14")
        events = self.events()
        self.assertEqual([event["event"] for event in events], ["start"] + 12 * ["iteration"] + ["warning", "end"])
        self.assertEqual(events[-1]["n_iter"], 12)
        self.assertEqual(result.stderr.count("scanmf: iteration "), 12)
        self.assertRegex(result.stderr, r"iteration 5/12  violation \d\.\d+e[-+]\d+  \S+ s/iteration  at most .* left")
        self.assertIn("roofline: none, X is so small", result.stdout)
        collectives = events[-1]["report"].get("collectives", {})
        self.assertEqual(sorted(collectives), ["all-gather", "all-reduce", "reduce-scatter"] if RANKS > 1 else [])
        for name, calls in (("all-gather", 12), ("reduce-scatter", 12)) if RANKS > 1 else ():
            cost = collectives[name]
            self.assertEqual((cost["calls"], cost["bytes"] % (12 * 7 * 8)), (calls, 0))
            self.assertTrue(0 < cost["bound"] and 0 < cost["mean"] <= cost["most"], cost)
        quiet = self.fit("--max-iter", "12", "--tol", "1e-14", "--quiet")
        self.assertEqual(quiet.stdout, "")
        self.assertEqual(len(quiet.warnings), 1)
        self.assertNotIn("iteration 5/12", quiet.stderr)


class Skewed(ProgramTest):
    """A few rows hold most of the non-zeros, others none."""
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(3)
        self.x = (random.rand(1600, 60) < 0.02) * random.rand(1600, 60)
        self.x[:40] = random.rand(40, 60)  # 40 of the rows are full
        self.x[700:1100] = 0
        self.x[-1] = 0
        rows, columns = np.nonzero(self.x)
        with h5py.File(self.path("x.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", self.x.shape
            group["data"], group["indices"] = self.x[rows, columns], columns
            group["indptr"] = np.concatenate([[0], np.cumsum((self.x > 0).sum(1))])
        self.write("dense.h5", X=self.x)

    def test_ranks_get_equal_shares_of_the_non_zeros(self):
        for memory in ["none", "60K"]:  # in memory and streamed
            result = self.succeed("fit", "x.h5", "-k", "4", "--init", "random", "--random-state", "0", "--max-iter",
                                  "30", "--tol", "0", "--memory", memory, "--log-json", "log.json", "-o", "m.h5")
            with open(self.path("log.json"), encoding="utf-8") as file:
                elements = json.loads(file.readlines()[-1])["report"]["elements"]
            self.assertAlmostEqual(elements["mean"] * max(RANKS, 1), (self.x > 0).sum(), 6)
            heaviest_tile = 25 * 60  # of 1600 / 64 rows
            self.assertLess(elements["most"] - elements["mean"], heaviest_tile)
            self.assertLess(elements["mean"] - elements["least"], heaviest_tile)
            self.assertRegex(result.stdout, r"non-zeros .* of a rank, the most \d+\.\d % above the mean")
            self.succeed("fit", "dense.h5", "-k", "4", "--init", "random", "--random-state", "0", "--max-iter", "30",
                         "--tol", "0", "-o", "d.h5", ranks=0)
            W, H = self.read("m.h5", "W"), self.read("m.h5", "H")
            self.assertLess(np.abs(H - self.read("d.h5", "H")).max(), 1e-10 * H.max())
            self.assertLess(np.abs(W - self.read("d.h5", "W")).max(), 1e-10 * W.max())
            self.assertFalse(W[700:1100].any())


class Conversions(ProgramTest):
    def convert(self, source, *options):
        self.succeed("convert", source, "-o", "out.h5", *options)
        return h5py.File(self.path("out.h5"), "r")

    def test_npy(self):
        x = positive_matrix(30, 5) * 100
        for dtype in ["f8", ">f8", "f4", "i2", ">i4", "u1", "i8", "f2"]:
            for order in ["C", "F"]:
                np.save(self.path("x.npy"), np.array(x.astype(dtype), order=order))
                with self.convert("x.npy") as file:
                    self.assertEqual(file["X"][()].tolist(), x.astype(dtype).tolist())
                    self.assertEqual(file["X"].dtype, np.dtype("f4" if dtype == "f2" else dtype).newbyteorder("="))
        with self.convert("x.npy", "--dtype", "float64") as file:
            self.assertEqual(file["X"].dtype, np.float64)
        os.remove(self.path("out.h5"))
        np.save(self.path("one.npy"), x[0])
        self.fail_with(1, "Expected 2D array, got 1D array instead", "convert", "one.npy", "-o", "out.h5")
        np.save(self.path("complex.npy"), x + 1j)
        self.fail_with(1, "holds complex numbers", "convert", "complex.npy", "-o", "out.h5")
        with open(self.path("x.npy"), "rb+") as file:
            file.truncate(200)
        self.fail_with(1, "cut short", "convert", "x.npy", "-o", "out.h5")

    def test_idx(self):
        images = np.random.RandomState(0).randint(0, 256, (11, 4, 3), dtype=np.uint8)
        for name, part, opener in [("a-idx3-ubyte", images[:6], open), ("b-idx3-ubyte.gz", images[6:], gzip.open)]:
            with opener(self.path(name), "wb") as file:
                file.write(struct.pack(">HBBIII", 0, 8, 3, *part.shape) + part.tobytes())
        self.succeed("convert", "a-idx3-ubyte", "b-idx3-ubyte.gz", "-o", "out.h5")
        self.assertEqual(self.read("out.h5", "X").tolist(), images.reshape(11, 12).tolist())
        self.assertEqual(self.read("out.h5", "X").dtype, np.uint8)
        with open(self.path("labels"), "wb") as file:
            file.write(struct.pack(">HBBI", 0, 8, 1, 5) + bytes(5))
        os.remove(self.path("out.h5"))
        self.fail_with(1, "1-D array", "convert", "labels", "-o", "out.h5", "--format", "idx")
        with open(self.path("short"), "wb") as file:
            file.write(struct.pack(">HBBIII", 0, 8, 3, 5, 4, 3) + bytes(50))
        self.fail_with(1, "cut short", "convert", "short", "-o", "out.h5")

    def text(self, name, contents):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(contents)

    def dense(self, group):
        x = np.zeros(group.attrs["shape"])
        for i, (begin, end) in enumerate(zip(group["indptr"][:-1], group["indptr"][1:])):
            np.add.at(x[i], group["indices"][begin:end], group["data"][begin:end])
        return x.tolist()

    def test_matrix_market(self):
        self.text("x.mtx", "%%MatrixMarket matrix coordinate real general\n% note\n\n3 4 3\n3 1 2.5\n1 4 1e-3\n1 2 7\n")
        with self.convert("x.mtx") as file:
            self.assertEqual(self.dense(file["X"]), [[0, 7, 0, 1e-3], [0, 0, 0, 0], [2.5, 0, 0, 0]])
            self.assertEqual(file["X"].attrs["encoding-type"], "csr_matrix")
        self.text("x.mtx", "%%MatrixMarket matrix coordinate integer symmetric\n2 2 2\n1 1 3\n2 1 4\n")
        with self.convert("x.mtx") as file:
            self.assertEqual(self.dense(file["X"]), [[3, 4], [4, 0]])
            self.assertEqual(file["X/data"].dtype, np.int64)
        self.text("x.mtx", "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2\n")
        with self.convert("x.mtx") as file:
            self.assertEqual(self.dense(file["X"]), [[0, 1], [0, 0]])
        self.text("x.mtx", "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n")
        with self.convert("x.mtx") as file:
            self.assertEqual(file["X"][()].tolist(), [[1, 3], [2, 4]])
        os.remove(self.path("out.h5"))
        for contents, phrase in [
            ("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 3\n", "entries are missing"),
            ("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 3 3\n", "line 3: '3' is no column from 1 to 2"),
            ("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 1 x\n", "line 3: 'x' is no number"),
            ("%%MatrixMarket matrix coordinate complex general\n2 2 1\n1 1 1 1\n", "field 'complex'")
        ]:
            self.text("bad.mtx", contents)
            self.fail_with(1, phrase, "convert", "bad.mtx", "-o", "out.h5")

    def test_text(self):
        self.text("x.csv", 'name,"a, b",c\nr1,1,2.5\nr2,3,4e2\n')
        with self.convert("x.csv") as file:
            self.assertEqual(file["X"][()].tolist(), [[1, 2.5], [3, 400]])
            self.assertEqual(strings(file["var/_index"][()]), ["a, b", "c"])
            self.assertEqual(strings(file["obs/_index"][()]), ["r1", "r2"])
        for contents in ["1\t2\n3\t4\n", "1 2\n3 4", "a;b\n1;2\n3;4\n", "x y\nr 1 2\ns 3 4\n"]:
            self.text("x.txt", contents)
            with self.convert("x.txt") as file:
                self.assertEqual(file["X"][()].tolist(), [[1, 2], [3, 4]])
        os.remove(self.path("out.h5"))
        self.text("bad.csv", "a,b\n1,2\n3,x\n")
        self.fail_with(1, "'bad.csv' line 3 column 2: 'x' is not a number", "convert", "bad.csv", "-o", "out.h5")
        self.text("bad.csv", "a,b\n1,2\n3\n")
        self.fail_with(1, "line 3: 1 numbers where 2 are expected", "convert", "bad.csv", "-o", "out.h5")
        self.text("bad.csv", "")
        self.fail_with(1, "Found array with 0 sample(s)", "convert", "bad.csv", "-o", "out.h5")

    def test_csc(self):
        source = os.path.join(DATA, "edge", "csc.h5ad")
        with self.convert(source) as file, h5py.File(source, "r") as original:
            x = np.zeros(original["X"].attrs["shape"])
            group = original["X"]
            for j, (begin, end) in enumerate(zip(group["indptr"][:-1], group["indptr"][1:])):
                np.add.at(x[:, j], group["indices"][begin:end], group["data"][begin:end])
            self.assertEqual(self.dense(file["X"]), x.tolist())
        os.remove(self.path("out.h5"))
        self.fail_with(1, "use it as it is", "convert", os.path.join(DATA, "edge", "ok_dense_f64.h5ad"), "-o", "out.h5")
        self.fail_with(1, "cannot read 'missing.npy'", "convert", "missing.npy", "-o", "out.h5")


class Generated(ProgramTest):
    def test_dense(self):
        size = ["--n-samples", "500", "--n-features", "40", "-k", "3", "--random-state", "7"]
        self.succeed("generate", "-o", "g.h5", *size, "--noise", "0.02", "--dtype", "float64")
        X, W, H = (self.read("g.h5", name) for name in ["X", "truth/W", "truth/H"])
        self.assertEqual((X.shape, W.shape, H.shape, X.dtype), ((500, 40), (500, 3), (3, 40), np.float64))
        noise = (X - W @ H)[X > 0]
        self.assertLess(np.abs(noise).max(), np.sqrt(3) * 0.02 * 0.6 * 1.001)
        self.assertGreater(noise.std(), 0.5 * 0.02 * 0.6)
        self.assertTrue((W.sum(1) > 0).all() and (H.sum(0) > 0).all())
        self.succeed("generate", "-o", "z.h5", *size, "--noise", "0.02", "--dtype", "float64", "--chunk-rows", "64",
                     "--gzip", "4")
        self.assertEqual(self.read("z.h5", "X").tobytes(), X.tobytes())
        self.succeed("fit", "g.h5", "-k", "3", "-o", "m.h5", "--tol", "1e-6", "--max-iter", "1000")
        found = self.read("m.h5", "H")
        cosines = (found @ H.T) / np.outer(np.linalg.norm(found, axis=1), np.linalg.norm(H, axis=1))
        self.assertTrue((cosines.max(0) > 0.98).all(), cosines)

    def test_topics(self):
        self.succeed("generate", "-o", "t.h5", "--kind", "topics", "--n-samples", "2000", "--n-features", "300", "-k",
                     "4", "--density", "0.1", "--random-state", "1")
        with h5py.File(self.path("t.h5"), "r") as file:
            x, mean = file["X"], file["truth/W"][()] @ file["truth/H"][()]
            self.assertEqual(list(x.attrs["shape"]), [2000, 300])
            total = x["data"][()].sum()
            self.assertLess(abs(total - mean.sum()), 5 * np.sqrt(mean.sum()))  # a Poisson number
            sums = np.bincount(x["indices"][()], x["data"][()], 300)
            self.assertLess(np.abs((sums - mean.sum(0)) / np.sqrt(mean.sum(0))).max(), 6)
            self.assertAlmostEqual(mean.sum() / 2000, 30, 6)


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
