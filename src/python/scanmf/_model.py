"""Model files, which the command line reads and writes as well."""
from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._arguments import digest, same_everywhere, together
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
    def work():
        check_is_fitted(model)
        rows = None if W is None else _rows_of_W(model, W)
        return os.fspath(path), rows, model._kept()

    with Session(model.comm, model.n_threads, f"{type(model).__name__}.save") as core:
        file, rows, state = together(core, work)
        params = {**model._params(), **getattr(model, "_used", {})}
        same_everywhere(
            core, {
                "path": os.path.abspath(file),
                "W": "none" if rows is None else "given",
                **params, "the components": digest(model.components_),
                "the number of steps": state["n_steps"]
            })
        core.save(file, model._estimator, params, getattr(model, "_seed", None), state, rows, model._names())


def _rows_of_W(model, W):
    W = np.ascontiguousarray(W, model.components_.dtype)
    if W.ndim != 2 or W.shape[1] != model.n_components_:
        raise ValueError(f"W must have one row a sample and {model.n_components_} columns, one a component. "
                         f"Got an array of shape {W.shape} instead.")
    return W


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
    with Session(comm, n_threads, "load") as core:
        path = _path_of_all(core, path)
        state = core.load(path)
    params = state["params"]
    kind = NMF if state["estimator"] == "nmf" else MiniBatchNMF
    model = kind(comm=comm, n_threads=n_threads)
    known = model.get_params(deep=False)
    model.set_params(**{name: value for name, value in params.items() if name in known})
    model._keep(state, None, n_iter_=state["n_iter"], _seed=params.get("random_state"), file_=path)
    return model


def _path_of_all(core, path):
    """The path as a text, the same file on all ranks."""
    path = together(core, lambda: os.fspath(path))
    same_everywhere(core, {"path": os.path.abspath(path)})
    return path


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
    with Session(comm, call="load_W") as core:
        return core.load_W(_path_of_all(core, path))


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a data file or a model holds, as ``scanmf inspect --json`` says it; X and W are not read.

    Parameters
    ----------
    path : str or path-like
        "FILE" or "FILE:/path/in/file".

    Returns
    -------
    description : dict
        "kind" ("data", "model", "checkpoint" or "factors"), shape, types, parameters, top features, ….
    """
    with Session() as core:
        return json.loads(core.inspect(os.fspath(path)))
