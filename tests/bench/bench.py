#!/usr/bin/python3
"""Time of one iteration of `scanmf fit`, on matrices of several shapes, against the roofline and (--sklearn) against
scikit-learn.

    tests/bench/bench.py --program build/scanmf [--ranks 2] [--threads 1] [--case NAME …] [--dtype float32 …]
                         [--sklearn]
    tests/bench/bench.py streaming [--gigabytes 10] [--memory 2G]    X that is read from its file in every pass
    tests/bench/bench.py minibatch [--sklearn]                       a whole fit of MiniBatchNMF, streamed

One CSV line a row. Iterations: milliseconds an iteration (the fastest and the median of all iterations of --repeats
runs), the ideal time T* (the larger of bytes of X / read bandwidth and flops / peak, both measured in the same run),
the fraction T*/T (of a run's fastest iteration; the median of the runs), GFLOP/s of the fastest one (products with X,
and for cd k(k+1) operations a row and column for the Gram matrix and 2·k² for the sweep), and the difference between
the program's reconstruction error and one that numpy sums from W and H. The matrices are made once and kept in
--folder. A row whose residual is wrong makes the exit status 1. Run it on an idle machine.

Streaming: from the disk, the rate of the first pass over a file of which nothing is in memory against that of `dd`;
from the page cache, an iteration on a file that fits against the same iteration in memory (same bits: the models are
compared); gzip chunks; the share of the passes in which the solver had nothing to do but wait for data. Emptying the
page cache takes root; else the rows `disk` are left out. Mini-batches: seconds of the whole fit, reading included, and
of scikit-learn's fit of the same number of steps on data that it has in memory, in a process of its own: how it uses
its memory, and with that its time, depends on what the process has done before, by a factor of two. The best of several
runs, side by side, and the ratio of the medians.
"""
import argparse
import json
import multiprocessing
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
    "dense-20000x2000": (
        20000,
        2000,
        1.0,
        [(k, *s) for k in (10, 16, 50) for s in FROBENIUS] + [(10, "mu", 1.0), (50, "mu", 1.0), (10, "mu", 0.0),
                                                              (10, "mu", 1.5), (200, "cd", 2.0), (400, "cd", 2.0)],
    ),
    "dense-8000x8000": (
        8000,
        8000,
        1.0,
        [(50, *s) for s in FROBENIUS] + [(50, "mu", 1.0), (10, "mu", 1.0), (10, "mu", 0.0), (200, "cd", 2.0),
                                         (400, "cd", 2.0)],
    ),
    "sparse-200000x20000": (200000, 20000, 0.005, [(k, s, b) for k in (10, 50)
                                                   for s, b in (("cd", 2.0), ("mu", 2.0),
                                                                ("mu", 1.0))] + [(200, "cd", 2.0)]),
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
                x[begin:begin + 4096] = generator.random(
                    (min(4096, rows - begin), columns), dtype=np.float32) + np.float32(0.01)
        else:
            count = int(columns * density)
            g = f.create_group("X")
            g.attrs["encoding-type"], g.attrs["encoding-version"], g.attrs["shape"] = "csr_matrix", "0.1.0", np.array(
                [rows, columns])
            g["indptr"] = np.arange(0, (rows + 1) * count, count, dtype=np.int64)
            indices, data = g.create_dataset("indices", (rows * count, ),
                                             np.int32), g.create_dataset("data", (rows * count, ), dtype)
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
        return scipy.sparse.csr_matrix((g["data"][()], g["indices"][()], g["indptr"][()]),
                                       shape=tuple(g.attrs["shape"]))


