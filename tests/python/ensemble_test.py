"""scanmf.ensemble: what the command line computes, from arrays and from files, and what becomes of it."""
import os
import subprocess

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scanmf

PROGRAM = os.environ["SCANMF_PROGRAM"]


def planted(m=120, n=60, k=4):
    random = np.random.RandomState(0)
    H = np.zeros((k, n))
    for c in range(k):
        part = slice(c * n // k, (c + 1) * n // k + 3)
        H[c, part] = random.gamma(2, 1, H[c, part].shape)
    W = random.dirichlet(np.full(k, 0.3), m) * random.gamma(5, 1, (m, 1))
    return np.maximum(0, W @ H + 0.1 * (W @ H).mean() * random.standard_normal((m, n)))


def contents(path):
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same(a, b):
    a, b = contents(a), contents(b)
    assert sorted(a) == sorted(b)
    for name in a:
        np.testing.assert_equal(a[name], b[name], name)


@pytest.mark.parametrize("select", ["stability", "bicv"])
def test_the_command_lines_ensemble(tmp_path, select):
    X = planted()
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = X
    subprocess.run([
        PROGRAM, "ensemble", tmp_path / "X.h5", "-k", "3:5", "--replicates", "8", "--random-state", "2", "--max-iter",
        "300", "--select", select, "--quiet", "-o", tmp_path / "program.h5"
    ], check=True)
    how = {"replicates": 8, "random_state": 2, "max_iter": 300, "select": select}
    from_array = scanmf.ensemble(X, range(3, 6), path=tmp_path / "array.h5", **how)
    from_file = scanmf.ensemble(f"{tmp_path / 'X.h5'}:/X", [5, 4, 3], path=tmp_path / "file.h5", **how)
    assert_same(tmp_path / "program.h5", tmp_path / "array.h5")
    assert_same(tmp_path / "program.h5", tmp_path / "file.h5")
    assert from_array.chosen_k == from_file.chosen_k == 4
    assert list(from_array.table.index) == [3, 4, 5]
    assert ("cv_error" in from_array.table) == (select == "bicv")


def test_what_becomes_of_it(tmp_path):
    X = pd.DataFrame(planted(), columns=[f"gene {j}" for j in range(60)])
    result = scanmf.ensemble(X, 4, replicates=6, random_state=0, solver="mu", beta_loss="kullback-leibler")
    assert repr(result) == "Ensemble(k = [4], replicates = 6, chosen_k = 4)"
    H, W = result.components(), result.usages()
    assert H.shape == (4, 60) and W.shape == (120, 4) and result.spectra().shape == (24, 60)
    np.testing.assert_allclose(H.sum(axis=1), 1)
    model = result.consensus()
    assert list(model.feature_names_in_) == list(X.columns) and model.beta_loss == "kullback-leibler"
    np.testing.assert_allclose(model.transform(X), W, atol=1e-3 * W.max())
    model.save(tmp_path / "model.h5", W)
    assert (scanmf.load(tmp_path / "model.h5").components_ == H).all()
    axis = result.plot()
    assert axis.get_xlabel() == "number of components k"
    plt.close(axis.figure)
    where = result.path
    assert os.path.exists(where)
    del result
    assert not os.path.exists(where)


def test_sparse_and_single_precision():
    X = planted().astype(np.float32)
    dense = scanmf.ensemble(X, 4, replicates=4, random_state=0)
    sparse = scanmf.ensemble(sp.csr_matrix(X), 4, replicates=4, random_state=0)
    assert dense.components().dtype == np.float32
    np.testing.assert_allclose(dense.components(), sparse.components(), rtol=1e-2, atol=1e-5)


def test_an_interrupted_one_goes_on(tmp_path):
    X = planted(400)
    how = {"replicates": 6, "random_state": 1, "max_iter": 60, "tol": 0}
    whole = scanmf.ensemble(X, [3, 4], **how)
    (tmp_path / "STOP").touch()
    with pytest.raises(scanmf.Stopped, match="the same call again goes on"):
        scanmf.ensemble(X, [3, 4], checkpoint=tmp_path / "c", path=tmp_path / "e.h5", **how)
    assert (tmp_path / "c").exists() and not (tmp_path / "e.h5").exists()
    again = scanmf.ensemble(X, [3, 4], checkpoint=tmp_path / "c", path=tmp_path / "e.h5", **how)
    assert_same(whole.path, again.path)
    assert not (tmp_path / "c").exists()


def test_mistakes(tmp_path):
    X = planted()
    for how, error, words in [
        ({
            "init": "nndsvd"
        }, TypeError, "has no parameter 'init'"),
        ({
            "nonsense": 1
        }, TypeError, "nonsense"),
        ({
            "select": "speckled"
        }, ValueError, "select must be one of"),
        ({
            "random_state": np.random.RandomState(0)
        }, ValueError, "random_state must be an int or None"),
        ({
            "replicates": 0
        }, ValueError, "at least one replicate"),
        ({
            "beta_loss": 1
        }, ValueError, "solver 'cd' does not handle"),
        ({
            "groups": 2,
            "path": tmp_path / "e.h5"
        }, ValueError, "as many ranks"),
    ]:
        x = X
        if "groups" in how:
            with h5py.File(tmp_path / "X.h5", "w") as file:
                file["X"] = X
            x = str(tmp_path / "X.h5")
        with pytest.raises(error, match=words):
            scanmf.ensemble(x, 3, **how)
    with pytest.raises(ValueError, match="at least 1"):
        scanmf.ensemble(X, [])
    with pytest.raises(ValueError, match="negative|Negative"):
        scanmf.ensemble(-X, 3)
    result = scanmf.ensemble(X, 4, replicates=3, random_state=0, save_replicates=False)
    with pytest.raises(ValueError, match="has no spectra"):
        result.spectra(4)
    with pytest.raises(ValueError, match="no k = 5"):
        result.components(5)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["X"] = X
    with pytest.raises(ValueError, match="was not written by"):
        scanmf.Ensemble(tmp_path / "other.h5")
