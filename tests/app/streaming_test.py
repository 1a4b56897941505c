"""X that is streamed from its file, as a user meets it: the same files as with X in memory, damage on the way, what is
refused, the memory that it takes."""
import json
import os
import subprocess
import time
import unittest

import h5py
import numpy as np
import scipy.sparse

from program import MPIRUN, PROGRAM, RANKS, ProgramTest, positive_matrix

TINY = ["--memory", "5000"]


def sparse_matrix(rows, columns, density=0.2, seed=1):
    x = scipy.sparse.random(rows, columns, density, "csr", random_state=seed)
    x.data += 0.1
    return x


class Same(ProgramTest):
    def write_csr(self, name, x):
        with h5py.File(self.path(name), "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", np.array(x.shape)
            group["data"], group["indices"], group["indptr"] = x.data, x.indices, x.indptr
        return name

    def arrays(self, name):
        found = {}
        with h5py.File(self.path(name), "r") as file:
            file.visititems(lambda key, item: found.update({key: item[()]})
                            if isinstance(item, h5py.Dataset) and key != "history/seconds" else None)
        return found

    def assert_same(self, name, other):
        a, b = self.arrays(name), self.arrays(other)
        self.assertEqual(sorted(a), sorted(b))
        for key in a:
            self.assertEqual(a[key].tobytes(), b[key].tobytes(), key)

    def assert_streams_the_same(self, x, *options):
        """Fit and transform with X in memory and streamed give the same datasets."""
        self.succeed("fit", x, *options, "--random-state", "1", "--memory", "none", "-o", "a.h5")
        result = self.succeed("fit", x, *options, "--random-state", "1", "--memory", "1", "-o", "b.h5")
        self.assertIn("it is streamed", result.stderr)
        self.assert_same("a.h5", "b.h5")
        self.succeed("transform", x, "--model", "a.h5", "--memory", "none", "-o", "wa.h5")
        self.succeed("transform", x, "--model", "a.h5", "--memory", "1", "-o", "wb.h5")
        self.assert_same("wa.h5", "wb.h5")

    def test_files(self):
        x = positive_matrix(500, 12)
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", data=x.astype(">f4"), chunks=(70, 5), compression="gzip", shuffle=True)
        self.write_csr("s.h5", sparse_matrix(500, 30))
        for name in ("x.h5", "s.h5"):
            for options in (
                ["--max-iter", "5"],
                ["--solver", "mu", "--beta-loss", "kullback-leibler", "--tol", "1e-3"],
                ["--estimator", "minibatch-nmf", "--batch-size", "60", "--max-iter", "2"],
            ):
                with self.subTest(file=name, options=options):
                    self.assert_streams_the_same(name, "-k", "3", *options)

    def test_odd_shapes(self):
        shapes = {"one": (1, 1), "row": (1, 7), "column": (9, 1), "few": (2, 3), "wide": (3, 400)}
        for name, (rows, columns) in shapes.items():
            self.write(f"{name}.h5", X=positive_matrix(rows, columns))
            with self.subTest(shape=(rows, columns)):
                self.assert_streams_the_same(f"{name}.h5", "-k", "2", "--init", "random", "--max-iter", "3", "--tol",
                                             "0")

    def test_odd_batches(self):
        x = positive_matrix(40, 6)
        x[10:20] = 0
        self.write("x.h5", X=x)
        s = sparse_matrix(40, 6).tolil()
        s[5:35] = 0
        self.write_csr("s.h5", scipy.sparse.csr_matrix(s))
        for name in ("x.h5", "s.h5"):
            for size, k in ((1, 2), (7, 9), (1000, 2)):
                with self.subTest(file=name, batch=size, k=k):
                    self.assert_streams_the_same(name, "-k", str(k), "--estimator", "minibatch-nmf", "--batch-size",
                                                 str(size), "--init", "random", "--max-iter", "2")

    def test_all_zero(self):
        self.write("z.h5", X=np.zeros((30, 5)))
        self.assert_streams_the_same("z.h5", "-k", "2", "--init", "random", "--max-iter", "3")

    def test_partial_fit_and_inverse(self):
        self.write("x.h5", X=positive_matrix(300, 9))
        for memory, model in (("none", "a.h5"), ("1", "b.h5")):
            for _ in range(2):
                self.succeed("partial-fit", "x.h5", "-k", "3", "--random-state", "1", "--init", "random", "--memory",
                             memory, "--model", model)
        self.assert_same("a.h5", "b.h5")
        self.succeed("transform", "x.h5", "--model", "a.h5", "--memory", "1", "-o", "w.h5")
        with h5py.File(self.path("w.h5"), "r+") as file:  # chunks that pieces cut
            w = file["W"][()]
            del file["W"]
            file.create_dataset("W", data=w, chunks=(7, 2), compression="gzip")
        self.succeed("inverse-transform", "w.h5", "--model", "a.h5", "-o", "y.h5")
        np.testing.assert_allclose(self.read("y.h5", "X"), w @ self.read("a.h5", "H"), rtol=1e-12)

    def test_rows_that_are_exchanged(self):
        """Chunks that hold more rows than a rank has of a batch: one rank inflates each and sends the others their
        rows."""
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", data=positive_matrix(4000, 25), chunks=(130, 10), compression="gzip")
        options = [
            "-k", "3", "--random-state", "1", "--init", "random", "--tol", "0", "--estimator", "minibatch-nmf",
            "--batch-size", "64"
        ]
        for fresh in ("true", "false"):
            with self.subTest(fresh=fresh):
                some = [*options, "--fresh-restarts", fresh, "--max-no-improvement", "none"]
                self.succeed("fit", "x.h5", *some, "--max-iter", "4", "--memory", "none", "-o", "a.h5")
                result = self.succeed("fit", "x.h5", *some, "--max-iter", "4", "--memory", "200000", "--log-json",
                                      "log.jsonl", "-o", "b.h5")
                self.assertNotIn("inflated by", result.stderr)
                self.assert_same("a.h5", "b.h5")
                with open(self.path("log.jsonl")) as file:
                    report = json.loads(file.readlines()[-1])["report"]
                os.remove(self.path("log.jsonl"))
                if RANKS > 1:
                    moved = report["collectives"]["exchange of X"]["bytes"]
                    self.assertGreater(moved, 0)
                    self.assertGreater(report["bytes_communicated"], moved)
        for memory, end in (("none", "a"), ("200000", "b")):
            self.succeed("transform", "x.h5", "--model", f"{end}.h5", "--memory", memory, "-o", f"w{end}.h5")
            self.succeed("partial-fit", "x.h5", "--memory", memory, "--model", f"{end}.h5")
        self.assert_same("wa.h5", "wb.h5")
        self.assert_same("a.h5", "b.h5")


class Refused(ProgramTest):
    def test_bad_value_leaves_the_model_alone(self):
        x = positive_matrix(3000, 20)
        self.write("x.h5", X=x)
        self.succeed("fit", "x.h5", "-k", "2", "--max-iter", "2", *TINY)
        with open(self.path("model.h5"), "rb") as file:
            before = file.read()
        x[2500, 3] = np.nan
        self.write("bad.h5", X=x)
        self.fail_with(1, "Input X contains NaN. (row 2500, column 3 of bad.h5:/X", "fit", "bad.h5", "-k", "2", *TINY)
        self.fail_with(1, "Input X contains NaN. (row 2500, column 3 of bad.h5:/X", "transform", "bad.h5", "--model",
                       "model.h5", "-o", "w.h5", *TINY)
        with open(self.path("model.h5"), "rb") as file:
            self.assertEqual(file.read(), before)

    def test_csc_and_its_conversion(self):
        x = sparse_matrix(400, 50).tocsc()
        with h5py.File(self.path("csc.h5"), "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csc_matrix", np.array(x.shape)
            group["data"], group["indices"], group["indptr"] = x.data, x.indices, x.indptr
        self.fail_with(1, "scanmf convert", "fit", "csc.h5", "-k", "2", "--memory", "1")
        self.succeed("convert", "csc.h5", "-o", "csr.h5")
        self.succeed("convert", "csc.h5", "-o", "groups.h5", "--memory", "2000")  # some rows at a time
        with h5py.File(self.path("csr.h5"), "r") as a, h5py.File(self.path("groups.h5"), "r") as b:
            for key in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(a["X"][key][()], b["X"][key][()])
        self.fail_with(2, "--memory must be auto, none or a size", "convert", "csc.h5", "-o", "no.h5", "--memory",
                       "much")
        self.succeed("fit", "csc.h5", "-k", "2", "--max-iter", "3", "--random-state", "0", "--init", "random", "-o",
                     "a.h5")
        self.succeed("fit", "csr.h5", "-k", "2", "--max-iter", "3", "--random-state", "0", "--init", "random",
                     "--memory", "1", "-o", "b.h5")
        np.testing.assert_allclose(self.read("a.h5", "H"), self.read("b.h5", "H"), rtol=1e-10)

    def test_factors_that_cannot_fit(self):
        with h5py.File(self.path("huge.h5"), "w") as file:  # never written: a file of a few kilobytes
            file.create_dataset("X", (40_000_000, 1_000_000), "f4", chunks=(1, 1_000_000))
        started = time.monotonic()
        result = self.fail_with(1, "the factors and statistics of 100000 components need", "fit", "huge.h5", "-k",
                                "100000")
        self.assertRegex(result.errors[0], r"need [0-9.e+]+ GB on a rank, [0-9.e+]+ GB are free there")
        self.assertLess(time.monotonic() - started, 30)


class Damaged(ProgramTest):
    """The file changes while it is being streamed."""

    OPTIONS = [
        "-k", "3", "--random-state", "1", "--init", "random", "--tol", "0", "--checkpoint", "c.h5",
        "--checkpoint-every", "1", "--memory", "20000"
    ]

    def setUp(self):
        super().setUp()
        x = positive_matrix(4000, 25)
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", data=x, chunks=(100, 25), compression="gzip")
            chunk = file["X"].id.get_chunk_info(20)
        self.chunk = (chunk.byte_offset, chunk.size)
        with open(self.path("x.h5"), "rb") as file:
            self.intact = file.read()

    def damage_while_it_runs(self, damage):
        """The error of a long fit whose file is damaged after three iterations."""
        command = [PROGRAM, "fit", "x.h5", "--max-iter", "100000", "--log-json", "log.jsonl", *self.OPTIONS]
        if RANKS > 0:
            command = [*MPIRUN, str(RANKS), *command]
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.iterations() < 3:
            time.sleep(0.02)
        damage()
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, stderr)
        errors = [line for line in stderr.splitlines() if line.startswith("scanmf: error: ")]
        self.assertEqual(len(errors), 1, stderr)
        self.assertIn("x.h5", errors[0])
        self.assertFalse(os.path.exists(self.path("model.h5")))
        return errors[0]

    def iterations(self):
        try:
            with open(self.path("log.jsonl")) as file:
                return sum('"iteration"' in line for line in file)
        except FileNotFoundError:
            return 0

    def overwrite(self, offset, content):
        with open(self.path("x.h5"), "r+b") as file:
            file.seek(offset)
            file.write(content)

    def assert_goes_on(self):
        """The checkpoint is whole: with the file as it was, the run goes on from it to the end of one that was never
        disturbed."""
        with open(self.path("x.h5"), "wb") as file:
            file.write(self.intact)
        with h5py.File(self.path("c.h5"), "r") as file:
            done = int(file.attrs["n_iter"])
        self.assertGreaterEqual(done, 2)
        end = str(done + 2)
        self.succeed("fit", "x.h5", "--max-iter", end, *self.OPTIONS, "--resume", "require", "-o", "a.h5")
        self.succeed("fit", "x.h5", "--max-iter", end, *self.OPTIONS, "--resume", "never", "-o", "b.h5")
        self.assertEqual(self.read("a.h5", "H").tobytes(), self.read("b.h5", "H").tobytes())

    def test_overwritten(self):
        error = self.damage_while_it_runs(lambda: self.overwrite(self.chunk[0], b"\xff" * self.chunk[1]))
        self.assertRegex(error, r"x.h5:/X has been changed while (rows \d+ to \d+ were|it was) being read")
        self.assert_goes_on()

    def test_truncated(self):
        error = self.damage_while_it_runs(lambda: os.truncate(self.path("x.h5"), self.chunk[0]))
        self.assertIn("truncated", error)
        self.assert_goes_on()

    def test_rewritten_with_other_values(self):
        """In place, as a whole, by a file of the same size: nothing but its time and the values show it."""
        with h5py.File(self.path("x.h5"), "w") as file:
            file["X"] = positive_matrix(4000, 25)
        with open(self.path("x.h5"), "rb") as file:
            self.intact = file.read()
        self.write("other.h5", X=np.full((4000, 25), np.nan))
        with open(self.path("other.h5"), "rb") as file:
            other = file.read()
        self.assertEqual(len(other), len(self.intact))
        error = self.damage_while_it_runs(lambda: self.overwrite(0, other))
        self.assertRegex(error, r"x.h5:/X has been changed while (rows \d+ to \d+ were|it was) being read")
        self.assert_goes_on()

    def test_replaced(self):
        with open(self.path("other"), "wb") as file:
            file.write(self.intact)
        error = self.damage_while_it_runs(lambda: os.rename(self.path("other"), self.path("x.h5")))
        self.assertRegex(error, r"x.h5:/X has been replaced while (rows \d+ to \d+ were|it was) being read")
        self.assert_goes_on()


class DamagedWhileExchanged(Damaged):
    """The same where one rank reads for the others."""

    BATCH = 160
    OPTIONS = [
        "-k", "3", "--random-state", "1", "--init", "random", "--tol", "0", "--checkpoint", "c.h5",
        "--checkpoint-every", "1", "--memory", "200000", "--estimator", "minibatch-nmf", "--batch-size",
        str(BATCH), "--max-no-improvement", "none", "--fresh-restarts", "false"
    ]

    def iterations(self):
        return super().iterations() // -(-4000 // self.BATCH)


class Memory(ProgramTest):
    """The highest resident memory of a rank, of a file that is several times --memory."""
    def peak(self, *arguments):
        self.succeed(*arguments, "--log-json", "log.jsonl", "--threads", "2", timeout=120)
        with open(self.path("log.jsonl")) as file:
            peak = json.loads(file.readlines()[-1])["report"]["peak_memory"]
        os.remove(self.path("log.jsonl"))
        return peak / 2**20

    def test_stays_below_the_cap(self):
        self.succeed("generate", "--n-samples", "60000", "--n-features", "1000", "-k", "5", "--random-state", "1", "-o",
                     "x.h5")  # 240 MB
        self.write("tiny.h5", X=positive_matrix(50, 1000).astype(np.float32))
        empty = self.peak("fit", "tiny.h5", "-k", "5", "--max-iter", "2", "--tol", "0", "-o", "t.h5")
        cap = 24
        # W and its like; H and statistics (nndsvda: of 15 columns)
        factors = 2 * 60000 * 5 * 4 / 2**20 + 8 * 1000 * 15 * 4 / 2**20
        for options in (
            ["--init", "nndsvda"],
            ["--init", "random"],
            ["--solver", "mu", "--beta-loss", "kullback-leibler", "--init", "random"],
            ["--estimator", "minibatch-nmf", "--init", "random", "--batch-size", "4096"],
        ):
            with self.subTest(options=options):
                peak = self.peak("fit", "x.h5", "-k", "5", "--memory", f"{cap}M", "--max-iter", "2", "--tol", "0", "-o",
                                 "m.h5", *options)
                self.assertLess(peak, empty + cap + factors + 16)  # 16: what one thread reads and inflates at a time
        peak = self.peak("transform", "x.h5", "--model", "m.h5", "--memory", f"{cap}M", "--transform-max-iter", "30",
                         "-o", "w.h5")
        self.assertLess(peak, empty + cap + 16)


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
