#!/usr/bin/python3
"""scanmf.NMF in process beside scikit-learn's NMF on the same arrays, and beside the command line.

    PYTHONPATH=build/python tests/bench/python_bench.py [--scale 1.0] [--only NAME] [--program build/scanmf]
                                                        [--iterations 20]

One line a case: seconds an iteration of each, their ratio, seconds to take in X, the highest memory of the process
above X in multiples of X. Each measurement has a process of its own. --scale shrinks the rows of every case, for a
machine with other work.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

CASES = {
    "dense k=10 float32": dict(rows=20000, columns=2000, dtype="f4", k=10),
    "dense k=10 float64": dict(rows=20000, columns=2000, dtype="f8", k=10),
    "dense k=50 float32": dict(rows=20000, columns=2000, dtype="f4", k=50),
    "dense k=50 float64": dict(rows=20000, columns=2000, dtype="f8", k=50),
    "images, nndsvda": dict(rows=70000, columns=784, dtype="f4", k=20, init=None),
    "CSR cd": dict(rows=200000, columns=20000, stored=20_000_000, dtype="f4", k=20),
    "CSR Kullback-Leibler": dict(rows=200000, columns=20000, stored=20_000_000, dtype="f4", k=20, solver="mu",
                                 beta_loss="kullback-leibler"),
    "mini-batches": dict(rows=100000, columns=1000, dtype="f4", k=20, minibatch=True),
}


def matrix(case, scale):
    import numpy as np
    import scipy.sparse as sp

    rows, columns, dtype = int(case["rows"] * scale), case["columns"], case["dtype"]
    random = np.random.default_rng(0)
    if "stored" not in case:
        return random.random((rows, columns), dtype="f4" if dtype == "f4" else "f8")
    of_a_row = case["stored"] // case["rows"]
    indices = np.sort(random.integers(0, columns, (rows, of_a_row), dtype="i4"), axis=1).ravel()
    values = 1 - random.random(rows * of_a_row, dtype=dtype)  # never 0: scikit-learn's KL does not bear stored zeros
    return sp.csr_matrix((values, indices, np.arange(0, rows * of_a_row + 1, of_a_row)), (rows, columns))


def estimator(module, case, iterations):
    params = dict(n_components=case["k"], init=case.get("init", "random"), max_iter=iterations, tol=0, random_state=0)
    if case.get("minibatch"):
        return module.MiniBatchNMF(**params, max_no_improvement=None)
    return module.NMF(**params, solver=case.get("solver", "cd"), beta_loss=case.get("beta_loss", "frobenius"))


def measure(which, name, scale, iterations):
    """In a process of its own: seconds of a fit of few and of many iterations."""
    import resource
    import time
    import warnings

    warnings.simplefilter("ignore")
    module = __import__("scanmf") if which == "scanmf" else __import__("sklearn.decomposition").decomposition
    case = CASES[name]
    X = matrix(case, scale)
    size = (X.nbytes if hasattr(X, "nbytes") else X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e6
    estimator(module, case, 1).fit(X[:200])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    few = max(1, iterations // 10)
    seconds = []
    for count in (few, iterations):
        start = time.perf_counter()
        model = estimator(module, case, count).fit(X)
        seconds.append(time.perf_counter() - start)
    result = {
        "iteration": (seconds[1] - seconds[0]) / (iterations - few),
        "start": seconds[0],
        "error": float(model.reconstruction_err_),
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before) / size
    }
    if which == "scanmf":
        result["recorded"] = float(sorted(model.history_["seconds"])[len(model.history_["seconds"]) // 2])
    print(json.dumps(result))


def in_its_own_process(which, name, arguments):
    done = subprocess.run([
        sys.executable, __file__, "--measure", which, "--only", name, "--scale",
        str(arguments.scale), "--iterations",
        str(arguments.iterations)
    ], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def of_the_command_line(name, arguments):
    """Median seconds of an iteration that the program records for the same matrix."""
    import anndata
    import h5py
    import numpy as np

    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        X = matrix(case, arguments.scale)
        anndata.AnnData(X, dtype=X.dtype).write_h5ad(os.path.join(folder, "x.h5ad"))
        command = [
            arguments.program, "fit",
            os.path.join(folder, "x.h5ad"), "-k",
            str(case["k"]), "--init",
            str(case.get("init", "random")).lower(), "--max-iter",
            str(arguments.iterations), "--tol", "0", "--random-state", "0", "--save-w", "false", "--quiet", "-o",
            os.path.join(folder, "m.h5")
        ]
        if case.get("minibatch"):
            command += ["--estimator", "minibatch-nmf", "--max-no-improvement", "none"]
        else:
            command += ["--solver", case.get("solver", "cd"), "--beta-loss", case.get("beta_loss", "frobenius")]
        subprocess.run(command, check=True, capture_output=True)
        with h5py.File(os.path.join(folder, "m.h5")) as file:
            return float(np.median(file["history/seconds"][()]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--program")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure(arguments.measure, arguments.only, arguments.scale, arguments.iterations)
    print("| case | scikit-learn, s an iteration | scanmf | ratio | first iterations: ratio | memory above X | "
          "of scikit-learn | command line: ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in CASES:
        if arguments.only and arguments.only not in name:
            continue
        theirs = in_its_own_process("sklearn", name, arguments)
        ours = in_its_own_process("scanmf", name, arguments)
        line = "-" if not arguments.program else f"{ours['recorded'] / of_the_command_line(name, arguments):.2f}"
        print(
            f"| {name} | {theirs['iteration']:.3f} | {ours['iteration']:.3f} | "
            f"{theirs['iteration'] / ours['iteration']:.1f} | "
            f"{theirs['start'] / ours['start']:.1f} | {ours['memory']:.2f} X | {theirs['memory']:.2f} X | {line} |",
            flush=True)
        if abs(theirs["error"] / ours["error"] - 1) > 0.01:
            print(f"errors differ: {theirs['error']} {ours['error']}", file=sys.stderr)


if __name__ == "__main__":
    main()
