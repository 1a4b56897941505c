"""The classes as their users meet them: input, results, errors, interrupts, scikit-learn's machinery."""
import io
import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings

import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.decomposition as reference
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import scanmf

BOTH = pytest.mark.parametrize("name", ["NMF", "MiniBatchNMF"])
PROGRAM = os.environ["SCANMF_PROGRAM"]


def data(rows=40, columns=12, seed=0):
    return np.random.RandomState(seed).rand(rows, columns)


def python(code, **environment):
    """Runs code in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={
        **os.environ,
        **environment
    })
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f8", ">i4", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_numeric_types_and_orders(dtype, order):
    numbers = (data(150, 20) * 2 * (1 if dtype == "bool" else 50)).astype(dtype)
    X = np.asarray(numbers, order="F" if order == "F" else "C")
    if order == "strided":
        X = np.repeat(np.repeat(numbers, 2, 0), 3, 1)[::2, ::3]
    elif order == "reversed":
        X = np.ascontiguousarray(numbers[::-1, ::-1])[::-1, ::-1]
    plain = np.ascontiguousarray(numbers.astype("f4" if dtype == "f4" else "f8"))
    one = scanmf.NMF(3, random_state=0, max_iter=20, tol=0).fit(X)
    two = scanmf.NMF(3, random_state=0, max_iter=20, tol=0).fit(plain)
    assert one.components_.dtype == plain.dtype
    np.testing.assert_array_equal(one.components_, two.components_)


@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray, sp.csr_matrix])
def test_booleans_are_true_whatever_their_bytes(form):
    numbers = np.random.RandomState(0).randint(0, 4, (150, 20)).astype("u1")
    X = form(numbers if form is sp.csr_matrix else numbers.view(bool))
    if form is sp.csr_matrix:
        X.data = X.data.view(bool)
    one = scanmf.NMF(3, random_state=0, max_iter=20, tol=0).fit(X)
    two = scanmf.NMF(3, random_state=0, max_iter=20, tol=0).fit(form((numbers != 0) * 1.0))
    np.testing.assert_array_equal(one.components_, two.components_)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.lil_matrix, sp.csr_array])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
@pytest.mark.parametrize("wide", [False, True])
def test_sparse_forms(form, dtype, wide):
    X = sp.random(130, 31, 0.2, "csr", random_state=0,
                  data_rvs=lambda n: np.random.RandomState(0).randint(1, 50, n)).astype(dtype)
    given = form(X)
    if wide and hasattr(given, "indptr"):
        given.indices, given.indptr = given.indices.astype("i8"), given.indptr.astype("i8")
    one = scanmf.NMF(4, random_state=0, max_iter=20, tol=0)
    W = one.fit_transform(given)
    two = scanmf.NMF(4, random_state=0, max_iter=20, tol=0).fit(X)
    np.testing.assert_array_equal(one.components_, two.components_)
    ours = reference.NMF(4, random_state=0, max_iter=20, tol=0).fit(X.astype("f8"))
    np.testing.assert_allclose(one.components_, ours.components_, rtol=2e-2 if dtype == "f4" else 1e-6,
                               atol=1e-3 if dtype == "f4" else 1e-9)
    assert W.dtype == (np.float32 if dtype == "f4" else np.float64)


def test_sparse_oddities():
    """Unsorted, repeated and zero entries denote the matrix that scipy says they do."""
    X = sp.csr_matrix((np.array([1.0, 2, 0, 3, 4, 5]), np.array([3, 0, 1, 3, 2, 2]), np.array([0, 3, 4, 6])),
                      shape=(3, 4))
    one = scanmf.NMF(2, init="random", random_state=0).fit(X)
    two = scanmf.NMF(2, init="random", random_state=0).fit(X.toarray())
    np.testing.assert_allclose(one.components_, two.components_, rtol=1e-9)
    broken = X.copy()
    broken.indices = np.array([3, 0, 1, 3, 2, 9], "i4")
    with pytest.raises(ValueError, match="index out of range"):
        scanmf.NMF(2).fit(broken)


@BOTH
def test_pandas_names(name):
    frame = pd.DataFrame(data(), columns=[f"gene {j}" for j in range(12)])
    model = getattr(scanmf, name)(3, random_state=0).set_output(transform="pandas")
    W = model.fit_transform(frame)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert list(W.columns) == [f"{name.lower()}{i}" for i in range(3)]
    assert list(W.index) == list(frame.index)
    with pytest.warns(UserWarning, match="feature names"):
        model.transform(frame.to_numpy())


@BOTH
@pytest.mark.parametrize("integers", [False, True])
def test_features_are_aligned_by_name(name, integers):
    frame = pd.DataFrame(data() * 9, columns=[f"gene {j}" for j in range(12)])
    frame = frame.round().astype(int) if integers else frame
    model = getattr(scanmf, name)(3, random_state=0).fit(frame)
    turned = frame.iloc[:5, ::-1]
    with pytest.raises(ValueError, match="feature names"):
        model.transform(turned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.transform(model.align_features(turned)), model.transform(frame[:5]))
    other = turned.drop(columns=["gene 3"]).assign(new=1)
    with pytest.warns(UserWarning) as told:
        aligned = model.align_features(other)
    assert [str(one.message) for one in told] == [
        "X lacks 1 ('gene 3') of the model's 12 features: they are taken to be 0",
        "the model does not know 1 ('new') of the 12 columns of X: they are left out"
    ]
    assert told[0].filename == __file__
    pd.testing.assert_frame_equal(aligned, frame[:5].assign(**{"gene 3": 0}), check_dtype=False)
    if name == "MiniBatchNMF":
        again = getattr(scanmf, name)(3, random_state=0).fit(frame)
        model.partial_fit(aligned)
        again.partial_fit(frame[:5].assign(**{"gene 3": 0}))
        np.testing.assert_array_equal(model.components_, again.components_)


def test_features_that_cannot_be_aligned():
    frame = pd.DataFrame(data(), columns=[f"gene {j}" for j in range(12)])
    model = scanmf.NMF(3, random_state=0).fit(frame)
    with pytest.raises(TypeError, match="pandas.DataFrame. Got ndarray"):
        model.align_features(frame.to_numpy())
    with pytest.raises(ValueError, match="'gene 1' is twice among the columns of X"):
        model.align_features(frame.rename(columns={"gene 0": "gene 1"}))
    with pytest.raises(ValueError, match="none of the model's features: its first is 'Gene 0', the model's 'gene 0'"):
        model.align_features(frame.rename(columns=str.capitalize))
    with pytest.raises(ValueError, match="the model has no names of features"):
        scanmf.NMF(3, random_state=0).fit(data()).align_features(frame)
    with pytest.raises(NotFittedError):
        scanmf.NMF(3).align_features(frame)


@BOTH
def test_an_anndata_object_is_no_matrix(name):
    import anndata

    adata = anndata.AnnData(data(), dtype="float64")
    model = getattr(scanmf, name)(3, random_state=0)
    calls = [
        model.fit, model.fit_transform,
        model.fit(adata.X).transform, lambda X: scanmf.ensemble(X, [2], replicates=2)
    ]
    calls += [model.partial_fit] if name == "MiniBatchNMF" else [scanmf.non_negative_factorization]
    for call in calls:
        with pytest.raises(TypeError, match=r"adata.X or adata.layers\[NAME\], or call scanmf.tl.nmf"):
            call(adata)


def test_arguments_are_not_changed():
    X = data()
    before = X.copy()
    scanmf.NMF(3, solver="mu").fit(X)
    np.testing.assert_array_equal(X, before)
    X.setflags(write=False)
    scanmf.NMF(3).fit(X)


# -- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", [None, "random", "nndsvd", "nndsvdar"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_generators_as_random_state(init, shuffle):
    """Draws of a RandomState instance, and of numpy's global stream, are scikit-learn's in number and order."""
    X = data()
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    for state in (ours, theirs):
        state.standard_normal(3)  # one normal is kept back
    params = dict(init=init, shuffle=shuffle, max_iter=7, tol=0)
    one = scanmf.NMF(3, random_state=ours, **params)
    two = reference.NMF(3, random_state=theirs, **params)
    np.testing.assert_allclose(one.fit_transform(X), two.fit_transform(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.transform(X), two.transform(X), rtol=1e-6, atol=1e-9)
    assert ours.rand() == theirs.rand()
    np.random.seed(4)
    one = scanmf.NMF(3, **params).fit(X)
    after = np.random.rand()
    np.random.seed(4)
    np.testing.assert_allclose(one.components_, reference.NMF(3, **params).fit(X).components_, rtol=1e-6, atol=1e-9)
    assert after == np.random.rand()


@pytest.mark.parametrize("kind, params", [("NMF", {}), ("NMF", {
    "solver": "mu",
    "beta_loss": 1
}), ("MiniBatchNMF", {
    "batch_size": 10
})])
def test_verbose_is_scikit_learns(kind, params):
    def printed(module):
        text = io.StringIO()
        with contextlib.redirect_stdout(text), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(module, kind)(3, init="random", random_state=0, verbose=1, max_iter=25, **params).fit(data())
        return [[word for word in line.split() if not word[0].isdigit()] for line in text.getvalue().splitlines()]

    assert printed(scanmf) == printed(reference)
    assert printed(scanmf)


def test_custom_arrays_are_overwritten_as_by_scikit_learn():
    X = data()
    for kind, params in (("NMF", {"solver": "cd"}), ("NMF", {"solver": "mu"}), ("MiniBatchNMF", {})):
        kept = []
        for module in (scanmf, reference):
            W, H = data(40, 3, 1), data(3, 12, 2)
            model = getattr(module, kind)(3, init="custom", max_iter=5, tol=0, **params)
            returned = model.fit_transform(X, W=W, H=H)
            kept.append((returned is W, model.components_ is H, W, H))
        assert kept[0][:2] == kept[1][:2], kind
        np.testing.assert_allclose(kept[0][2], kept[1][2], rtol=1e-8)
        np.testing.assert_allclose(kept[0][3], kept[1][3], rtol=1e-8)


@pytest.mark.parametrize(
    "options", [["--estimator", "nmf"], ["--solver", "mu", "--beta-loss", "kullback-leibler", "--init", "random"],
                ["--estimator", "minibatch-nmf", "--batch-size", "16"]])
@pytest.mark.parametrize("form", ["dense", "float32", "csr"])
def test_bits_are_those_of_the_command_line(tmp_path, options, form):
    import anndata

    X = data(70, 21).astype("f4" if form == "float32" else "f8")
    if form == "csr":
        X = sp.random(70, 21, 0.3, "csr", random_state=0)
    anndata.AnnData(X, dtype=X.dtype).write_h5ad(tmp_path / "x.h5ad")
    subprocess.run([
        PROGRAM, "fit",
        str(tmp_path / "x.h5ad"), "-k", "4", "--random-state", "1", "--threads", "2", "--quiet", "-o",
        str(tmp_path / "m.h5"), *options
    ], check=True, capture_output=True)
    loaded = scanmf.load(tmp_path / "m.h5")
    model = clone(loaded).set_params(n_threads=2)
    for x in (X, str(tmp_path / "x.h5ad")):
        W = model.fit_transform(x)
        np.testing.assert_array_equal(model.components_, loaded.components_)
        np.testing.assert_array_equal(W, scanmf.load_W(tmp_path / "m.h5"))
        assert model.reconstruction_err_ == loaded.reconstruction_err_ and model.n_iter_ == loaded.n_iter_
    model.save(tmp_path / "again.h5", W)
    subprocess.run([
        PROGRAM, "transform",
        str(tmp_path / "x.h5ad"), "--model",
        str(tmp_path / "again.h5"), "--threads", "2", "-o",
        str(tmp_path / "w.h5")
    ], check=True, capture_output=True)
    with h5py.File(tmp_path / "w.h5") as file:
        np.testing.assert_array_equal(file["W"][()], model.transform(X))


def test_streamed_under_a_cap(tmp_path):
    """A million rows in a process that may hold a few of them."""
    with h5py.File(tmp_path / "big.h5", "w") as file:
        X = file.create_dataset("X", (10**6, 20), "f4", chunks=(8192, 20))
        for first in range(0, 10**6, 50000):
            X[first:first + 50000] = np.random.RandomState(first).rand(50000, 20)
    peak = int(
        python(f"""
