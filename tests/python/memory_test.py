"""What a call holds beside X: once more X as it is computed in, and factors; the most that the process ever had."""
import json
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
import numpy as np, scipy.sparse as sp
import scanmf

def in_status(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))

def matrix(kind, dtype):
    numbers = np.random.default_rng(0)
    if kind in "CF":
        return np.asarray(numbers.random((20000, 800), "f4") * 9, dtype, order=kind)
    columns = np.sort(numbers.integers(0, 20000, (60000, 100), "i4"), axis=1).ravel()
    values = np.asarray(numbers.random(columns.size, "f4") * 9 + 1, dtype)
    return sp.csr_matrix((values, columns, np.arange(0, columns.size + 1, 100, "i4")), (60000, 20000)).asformat(kind)

def peak(kind, dtype):
    X = matrix(kind, dtype)
    element = 4 if dtype == "f4" else 8
    computed = X.size * element if kind in "CF" else X.nnz * (element + 4) + X.shape[0] * 8
    if kind == "coo":
        computed += X.nnz * (X.data.itemsize + 4)  # scipy makes CSR of it
    factors = sum(X.shape) * 5 * element
    model = scanmf.NMF(5, init="random", random_state=0, max_iter=2, tol=0, n_threads=2)
    model.fit(np.ones((9, 7)))
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the highest begins anew
    before = in_status("VmRSS")
    model.fit(X)
    print(json.dumps([kind, dtype, computed, factors, in_status("VmHWM") - before, str(model.components_.dtype)]))

for word in sys.argv[1:]:
    child = os.fork()  # before MPI: packages are loaded once, and each case has an untouched memory
    if child == 0:
        peak(*word.split(","))
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0, word
"""

CASES = [("C", "f4"), ("F", "f4"), ("C", "f8"), ("F", "f8"), ("C", "f2"), ("C", "i4"), ("F", "u1"), ("C", "?"),
         ("csr", "f4"), ("csr", "f8"), ("csr", "i8"), ("csc", "f4"), ("coo", "f4")]


def test_peak():
    try:
        with open("/proc/self/clear_refs", "w"):
            pass
    except OSError:
        pytest.skip("this system does not let the highest memory begin anew")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE, *(",".join(case) for case in CASES)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [tuple(line[:2]) for line in found] == CASES
    for kind, dtype, computed, factors, peak, result in found:
        print(f"{kind} {dtype}: {peak / 1e6:.0f} MB beside X, which is {computed / 1e6:.0f} MB as the kernels have it")
        assert result == ("float32" if dtype == "f4" else "float64")
        allowed = 1.05 * computed + 3 * factors + 16e6
        assert peak <= allowed, f"{kind} {dtype}: {peak / 1e6:.0f} MB beside X, allowed {allowed / 1e6:.0f}"
