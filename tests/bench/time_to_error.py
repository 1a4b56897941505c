#!/usr/bin/python3
"""Passes over X, and seconds, that ways to fit need for the same error.

    tests/bench/time_to_error.py --program build/scanmf [--data NAME …] [--method NAME …] [--seeds 5] [--passes 200]
                                 [--table table.md] [--picture curves.png] [--never-worse]

Three goals for each seed: 1.001 times the error of --passes plain passes of coordinate descent from a random start, and
1.001 and 1.0001 times the least error that any way has after --passes passes. Each way is run anew up to a number of
passes, which is found by bisection (the error never rises, or hardly), so that everything is what a user would get: the
model's reconstruction_err, and the seconds in its history. Seconds of scikit-learn are those of its passes; its error
after each of them is summed between them. A table a goal: medians over the seeds of passes and of seconds over those of
the plain passes; a way that needs more than --passes passes is shown with its error over the goal's instead. Data are
packages' (dataset-fashion-mnist, bible-kjv), scikit-learn's, this project's, or made here; those that are not installed
are left out with a line. Seconds mean something on an idle machine only, with OMP_NUM_THREADS=1 for all.

--never-worse instead compares the accelerated ways with plain descent after 20 passes and more: status 1 where the
median over the seeds of their error is more than 1.001 times plain's.
"""
import argparse
import gzip
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import h5py
import numpy as np
import scipy.sparse

HERE = os.path.dirname(os.path.abspath(__file__))


def garments():
    with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 784)[:10000].astype("f4") / 255


def digits():
    from sklearn.datasets import load_digits
    return load_digits().data.astype("f4")


