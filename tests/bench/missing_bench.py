#!/usr/bin/python3
"""What missing entries cost: an iteration beside that of the complete matrix.

    tests/bench/missing_bench.py --program build/scanmf [--ranks 2] [--only dense|sparse|ratings] [--components 10 50]
                                 [--dtype float32]

dense    20,000 x 2,000, 5 % and 40 % missing (NaN): milliseconds of an iteration of multiplicative updates over those
         of Kullback-Leibler where nothing is missing; of coordinate descent GFLOP/s of the Gram matrices of rows and
         columns alone (k(k + 1) operations an entry of the smaller set, observed or missing, and side; products with X
         are 4·k an element), and their share of the peak of matrix products, which the program measures
sparse   200,000 x 20,000 with 20 million entries, of which only what is stored is observed: the same
ratings  of MovieLens-25M's shape, 162,541 x 59,047 with 25 million entries, k = 50: seconds of an iteration

The best iteration of --repeats runs, in turns. Nothing else may run.
"""
import argparse
import os
import sys
import tempfile

import h5py
import numpy as np

from bench import make_data, run_program


def write_ratings(path, rows, columns, entries):
    """Half stars; few rows and columns have most of the entries."""
    generator = np.random.default_rng(0)
    share = generator.pareto(1.2, rows) + .05
    lengths = np.minimum((share / share.sum() * entries).astype(int) + 5, columns // 4)
    popular = generator.pareto(1.0, columns) + .02
    edges = np.cumsum(popular) / popular.sum()
    indptr, indices = [0], []
    for length in lengths:
        at = np.unique(np.searchsorted(edges, generator.random(length)))
        indices.append(at.astype("i4"))
        indptr.append(indptr[-1] + at.size)
    with h5py.File(path, "w") as file:
        g = file.create_group("X")
        g.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array([rows, columns])})
        g["indptr"], g["indices"] = np.array(indptr), np.concatenate(indices)
        g["data"] = generator.integers(1, 11, indptr[-1]).astype("f4") / 2
    return indptr[-1]


class Fit:
    """The best iteration of several runs, in seconds."""
    def __init__(self, a, path, k, solver, beta, *options):
        self.a, self.best, self.peak = a, float("inf"), 0.0
        self.words = [
            "fit", path, "-k", k, "--init", "random", "--random-state", 1, "--solver", solver, "--beta-loss", beta,
            "--tol", 0, "--max-iter", a.iterations, "--missing-empty", "keep", "-o",
            os.path.join(a.folder, "m.h5"), *options
        ]

    def run(self):
        end, seconds = run_program(self.a, *self.words)
        self.best = min(self.best, *seconds)
        return end


def in_turns(a, fits):
    for _ in range(a.repeats):
        for fit in fits:
            fit.run()


def peak_of(a, path, rows, columns, k):
    """GFLOP/s of matrix products on all ranks: what the ideal time of an iteration with many components says."""
    ideal = Fit(a, path, k, "cd", 2).run()["report"]["ideal_seconds_per_iteration"]
    return 4e-9 * rows * columns * k / ideal


def dense(a):
    rows, columns = 20000, 2000
    for dtype in a.dtype:
        complete = os.path.join(a.folder, f"complete-{dtype}.h5")
        make_data(complete, rows, columns, 1.0, dtype)
        peak = peak_of(a, complete, rows, columns, 200)
        holed = {}
        generator = np.random.default_rng(5)
        for share in (0.05, 0.4):
            holed[share] = os.path.join(a.folder, f"{share}-{dtype}.h5")
            with h5py.File(complete) as source, h5py.File(holed[share], "w") as file:
                x = source["X"][()]
                x[generator.random(x.shape, dtype=np.float32) < share] = np.nan
                file["X"] = x
        for k in a.components:
            kl = Fit(a, complete, k, "mu", 1)
            cd = Fit(a, complete, k, "cd", 2)
            with_holes = {(share, solver, beta): Fit(a, path, k, solver, beta, "--missing", "nan")
                          for share, path in holed.items() for solver, beta in (("mu", 1), ("mu", 2), ("cd", 2))}
            in_turns(a, [kl, cd, *with_holes.values()])
            print(
                f"dense {dtype} k {k}: complete mu KL {1e3 * kl.best:.1f} ms, cd {1e3 * cd.best:.1f} ms, peak "
                f"{peak:.0f} GFLOP/s", flush=True)
            for (share, solver, beta), fit in with_holes.items():
                told = f"{fit.best / kl.best:.2f} of mu KL"
                if solver == "cd":
                    grams = 2e-9 * rows * columns * share * k * (k + 1)
                    rate = grams / (fit.best - cd.best)
                    told = f"{rate:.0f} GFLOP/s of Gram matrices, {rate / peak:.2f} of the peak"
                print(f"  {100 * share:.0f} % missing, {solver} beta {beta}: {1e3 * fit.best:.1f} ms, {told}",
                      flush=True)


def sparse(a):
    rows, columns = 200000, 20000
    path = os.path.join(a.folder, "sparse.h5")
    make_data(path, rows, columns, 0.005, "float32")
    for k in a.components:
        kl = Fit(a, path, k, "mu", 1)
        observed = {(solver, beta): Fit(a, path, k, solver, beta, "--missing", "zero")
                    for solver, beta in (("mu", 1), ("mu", 2), ("cd", 2))}
        in_turns(a, [kl, *observed.values()])
        print(f"sparse k {k}: complete mu KL {1e3 * kl.best:.1f} ms", flush=True)
        for (solver, beta), fit in observed.items():
            rate = 2e-9 * rows * 100 * k * (k + 1) / fit.best
            told = f", {rate:.0f} GFLOP/s of Gram matrices" if solver == "cd" else ""
            print(f"  only stored, {solver} beta {beta}: {1e3 * fit.best:.1f} ms, {fit.best / kl.best:.2f} of KL{told}",
                  flush=True)


def ratings(a):
    path = os.path.join(a.folder, "ratings.h5")
    entries = write_ratings(path, 162541, 59047, 60_000_000)
    for solver, beta in (("cd", 2), ("mu", 2), ("mu", 1)):
        fit = Fit(a, path, 50, solver, beta, "--missing", "zero")
        in_turns(a, [fit])
        print(f"ratings, {entries / 1e6:.1f} million, k 50, {solver} beta {beta}: {fit.best:.2f} s an iteration",
              flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--threads", type=int, default=1, help="of each rank")
    p.add_argument("--only", choices=["dense", "sparse", "ratings"])
    p.add_argument("--components", type=int, nargs="*", default=[10, 50])
    p.add_argument("--dtype", nargs="*", choices=["float32", "float64"], default=["float32"])
    p.add_argument("--iterations", type=int, default=6)
    p.add_argument("--repeats", type=int, default=3)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as a.folder:
        for what in (dense, sparse, ratings):
            if a.only in (None, what.__name__):
                what(a)


if __name__ == "__main__":
    sys.exit(main())
