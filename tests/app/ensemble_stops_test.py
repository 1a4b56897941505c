#!/usr/bin/python3
"""Ensembles that are interrupted: replicates and test errors that were found stay in the checkpoint."""
import os
import re
import shutil
import signal
import subprocess
import unittest

import numpy as np

from program import MPIRUN, PROGRAM, RANKS, ProgramTest

# Of runs whose cross-validation takes a few seconds: five k, of which four share the passes and one is alone.
OPTIONS = [
    "ensemble", "X.h5", "-k", "2:6", "--replicates", "2", "--random-state", "1", "--tol", "0", "--max-iter", "300",
    "--density-threshold", "2", "--threads", "1", "--progress", "off", "--verbose", "1"
]


def planted(m=400, n=120, k=3):
    random = np.random.RandomState(0)
    return random.gamma(0.5, 1, (m, k)) @ random.gamma(0.5, 1, (k, n)) + 0.05 * random.rand(m, n)


def begun(log):
    """The fits of a cross-validation that a log announces: (part, k)."""
    lines = re.findall(r"(?:block|repeat) (\d+) of \d+, k = (.*)", log)
    return [(int(part), int(k)) for part, ks in lines for k in ks.split(",")]


def with_descendants(process):
    with open(f"/proc/{process}/task/{process}/children") as children:
        return [process, *(one for child in children.read().split() for one in with_descendants(int(child)))]


class Interrupted(ProgramTest):
    def begin(self, *words):
        command = [PROGRAM, *words]
        if RANKS > 0:
            command = [*MPIRUN, str(RANKS), *command]
        running = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True)
        self.addCleanup(running.wait)
        self.addCleanup(running.stderr.close)
        return running

    def write_empty(self, name):
        open(self.path(name), "w").close()


class Stops(Interrupted):
    def test_asked_to_stop_during_the_cross_validation(self):
        """By a signal, or the file STOP, since mpirun ends at one. Replicates that are done stay, and the same command
        goes on to the same file."""
        self.write("X.h5", X=planted())
        options = [
            "ensemble", "X.h5", "-k", "2,3", "--replicates", "2", "--random-state", "1", "--select", "bicv", "--tol",
            "0", "--max-iter", "1500", "--threads", "1", "--groups", "1", "--checkpoint", "c", "--progress", "off",
            "--verbose", "1"
        ]
        running = self.begin(*options)
        for line in running.stderr:
            if "bi-cross-validation: block" in line:
                if RANKS == 0:
                    running.send_signal(signal.SIGTERM)
                else:
                    self.write_empty("STOP")
                break
        rest = running.stderr.read()
        self.assertEqual(running.wait(), 75, rest)
        self.assertIn("run the same command again", rest)
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "c"])
        self.succeed(*options, timeout=120)
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "ensemble.h5"])
        self.assertTrue((self.read("ensemble.h5", "table/cv_error") > 0).all())

    def test_test_errors_survive_a_kill(self):
        """What is found is found once: by the same ranks to the bit, by others to rounding."""
        self.write("X.h5", X=planted())
        groups = ["--groups", "1"]
        for select, parts in ((["bicv"], 4), (["speckled", "--select-repeats", "3"], 3)):
            options = [*OPTIONS, "--select", *select]
            whole = self.succeed(*options, *groups, "-o", "whole.h5")
            self.assertEqual(len(begun(whole.stderr)), 5 * parts)
            options += ["--checkpoint", "c"]
            known = self.kill_at_the_third_part([*options, *groups])
            shutil.copy(self.path("c"), self.path("copy"))
            self.go_on([*options, *groups], known, 5 * parts)
            self.assert_same_contents("whole.h5", "ensemble.h5")
            for ranks, groups_of_others in ((3, "2"), ) if RANKS == 0 else ((1, "1"), (3, "3")):
                shutil.copy(self.path("copy"), self.path("c"))
                self.go_on([*options, "--groups", groups_of_others], known, 5 * parts, ranks)
                for column in ("cv_error", "cv_error_se"):
                    np.testing.assert_allclose(self.read("ensemble.h5", f"table/{column}"),
                                               self.read("whole.h5", f"table/{column}"), rtol=1e-6)

    def kill_at_the_third_part(self, options):
        """How many fits of the cross-validation were announced before it: these are in the checkpoint."""
        running = self.begin(*options)
        lines = []
        while len(lines) < 3:
            line = running.stderr.readline()
            self.assertNotEqual(line, "", "the run has ended")
            if begun(line):
                lines.append(line)
        for process in with_descendants(running.pid):
            if process != running.pid or RANKS == 0:  # mpirun ends when its ranks do
                os.kill(process, signal.SIGKILL)
        running.stderr.read()
        running.wait()
        return len(begun("".join(lines[:2])))

    def go_on(self, options, known, all_fits, ranks=RANKS):
        result = self.succeed(*options, ranks=ranks, timeout=120)
        found = re.search(r"going on from '.*c': (\d+) of (\d+) test errors are known", result.stderr)
        self.assertGreaterEqual(int(found[1]), known)  # it may have come further until the signal
        self.assertLess(int(found[1]), all_fits)
        self.assertEqual(int(found[2]), all_fits)
        if options[-1] == "1":  # rank 0 announces what its group does
            self.assertEqual(len(begun(result.stderr)), all_fits - int(found[1]))
        self.assertNotIn("c", os.listdir(self.folder))

    @unittest.skipIf(RANKS > 0, "what a checkpoint has is looked for by rank 0")
    def test_another_cross_validation_has_its_own_errors(self):
        """Replicates do not depend on it: a checkpoint may have errors of another one, or of fewer repeats."""
        self.write("X.h5", X=planted())
        options = [*OPTIONS, "--groups", "1"]
        for stopped, other, finds in ((["bicv"], ["bicv", "--folds",
                                                  "3"], False), (["speckled"], ["speckled", "--select-repeats", "4"],
                                                                 True), (["speckled"], ["speckled", "--holdout",
                                                                                        "0.1"], False)):
            self.succeed(*options, "--select", *other, "-o", "whole.h5", timeout=120)
            self.kill_at_the_third_part([*options, "--select", *stopped, "--checkpoint", "c"])
            result = self.succeed(*options, "--select", *other, "--checkpoint", "c", timeout=120)
            self.assertEqual("test errors are known" in result.stderr, finds)
            self.assert_same_contents("whole.h5", "ensemble.h5")

    def test_a_time_limit_in_which_no_replicate_ends_is_said(self):
        self.write("X.h5", X=planted(m=300, n=100))
        options = [
            "ensemble", "X.h5", "-k", "3", "--replicates", "4", "--random-state", "1", "--tol", "0", "--max-iter",
            "100000000", "--threads", "1", "--groups", "1", "--checkpoint", "c"
        ]
        for share in ("4 shared its time, in the next one 1 will", "one needs more time than this"):
            result = self.run_program(*options, "--max-time", "4s")
            self.assertEqual(result.status, 75, result.stderr)
            self.assertTrue(any(share in warning for warning in result.warnings), result.stderr)


