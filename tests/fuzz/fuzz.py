#!/usr/bin/python3
"""Malformed files of every kind, made from good ones: the program must refuse each of them with one line, or read it.

    fuzz.py --program build/scanmf [--seconds 60] [--seed 1] [--asan] [--only KIND] [--keep FOLDER]

Every file follows from the seed and its number alone. It is a failure when the program
    ends with another status than 0, 1, 2 or 75, or by a signal; says other than one line with "error:"; a sanitizer
    speaks; takes longer than a minute of the processor; wants more memory than the limit; leaves a file behind;
    changes a file that it refuses; says that all is well and writes no result; takes a model whose checksums are wrong,
    or a checkpoint that has no right ones; reads another matrix than h5py, numpy or scipy do.
Crashes and hangs inside the HDF5 library itself, of files that are not scanmf's own or whose checksums were made right
again, are counted apart: nothing here can mend them; with the release build the last line names the file and the object
that was being read. They are few: more of them are a failure, for a crash of the program's own code while it reads
looks the same. --keep FOLDER keeps what fails, with the command. Ends with 1 when something fails, or when nothing is
refused.
"""
import argparse
import collections
import filecmp
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import good_files
import mutations
import oracle

KINDS = good_files.KINDS
SPOILING_FAILS = (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError)


