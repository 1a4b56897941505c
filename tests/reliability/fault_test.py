#!/usr/bin/python3
"""Full disks, folders that cannot be written, damaged checkpoints, lost ranks: a clear message within seconds, and
nothing lost.

    fault_test.py PROGRAM MPIEXEC
"""
import os
import random
import re
import shutil
import signal
import subprocess
import time

import h5py
import numpy

from jobs import STOPPED, Job, JobTest, factors, identity, make_matrix, run_tests

AS_ROOT = os.geteuid() == 0


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})


class Fault(JobTest):
    def small_disk(self, size):
        """A folder "disk" with room for `size` bytes."""
        folder = self.path("disk")
        os.mkdir(folder)
        if not AS_ROOT:
            self.skipTest("only root may mount a small disk")
        mounted = mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
        if "permission denied" in mounted.stderr:  # in a container
            self.skipTest(f"not even root may mount a small disk here: {mounted.stderr.strip()}")
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        self.addCleanup(subprocess.run, ["umount", folder], check=True)

    def remount(self, option):
        self.assertEqual(mount("-o", f"remount,{option}", self.path("disk")).returncode, 0)

    def test_disk_full_while_a_checkpoint_is_saved(self):
        reference = self.uninterrupted(2)
        self.small_disk("200k")  # one checkpoint fits, not the second beside it
        on_disk = {"checkpoint": "disk/state.h5"}
        self.expect(self.start(2, on_disk), 1, "disk/state.h5", "No space left on device", seconds=30)
        self.assertIn("state.h5", os.listdir(self.path("disk")))
        self.assertLessEqual(set(os.listdir(self.path("disk"))), {"state.h5", "state.h5.prev"},
                             "something half written is left")
        self.remount("size=10M")
        self.expect(self.start(2, on_disk), 0, "going on from")
        self.expect_same_result(reference)

    def test_disk_full_while_the_model_is_written(self):
        reference = self.uninterrupted(2)
        self.small_disk("32k")
        on_disk = {"output": "disk/model.h5"}
        self.expect(self.start(2, on_disk), 1, "disk/model.h5", "No space left on device", seconds=60)
        self.assertEqual(os.listdir(self.path("disk")), [])
        self.remount("size=10M")
        self.expect(self.start(2, on_disk), 0, "going on from")
        self.assertTrue(
            factors(self.path("disk/model.h5")) == reference, "W or H differ from those of the uninterrupted run")

    def test_file_size_limit(self):
        reference = self.uninterrupted(2)
        # For the ranks alone: mpirun and shared memory need larger files.
        limited = self.start(2, mpirun=["--mca", "btl", "self,tcp"],
                             wrapper=["bash", "-c", 'ulimit -f 48; exec "$@"', "limited"])
        self.expect(limited, 1, "state.h5 cannot be written", "File too large", seconds=30)
        self.assertFalse(os.path.exists(self.path("state.h5")))
        self.expect(self.start(2), 0)
        self.expect_same_result(reference)

    def test_folder_that_cannot_be_written(self):
        self.small_disk("10M")
        self.remount("ro")
        self.expect(self.start(2, {"checkpoint": "disk/state.h5"}), 1, "disk/state.h5", "Read-only file system",
                    seconds=30)
        self.expect(self.start(2, {"output": "disk/model.h5"}), 1, "disk/model.h5", "Read-only file system", seconds=30)

    def damaged(self, damage):
        """Stops a run, damages the newest checkpoint, and expects the generation before it to be used."""
        reference = self.uninterrupted(2)
        self.stopped(2)
        shutil.copy(self.path("state.h5"), self.path("good.h5"))
        damage(self.path("state.h5"))
        with open(self.path("state.h5"), "rb") as file:
            damaged = file.read()
        self.expect(self.start(2), 0, "state.h5 is damaged", "the generation before it is used", "going on from")
        if not damaged:  # there is nothing in it to keep
            return self.expect_same_result(reference)
        # What is in it may be somebody's: it is kept as it was.
        self.expect_same_result(reference, left=["state.h5.damaged"])
        with open(self.path("state.h5.damaged"), "rb") as file:
            self.assertEqual(file.read(), damaged)

    def test_flipped_byte(self):
        def flip(path):
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) // 2)
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 0x10]))

        self.damaged(flip)

    def test_truncated(self):
        self.damaged(lambda path: os.truncate(path, os.path.getsize(path) * 2 // 3))

    def test_empty(self):
        self.damaged(lambda path: os.truncate(path, 0))

    def test_all_generations_damaged(self):
        self.stopped(1)
        for name in ("state.h5", "state.h5.prev"):
            os.truncate(self.path(name), 1000)
        self.expect(self.start(1), 1, "no generation of the checkpoint can be used", seconds=30)
        self.assertTrue(os.path.exists(self.path("state.h5")))

    def test_one_rank_is_killed(self):
        reference = self.uninterrupted(3)
        for victim in (0, 1, 2):
            job = self.start(3)
            self.wait_for_checkpoints(job)
            job.kill([sorted(job.ranks())[victim]])
            status, output = job.end(15)
            self.assertNotEqual(status, 0, output)
        self.assertIsNotNone(identity(self.path("state.h5")))
        self.expect(self.start(3), 0, "going on from")
        self.expect_same_result(reference)

    def test_memory_of_one_rank(self):
        job = self.start(2)
        self.wait_for_checkpoints(job)
        with open(f"/proc/{max(job.ranks())}/status") as file:
            kibibytes = int(re.search(r"VmPeak:\s+(\d+) kB", file.read()).group(1))
        job.signal(signal.SIGUSR1)
        self.expect(job, STOPPED)
        make_matrix(self.path("X.h5"), rows=60_000)
        limited = [
            "bash", "-c", f'[ "$OMPI_COMM_WORLD_RANK" = 1 ] && ulimit -v {kibibytes + 10_000}; exec "$@"', "limited"
        ]
        other = {"checkpoint": "large.h5", "memory": "none", "max-iter": 5}
        output = self.expect(self.start(2, other, wrapper=limited), 1, "out of memory on rank 1", seconds=30)
        self.assertEqual(output.count("scanmf: error"), 1, output)
        self.expect(self.start(2, other), 0)

    def expect_numbers_outgrown(self, fit, place):
        """Large numbers in the last rows, in float32: products of them are infinite."""
        rows, normal = 600, 450
        x = numpy.random.RandomState(1).uniform(0.1, 1, (rows, 20)).astype(numpy.float32)
        x[normal:] *= 1e30
        with h5py.File(self.path("X.h5"), "w") as file:
            file["X"] = x
        output = self.expect(self.start(2, fit), 1, place, "scale X, use --dtype float64", seconds=30)
        self.assertEqual(output.count("scanmf: error"), 1, output)
        self.assertFalse(os.path.exists(self.path("model.h5")))

    def test_numbers_outgrown(self):
        for fit in ({}, {"solver": "mu"}, {"memory": "10K"}):
            with self.subTest(**fit):
                self.expect_numbers_outgrown({**fit, "checkpoint-every": 1000}, "in iteration 1:")
                self.assertFalse(os.path.exists(self.path("state.h5")))

    def test_numbers_outgrown_after_checkpoints(self):
        fit = {"estimator": "minibatch-nmf", "batch-size": 100, "max-no-improvement": "none"}
        self.expect_numbers_outgrown(fit, "in mini-batch step 5")
        with h5py.File(self.path("state.h5")) as state:
            self.assertEqual(state.attrs["n_steps"], 4)
            self.assertTrue(numpy.isfinite(state["H"][()]).all() and numpy.isfinite(state["W"][()]).all())
        self.expect(self.start(2, fit), 1, "after iteration 4", "in mini-batch step 5", seconds=30)

    def run_to_the_end(self, *arguments):
        job = Job(arguments, 2, self.folder)
        self.addCleanup(job.close)
        return job.end(30)

    def learn(self, chunk, model):
        return ["partial-fit", chunk, "--model", model, "-k", "6", "--random-state", "3"]

    def test_partial_fit_is_killed(self):
        make_matrix(self.path("chunk.h5"), seed=2)
        self.assertEqual(self.run_to_the_end(*self.learn("X.h5", "before.h5"))[0], 0)
        shutil.copy(self.path("before.h5"), self.path("after.h5"))
        self.assertEqual(self.run_to_the_end(*self.learn("chunk.h5", "after.h5"))[0], 0)

        def H(name):
            with h5py.File(self.path(name), "r") as file:
                return file["H"][()].tobytes()

        moments = random.Random(1)
        for _ in range(10):
            shutil.copy(self.path("before.h5"), self.path("learnt.h5"))
            job = Job(self.learn("chunk.h5", "learnt.h5"), 2, self.folder)
            self.addCleanup(job.close)
            time.sleep(moments.uniform(0.1, 0.8))
            job.kill(job.processes())
            job.end(15)
            self.assertIn(H("learnt.h5"), (H("before.h5"), H("after.h5")))
        shutil.copy(self.path("before.h5"), self.path("learnt.h5"))
        self.assertEqual(self.run_to_the_end(*self.learn("chunk.h5", "learnt.h5"))[0], 0)
        self.assertEqual(H("learnt.h5"), H("after.h5"))

    def test_disk_full_while_other_results_are_written(self):
        self.assertEqual(self.run_to_the_end(*self.learn("X.h5", "model.h5"))[0], 0)
        self.small_disk("40k")
        shutil.copy(self.path("model.h5"), self.path("disk/model.h5"))
        before = identity(self.path("disk/model.h5"))
        for command in (self.learn("X.h5",
                                   "disk/model.h5"), ["transform", "X.h5", "--model", "model.h5", "-o", "disk/W.h5"],
                        ["generate", "-o", "disk/X.h5", "--n-samples", "1000"]):
            status, output = self.run_to_the_end(*command)
            self.assertEqual(status, 1, output)
            self.assertIn("No space left on device", output)
        self.assertEqual(os.listdir(self.path("disk")), ["model.h5"])
        self.assertEqual(identity(self.path("disk/model.h5")), before)

    def test_disk_full_while_the_log_is_written(self):
        self.small_disk("16k")
        self.expect(self.start(2, {"log-json": "disk/log"}), 0, "writing 'disk/log' failed, it is not continued")


if __name__ == "__main__":
    run_tests()
