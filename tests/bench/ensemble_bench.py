#!/usr/bin/python3
"""Ensembles beside the fits that they are made of, and beside scikit-learn, one process a core, as in cNMF.

    tests/bench/ensemble_bench.py --program build/scanmf [--scale 1.0] [--ranks 2] [--only NAME]

in-memory   20,000 x 2,000 float32 and float64, k 5 to 12, 10 replicates of 30 iterations each (tol 0): wall time on one
            rank over the sum of the same fits' iterations, one after the other; and scikit-learn's wall time
groups      replicates an hour over one rank's, five rounds in turns: as many groups as ranks, one group, and as many
            programs as ranks that know nothing of each other, which is what the machine gives
streamed    X of 4 x the memory cap, 20 replicates of k = 10: wall time of the passes over the larger of reading X once
            an iteration (page cache emptied where that is allowed) and the same fits' iterations in memory
consensus   seconds from the last fit to the file, 100 replicates, k = 20, n = 10,000

Nothing else may run. --scale shrinks the rows, for a trial.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

KS, REPLICATES, ITERATIONS = range(5, 13), 10, 30


def planted(path, rows, columns, k, dtype):
    random = np.random.default_rng(0)
    W, H = random.gamma(0.5, 1, (rows, k)), random.gamma(0.5, 1, (k, columns))
    with h5py.File(path, "w") as file:
        data = file.create_dataset("X", (rows, columns), dtype)
        for begin in range(0, rows, 4096):
            part = W[begin:begin + 4096] @ H
            data[begin:begin + 4096] = part * random.uniform(0.9, 1.1, part.shape)


class Bench:
    def __init__(self, options, folder):
        self.program, self.ranks, self.scale, self.folder = options.program, options.ranks, options.scale, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, ranks, *words):
        """Seconds of a run, and the events of its log."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        command = ["mpirun", "-n", str(ranks), self.program, *map(str, words), "--threads", "1", "--quiet"]
        log = self.path("log")
        if os.path.exists(log):
            os.remove(log)
        begin = time.monotonic()
        subprocess.run([*command, "--log-json", log], check=True, env=environment, cwd=self.folder)
        seconds = time.monotonic() - begin
        with open(log, encoding="utf-8") as file:
            return seconds, [json.loads(line) for line in file]

    def ensemble(self, ranks, ks, replicates, *words):
        return self.run(ranks, "ensemble", "X.h5", "-k", ",".join(map(str, ks)), "--replicates", replicates,
                        "--random-state", 0, "--tol", 0, "--max-iter", ITERATIONS, "-o", "e.h5", *words)

    def in_memory(self):
        rows = int(20000 * self.scale)
        for dtype in ("f4", "f8"):
            planted(self.path("X.h5"), rows, 2000, 8, dtype)
            wall = min(self.ensemble(1, KS, REPLICATES)[0] for _ in range(2))
            fits = 0.0
            for k in KS:  # an iteration of a single fit, without its start: REPLICATES of them are the same
                few = self.fit(k, 2)
                fits += (self.fit(k, 2 + ITERATIONS) - few) * REPLICATES
            together = min(self.ensemble(self.ranks, KS, REPLICATES)[0] for _ in range(2))
            theirs = self.scikit_learn(rows)
            print(
                f"in memory, {rows} x 2000 {dtype}: {wall:.1f} s, {wall / fits:.2f} of the fits' iterations "
                f"({fits:.1f} s, one rank); {self.ranks} ranks {together:.1f} s; scikit-learn on {os.cpu_count()} "
                f"processes {theirs:.1f} s, {theirs / together:.1f} times as long", flush=True)

    def fit(self, k, iterations):
        events = self.run(1, "fit", "X.h5", "-k", k, "--init", "random", "--random-state", 0, "--tol", 0, "--max-iter",
                          iterations, "-o", "m.h5")[1]
        with h5py.File(self.path("m.h5"), "r") as file:
            seconds = float(file["history/seconds"][()].sum())
        assert events[-1]["event"] == "end"
        return seconds

    def scikit_learn(self, rows):
        """One replicate of each k in each process, as many processes as cores, for all replicates."""
        program = (
            "import sys, h5py, warnings; warnings.simplefilter('ignore')\n"
            "from sklearn.decomposition import NMF\n"
            "X = h5py.File(sys.argv[1])['X'][()].astype('f8')\n"  # as cNMF computes
            f"for k in {list(KS)}: NMF(k, init='random', random_state=0, tol=0, max_iter={ITERATIONS}).fit(X)\n")
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        begin = time.monotonic()
        processes = [
            subprocess.Popen([sys.executable, "-c", program, self.path("X.h5")], env=environment)
            for _ in range(os.cpu_count())
        ]
        for process in processes:
            process.wait()
        return (time.monotonic() - begin) * REPLICATES / os.cpu_count()

    def groups(self):
        planted(self.path("X.h5"), int(20000 * self.scale), 2000, 8, "f4")
        runs = {"one rank": (1, 1), "groups": (self.ranks, self.ranks), "one group": (self.ranks, 1)}
        seconds = {name: [] for name in [*runs, "programs"]}
        for _ in range(5):  # in turns: hosts are shared, and their clocks change
            for name, (ranks, groups) in runs.items():
                seconds[name].append(self.ensemble(ranks, KS, REPLICATES, "--groups", groups)[0])
            seconds["programs"].append(self.programs())
        one = statistics.median(seconds["one rank"])
        for name, values in seconds.items():
            ratios = sorted(alone / value for alone, value in zip(seconds["one rank"], values))
            print(f"{name}: {statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f}), "
                  f"{one / statistics.median(values):.2f} x the replicates an hour of one rank "
                  f"({ratios[0]:.2f} to {ratios[-1]:.2f} in turns)")

    def programs(self):
        """Seconds of as many replicates by a program a core, which know nothing of each other: the most for groups."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment["OMPI_MCA_hwloc_base_binding_policy"] = "none"
        begin = time.monotonic()
        processes = [
            subprocess.Popen([
                "mpirun", "-n", "1", "taskset", "-c",
                str(core), self.program, "ensemble", "X.h5", "-k", ",".join(map(str, KS)), "--replicates",
                str(REPLICATES // self.ranks), "--random-state",
                str(core), "--tol", "0", "--max-iter",
                str(ITERATIONS), "-o", f"e{core}.h5", "--threads", "1", "--quiet"
            ], env=environment, cwd=self.folder, stderr=subprocess.DEVNULL) for core in range(self.ranks)
        ]
        for process in processes:
            if process.wait():
                sys.exit("an ensemble of one program failed")
        return time.monotonic() - begin

    def streamed(self):
        rows, columns, replicates, iterations = int(100000 * self.scale), 4000, 20, 5
        planted(self.path("X.h5"), rows, columns, 10, "f4")
        size = os.path.getsize(self.path("X.h5"))
        begin = time.monotonic()
        self.forget()
        with open(self.path("X.h5"), "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
        reading = (time.monotonic() - begin) * iterations
        with_fit = ("fit", "X.h5", "-k", 10, "--init", "random", "--random-state", 0, "--tol", 0, "--max-iter",
                    iterations, "-o", "m.h5", "--memory", "none")
        self.run(1, *with_fit)
        with h5py.File(self.path("m.h5"), "r") as file:
            computing = float(file["history/seconds"][()].sum()) * replicates
        self.forget()
        words = [
            "ensemble", "X.h5", "-k", 10, "--replicates", replicates, "--random-state", 0, "--tol", 0, "--max-iter",
            iterations, "-o", "e.h5", "--memory", size // 4
        ]
        events = self.run(1, *words)[1]
        first = next(event["seconds"] for event in events if event["event"] == "start")
        last = max(event["seconds"] for event in events if event["event"] == "replicate")
        print(f"streamed, {size / 1e9:.2f} GB: {last - first:.1f} s for {replicates} fits of {iterations} iterations, "
              f"{(last - first) / max(reading, computing):.2f} of the larger of reading ({reading:.1f} s) and "
              f"computing ({computing:.1f} s)")

    @staticmethod
    def forget():
        """Empties the page cache, as far as this user may."""
        os.sync()
        try:
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
                file.write("1")
        except OSError:
            pass

    def consensus(self):
        planted(self.path("X.h5"), int(500 * self.scale), 10000, 20, "f4")
        seconds, events = self.ensemble(self.ranks, (20, ), 100, "--groups", self.ranks)
        last = max(event["seconds"] for event in events if event["event"] == "replicate")
        print(f"consensus of 100 replicates, k = 20, n = 10,000: {events[-1]['seconds'] - last:.1f} s of {seconds:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/scanmf", type=os.path.abspath)
    parser.add_argument("--ranks", default=2, type=int)
    parser.add_argument("--scale", default=1.0, type=float)
    parser.add_argument("--only", choices=["in-memory", "groups", "streamed", "consensus"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        for name in ("in-memory", "groups", "streamed", "consensus"):
            if options.only in (None, name):
                getattr(bench, name.replace("-", "_"))()


if __name__ == "__main__":
    main()
