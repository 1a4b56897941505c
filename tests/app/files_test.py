#!/usr/bin/python3
"""No file of the user is lost, whatever is named for what; and no run ends, or lies, for its messages."""
import json
import os
import subprocess
import sys
import unittest

import h5py

from program import MPIRUN, PROGRAM, RANKS, ProgramTest, positive_matrix

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz"))
import mutations

FIT = ["-k", "2", "--init", "random", "--random-state", "0", "--max-iter", "3", "--tol", "0", "--quiet"]


class FilesTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("X.h5", X=positive_matrix(12))

    def contents(self):
        """All that can be lost: names, kinds, bytes."""
        found = {}
        for name in os.listdir(self.folder):
            path = self.path(name)
            if os.path.islink(path):
                found[name] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[name] = file.read()
            else:
                found[name] = os.lstat(path).st_mode
        return found

    def refuse(self, *arguments, phrases=()):
        """Status 1 or 2, one error line, and every file is what it was."""
        before = self.contents()
        result = self.run_program(*arguments, timeout=20)
        self.assertIn(result.status, (1, 2), f"{arguments}: {result.stderr}")
        self.assertEqual(len(result.errors), 1, f"{arguments}: {result.stderr}")
        for phrase in phrases:
            self.assertIn(phrase, result.errors[0], arguments)
        self.assertEqual(self.contents(), before, arguments)

    def model(self, *options, name="m.h5"):
        self.succeed("fit", "X.h5", *FIT, "-o", name, *options)


class Collisions(FilesTest):
    def test_two_roles_of_one_file(self):
        self.model()
        self.write("f.h5", W=positive_matrix(12, 2), H=positive_matrix(2))
        with open(self.path("c.conf"), "w") as file:
            file.write("# nothing\n")
        os.symlink("X.h5", self.path("link"))
        os.link(self.path("X.h5"), self.path("hard"))
        os.symlink("new.h5", self.path("dangling"))
        os.symlink(".", self.path("here"))
        fit = ["fit", "X.h5", *FIT]
        custom = ["fit", "X.h5", "-k", "2", "--init", "custom", "--init-file", "f.h5", "-o", "o.h5"]
        cases = [
            ([*fit, "-o", "X.h5"], "'--output'", "the input"),
            ([*fit, "-o", "link"], "'--output'", "the input"),
            ([*fit, "-o", "hard"], "'--output'", "the input"),
            ([*fit, "-o", "here/here/X.h5"], "'--output'", "the input"),
            ([*fit, "-o", os.path.join(self.folder, "X.h5")], "'--output'", "the input"),
            (["fit", "X.h5:/X", *FIT, "-o", "X.h5"], "'--output'", "the input"),
            ([*fit, "-o", "o.h5", "--checkpoint", "o.h5"], "'--output'", "'--checkpoint'"),
            ([*fit, "-o", "dangling", "--checkpoint", "new.h5"], "'--output'", "'--checkpoint'"),
            ([*fit, "-o", "here/o.h5", "--checkpoint", "o.h5"], "'--output'", "'--checkpoint'"),
            ([*fit, "-o", "k.ck.prev", "--checkpoint",
              "k.ck"], "'--output'", "another generation of option '--checkpoint'"),
            ([*fit, "-o", "k.ck.lock", "--checkpoint", "k.ck"], "'--output'", "the lock of option '--checkpoint'"),
            ([*fit, "-o", "k.ck.damaged", "--checkpoint", "k.ck"], "'--output'", "'--checkpoint'"),
            ([*fit, "-o", "STOP", "--checkpoint", "k.ck"], "'--output'", "asks a run to stop"),
            ([*fit, "-o", "o.h5", "--checkpoint", "X.h5"], "'--checkpoint'", "the input"),
            ([*fit, "-o", "o.h5", "--checkpoint", "link"], "'--checkpoint'", "the input"),
            ([*fit, "-o", "o.h5", "--log-json", "X.h5"], "'--log-json'", "the input"),
            ([*fit, "-o", "o.h5", "--log-json", "o.h5"], "'--log-json'", "'--output'"),
            ([*fit, "-o", "o.h5", "--log-json", "c.conf", "--config", "c.conf"], "'--log-json'", "'--config'"),
            ([*fit, "-o", "c.conf", "--config", "c.conf"], "'--output'", "'--config'"),
            ([*custom, "--checkpoint", "f.h5"], "'--checkpoint'", "'--init-file'"),
            ([*custom, "--log-json", "f.h5"], "'--log-json'", "'--init-file'"),
            ([*custom[:-1], "f.h5"], "'--output'", "'--init-file'"),
            (["partial-fit", "X.h5", "--model", "X.h5", "-k", "2"], "'--model'", "the input"),
            (["partial-fit", "X.h5", "--model", "p.h5", "-k", "2", "--log-json",
              "p.h5.lock"], "'--log-json'", "the lock of option '--model'"),
            (["transform", "X.h5", "--model", "m.h5", "-o", "m.h5"], "'--output'", "'--model'"),
            (["transform", "X.h5", "--model", "m.h5", "-o", "hard"], "'--output'", "the input"),
            (["inverse-transform", "m.h5", "--model", "m.h5", "-o", "m.h5"], "'--output'", "'--model'"),
            (["convert", "X.h5", "-o", "hard"], "'--output'", "the input"),
            (["convert", "a.idx", "m.h5", "-o", "m.h5"], "'--output'", "the input"),
            (["generate", "-o", "c.conf", "--config", "c.conf"], "'--output'", "'--config'"),
        ]
        for arguments, first, second in cases:
            with self.subTest(arguments=arguments):
                self.refuse(*arguments, phrases=(first, second, "they are one file"))

    def test_an_input_that_is_called_stop_stays(self):
        os.rename(self.path("X.h5"), self.path("STOP"))
        self.refuse("fit", "STOP", *FIT, "-o", "m.h5", "--checkpoint", "k.ck",
                    phrases=("the file that asks a run to stop", "the input"))

    def test_reading_one_file_twice_is_no_collision(self):
        self.write("both.h5", X=positive_matrix(12), W=positive_matrix(12, 2), H=positive_matrix(2))
        self.succeed("fit", "both.h5:/X", "-k", "2", "--init", "custom", "--init-file", "both.h5", "--max-iter", "2",
                     "--tol", "0", "-o", "m.h5")
        self.succeed("inverse-transform", "m.h5", "--model", "m.h5", "-o", "back.h5")


