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
    assert list(from_array.table)[:3] == ["stability", "least_cluster_stability", "kept"], "as the program prints them"
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


def file_of(path, X, **more):
    with h5py.File(path, "w") as file:
        file["X"] = X
        for name, values in more.items():
            file[f"obs/{name}"] = values
    return str(path)


def test_options_of_the_command_line(tmp_path):
    """Missing entries, weights of rows, resampling, connectivity, mini-batches: from arrays, from files, by program."""
    random = np.random.RandomState(1)
    X = np.rint(10 * planted())
    X[random.rand(*X.shape) < 0.1] = np.nan
    weights = random.randint(1, 4, len(X)).astype(float)
    x = file_of(tmp_path / "X.h5", X, w=weights)
    how = {"replicates": 4, "random_state": 2, "max_iter": 30, "n_threads": 1}
    words = ["-k", "3,4", "--replicates", "4", "--random-state", "2", "--max-iter", "30", "--threads", "1", "--quiet"]
    for ours, theirs in [
        ({"missing": "nan", "sample_weight": weights, "connectivity": True, "connectivity_rows": 50},
         ["--missing", "nan", "--sample-weight", "obs/w", "--connectivity", "--connectivity-rows", "50"]),
        ({"missing": "nan", "resample": "uniform", "resample_width": 0.1, "match": "kmeans", "select": "bicv"},
         ["--missing", "nan", "--resample", "uniform", "--resample-width", "0.1", "--match", "kmeans", "--select",
          "bicv"]),
        ({"missing": "nan", "estimator": "minibatch-nmf", "batch_size": 40, "resample": "poisson"},
         ["--missing", "nan", "--estimator", "minibatch-nmf", "--batch-size", "40", "--resample", "poisson"]),
    ]:  # yapf: disable
        subprocess.run([PROGRAM, "ensemble", x, *words, *theirs, "-o", tmp_path / "program.h5"], check=True)
        result = scanmf.ensemble(X, [3, 4], path=tmp_path / "array.h5", **how, **ours)
        assert_same(tmp_path / "program.h5", tmp_path / "array.h5")
        if "sample_weight" in ours:
            ours["sample_weight"] = "obs/w"
            assert "cophenetic" in result.table
        scanmf.ensemble(x, [3, 4], path=tmp_path / "file.h5", **how, **ours)
        assert_same(tmp_path / "program.h5", tmp_path / "file.h5")
    words += ["--missing", "nan", "--select", "speckled", "--holdout", "0.1", "--select-repeats", "2"]
    subprocess.run([PROGRAM, "ensemble", x, *words, "-o", tmp_path / "program.h5"], check=True)
    how.update(missing="nan", select="speckled", holdout=0.1, select_repeats=2)
    assert "cv_error" in scanmf.ensemble(X, [3, 4], path=tmp_path / "array.h5", **how).table
    assert_same(tmp_path / "program.h5", tmp_path / "array.h5")


def test_a_consensus_of_mini_batches_goes_on_learning(tmp_path):
    X = planted()
    result = scanmf.ensemble(X, 4, estimator="minibatch-nmf", replicates=4, random_state=0, batch_size=40)
    model = result.consensus()
    assert isinstance(model, scanmf.MiniBatchNMF) and model.batch_size == 40
    subprocess.run([PROGRAM, "select", result.path, "-k", "4", "-o", tmp_path / "m.h5", "--quiet"], check=True)
    of_program = scanmf.load(tmp_path / "m.h5")
    np.testing.assert_array_equal(model.components_, of_program.components_)
    np.testing.assert_array_equal(model.partial_fit(X).components_, of_program.partial_fit(X).components_)


