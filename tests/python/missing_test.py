"""Missing entries and weights from Python."""
import h5py
import numpy as np
import pytest
import scipy.sparse
from sklearn.utils._tags import _safe_tags

import scanmf


def planted():
    random = np.random.RandomState(1)
    X = random.gamma(1, 1, (60, 3)) @ random.gamma(1, 1, (3, 20))
    return X, random.random_sample(X.shape) > 0.3


def nmf(**parameters):
    return scanmf.NMF(3, random_state=0, max_iter=30, tol=0, **parameters)


def test_nan_in_arrays_is_left_out():
    X, observed = planted()
    hidden = np.where(observed, X, np.nan)
    with pytest.raises(ValueError, match="NaN"):
        nmf(init="random").fit(hidden)
    model = nmf(missing="nan")
    W = model.fit_transform(hidden)
    zeros = nmf(missing="zero")
    np.testing.assert_allclose(zeros.fit_transform(scipy.sparse.csr_matrix(np.where(observed, X, 0))), W, rtol=1e-8)
    sparse = scipy.sparse.csc_matrix(hidden)
    np.testing.assert_allclose(nmf(missing="nan").fit_transform(sparse), W, rtol=1e-8)
    error = np.linalg.norm((X - W @ model.components_)[observed])
    np.testing.assert_allclose(model.reconstruction_err_, error, rtol=1e-8)
    assert model.transform(hidden).shape == W.shape


def test_tag():
    assert not _safe_tags(scanmf.NMF(), "allow_nan") and _safe_tags(scanmf.NMF(missing="nan"), "allow_nan")
    with pytest.raises(ValueError, match="missing"):
        scanmf.NMF(missing="maybe").fit(np.ones((3, 3)))


def test_empty_rows():
    X, observed = planted()
    X[5] = np.nan
    with pytest.raises(ValueError, match="row 5 of X .* missing_empty = 'keep'"):
        nmf(missing="nan").fit(X)
    assert not nmf(missing="nan", missing_empty="keep").fit_transform(X)[5].any()


def test_weights(tmp_path):
    X, _ = planted()
    weights = np.random.RandomState(2).randint(0, 3, 60).astype(float)
    model = nmf(init="random")
    W = model.fit_transform(X, sample_weight=weights)
    error = np.sqrt((weights[:, None] * (X - W @ model.components_)**2).sum())
    np.testing.assert_allclose(model.reconstruction_err_, error, rtol=1e-8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"], file["obs/w"] = X, weights
    for given in (weights, "obs/w", f"{tmp_path}/x.h5:/obs/w"):
        of_file = nmf(init="random").fit(f"{tmp_path}/x.h5", sample_weight=given)
        np.testing.assert_allclose(of_file.components_, model.components_, rtol=1e-10)
    mini = scanmf.MiniBatchNMF(3, random_state=0, init="random", batch_size=20, max_iter=3)
    assert mini.fit(X, sample_weight=weights).components_.max() > 0
    by_steps = scanmf.MiniBatchNMF(3, random_state=0, init="random").partial_fit(X, sample_weight=weights)
    of_file = scanmf.MiniBatchNMF(3, random_state=0, init="random").partial_fit(f"{tmp_path}/x.h5",
                                                                                sample_weight="obs/w")
    np.testing.assert_allclose(of_file.components_, by_steps.components_, rtol=1e-10)
    plain = scanmf.MiniBatchNMF(3, random_state=0, init="random").partial_fit(X)
    assert np.abs(plain.components_ - by_steps.components_).max() > 1e-3
    penalised = nmf(init="random", alpha_W=0.01).fit(X)
    twice = penalised.transform(X, sample_weight=np.full(60, 2.0))
    np.testing.assert_allclose(twice, penalised.set_params(alpha_W=0.005, alpha_H=0.01).transform(X), rtol=1e-9)
    with pytest.raises(ValueError, match="59 numbers for 60 rows"):
        model.fit(X, sample_weight=weights[1:])
    for shape in ((60, 1), (1, 60), ()):
        with pytest.raises(ValueError, match="sample_weight"):
            model.fit(X, sample_weight=np.ones(shape))
    with pytest.raises(ValueError, match="sample weight -1 of row 2"):
        model.fit(X, sample_weight=np.where(np.arange(60) == 2, -1, weights))
