"""Model files, AnnData and figures."""
import os
import subprocess
import warnings

import anndata
import h5py
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scanmf

matplotlib.use("Agg")
PROGRAM = os.environ["SCANMF_PROGRAM"]


def table(rows=40, columns=12, seed=0):
    X = sp.random(rows, columns, 0.4, "csr", random_state=seed)
    obs = pd.DataFrame({"group": pd.Categorical(["a", "b"] * (rows // 2), ["b", "a"])},
                       [f"cell {i}" for i in range(rows)])
    var = pd.DataFrame({"highly_variable": np.arange(columns) % 3 > 0}, [f"gene {j}" for j in range(columns)])
    return anndata.AnnData(X, obs, var, layers={"counts": X * 2}, dtype="float64")


@pytest.mark.parametrize("kind", [scanmf.NMF, scanmf.MiniBatchNMF])
def test_save_and_load(kind, tmp_path):
    X = pd.DataFrame(np.random.RandomState(0).rand(30, 5), columns=list("abcde"))
    model = kind(3, random_state=0, alpha_W=0.01, alpha_H=0.02, n_threads=1)
    W = model.fit_transform(X)
    model.save(tmp_path / "m.h5", W)
    again = scanmf.load(tmp_path / "m.h5", n_threads=1)
    assert again.get_params() == {**model.get_params(), "random_generator": "numpy"}  # what was used
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert list(again.feature_names_in_) == list("abcde")
    np.testing.assert_array_equal(scanmf.load_W(tmp_path / "m.h5"), W)
    for name in ("n_iter_", "reconstruction_err_", "n_components_", "n_features_in_", "converged_"):
        assert getattr(again, name) == getattr(model, name)
    for name, values in model.history_.items():
        np.testing.assert_array_equal(again.history_[name], values)
    if kind is scanmf.MiniBatchNMF:
        np.testing.assert_array_equal(again.partial_fit(X).components_, model.partial_fit(X).components_)
    with pytest.raises(ValueError, match="no dataset /W"):
        model.save(tmp_path / "without.h5")
        scanmf.load_W(tmp_path / "without.h5")


def named_file(folder, name, names, rows=20):
    """A file X of random numbers; names: of its columns, or how many there are."""
    columns = names if isinstance(names, int) else len(names)
    X = np.random.RandomState(0).rand(rows, columns)
    if isinstance(names, int):
        with h5py.File(folder / name, "w") as file:
            file["X"] = X
    else:
        anndata.AnnData(X, var=pd.DataFrame(index=list(names)), dtype="float64").write_h5ad(folder / name)
    return str(folder / name)


def test_names_of_files_are_compared(tmp_path):
    right, other = (named_file(tmp_path, f"{names}.h5ad", names) for names in ("abcde", "edcba"))
    without = named_file(tmp_path, "without.h5", 5)
    table = pd.DataFrame(np.random.RandomState(1).rand(20, 5), columns=list("abcde"))
    for fitted in (scanmf.NMF(2).fit(right), scanmf.NMF(2).fit(table), scanmf.MiniBatchNMF(2).partial_fit(right)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted.transform(right)
        calls = [fitted.transform] + ([fitted.partial_fit] if hasattr(fitted, "partial_fit") else [])
        for call in calls:
            with pytest.raises(ValueError, match="feature names should match .* column 0 of X is 'e'"):
                call(other)
            with pytest.warns(UserWarning, match="X does not have valid feature names"):
                call(without)
        assert list(fitted.feature_names_in_) == list("abcde")
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        scanmf.NMF(2).fit(without).transform(right)
    with pytest.raises(ValueError, match="X has 4 features, but NMF is expecting 5"):
        fitted = scanmf.NMF(2).fit(right)
        fitted.transform(named_file(tmp_path, "few.h5", 4))


@pytest.mark.parametrize("kind", [scanmf.NMF, scanmf.MiniBatchNMF])
def test_names_are_those_of_the_last_fit(kind, tmp_path):
    table = pd.DataFrame(np.random.RandomState(1).rand(20, 5), columns=list("abcde"))
    model = kind(2, random_state=0).fit(table)
    model.fit(named_file(tmp_path, "x.h5", 7))
    assert not hasattr(model, "feature_names_in_") and model.n_features_in_ == 7
    model.save(tmp_path / "m.h5")
    assert scanmf.load(tmp_path / "m.h5").n_features_in_ == 7
    model.fit(named_file(tmp_path, "y.h5ad", "uvw"))
    assert list(model.feature_names_in_) == list("uvw")
    model.fit(table.to_numpy())
    assert not hasattr(model, "feature_names_in_")


def test_a_wrong_W_is_not_saved(tmp_path):
    X = np.random.RandomState(0).rand(30, 5)
    model = scanmf.NMF(3, random_state=0)
    W = model.fit_transform(X)
    for wrong in (W[1:], W[:, 1:], W.ravel(), W[None], W.T):
        with pytest.raises(ValueError, match="W (has|must have)"):
            model.save(tmp_path / "m.h5", wrong)
    assert os.listdir(tmp_path) == []


def attributes(file, group):
    with h5py.File(file) as model:
        return {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in model[group].attrs.items()
        }


def test_models_of_generators_say_no_seed(tmp_path):
    file = named_file(tmp_path, "x.h5", 5)
    for state in (np.random.RandomState(7), None):
        for model in (scanmf.NMF(2, random_state=state).fit(file),
                      scanmf.MiniBatchNMF(2, random_state=state).partial_fit(file)):
            model.save(tmp_path / "m.h5")
            assert "generator" in attributes(tmp_path / "m.h5", "provenance")["random_state"]
            again = scanmf.load(tmp_path / "m.h5")
            assert again.random_state is None
            again.save(tmp_path / "again.h5")
            assert "generator" in attributes(tmp_path / "again.h5", "provenance")["random_state"]
    subprocess.run(
        [PROGRAM, "partial-fit", file, "--model", str(tmp_path / "again.h5")], check=True, capture_output=True)
    assert "generator" in attributes(tmp_path / "again.h5", "provenance")["random_state"]
    model = scanmf.NMF(2, random_state=11).fit(file)
    model.save(tmp_path / "m.h5")
    assert attributes(tmp_path / "m.h5", "params")["random_state"] == 11
    assert "random_state" not in attributes(tmp_path / "m.h5", "provenance")


def test_what_partial_fit_leaves(tmp_path):
    X = named_file(tmp_path, "x.h5", 5, rows=4)
    model = scanmf.MiniBatchNMF(5, random_state=0).partial_fit(X)  # of 4 rows: nndsvda cannot be
    assert model.sample_range_ == (0, 4)
    for expected in ("random", None, None):
        model.save(tmp_path / "m.h5")
        assert attributes(tmp_path / "m.h5", "provenance").get("init") == expected
        assert attributes(tmp_path / "m.h5", "params")["random_generator"] == "numpy"
        model.partial_fit(X)
    assert model.fit(X).reconstruction_err_ > 0
    model.partial_fit(np.ones((4, 5)))
    assert not hasattr(model, "reconstruction_err_") and model.sample_range_ is None
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert np.isnan(file.attrs["reconstruction_err"])
    assert not hasattr(scanmf.load(tmp_path / "m.h5"), "reconstruction_err_")


def test_held_components_of_a_file_have_n_components_rows(tmp_path):
    X, H = named_file(tmp_path, "x.h5", 5), np.ones((2, 5))
    for wrong in (3, None):
        with pytest.raises(ValueError, match="input H"):
            scanmf.non_negative_factorization(X, H=H, n_components=wrong, update_H=False)
    W, _, _ = scanmf.non_negative_factorization(X, H=H, n_components=2, update_H=False)
    assert W.shape == (20, 2)


@pytest.mark.parametrize("place", ["X.h5", "soft", "hard", "other/../X.h5"])
def test_x_is_not_replaced(tmp_path, place):
    (tmp_path / "other").mkdir()
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = np.random.RandomState(0).rand(30, 5)
    os.symlink("X.h5", tmp_path / "soft")
    os.link(tmp_path / "X.h5", tmp_path / "hard")
    before = (tmp_path / "X.h5").read_bytes()
    model = scanmf.NMF(2, random_state=0, max_iter=3, tol=0, n_threads=1).fit(f"{tmp_path}/X.h5:/X")
    with pytest.raises(scanmf.Error, match="X was read from it"):
        model.save(tmp_path / place)
    assert (tmp_path / "X.h5").read_bytes() == before
    model.save(tmp_path / "m.h5")
    model.save(tmp_path / "m.h5")  # a model may be
    (tmp_path / "X.h5").unlink()
    model.save(tmp_path / "X.h5")  # nothing is lost any more


def test_special_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    model = scanmf.NMF(2, max_iter=3, n_threads=1).fit(np.random.RandomState(0).rand(30, 5))
    for file in (tmp_path / "fifo", "/dev/zero"):
        for use in (model.save, scanmf.load, scanmf.load_W, scanmf.inspect, scanmf.NMF(2).fit):
            with pytest.raises(scanmf.Error, match="FIFO|device|not a regular file"):
                use(file)
    with pytest.raises(scanmf.Error, match="File name too long"):
        model.save(tmp_path / ("o" * 256))
    model.save(tmp_path / ("o" * 255))


def test_inspect(tmp_path):
    table().write_h5ad(tmp_path / "x.h5ad")
    described = scanmf.inspect(tmp_path / "x.h5ad")
    assert described["kind"] == "data" and described["shape"] == [40, 12] and described["format"] == "csr"
    scanmf.NMF(2).fit(table().X).save(tmp_path / "m.h5")
    described = scanmf.inspect(tmp_path / "m.h5")
    assert described["kind"] == "model" and described["n_components"] == 2 and len(described["top_features"]) == 2
    with pytest.raises(scanmf.Error):
        scanmf.inspect(tmp_path / "nothing.h5")


def test_partial_fit_of_the_command_line_goes_on(tmp_path):
    table().write_h5ad(tmp_path / "x.h5ad")
    model = scanmf.MiniBatchNMF(3, random_state=0, n_threads=1).partial_fit(table().X)
    model.save(tmp_path / "m.h5")
    subprocess.run(
        [PROGRAM, "partial-fit",
         str(tmp_path / "x.h5ad"), "--model",
         str(tmp_path / "m.h5"), "--threads", "1"], check=True, capture_output=True)
    again = scanmf.load(tmp_path / "m.h5")
    assert again.n_steps_ == 2
    np.testing.assert_array_equal(again.components_, model.partial_fit(table().X).components_)


@pytest.mark.parametrize("layer", [None, "counts"])
@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("variable", [False, True])
def test_anndata_round_trip(tmp_path, layer, backed, variable):
    adata = table()
    if backed:
        adata.write_h5ad(tmp_path / "x.h5ad")
        adata = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r+")
    scanmf.tl.nmf(adata, 3, layer=layer, use_highly_variable=variable, random_state=0)
    adata.write_h5ad(tmp_path / "out.h5ad") if not backed else adata.copy(tmp_path / "out.h5ad")
    again = anndata.read_h5ad(tmp_path / "out.h5ad")
    X = table().X if layer is None else table().layers[layer]
    features = table().var["highly_variable"].to_numpy() if variable else np.ones(12, bool)
    model = scanmf.NMF(3, random_state=0)
    W = model.fit_transform(X[:, features])
    np.testing.assert_allclose(again.obsm["X_nmf"], W, rtol=1e-9)
    np.testing.assert_allclose(again.varm["NMF"][features], model.components_.T, rtol=1e-9)
    assert (again.varm["NMF"][~features] == 0).all()
    assert again.uns["nmf"]["n_iter"] == model.n_iter_
    assert again.uns["nmf"]["params"]["init"] == "none"


def test_copy_leaves_the_original():
    adata = table()
    changed = scanmf.tl.nmf(adata, 2, copy=True, minibatch=True)
    assert "X_nmf" in changed.obsm and "X_nmf" not in adata.obsm


def test_figures(tmp_path):
    import matplotlib.pyplot as plt

    adata = table()
    scanmf.tl.nmf(adata, 4, random_state=0)
    model = scanmf.NMF(4, random_state=0)
    W = model.fit_transform(adata.to_df())
    model.save(tmp_path / "m.h5", W)
    axes = scanmf.pl.components(model, top=5)
    assert len(axes) == 4 and axes[0].get_yticklabels()[0].get_text().startswith("gene")
    assert len(scanmf.pl.components(tmp_path / "m.h5", image_shape=(3, 4))) == 4
    _, ax = plt.subplots()
    assert scanmf.pl.convergence(model, ax=ax) is ax and len(ax.lines) == 1
    assert ax.collections[0].get_segments()[0][0][1] == model.tol, "of coordinate descent the violation's share"
    assert len(axes[0].get_xticks()) > 1, "weights are told by numbers"
    for tol in (1e-12, 1e-2):
        mu = scanmf.NMF(4, solver="mu", init="random", random_state=0, max_iter=50, tol=tol).fit(adata.X)
        before, last = mu.history_["error"][np.isfinite(mu.history_["error"])][-2:]
        level = scanmf.pl.convergence(mu).collections[0].get_segments()[0][0][1]
        assert mu.converged_ == (tol > 1e-3) == (last > level) and level < before
    for given in (scanmf.pl.usage(adata, "group"), scanmf.pl.usage(tmp_path / "m.h5", adata.obs["group"]),
                  scanmf.pl.usage(model, adata.obs["group"], W=W), scanmf.pl.usage(W)):
        assert given.images
    assert [text.get_text() for text in scanmf.pl.usage(adata, "group").get_yticklabels()] == ["b", "a"]
    with pytest.raises(ValueError, match="does not keep W"):
        scanmf.pl.usage(model)
    with pytest.raises(ValueError, match="no history"):
        scanmf.pl.convergence(scanmf.NMF(2, init="random", solver="mu", tol=0, max_iter=2).fit(adata.X))
    chunks = scanmf.MiniBatchNMF(2, random_state=0).partial_fit(adata.X).partial_fit(adata.X)
    assert list(chunks.history_["iteration"]) == [1, 2] and np.isfinite(chunks.history_["cost"]).all()
    assert scanmf.pl.convergence(chunks).lines
    plt.close("all")