class Checkpoints(FilesTest):
    def checkpoint(self, name="k.ck", *options):
        """A checkpoint, as a run leaves it that was asked to stop."""
        open(self.path("STOP"), "w").close()
        result = self.run_program("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", name, *options)
        self.assertEqual(result.status, 75, result.stderr)

    def test_only_a_checkpoint_of_this_run_is_replaced(self):
        self.model(name="nmf.h5")
        self.model("--checkpoint", "k.ck",
                   name="after.h5")  # made by a run with a checkpoint: still no checkpoint itself
        self.succeed("partial-fit", "X.h5", "--model", "p.h5", "-k", "2", "--random-state", "0")
        self.succeed("transform", "X.h5", "--model", "nmf.h5", "-o", "w.h5")
        with open(self.path("text"), "w") as file:
            file.write("precious")
        os.mkdir(self.path("folder"))
        os.mkfifo(self.path("fifo"))
        for place in ("k.ck", "k.ck.prev"):
            for name in ("nmf.h5", "after.h5", "p.h5", "w.h5", "text", "folder", "fifo"):
                for resume in ("auto", "never", "require"):
                    if resume != "never" and name not in ("after.h5", "text"):
                        continue  # the same code
                    with self.subTest(place=place, name=name, resume=resume):
                        os.rename(self.path(name), self.path(place))
                        self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck", "--resume", resume,
                                    phrases=("k.ck", ))
                        os.rename(self.path(place), self.path(name))

    def test_a_checkpoint_of_another_run(self):
        self.checkpoint()
        for resume in ("auto", "never"):
            self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck", "--alpha-w", "0.5", "--resume",
                        resume, phrases=("alpha_W", ))
        os.rename(self.path("k.ck"), self.path("j.ck.prev"))
        self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "j.ck", "--alpha-w", "0.5", "--resume", "never",
                    phrases=("alpha_W", ))

    def test_a_finished_model_of_an_earlier_version(self):
        """It holds all that a checkpoint of this run does, and when it ended."""
        self.checkpoint()
        with h5py.File(self.path("k.ck"), "r+") as file:
            file["provenance"].attrs["end"] = "2025-11-20T17:04:05Z"
        mutations.seal(self.path("k.ck"))
        for resume in ("auto", "never", "require"):
            self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck", "--resume", resume,
                        phrases=("'k.ck' is no checkpoint of a run", ))
        os.rename(self.path("k.ck"), self.path("k.ck.prev"))
        self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck",
                    phrases=("k.ck.prev' is no checkpoint of a run", ))

    def test_a_checkpoint_of_this_run_goes_at_the_end(self):
        for resume in ("auto", "never"):
            self.checkpoint()
            self.model("--checkpoint", "k.ck", "--resume", resume)
            self.assertEqual(sorted(self.contents()), ["X.h5", "m.h5"])
            os.remove(self.path("m.h5"))

    def test_what_is_no_lock(self):
        before = ["fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck"]
        learn = ["partial-fit", "X.h5", "--model", "k.ck", "-k", "2"]
        makers = [
            lambda path: os.mkfifo(path), lambda path: os.mkdir(path), lambda path: os.symlink("/dev/zero", path),
            lambda path: os.symlink("X.h5", path), lambda path: open(path, "w").write("mine\n") and None
        ]
        for make in makers:
            path = self.path("k.ck.lock")
            make(path)
            self.refuse(*before, phrases=("k.ck.lock", ))
            self.refuse(*learn, phrases=("k.ck.lock", ))
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)

    def test_a_lock_is_printed_without_its_control_characters(self):
        with open(self.path("k.ck.lock"), "w") as file:
            file.write("host=\x1b[2Jnode\npid=17\nstart=\njob=4\x07\nrestart=\n")
        self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "k.ck",
                    phrases=("process 17 on \\x1b[2Jnode, job 4\\x07", ))

    @unittest.skipIf(RANKS > 0, "mpirun has a folder for each job")
    def test_programs_at_a_time_share_no_folder_of_open_mpi(self):
        with open(self.path("no folder"), "w") as file:
            file.write("")
        os.environ["OMPI_MCA_orte_tmpdir_base"] = self.path("no folder")
        try:
            self.model()
        finally:
            del os.environ["OMPI_MCA_orte_tmpdir_base"]

    def test_two_fits_with_one_output(self):
        """The model is that of one of them, whole, and none of them has seen another one's."""
        for _ in range(3):
            commands = [[PROGRAM, "fit", "X.h5", "-k",
                         str(k), "--max-iter", "5", "--quiet", "-o", "m.h5"] for k in (1, 2, 3, 4) * 2]
            processes = [subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL) for command in commands]
            self.assertEqual([process.wait(60) for process in processes], [0] * 8)
        description = json.loads(self.succeed("inspect", "m.h5", "--json").stdout)
        self.assertEqual(self.read("m.h5", "H").shape, (description["n_components"], 4))
        self.assertEqual(sorted(self.contents()), ["X.h5", "m.h5"])


