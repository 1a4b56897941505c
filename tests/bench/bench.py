#!/usr/bin/python3
"""Time of one iteration of `scanmf fit`, on matrices of several shapes, against the roofline and (--sklearn) against scikit-learn.

    tests/bench/bench.py --program build/scanmf [--ranks 2] [--threads 1] [--case NAME …] [--dtype float32 …] [--sklearn]

One CSV line a row: milliseconds an iteration (the fastest and the median of all iterations), the ideal time T* (the larger of bytes of X / read bandwidth and
flops / peak, both measured in the same run), the fraction T*/T, and the difference between the program's reconstruction error and one that numpy sums from W and H.
The matrices are made once and kept in --folder. A row whose residual is wrong makes the exit status 1. Run it on an idle machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import h5py
import numpy as np

# name: rows, columns, share of non-zeros, [(components, solver, beta)]
FROBENIUS = [("cd", 2.0), ("mu", 2.0)]
CASES = {
    "dense-20000x2000": (20000, 2000, 1.0, [(k, *s) for k in (10, 16, 50) for s in FROBENIUS] + [(10, "mu", 1.0), (50, "mu", 1.0), (10, "mu", 0.0), (10, "mu", 1.5)]),
    "dense-8000x8000": (8000, 8000, 1.0, [(50, *s) for s in FROBENIUS] + [(50, "mu", 1.0)]),
    "sparse-200000x20000": (200000, 20000, 0.005, [(k, s, b) for k in (10, 50) for s, b in (("cd", 2.0), ("mu", 2.0), ("mu", 1.0))]),
    "sparse-5000x40000": (5000, 40000, 0.165, [(20, "cd", 2.0), (20, "mu", 1.0)]),
}
BETA_NAMES = {2.0: "frobenius", 1.0: "kullback-leibler", 0.0: "itakura-saito"}


def make_data(path, rows, columns, density, dtype):
    """Uniform values; a planted structure would change the times of none of the solvers."""
    generator = np.random.default_rng(rows + columns)
    with h5py.File(path + ".part", "w") as f:
        if density == 1.0:
            x = f.create_dataset("X", (rows, columns), dtype)
            for begin in range(0, rows, 4096):
                x[begin:begin + 4096] = generator.random((min(4096, rows - begin), columns), dtype=np.float32) + np.float32(0.01)
        else:
            count = int(columns * density)
            g = f.create_group("X")
            g.attrs["encoding-type"], g.attrs["encoding-version"], g.attrs["shape"] = "csr_matrix", "0.1.0", np.array([rows, columns])
            g["indptr"] = np.arange(0, (rows + 1) * count, count, dtype=np.int64)
            indices, data = g.create_dataset("indices", (rows * count,), np.int32), g.create_dataset("data", (rows * count,), dtype)
            for begin in range(0, rows, 2048):
                n = min(2048, rows - begin)
                # one column of each of `count` equal intervals: ascending, all different, spread over all columns
                edges = np.linspace(0, columns, count + 1).astype(np.int64)
                at = edges[:-1] + (generator.random((n, count)) * np.diff(edges)).astype(np.int64)
                indices[begin * count:(begin + n) * count] = at.ravel()
                data[begin * count:(begin + n) * count] = generator.random(n * count) + 0.01
    os.rename(path + ".part", path)


def read_data(path):
    with h5py.File(path) as f:
        if isinstance(f["X"], h5py.Dataset):
            return f["X"][()]
        import scipy.sparse
        g = f["X"]
        return scipy.sparse.csr_matrix((g["data"][()], g["indices"][()], g["indptr"][()]), shape=tuple(g.attrs["shape"]))


def run_scanmf(a, path, k, solver, beta):
    """Seconds of each iteration, the end record of the log, and the model's path."""
    model, log = os.path.join(a.folder, "model.h5"), os.path.join(a.folder, "log.jsonl")
    binding = ["--map-by", f"slot:PE={a.threads}", "--bind-to", "core"] if a.threads > 1 else ["--bind-to", "core"]
    command = ["mpirun", "-n", str(a.ranks), *binding, a.program, "fit", path, "-k", str(k), "--init", "random", "--random-state", "1", "--solver", solver,
               "--beta-loss", str(beta), "--tol", "0", "--max-iter", str(a.iterations), "--threads", str(a.threads), "-o", model, "--log-json", log, "--quiet"]
    subprocess.run(command, check=True, env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    with h5py.File(model) as f:
        seconds = f["history/seconds"][()]
    with open(log) as f:
        end = [record for record in map(json.loads, f) if record.get("event") == "end"][-1]
    return seconds, end, model


def residual_difference(path, model, beta):
    """Relative difference between the model's reconstruction_err and √(2·D) summed here in double; None where the formula is not written down here."""
    with h5py.File(model) as f:
        W, H, error = f["W"][()].astype(float), f["H"][()].astype(float), f.attrs["reconstruction_err"]
    X = read_data(path)
    total = 0.0
    for begin in range(0, len(W), 1000):
        x, y = X[begin:begin + 1000], W[begin:begin + 1000] @ H
        x = x.toarray() if hasattr(x, "toarray") else x
        x = x.astype(float)
        if beta == 2:
            total += ((x - y) ** 2).sum() / 2
        elif beta == 1:
            total += np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / y), 0).sum() - x.sum() + y.sum()
        elif beta == 0:
            total += (x / y - np.log(x / y) - 1).sum()
        else:
            return None
    return abs(error / np.sqrt(2 * total) - 1)


