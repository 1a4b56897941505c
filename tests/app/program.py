"""Runs the scanmf program as a user does: alone or under mpirun, in a folder of its own."""
import os
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

PROGRAM = os.environ["SCANMF_PROGRAM"]
MPIRUN = os.environ["SCANMF_MPIRUN"].split()
RANKS = int(os.environ["SCANMF_RANKS"])  # 0: without mpirun
DATA = os.environ["SCANMF_TEST_DATA"]


def share(cases, first=0):
    """All of many cases of one kind without mpirun, one of every five under it, from the one numbered `first` on: what
    ranks add, that all of them agree, is the same for each."""
    return list(cases)[first::5] if RANKS > 0 else list(cases)


class Result:
    def __init__(self, finished):
        self.status = finished.returncode
        self.stdout = finished.stdout
        self.stderr = finished.stderr
        lines = finished.stderr.splitlines()
        self.errors = [line[len("scanmf: error: "):] for line in lines if line.startswith("scanmf: error: ")]
        self.warnings = [line[len("scanmf: warning: "):] for line in lines if line.startswith("scanmf: warning: ")]


class ProgramTest(unittest.TestCase):
    """A test in an empty folder, which is the working folder of the program."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, *arguments, ranks=RANKS, timeout=60, cwd=None):
        """The program's result; it must end within `timeout` seconds. cwd: in place of the test's folder."""
        command = [PROGRAM, *map(str, arguments)]
        if ranks > 0:
            command = [*MPIRUN, str(ranks), *command]
        return Result(
            subprocess.run(command, cwd=cwd or self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=timeout))

    def succeed(self, *arguments, **options):
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.status, 0, result.stderr)
        self.assertEqual(result.errors, [])
        return result

    def fail_with(self, status, phrase, *arguments, **options):
        """The program ends with `status` and one error line that has `phrase` in it, and leaves no file behind."""
        before = sorted(os.listdir(self.folder))
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.status, status, f"{arguments}: {result.stderr}")
        self.assertEqual(len(result.errors), 1, f"{arguments}: {result.stderr}")
        self.assertIn(phrase, result.errors[0])
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        return result

    def write(self, name, **datasets):
        """An HDF5 file with these datasets in the folder of the test."""
        with h5py.File(self.path(name), "w") as file:
            for key, value in datasets.items():
                file[key] = value
        return name

    def read(self, name, dataset):
        with h5py.File(self.path(name), "r") as file:
            return file[dataset][()]

    def assert_same_contents(self, a, b):
        """Of two files that equal runs have left."""
        a, b = contents(self.path(a)), contents(self.path(b))
        self.assertEqual(sorted(a), sorted(b))
        for name in a:
            np.testing.assert_equal(a[name], b[name], name)


def attributes(item):
    """Attributes of an HDF5 object; strings of fixed length, which h5py gives as bytes, as text."""
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in item.attrs.items()}


def contents(name):
    """All that two equal runs have in common: everything but the provenance."""
    found = {}
    with h5py.File(name, "r") as file:
        file.visititems(lambda path, item: found.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None)
        found["/"] = attributes(file)
    return found


def positive_matrix(rows=6, columns=4, seed=0):
    return np.random.RandomState(seed).uniform(0.1, 1.0, (rows, columns))
