#!/usr/bin/python3
"""All pairs of options of each command, as --help lists them: accepted, or refused in one line that names an option of
the pair; never a crash.

A run with many options that is accepted accepts each pair of them; one that is refused is tried again with fewer, down
to single pairs.
"""
import os
import re
import unittest

import numpy as np

from program import ProgramTest, positive_matrix

# Values that make sense with the small files below; others are taken from the help: the last word that stands for
# itself, a small number.
VALUES = {
    "beta-loss": "2",
    "checkpoint": "k.ck",
    "checkpoint-every": "1",
    "config": "c.conf",
    "decimal": ".",
    "density": "0.5",
    "dtype": "float64",
    "estimator": "nmf",
    "exclude-features": "features.txt",
    "feature-names-from": "features.txt",
    "feature-type": "Gene",
    "format": "npy",
    "gzip": "1",
    "holdout": "0.2",
    "init": "random",
    "init-file": "f.h5",
    "log-json": "log",
    "max-time": "1h",
    "memory": "1G",
    "model": "p.h5",
    "n-components": "3",
    "na": "NA",
    "row-names-from": "rows.txt",
    "only-missing": "X.h5",
    "output": "o.h5",
    "resume": "never",
    "sample-weight": "s.h5:/s",
    "select": "bicv",
    "solver": "cd",
    "svd": "randomized",
    "threads": "1"
}
# What an option needs beside itself.
NEEDS = {"checkpoint-every": "checkpoint", "folds": "select", "max-time": "checkpoint"}
BASES = {
    "fit": [["X.h5"], ["X.h5", "--estimator", "minibatch-nmf"]],
    "partial-fit": [["X.h5"]],
    "transform": [["X.h5"]],
    "inverse-transform": [["f.h5"]],
    "inspect": [["X.h5"]],
    "convert": [["X.npy"]],
    "generate": [[]],
    "ensemble": [["X.h5"]]
}
REQUIRED = {
    "partial-fit": ["model"],
    "transform": ["model", "output"],
    "inverse-transform": ["model", "output"],
    "convert": ["output"],
    "generate": ["output"],
    "ensemble": ["n-components"]
}


class OptionPairs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("X.h5", X=positive_matrix(8))
        self.write("f.h5", W=positive_matrix(8, 3), H=positive_matrix(3))
        self.write("s.h5", s=np.ones(8))
        np.save(self.path("X.npy"), positive_matrix(8))
        open(self.path("c.conf"), "w").close()
        for name, count in (("features.txt", 4), ("rows.txt", 8)):
            with open(self.path(name), "w") as names:
                names.writelines(f"name{i}\n" for i in range(count))
        self.runs = 0

    def options(self, command):
        """Words of each option of a command."""
        found = {}
        for name, values in re.findall(r"^ +(?:-\w, )?--([\w-]+)(?: (\S+))?",
                                       self.succeed(command, "--help").stdout, re.MULTILINE):
            choices = [value for value in (values or "").split("|") if value]
            words = [choice for choice in choices if choice.islower()]
            numbers = [choice for choice in choices if choice in ("N", "NUMBER")]
            value = VALUES.get(name) or ("3" if "N" in numbers else "0.5" if numbers else words[-1] if words else None)
            if name == "model" and command in ("transform", "inverse-transform"):
                value = "f.h5"
            found[name] = [f"--{name}"] + ([value] if values else [])
            self.assertTrue(value or not values, f"no value is known for --{name} {values}")
        del found["help"]
        return found

    def accepts(self, command, base, names):
        """Whether the command takes these options; a refusal must be a proper one that names one of them."""
        names = list(
            dict.fromkeys([*names, *(NEEDS[name] for name in names if name in NEEDS), *REQUIRED.get(command, [])]))
        given = {word[2:] for word in base if word.startswith("--")}
        words = [word for name in names if name not in given for word in self.table[name]]
        for name in ("p.h5", "k.ck", "log"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        self.runs += 1
        result = self.run_program(command, *base, *words)
        place = f"{command} {' '.join(base + words)}: {result.stderr}"
        self.assertIn(result.status, (0, 1, 2), place)
        if result.status == 0:
            self.assertEqual(result.errors, [], place)
            return True
        self.assertGreaterEqual(len(result.errors), 1, place)
        for error in result.errors:
            self.assertNotRegex(error, r"std::|boost|basic_string|terminate|exception|\(rank \d+\)", place)
            self.assertTrue(any(f"--{name}" in error or name.replace("-", "_") in error for name in names), place)
        return False

    def cross(self, command, base, first, second):
        """Every pair of one option of `first` and one of `second`."""
        if not first or not second or self.accepts(command, base, [*first, *second]) or len(first) == len(second) == 1:
            return
        larger, other = (first, second) if len(first) >= len(second) else (second, first)
        for half in (larger[:len(larger) // 2], larger[len(larger) // 2:]):
            self.cross(command, base, half, other)

    def all_pairs(self, command, base, names):
        if len(names) < 2 or self.accepts(command, base, names):
            return
        halves = names[:len(names) // 2], names[len(names) // 2:]
        self.cross(command, base, *halves)
        for half in halves:
            self.all_pairs(command, base, half)

    def test_all_pairs(self):
        for command, bases in BASES.items():
            self.table = self.options(command)
            for base in bases:
                with self.subTest(command=command, base=base):
                    # One that is refused by itself is refused with every other.
                    alone = [name for name in self.table if self.accepts(command, base, [name])]
                    self.all_pairs(command, base, alone)
        print(f"{self.runs} runs")


if __name__ == "__main__":
    unittest.main()