class SpecialFiles(FilesTest):
    def test_fifos_and_devices_are_refused_at_once(self):
        self.model()
        os.mkfifo(self.path("fifo"))
        os.symlink("fifo", self.path("link"))
        for special in ("fifo", "link", "/dev/null", "/dev/zero"):
            for arguments in (
                ["fit", special, *FIT, "-o", "o.h5"],
                ["inspect", special],
                ["transform", "X.h5", "--model", special, "-o", "o.h5"],
                ["partial-fit", "X.h5", "--model", special, "-k", "2"],
                ["fit", "X.h5", *FIT, "-o", special],
                ["fit", "X.h5", "-k", "2", "--init", "custom", "--init-file", special, "-o", "o.h5"],
                ["fit", "X.h5", *FIT, "-o", "o.h5", "--config", special],
                ["fit", "X.h5", *FIT, "-o", "o.h5", "--log-json", special],
                ["fit", "X.h5", *FIT, "-o", "o.h5", "--checkpoint", special],
                ["transform", "X.h5", "--model", "m.h5", "-o", special],
                ["inverse-transform", "m.h5", "--model", "m.h5", "-o", special],
                ["convert", special, "-o", "o.h5"],
                ["convert", "X.h5", "-o", special],
                ["generate", "-o", special],
            ):
                if RANKS > 1 and special != "fifo":
                    continue
                with self.subTest(arguments=arguments):
                    self.refuse(*arguments, phrases=("a FIFO" if special in ("fifo", "link") else "a device", ))

    def test_log_is_added_to_and_nothing_else_is(self):
        for name, text in (("text", "precious\n"), ("json", '{"mine": 1}\n'), ("short", "{")):
            with open(self.path(name), "w") as file:
                file.write(text)
            self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--log-json", name,
                        phrases=("is no log of this program", "--log-json"))
        open(self.path("log"), "w").close()
        for _ in range(2):
            self.succeed("fit", "X.h5", *FIT, "-o", "m.h5", "--log-json", "log")
        with open(self.path("log"), "a") as file:
            file.write('{"event":"iter')  # a run was killed
        self.succeed("fit", "X.h5", *FIT, "-o", "m.h5", "--log-json", "log")
        with open(self.path("log")) as file:
            lines = file.read().splitlines()
        self.assertEqual(sum(line.startswith('{"event":"start"') for line in lines), 3)
        self.assertEqual(sum(line.startswith('{"event":"end"') for line in lines), 3)

    def test_long_names(self):
        for length in (253, 255):
            self.succeed("fit", "X.h5", *FIT, "-o", "o" * length)
            os.remove(self.path("o" * length))
        for command in (["fit", "X.h5", *FIT], ["generate"], ["convert", "X.h5"]):
            self.refuse(*command, "-o", "o" * 256, phrases=("File name too long", ))
        self.refuse("fit", "X.h5", *FIT, "-o", "m.h5", "--checkpoint", "c" * 253,
                    phrases=("File name too long", "'--checkpoint'"))

    def test_planted_links_are_not_followed(self):
        """At the names that temporaries had when they could be known."""
        with open(self.path("victim"), "w") as file:
            file.write("precious")
        names = ["m.h5.part-", "k.ck.lock.part-", "k.ck.part-"]
        host = os.uname().nodename
        for pid in range(os.getpid(), os.getpid() + 60):
            for name in names:
                os.symlink("victim", self.path(f"{name}{host}-{pid}"))
        before = self.contents()
        self.model("--checkpoint", "k.ck")
        after = self.contents()
        del after["m.h5"]
        self.assertEqual(after, before)


