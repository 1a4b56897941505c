"""Golden runs of scikit-learn (tests/data/golden.h5), run again through the package, whole or by rows of several
ranks."""
import json
import os
import warnings

import h5py
import numpy as np
import scipy.sparse as sp

import scanmf

FILE = os.path.join(os.environ["SCANMF_TEST_DATA"], "golden.h5")


def matrix(item):
    if isinstance(item, h5py.Dataset):
        return item[()]
    kind = {"csr_matrix": sp.csr_matrix, "csc_matrix": sp.csc_matrix}[item.attrs["encoding-type"]]
    return kind((item["data"][()], item["indices"][()], item["indptr"][()]), shape=tuple(item.attrs["shape"]))


def names():
    with h5py.File(FILE) as file:
        return list(file["cases"])


class Case:
    def __init__(self, name):
        with h5py.File(FILE) as file:
            group = file["cases"][name]
            self.name = name
            self.attrs = dict(group.attrs)
            self.arrays = {key: matrix(item) for key, item in group.items() if key != "checkpoints"}
        self.params = json.loads(self.attrs["sklearn_kwargs"])
        self.kind = scanmf.NMF if self.attrs["estimator"] == "NMF" else scanmf.MiniBatchNMF

    def compare(self, quantity, found, reference=None):
        expected = self.arrays[reference or quantity]
        tolerance = self.attrs[f"tol_{reference or quantity}"] * max(np.abs(expected).max(), 1e-300)
        worst = np.abs(np.asarray(found, float) - expected).max()
        assert worst <= tolerance, f"{self.name}: {quantity} differs by {worst:.3g}, allowed {tolerance:.3g}"


def run(case, own=lambda rows: slice(0, rows), whole=lambda rows: rows, **more):
    """Fits, transforms and compares. own: the rows of this rank; whole: all rows from those of each rank."""
    rows_of = lambda X: X[own(X.shape[0])]
    model = case.kind(**case.params, **more)
    start = {}
    if case.params.get("init") == "custom":
        W0 = case.arrays["W0"]
        start = {"W": W0[own(len(W0))].copy(), "H": case.arrays["H0"].copy()}
    X = case.arrays["X"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.attrs["mode"] != "partial_fit":
            W = whole(model.fit_transform(rows_of(X), **start))
            quantities = ("W", "H") if case.attrs["mode"] == "fit" else ("W_fit", "H_fit")
            case.compare(quantities[0], W)
            case.compare(quantities[1], model.components_)
            start = {}
        if case.attrs["mode"] == "fit":
            assert model.n_iter_ == case.attrs["n_iter"], case.name
            limit = max(case.attrs["tol_err_abs"], case.attrs.get("tol_err_expanded_abs", 0))
            assert abs(model.reconstruction_err_ - case.attrs["reconstruction_err"]) <= limit, case.name
        else:
            partial_fits(case, model, rows_of, own, start)
        if case.attrs["n_steps"] >= 0 if "n_steps" in case.attrs else False:
            assert model.n_steps_ == case.attrs["n_steps"], case.name
        if "W_new" in case.arrays:
            W_new = whole(model.transform(rows_of(case.arrays["X_new"])))
            case.compare("W_new", W_new)
            if "X_inv" in case.arrays:
                case.compare("X_inv", model.inverse_transform(W_new))
    return model


def partial_fits(case, model, rows_of, own, start):
    X = case.arrays["X"]
    trace = []
    for first, last in case.arrays["partial_fit_rows"]:
        chunk = X[first:last]
        if start and not trace:
            start["W"] = case.arrays["W0"][first:last][own(last - first)].copy()
            start["H"] = case.arrays["H0"].copy()
        model.partial_fit(rows_of(chunk), **(start if not trace else {}))
        trace.append(model.components_.copy())
    case.compare("H_trace", np.array(trace))