def environment(asan):
    settings = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", HWLOC_COMPONENTS="-gl",
                    OMPI_MCA_btl="self,vader", OMPI_MCA_odls_base_sigkill_timeout="0",
                    OMPI_MCA_ess_singleton_isolated="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if asan:
        # allocator_may_return_null: HDF5 is told, as without a sanitizer, that it cannot have the terabytes that a file
        # makes it ask for; where operator new asks for them it remains a crash.
        settings["ASAN_OPTIONS"] = ("detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4000:"
                                    "abort_on_error=1")
        settings["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return settings


class Case:
    """A malformed file and the command that reads it."""
    def __init__(self, seed, number, base, kinds):
        chance = random.Random(f"{seed} {number}")
        self.name = chance.choice(kinds)
        self.kind = KINDS[self.name]
        self.words = chance.choice(self.kind.commands)
        self.ranks = 2 if chance.randrange(20) == 0 else 1
        self.chance = chance
        self.source = os.path.join(base, self.kind.base)
        self.must_be_refused = False

    def write(self, folder):
        path = os.path.join(folder, "f" + os.path.splitext(self.kind.base)[1])
        if self.kind.base.startswith("x-idx"):
            path = os.path.join(folder, "f-idx3-ubyte")
        if os.path.isdir(self.source):
            shutil.copytree(self.source, path)
            self.spoil_bytes(os.path.join(path, self.chance.choice(sorted(os.listdir(path)))))
            return path
        shutil.copy(self.source, path)
        if self.kind.own is not None and self.chance.randrange(2):
            try:
                mutations.spoil_structure(path, self.chance)
            except SPOILING_FAILS:
                shutil.copy(self.source, path)  # what h5py refuses to write is left as it was
            if self.kind.own and self.chance.randrange(8):
                mutations.seal(path)
        else:
            self.spoil_bytes(path)
        if self.kind.own:
            self.must_be_refused = mutations.is_refused(path, is_checkpoint="--checkpoint" in self.words)
        return path

    def spoil_bytes(self, path):
        with open(path, "rb") as file:
            contents = file.read()
        good = contents
        if self.kind.own:
            contents = mutations.covered(contents)[0]
        spoiled = self.kind.spoil(contents, self.chance)
        if self.kind.own:
            how = self.chance.randrange(8)
            if how > 2:
                spoiled = mutations.sealed(spoiled)
            elif how > 0:
                spoiled += good[len(contents):]  # the checksums of what it was
        with open(path, "wb") as file:
            file.write(spoiled)


def processor_seconds(process):
    """Seconds that a process and all its descendants have spent on a processor: mpirun itself only waits."""
    children = collections.defaultdict(list)
    spent = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(name)}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except (OSError, ValueError, IndexError):
            continue
        children[int(fields[1])].append(int(name))
        spent[int(name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family, total = [process], 0
    while family:
        member = family.pop()
        total += spent.get(member, 0)
        family += children[member]
    return total


def own_code(stderr):
    """Whether a sanitizer's first stack that is not the system's lies in the program rather than in libhdf5."""
    for line in stderr.splitlines():
        if line.lstrip().startswith(
                "#") and "libasan" not in line and "libc.so" not in line and "libc-" not in line and "asan" not in line:
            return "libhdf5" not in line
    return True


def same(file, other):
    """Whether two files, or two folders of files, hold the same bytes."""
    if not os.path.isdir(file):
        return filecmp.cmp(file, other, shallow=False)
    names = sorted(os.listdir(file))
    return names == sorted(os.listdir(other)) and not any(filecmp.cmpfiles(file, other, names, shallow=False)[1:])


class Fuzzer:
    def __init__(self, options, folder):
        self.options = options
        self.program = os.path.abspath(options.program)
        self.base = os.path.join(folder, "base")
        os.mkdir(self.base)
        good_files.make(self.base, self.program, environment(options.asan))
        self.counts = collections.defaultdict(collections.Counter)
        self.compared = collections.Counter()

    def run(self, words, folder, ranks):
        """Status (None: too long), standard error."""
        limit = None if self.options.asan else lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
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
        """A process that uses its time of the processor up, or does nothing for very long, hangs; on a busy machine
        others take long, too."""
        start = time.monotonic()
        most = self.options.timeout
        while processor_seconds(process.pid) < most and time.monotonic() - start < 5 * most:
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

    def judge(self, case, status, stderr, traces):
        """(what to count it as, why it is a failure); traces: what a run that refuses has left or changed."""
        # Of scanmf's own files those reach HDF5 whose checksums were made right again.
        foreign = case.kind.own is not None and not case.must_be_refused
        in_hdf5 = foreign and "crashed while reading" in stderr
        if status is None:
            return ("hang in HDF5", "") if in_hdf5 else ("hang", f"{self.options.timeout:.0f} s: {stderr[-200:]}")
        if "ERROR: AddressSanitizer" in stderr or "runtime error:" in stderr:
            return ("crash", "sanitizer") if own_code(stderr) or not foreign else ("crash in HDF5", "")
        if status not in (0, 1, 2, 75):
            return ("crash in HDF5", "") if in_hdf5 else ("crash", f"status {status}")
        if status in (0, 75):
            return ("taken", "its checksums are wrong") if case.must_be_refused else ("read", "")
        errors = [line for line in stderr.splitlines() if line.startswith("scanmf: error:")]
        if len(errors) != 1 and not (errors and status == 2):  # all mistakes of a configuration are listed
            return "message", f"{len(errors)} lines of errors"
        if any(word in errors[0] for word in ("out of memory", "std::", "vector")):
            return "message", errors[0]
        return ("message", traces) if traces else ("refused", "")

    def compare(self, case, words, file, folder):
        """("read", "") unless there is no result, or what was read is another matrix than what the file holds."""
        output = os.path.join(folder, "o.h5")
        if "o.h5" in words and not os.path.exists(output):
            return "taken", "all is well, but there is no result"
        try:
            differs = oracle.difference(words, file, output)
        except Exception as error:  # the result itself cannot be read
            differs = repr(error)
        self.compared[case.name] += differs is not None
        return ("other", differs) if differs else ("read", "")

    def one(self, number, kinds):
        case = Case(self.options.seed, number, self.base, kinds)
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
            file = case.write(folder)
            kept = file + ".kept"
            (shutil.copytree if os.path.isdir(file) else shutil.copy)(file, kept)
            before = set(os.listdir(folder))
            words = [word.replace("{f}", file).replace("{b}", self.base) for word in case.words]
            status, stderr = self.run(words, folder, case.ranks)
            left = sorted(name for name in set(os.listdir(folder)) - before if not name.endswith(".lock"))
            traces = f"left behind {left}" if left else ""
            if not traces and case.name != "log" and not same(file, kept):
                traces = "the file was changed"
            outcome, why = self.judge(case, status, stderr, traces)
            if outcome == "read":
                outcome, why = self.compare(case, words, file, folder)
            self.counts[case.name][outcome] += 1
            if why:
                print(f"FAIL {self.options.seed} {number} ({case.name}, {case.ranks} ranks) {' '.join(words)}: {why}",
                      flush=True)
                if self.options.keep:
                    self.keep(case, number, kept, f"{' '.join(words)}\nranks {case.ranks}\n{why}\n{stderr}")
        return bool(why)

    def keep(self, case, number, kept, note):
        os.makedirs(self.options.keep, exist_ok=True)
        name = os.path.join(self.options.keep, f"{self.options.seed}-{number}")
        if os.path.isdir(kept):
            shutil.copytree(kept, name, dirs_exist_ok=True)
        else:
            shutil.copy(kept, name + os.path.splitext(case.kind.base)[1])
        with open(name + ".txt", "w", encoding="utf-8") as file:
            file.write(note)

    def try_good_files(self, kinds):
        """That each command reads the good files, and that what it reads is compared where it should be."""
        for name, kind in ((name, KINDS[name]) for name in kinds):
            for command in kind.commands:
                with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
                    file = os.path.join(folder, os.path.basename(kind.base))
                    source = os.path.join(self.base, kind.base)
                    (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, file)
                    words = [word.replace("{f}", file).replace("{b}", self.base) for word in command]
                    status, stderr = self.run(words, folder, 1)
                    if status != 0:
                        sys.exit(f"the good file of {name} is not read: {' '.join(words)}: {stderr}")
                    compared = oracle.difference(words, file, os.path.join(folder, "o.h5"))
                    if compared or (compared is None and command[:2] in (["fit", "{f}"], ["convert", "{f}"])):
                        sys.exit(f"the good file of {name} is not compared: {' '.join(words)}: {compared}")

    def report(self, failures, seconds):
        total = collections.Counter()
        for kind, counts in sorted(self.counts.items()):
            total.update(counts)
            listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            print(f"{kind:<22} {sum(counts.values()):>6}  {listed}" +
                  (f"; {self.compared[kind]} compared" if self.compared[kind] else ""))
        print(f"{sum(total.values())} files in {seconds:.0f} s (seed {self.options.seed}): " +
              ", ".join(f"{name} {total[name]}"
                        for name in ("read", "refused", "crash", "hang", "message", "taken", "other", "crash in HDF5",
                                     "hang in HDF5")) + f"; {failures} failures")
        excused = total["crash in HDF5"] + total["hang in HDF5"]
        most = 3 + sum(total.values()) // 50
        if excused > most:
            print(f"FAIL: {excused} crashes and hangs while something was read, more than {most}: see what is to blame")
        if total["refused"] == 0:
            print("FAIL: nothing was refused")
        return excused <= most and total["refused"] > 0


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
    failures = number = 0
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        fuzzer = Fuzzer(options, folder)
        fuzzer.try_good_files(kinds)
        start = time.monotonic()
        while number < options.count if options.count else time.monotonic() - start < options.seconds:
            failures += fuzzer.one(options.first + number, kinds)
            number += 1
        right = fuzzer.report(failures, time.monotonic() - start)
    return 1 if failures or not right else 0


if __name__ == "__main__":
    sys.exit(main())