def verses():
    """Counts of words in the verses of the King James Bible, weighted as scikit-learn does."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    text = subprocess.run(["bible", "gen1:1-rev22:21"], capture_output=True, check=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, COLUMNS="100000")).stdout.decode("latin-1")
    x = TfidfVectorizer(min_df=5, stop_words="english").fit_transform(re.findall(r"^ *\d+ (.+)$", text, re.M)).tocsr()
    return x[np.diff(x.indptr) > 0].astype("f4")


def microbiome():
    with h5py.File(os.path.join(HERE, "..", "data", "mouse_microbiome.h5ad")) as f:
        x = f["X"]
        if isinstance(x, h5py.Dataset):
            return x[()].astype("f4")
        return scipy.sparse.csr_matrix((x["data"][()], x["indices"][()], x["indptr"][()]),
                                       shape=tuple(x.attrs["shape"])).astype("f4")


def spectrogram():
    """Magnitudes of the short-time Fourier transform of made notes: harmonics that decay, over noise."""
    g = np.random.default_rng(7)
    rate, seconds, window = 8000, 40, 1024
    t = np.arange(rate * seconds) / rate
    sound = 0.003 * g.standard_normal(t.size)
    for begin in np.arange(0, seconds - 1, 0.25):
        pitch = 220 * 2**(g.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        since = np.clip(t - begin, 0, None)
        for harmonic in range(1, 7):
            sound += (since > 0) * np.exp(-4 * since) * np.sin(2 * np.pi * pitch * harmonic * since) / harmonic
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::256]
    return np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)).astype("f4")


def planted_dense():
    g = np.random.default_rng(1)
    x = g.gamma(.5, 1, (4000, 20)) @ g.gamma(.5, 1, (20, 600)) + .5 * g.random((4000, 600))
    return x.astype("f4")


def planted_sparse():
    """Counts of planted programmes of genes, 6 % of them not zero."""
    g = np.random.default_rng(2)
    x = g.poisson(g.gamma(.2, 1, (6000, 15)) @ g.gamma(.2, 1, (15, 3000)) * .12)
    x[x.sum(1) == 0, 0] = 1
    return scipy.sparse.csr_matrix(x.astype("f4"))


# name: how it is made, components, further options of fit
DATA = {
    "garments": (garments, 20, []),
    "digits": (digits, 16, []),
    "Bible verses": (verses, 10, []),
    "microbiome": (microbiome, 8, []),
    "spectrogram": (spectrogram, 12, []),
    "planted dense": (planted_dense, 20, []),
    "planted sparse": (planted_sparse, 15, []),
    "planted, streamed": (planted_dense, 20, ["--memory", "1M"]),
}
# name: options of fit, or scikit-learn's parameters
METHODS = {
    "plain": [],
    "sweeps": ["--acceleration", "sweeps"],
    "extrapolation": ["--acceleration", "extrapolation"],
    "nndsvda": ["--init", "nndsvda"],
    "nndsvda, extrapolation": ["--init", "nndsvda", "--acceleration", "extrapolation"],
    "mu": ["--solver", "mu"],
    "mini-batch 256": ["--estimator", "minibatch-nmf", "--batch-size", "256"],
    "mini-batch": ["--estimator", "minibatch-nmf"],
    "scikit-learn cd": {
        "solver": "cd"
    },
    "scikit-learn mini-batch": {
        "batch_size": 1024
    },
}

ACCELERATED = ("sweeps", "extrapolation")
GOALS = ("1.001 × the error of the plain passes", "1.001 × the least error", "1.0001 × the least error")


def write(path, x):
    with h5py.File(path, "w") as f:
        if not scipy.sparse.issparse(x):
            f.create_dataset("X", data=x)
            return
        g = f.create_group("X")
        g.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(x.shape)})
        g["data"], g["indices"], g["indptr"] = x.data, x.indices.astype("i4"), x.indptr.astype("i8")


class Runs:
    """Runs of one way on one matrix from one start; each number of passes is run once."""
    def __init__(self, a, path, x, k, seed, options, method):
        self.a, self.path, self.x, self.k, self.seed = a, path, x, k, seed
        self.options, self.method, self.known = options, METHODS[method], {}
        if isinstance(self.method, dict):
            self.by_scikit_learn()

    def __call__(self, passes):
        """Error and seconds after so many passes."""
        if passes not in self.known:
            self.known[passes] = self.by_scanmf(passes)
        return self.known[passes]

    def by_scanmf(self, passes):
        model = os.path.join(self.a.folder, "m.h5")
        no_rule = ["--max-no-improvement", "none"] if "--estimator" in self.method else []
        start = [] if "--init" in self.method else ["--init", "random"]
        command = [
            *self.a.mpirun.split(), self.a.program, "fit", self.path, "-k", self.k, *start, "--random-state", self.seed,
            "--tol", 0, "--max-iter", passes, *self.options, *self.method, *no_rule, "-o", model, "--quiet"
        ]
        subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)
        with h5py.File(model) as f:
            return float(f.attrs["reconstruction_err"]), float(f["history/seconds"][()].sum())

    def by_scikit_learn(self):
        """All numbers of passes at once."""
        from sklearn.decomposition import MiniBatchNMF, NMF
        known, most, x = self.known, self.a.passes, self.x
        squares = float((x.multiply(x) if scipy.sparse.issparse(x) else x.astype(float)**2).sum())

        def error(W, H):
            products = np.sum((x @ H.T).astype(float) * W)
            return math.sqrt(squares - 2 * products + np.sum((W.T @ W).astype(float) * (H @ H.T)))

        if "batch_size" not in self.method:  # a pass that begins where the last one ended: the steps of one long fit
            seconds, factors = 0.0, {}
            for passes in range(1, most + 1):
                begin = time.perf_counter()
                one = NMF(self.k, init="custom" if factors else "random", random_state=self.seed, tol=0, max_iter=1,
                          **self.method)
                W = one.fit_transform(x, **factors)
                seconds += time.perf_counter() - begin
                factors = {"W": W, "H": one.components_}
                known[passes] = error(**factors), seconds
            return

        class Watched(MiniBatchNMF):
            """Looks at W and H after each pass."""
            W, away = None, 0.0

            def _minibatch_step(self, X, W, H, update_H):
                self.W = W.base
                return super()._minibatch_step(X, W, H, update_H)

            def _minibatch_convergence(self, X, batch_cost, H, H_buffer, n_samples, step, n_steps):
                if (step + 1) % self._steps == 0:
                    stop = time.perf_counter()
                    known[(step + 1) // self._steps] = error(self.W, H), stop - begin - self.away
                    self.away += time.perf_counter() - stop
                return False

        watched = Watched(self.k, init="random", random_state=self.seed, tol=0, max_iter=most, **self.method)
        watched._steps = math.ceil(x.shape[0] / min(watched.batch_size, x.shape[0]))
        begin = time.perf_counter()
        watched.fit(x)

    def to(self, goal):
        """The fewest passes to the error `goal`; None: --passes do not do."""
        most = self.a.passes
        enough = 1
        while self(min(enough, most))[0] > goal:
            if enough >= most:
                return None
            enough *= 2
        low, high = enough // 2, min(enough, most)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self(middle)[0] <= goal else (middle, high)
        return high


def measure(a, name):
    """Of each goal and way what the table shows; and curves of the first seed: passes, seconds, error over plain's."""
    make, k, options = DATA[name]
    x = make()
    path = os.path.join(a.folder, "x.h5")
    write(path, x)
    found, curves = [{method: [] for method in a.method} for _ in GOALS], {}
    for seed in range(a.seeds):
        runs = {method: Runs(a, path, x, k, seed, options, method) for method in ("plain", *a.method)}
        error, whole = runs["plain"](a.passes)
        least = min(run(a.passes)[0] for run in runs.values())
        for table, goal in zip(found, (1.001 * error, 1.001 * least, 1.0001 * least)):
            for method in a.method:
                run = runs[method]
                passes = run.to(goal)
                table[method].append((passes, run(passes or a.passes)[1] / whole, run(a.passes)[0] / goal))
        if seed == 0:
            for method in a.method:
                curves[method] = sorted((p, s, e / error) for p, (e, s) in runs[method].known.items())
    share = "" if not scipy.sparse.issparse(x) else f", {100 * x.nnz / x.shape[0] / x.shape[1]:.2g} % not zero"
    return f"{name} ({x.shape[0]:,} × {x.shape[1]:,}{share}, k {k})", found, curves


