"""Arguments that several of these scripts take, and what they say where a package is missing."""
import argparse
import os
import sys

SYSTEM_PYTHON = "/usr/bin/python3"
PICTURES = ("png", "pdf", "svg")
# Of the scripts that draw with the Python package.
PACKAGE = ("matplotlib and the Python package scanmf, which is built where its Debian packages are "
           "(scripts/install_packages.sh module, then cmake --build build; another folder than build/: set PYTHONPATH)")


def count(text):
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def image_shape(text):
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, for example 28x28")
    return height, width


def picture_kind(path):
    """png, pdf or svg where the name ends so, else None: it is a folder's."""
    kind = os.path.splitext(path)[1][1:].lower()
    return kind if kind in PICTURES else None


def no_import(error, needs):
    """Ends the script; needs: where the packages come from."""
    script = os.path.basename(sys.argv[0])
    text = f"{script}: {error}; it needs {needs}"
    if os.path.exists(SYSTEM_PYTHON) and not _is_system_python():
        text += (f". This is {sys.executable}, which does not see Debian's packages: run {SYSTEM_PYTHON} "
                 f"{sys.argv[0]} ...")
    sys.exit(text)


def _is_system_python():
    return sys.prefix == sys.base_prefix and os.path.realpath(sys.executable) == os.path.realpath(SYSTEM_PYTHON)
