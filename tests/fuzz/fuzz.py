#!/usr/bin/python3
"""Malformed files of every kind, made from good ones: the program must refuse each of them with one line, or read it.

    fuzz.py --program build/scanmf [--seconds 60] [--seed 1] [--asan] [--only KIND] [--keep FOLDER]

Every file follows from the seed and its number alone. It is a failure when the program
    ends with another status than 0, 1, 2 or 75, or by a signal; says other than one line with "error:"; a sanitizer speaks;
    takes longer than a minute of the processor; wants more memory than the limit; leaves a file behind.
Crashes and hangs inside the HDF5 library itself, of files that are not scanmf's own, are counted apart: nothing here can mend them; with the release build
the last line names the file and the object that was being read. --keep FOLDER keeps what fails, with the command. Ends with 1 when something fails.
"""
import argparse
import collections
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mutations

FIT = ["fit", "{f}", "-k", "2", "--max-iter", "3", "--random-state", "0", "--quiet", "-o", "o.h5"]
CHECKPOINT = [
    "fit", "{b}/dense.h5", "-k", "3", "--random-state", "0", "--quiet", "-o", "o.h5", "--checkpoint", "{f}",
    "--max-iter", "5"
]
MINI_BATCH = ["--estimator", "minibatch-nmf", "--batch-size", "16"]
MODEL = [["inspect", "{f}"], ["transform", "{b}/dense.h5", "--model", "{f}", "--quiet", "-o", "o.h5"],
         ["inverse-transform", "{b}/w.h5", "--model", "{f}", "--quiet", "-o", "o.h5"]]
MATRIX = [
    FIT, FIT + ["--memory", "3K"], ["inspect", "{f}"], ["convert", "{f}", "-o", "o.h5", "--quiet"], FIT + MINI_BATCH,
    ["transform", "{f}", "--model", "{b}/m.h5", "--quiet", "-o", "o.h5"]
]
CONVERT = [["convert", "{f}", "-o", "o.h5", "--quiet"]]

# kind: base file, commands, scanmf's own (sealed again after most changes)
KINDS = {
    "dense": ("dense.h5", MATRIX, False), "gzip": ("gzip.h5", MATRIX, False), "csr": ("csr.h5", MATRIX, False),
    "csc": ("csc.h5", MATRIX, False), "10x": ("tenx.h5", MATRIX, False), "model": ("m.h5", MODEL, True),
    "mini-batch model": ("mb.h5", MODEL + [["partial-fit", "{b}/dense.h5", "--model", "{f}", "--quiet"]] * 3, True),
    "checkpoint": ("ck.h5", [CHECKPOINT], True), "mini-batch checkpoint": ("ckmb.h5", [CHECKPOINT + MINI_BATCH], True),
    "factors": ("factors.h5", MODEL[:2] +
                [["fit", "{b}/dense.h5", "-k", "3", "--init", "custom", "--init-file", "{f}", "--quiet", "-o", "o.h5"]],
                False), "csv": ("x.csv", CONVERT, None), "Matrix Market": ("x.mtx", CONVERT, None),
    "npy": ("x.npy", CONVERT + [FIT], None), "idx": ("x-idx3-ubyte", CONVERT, None),
}


def write_sparse(file, name, matrix, by_column=False):
    lines = matrix.T if by_column else matrix
    group = file.create_group(name)
    group.attrs["encoding-type"] = "csc_matrix" if by_column else "csr_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = np.array(matrix.shape)
    group["data"] = lines[lines != 0]
    group["indices"] = np.nonzero(lines)[1].astype("i4")
    group["indptr"] = np.concatenate([[0], np.cumsum((lines != 0).sum(1))]).astype("i8")


def write_names(file, x):
    for group, count in (("obs", x.shape[0]), ("var", x.shape[1])):
        table = file.create_group(group)
        table.attrs["encoding-type"], table.attrs["_index"] = "dataframe", "_index"
        table.create_dataset("_index", data=[f"{group}-{i}" for i in range(count)], dtype=h5py.string_dtype(),
                             compression="gzip" if group == "var" else None)