def test_damaged_files_are_not_read(tmp_path):
    X = planted()
    result = scanmf.ensemble(X, 4, replicates=3, random_state=0, path=tmp_path / "e.h5")
    again = scanmf.Ensemble(tmp_path / "e.h5")
    with open(tmp_path / "e.h5", "r+b") as file:
        file.seek(os.path.getsize(tmp_path / "e.h5") // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    for ask in (lambda: scanmf.Ensemble(tmp_path / "e.h5"), lambda: again.table, lambda: result.components(4)):
        with pytest.raises(ValueError, match="is damaged"):
            ask()
    with pytest.raises(FileNotFoundError):
        scanmf.Ensemble(tmp_path / "none.h5")
    whole = scanmf.ensemble(X, 4, replicates=3, random_state=0, path=tmp_path / "e.h5")
    with h5py.File(whole.path, "r") as file, h5py.File(tmp_path / "again.h5", "w") as copy:
        copy.attrs.update(file.attrs)
        for name in file:
            file.copy(name, copy)
    with pytest.raises(ValueError, match="has no checksums: another program wrote it again"):
        scanmf.Ensemble(tmp_path / "again.h5")


def test_files_are_kept_apart(tmp_path):
    x = file_of(tmp_path / "X.h5", planted())
    how = {"replicates": 2, "random_state": 0}
    for files, words in [({"path": "e.h5", "checkpoint": "e.h5"}, "would replace"),
                         ({"path": "X.h5"}, "would (replace|be replaced)"),
                         ({"path": "e.h5", "checkpoint": "X.h5"}, "would replace"),
                         ({"path": "STOP", "checkpoint": "c"}, "would replace")]:  # yapf: disable
        with pytest.raises(ValueError, match=words):
            scanmf.ensemble(x, 3, **{name: tmp_path / file for name, file in files.items()}, **how)
        assert sorted(os.listdir(tmp_path)) == ["X.h5"]
    assert h5py.File(x, "r")["X"].shape == (120, 60)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["w"] = np.ones(120)
    with pytest.raises(ValueError, match="would (replace|be replaced)"):
        scanmf.ensemble(x, 3, path=tmp_path / "w.h5", sample_weight=f"{tmp_path}/w.h5:/w", **how)
    assert h5py.File(tmp_path / "w.h5", "r")["w"].shape == (120, )


def test_mistakes(tmp_path):
    X = planted()
    x = file_of(tmp_path / "X.h5", X)
    for given, how, error, words in [
        (X, {"init": "nndsvd"}, TypeError, "has no parameter 'init'"),
        (X, {"nonsense": 1}, TypeError, "nonsense"),
        (X, {"max_iter": 0}, ValueError, "'max_iter' parameter of NMF"),
        (X, {"select": "gap"}, ValueError, "'select' parameter of ensemble"),
        (X, {"random_state": np.random.RandomState(0)}, ValueError, "'random_state' parameter of ensemble"),
        (X, {"random_state": -1}, ValueError, "'random_state' parameter of ensemble"),
        (X, {"random_state": 2**32}, ValueError, "'random_state' parameter of ensemble"),
        (X, {"replicates": 0}, ValueError, "'replicates' parameter of ensemble"),
        (X, {"replicates": 2.5}, ValueError, "'replicates' parameter of ensemble"),
        (X, {"neighbourhood": 0}, ValueError, "'neighbourhood' parameter"),
        (X, {"density_threshold": "2"}, ValueError, "'density_threshold' parameter"),
        (X, {"folds": 1}, ValueError, "'folds' parameter"),
        (X, {"resample": "bootstrap"}, ValueError, "'resample' parameter"),
        (X, {"match": None}, ValueError, "'match' parameter"),
        (X, {"connectivity_rows": 0}, ValueError, "'connectivity_rows' parameter"),
        (X, {"save_replicates": "no"}, ValueError, "'save_replicates' parameter"),
        (X, {"estimator": "pca"}, ValueError, "'estimator' parameter"),
        (X, {"sample_weight": np.ones(3)}, ValueError, "3 numbers for 120 rows"),
        (X, {"sample_weight": "obs/w"}, ValueError, "is an array where X is one"),
        (X, {"path": 3}, ValueError, "'path' parameter"),
        (X, {"beta_loss": 1}, ValueError, "solver 'cd' does not handle"),
        (X, {"groups": 2}, ValueError, "needs X of a file"),
        (x, {"groups": 2}, ValueError, "as many ranks"),
        (x, {"groups": 0}, ValueError, "'groups' parameter"),
        (x, {"groups": -1}, ValueError, "'groups' parameter"),
        (x, {"groups": 1.5}, ValueError, "'groups' parameter"),
    ]:  # yapf: disable
        with pytest.raises(error, match=words):
            scanmf.ensemble(given, 3, **how)
    for ks in ([], 0, [3, 0], [2.5], "3", None, [True]):
        with pytest.raises(ValueError, match="at least 1"):
            scanmf.ensemble(X, ks)
    with pytest.raises(ValueError, match="negative|Negative"):
        scanmf.ensemble(-X, 3)
    result = scanmf.ensemble(X, 4, replicates=3, random_state=0, save_replicates=False, groups=1)
    with pytest.raises(ValueError, match="has no spectra"):
        result.spectra(4)
    with pytest.raises(ValueError, match="no k = 5"):
        result.components(5)
    with pytest.raises(ValueError, match="was not written by|no ensemble file"):
        scanmf.Ensemble(x)
