"""`scanmf watch` and `scanmf stop`: a run seen, and ended, from another shell."""
import os
import subprocess
import time
import unittest

from program import MPIRUN, PROGRAM, RANKS, ProgramTest, positive_matrix


class Watch(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("X.h5", X=positive_matrix(400, 60))

    def start_fit(self):
        """A fit that would take hours, and is seen to run."""
        command = [
            *(MPIRUN + [str(RANKS)] if RANKS else []), PROGRAM, "fit", "X.h5", "-k", "5", "--init", "random",
            "--random-state", "0", "--tol", "0", "--max-iter", "100000000", "-o", "model.h5", "--checkpoint",
            "run.checkpoint", "--checkpoint-every", "1s", "--log-json", "log.jsonl", "--quiet"
        ]
        fit = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (fit.kill(), fit.wait(), fit.stderr.close()))
        deadline = time.time() + 90
        while not os.path.exists(self.path("run.checkpoint")):
            self.assertLess(time.time(), deadline)
            self.assertIsNone(fit.poll())
            time.sleep(0.2)
        return fit

    def test_a_running_fit_is_watched_and_stopped(self):
        fit = self.start_fit()
        for file in ("log.jsonl", "run.checkpoint"):
            seen = self.succeed("watch", file, ranks=0).stdout
            self.assertRegex(seen, r"(?m)^iteration \d+/100000000  violation \S+  \S+ s/iteration  at most \d+ h", file)
            self.assertRegex(seen, r"(?m)^last written .* ago$")
            self.assertIn("violation over iterations", seen)
            self.assertGreater(seen.count("*"), 10)
        asked = self.succeed("stop", "run.checkpoint", ranks=0).stdout
        self.assertRegex(asked, r"process \d+ on \S+ is asked to stop")
        self.assertEqual(fit.wait(60), 75)
        self.assertFalse(os.path.exists(self.path("STOP")))
        self.assertIn("stopped (the file", self.succeed("watch", "log.jsonl", ranks=0).stdout)
        self.fail_with(1, "no run has the checkpoint", "stop", "run.checkpoint", ranks=0)

    def test_nobody_is_asked_when_nobody_runs(self):
        self.fail_with(1, "no run has the checkpoint", "stop", "run.checkpoint")
        with open(self.path("run.checkpoint.lock"), "w") as file:
            file.write(f"host={os.uname().nodename}\npid=99999999\n")
        self.fail_with(1, "(process 99999999) is gone", "stop", "run.checkpoint")
        with open(self.path("run.checkpoint.lock"), "w") as file:
            file.write("host=elsewhere\npid=1\n")
        self.assertIn("process 1 on elsewhere is asked", self.succeed("stop", "run.checkpoint").stdout)
        self.assertEqual(os.path.getsize(self.path("STOP")), 0)
        self.assertIn("was asked before", self.succeed("stop", "run.checkpoint").stdout)

    def test_a_log_that_is_done_and_one_with_two_runs(self):
        for iterations in ("7", "4"):
            self.succeed("fit", "X.h5", "-k", "2", "--random-state", "0", "--tol", "0", "--max-iter", iterations, "-o",
                         "model.h5", "--log-json", "log.jsonl", "--quiet")
        seen = self.succeed("watch", "log.jsonl").stdout
        self.assertIn("iteration 4/4", seen)
        self.assertIn("\ndone\n", seen)
        with open(self.path("log.jsonl"), "a") as file:
            file.write('{"event":"start","command":"scanmf fit next.h5"}\n{"event":"iteration","iterati')
        seen = self.succeed("watch", "log.jsonl").stdout
        self.assertIn("scanmf fit next.h5", seen)
        self.assertNotIn("\ndone\n", seen)

    def test_what_is_neither_log_nor_checkpoint(self):
        self.fail_with(1, "X.h5", "watch", "X.h5")
        self.fail_with(1, "none.jsonl", "watch", "none.jsonl")
        with open(self.path("empty"), "w"):
            pass
        self.fail_with(1, "empty", "watch", "empty")


if __name__ == "__main__":
    unittest.main()
