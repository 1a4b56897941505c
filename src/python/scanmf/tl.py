"""Tools for AnnData, as scanpy's ``sc.tl``."""
from __future__ import annotations

import os
from typing import Any

import numpy as np

from ._minibatch import MiniBatchNMF
from ._nmf import NMF


def nmf(adata: Any, n_components: int, *, layer: str | None = None, use_highly_variable: bool = False,
        key_added: str = "nmf", minibatch: bool = False, copy: bool = False, **params: Any) -> Any:
    """Factor a matrix of an AnnData object and keep the factors in it.

    Parameters
    ----------
    adata : anndata.AnnData
        Cells in rows. One that is backed by a file is read in place, and streamed when it is too large.
    n_components : int
        Number of components.
    layer : str, default=None
        The layer to factor; None: X.
    use_highly_variable : bool, default=False
        Whether to use the features of ``var["highly_variable"]`` alone; the weights of the others are 0.
    key_added : str, default="nmf"
        The results' names: ``obsm["X_nmf"]``, ``varm["NMF"]``, ``uns["nmf"]``.
    minibatch : bool, default=False
        Whether to use `MiniBatchNMF`.
    copy : bool, default=False
        Whether to return a changed copy instead of changing `adata`.
    **params : dict
        More parameters of `NMF` or `MiniBatchNMF`.

    Returns
    -------
    adata : anndata.AnnData or None
        With ``copy``, the copy: W in ``obsm["X_nmf"]`` (n_obs x k), the transposed components in ``varm["NMF"]``
        (n_vars x k), and parameters, error and history in ``uns["nmf"]``.

    Examples
    --------
    >>> import anndata
    >>> import numpy as np
    >>> import scanmf
    >>> adata = anndata.AnnData(np.random.RandomState(0).rand(6, 5), dtype="float64")
    >>> scanmf.tl.nmf(adata, 2, random_state=0)
    >>> adata.obsm["X_nmf"].shape, adata.varm["NMF"].shape
    ((6, 2), (5, 2))
    """
    if copy:
        adata = adata.copy()
    features = np.ones(adata.n_vars, bool)
    if use_highly_variable:
        if "highly_variable" not in adata.var:
            raise KeyError("use_highly_variable needs var['highly_variable'], which this AnnData object does not have")
        features = adata.var["highly_variable"].to_numpy(bool)
    model = (MiniBatchNMF if minibatch else NMF)(n_components, **params)
    W = model.fit_transform(_matrix(adata, layer, features))
    loadings = np.zeros((adata.n_vars, model.n_components_), model.components_.dtype)
    loadings[features] = model.components_.T
    adata.obsm[f"X_{key_added}"] = W
    adata.varm[key_added.upper()] = loadings
    adata.uns[key_added] = {
        "params": _storable(model.get_params(deep=False), layer=layer, use_highly_variable=use_highly_variable),
        "reconstruction_err": float(model.reconstruction_err_),
        "n_iter": int(model.n_iter_),
        "converged": bool(model.converged_),
        "history": {name: np.asarray(values)
                    for name, values in model.history_.items()},
    }
    return adata if copy else None


def _matrix(adata, layer, features):
    """What is factored: the matrix in memory, or its name in the file."""
    if adata.isbacked and features.all() and not adata.is_view:
        return f"{os.fspath(adata.filename)}:/" + ("X" if layer is None else f"layers/{layer}")
    X = adata.X if layer is None else adata.layers[layer]
    if adata.isbacked:
        X = X[:] if not hasattr(X, "to_memory") else X.to_memory()
    return X if features.all() else X[:, features]


def _storable(params, **more):
    """Parameters as an .h5ad file can hold them: None is written "none"."""
    kept = {}
    for name, value in {**params, **more}.items():
        if value is None:
            kept[name] = "none"
        elif isinstance(value, (bool, int, float, str)):
            kept[name] = value
        elif name != "comm":
            kept[name] = str(value)
    return kept
