"""Runs of `scanmf fit` that can be killed, signalled and compared; used by the tests of this folder.

Their command line: TEST.py PROGRAM MPIEXEC [arguments of the test]
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py

PROGRAM, MPIEXEC = os.path.abspath(sys.argv[1]), sys.argv[2]
SKIPPED = 77  # exit status of a test that cannot run here
STOPPED = 75  # exit status of a run that stopped early with a checkpoint
PATIENCE = 120  # seconds until something that should come is given up
# Small runs, more of them than cores, also as root in a container.
for variable, value in (
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_mpi_yield_when_idle", "1"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("OMP_NUM_THREADS", "1"),
    ("HDF5_USE_FILE_LOCKING", "FALSE"),
):
    os.environ.setdefault(variable, value)


def make_matrix(path, rows=1200, columns=150, seed=1):
    subprocess.run([
        PROGRAM, "generate", "-o", path, "--n-samples",
        str(rows), "--n-features",
        str(columns), "-k", "6", "--random-state",
        str(seed), "--dtype", "float64", "--quiet"
    ], check=True, stdout=subprocess.DEVNULL)


def factors(model):
    """The bytes of W and H."""
    with h5py.File(model, "r") as file:
        return file["W"][()].tobytes(), file["H"][()].tobytes()


def fit_command(options):
    return ["fit", "X.h5", *(f"--{name}={value}" for name, value in options.items())]


def wait_until(condition, what, seconds=PATIENCE, pause=0.002):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)


def identity(path):
    """What changes when another file appears under this name; None when there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


class Job:
    """One run, in a session of its own: mpirun and its ranks, or a single process when ranks is None. mpirun: options
    for it; wrapper: starts each rank."""
    def __init__(self, arguments, ranks, folder, mpirun=(), wrapper=(), **options):
        command = [*([MPIEXEC, "-n", str(ranks), *mpirun] if ranks else []), *wrapper, PROGRAM, *arguments]
        self.output = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, start_new_session=True, **options)

    def processes(self, name=None):
        """Numbers of the living processes of this job, or of those with this name."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as file:
                    head, _, tail = file.read().rpartition(")")
            except OSError:
                continue  # it has just ended
            state, _, _, session = tail.split()[:4]
            if int(session) == self.process.pid and state not in "ZX" and name in (None, head.partition("(")[2]):
                found.append(int(entry))
        return found

    def ranks(self):
        return self.processes(os.path.basename(PROGRAM))

    def is_running(self):
        return self.process.poll() is None

    def kill(self, processes):
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=PATIENCE):
        """Waits until all processes are gone. Exit status and output; AssertionError (after killing the job) when that
        takes too long."""
        try:
            status = self.process.wait(seconds)
            wait_until(lambda: not self.processes(), "the last processes of a job", seconds)
        except (subprocess.TimeoutExpired, AssertionError) as error:
            self.kill(self.processes())
            self.process.wait()
            raise AssertionError(f"the job did not end within {seconds} s; its output: {self.text()}") from error
        return status, self.text()

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def close(self):
        self.kill(self.processes())
        self.process.wait()
        self.output.close()


class JobTest(unittest.TestCase):
    """A fresh folder with a matrix X.h5, and a fit of it that takes some seconds when it saves its state in each
    iteration."""

    FIT = {"n-components": 6, "init": "random", "random-state": 3, "tol": 0, "max-iter": 120, "output": "model.h5"}
    CHECKPOINT = {"checkpoint": "state.h5", "checkpoint-every": 1}

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="scanmf-reliability-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        make_matrix(self.path("X.h5"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, ranks, changes=None, **options):
        """A run with checkpoints; changes: options beside or instead of the usual ones."""
        job = Job(fit_command({**self.FIT, **self.CHECKPOINT, **(changes or {})}), ranks, self.folder, **options)
        self.addCleanup(job.close)
        return job

    def wait_for_checkpoints(self, job, count=3, name="state.h5"):
        for _ in range(count):
            before = identity(self.path(name))
            wait_until(lambda: identity(self.path(name)) != before or not job.is_running(), "the next checkpoint")
        self.assertTrue(job.is_running(), f"the run ended too early: {job.text()}")

    def expect(self, job, status, *phrases, seconds=PATIENCE):
        got, output = job.end(seconds)
        self.assertEqual(got, status, output)
        for phrase in phrases:
            self.assertIn(phrase, output)
        return output

    def stopped(self, ranks, changes=None, count=3):
        """Starts a run and has it stop by USR1 once it has saved its state `count` times."""
        job = self.start(ranks, changes)
        self.wait_for_checkpoints(job, count)
        job.signal(signal.SIGUSR1)
        self.expect(job, STOPPED)

    def uninterrupted(self, ranks, changes=None):
        """W and H of a run without checkpoints."""
        job = Job(fit_command({**self.FIT, **(changes or {}), "output": "reference.h5"}), ranks, self.folder)
        self.addCleanup(job.close)
        self.expect(job, 0)
        return factors(self.path("reference.h5"))

    def expect_same_result(self, reference, left=()):
        self.assertTrue(
            factors(self.path("model.h5")) == reference, "W or H differ from those of the uninterrupted run")
        found = [name for name in os.listdir(self.folder) if name.startswith((".", "state.h5"))]
        self.assertEqual(found, list(left), "files left behind")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def run_tests():
    unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
