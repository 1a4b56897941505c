"""Model files, which the command line reads and writes as well."""
from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._minibatch import MiniBatchNMF
from ._nmf import NMF
from ._session import Session


def save(model: NMF | MiniBatchNMF, path: str | os.PathLike[str], W: Any = None) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    model : NMF or MiniBatchNMF
        A fitted estimator. With a communicator of several ranks all of them must call this.
    path : str or path-like
        An existing file is replaced when the new one is complete.
    W : array-like of shape (n_samples, n_components), default=None
        What `fit_transform` has returned (this rank's rows), to be kept in the file as well.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import scanmf
    >>> X = np.random.RandomState(0).rand(6, 5)
    >>> model = scanmf.NMF(2, random_state=0)
    >>> W = model.fit_transform(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "model.h5")
    ...     scanmf.save(model, file, W)
    ...     again = scanmf.load(file)
    ...     same = scanmf.load_W(file)
    >>> bool((again.components_ == model.components_).all() and (same == W).all())
    True
    """
    check_is_fitted(model)
    names = [str(name) for name in getattr(model, "feature_names_in_", [])]
    rows = None if W is None else np.ascontiguousarray(W, model.components_.dtype)
    with Session(model.comm, model.n_threads) as core:
        core.save(os.fspath(path), model._estimator, model._params(), getattr(model, "_seed", None), model._kept(),
                  rows, names)


def load(path: str | os.PathLike[str], *, comm: Any = None, n_threads: int | None = None) -> NMF | MiniBatchNMF:
    """A fitted estimator from a model file of `save` or of the command line.

    Parameters
    ----------
    path : str or path-like
        The model file.
    comm : mpi4py.MPI.Intracomm, default=None
        The ranks that the estimator is to work with; all of them must call this.
    n_threads : int, default=None
        Its threads.

    Returns
    -------
    model : NMF or MiniBatchNMF
        As it was after fit or partial_fit; ``file_`` says where it comes from.
    """
    path = os.fspath(path)
    with Session(comm, n_threads) as core:
        state = core.load(path)
    params = state["params"]
    kind = NMF if state["estimator"] == "nmf" else MiniBatchNMF
    model = kind(comm=comm, n_threads=n_threads)
    known = model.get_params(deep=False)
    model.set_params(**{name: value for name, value in params.items() if name in known})
    if isinstance(params.get("random_state"), int):
        model._seed = params["random_state"]
    model._keep(state, path)
    model.n_iter_ = state["n_iter"]
    if state["n_steps"] is not None:
        model.n_steps_ = state["n_steps"]
    model.reconstruction_err_ = state["reconstruction_err"]
    model.file_ = path
    return model


def load_W(path: str | os.PathLike[str], *, comm: Any = None) -> np.ndarray:
    """W of a model file.

    Parameters
    ----------
    path : str or path-like
        The model file.
    comm : mpi4py.MPI.Intracomm, default=None
        The ranks that share its rows, in order; all of them must call this.

    Returns
    -------
    W : ndarray of shape (n_samples, n_components)
        All rows, or this rank's equal share of them.
    """
    with Session(comm) as core:
        return core.load_W(os.fspath(path))


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a data file or a model holds, as ``scanmf inspect --json`` says it; X and W are not read.

    Parameters
    ----------
    path : str or path-like
        "FILE" or "FILE:/path/in/file".

    Returns
    -------
    description : dict
        "kind" ("data", "model" or "factors"), shape, types, parameters, top features, ….
    """
    with Session() as core:
        return json.loads(core.inspect(os.fspath(path)))
