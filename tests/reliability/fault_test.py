#!/usr/bin/python3
"""Full disks, folders that cannot be written, damaged checkpoints, lost ranks: a clear message within seconds, and nothing lost.

    fault_test.py PROGRAM MPIEXEC
"""
import os
import shutil
import signal
import subprocess
import unittest

from jobs import STOPPED, JobTest, factors, identity, run_tests

AS_ROOT = os.geteuid() == 0


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


class Fault(JobTest):
    def small_disk(self, size):
        """A folder "disk" with room for `size` bytes."""
        folder = self.path("disk")
        os.mkdir(folder)
        if not AS_ROOT or not mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder):
            self.skipTest("a small disk needs root and mount")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)

    def remount(self, option):
        self.assertTrue(mount("-o", f"remount,{option}", self.path("disk")))

    def test_disk_full_while_a_checkpoint_is_saved(self):
        reference = self.uninterrupted(2)
        self.small_disk("200k")  # one checkpoint fits, not the second beside it
        on_disk = {"checkpoint": "disk/state.h5"}
        self.expect(self.start(2, on_disk), 1, "disk/state.h5", "No space left on device", seconds=30)
        self.assertIn("state.h5", os.listdir(self.path("disk")))
        self.assertLessEqual(set(os.listdir(self.path("disk"))), {"state.h5", "state.h5.prev"}, "something half written is left")
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
        self.assertTrue(factors(self.path("disk/model.h5")) == reference, "W or H differ from those of the uninterrupted run")

    def test_file_size_limit(self):
        reference = self.uninterrupted(2)
        # For the ranks alone: mpirun and shared memory need larger files.
        limited = self.start(2, mpirun=["--mca", "btl", "self,tcp"], wrapper=["bash", "-c", 'ulimit -f 48; exec "$@"', "limited"])
        self.expect(limited, 1, "state.h5 cannot be written", "File too large", seconds=30)
        self.assertFalse(os.path.exists(self.path("state.h5")))
        self.expect(self.start(2), 0)
        self.expect_same_result(reference)

    def test_folder_that_cannot_be_written(self):
        self.small_disk("10M")
        self.remount("ro")
        self.expect(self.start(2, {"checkpoint": "disk/state.h5"}), 1, "disk/state.h5", "Read-only file system", seconds=30)
        self.expect(self.start(2, {"output": "disk/model.h5"}), 1, "disk/model.h5", "Read-only file system", seconds=30)

    def damaged(self, damage):
        """Stops a run, damages the newest checkpoint, and expects the generation before it to be used."""
        reference = self.uninterrupted(2)
        job = self.start(2)
        self.wait_for_checkpoints(job)
        job.signal(signal.SIGUSR1)
        self.expect(job, STOPPED)
        shutil.copy(self.path("state.h5"), self.path("good.h5"))
        damage(self.path("state.h5"))
        self.expect(self.start(2), 0, "state.h5 is damaged", "the generation before it is used", "going on from")
        self.expect_same_result(reference)

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
        job = self.start(1)
        self.wait_for_checkpoints(job)
        job.signal(signal.SIGUSR1)
        self.expect(job, STOPPED)
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


if __name__ == "__main__":
    run_tests()
