"""`scanmf estimate`: memory beside that of real runs, the formula of src/scaling.md, what the options say."""
import json
import os
import re
import subprocess
import unittest

from program import ProgramTest, positive_matrix

ROW = re.compile(r"^([* ]) (\d+) x (\d+) +([\d.e+]+) (MB|GB) +([\d.e+]+) (MB|GB) +(\S+) +([\d.e+-]+) (MB|GB)(.*)$",
                 re.M)
FLEET = ["--nodes", 64, "--cores", 16, "--node-memory", "128G", "--peak", 150, "--bandwidth", 160]
HUGE = ["--n-samples", 100_000_000, "--n-features", 10_000, "-k", 50, *FLEET]


def megabytes(number, unit):
    return float(number) * (1000 if unit == "GB" else 1)


class Estimate(ProgramTest):
    def rows_of(self, *arguments):
        """(best, ranks a node, threads, MB a rank, MB a node, seconds, MB sent, note) of each line."""
        text = self.succeed("estimate", *arguments, ranks=0).stdout
        found = [(row[0] == "*", int(row[1]), int(row[2]), megabytes(row[3], row[4]), megabytes(row[5], row[6]),
                  float(row[7]), megabytes(row[8], row[9]), row[10].strip()) for row in ROW.findall(text)]
        fits = found[0][-1] != "too much for a node"
        self.assertEqual([row[0] for row in found], [fits] + [False] * (len(found) - 1), text)
        self.assertEqual("no split of a node's cores fits" in text, not fits)
        return found

    def test_seconds_are_those_of_the_formula(self):
        best = self.rows_of(*HUGE)[0]
        self.assertEqual(best[1:3], (1, 16))
        self.assertAlmostEqual(best[5], 1.3047, delta=0.02)  # src/scaling.md
        self.assertAlmostEqual(best[6], 2 * 63 / 64 * 4 * 10_000 * 50 / 1e6, delta=0.1)

    def test_every_split_of_a_node(self):
        self.assertEqual([row[1] * row[2] for row in self.rows_of(*HUGE)], [16] * 5)

    def test_memory_is_that_of_a_run(self):
        self.succeed("generate", "--n-samples", 20000, "--n-features", 1000, "-k", 4, "-o", "X.h5", "--quiet", ranks=0)
        self.succeed("generate", "--n-samples", 300, "--n-features", 60000, "-k", 4, "-o", "H.h5", "--quiet", ranks=0)
        for file in ("X.h5", "H.h5"):
            for threads in (1, 2):
                said = self.rows_of(file, "-k", 30, "--cores", threads, "--threads", threads)[0][3]
                self.succeed("fit", file, "-k", 30, "--init", "random", "--max-iter", 2, "--threads", threads,
                             "--quiet", "--log-json", f"{file}{threads}.jsonl", "-o", "m.h5", ranks=0)
                with open(self.path(f"{file}{threads}.jsonl"), encoding="utf-8") as log:
                    taken = json.loads(log.readlines()[-1])["report"]["peak_memory"] / 1e6
                self.assertLess(abs(said / taken - 1), 0.10, f"{file}, {threads} threads: {said} MB, {taken} MB")

    def test_X_that_does_not_fit_is_streamed(self):
        slow = [*HUGE[:10], "--peak", 150, "--bandwidth", 160]
        for row in self.rows_of(*slow, "--node-memory", "8G"):
            self.assertEqual(row[-1], "X streamed")
        for row in self.rows_of(*slow, "--node-memory", "100M"):
            self.assertEqual(row[-1], "too much for a node")

    def test_sparse_and_mini_batches_and_other_losses_are_measured(self):
        sparse = ["--n-samples", 100_000, "--n-features", 500, "--density", 0.01, "-k", 5]
        for more in ([], ["--estimator", "minibatch-nmf"], ["--solver", "mu", "--beta-loss", "kl"]):
            for row in self.rows_of(*sparse, *more):
                self.assertGreater(row[5], 0)

    def test_a_script_for_slurm(self):
        self.succeed("estimate", *HUGE, "--max-iter", 50, "--sbatch", "job.sh", ranks=0)
        with open(self.path("job.sh"), encoding="utf-8") as file:
            text = file.read()
        for line in ("#SBATCH --nodes=64", "#SBATCH --ntasks-per-node=1", "#SBATCH --cpus-per-task=16"):
            self.assertIn(line + "\n", text)
        self.assertIn("scanmf fit X.h5", text)
        self.assertIn("--max-iter 50", text)
        self.assertEqual(subprocess.run(["bash", "-n", self.path("job.sh")], check=False).returncode, 0)
        self.assertRegex(text, r"#SBATCH --time=0-00:[12]\d:00\n")
        commands = [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(commands, [
            '[ -e model.h5 ] && { echo "model.h5 exists already: move it away or name another file"; exit 1; }',
            "mpirun --map-by slot:PE=16 --bind-to core \\",
            "  scanmf fit X.h5 --n-components 50 --max-iter 50 --checkpoint model.h5.checkpoint --output model.h5"
        ])

    def memory_of(self, script):
        with open(self.path(script), encoding="utf-8") as file:
            return int(re.search(r"#SBATCH --mem=(\d+)M\n", file.read())[1])

    def test_a_script_asks_for_no_more_than_there_is(self):
        sizes = ["--n-samples", 1000000, "--n-features", 1000, "-k", 10, "--peak", 150, "--bandwidth", 160]
        self.succeed("estimate", *sizes, "--node-memory", "4500M", "--sbatch", "job.sh", ranks=0)
        self.assertEqual(self.memory_of("job.sh"), 4500)
        self.succeed("estimate", *sizes, "--node-memory", "100G", "--sbatch", "job.sh", ranks=0)  # its own is replaced
        self.assertLess(self.memory_of("job.sh"), 6000)
        self.fail_with(1, "no split of a node's cores fits", "estimate", *sizes, "--node-memory", "50M", "--sbatch",
                       "other.sh", ranks=0)
        self.assertEqual(os.listdir(self.folder), ["job.sh"])

    def test_a_script_takes_what_the_configuration_says(self):
        with open(self.path("c.conf"), "w", encoding="utf-8") as file:
            file.write("nodes = 2\nsolver = mu\nmax-iter = 7\n")
        self.succeed("estimate", *HUGE[:6], "--config", "c.conf", "--peak", 150, "--bandwidth", 160, "--max-iter", 9,
                     "--node-memory", "4000G", "--sbatch", "job.sh", ranks=0)
        with open(self.path("job.sh"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("#SBATCH --nodes=2\n", text)
        self.assertIn("fit X.h5 --n-components 50 --solver mu --max-iter 9 --checkpoint", text)

    def ensemble_rows(self, *arguments):
        """(best, ranks a node, threads, groups, MB a rank, MB a node, note) of each line, and the text."""
        text = self.succeed("estimate", *arguments, ranks=0).stdout
        found = re.findall(r"^([* ]) (\d+) x (\d+) +(\d+) +([\d.e+]+) (MB|GB) +([\d.e+]+) (MB|GB) +(\S.*?)(?:  (.*))?$",
                           text, re.M)
        return [(row[0] == "*", *(int(number)
                                  for number in row[1:4]), megabytes(*row[4:6]), megabytes(*row[6:8]), row[9].strip())
                for row in found], text

    def test_an_ensemble_is_so_many_fits(self):
        one = ["--n-samples", 2_200_000, "--n-features", 1_000, *FLEET[2:], "--max-iter", 100]
        fit = self.rows_of(*one, "-k", 20)
        splits = [(row[1], row[5]) for row in fit]
        rows, text = self.ensemble_rows(*one, "-k", "20", "--replicates", 30)
        self.assertIn("30 fits: k = 20, 30 replicates each", text)
        self.assertEqual(sorted(row[1] for row in rows), sorted(ranks for ranks, _ in splits))
        # On one rank of a node there is one group, which fits one after the other.
        alone = next(row for row in rows if row[1] == 1)
        self.assertEqual(alone[3], 1)
        seconds = 30 * 100 * dict(splits)[1]
        self.assertRegex(text, rf"1 x 16 +1 .* {int(seconds // 60)} min")
        self.assertRegex(text, r"scanmf ensemble X.h5 --n-components 20 .*--replicates 30")
        # X of 9 GB: 128 GB hold it eight times, not sixteen times.
        self.assertEqual({row[1]: row[3] for row in rows}, {1: 1, 2: 2, 4: 4, 8: 8, 16: 8})

    def test_costs_of_several_k_add_up(self):
        one = ["--n-samples", 2_000_000, "--n-features", 1_000, *FLEET[2:], "--max-iter", 1000]
        hours = lambda text: float(re.search(r"^\*: (\d+) h", text, re.M)[1])
        least, most, all_of_them = (self.ensemble_rows(*one, "-k", k, "--replicates", 100)[1]
                                    for k in ("40", "80", "40,80"))
        self.assertAlmostEqual(hours(least) + hours(most), hours(all_of_them), delta=2)
        rows, text = self.ensemble_rows(*one[:4], "-k", "40:80", "--node-memory", "100M", *FLEET[6:])
        self.assertTrue(all(row[-1] == "too much for a node" for row in rows))
        self.assertIn("no split of a node's cores fits", text)
        rows, text = self.ensemble_rows("--n-samples", 300, "--n-features", 50, "-k", "2:5", "--cores", 2)  # measured
        self.assertIn("measured here", text)
        self.assertEqual(len(rows), 2)

    def test_a_script_for_an_ensemble(self):
        self.succeed("estimate", *HUGE[:4], "-k", "10:20:5", *FLEET, "--solver", "mu", "--sbatch", "job.sh", ranks=0)
        with open(self.path("job.sh"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(subprocess.run(["bash", "-n", self.path("job.sh")], check=False).returncode, 0)
        self.assertIn('[ -e ensemble.h5 ] && { echo "ensemble.h5 exists already', text)
        self.assertIn(
            "  scanmf ensemble X.h5 --n-components 10:20:5 --solver mu --checkpoint ensemble.h5.checkpoint "
            "--output ensemble.h5\n", text)

    def test_usage_of_ensembles(self):
        for words, phrase in ((["--replicates",
                                3], "an ensemble needs option '-k'"), (["-k",
                                                                        "5:x"], "-k must be numbers of components"),
                              (["-k", "5:6", "--init",
                                "random"], "'--init' is of single fits"), (["-k", "5:6", "--replicates",
                                                                            2**62], "--replicates must be at most")):
            self.fail_with(2, phrase, "estimate", *HUGE[:4], *words, ranks=0)

    def test_other_files_are_not_replaced(self):
        with open(self.path("thesis.tex"), "w", encoding="utf-8") as file:
            file.write("#!/bin/bash\nrm -r results\n")
        self.fail_with(1, "is no script of scanmf estimate", "estimate", *HUGE, "--sbatch", "thesis.tex", ranks=0)
        with open(self.path("thesis.tex"), encoding="utf-8") as file:
            self.assertIn("rm -r", file.read())

    def test_huge_numbers_end(self):
        most = 2**63 - 1
        self.fail_with(2, "--cores must be at most", "estimate", *HUGE[:6], "--cores", most, ranks=0)
        self.fail_with(2, "--nodes must be at most", "estimate", *HUGE[:6], "--nodes", most, ranks=0)
        text = self.succeed("estimate", *HUGE, "--estimator", "minibatch-nmf", "--batch-size", most, "--max-iter", most,
                            ranks=0).stdout
        self.assertIn("more than a century", text)
        self.assertNotIn("nan", text)
        self.succeed("estimate", *HUGE[:4], "-k", most, *HUGE[6:], ranks=0)

    def test_a_file_is_not_read_and_stays(self):
        self.write("X.h5", X=positive_matrix(50, 8))
        self.assertIn("X: 50 x 8, dense float64", self.succeed("estimate", "X.h5", "-k", 3, ranks=0).stdout)
        self.assertEqual(os.listdir(self.folder), ["X.h5"])
        self.fail_with(1, "--sbatch", "estimate", "X.h5", "-k", 3, "--sbatch", "X.h5", ranks=0)

    def test_usage(self):
        self.fail_with(2, "--n-features is missing", "estimate", "--n-samples", 5, ranks=0)
        self.fail_with(2, "is for an X that is no file", "estimate", "X.h5", "--n-samples", 5, ranks=0)
        self.fail_with(2, "belong together", "estimate", "--n-samples", 5, "--n-features", 5, "--peak", 3, ranks=0)
        self.fail_with(2, "--init custom needs", "estimate", "X.h5", "--init", "custom", ranks=0)
        self.fail_with(2, "a size", "estimate", "--n-samples", 5, "--n-features", 5, "--node-memory", "much", ranks=0)


if __name__ == "__main__":
    unittest.main()