class Streams(FilesTest):
    def shell(self, command):
        """Status of a command whose standard streams the shell changes."""
        ranks = [*MPIRUN, str(RANKS)] if RANKS > 0 else []
        line = " ".join([*ranks, PROGRAM, command])
        return subprocess.run(["bash", "-c", line], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)

    def test_results_are_not_lost_for_messages(self):
        self.model(name="reference.h5")
        for streams in ("2>&-", "2>/dev/full", ">&-", ">/dev/full", "<&- >&- 2>&-", "2> >(true)", "> >(true)"):
            if RANKS > 0 and streams != "2>/dev/full":
                continue  # these are mpirun's own streams
            with self.subTest(streams=streams):
                command = f"fit X.h5 {' '.join(FIT[:-1])} --progress on -v 1 -o m.h5 {streams}"
                self.assertEqual(self.shell(command).returncode, 0)
                self.assertEqual((self.read("m.h5", "H") == self.read("reference.h5", "H")).all(), True)
                os.remove(self.path("m.h5"))

    @unittest.skipIf(RANKS > 0, "stdout is mpirun's")
    def test_stdout_that_cannot_be_written(self):
        for command in ("--help", "--version", "fit --help", "inspect X.h5", "inspect X.h5 --json"):
            for streams in (">&-", ">/dev/full"):
                result = self.shell(f"{command} {streams}")
                self.assertEqual(result.returncode, 1, command)
                self.assertIn(b"cannot be written to stdout", result.stderr)

    def test_more_threads_than_can_be(self):
        os.environ["OMP_NUM_THREADS"] = "99999999999"
        try:
            result = self.succeed("fit", "X.h5", *FIT, "-o", "m.h5", timeout=20)
        finally:
            os.environ["OMP_NUM_THREADS"] = "1"
        self.assertTrue(any("99999999999 threads are more than four" in warning for warning in result.warnings),
                        result.stderr)
        result = self.succeed("fit", "X.h5", *FIT, "-o", "m.h5", "--threads", "100000", timeout=20)
        self.assertTrue(any("100000 threads are more than four" in warning for warning in result.warnings),
                        result.stderr)


