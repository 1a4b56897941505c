#!/usr/bin/python3
"""The example configurations are accepted by the program, plot_model.py draws what it writes, and components find
groups that are known.

    scripts_test.py PROJECT_FOLDER PROGRAM TRUE|FALSE     whether there is a Python package
"""
import glob
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy

PROJECT, PROGRAM, HAS_PACKAGE = sys.argv[1], sys.argv[2], sys.argv[3] == "TRUE"
needs_package = unittest.skipUnless(HAS_PACKAGE, "CMake found nothing to build the Python package with")
GROUPS = os.path.join(PROJECT, "scripts", "known_groups.py")
REPORT = os.path.join(PROJECT, "scripts", "report.py")
PLOT_ENSEMBLE = os.path.join(PROJECT, "scripts", "plot_ensemble.py")
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
                fit = run(PROGRAM, "fit", DIGITS, "--config", configuration, "--max-iter", "12", "-o", "model.h5",
                          folder=self.folder)
                self.assertEqual(fit.returncode, 0, fit.stderr)

    @needs_package
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

    @needs_package
    def test_one_picture_of_all(self):
        common = ["fit", DIGITS, "-k", "7", "--random-state", "0"]
        for name, more in (("cd.h5", []), ("mu.h5", ["--solver",
                                                     "mu"]), ("endless.h5", ["--solver", "mu", "--tol",
                                                                             "0"]), ("lean.h5", ["--save-w", "false"])):
            fit = run(PROGRAM, *common, *more, "-o", name, folder=self.folder)
            self.assertEqual(fit.returncode, 0, fit.stderr)
        magic = {"svg": b"<?xml", "pdf": b"%PDF-", "PNG": b"\x89PNG"}
        for kind, begin in magic.items():
            plot = run(sys.executable, PLOT, "cd.h5", "-o", f"all.{kind}", folder=self.folder)
            self.assertEqual((plot.returncode, plot.stderr, plot.stdout), (0, "", f"all.{kind}\n"))
            with open(os.path.join(self.folder, f"all.{kind}"), "rb") as file:
                self.assertTrue(file.read().startswith(begin))
        texts = {}
        for name in ("cd", "mu", "endless", "lean"):
            plot = run(sys.executable, PLOT, f"{name}.h5", "-o", f"{name}.svg", folder=self.folder)
            self.assertEqual(plot.returncode, 0, plot.stderr)
            self.assertEqual("no history to draw" in plot.stderr, name == "endless")
            texts[name] = re.findall("<!-- (.*?) -->", self.page(f"{name}.svg"))
        with h5py.File(os.path.join(self.folder, "cd.h5")) as model:
            mass = model["W"][()] * model["H"][()].sum(axis=1)
        shares = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
        for c, share in enumerate(shares):
            self.assertIn(f"component {c} ({share:.1%})", texts["cd"])
            self.assertIn(f"component {c}", texts["lean"])
        for name, has_line in (("cd", True), ("mu", True), ("endless", False)):
            self.assertEqual("tol = 0.0001" in texts[name], has_line)
            self.assertEqual(texts[name].count("weight"), 4)
        plot = run(sys.executable, PLOT, "cd.h5", "-o", "folder", "--format", "pdf", folder=self.folder)
        self.assertEqual((plot.returncode, plot.stderr, plot.stdout),
                         (0, "", "folder/components.pdf\nfolder/convergence.pdf\n"))
        for wrong, message in ((["-o", "all.svg", "--format",
                                 "png"], "'all.svg' is no name of a picture of --format png"),
                               (["-o", "none/all.svg"], "none/all.svg"), (["-o", "cd.h5"], "cd.h5")):
            plot = run(sys.executable, PLOT, "cd.h5", *wrong, folder=self.folder)
            self.assertEqual((plot.returncode, len(plot.stderr.splitlines())), (1, 1), plot.stderr)
            self.assertRegex(plot.stderr, f"^plot_model.py: .*{message}")

    def test_a_report_is_one_page_that_needs_nothing_else(self):
        mice = os.path.join(PROJECT, "tests", "data", "mouse_microbiome.h5ad")
        fit = run(PROGRAM, "fit", mice, "-k", "3", "--solver", "mu", "--beta-loss", "kullback-leibler", "--init",
                  "nndsvda", "--max-iter", "60", "-o", "mice.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        report = run(sys.executable, REPORT, "mice.h5", mice, folder=self.folder)
        self.assertEqual((report.returncode, report.stderr, report.stdout), (0, "", "mice.html\n"))
        page = self.page("mice.html")
        self.assertEqual(len(re.findall("<h3>component", page)), 3)
        for part in ("Convergence", "Usage by diet", "Western", "kullback-leibler", "<svg", "139 × 10,172"):
            self.assertIn(part, page)
        for outside in ("http", "src=\"/", "@import", "url("):
            self.assertNotIn(outside, page)
        rows = {
            name: [int(n) for n in re.findall("<td[^>]*>([0-9]+)</td>", row)]
            for name, row in re.findall(r"<tr><th>(BK|Western) (.*?)</tr>", page)
        }
        with h5py.File(os.path.join(self.folder, "mice.h5")) as model, h5py.File(mice) as data:
            mass = model["W"][()] * model["H"][()].sum(axis=1)
            diet = data["obs/diet"].asstr()[()]
        for name, shown in rows.items():
            share = (mass / mass.sum(axis=1, keepdims=True))[diet == name].mean(axis=0)
            numpy.testing.assert_allclose(shown, 100 * share, atol=0.5001)
        self.assertEqual(sorted(rows), ["BK", "Western"])

    def test_numbers_in_a_report(self):
        sys.path.insert(0, os.path.dirname(REPORT))
        sys.dont_write_bytecode = True
        import report

        self.assertEqual(report.tick_labels([194.05, 194.1, 194.15, 194.2]), ["194.05", "194.1", "194.15", "194.2"])
        self.assertEqual(report.tick_labels([0.1 * i for i in range(4)]), ["0", "0.1", "0.2", "0.3"])
        self.assertEqual(report.tick_labels([12000.5, 12001]), ["12000.5", "12001"])
        fit = run(PROGRAM, "fit", DIGITS, "-k", "4", "--solver", "mu", "--random-state", "0", "-o", "model.h5",
                  folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        made = run(sys.executable, REPORT, "model.h5", folder=self.folder)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        page = self.page("model.html")
        self.assertIn("tol = 0.0001", page)
        for kind in ("broad", "narrow"):
            (chart, ) = re.findall(f'<svg class="{kind}".*?</svg>', page)
            ticks = re.findall('text-anchor="end">(.*?)</text>', chart)
            self.assertEqual(len(ticks), len(set(ticks)))
            (level, ) = re.findall('y1="([0-9.]+)" y2="[0-9.]+" stroke="var.--mark.', chart)
            last = re.findall(r'cy="([0-9.]+)"', chart)[-1]
            self.assertLess(float(last), float(level), "above the line of the tolerance: it has converged")
        self.assertNotIn("min-width: 420px", page)

    def test_the_table_of_a_report_is_that_of_inspect(self):
        made = run(PROGRAM, "ensemble", DIGITS, "-k", "2:4", "--replicates", "4", "--random-state", "0", "--max-iter",
                   "30", "--select", "bicv", "--connectivity", "-o", "e.h5", folder=self.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        printed = run(PROGRAM, "inspect", "e.h5", folder=self.folder).stdout.splitlines()
        first = next(i for i, line in enumerate(printed) if re.match(" *k  ", line))
        expected = [
            re.split("  +",
                     line.split("<-")[0].replace("+-", "±").strip()) for line in printed[first:first + 4]
        ]
        self.assertEqual(len(expected[0]), 9)
        report = run(sys.executable, REPORT, "e.h5", "-k", "3", folder=self.folder)
        self.assertEqual((report.returncode, report.stderr), (0, ""))
        table = re.search("<table>(<tr><th>k</th>.*?)</table>", self.page("e.html"))[1]
        shown = [re.findall("<t[hd]>(.*?)</t[hd]>", row) for row in re.findall("<tr.*?</tr>", table)]
        self.assertEqual(shown, expected)

    def test_another_python_is_named(self):
        scripts = {REPORT: "python3-h5py", GROUPS: "python3-h5py", PLOT: "scanmf", PLOT_ENSEMBLE: "scanmf"}
        python = os.path.join(self.folder, "bare", "bin", "python3")
        made = run(sys.executable, "-m", "venv", "--without-pip", "bare", folder=self.folder)
        if made.returncode != 0:
            self.skipTest(made.stdout + made.stderr)
        for script, needs in scripts.items():
            refused = subprocess.run([python, "-B", script], capture_output=True, text=True, env={})
            self.assertEqual((refused.returncode, len(refused.stderr.splitlines())), (1, 1), refused.stderr)
            for part in (needs, f"This is {python}", f"run /usr/bin/python3 {script}"):
                self.assertIn(part, refused.stderr)

    def test_a_report_of_images_and_what_it_refuses(self):
        fit = run(PROGRAM, "fit", DIGITS, "-k", "4", "--max-iter", "20", "-o", "model.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        report = run(sys.executable, REPORT, "model.h5", "--image-shape", "8x8", "-o", "page.html", folder=self.folder)
        self.assertEqual((report.returncode, report.stderr), (0, ""))
        self.assertEqual(len(re.findall("data:image/png;base64,", self.page("page.html"))), 4)
        for wrong, message in ((["model.h5", "-o", "model.h5"], "would replace"), (["page.html"], "page.html"),
                               (["model.h5", "--image-shape",
                                 "7x8"], "no image of 7x8"), (["model.h5", "--groups", "a"], "needs the AnnData file")):
            report = run(sys.executable, REPORT, *wrong, folder=self.folder)
            self.assertEqual(report.returncode, 1)
            self.assertRegex(report.stderr, f"^report.py: .*{message}")
            self.assertEqual(len(report.stderr.splitlines()), 1)

    def test_files_that_are_damaged_are_not_drawn(self):
        fit = run(PROGRAM, "fit", DIGITS, "-k", "4", "--max-iter", "20", "-o", "model.h5", folder=self.folder)
        ensemble = run(PROGRAM, "ensemble", DIGITS, "-k", "3", "--replicates", "2", "--max-iter", "20", "-o", "e.h5",
                       "--density-threshold", "2", folder=self.folder)
        self.assertEqual((fit.returncode, ensemble.returncode), (0, 0), fit.stderr + ensemble.stderr)
        scripts = [(REPORT, "model.h5", []), (REPORT, "e.h5", ["-k", "3"])]
        scripts += [(PLOT_ENSEMBLE, "e.h5", [])] if HAS_PACKAGE else []
        for script, name, more in scripts:
            path = os.path.join(self.folder, name)
            drawn = run(sys.executable, script, name, *more, folder=self.folder)
            self.assertEqual(drawn.returncode, 0, drawn.stderr)
            with open(path, "rb") as file:
                whole = file.read()
            middle = len(whole) // 2
            with open(path, "wb") as file:
                file.write(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1:])
            drawn = run(sys.executable, script, name, *more, folder=self.folder)
            self.assertRegex(drawn.stderr, "is damaged: its checksums do not match")
            self.assertEqual((drawn.returncode, len(drawn.stderr.splitlines())), (1, 1))
            with open(path, "wb") as file:
                file.write(whole)

    def test_ensembles_of_which_nothing_is_stable_or_saved(self):
        common = ["ensemble", DIGITS, "--replicates", "2", "--max-iter", "10", "--random-state", "0"]
        for name, more in [("loose.h5", ["-k", "3", "--density-threshold", "1e-9"]),
                           ("lean.h5", ["-k", "3", "--density-threshold", "2", "--save-replicates", "false"])]:
            made = run(PROGRAM, *common, *more, "-o", name, folder=self.folder)
            self.assertEqual(made.returncode, 0, made.stderr)
            if not HAS_PACKAGE:
                continue
            for k, status in (([], 0), (["-k", "3"], 1)):
                drawn = run(sys.executable, PLOT_ENSEMBLE, name, "-o", name + ".d", *k, folder=self.folder)
                self.assertEqual((drawn.returncode, drawn.stdout), (status, f"{name}.d/choice.png\n"), drawn.stderr)
                self.assertRegex(drawn.stderr, "^plot_ensemble.py: no clustergram.png: ")
        report = run(sys.executable, REPORT, "loose.h5", folder=self.folder)
        self.assertEqual((report.returncode, report.stderr),
                         (1, "report.py: no k was chosen, as none is stable: name one with -k\n"))
        report = run(sys.executable, REPORT, "loose.h5", "-k", "3", folder=self.folder)
        self.assertIn("k = 3 has no consensus", report.stderr)
        report = run(sys.executable, REPORT, "lean.h5", "-k", "3", folder=self.folder)
        self.assertEqual((report.returncode, report.stderr), (0, ""))
        self.assertIn("the consensus of k = 3", self.page("lean.html"))

    def test_a_report_replaces_no_special_files(self):
        fit = run(PROGRAM, "fit", DIGITS, "-k", "4", "--max-iter", "20", "-o", "model.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        path = lambda name: os.path.join(self.folder, name)
        os.mkfifo(path("fifo"))
        os.symlink("fifo", path("link"))
        os.mkdir(path("directory"))
        os.symlink("/dev/null", path("null"))
        for special in ("fifo", "link", "directory", "null"):
            report = run(sys.executable, REPORT, "model.h5", "-o", special, folder=self.folder)
            self.assertRegex(report.stderr, "^report.py: .*is not a regular file")
            self.assertEqual(report.returncode, 1)
        self.assertTrue(stat.S_ISFIFO(os.lstat(path("fifo")).st_mode))
        self.assertTrue(os.path.islink(path("link")) and os.path.islink(path("null")))
        os.symlink("page.html", path("to_page"))
        for _ in range(2):  # the second time there is a page to replace
            report = run(sys.executable, REPORT, "model.h5", "-o", "to_page", folder=self.folder)
            self.assertEqual((report.returncode, report.stderr), (0, ""))
        self.assertTrue(os.path.islink(path("to_page")) and not os.path.islink(path("page.html")))
        for top in ("0", "-3", "1.5"):
            report = run(sys.executable, REPORT, "model.h5", f"--top={top}", folder=self.folder)
            self.assertEqual(report.returncode, 2)
            self.assertIn("not a whole number from 1 on", report.stderr)

    def page(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    @needs_package
    def test_pictures_of_an_ensemble(self):
        mice = os.path.join(PROJECT, "tests", "data", "mouse_microbiome.h5ad")
        made = run(PROGRAM, "ensemble", mice, "-k", "2:3", "--replicates", "6", "--random-state", "0", "--solver", "mu",
                   "--beta-loss", "kullback-leibler", "-o", "e.h5", folder=self.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        plot = run(sys.executable, PLOT_ENSEMBLE, "e.h5", "-o", "pictures", "-k", "2", "--data", mice, "--column",
                   "diet", folder=self.folder)
        self.assertEqual((plot.returncode, plot.stderr), (0, ""))
        for picture in ("choice.png", "clustergram.png", "usage.png"):
            with open(os.path.join(self.folder, "pictures", picture), "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with open(os.path.join(self.folder, "text"), "w") as file:
            file.write("no HDF5")
        for arguments, message in (([mice], "is no ensemble of scanmf"), (["text"], "nable to open"),
                                   (["e.h5", "--data", "text", "--column",
                                     "diet"], "nable to open"), (["e.h5", "--data", mice, "--column",
                                                                  "none"], "has no column 'none'"),
                                   (["e.h5", "-o",
                                     "text"], "text"), (["e.h5", "-o",
                                                         "e.svg"], "several pictures, not 'e.svg': .* --format svg")):
            wrong = run(sys.executable, PLOT_ENSEMBLE, *arguments, folder=self.folder)
            self.assertEqual((wrong.returncode, len(wrong.stderr.splitlines())), (1, 1), wrong.stderr)
            self.assertRegex(wrong.stderr, f"^plot_ensemble.py: .*{message}")

    def test_components_agree_with_known_groups(self):
        mice = os.path.join(PROJECT, "tests", "data", "mouse_microbiome.h5ad")
        fit = run(PROGRAM, "fit", mice, "-k", "2", "--solver", "mu", "--beta-loss", "kullback-leibler", "--init",
                  "nndsvda", "--random-state", "0", "--max-iter", "500", "-o", "model.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        groups = run(sys.executable, GROUPS, "model.h5", mice, "--column", "diet", folder=self.folder)
        self.assertEqual((groups.returncode, groups.stderr), (0, ""))
        lines = groups.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:3]], ["BK", "Western"])
        self.assertEqual(sum(int(n) for line in lines[1:3] for n in line.split()[1:]), 139)
        self.assertGreater(float(lines[3].split()[-1]), 0.95)

    @needs_package  # and what it needs
    def test_known_groups_are_matched_by_name_and_may_be_none(self):
        import anndata
        import pandas

        rows = [f"row {i}" for i in range(6)]
        X = numpy.kron(numpy.eye(2), numpy.ones((3, 4))) + 0.01
        groups = pandas.Categorical(["left", "left", None, "right", "right", "right"], categories=["left", "right"])
        data = anndata.AnnData(X, dtype="float64", obs=pandas.DataFrame({
            "side": groups,
            "number": [7, 7, 7, 9, 9, 9]
        }, index=rows))
        data.write_h5ad(os.path.join(self.folder, "X.h5ad"))
        fit = run(PROGRAM, "fit", "X.h5ad", "-k", "2", "--random-state", "0", "-o", "model.h5", folder=self.folder)
        self.assertEqual(fit.returncode, 0, fit.stderr)
        data[::-1].copy().write_h5ad(os.path.join(self.folder, "turned.h5ad"))
        plain = data.copy()
        plain.obs.index = [f"other {i}" for i in range(6)]
        plain.write_h5ad(os.path.join(self.folder, "other.h5ad"))
        for file in ("X.h5ad", "turned.h5ad"):
            found = run(sys.executable, GROUPS, "model.h5", file, "--column", "side", folder=self.folder)
            self.assertEqual((found.returncode, found.stderr), (0, ""))
            self.assertIn("1 rows in no group are left out\nadjusted Rand index 1.000", found.stdout)
        found = run(sys.executable, GROUPS, "model.h5", "turned.h5ad", "--column", "number", folder=self.folder)
        self.assertIn("adjusted Rand index 1.000", found.stdout)
        for arguments, message in ((["model.h5", "other.h5ad"], "has no row 'row 0'"), (["model.h5", "none"], "none"),
                                   (["X.h5ad", "X.h5ad"], "holds no W and H")):
            wrong = run(sys.executable, GROUPS, *arguments, "--column", "side", folder=self.folder)
            self.assertEqual((wrong.returncode, len(wrong.stderr.splitlines())), (1, 1), wrong.stderr)
            self.assertRegex(wrong.stderr, f"^known_groups.py: .*{message}")

    def test_adjusted_rand_index(self):
        sys.path.insert(0, os.path.dirname(GROUPS))
        sys.dont_write_bytecode = True
        import known_groups

        def index(a, b):
            return known_groups.adjusted_rand_index(known_groups.contingency(a, b))

        self.assertEqual(index([0, 0, 1, 1], ["b", "b", "a", "a"]), 1)
        self.assertAlmostEqual(index([0, 0, 1, 1], [0, 0, 1, 2]), 4 / 7)
        self.assertAlmostEqual(index([0, 0, 1, 1], [0, 1, 0, 1]), -0.5)
        self.assertEqual(index([0, 0, 0], [1, 1, 1]), 1)

    @needs_package
    def test_what_cannot_be_drawn(self):
        plot = run(sys.executable, PLOT, DIGITS.split(":")[0], folder=self.folder)
        self.assertEqual(plot.returncode, 1)
        self.assertIn("golden.h5", plot.stderr)
        plot = run(sys.executable, PLOT, "nothing.h5", folder=self.folder)
        self.assertEqual(plot.returncode, 1)
        self.assertIn("nothing.h5", plot.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