@unittest.skipUnless(RANKS > 1, "one rank is one group")
class OneGroupFails(Interrupted):
    """Rank 1, a group of its own, cannot write: all end with one line, and what is done is kept."""
    def fail_on_rank_1(self, options):
        limited = ["bash", "-c", '[ "$OMPI_COMM_WORLD_RANK$PMI_RANK" = 1 ] && ulimit -f 48; exec "$@"', "limited"]
        environment = {**os.environ, "OMPI_MCA_btl": "self,tcp"}  # shared memory needs larger files
        finished = subprocess.run([*MPIRUN, str(RANKS), *limited, PROGRAM, *options], cwd=self.folder, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=environment)
        self.assertEqual(finished.returncode, 1, finished.stderr)
        errors = [line for line in finished.stderr.splitlines() if line.startswith("scanmf: error: ")]
        self.assertEqual(len(errors), 1, finished.stderr)
        self.assertIn("File too large", errors[0])
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "c", "whole.h5"])

    def test_what_is_done_is_kept(self):
        self.write("X.h5", X=planted())
        options = [*OPTIONS, "--select", "bicv", "--groups", str(RANKS)]
        self.succeed(*options, "-o", "whole.h5", timeout=120)
        options += ["--checkpoint", "c"]
        self.fail_on_rank_1(options)
        running = self.begin(*options)  # all replicates, and some of the cross-validation
        log = []
        for line in running.stderr:
            log.append(line)
            if begun(line):
                self.write_empty("STOP")
                break
        rest = running.stderr.read()
        self.assertEqual(running.wait(), 75, rest)
        self.assertRegex("".join(log), r"going on from '.*c': [1-9]\d* of 10 replicates are done")
        self.fail_on_rank_1(options)
        result = self.succeed(*options, timeout=120)
        self.assertRegex(result.stderr, r"going on from '.*c': [1-9]\d* of 20 test errors are known")
        self.assert_same_contents("whole.h5", "ensemble.h5")


if __name__ == "__main__":
    unittest.main()