import resource, numpy as np, scanmf
scanmf.NMF(2, max_iter=1).fit(np.ones((3, 3)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = scanmf.MiniBatchNMF(3, init="random", random_state=0, batch_size=20000, max_iter=1, memory="16M").partial_fit(
    np.random.rand(5, 20).astype("f4"))
model = scanmf.NMF(3, init="random", random_state=0, max_iter=3, tol=0, memory="16M").fit({str(tmp_path / 'big.h5')!r})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""))
    assert peak < 60, f"{peak} MB for 80 MB of X with memory='16M'"


# -- errors and interrupts ---------------------------------------------------------------------------------------------


def test_errors_are_scikit_learns():
    X = data()
    with pytest.raises(ValueError, match="The 'n_components' parameter of NMF must be"):
        scanmf.NMF(0).fit(X)
    with pytest.raises(ValueError, match="Negative values in data passed to NMF"):
        scanmf.NMF(2).fit(-X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        scanmf.NMF(2).fit(np.where(X > 0.5, np.nan, X))
    with pytest.raises(ValueError, match="Input X contains infinity"):
        scanmf.NMF(2).fit(np.where(X > 0.5, np.inf, X))
    with pytest.raises(NotFittedError):
        scanmf.NMF(2).transform(X)
    with pytest.raises(ValueError, match="solver 'cd' does not handle beta_loss = 'kullback-leibler'"):
        scanmf.NMF(2, beta_loss="kullback-leibler").fit(X)
    with pytest.raises(ValueError, match="expecting 12 features"):
        scanmf.NMF(2).fit(X).transform(X[:, 1:])
    with pytest.raises(TypeError, match="same dtype as X"):
        scanmf.NMF(2, init="custom").fit(X, W=data(40, 2).astype("f4"), H=data(2, 12))
    with pytest.raises(ValueError, match="memory must be"):
        scanmf.NMF(2, memory="plenty").fit(X)
    with pytest.raises(ValueError, match="MT19937"):
        scanmf.NMF(2, random_state=np.random.RandomState(np.random.PCG64(0))).fit(X)
    with pytest.raises(TypeError, match="comm must be"):
        scanmf.NMF(2, comm="world").fit(X)
    with pytest.raises(ValueError, match="nowhere.h5"):
        scanmf.NMF(2).fit("nowhere.h5")
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 1 reached"):
        scanmf.NMF(2, max_iter=1).fit(X)


def interrupt_after(seconds):
    import signal

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@BOTH
def test_interrupts_leave_no_half_state(name):
    X = data(500, 100)
    model = getattr(scanmf, name)(5, random_state=0, max_iter=3).fit(X)
    before = pickle.dumps(model)
    model.set_params(max_iter=10**7, tol=0)
    if name == "MiniBatchNMF":
        model.set_params(max_no_improvement=None)
    interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    model.set_params(**pickle.loads(before).get_params())
    assert pickle.dumps(model) == before
    model.set_params(max_iter=10**7, tol=0)
    interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        model.transform(X) if name == "NMF" else model.set_params(max_no_improvement=None).fit(X)


@BOTH
def test_refused_fits_leave_no_half_state(name, monkeypatch):
    """Of columns and their names, too."""
    table = pd.DataFrame(data(20, 3), columns=list("abc"))
    wider = pd.DataFrame(-data(20, 5), columns=list("uvwxy"))
    fresh = getattr(scanmf, name)(2)
    with pytest.raises(ValueError, match="Negative values"):
        fresh.fit(wider)
    if name == "MiniBatchNMF":
        with pytest.raises(ValueError, match="Negative values"):
            fresh.partial_fit(wider)
    assert not [attribute for attribute in vars(fresh) if attribute.endswith("_")]
    model = getattr(scanmf, name)(2).fit(table)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(ValueError, match="Negative values"):
        model.fit(wider)
    with monkeypatch.context() as patch:
        patch.setattr(scanmf._session.Progress, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(-wider)
    assert model.n_features_in_ == 3 and list(model.feature_names_in_) == list("abc")
    model.transform(table)


def test_sizes_and_checkpoints_are_texts_of_the_library(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = data()
    for memory in ("500M", "1.5GiB", "1GB", 10**9, "1000000000", "auto", "none", None):
        scanmf.NMF(2, memory=memory, max_iter=5).fit(str(tmp_path / "x.h5"))
    for memory in ("1e9", "5k", "0", "-4G", "nan", "4Gi", "500M ", "", "inf"):
        with pytest.raises(ValueError, match="memory must be"):
            scanmf.NMF(2, memory=memory).fit(str(tmp_path / "x.h5"))
    with pytest.raises(ValueError, match="checkpoint must be the name of a file"):
        scanmf.NMF(2, checkpoint="").fit(data())


def test_what_progress_throws_comes_out(monkeypatch):
    def fails(*_):
        raise RuntimeError("printer on fire")

    monkeypatch.setattr("builtins.print", fails)
    with pytest.raises(RuntimeError, match="on fire"):
        scanmf.NMF(3, verbose=1).fit(data())


# -- scikit-learn's machinery ------------------------------------------------------------------------------------------


@BOTH
def test_pickle_clone_and_joblib(name, tmp_path):
    X = data()
    model = getattr(scanmf, name)(3, random_state=0).fit(X)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib", mmap_mode="r")):
        np.testing.assert_array_equal(again.transform(X), model.transform(X))
        if name == "MiniBatchNMF":
            np.testing.assert_array_equal(
                again.partial_fit(X).components_,
                pickle.loads(pickle.dumps(model)).partial_fit(X).components_)
    assert not hasattr(clone(model), "components_")


def test_searches_pipelines_and_workers():
    X = data(60, 12)
    y = (X[:, 0] > 0.5).astype(int)
    pipeline = make_pipeline(scanmf.NMF(2, random_state=0, n_threads=1), LogisticRegression())
    search = GridSearchCV(pipeline, {"nmf__n_components": [2, 3]}, cv=2, n_jobs=2).fit(X, y)
    assert search.best_params_["nmf__n_components"] in (2, 3)
    assert len(cross_val_score(pipeline, X, y, cv=3)) == 3
    columns = ColumnTransformer([("parts", scanmf.MiniBatchNMF(2, random_state=0), [0, 1, 2, 3])], remainder="drop")
    assert columns.fit_transform(X).shape == (60, 2)


def test_threads_of_python_take_turns():
    X = data(200, 30)
    expected = scanmf.NMF(4, random_state=0, n_threads=1).fit(X).components_
    found = [None] * 6

    def work(i):
        found[i] = scanmf.NMF(4, random_state=0, n_threads=1).fit(X).components_

    workers = [threading.Thread(target=work, args=(i, )) for i in range(6)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    for components in found:
        np.testing.assert_array_equal(components, expected)


def test_forked_workers():
    """Before the first fit a fork is like any process; after it, it is refused in words."""
    code = """
import multiprocessing, numpy as np, scanmf
def work(seed):
    try:
        return scanmf.NMF(2, random_state=seed).fit(np.random.RandomState(0).rand(9, 4)).components_.shape
    except RuntimeError as error:
        return str(error)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(2)))
work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(2))[0])
"""
    first, second = python(code).splitlines()
    assert first == "[(2, 4), (2, 4)]" and "forked" in second and "loky" in second


def test_two_estimators_live_side_by_side():
    X, Y = data(30, 6), data(50, 9, 1)
    one, two = scanmf.NMF(2, random_state=0).fit(X), scanmf.MiniBatchNMF(3, random_state=0).fit(Y)
    assert one.transform(X).shape == (30, 2) and two.partial_fit(Y).transform(Y).shape == (50, 3)
    np.testing.assert_array_equal(one.components_, scanmf.NMF(2, random_state=0).fit(X).components_)


@pytest.mark.parametrize("first, second", [("h5py", "scanmf"), ("scanmf", "h5py"), ("mpi4py.MPI", "scanmf"),
                                           ("scanmf", "mpi4py.MPI")])
def test_beside_other_hdf5_and_mpi(first, second, tmp_path):
    """h5py brings an HDF5 of its own, mpi4py may have initialised MPI or find it so."""
    python(f"""
import {first}, {second}, h5py, numpy as np, scanmf
X = np.random.RandomState(0).rand(9, 4)
with h5py.File({str(tmp_path / 'x.h5')!r}, "w") as file:
    file["X"] = X
    file["other"] = X[0]
model = scanmf.NMF(2, random_state=0)
W = model.fit_transform({str(tmp_path / 'x.h5')!r})
model.save({str(tmp_path / 'm.h5')!r}, W)
with h5py.File({str(tmp_path / 'm.h5')!r}) as file:
    assert (file["H"][()] == model.components_).all() and (file["W"][()] == W).all()
from mpi4py import MPI
assert (scanmf.NMF(2, random_state=0, comm=MPI.COMM_WORLD).fit_transform(X) == W).all()
""")


def test_numpys_threads_are_left_alone():
    print(
        python("""
import ctypes, numpy as np, scanmf
blas = ctypes.CDLL("libopenblas.so.0")
before = blas.openblas_get_num_threads()
scanmf.NMF(2).fit(np.random.rand(9, 4))
assert blas.openblas_get_num_threads() == before
"""))


def test_a_bar_is_closed_however_the_fit_ends(monkeypatch):
    closed = []

    class Bar:
        n = 0
        set_postfix_str = update = lambda self, *_, **__: None

        def close(self):
            closed.append(self)

    monkeypatch.setattr(scanmf._session, "_bar", lambda what: Bar())
    scanmf.NMF(2, random_state=0).fit(data())
    assert len(closed) == 1
    monkeypatch.setattr(Bar, "set_postfix_str", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        scanmf.NMF(2, random_state=0).fit(data())
    assert len(closed) == 2


def test_other_threads_of_python_run_meanwhile():
    """Without the interpreter's lock released they would stand still from the first iteration to the last."""
    X, ended, beats = data(3000, 300), threading.Event(), []
    scanmf.NMF(2, max_iter=1, tol=0).fit(data())  # the first fit of a process starts MPI, with the lock held

    def work():
        while not ended.wait(0.005):
            beats.append(time.perf_counter())

    other = threading.Thread(target=work)
    other.start()
    began = time.perf_counter()
    model = scanmf.NMF(8, random_state=0, init="random", max_iter=300, tol=0, n_threads=1, verbose=0).fit(X)
    spent = model.history_["seconds"].sum()
    ended.set()
    other.join()
    pauses = np.diff([began, *beats, time.perf_counter()])
    assert pauses.max() < 0.5 * spent, f"a pause of {pauses.max():.3f} s in a fit of {spent:.3f} s"