def run_sklearn(a, path, k, solver, beta):
    """Seconds an iteration of scikit-learn on all the cores that scanmf has: the difference of a long and a short run, best of several."""
    import warnings
    from sklearn.decomposition import NMF
    from threadpoolctl import threadpool_limits
    warnings.simplefilter("ignore")
    X = read_data(path)
    generator = np.random.default_rng(1)
    scale = np.sqrt(X.mean() / k)
    W, H = (np.abs(scale * generator.standard_normal(s)).astype(X.dtype) for s in ((X.shape[0], k), (k, X.shape[1])))

    def seconds(iterations):
        best = np.inf
        for _ in range(a.sklearn_repeats):
            start = time.perf_counter()
            NMF(k, init="custom", solver=solver, beta_loss=beta, tol=0, max_iter=iterations).fit_transform(X, W=W.copy(), H=H.copy())
            best = min(best, time.perf_counter() - start)
        return best

    with threadpool_limits(a.ranks * a.threads):
        return (seconds(5) - seconds(1)) / 4


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--threads", type=int, default=1, help="of each rank")
    p.add_argument("--iterations", type=int, default=15)
    p.add_argument("--case", nargs="*", choices=CASES, default=list(CASES))
    p.add_argument("--dtype", nargs="*", choices=["float32", "float64"], default=["float32", "float64"])
    p.add_argument("--components", type=int, nargs="*", help="only these numbers of components")
    p.add_argument("--sklearn", action="store_true", help="time scikit-learn as well (python3-sklearn)")
    p.add_argument("--sklearn-repeats", type=int, default=2)
    p.add_argument("--folder", default=os.path.join(os.environ.get("TMPDIR", "/tmp"), "scanmf-bench"))
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    wrong = False
    print("case,dtype,ranks,threads,components,solver,beta,ms_best,ms_median,ideal_ms,fraction,peak_mb,residual_difference,sklearn_ms,ratio", flush=True)
    for name in a.case:
        rows, columns, density, fits = CASES[name]
        for dtype in a.dtype:
            path = os.path.join(a.folder, f"{name}-{dtype}.h5")
            if not os.path.exists(path):
                make_data(path, rows, columns, density, dtype)
            for k, solver, beta in fits:
                if a.components and k not in a.components:
                    continue
                seconds, end, model = run_scanmf(a, path, k, solver, beta)
                best, median = seconds.min() * 1e3, statistics.median(seconds) * 1e3
                report = end["report"]
                ideal = report.get("ideal_seconds_per_iteration", float("nan")) * 1e3
                difference = residual_difference(path, model, beta)
                wrong |= difference is not None and not difference < (1e-3 if dtype == "float32" else 1e-9)
                other = run_sklearn(a, path, k, solver, beta) * 1e3 if a.sklearn else float("nan")
                print(f"{name},{dtype},{a.ranks},{a.threads},{k},{solver},{BETA_NAMES.get(beta, beta)},{best:.1f},{median:.1f},{ideal:.1f},{ideal / best:.2f},"
                      f"{report.get('peak_memory', 0) / 1e6:.0f},{'' if difference is None else f'{difference:.0e}'},{other:.0f},{other / best:.2f}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
