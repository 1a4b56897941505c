#!/usr/bin/python3
"""What scripts/packaging has for other package managers is of right syntax, of this version, and names what is needed.

    packaging_test.py PROJECT_FOLDER VERSION
"""
import ast
import os
import re
import sys
import unittest

import yaml

FOLDER, VERSION = os.path.join(sys.argv[1], "scripts", "packaging"), sys.argv[2]
# What the program is built on, as any of the managers calls it.
NEEDED = [
    "cmake", "ninja", "hdf5", "boost", "fmt", "highway|libhwy", "random123", "libdeflate", "liblzf", "zlib", "libzip",
    "nlohmann"
]


def text_of(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


class Packaging(unittest.TestCase):
    def check_needs(self, text):
        for name in NEEDED:
            self.assertRegex(text.lower(), name)

    def test_spack(self):
        text = text_of("package.py")
        tree = ast.parse(text)
        package = next(node for node in tree.body if isinstance(node, ast.ClassDef))
        self.assertEqual(package.name, "Scanmf")
        calls = [node for node in ast.walk(package) if isinstance(node, ast.Call)]
        versions = [call.args[0].value for call in calls if getattr(call.func, "id", "") == "version"]
        self.assertEqual(versions, [VERSION])
        self.check_needs(text)

    def test_easybuild(self):
        names = [name for name in os.listdir(FOLDER) if name.endswith(".eb")]
        self.assertEqual(len(names), 1)
        recipe = {"SOURCELOWER_TAR_GZ": "%(namelower)s-%(version)s.tar.gz"}
        exec(compile(text_of(names[0]), names[0], "exec"), recipe)
        toolchain = recipe["toolchain"]
        self.assertEqual(recipe["version"], VERSION)
        self.assertEqual(names[0], f"scanmf-{VERSION}-{toolchain['name']}-{toolchain['version']}.eb")
        for dependency in recipe["builddependencies"] + recipe["dependencies"]:
            self.assertEqual([type(part) for part in dependency], [str, str])
        self.check_needs(text_of(names[0]))

    def test_apptainer(self):
        text = text_of("scanmf.def")
        sections = re.findall(r"^%(\w+)", text, re.MULTILINE)
        self.assertLessEqual({"files", "post", "runscript", "test"}, set(sections))
        self.assertRegex(text, r"(?m)^Bootstrap: \w+\nFrom: \S+$")
        self.assertIn(f"Version {VERSION}", text)

    def test_conda(self):
        text = text_of("conda/meta.yaml")
        recipe = yaml.safe_load(text)
        self.assertEqual(recipe["package"], {"name": "scanmf", "version": VERSION})
        self.assertTrue(os.path.exists(os.path.join(FOLDER, "conda", recipe["source"]["path"], "CMakeLists.txt")))
        self.check_needs(text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
