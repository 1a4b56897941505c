"""Fits that are interrupted, killed or out of time go on from their checkpoints to the bits of an undisturbed fit."""
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

import scanmf
from scanmf import _session

PROGRAM = os.environ["SCANMF_PROGRAM"]
FITS = {
    "cd": (scanmf.NMF, dict(init="random", shuffle=True, max_iter=12)),
    "mu": (scanmf.NMF, dict(solver="mu", beta_loss="kullback-leibler", max_iter=12)),
    "mini-batches": (scanmf.MiniBatchNMF, dict(batch_size=16, max_iter=3, max_no_improvement=None)),
}


def data(rows=60, columns=14):
    return np.random.RandomState(1).rand(rows, columns)


def estimator(name, **more):
    kind, params = FITS[name]
    return kind(3, tol=0, n_threads=1, **{**params, **more})


def fitted(model, X):
    return model.fit_transform(X), model


def interrupt_at(monkeypatch, iteration):
    """The fits that follow are interrupted after this iteration."""
    def call(self, done, *_):
        if done == iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(_session.Progress, "__call__", call)


def same(one, two):
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1].components_, two[1].components_)
    assert one[1].n_iter_ == two[1].n_iter_ and one[1].reconstruction_err_ == two[1].reconstruction_err_
    for name, values in one[1].history_.items():
        assert name == "seconds" or np.array_equal(values, two[1].history_[name], equal_nan=True), name


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("form", ["dense", "csr", "file"])
def test_interrupted_fits_go_on(name, form, tmp_path, monkeypatch):
    X = data() if form != "csr" else sp.csr_matrix(data() * (data() > 0.6))
    if form == "file":
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["X"] = X
        X = str(tmp_path / "x.h5")
    expected = fitted(estimator(name, random_state=2), X)
    kept = dict(checkpoint=tmp_path / "state", checkpoint_every=2)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        model = estimator(name, random_state=2, **kept)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
        assert not hasattr(model, "components_") and (tmp_path / "state").exists()
    same(fitted(estimator(name, random_state=2, resume="require", **kept), X), expected)
    assert os.listdir(tmp_path) == (["x.h5"] if form == "file" else [])


@pytest.mark.parametrize("instance", [True, False])
def test_generators_go_on_where_they_stood(instance, tmp_path, monkeypatch):
    """The draws after the start, and those of the caller after the fit, are those of an undisturbed fit."""
    X = data()

    def generator(seed):
        np.random.seed(seed)
        return np.random.RandomState(seed) if instance else None

    def draw(of):
        return (np.random if of is None else of).rand()

    first = generator(3)
    expected = fitted(estimator("cd", random_state=first), X)
    afterwards = draw(first)
    kept = dict(checkpoint=tmp_path / "state", checkpoint_every=2)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            estimator("cd", random_state=generator(3), **kept).fit(X)
    if instance:
        with pytest.raises(ValueError, match="random_state"):
            estimator("cd", random_state=generator(4), **kept).fit(X)
        with pytest.raises(ValueError, match="random_state"):
            estimator("cd", random_state=3, **kept).fit(X)
    again = generator(3 if instance else 4)
    same(fitted(estimator("cd", random_state=again, resume="require", **kept), X), expected)
    assert draw(again) == afterwards