def make_base(folder, program):
    """The good files."""
    numbers = np.random.RandomState(0)
    x = numbers.uniform(0.1, 1, (40, 12))
    few = np.where(numbers.uniform(size=x.shape) < 0.3, np.round(9 * x + 1), 0)
    path = lambda name: os.path.join(folder, name)
    with h5py.File(path("dense.h5"), "w") as file:
        file["X"] = x
    with h5py.File(path("gzip.h5"), "w") as file:
        file.create_dataset("X", data=x, chunks=(8, 5), compression="gzip", shuffle=True)
        write_names(file, x)
    for name, by_column in (("csr.h5", False), ("csc.h5", True)):
        with h5py.File(path(name), "w") as file:
            write_sparse(file, "X", few, by_column)
            write_names(file, few)
    with h5py.File(path("tenx.h5"), "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"] = few[few != 0].astype("i4"), np.nonzero(few)[1].astype("i8")
        group["indptr"] = np.concatenate([[0], np.cumsum((few != 0).sum(1))])
        group["shape"] = np.array([12, 40], "i4")
        group["barcodes"] = np.array([f"c{i}" for i in range(40)], "S")
        group["features/name"] = np.array([f"g{i}" for i in range(12)], "S")
        group["features/id"] = np.array([f"id{i}" for i in range(12)], "S")
    with h5py.File(path("factors.h5"), "w") as file:
        file["W"], file["H"] = numbers.uniform(0.1, 1, (40, 3)), numbers.uniform(0.1, 1, (3, 12))
        file.create_dataset("feature_names", data=[f"g{i}" for i in range(12)], dtype=h5py.string_dtype())
    np.savetxt(path("x.csv"), x, delimiter=",", fmt="%.4g", header=",".join(f"g{j}" for j in range(12)), comments="")
    np.save(path("x.npy"), x)
    with open(path("x-idx3-ubyte"), "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + np.array([40, 3, 4], ">u4").tobytes() + few.astype("u1").tobytes())
    with open(path("x.mtx"), "w", encoding="ascii") as file:
        file.write(
            f"%%MatrixMarket matrix coordinate real general\n{few.shape[0]} {few.shape[1]} {np.count_nonzero(few)}\n")
        file.writelines(f"{i + 1} {j + 1} {few[i, j]}\n" for i, j in zip(*np.nonzero(few)))

    def run(*words, status=0):
        result = subprocess.run([program, *words, "--quiet"], cwd=folder, env=environment(False),
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode != status:
            sys.exit(f"the good files cannot be made: {words}: {result.stderr}")

    fit = ["fit", "dense.h5", "-k", "3", "--random-state", "0", "--max-iter", "5"]
    run(*fit, "-o", "m.h5")
    run(*fit, *MINI_BATCH, "--save-w", "false", "-o", "mb.h5")
    run("transform", "dense.h5", "--model", "m.h5", "-o", "w.h5")
    open(path("STOP"), "w", encoding="ascii").close()
    run(*fit, "-o", "o.h5", "--checkpoint", "ck.h5", status=75)
    open(path("STOP"), "w", encoding="ascii").close()
    run(*fit, *MINI_BATCH, "-o", "o.h5", "--checkpoint", "ckmb.h5", status=75)
    for name in ("STOP", "ck.h5.lock", "ckmb.h5.lock"):
        if os.path.exists(path(name)):
            os.remove(path(name))


def environment(asan):
    settings = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", HWLOC_COMPONENTS="-gl",
                    OMPI_MCA_btl="self,vader", OMPI_MCA_odls_base_sigkill_timeout="0",
                    OMPI_MCA_ess_singleton_isolated="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if asan:
        settings["ASAN_OPTIONS"] = "detect_leaks=0:max_allocation_size_mb=4000:abort_on_error=1"
        settings["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return settings


class Case:
    """A malformed file and the command that reads it."""
    def __init__(self, seed, number, base, kinds):
        chance = random.Random(f"{seed} {number}")
        self.kind = chance.choice(kinds)
        self.base, commands, self.own = KINDS[self.kind]
        self.words = chance.choice(commands)
        self.ranks = 2 if chance.randrange(20) == 0 else 1
        self.chance = chance
        self.source = os.path.join(base, self.base)
        self.folder_of_base = base

    def write(self, folder):
        path = os.path.join(folder, "f" + os.path.splitext(self.base)[1])
        shutil.copy(self.source, path)
        if self.own is not None and self.chance.randrange(2):
            try:
                mutations.spoil_structure(path, self.chance)
            except (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError):
                shutil.copy(self.source, path)  # what h5py refuses to write is left as it was
        else:
            with open(path, "rb") as file:
                contents = file.read()
            if self.own:
                contents = mutations.covered(contents)[0]
            spoil = mutations.spoil_text if self.own is None and self.base.endswith(
                (".csv", ".mtx")) else mutations.spoil_bytes
            with open(path, "wb") as file:
                file.write(spoil(contents, self.chance))
        if self.own and self.chance.randrange(8):
            mutations.seal(path)
        return path


def seconds_of(process):
    """Seconds that a process has spent on a processor."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0


def own_code(stderr):
    """Whether a sanitizer's first stack that is not the system's lies in the program rather than in libhdf5."""
    for line in stderr.splitlines():
        if line.lstrip().startswith(
                "#") and "libasan" not in line and "libc.so" not in line and "libc-" not in line and "asan" not in line:
            return "libhdf5" not in line
    return True


class Fuzzer:
    def __init__(self, options, folder):
        self.options = options
        self.program = os.path.abspath(options.program)
        self.base = os.path.join(folder, "base")
        os.mkdir(self.base)
        make_base(self.base, self.program)
        self.counts = collections.defaultdict(collections.Counter)

    def run(self, words, folder, ranks):
        """Status (None: too long), standard error."""
        limit = None if self.options.asan else lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        command = [*(["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []), self.program, *words]
        process = subprocess.Popen(command, cwd=folder, env=environment(self.options.asan), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limit, text=True,
                                   errors="replace")
        try:
            return self.wait(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def wait(self, process):
        """A process that uses its time of the processor up, or does nothing for very long, hangs; on a busy machine others take long, too."""
        start = time.monotonic()
        while seconds_of(process.pid) < self.options.timeout and time.monotonic() - start < 15 * self.options.timeout:
            try:
                stderr = process.communicate(timeout=2)[1]
                return process.returncode, stderr
            except subprocess.TimeoutExpired:
                pass
        process.send_signal(signal.SIGABRT)  # the program then says what it was reading
        try:
            return None, process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return None, process.communicate()[1]

    def judge(self, case, status, stderr, left):
        """(what to count it as, why it is a failure)"""
        foreign = case.own is False
        if status is None:
            reading = "crashed while reading" in stderr
            return ("hang in HDF5",
                    "") if foreign and reading else ("hang",
                                                     f"no answer in {self.options.timeout:.0f} s: {stderr[-200:]}")
        if "AddressSanitizer" in stderr or "runtime error:" in stderr:
            return ("crash", "sanitizer") if own_code(stderr) or not foreign else ("crash in HDF5", "")
        if status not in (0, 1, 2, 75):
            return ("crash in HDF5", "") if foreign and "crashed while reading" in stderr else ("crash",
                                                                                                f"status {status}")
        if status in (0, 75):
            return "read", ""
        errors = [line for line in stderr.splitlines() if line.startswith("scanmf: error:")]
        if len(errors) != 1:
            return "message", f"{len(errors)} lines of errors"
        if "out of memory" in errors[0] or "std::" in errors[0] or "vector" in errors[0]:
            return "message", errors[0]
        return ("message", f"left behind {left}") if left else ("refused", "")

    def one(self, number, kinds):
        case = Case(self.options.seed, number, self.base, kinds)
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
            file = case.write(folder)
            kept = file + ".kept"
            shutil.copy(file, kept)
            before = set(os.listdir(folder))
            words = [word.replace("{f}", file).replace("{b}", self.base) for word in case.words]
            status, stderr = self.run(words, folder, case.ranks)
            left = sorted(name for name in set(os.listdir(folder)) - before if not name.endswith(".lock"))
            outcome, why = self.judge(case, status, stderr, left)
            self.counts[case.kind][outcome] += 1
            if why:
                print(f"FAIL {self.options.seed} {number} ({case.kind}, {case.ranks} ranks) {' '.join(words)}: {why}",
                      flush=True)
                if self.options.keep:
                    os.makedirs(self.options.keep, exist_ok=True)
                    name = os.path.join(self.options.keep, f"{self.options.seed}-{number}")
                    shutil.copy(kept, name + os.path.splitext(file)[1])
                    with open(name + ".txt", "w", encoding="utf-8") as note:
                        note.write(" ".join(case.words) + f"\nranks {case.ranks}\n{why}\n{stderr}")
        return bool(why)

    def report(self, failures, seconds):
        total = collections.Counter()
        for kind, counts in sorted(self.counts.items()):
            total.update(counts)
            print(f"{kind:<22} {sum(counts.values()):>6}  " + ", ".join(f"{name} {count}"
                                                                        for name, count in sorted(counts.items())))
        print(f"{sum(total.values())} files in {seconds:.0f} s (seed {self.options.seed}): " +
              ", ".join(f"{name} {total[name]}"
                        for name in ["read", "refused", "crash", "hang", "message", "crash in HDF5", "hang in HDF5"]) +
              f"; {failures} failures")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--count", type=int, help="number of files, in place of --seconds")
    parser.add_argument("--only", help="kinds that begin with this")
    parser.add_argument("--asan", action="store_true", help="the program is built with sanitizers")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--keep", help="folder for what fails")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if kind.startswith(options.only or "")]
    start = time.monotonic()
    failures = number = 0
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        fuzzer = Fuzzer(options, folder)
        while number < options.count if options.count else time.monotonic() - start < options.seconds:
            failures += fuzzer.one(options.first + number, kinds)
            number += 1
        fuzzer.report(failures, time.monotonic() - start)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
