#!/usr/bin/python3
"""Checks the rules of the code that a compiler does not know.

    check_rules.py PROJECT_FOLDER

Which module may include which, where each library may be used, and that nothing
names a package registry or a folder of somebody's machine. Prints every
violation as file:line and ends with status 1 if there is one.
"""
import os
import re
import sys

# Module -> modules whose headers it may include, beside its own.
MAY_INCLUDE = {
    "core": [],
    "linalg": ["core"],
    "parallel": ["core"],
    "io": ["core", "parallel"],
    "data": ["core", "linalg", "parallel", "io"],
    "solver": ["core", "linalg"],
    "init": ["core", "linalg", "parallel", "data"],
    "model": ["core", "linalg", "parallel", "io"],
    "estimator": ["core", "linalg", "parallel", "io", "data", "solver", "init", "model"],
    "formats": ["core", "io", "data"],
    "app": ["core", "linalg", "parallel", "io", "data", "model", "estimator", "formats"],
    "python": ["core", "linalg", "parallel", "data", "model", "estimator", "app"],
}

# Library header -> the places that may include it: folders of src and include/scanmf, or the beginning of a file's path.
LIBRARY_PLACES = {
    r"mpi\.h": ["parallel/", "io/", "linalg/scalapack."],
    r"hdf5\w*\.h|H5\w*\.h": ["io/"],
    r"cblas\w*\.h|lapacke?\w*\.h": ["linalg/lapack."],
    r"boost/program_options.*": ["app/"],
    r"hwy/.*": ["linalg/"],
    r"zip\.h": ["formats/zip_archive."],
    r"pybind11/.*|Python\.h|numpy/.*": ["python/"],
}

REGISTRY = re.compile(r"\b(pypi|pythonhosted|npmjs|crates|anaconda|conda-forge|golang|rubygems|ghcr|docker|quay)\.(org|io|com)\b"
                      r"|\b(deb|snapshot|security)\.debian\.org\b")
MACHINE_PATH = re.compile(r"(?<![\w.}$/-])/(work|home|Users|mnt|scratch)/\w")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEXT = (".cpp", ".hpp", ".py", ".sh", ".md", ".txt", ".cmake", ".in", ".json", ".conf", ".supp", ".sbatch", ".yml")


def text_files(project):
    for folder in ("include", "src", "tests", "scripts", "configs"):
        for path, folders, names in os.walk(os.path.join(project, folder)):
            folders[:] = [f for f in folders if f != "__pycache__"]
            for name in sorted(names):
                if name.endswith(TEXT):
                    yield os.path.relpath(os.path.join(path, name), project)
    for name in ("CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md"):
        if os.path.exists(os.path.join(project, name)):
            yield name


def place_in_modules(path):
    """"linalg/tile.hpp" for src/linalg/tile.hpp and include/scanmf/linalg/tile.hpp; None for other files."""
    for root in ("include/scanmf/", "src/"):
        if path.startswith(root) and path.count("/") > root.count("/"):
            return path[len(root):]
    return None


def check_include(place, bracket, header):
    """What is wrong with including `header` in the file at `place`, or None."""
    module = place.split("/")[0]
    if bracket == '"' and not header.startswith("hwy/"):  # Highway's own headers are written with quotes
        other = header.removeprefix("scanmf/").split("/")[0]
        if other not in MAY_INCLUDE:
            return f'"{header}" belongs to no module'
        if other != module and other not in MAY_INCLUDE[module]:
            return f"{module}/ must not use {other}/ ({header})"
    for library, places in LIBRARY_PLACES.items():
        if re.fullmatch(library, header) and not place.startswith(tuple(places)):
            return f"<{header}> is for {', '.join(places)} only"
    return None


def check_file(project, path):
    place = place_in_modules(path)
    code = place is not None and path.endswith((".cpp", ".hpp"))
    if code and place.split("/")[0] not in MAY_INCLUDE:
        yield 1, f"{place.split('/')[0]}/ is not a module: add it to the table of {os.path.basename(__file__)}"
        return
    with open(os.path.join(project, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            include = INCLUDE.match(line)
            if code and include:
                wrong = check_include(place, *include.groups())
                if wrong:
                    yield number, wrong
            for pattern, what in ((REGISTRY, "names a package registry"), (MACHINE_PATH, "names a folder of one machine")):
                found = pattern.search(line)
                if found:
                    yield number, f"{what}: {found.group(0)}"


def main():
    project = sys.argv[1]
    files = violations = 0
    for path in text_files(project):
        files += 1
        for number, wrong in check_file(project, path):
            violations += 1
            print(f"{path}:{number}: {wrong}")
    print(f"{files} files, {violations} violations")
    return 1 if violations or not files else 0


if __name__ == "__main__":
    sys.exit(main())