def compare(a, name):
    """Whether no accelerated way is worse than plain descent after 20 passes and more; prints the medians."""
    make, k, options = DATA[name]
    x = make()
    path = os.path.join(a.folder, "x.h5")
    write(path, x)
    holds = True
    runs = {m: [Runs(a, path, x, k, s, options, m) for s in range(a.seeds)] for m in ("plain", *ACCELERATED)}
    for passes in (20, 25, 30, 50, 100, a.passes):
        plain = statistics.median(run(passes)[0] for run in runs["plain"])
        ratios = {m: statistics.median(run(passes)[0] for run in runs[m]) / plain for m in ACCELERATED}
        print(name, passes, *(f"{m} {ratio:.5f}" for m, ratio in ratios.items()), flush=True)
        holds = holds and max(ratios.values()) <= 1.001
    return holds


def cell(results):
    """Median over the seeds: passes (seconds over those of the plain passes), or the error where it is not reached."""
    reached = [passes for passes, _, _ in results if passes]
    if 2 * len(reached) <= len(results):
        return f"– ({statistics.median(over for _, _, over in results):.4f})"
    passes = statistics.median(passes if passes else float("inf") for passes, _, _ in results)
    return f"{passes:g} ({statistics.median(seconds for _, seconds, _ in results):.2f})"


def draw(a, all_curves):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    columns = 4
    rows = -(-len(all_curves) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False)
    for axis in axes.flat[len(all_curves):]:
        axis.remove()
    for axis, (name, curves) in zip(axes.flat, all_curves.items()):
        for method, curve in curves.items():
            passes, _, errors = zip(*curve)
            axis.plot(passes, errors, ".-", label=method, linestyle="--" if "scikit" in method else "-")
        axis.axhline(1.001, color="grey", linewidth=0.5)
        axis.set(title=name, xscale="log", ylim=(0.995, 1.08), xlabel="passes over X")
    axes[0][0].set_ylabel(f"error over that of {a.passes} plain passes")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(a.picture, dpi=80)


def options():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--mpirun", default="", help="words before the program; none: one process")
    p.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    p.add_argument("--method", nargs="*", default=list(METHODS), choices=list(METHODS))
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--passes", type=int, default=200)
    p.add_argument("--never-worse", action="store_true", help="compare with plain descent from 20 passes on")
    p.add_argument("--table", help="where the table goes beside the terminal")
    p.add_argument("--picture", help="error against passes, a panel a matrix")
    return p.parse_args()


def main():
    a = options()
    warnings.simplefilter("ignore")  # max_iter is reached on purpose
    if a.never_worse:
        with tempfile.TemporaryDirectory() as a.folder:
            sys.exit(0 if all([compare(a, name) for name in a.data]) else 1)
    tables = [[
        f"Passes (seconds / those of {a.passes} plain passes) to {goal}:", "", "| | " + " | ".join(a.method) + " |",
        "|---|" + "---|" * len(a.method)
    ] for goal in GOALS]
    all_curves = {}
    with tempfile.TemporaryDirectory() as a.folder:
        for name in a.data:
            try:
                title, found, curves = measure(a, name)
            except (FileNotFoundError, ImportError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            for table, results in zip(tables, found):
                table.append(f"| {title} | " + " | ".join(cell(results[method]) for method in a.method) + " |")
                print(table[0], table[-1], sep="\n", flush=True)
            all_curves[name] = curves
    if a.table:
        with open(a.table, "w") as f:
            f.write("\n\n".join("\n".join(table) for table in tables) + "\n")
    if a.picture:
        draw(a, all_curves)


if __name__ == "__main__":
    main()
