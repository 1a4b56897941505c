#!/usr/bin/python3
"""Checks the rules of the code that a compiler does not know.

    check_rules.py PROJECT_FOLDER

Which module may include which (and that src/README.md says the same), where libraries, threads, streams and storage
kinds may be named, how long lines, files and functions may be, and that nothing names a package registry or a folder of
somebody's machine. Prints every violation as file:line and ends with status 1 if there is one.
"""
import os
import re
import sys

# Module -> modules whose headers it may include, beside its own. src/README.md has the same table, for people.
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
    "ensemble": ["core", "linalg", "parallel", "io", "data", "solver", "model", "estimator"],
    "formats": ["core", "io", "data"],
    "app": ["core", "linalg", "parallel", "io", "data", "model", "estimator", "ensemble", "formats"],
    "python": ["core", "linalg", "parallel", "io", "data", "model", "estimator", "ensemble", "app"],
}
MODULE_TABLE = "src/README.md"

# Library header -> the places that may include it: folders of src and include/scanmf, or the beginning of a file's
# path.
LIBRARY_PLACES = {
    r"mpi\.h": ["parallel/", "io/", "linalg/scalapack."],
    r"hdf5\w*\.h|H5\w*\.h": ["io/"],
    r"cblas\w*\.h|lapacke?\w*\.h": ["linalg/lapack."],
    r"boost/program_options.*": ["app/"],
    r"hwy/.*": ["linalg/"],
    r"zip\.h": ["formats/zip_archive."],
    r"pybind11/.*|Python\.h|numpy/.*": ["python/"],
    r"omp\.h": ["core/team."],
}

# What only some places may say, and why.
ONLY_IN = [
    (r"#\s*pragma\s+omp\s+(?!simd\b)|\bomp_\w+\(", ["core/team."],
     "threads are started by Team, whose numbers are fixed and whose exceptions are carried out"),
    (r"\bopenblas_\w+\(", ["linalg/threads."], "BLAS runs on one thread within a team's"),
    (r"(?<!\w)(f?printf|f?puts|putchar|fwrite)\(|std::(cout|cerr|clog)\b|<iostream>",
     ["core/standard_streams.", "core/contract.",
      "parallel/environment."], "what is printed goes through core/standard_streams.hpp or the log"),
    (r"\bbeta(_loss)?\)? ?([=!<>]=|[<>] )", ["solver/loss.", "estimator/parameters.",
                                             "app/model_parameters."], "a Loss knows what distinguishes losses"),
]
# What some places may not say, and why.
NOT_IN = [
    (r"\b(Dense|Csr)(Tile|Block)\b", ["solver/", "estimator/"], "a tile is asked for its storage in linalg: TileView"),
    (r'\bhdf5::|"io/hdf5', [
        "data/array.", "data/validation.", "data/packing.", "data/block_", "data/chunk_feed.", "data/csr_feed.",
        "data/dense_feed.", "data/file_watch.", "data/stream_plan.", "data/exchange_plan.", "data/row_exchange."
    ], "these stand on data/array.hpp, whatever holds the array"),
]

MOST_CHARACTERS_OF_A_LINE = 120
# A file or function that grows beyond these has a second subject that wants a name of its own.
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60
# The line in which a function's body begins, as clang-format lays it out: "T name(…) const {". Not a branch, a loop, a
# type or a namespace.
FUNCTION = re.compile(r"( *)(?!(?:if|else|for|while|switch|do|try|catch|namespace|enum|return)\b)\S.*[)\w] \{$")
TYPE = re.compile(r" *(?:template <.*> )?(?:class|struct|union|namespace|extern) ")

REGISTRY = re.compile(
    r"\b(pypi|pythonhosted|npmjs|crates|anaconda|conda-forge|golang|rubygems|ghcr|docker|quay)\.(org|io|com)\b"
    r"|\b(deb|snapshot|security)\.debian\.org\b")
