#!/usr/bin/python3
"""How many passes over X, and how many seconds, ways to fit need for the same error.

    tests/bench/time_to_error.py --program build/scanmf [--data NAME …] [--method NAME …] [--seeds 5] [--passes 200]
                                 [--within 1.001] [--table table.md] [--picture curves.png] [--never-worse]

The goal is --within times the error of --passes plain passes of coordinate descent from the same random start. Each way
is run anew up to a number of passes, which is found by bisection (the error never rises), so that everything is what a
user would get: the model's reconstruction_err, and the seconds in its history; scikit-learn's seconds are those of its
fit. A way that needs more passes than --passes is shown with its error over the goal's instead. Data are packages'
(dataset-fashion-mnist, bible-kjv), scikit-learn's, this project's, or made here; those that are not installed are left
out with a line.

--never-worse instead compares the accelerated ways with plain descent after 20 passes and more: status 1 where the
median over the seeds of their error is more than 1.001 times plain's.
"""
import argparse
import gzip
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
    "mu": ["--solver", "mu"],
    "mini-batch": ["--estimator", "minibatch-nmf"],
    "scikit-learn cd": {
        "solver": "cd"
    },
    "scikit-learn mini-batch": {
        "batch_size": 1024
    },
}

ACCELERATED = ("sweeps", "extrapolation")


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

    def __call__(self, passes):
        """Error and seconds after so many passes."""
        if passes not in self.known:
            by = self.by_scikit_learn if isinstance(self.method, dict) else self.by_scanmf
            self.known[passes] = by(passes)
        return self.known[passes]

    def by_scanmf(self, passes):
        model = os.path.join(self.a.folder, "m.h5")
        no_rule = ["--max-no-improvement", "none"] if "--estimator" in self.method else []
        command = [
            *self.a.mpirun.split(), self.a.program, "fit", self.path, "-k", self.k, "--init", "random",
            "--random-state", self.seed, "--tol", 0, "--max-iter", passes, *self.options, *self.method, *no_rule, "-o",
            model, "--quiet"
        ]
        subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)
        with h5py.File(model) as f:
            return float(f.attrs["reconstruction_err"]), float(f["history/seconds"][()].sum())

    def by_scikit_learn(self, passes):
        from sklearn.decomposition import NMF, MiniBatchNMF
        kind = MiniBatchNMF if "batch_size" in self.method else NMF
        no_rule = {"max_no_improvement": None} if kind is MiniBatchNMF else {}
        model = kind(self.k, init="random", random_state=self.seed, tol=0, max_iter=passes, **self.method, **no_rule)
        begin = time.perf_counter()
        model.fit(self.x)
        return float(model.reconstruction_err_), time.perf_counter() - begin

    def to(self, goal, most):
        """The fewest passes to the error `goal`; None: `most` do not do."""
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
    """Of each way: what the table shows, and its curve with the first seed: passes, seconds, error over plain's."""
    make, k, options = DATA[name]
    x = make()
    path = os.path.join(a.folder, "x.h5")
    write(path, x)
    found, curves = {}, {}
    for seed in range(a.seeds):
        plain = Runs(a, path, x, k, seed, options, "plain")
        error, whole = plain(a.passes)
        for method in a.method:
            run = plain if method == "plain" else Runs(a, path, x, k, seed, options, method)
            passes = run.to(error * a.within, a.passes)
            at = passes or a.passes
            found.setdefault(method, []).append((passes, run(at)[1] / whole, run(at)[0] / error))
            if seed == 0:
                curves[method] = sorted((p, s, e / error) for p, (e, s) in run.known.items())
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
        axis.axhline(a.within, color="grey", linewidth=0.5)
        axis.set(title=name, xscale="log", ylim=(0.995, 1.08), xlabel="passes over X")
    axes[0][0].set_ylabel(f"error over that of {a.passes} plain passes")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(a.picture, dpi=80)


def options():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--mpirun", default="mpirun -n 1")
    p.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    p.add_argument("--method", nargs="*", default=list(METHODS), choices=list(METHODS))
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--passes", type=int, default=200)
    p.add_argument("--within", type=float, default=1.001)
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
    lines = [
        f"| passes (seconds / those of {a.passes} plain passes) | " + " | ".join(a.method) + " |",
        "|---|" + "---|" * len(a.method)
    ]
    all_curves = {}
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as a.folder:
        for name in a.data:
            try:
                title, found, curves = measure(a, name)
            except (FileNotFoundError, ImportError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            lines.append(f"| {title} | " + " | ".join(cell(found[method]) for method in a.method) + " |")
            print(lines[-1], flush=True)
            all_curves[name] = curves
    if a.table:
        with open(a.table, "w") as f:
            f.write("\n".join(lines) + "\n")
    if a.picture:
        draw(a, all_curves)


if __name__ == "__main__":
    main()
