#!/usr/bin/python3
"""Runs that are asked to stop end with status 75 and go on to the same bits; checkpoints of other runs are refused.

    stop_test.py PROGRAM MPIEXEC
"""
import os
import signal
import time

import h5py
import numpy

from jobs import STOPPED, Job, JobTest, fit_command, make_matrix, run_tests, wait_until


class Stop(JobTest):
    def stop_and_go_on(self, ranks, ask, reason):
        reference = self.uninterrupted(ranks)
        job = self.start(ranks)
        self.wait_for_checkpoints(job)
        ask(job)
        self.expect(job, STOPPED, "stopped after iteration", reason, "run the same command again to go on")
        self.assertFalse(os.path.exists(self.path("model.h5")))
        # Saved in each iteration: the cost is in the table, and high.
        self.expect(self.start(ranks), 0, "going on from", "\ncheckpoint  ",
                    "a longer time between them (checkpoint-every) would save it")
        self.expect_same_result(reference)

    def test_usr1_to_mpirun(self):
        self.stop_and_go_on(2, lambda job: job.signal(signal.SIGUSR1), "SIGUSR1")

    def test_usr1_before_the_run_has_begun(self):
        """While MPI starts, the signal waits."""
        reference = self.uninterrupted(None)
        for _ in range(20):  # until the moment is met
            job = self.start(None)
            wait_until(lambda: self.disposition(job.process.pid) != "default", "the first thing that main does")
            waits = self.disposition(job.process.pid) == "blocked"
            job.signal(signal.SIGUSR1)
            self.expect(job, STOPPED, "stopped after iteration", "SIGUSR1")
            if waits:
                break
        self.assertTrue(waits)
        self.expect(self.start(None), 0, "going on from")
        self.expect_same_result(reference)
        job = Job(fit_command({**self.FIT, "max-iter": 1_000_000_000}), None, self.folder)  # nothing to keep
        self.addCleanup(job.close)
        wait_until(lambda: self.disposition(job.process.pid) == "blocked", "the first thing that main does")
        job.signal(signal.SIGUSR1)
        self.expect(job, -signal.SIGUSR1)

    @staticmethod
    def disposition(process):
        """What USR1 does to it."""
        with open(f"/proc/{process}/status") as file:
            status = dict(line.partition(":")[::2] for line in file)
        for name, masks in (("blocked", "SigBlk"), ("caught", "SigCgt")):
            if int(status[masks], 16) >> (signal.SIGUSR1 - 1) & 1:
                return name
        return "default"

    def test_usr2_to_mpirun(self):
        self.stop_and_go_on(2, lambda job: job.signal(signal.SIGUSR2), "SIGUSR2")

    def test_limit_of_processor_time_on_one_rank(self):
        self.stop_and_go_on(2, lambda job: os.kill(max(job.ranks()), signal.SIGXCPU), "SIGXCPU on rank 1")

    def test_term_to_one_rank(self):
        self.stop_and_go_on(3, lambda job: os.kill(max(job.ranks()), signal.SIGTERM), "SIGTERM on rank 2")

    def test_interrupt_without_mpirun(self):
        self.stop_and_go_on(None, lambda job: job.signal(signal.SIGINT), "SIGINT")

    def test_stop_file(self):
        self.stop_and_go_on(2, lambda job: open(self.path("STOP"), "w").close(), "STOP")
        self.assertFalse(os.path.exists(self.path("STOP")))

    def test_stop_file_with_contents_stays(self):
        with open(self.path("STOP"), "w") as file:
            file.write("notes of the user")
        self.expect(self.start(1), STOPPED, "STOP' is not empty and stays")
        with open(self.path("STOP")) as file:
            self.assertEqual(file.read(), "notes of the user")

    def test_time_limit(self):
        slow = {"solver": "mu", "beta-loss": 1.5, "max-iter": 250}
        stopped = 0
        while stopped == 0:  # until there are enough iterations for the limit, on any machine
            slow["max-iter"] *= 2
            reference = self.uninterrupted(2, slow)
            while True:
                status, output = self.start(2, {**slow, "max-time": "0:05"}).end()
                if status != STOPPED:
                    break
                self.assertIn("the time limit is near", output)
                stopped += 1
            self.assertEqual(status, 0, output)
        self.expect_same_result(reference)

    def test_second_interruption_ends_at_once(self):
        reference = self.uninterrupted(None)
        job = self.start(None)
        self.wait_for_checkpoints(job)
        job.signal(signal.SIGSTOP)  # so that both arrive before the iteration ends
        job.signal(signal.SIGINT)
        job.signal(signal.SIGTERM)
        job.signal(signal.SIGCONT)
        status, output = job.end(10)
        self.assertIn(status, (128 + signal.SIGINT, 128 + signal.SIGTERM), output)
        self.expect(self.start(None), 0, "lock taken over", "going on from")
        self.expect_same_result(reference)

    def end_partial_fit(self, ranks, end):
        job = Job([
            "partial-fit", "X.h5", "--model", "m.h5", "-k", "6", "--tol", "0", "--fresh-restarts-max-iter", "1000000000"
        ], ranks, self.folder, env={
            **os.environ, "OMPI_MCA_odls_base_sigkill_timeout": "5"
        })  # time for ranks to end by themselves
        self.addCleanup(job.close)
        wait_until(lambda: os.path.exists(self.path("m.h5.lock")), "the lock")
        time.sleep(0.5)
        end(job)
        status, output = job.end(10)
        self.assertNotEqual(status, 0, output)
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("m.h5")], [], output)

    def test_partial_fit_gives_its_lock_back(self):
        self.end_partial_fit(None, lambda job: job.signal(signal.SIGTERM))
        self.end_partial_fit(None, lambda job: job.signal(signal.SIGINT))
        self.end_partial_fit(2, lambda job: job.signal(signal.SIGTERM))
        self.end_partial_fit(2, lambda job: os.kill(min(job.ranks()), signal.SIGUSR1))

    def other_numbers_of_ranks(self, changes):
        reference = self.uninterrupted(1, changes)
        for ranks in (1, 2, 4):
            self.stopped(ranks, changes, count=5)
        self.expect(self.start(3, changes), 0, "going on from")
        self.expect_same_result(reference)

    def test_other_numbers_of_ranks(self):
        self.other_numbers_of_ranks({})

    def test_other_numbers_of_ranks_streamed(self):
        self.other_numbers_of_ranks({"memory": "200K"})

    def test_other_numbers_of_ranks_in_mini_batches(self):
        self.other_numbers_of_ranks({
            "estimator": "minibatch-nmf",
            "batch-size": 150,
            "max-iter": 25,
            "max-no-improvement": "none"
        })

    def test_what_may_change(self):
        reference = self.uninterrupted(2)
        self.stopped(2)
        changes = {"tol": 1e-300, "threads": 2, "checkpoint-every": "1min", "max-time": "1:00:00", "verbose": 1}
        self.expect(self.start(2, changes), 0, "going on from")
        self.expect_same_result(reference)

    def test_more_iterations_are_no_other_run(self):
        self.stopped(2)
        self.expect(self.start(2, {"max-iter": 130}), 0, "up to 130 now")
        with h5py.File(self.path("model.h5")) as model:
            self.assertEqual(model.attrs["n_iter"], 130)

    def test_checkpoint_of_another_run(self):
        reference = self.uninterrupted(1)
        self.stopped(1)
        os.rename(self.path("X.h5"), self.path("right.h5"))
        make_matrix(self.path("X.h5"), seed=2)
        self.expect(self.start(1, {
            "n-components": 5,
            "alpha-w": 0.5
        }), 1, "belongs to other data or parameters", "n_components is 6 there and 5 now",
                    "alpha_W is 0.0 there and 0.5 now", "X is ", "remove it to start anew")
        self.expect(self.start(1, {"n-components": 5, "resume": "never"}), 1, "belongs to other data or parameters")
        os.rename(self.path("right.h5"), self.path("X.h5"))
        self.expect(self.start(1, {"resume": "require"}), 0)
        self.expect_same_result(reference)
        self.expect(self.start(1, {"resume": "require"}), 1, "there is no checkpoint")

    def make_start(self, name, seed):
        random = numpy.random.default_rng(seed)
        with h5py.File(self.path("X.h5")) as file:
            rows, columns = file["X"].shape
        with h5py.File(self.path(name), "w") as file:
            file["W"] = random.random((rows, 6)) + 0.1
            file["H"] = numpy.asfortranarray(random.random((6, columns)) + 0.1)
        return {"init": "custom", "init-file": name}

    def test_checkpoint_of_another_start(self):
        """W and H of init custom belong to a run, wherever they lie and whatever the number of ranks."""
        for more in ({}, {
                "memory": "200K"
        }, {
                "estimator": "minibatch-nmf",
                "batch-size": 150,
                "max-iter": 25,
                "max-no-improvement": "none"
        }):
            one = {**more, **self.make_start("one.h5", 1)}
            other = {**more, **self.make_start("other.h5", 2)}
            same = {**more, **self.make_start("same.h5", 1)}
            reference = self.uninterrupted(1, one)
            self.stopped(2, one)
            for ranks in (2, 3):
                for resume in ("auto", "never"):
                    self.expect(
                        self.start(ranks, {
                            **other, "resume": resume
                        }), 1, "state.h5 belongs to other data or parameters: the start (W and H of init custom) is W ")
            self.assertTrue(os.path.exists(self.path("state.h5")))
            self.expect(self.start(3, {**same, "resume": "require"}), 0, "going on from")
            self.expect_same_result(reference)

    def test_two_jobs_with_one_checkpoint(self):
        reference = self.uninterrupted(2)
        first = self.start(2)
        self.wait_for_checkpoints(first, 1)
        self.expect(self.start(2, {"output": "second.h5"}), 1, "state.h5 is in use by process")
        self.expect(first, 0)
        self.expect_same_result(reference)
        self.assertFalse(os.path.exists(self.path("second.h5")))


if __name__ == "__main__":
    run_tests()
