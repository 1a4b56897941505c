#!/usr/bin/python3
"""The manual pages and the completion of bash that are installed say what --help says.

    manual_test.py PREFIX
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

PREFIX = sys.argv[1]
PROGRAM = os.path.join(PREFIX, "bin", "scanmf")
MANUAL = os.path.join(PREFIX, "share", "man", "man1")
COMPLETION = os.path.join(PREFIX, "share", "bash-completion", "completions", "scanmf")
CITATION = os.path.join(PREFIX, "share", "doc", "scanmf", "CITATION.cff")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commands():
    return re.findall(r"^  scanmf ([a-z-]+) ", output_of(PROGRAM, "--help"), re.MULTILINE)


def help_of(command):
    """name -> what --help says of it, values included, in one line of single blanks."""
    text = output_of(PROGRAM, command, "--help")
    text = text[text.index("Options [defaults]:"):text.rindex("\n--name value")]
    entries = re.split(r"^  (?:-\w,|   ) --", text, flags=re.MULTILINE)[1:]
    return {entry.split()[0]: " ".join(entry.split()[1:]) for entry in entries}


def page_of(command):
    """The same of the manual page."""
    with open(os.path.join(MANUAL, f"scanmf-{command}.1"), encoding="utf-8") as file:
        text = file.read()
    text = text[text.index(".SH OPTIONS"):text.index(".PP")]
    entries = {}
    for entry in text.split(".TP\n")[1:]:
        entry = re.sub(r"\\f[BIR]", "", entry).replace("\\-", "-").replace("\\&", "")
        words = entry.split("--", 1)[1].split()
        entries[words[0]] = " ".join(words[1:])
    return entries


def completions(*words):
    """What bash offers for the last of these words."""
    script = (f"source {COMPLETION}\nCOMP_WORDS=(scanmf \"$@\")\nCOMP_CWORD=$#\n_scanmf\n"
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    return sorted(output_of("bash", "-c", script, "bash", *words).split())


class Manual(unittest.TestCase):
    maxDiff = None

    def test_a_page_for_each_command_says_what_help_says(self):
        self.assertGreater(len(commands()), 6)
        pages = sorted(["scanmf.1"] + [f"scanmf-{command}.1" for command in commands()])
        self.assertEqual(sorted(os.listdir(MANUAL)), pages)
        for command in commands():
            with self.subTest(command):
                self.assertIn("help", help_of(command))
                self.assertEqual(page_of(command), help_of(command))

    def test_pages_are_set_without_complaint(self):
        self.assertIsNotNone(shutil.which("groff"), "it comes with scripts/install_packages.sh checks")
        for page in os.listdir(MANUAL):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z",
                                   os.path.join(MANUAL, page)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_bash_completes_commands_options_and_values(self):
        self.assertEqual(completions(""), sorted(commands() + ["--help", "--version"]))
        for command in commands():
            with self.subTest(command):
                self.assertEqual(completions(command, "X.h5", "--"), sorted("--" + name for name in help_of(command)))
        self.assertEqual(completions("fit", "X.h5", "--solver", ""), ["cd", "mu"])
        self.assertEqual(completions("fit", "X.h5", "--solver", "=", "m"), ["mu"])
        self.assertEqual(completions("fit", "X.h5", "--init", "nndsvd"), ["nndsvd", "nndsvda", "nndsvdar"])
        self.assertEqual(completions("fit", "X.h5", "--output", ""), [])  # bash then completes names of files

    def test_citation_has_the_version(self):
        with open(CITATION, encoding="utf-8") as file:
            self.assertIn(f"\nversion: {output_of(PROGRAM, '--version').split()[1]}\n", file.read())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
