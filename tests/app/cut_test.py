#!/usr/bin/python3
"""A file that is cut while a run reads it into memory: refused, or read before; never a result of zeros."""
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
import scipy.sparse

from program import MPIRUN, PROGRAM, RANKS, ProgramTest

SHAPE = (40000, 60)  # large enough that reading takes a while
TRIES = 40


def processes_of(parent):
    """Processes of the program: `parent` itself, or those that mpirun has started."""
    if RANKS == 0:
        return [parent]
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                is_child = int(file.read().rsplit(")", 1)[1].split()[1]) == parent
            if is_child and os.readlink(f"/proc/{name}/exe") == os.path.realpath(PROGRAM):
                found.append(int(name))
        except OSError:
            pass
    return found


def has_open(process, path):
    try:
        return any(os.readlink(f"/proc/{process}/fd/{number}") == path for number in os.listdir(f"/proc/{process}/fd"))
    except OSError:
        return False


def tell(processes, number):
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


class Cut(ProgramTest):
    def setUp(self):
        super().setUp()
        numbers = np.random.RandomState(0)
        self.x = numbers.uniform(0.1, 1, SHAPE)
        self.few = scipy.sparse.csr_matrix(np.where(numbers.uniform(size=SHAPE) < 0.2, self.x, 0))

    def write_sparse(self, name, matrix, **layout):
        with h5py.File(self.path(name), "w") as file:
            group = file.create_group("X")
            group.attrs["encoding-type"] = f"{matrix.format}_matrix"
            group.attrs["shape"] = np.array(SHAPE)
            for part in ("data", "indices", "indptr"):
                group.create_dataset(part, data=getattr(matrix, part), **layout)

    def cut_while_read(self, name, to):
        """Starts a fit, cuts its input to this share of it soon after the last rank has opened it, and lets it go on.
        Its status and messages."""
        path = os.path.realpath(self.path(name))
        process = subprocess.Popen(self.command(name), cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ranks = []
        try:
            while process.poll() is None:
                ranks = ranks if len(ranks) == max(1, RANKS) else processes_of(process.pid)
                if ranks and has_open(ranks[-1], path):
                    break
            time.sleep(self.moments.uniform(0, 0.02))
            tell(ranks, signal.SIGSTOP)
            os.truncate(path, int(os.path.getsize(path) * to))
            tell(ranks, signal.SIGCONT)
            stderr = process.communicate(timeout=60)[1]
            return process.returncode, stderr
        finally:
            tell(ranks, signal.SIGCONT)
            process.kill()
            process.wait()

    def command(self, name):
        ranks = [*MPIRUN, str(RANKS)] if RANKS > 0 else []
        return [
            *ranks, PROGRAM, "fit", name, "-k", "1", "--init", "random", "--random-state", "0", "--max-iter", "1",
            "--tol", "0", "--memory", "none", "--quiet", "-o", "m.h5"
        ]

    def never_zeros(self, name):
        """Until a run was refused in the middle of its reading: which moment is hit is chance."""
        subprocess.run(self.command(name), cwd=self.folder, check=True, capture_output=True)
        whole = self.read("m.h5", "H").tobytes()
        shutil.copy(self.path(name), self.path("whole"))
        refused = 0
        self.moments = random.Random(0)
        for attempt in range(TRIES):
            if refused == 3:
                break
            os.remove(self.path("m.h5")) if os.path.exists(self.path("m.h5")) else None
            shutil.copy(self.path("whole"), self.path(name))
            status, stderr = self.cut_while_read(name, (0.5, 0.9, 0.999)[attempt % 3])
            if status == 0:
                self.assertEqual(self.read("m.h5", "H").tobytes(), whole, "another result of a file that was cut")
                continue
            errors = [line for line in stderr.splitlines() if "scanmf: error: " in line]
            self.assertEqual((status, len(errors)), (1, 1), stderr)
            self.assertFalse(os.path.exists(self.path("m.h5")))
            if errors[0].startswith("cannot open") or "scanmf: error: cannot open" in errors[0]:
                continue  # a rank, or one of its parts, came later than the cut: HDF5 itself sees it
            self.assertRegex(errors[0], "has been truncated|more than its file has|ends at byte")
            self.assertNotIn("out of memory", errors[0])
            refused += 1
        self.assertGreater(refused, 0, "no run was refused")

    def test_dense(self):
        self.write("x.h5", X=self.x)
        self.never_zeros("x.h5")

    def test_dense_in_chunks(self):
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", data=self.x, chunks=(500, 60), compression="gzip")
        self.never_zeros("x.h5")

    def test_csr(self):
        self.write_sparse("x.h5", self.few)
        self.never_zeros("x.h5")

    def test_csr_in_chunks(self):
        self.write_sparse("x.h5", self.few, chunks=(5000, ), compression="gzip")
        self.never_zeros("x.h5")

    def test_csc(self):
        self.write_sparse("x.h5", self.few.tocsc())
        self.never_zeros("x.h5")

    def test_npy(self):
        np.save(self.path("x.npy"), self.x)
        self.never_zeros("x.npy")


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