@unittest.skipIf(RANKS > 1, "one process is enough: the same calls write on each rank")
class FullDisk(FilesTest):
    def limited(self, kibibytes, *arguments):
        """A run whose files may not become longer: writing fails in the middle, as on a full disk. Under mpirun, whose
        own files need more."""
        wrapper = ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "limited"]
        command = [*MPIRUN, "1", *wrapper, PROGRAM, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)

    def test_in_the_middle_of_a_write(self):
        self.succeed("generate", "-o", "big.h5", "--n-samples", 2000, "--n-features", 50, "--random-state", 0)
        self.succeed("fit", "big.h5", *FIT, "-o", "model.h5")
        with open(self.path("big.csv"), "w") as file:
            file.writelines("1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5\n" for _ in range(20000))
        commands = [["fit", "big.h5", "-k", 20, "--max-iter", 2, "-o", "new.h5"],
                    ["fit", "big.h5", *FIT, "-o", "new.h5", "--checkpoint", "new.ck", "--checkpoint-every", 1],
                    ["transform", "big.h5", "--model", "model.h5", "-o", "new.h5"],
                    ["inverse-transform", "model.h5", "--model", "model.h5", "-o", "new.h5"],
                    ["convert", "big.csv", "-o", "new.h5"],
                    ["generate", "-o", "new.h5", "--n-samples", 5000, "--n-features", 50],
                    ["generate", "-o", "new.h5", "--n-samples", 5000, "--kind", "topics", "--density", 1],
                    ["generate", "-o", "new.h5", "--n-samples", 5000, "--n-features", 50, "--gzip", 1]]
        before = self.contents()
        for command in commands:
            for limit in (1, 20):
                with self.subTest(command=command, limit=limit):
                    result = self.limited(limit, *command)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    errors = [line for line in result.stderr.splitlines() if "scanmf: error:" in line]
                    self.assertEqual(len(errors), 1, result.stderr)
                    self.assertIn("File too large", errors[0])
                    self.assertEqual(self.contents(), before)

    def test_an_existing_result_stays(self):
        self.model()
        self.succeed("generate", "-o", "big.h5", "--n-samples", 2000, "--n-features", 50, "--random-state", 0)
        before = self.contents()
        self.assertEqual(self.limited(20, "fit", "big.h5", "-k", 20, "--max-iter", 2, "-o", "m.h5").returncode, 1)
        self.assertEqual(self.contents(), before)

    def test_a_log_is_given_up_and_the_model_is_not(self):
        self.succeed("fit", "X.h5", *FIT, "-o", "reference.h5")
        result = self.limited(100, "fit", "X.h5", "-k", 2, "--init", "random", "--random-state", 0, "--max-iter", 1000,
                              "--tol", 0, "-o", "m.h5", "--log-json", "log")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("writing 'log' failed, it is not continued", result.stderr)
        self.assertEqual(self.read("m.h5", "H").shape, (2, 4))


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
