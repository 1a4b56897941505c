"""`scanmf watch` and `scanmf stop`: a run seen, and ended, from another shell."""
import json
import os
import re
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
                               stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (fit.kill(), fit.wait()))
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
            self.assertRegex(seen, r"(?m)^iteration \d+/100000000  violation \S+  \S+ s/iteration  at most .+ left$",
                             file)
            self.assertRegex(seen, r"(?m)^last written .* ago$")
            self.assertIn("violation over iterations", seen)
            self.assertGreater(seen.count("*"), 10)
        asked = self.succeed("stop", "run.checkpoint", ranks=0).stdout
        self.assertRegex(asked, r"process \d+ on \S+ is asked to stop")
        self.assertEqual(fit.wait(60), 75)
        self.assertFalse(os.path.exists(self.path("STOP")))
        self.assertIn("stopped (the file", self.succeed("watch", "log.jsonl", ranks=0).stdout)
        self.fail_with(1, "no run has the checkpoint", "stop", "run.checkpoint", ranks=0)

    def followers(self):
        """watch --follow of the log and of the checkpoint, in this order."""
        watches = [
            subprocess.Popen([PROGRAM, "watch", file, "--follow", "true"], cwd=self.folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True) for file in ("log.jsonl", "run.checkpoint")
        ]
        for watch in watches:
            self.addCleanup(lambda watch=watch: (watch.kill(), watch.wait(), watch.stdout.close()))
        time.sleep(3)  # a first and a second look
        self.assertEqual([watch.poll() for watch in watches], [None, None])
        return watches

    def expect_end(self, watches, *ends):
        for watch, end in zip(watches, ends):
            seen = watch.communicate(timeout=60)[0]
            self.assertEqual(watch.returncode, 0)
            self.assertGreater(seen.count("\nlast written"), 0)
            self.assertEqual(seen.count(end), 1, seen)

    def test_who_follows_is_told_of_the_end(self):
        fit = self.start_fit()
        watches = self.followers()
        self.succeed("stop", "run.checkpoint", ranks=0)
        self.assertEqual(fit.wait(60), 75)
        self.expect_end(watches, "stopped (the file", "no run has this checkpoint at the moment")

    def test_who_follows_is_told_of_a_kill(self):
        fit = self.start_fit()
        watches = self.followers()
        with open(self.path("run.checkpoint.lock")) as file:
            root = int(dict(line.split("=", 1) for line in file.read().splitlines())["pid"])
        os.kill(root, 9)
        fit.wait(60)
        gone = f"process {root} of this host does not run any more"
        self.expect_end(watches, f"gone without a word: {gone}", f"the run is gone ({gone})")
        self.fail_with(1, f"is gone ({gone})", "stop", "run.checkpoint", ranks=0)
        self.assertFalse(os.path.exists(self.path("STOP")))
        with open(self.path("other.checkpoint.lock"), "w") as file:  # of one that is gone, too
            file.write(f"host={os.uname().nodename}\npid=99999999\n")

    def test_a_run_that_fails_says_so_in_its_log(self):
        self.write("nan.h5", X=positive_matrix(4, 3) * float("nan"))
        with open(self.path("log.jsonl"), "w"):
            pass
        self.fail_with(1, "contains NaN", "fit", "nan.h5", "-k", "2", "--log-json", "log.jsonl")
        seen = self.succeed("watch", "log.jsonl", "--follow", "true", ranks=0)
        self.assertRegex(seen.stdout, r"\nfailed: .*contains NaN")
        self.log({
            "event": "start",
            "command": "fit a"
        }, {
            "event": "iteration",
            "iteration": 4,
            "error": 1
        }, {"event": "end"})
        self.fail_with(1, "cannot open", "fit", "none.h5", "-k", "2", "--log-json", "log.jsonl")
        seen = self.succeed("watch", "log.jsonl").stdout
        self.assertIn("failed: cannot open", seen)
        self.assertNotIn("fit a", seen)

    def test_nobody_is_asked_when_nobody_runs(self):
        self.fail_with(1, "no run has the checkpoint", "stop", "run.checkpoint")
        with open(self.path("run.checkpoint.lock"), "w") as file:
            file.write(f"host={os.uname().nodename}\npid=99999999\n")
        self.fail_with(1, "is gone (process 99999999 of this host does not run", "stop", "run.checkpoint")
        with open(self.path("run.checkpoint.lock"), "w") as file:
            file.write("host=elsewhere\npid=1\n")
        self.assertIn("process 1 on elsewhere is asked", self.succeed("stop", "run.checkpoint").stdout)
        self.assertEqual(os.path.getsize(self.path("STOP")), 0)
        self.assertIn("was asked before", self.succeed("stop", "run.checkpoint").stdout)

    def test_whom_stop_does_not_ask(self):
        with open(self.path("run.lock"), "w") as file:
            file.write("host=elsewhere\npid=1\n")
        os.symlink("nothing", self.path("STOP"))
        self.fail_with(1, "STOP' is a link to nowhere", "stop", "run")
        os.remove(self.path("STOP"))
        os.mkdir(self.path("STOP"))
        self.fail_with(1, "STOP' is a folder", "stop", "run")
        os.rmdir(self.path("STOP"))
        for name in ("old", "yarn", "model.h5", "running"):
            with open(self.path(f"{name}.lock"), "w") as file:
                file.write("# yarn lockfile v1\n" if name == "yarn" else "host=elsewhere\npid=1\n")
                file.write("holds=model\n" if name == "model.h5" else "")
        os.utime(self.path("old.lock"), (time.time() - 1000, ) * 2)
        self.fail_with(1, "given no sign of life for 100", "stop", "old")
        self.fail_with(1, "yarn.lock is another file, not a lock of this program", "stop", "yarn")
        self.fail_with(1, "updates it as a model (partial-fit)", "stop", "model.h5")
        os.utime(self.path("model.h5.lock"), (time.time() - 1000, ) * 2)
        self.fail_with(1, "the partial-fit that had it as its model is gone", "stop", "model.h5")
        self.assertEqual(self.run_program("stop", ".").status, 1)
        self.assertFalse(os.path.exists(self.path("STOP")))
        warnings = self.succeed("stop", "run").warnings
        self.assertEqual(len(warnings), 1)
        self.assertIn("running.lock", warnings[0])

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

    def log(self, *events):
        with open(self.path("log.jsonl"), "w", encoding="utf-8") as file:
            for event in events:
                file.write((event if isinstance(event, str) else json.dumps(event)) + "\n")
        return self.succeed("watch", "log.jsonl").stdout

    def test_a_run_that_goes_on_is_one_and_another_one_is_not(self):
        def run(command, first, last):
            numbers = range(first, last + 1)
            return [{
                "event": "start",
                "command": command
            }, *({
                "event": "iteration",
                "iteration": i,
                "of": 99,
                "iteration_seconds": 2,
                "error": 100 - i
            } for i in numbers)]

        seen = self.log(*run("fit a", 1, 30), *run("fit a", 21, 40))
        self.assertRegex(seen, r"fit a\niteration 40/99  error 6.000e\+01  2 s/iteration  at most 1 min 58 s left")
        self.assertRegex(seen, r"\n +1 +40\n")
        seen = self.log(*run("fit a", 1, 30), *run("fit b", 21, 40))
        self.assertRegex(seen, r"fit b\niteration 40/99.*\n(.*\n)* +21 +40\n")
        seen = self.log(*run("fit a", 1, 30), {"event": "start", "command": "fit b"})
        self.assertRegex(seen, r"fit b\nno iteration yet, last written")
        seen = self.log(*run("fit a", 1, 30), *run("fit a", 1, 0), *run("fit a", 31, 32))  # killed while it read X
        self.assertRegex(seen, r"\n +1 +32\n")

    def test_logs_that_say_strange_things(self):
        seen = self.log({
            "event": "start",
            "command": "fit \x1b[31mX\x07"
        }, "[1, 2]", "{", "\x00", '{"event": 7}', {
            "event": "iteration",
            "iteration": -1
        }, {
            "event": "iteration",
            "iteration": 1e300
        }, {
            "event": "iteration",
            "iteration": "x"
        }, {"event": "iteration"}, {
            "event": "iteration",
            "iteration": None
        }, {
            "event": "progress",
            "replicates_done": 3
        }, {
            "event": "start",
            "process": [],
            "k": 3,
            "replicates": 1e99
        }, {
            "event": "iteration",
            "iteration": 1,
            "of": 1e14,
            "iteration_seconds": 1e300,
            "bad\x1b[2J": 3
        }, {
            "event": "iteration",
            "iteration": 2,
            "of": 1e14,
            "iteration_seconds": -1,
            "bad\x1b[2J": 1e308
        })
        self.assertIn("iteration 2/100000000000000", seen)
        self.assertIn("at most more than a century left", seen)
        self.assertIn(r"bad\x1b[2J", seen)
        self.assertNotIn("\x1b", seen)
        self.assertIn(r"failed: \x1b[2J", self.log({"event": "start"}, {"event": "error", "message": "\x1b[2J"}))

    def test_an_ensemble(self):
        self.succeed("ensemble", "X.h5", "-k", "2:3", "--replicates", "3", "--random-state", "0", "-o", "e.h5",
                     "--log-json", "log.jsonl", "--max-iter", "5", "--quiet")
        with open(self.path("log.jsonl")) as file:
            lines = file.read().splitlines()
        self.assertIn("replicate 6/6\ndone\n", self.succeed("watch", "log.jsonl").stdout)
        at = next(i for i, line in enumerate(lines) if '"progress"' in line and json.loads(line).get("replicates_done"))
        cut = {**json.loads(lines[at]), "replicates_done": 4}  # a busy machine may tell of all six at once
        self.assertIn("replicate 4/6\ngone without a word", self.log(*lines[:at], json.dumps(cut)))

    def test_the_violation_of_a_checkpoint_is_that_of_the_log(self):
        """Over that of the first iteration, as --tol has it."""
        fit = self.start_fit()
        self.succeed("stop", "run.checkpoint", ranks=0)
        self.assertEqual(fit.wait(60), 75)
        seen = [
            re.search(r"iteration (\d+)/.*violation (\S+)",
                      self.succeed("watch", file).stdout).groups() for file in ("log.jsonl", "run.checkpoint")
        ]
        self.assertEqual(seen[0], seen[1])
        self.assertLess(float(seen[1][1]), 1)

    def test_the_checkpoint_of_an_ensemble(self):
        """Of a run whose replicates are fitted one by one, those of the largest k first."""
        self.write("X.h5", X=100 * positive_matrix(400, 60))
        command = [
            *(MPIRUN + [str(RANKS)] if RANKS else []), PROGRAM, "ensemble", "X.h5", "-k", "2,30", "--replicates", "40",
            "--random-state", "7", "--resample", "poisson", "--connectivity", "--tol", "0", "--max-iter", "5000",
            "--groups", "1", "--dtype", "float32", "--checkpoint", "e.checkpoint", "-o", "e.h5", "--quiet"
        ]
        run = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (run.kill(), run.wait()))
        deadline = time.time() + 120
        while not (os.path.exists(self.path("e.checkpoint")) and self.replicates_done() > 0):
            self.assertLess(time.time(), deadline)
            time.sleep(0.1)
        seen = self.succeed("watch", "e.checkpoint", ranks=0).stdout
        self.assertRegex(seen, r"^replicate [1-9]\d?/80\nlast written .* ago\nhow much time is left .* --follow ")
        follower = subprocess.Popen([PROGRAM, "watch", "e.checkpoint", "--follow", "true"], cwd=self.folder,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (follower.kill(), follower.wait(), follower.stdout.close()))
        before = self.replicates_done()
        while self.replicates_done() == before:
            self.assertLess(time.time(), deadline)
            time.sleep(0.1)
        time.sleep(2.5)  # two looks of the follower
        self.succeed("stop", "e.checkpoint", ranks=0)
        self.assertEqual(run.wait(60), 75)
        seen = follower.communicate(timeout=60)[0]
        self.assertRegex(seen, r"replicate [1-9]\d?/80  about .+ left\nlast written .* ago\nreplicate")
        self.assertRegex(seen,
                         r"replicate [1-9]\d?/80\nno run has this checkpoint at the moment; the same command goes on")
        self.assert_inspected()

    def replicates_done(self):
        return json.loads(self.succeed("inspect", "e.checkpoint", "--json", ranks=0).stdout)["replicates_done"]

    def assert_inspected(self):
        seen = json.loads(self.succeed("inspect", "e.checkpoint", "--json").stdout)
        for name, value in (("kind", "checkpoint of an ensemble"), ("replicates", 40), ("random_state", 7),
                            ("dtype", "float32")):
            self.assertEqual(seen[name], value)
        self.assertRegex(seen["X"], "^400 x 60 float64, 24000 stored")
        self.assertEqual((seen["params"]["max_iter"], seen["params"]["connectivity_rows"]), ("5000", "2000"))
        self.assertEqual(seen["table"][1], {"k": 30, "replicates_done": min(40, seen["replicates_done"])})
        self.assertEqual(seen["replicates_to_do"], 80 - seen["replicates_done"])
        text = self.succeed("inspect", "e.checkpoint").stdout
        self.assertIn(f"replicates_done     {seen['replicates_done']}\n", text)
        self.assertIn("k  replicates_done\n", text)
        self.assertIn("k,replicates_done\n2,", self.succeed("inspect", "e.checkpoint", "--csv").stdout)
        self.fail_with(2, "has no meaning", "inspect", "e.checkpoint", "--top", "3")
        with open(self.path("e.checkpoint"), "r+b") as file:
            file.seek(60)
            file.write(b"?")
        for command in ("inspect", "watch"):
            self.fail_with(1, "is damaged", command, "e.checkpoint")

    def test_what_is_neither_log_nor_checkpoint(self):
        self.fail_with(1, "X.h5", "watch", "X.h5")
        self.fail_with(1, "none.jsonl", "watch", "none.jsonl")
        with open(self.path("empty"), "w"):
            pass
        self.fail_with(1, "empty", "watch", "empty")


if __name__ == "__main__":
    unittest.main()