def run_scanmf(a, path, k, solver, beta):
    """Seconds of each iteration, the end record of the log, and the model's path."""
    model, log = os.path.join(a.folder, "model.h5"), os.path.join(a.folder, "log.jsonl")
    binding = ["--map-by", f"slot:PE={a.threads}", "--bind-to", "core"] if a.threads > 1 else ["--bind-to", "core"]
    command = [
        "mpirun", "-n",
        str(a.ranks), *binding, a.program, "fit", path, "-k",
        str(k), "--init", "random", "--random-state", "1", "--solver", solver, "--beta-loss",
        str(beta), "--tol", "0", "--max-iter",
        str(a.iterations), "--threads",
        str(a.threads), "-o", model, "--log-json", log, "--quiet"
    ]
    subprocess.run(command, check=True, env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1",
                                                 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    with h5py.File(model) as f:
        seconds = f["history/seconds"][()]
    with open(log) as f:
        end = [record for record in map(json.loads, f) if record.get("event") == "end"][-1]
    return seconds, end, model


def run_program(a, command, *arguments):
    """The end record of the program's log and the seconds of all iterations."""
    log = os.path.join(a.folder, "log.jsonl")
    binding = ["--map-by", f"slot:PE={a.threads}", "--bind-to", "core"] if a.threads > 1 else ["--bind-to", "core"]
    subprocess.run([
        "mpirun", "-n",
        str(a.ranks), *binding, a.program, command, *map(str, arguments), "--threads",
        str(a.threads), "--log-json", log, "--quiet"
    ], check=True, env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    with open(log) as f:
        records = [json.loads(line) for line in f]
    records = records[max(i for i, r in enumerate(records) if r["event"] == "start"):]  # runs are added at the end
    return records[-1], [r["iteration_seconds"] for r in records if r.get("event") == "iteration"]


def operations(rows, columns, density, k, solver, beta):
    """Floating-point operations of an iteration."""
    products = (4 if beta == 2 else 8) * rows * columns * density * k
    return products + (k * (3 * k + 1) * (rows + columns) if solver == "cd" else 0)


def residual_difference(path, model, beta):
    """Relative difference between the model's reconstruction_err and √(2·D) summed here in double; None where the
    formula is not written down here."""
    with h5py.File(model) as f:
        W, H, error = f["W"][()].astype(float), f["H"][()].astype(float), f.attrs["reconstruction_err"]
    X = read_data(path)
    total = 0.0
    for begin in range(0, len(W), 1000):
        x, y = X[begin:begin + 1000], W[begin:begin + 1000] @ H
        x = x.toarray() if hasattr(x, "toarray") else x
        x = x.astype(float)
        if beta == 2:
            total += ((x - y)**2).sum() / 2
        elif beta == 1:
            total += np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / y), 0).sum() - x.sum() + y.sum()
        elif beta == 0:
            total += (x / y - np.log(x / y) - 1).sum()
        else:
            return None
    return abs(error / np.sqrt(2 * total) - 1)


def run_sklearn(a, path, k, solver, beta):
    """Seconds an iteration of scikit-learn on all the cores that scanmf has: the difference of a long and a short run,
    best of several."""
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
            NMF(k, init="custom", solver=solver, beta_loss=beta, tol=0,
                max_iter=iterations).fit_transform(X, W=W.copy(), H=H.copy())
            best = min(best, time.perf_counter() - start)
        return best

    with threadpool_limits(a.ranks * a.threads):
        return (seconds(5) - seconds(1)) / 4


def generated(a, name, gigabytes, *options):
    path = os.path.join(a.folder, name)
    if not os.path.exists(path):
        rows = int(gigabytes * 1e9 / (4 * 2000))
        subprocess.run([
            a.program, "generate", "--n-samples",
            str(rows), "--n-features", "2000", "-k", "16", "--random-state", "1", "-o", path, "--quiet", *options
        ], check=True)
    return path


def empty_page_cache():
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")
        return True
    except OSError:
        return False


def dd_rate(path):
    """GB/s at which dd reads a file from the disk."""
    empty_page_cache()
    start = time.perf_counter()
    subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=16M", "status=none"], check=True)
    return os.path.getsize(path) / 1e9 / (time.perf_counter() - start)


def streamed_fit(a, path, memory, k=16):
    model = os.path.join(a.folder, "model.h5")
    end, seconds = run_program(a, "fit", path, "-k", k, "--init", "random", "--random-state", 1, "--random-generator",
                               "counter", "--tol", 0, "--max-iter", a.iterations, "--memory", memory, "--save-w",
                               "false", "-o", model)
    with h5py.File(model) as f:
        return end["report"], seconds, f["H"][()]


