#!/usr/bin/python3
"""Exit statuses and messages of wrong usage: options, values, configuration files, outputs that cannot be written."""
import os
import unittest

import h5py

from program import RANKS, ProgramTest, positive_matrix


class Usage(ProgramTest):
    def mistakes(self, *arguments):
        """The error lines of a wrong usage, which is told before any file is read."""
        result = self.run_program(*arguments)
        self.assertEqual(result.status, 2, f"{arguments}: {result.stderr}")
        self.assertEqual([f for f in os.listdir(self.folder) if not f.endswith(".conf")], [])
        return result.errors

    def mistake(self, *arguments):
        errors = self.mistakes(*arguments)
        self.assertEqual(len(errors), 1, errors)
        return errors[0]

    def test_help_and_version(self):
        self.assertRegex(self.succeed("--version").stdout, r"^scanmf \d+\.\d+\.\d+\n")
        text = self.succeed("--help").stdout
        for command in [
                "fit", "partial-fit", "transform", "inverse-transform", "inspect", "convert", "generate", "ensemble",
                "select"
        ]:
            self.assertEqual(text.count(f"scanmf {command} "), 1)
        self.assertIn("--n-components N|auto|none", self.succeed("fit", "--help").stdout)
        self.assertIn("-k, --n-components", self.succeed("fit", "X", "--unknown", "-h").stdout)

    def test_commands(self):
        self.assertIn("no command", self.mistake())
        self.assertIn("nearest one is 'transform'", self.mistake("transfrom", "X"))
        self.assertIn("where a command is expected", self.mistake("--tol", "1"))

    def test_inputs(self):
        self.assertIn("an input is missing", self.mistake("fit"))
        self.assertIn("unexpected word 'Y'", self.mistake("fit", "X", "Y"))
        self.assertEqual(len(self.mistakes("transform", "X")), 2)  # no model and no output

    def test_unknown_options(self):
        self.assertEqual(self.mistake("fit", "X", "--maxiter", "3"),
                         "unknown option '--maxiter', the nearest one is '--max-iter'")
        self.assertEqual(self.mistake("fit", "X", "--alpha_W=0.1"),
                         "unknown option '--alpha_W', the nearest one is '--alpha-w'")
        self.assertIn("unknown option '-x'", self.mistake("fit", "X", "-x"))
        self.assertEqual(self.mistake("fit", "X", "--k", "3"), "unknown option '--k', '-k' is one")
        self.assertIn("not one of 'inspect'", self.mistake("inspect", "X", "--tol", "1"))

    def test_only_what_is_near_is_suggested(self):
        for option, near in (("--foo", None), ("--threshold", "'--density-threshold'"), ("--iter", "'--max-iter'"),
                             ("--components", "'--n-components'"), ("--tolerance", "'--tol'"), ("--seed", None)):
            message = self.mistake("ensemble", "X", "-k", "3", option)
            self.assertIn(f"the nearest one is {near}" if near else "see scanmf ensemble --help", message)
            self.assertEqual("nearest" in message, near is not None, message)
        self.config("foo = 3\n")
        self.assertEqual(self.mistake("fit", "X", "--config", "c.conf"),
                         "c.conf:1: unknown option 'foo', see scanmf fit --help")

    def test_losses_of_the_other_solver_name_it(self):
        self.assertEqual(
            self.mistake("fit", "X", "--beta-loss", "kl"), "Invalid beta_loss parameter: solver 'cd' does not handle "
            "beta_loss = 'kullback-leibler'; --solver mu does")

    def test_options_of_the_other_estimator(self):
        self.assertIn("'--batch-size' belongs to the estimator minibatch-nmf",
                      self.mistake("fit", "X", "--batch-size", "3"))
        self.assertIn("'--solver' belongs to the estimator nmf",
                      self.mistake("fit", "X", "--estimator", "minibatch-nmf", "--solver", "mu"))

    def test_values(self):
        self.assertIn("option '--tol' is given twice", self.mistake("fit", "X", "--tol", "1", "--tol=2"))
        self.assertIn("'--tol' is missing", self.mistake("fit", "X", "--tol"))
        self.assertIn("but '--max-iter=3' follows", self.mistake("fit", "X", "--tol", "--max-iter=3"))
        self.assertIn("takes N|auto (N: an integer >= 1), not '0'", self.mistake("fit", "X", "--threads", "0"))
        self.assertIn("takes nmf|minibatch-nmf", self.mistake("fit", "X", "--estimator", "ALS"))
        self.assertIn("Got -0.5 instead.", self.mistake("fit", "X", "--alpha-w", "-0.5"))
        self.assertIn("Got -3 instead.", self.mistake("fit", "X", "-k", "-3"))
        self.assertIn("Got 'x' instead.", self.mistake("fit", "X", "--shuffle=x"))
        self.assertEqual(self.mistake("fit", "X", "--shuffle", "x"),
                         "option '--shuffle' takes true|false (alone: true), not 'x'")
        self.assertIn("two forms of one answer", self.mistake("inspect", "X", "--json", "--csv"))
        self.assertIn("needs option '--init-file FILE'", self.mistake("fit", "X", "--init", "custom"))

    def test_all_mistakes_at_once(self):
        errors = self.mistakes("fit", "X", "--tool", "--tol", "-1", "-k", "0", "--max-iter", "2.5", "--beta-loss", "1",
                               "--batch-size", "2")
        self.assertEqual(len(errors), 6, errors)

    def test_flags_take_true_and_false_only(self):
        self.write("X.h5", X=positive_matrix())
        for flag in [["--shuffle", "X.h5"], ["X.h5", "--shuffle"], ["--shuffle", "true", "X.h5"],
                     ["--shuffle=true", "X.h5"]]:
            self.succeed("fit", *flag, "-o", "m.h5", "--quiet", "--tol=0", "--max-iter", "2", "-v", "0")
            self.assertTrue(self.shuffle())
        self.succeed("fit", "--shuffle", "false", "X.h5", "-o", "m.h5", "--tol=0", "--max-iter", "2")
        self.assertFalse(self.shuffle())

    def shuffle(self):
        with h5py.File(self.path("m.h5"), "r") as model:
            return bool(model["params"].attrs["shuffle"])

    def config(self, text):
        with open(self.path("c.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def test_config_mistakes(self):
        self.config("n-components = 3   # comment\n# a line\n\nmaxiter = 5\nshuffle\ntol = -1\ntol = 2\n")
        errors = self.mistakes("fit", "X", "--config", "c.conf")
        self.assertEqual(len(errors), 4, errors)
        self.assertIn("c.conf:4: unknown option 'maxiter', the nearest one is 'max-iter'", errors)
        self.assertTrue(any(error.startswith("c.conf:5: ") for error in errors))
        self.assertIn("c.conf:7: option '--tol' is given twice, first in c.conf:6", errors)
        self.assertIn("cannot read the configuration file", self.mistake("fit", "X", "--config", "none.conf"))

    def test_all_mistakes_of_one_command_at_once(self):
        errors = self.mistakes("fit", "X", "-k", "0", "--memory", "lots", "--checkpoint-every", "soon", "--max-time",
                               "8x", "--resume", "require")
        for phrase in ("'n_components'", "--memory must be", "--checkpoint-every must be", "--max-time must be",
                       "--resume require needs --checkpoint"):
            self.assertEqual(sum(phrase in error for error in errors), 1, errors)
        errors = self.mistakes("generate", "-o", "x", "--noise", "-1", "--density", "much", "--gzip", "10", "--kind",
                               "topics", "-k", "0")
        for phrase in ("--noise must be", "--density must be", "--gzip must be", "'--gzip' belongs to --kind dense",
                       "'n_components'"):
            self.assertEqual(sum(phrase in error for error in errors), 1, errors)

    def test_no_command_tells_its_mistakes_in_instalments(self):
        for words, phrases in (
            ("transform X --model m -o W --tol -1 --max-iter many --batch-size 0 --memory lots --tool",
             ("'tol'", "'max_iter'", "'batch_size'", "--memory must be", "'--tool'")),
            ("convert X -o X.h5 --delimiter 3 --memory lots --gzip 3 --header maybe",
             ("--delimiter must be one character", "--memory must be", "'--gzip' is not one", "'--header' takes")),
            ("convert X -o X.h5 --format npy --delimiter ; --na x", ("'--delimiter' is for text, not for --format npy",
                                                                     "'--na' is for text")),
            ("ensemble X --k 3 --shuffle x --memory lots", ("unknown option '--k'", "'--shuffle' takes true|false",
                                                            "--memory must be", "needs option '-k'")),
            ("inspect X Y --top 3 --json --csv", ("has no meaning with --csv", "two forms of one answer")),
            ("estimate --n-samples 4000000000000 --n-features 4000000000 --peak 1",
             ("is beyond all numbers", "--peak and --bandwidth belong together")),
            ("fit X --shuffle x --keep-w y Y", ("'--shuffle' takes", "'--keep-w'")),
        ):
            errors = self.mistakes(*words.split())
            for phrase in phrases:
                self.assertEqual(sum(phrase in error for error in errors), 1, (phrase, errors))
            self.assertEqual(len(errors), len(phrases), errors)

    def test_errors_name_the_option(self):
        self.assertIn("'--shuffle'", self.mistake("fit", "X", "--shuffle=x"))
        self.assertIn("'--max-iter'", self.mistake("fit", "X", "--max-iter", "many"))

    def test_times(self):
        self.write("X.h5", X=positive_matrix())
        for time in ("8min", "90s", "0:30", "2h", "1d", "1-12", "1:00:00"):
            self.succeed("fit", "X.h5", "-k", "1", "--max-iter", "2", "--checkpoint", "c", "--max-time", time,
                         "--checkpoint-every", time, "-o", "m.h5")
        self.assertEqual(sorted(os.listdir(self.folder)), ["X.h5", "m.h5"])

    def test_config_grammar(self):
        self.write("X.h5", X=positive_matrix())
        self.config("")
        self.succeed("fit", "X.h5", "-k", "1", "--config", "c.conf", "--max-iter", "1", "-o", "m.h5")
        self.config("#first\n\t # second\noutput = a#b.h5\t# third\n  n-components=2\r\n")
        self.succeed("fit", "X.h5", "--config", "c.conf", "--max-iter", "1")
        self.assertEqual(self.read("a#b.h5", "H").shape, (2, 4))
        os.remove(self.path("a#b.h5"))
        for name in ("X.h5", "m.h5"):
            os.remove(self.path(name))
        self.config("tol =\n= 3\n")
        self.assertEqual(len(self.mistakes("fit", "X", "--config", "c.conf")), 2)
        self.config("n-components = 2\n")
        self.assertIn("option '--config' is given twice",
                      self.mistake("fit", "X", "--config", "c.conf", "--config=c.conf"))

    def test_command_line_wins_over_config(self):
        self.write("X.h5", X=positive_matrix())
        self.config("n-components = 3\nmax-iter = 7\ntol = 0\noutput = from_config.h5\nsave-w = false\n")
        self.succeed("fit", "X.h5", "--config", "c.conf", "-k", "2")
        self.assertEqual(self.read("from_config.h5", "H").shape, (2, 4))
        with h5py.File(self.path("from_config.h5"), "r") as model:
            self.assertEqual(model.attrs["n_iter"], 7)
            self.assertNotIn("W", model)

    def test_outputs_that_cannot_be_written(self):
        self.write("X.h5", X=positive_matrix())
        os.mkdir(self.path("folder"))
        self.fail_with(1, "there is no folder 'nowhere'", "fit", "X.h5", "-o", "nowhere/m.h5")
        self.fail_with(1, "it is a folder", "fit", "X.h5", "-o", "folder")
        self.fail_with(1, "would replace the input", "fit", "X.h5", "-o", "./X.h5")
        self.fail_with(1, "there is no folder", "convert", "X.h5", "-o", "nowhere/m.h5")
        self.fail_with(1, "there is no folder", "generate", "-o", "nowhere/m.h5")
        self.fail_with(1, "'nowhere/log'", "fit", "X.h5", "--log-json", "nowhere/log")
        if os.geteuid() != 0:
            os.chmod(self.path("folder"), 0o500)
            self.fail_with(1, "not writable", "fit", "X.h5", "-o", "folder/m.h5")


if __name__ == "__main__":
    unittest.main(verbosity=2 if RANKS == 0 else 1)
