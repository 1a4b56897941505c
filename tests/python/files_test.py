"""Model files, AnnData and figures."""
import os
import subprocess

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scanmf

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
PROGRAM = os.environ.get("SCANMF_PROGRAM")


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
    assert again.get_params() == model.get_params()
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


@pytest.mark.skipif(PROGRAM is None, reason="the program was not built")
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
    plt = pytest.importorskip("matplotlib.pyplot")
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
    for given in (scanmf.pl.usage(adata, "group"), scanmf.pl.usage(tmp_path / "m.h5", adata.obs["group"]),
                  scanmf.pl.usage(model, adata.obs["group"], W=W), scanmf.pl.usage(W)):
        assert given.images
    assert [text.get_text() for text in scanmf.pl.usage(adata, "group").get_yticklabels()] == ["b", "a"]
    with pytest.raises(ValueError, match="does not keep W"):
        scanmf.pl.usage(model)
    with pytest.raises(ValueError, match="no history"):
        scanmf.pl.convergence(scanmf.MiniBatchNMF(2).partial_fit(adata.X))
    plt.close("all")