def streaming(a):
    print(
        "file,from,ranks,threads,gb,first_pass_gb_per_s,dd_gb_per_s,share_of_dd,iteration_gb_per_s,"
        "ms_streamed,ms_in_memory,ratio,waited_share,peak_mb,memory", flush=True)
    wrong = False
    for name, size, source, options in (
        ("large", a.gigabytes, "disk", []),
        ("small", a.small_gigabytes, "cache", []),
        ("gzip", a.small_gigabytes / 2, "cache", ["--chunk-rows", "128", "--gzip", "1"]),
    ):
        if a.file and name not in a.file:
            continue
        path = generated(a, f"stream-{name}-{size:g}.h5", size, *options)
        dd = in_memory = float("nan")
        if source == "disk":
            if not empty_page_cache():
                continue
            dd = dd_rate(path)
            empty_page_cache()
        else:
            with open(path, "rb") as f:
                while f.read(1 << 24):
                    pass
        report, seconds, H = streamed_fit(a, path, a.memory if source == "disk" else "200M")
        phases = {phase: times["mean"] for phase, times in report["phases"].items()}
        passes = phases["wait for data"] + phases["row blocks"]
        first = size / phases["read"]
        best = min(seconds)
        if source == "cache":
            _, in_memory_seconds, other_H = streamed_fit(a, path, "none")
            in_memory = min(in_memory_seconds)
            wrong |= not np.array_equal(H, other_H)
        print(
            f"{name},{source},{a.ranks},{a.threads},{size:g},{first:.2f},{dd:.2f},{first / dd:.2f},{size / best:.2f},"
            f"{best * 1e3:.0f},{in_memory * 1e3:.0f},"
            f"{best / in_memory:.2f},{phases['wait for data'] / passes:.2f},{report['peak_memory'] / 1e6:.0f},"
            f"{a.memory if source == 'disk' else '200M'}", flush=True)
    return 1 if wrong else 0


MINIBATCH = {"dense-20000x2000": 10, "sparse-200000x20000": 1}  # passes over X


def sklearn_minibatch(a, path, beta, passes):
    """Seconds of one fit."""
    import warnings
    from sklearn.decomposition import MiniBatchNMF
    from threadpoolctl import threadpool_limits
    warnings.simplefilter("ignore")
    X = read_data(path)
    with threadpool_limits(a.ranks * a.threads):
        start = time.perf_counter()
        MiniBatchNMF(16, init="random", random_state=1, batch_size=1024, beta_loss=beta, tol=0, max_iter=passes,
                     max_no_improvement=None).fit(X)
        return time.perf_counter() - start


