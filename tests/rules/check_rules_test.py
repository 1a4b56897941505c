#!/usr/bin/python3
"""check_rules.py finds each kind of violation, and nothing in code that keeps the rules."""
import os
import subprocess
import sys
import tempfile
import unittest

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_rules.py")


class CheckRules(unittest.TestCase):
    def violations(self, path, line):
        """The lines printed for a project that consists of one file with one line."""
        with tempfile.TemporaryDirectory() as project:
            os.makedirs(os.path.join(project, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(project, path), "w", encoding="utf-8") as file:
                file.write(line + "\n")
            run = subprocess.run([sys.executable, CHECK, project], capture_output=True, text=True)
        lines = run.stdout.splitlines()[:-1]
        self.assertEqual(run.returncode, 1 if lines else 0, run.stderr)
        return lines

    def test_modules(self):
        self.assertEqual(self.violations("src/solver/mu.cpp", '#include "scanmf/linalg/tile.hpp"'), [])
        self.assertEqual(self.violations("src/solver/mu.cpp", '#include "solver/mu.hpp"'), [])
        self.assertEqual(self.violations("src/solver/mu.cpp", '#include "scanmf/parallel/communicator.hpp"'),
                         ["src/solver/mu.cpp:1: solver/ must not use parallel/ (scanmf/parallel/communicator.hpp)"])
        self.assertEqual(len(self.violations("include/scanmf/core/a.hpp", '#include "scanmf/linalg/tile.hpp"')), 1)
        self.assertEqual(len(self.violations("src/linalg/a.cpp", '#include "io/hdf5.hpp"')), 1)
        self.assertEqual(len(self.violations("src/linalg/a.cpp", '#include "helper.hpp"')), 1)
        self.assertEqual(len(self.violations("src/elsewhere/a.cpp", "")), 1)

    def test_libraries(self):
        self.assertEqual(self.violations("src/parallel/a.cpp", "#include <mpi.h>"), [])
        self.assertEqual(self.violations("src/linalg/scalapack.cpp", "#include <mpi.h>"), [])
        self.assertEqual(len(self.violations("src/linalg/tile.cpp", "#include <mpi.h>")), 1)
        self.assertEqual(len(self.violations("src/estimator/fit.cpp", "  #  include <mpi.h>")), 1)
        self.assertEqual(self.violations("src/io/a.cpp", "#include <hdf5.h>"), [])
        self.assertEqual(len(self.violations("src/data/a.cpp", "#include <hdf5.h>")), 1)
        self.assertEqual(self.violations("src/linalg/lapack.cpp", "#include <cblas.h>"), [])
        self.assertEqual(len(self.violations("src/linalg/tile.cpp", "#include <cblas.h>")), 1)
        self.assertEqual(self.violations("src/app/a.cpp", "#include <boost/program_options.hpp>"), [])
        self.assertEqual(len(self.violations("src/data/a.cpp", "#include <boost/program_options/errors.hpp>")), 1)

        self.assertEqual(self.violations("src/linalg/a.cpp", '#include "hwy/highway.h"'), [])
        self.assertEqual(len(self.violations("src/solver/a.cpp", '#include "hwy/highway.h"')), 1)

    def test_lengths(self):
        for head in ("int f() {", "  int f() const {", "A::A(int a)\n    : a_(a) {"):
            indent = "  " if head.startswith(" ") else ""
            body = lambda lines: "\n".join([head] + [indent + "  if (a) {\n" + indent + "  }"] * lines + [indent + "}"])
            self.assertEqual(self.violations("src/core/a.cpp", body(29)), [])
            self.assertEqual(len(self.violations("src/core/a.cpp", body(30))), 1, head)
        self.assertEqual(self.violations("src/core/a.cpp", "namespace a {\n" + "int b;\n" * 400 + "}"), [])
        self.assertEqual(len(self.violations("src/core/a.hpp", "int a;\n" * 500)), 1)

    def test_threads(self):
        self.assertEqual(self.violations("src/core/team.cpp", "#pragma omp parallel num_threads(size_)"), [])
        self.assertEqual(self.violations("src/app/a.cpp", "#pragma omp simd reduction(+ : sum)"), [])
        self.assertEqual(len(self.violations("src/solver/a.cpp", "#pragma omp parallel for schedule(static)")), 1)
        self.assertEqual(len(self.violations("include/scanmf/linalg/a.hpp", "  # pragma omp critical")), 1)
        self.assertEqual(len(self.violations("src/data/a.cpp", "  omp_set_num_threads(1);")), 1)
        self.assertEqual(len(self.violations("src/data/a.cpp", "#include <omp.h>")), 1)

    def test_words(self):
        for line, place, other in (
            ("  openblas_set_num_threads(1);", "linalg/threads.cpp", "parallel/a.cpp"),
            ('  std::fputs("a", stderr);', "core/standard_streams.cpp", "app/a.cpp"),
            ("#include <iostream>", "core/contract.hpp", "app/a.cpp"),
            ("  if (beta == 2) return;", "solver/loss.cpp", "solver/pass.cpp"),
            ("  const DenseTile<T>& tile;", "linalg/a.cpp", "solver/a.cpp"),
            ("  CsrBlock<T> block;", "data/a.cpp", "estimator/a.cpp"),
            ("  hdf5::File file;", "data/locate.cpp", "data/validation.cpp"),
        ):
            with self.subTest(line):
                self.assertEqual(self.violations("src/" + place, line), [])
                self.assertEqual(len(self.violations("src/" + other, line)), 1)
                self.assertEqual(self.violations("src/" + other, "// " + line), [])
        self.assertEqual(self.violations("src/app/a.cpp", "  std::snprintf(text, 9, format); line.inputs();"), [])

    def test_width(self):
        for path in ("src/core/a.cpp", "tests/a.py", "scripts/a.sh", "src/cmake/a.cmake", "tests/CMakeLists.txt"):
            self.assertEqual(self.violations(path, "#" + "é" * 119), [])
            self.assertEqual(len(self.violations(path, "#" + "é" * 120)), 1)
        self.assertEqual(self.violations("src/notes.md", "a" * 200), [])

    def test_table_of_modules(self):
        with open(os.path.join(os.path.dirname(CHECK), "..", "..", "src", "README.md"), encoding="utf-8") as file:
            table = file.read()
        self.assertEqual(self.violations("src/README.md", table), [])
        wrong = table.replace("| core, linalg |", "| core, linalg, parallel |", 1)
        self.assertNotEqual(wrong, table)
        self.assertIn("solver may use core, linalg, not core, linalg, parallel",
                      self.violations("src/README.md", wrong)[0])
        missing = "".join(line for line in table.splitlines(True) if not line.startswith("| python |"))
        self.assertEqual(self.violations("src/README.md", missing),
                         ["src/README.md:1: the table of modules lacks python"])

    def test_names_of_places(self):
        self.assertEqual(self.violations("scripts/a.sh", "cp /usr/share/datasets/x /tmp"), [])
        self.assertEqual(len(self.violations("scripts/a.sh", "cp /" + "home/somebody/x .")), 1)
        self.assertEqual(len(self.violations("CMakeLists.txt", "https://pypi" + ".org/simple")), 1)


if __name__ == "__main__":
    unittest.main()