MACHINE_PATH = re.compile(r"(?<![\w.}$/-])/(work|home|Users|mnt|scratch)/\w")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CODE = (".cpp", ".hpp", ".py", ".sh", ".cmake", "CMakeLists.txt", ".sbatch", ".ci/run")
TEXT = (".cpp", ".hpp", ".py", ".sh", ".md", ".txt", ".cmake", ".in", ".json", ".conf", ".supp", ".sbatch", ".yml",
        ".pyi")


def text_files(project):
    for folder in ("include", "src", "tests", "scripts", "configs"):
        for path, folders, names in os.walk(os.path.join(project, folder)):
            folders[:] = [f for f in folders if f != "__pycache__"]
            for name in sorted(names):
                if name.endswith(TEXT):
                    yield os.path.relpath(os.path.join(path, name), project)
    for name in ("CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", ".ci/run"):
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


def check_lengths(lines):
    """Functions and files that are too long: (line, what is wrong)."""
    if len(lines) > MOST_LINES_OF_A_FILE:
        yield len(lines), f"the file has more than {MOST_LINES_OF_A_FILE} lines"
    begin, head = None, ""
    for number, line in enumerate(lines, 1):
        if begin is None:
            found = FUNCTION.match(line)
            if found and not TYPE.match(line):
                # The last line of a longer head, say a constructor's, stands further in than its first one and the
                # brace that ends the body.
                begin, end = number, (found.group(1) if len(found.group(1)) <= 2 else head) + "}"
            head = "  " if line.startswith("  ") and not line.startswith("   ") else head if line.startswith(
                "   ") else ""
        elif line == end:
            if number - begin >= MOST_LINES_OF_A_FUNCTION:
                yield begin, f"the function has more than {MOST_LINES_OF_A_FUNCTION} lines"
            begin = None


def check_words(place, line):
    """What this line of a module may not say."""
    said = re.sub(r'(?<!include )"[^"]*"|//.*', "", line)  # neither texts nor comments
    for pattern, places, why in ONLY_IN:
        if re.search(pattern, said) and not place.startswith(tuple(places)):
            yield f"for {', '.join(places)} only: {why}"
    for pattern, places, why in NOT_IN:
        if re.search(pattern, said) and place.startswith(tuple(places)):
            yield f"not for {place}: {why}"


def check_module_table(lines):
    """The table of src/README.md against MAY_INCLUDE: (line, what is wrong)."""
    told = {}
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.strip("|\n").split("|")]
        if len(cells) != 3 or cells[0] not in MAY_INCLUDE:
            continue
        allowed = {"nothing of ours": [], "all above": list(told)}.get(cells[2], cells[2].split(", "))
        told[cells[0]] = allowed
        if sorted(allowed) != sorted(MAY_INCLUDE[cells[0]]):
            yield number, f"{cells[0]} may use {', '.join(MAY_INCLUDE[cells[0]]) or 'nothing of ours'}, not {cells[2]}"
    for module in MAY_INCLUDE.keys() - told.keys():
        yield 1, f"the table of modules lacks {module}"


def check_file(project, path):
    place = place_in_modules(path)
    code = place is not None and path.endswith((".cpp", ".hpp"))
    if code and place.split("/")[0] not in MAY_INCLUDE:
        yield 1, f"{place.split('/')[0]}/ is not a module: add it to the table of {os.path.basename(__file__)}"
        return
    with open(os.path.join(project, path), encoding="utf-8") as file:
        lines = file.read().splitlines()
    if path.endswith((".cpp", ".hpp")):
        yield from check_lengths(lines)
    if path == MODULE_TABLE:
        yield from check_module_table(lines)
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if code and include:
            wrong = check_include(place, *include.groups())
            if wrong:
                yield number, wrong
        if code:
            yield from ((number, wrong) for wrong in check_words(place, line))
        if path.endswith(CODE) and len(line) > MOST_CHARACTERS_OF_A_LINE:
            yield number, f"the line has {len(line)} characters, more than {MOST_CHARACTERS_OF_A_LINE}"
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