def minibatch(a):
    print(
        "case,dtype,ranks,threads,batch,components,beta,steps,seconds,in_memory_seconds,"
        "sklearn_seconds,ratio,ratio_of_medians,peak_mb,residual_difference", flush=True)
    wrong = False
    for name, passes in MINIBATCH.items():
        if name not in a.case:
            continue
        rows, columns, density, _ = CASES[name]
        path = os.path.join(a.folder, f"{name}-float32.h5")
        if not os.path.exists(path):
            make_data(path, rows, columns, density, "float32")
        for beta in (2.0, 1.0):
            model = os.path.join(a.folder, "model.h5")
            seconds = {"none": [], "20M": [], "sklearn": []}
            for repeat in range(a.repeats):  # side by side
                for memory in ("none", "20M"):
                    end, _ = run_program(a, "fit", path, "-k", 16, "--estimator", "minibatch-nmf", "--batch-size", 1024,
                                         "--beta-loss", beta, "--init", "random", "--random-state", 1, "--tol", 0,
                                         "--max-no-improvement", "none", "--max-iter", passes, "--memory", memory, "-o",
                                         model)
                    seconds[memory].append(end["run_seconds"])
                if a.sklearn and repeat < a.sklearn_repeats:
                    with multiprocessing.get_context("spawn").Pool(1) as process:
                        seconds["sklearn"].append(process.apply(sklearn_minibatch, (a, path, beta, passes)))
            difference = residual_difference(path, model, beta)
            wrong |= not difference < 1e-3
            streamed, other = seconds["20M"], seconds["sklearn"] or [float("nan")]
            print(
                f"{name},float32,{a.ranks},{a.threads},1024,16,{BETA_NAMES[beta]},{passes * -(-rows // 1024)},"
                f"{min(streamed):.2f},{min(seconds['none']):.2f},"
                f"{min(other):.2f},{min(other) / min(streamed):.1f},"
                f"{statistics.median(other) / statistics.median(streamed):.1f},"
                f"{end['report']['peak_memory'] / 1e6:.0f},{difference:.0e}", flush=True)
    return 1 if wrong else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="?", choices=["iterations", "streaming", "minibatch"], default="iterations")
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--threads", type=int, default=1, help="of each rank")
    p.add_argument("--iterations", type=int, default=15)
    p.add_argument("--case", nargs="*", choices=CASES, default=list(CASES))
    p.add_argument("--dtype", nargs="*", choices=["float32", "float64"], default=["float32", "float64"])
    p.add_argument("--components", type=int, nargs="*", help="only these numbers of components")
    p.add_argument("--sklearn", action="store_true", help="time scikit-learn as well (python3-sklearn)")
    p.add_argument("--gigabytes", type=float, default=10, help="streaming: of the file that is read from the disk")
    p.add_argument("--small-gigabytes", type=float, default=3,
                   help="streaming: of the file that is read from the page cache")
    p.add_argument("--memory", default="2G", help="streaming from the disk: --memory of the program")
    p.add_argument("--file", nargs="*", choices=["large", "small", "gzip"], help="streaming: only these")
    p.add_argument("--repeats", type=int, default=3, help="runs of the program, the fastest counts")
    p.add_argument("--sklearn-repeats", type=int, default=2)
    p.add_argument("--folder", default=os.path.join(os.environ.get("TMPDIR", "/tmp"), "scanmf-bench"))
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    if a.what != "iterations":
        return streaming(a) if a.what == "streaming" else minibatch(a)
    wrong = False
    print(
        "case,dtype,ranks,threads,components,solver,beta,ms_best,ms_median,ideal_ms,fraction,gflops,peak_mb,"
        "residual_difference,sklearn_ms,ratio", flush=True)
    for name in a.case:
        rows, columns, density, fits = CASES[name]
        for dtype in a.dtype:
            path = os.path.join(a.folder, f"{name}-{dtype}.h5")
            if not os.path.exists(path):
                make_data(path, rows, columns, density, dtype)
            for k, solver, beta in fits:
                if a.components and k not in a.components:
                    continue
                runs = [run_scanmf(a, path, k, solver, beta) for _ in range(a.repeats)]
                best, median = min(seconds.min() for seconds, _, _ in runs) * 1e3, statistics.median(
                    np.concatenate([seconds for seconds, _, _ in runs])) * 1e3
                ideals = [end["report"].get("ideal_seconds_per_iteration", float("nan")) * 1e3 for _, end, _ in runs]
                fraction = statistics.median(ideal / (seconds.min() * 1e3)
                                             for ideal, (seconds, _, _) in zip(ideals, runs))
                report, model = runs[-1][1]["report"], runs[-1][2]
                difference = residual_difference(path, model, beta)
                wrong |= difference is not None and not difference < (1e-3 if dtype == "float32" else 1e-9)
                other = run_sklearn(a, path, k, solver, beta) * 1e3 if a.sklearn else float("nan")
                print(
                    f"{name},{dtype},{a.ranks},{a.threads},{k},{solver},{BETA_NAMES.get(beta, beta)},{best:.1f},"
                    f"{median:.1f},{statistics.median(ideals):.1f},{fraction:.2f},"
                    f"{operations(rows, columns, density, k, solver, beta) / best / 1e6:.0f},"
                    f"{report.get('peak_memory', 0) / 1e6:.0f},{'' if difference is None else f'{difference:.0e}'},"
                    f"{other:.0f},{other / best:.2f}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