def test_killed_fits_go_on(tmp_path):
    X = data(400, 30)
    np.save(tmp_path / "x.npy", X)
    code = f"""
import numpy as np, scanmf
scanmf.NMF(4, init="random", random_state=0, tol=0, max_iter=4000, n_threads=1, checkpoint={str(tmp_path / 'state')!r},
           checkpoint_every=1).fit(np.load({str(tmp_path / 'x.npy')!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        while not (tmp_path / "state.prev").exists():
            assert child.poll() is None, "the fit ended before it could be killed"
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    params = dict(init="random", random_state=0, tol=0, n_threads=1)
    with h5py.File(tmp_path / "state") as file:
        done = int(file.attrs["n_iter"])
        assert 2 <= done
    params["max_iter"] = done + 3
    model = scanmf.NMF(4, checkpoint=tmp_path / "state", resume="require", **params)
    same(fitted(model, X), fitted(scanmf.NMF(4, **params), X))


def test_other_fits_are_refused(tmp_path, monkeypatch):
    X = data()
    kept = dict(checkpoint=tmp_path / "state", checkpoint_every=1, random_state=0)
    with pytest.raises(ValueError, match="no checkpoint"):
        estimator("mu", resume="require", **kept).fit(X)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            estimator("mu", **kept).fit(X)
    other = X.copy()
    other[7, 3] += 1e-9
    for model, given, what in (
        (estimator("mu", **kept), other, "X is"),
        (estimator("mu", **kept), X.astype("f4"), "dtype is"),
        (estimator("mu", alpha_W=0.5, **kept), X, "alpha_W is"),
        (estimator("mu", **dict(kept, random_state=1)), X, "random_state is"),
        (estimator("mini-batches", **kept), X, "estimator is"),
    ):
        with pytest.raises(ValueError, match=what):
            model.fit(given)
    for same_matrix in (np.asfortranarray(X), X[::-1].copy()[::-1]):
        assert estimator("mu", **kept).set_params(max_iter=3).fit(same_matrix).n_iter_ == 3
        interrupt_at(monkeypatch, 2)
        with pytest.raises(KeyboardInterrupt):
            estimator("mu", **kept).fit(X)
        monkeypatch.undo()


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("form", ["rows", "file"])
def test_fits_from_other_factors_are_refused(name, form, tmp_path, monkeypatch):
    X = data()
    if form == "file":
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["X"] = X
        X = str(tmp_path / "x.h5")
    random = np.random.RandomState(3)
    W, H = random.rand(60, 3) + 0.1, random.rand(3, 14) + 0.1

    def fitted_from(W, H, **more):
        model = estimator(name, **{"random_state": 0, "max_iter": 12, **more, "init": "custom"})
        return model.fit_transform(X, W=W.copy(), H=H.copy()), model

    expected = fitted_from(W, H)
    kept = dict(checkpoint=tmp_path / "state", checkpoint_every=1)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            fitted_from(W, H, **kept)
    for W_now, H_now in ((W, H + 1e-9), (W[::-1], H)):
        for resume in ("auto", "require", "never"):
            with pytest.raises(ValueError, match="the start .W and H of init custom. is W 60 x 3"):
                fitted_from(W_now, H_now, resume=resume, **kept)
    same(fitted_from(np.asfortranarray(W), np.asfortranarray(H), resume="require", **kept), expected)


def test_the_command_line_knows_the_factors_of_python(tmp_path, monkeypatch):
    random = np.random.RandomState(3)
    W, H = random.rand(60, 3) + 0.1, random.rand(3, 14) + 0.1
    for name, start in (("x", dict(X=data())), ("start", dict(W=W, H=H)), ("other", dict(W=W, H=H + 1e-9))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.update(start)
    X = str(tmp_path / "x.h5")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            estimator("mu", random_state=0, init="custom", checkpoint=tmp_path / "state").fit(X, W=W.copy(), H=H.copy())

    def go_on(start):
        return subprocess.run([
            PROGRAM, "fit", X, "-k", "3", "--init", "custom", "--init-file", tmp_path / start, "--solver", "mu",
            "--beta-loss", "kullback-leibler", "--tol", "0", "--max-iter", "12", "--random-state", "0", "--threads",
            "1", "--checkpoint", tmp_path / "state", "--resume", "require", "-o", tmp_path / "m.h5"
        ], capture_output=True, text=True)

    assert "the start (W and H of init custom)" in go_on("other.h5").stderr
    found = go_on("start.h5")
    assert found.returncode == 0 and "going on from" in found.stderr, found.stderr


def test_stopped_in_time_and_by_the_file(tmp_path):
    X = data()
    expected = fitted(estimator("mu", random_state=0), X)
    kept = dict(checkpoint=tmp_path / "state", random_state=0)
    (tmp_path / "STOP").touch()
    with pytest.raises(scanmf.Stopped, match="after iteration 1 .*STOP.*the same fit again goes on"):
        estimator("mu", **kept).fit(X)
    assert not (tmp_path / "STOP").exists()
    with pytest.raises(scanmf.Stopped, match="time limit is near"):
        estimator("mu", max_time="1s", **kept).fit(X)
    same(fitted(estimator("mu", resume="require", **kept), X), expected)


def test_the_command_line_goes_on_with_a_fit_of_python(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = data()
    X = str(tmp_path / "x.h5")
    expected = fitted(estimator("cd", random_state=0), X)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            estimator("cd", random_state=0, checkpoint=tmp_path / "state").fit(X)
    subprocess.run([
        PROGRAM, "fit", X, "-k", "3", "--init", "random", "--shuffle", "--tol", "0", "--max-iter", "12",
        "--random-state", "0", "--threads", "1", "--checkpoint", tmp_path / "state", "--resume", "require", "-o",
        tmp_path / "m.h5"
    ], check=True, capture_output=True)
    same((scanmf.load_W(tmp_path / "m.h5"), scanmf.load(tmp_path / "m.h5")), expected)


def test_words_that_are_wrong(tmp_path):
    X = data()
    for params in (dict(checkpoint_every=5), dict(resume="require"), dict(max_time="8h")):
        with pytest.raises(ValueError, match="needs checkpoint=FILE"):
            scanmf.NMF(2, **params).fit(X)
    kept = dict(checkpoint=tmp_path / "state")
    with pytest.raises(ValueError, match="checkpoint_every must be a time"):
        scanmf.NMF(2, checkpoint_every="often", **kept).fit(X)
    with pytest.raises(ValueError, match="max_time must be"):
        scanmf.NMF(2, max_time="long", **kept).fit(X)
    with pytest.raises(ValueError, match="resume"):
        scanmf.NMF(2, resume="perhaps", **kept).fit(X)
    (tmp_path / "state").write_text("somebody's")
    with pytest.raises(ValueError, match="state"):
        scanmf.NMF(2, **kept).fit(X)
    assert (tmp_path / "state").read_text() == "somebody's"
