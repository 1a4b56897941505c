#!/usr/bin/python3
"""The example configurations are accepted by the program, and plot_model.py draws what it writes.

    scripts_test.py PROJECT_FOLDER PROGRAM
"""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

PROJECT, PROGRAM = sys.argv[1], sys.argv[2]
PLOT = os.path.join(PROJECT, "scripts", "plot_model.py")
DIGITS = os.path.join(PROJECT, "tests", "data", "golden.h5") + ":/cases/digits_cd/X"


def run(*command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


class Scripts(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def test_example_configurations(self):
        configurations = sorted(glob.glob(os.path.join(PROJECT, "configs", "*.conf")))
        self.assertGreaterEqual(len(configurations), 2)
        for configuration in configurations:
            with self.subTest(configuration):
                fit = run(PROGRAM, "fit", DIGITS, "--config", configuration, "--max-iter", "12", "-o", "model.h5", folder=self.folder)
                self.assertEqual(fit.returncode, 0, fit.stderr)

    def test_pictures(self):
        fit = run(PROGRAM, "fit", DIGITS, "-k", "5", "--max-iter", "20", "-o", "model.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        for more in ([], ["--image-shape", "8x8"]):
            plot = run(sys.executable, PLOT, "model.h5", "-o", "pictures", *more, folder=self.folder)
            self.assertEqual((plot.returncode, plot.stderr), (0, ""))
            for picture in ("components.png", "convergence.png"):
                path = os.path.join(self.folder, "pictures", picture)
                with open(path, "rb") as file:
                    self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
                os.remove(path)

    def test_what_cannot_be_drawn(self):
        plot = run(sys.executable, PLOT, DIGITS.split(":")[0], folder=self.folder)
        self.assertEqual(plot.returncode, 1)
        self.assertIn("has no dataset /H", plot.stderr)
        plot = run(sys.executable, PLOT, "nothing.h5", folder=self.folder)
        self.assertEqual(plot.returncode, 1)
        self.assertIn("cannot read nothing.h5", plot.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
