"""scikit-learn's function non_negative_factorization."""
from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import DEFAULT_N_COMPONENTS
from ._nmf import NMF


def non_negative_factorization(X: Any, W: Any = None, H: Any = None,
                               n_components: int | str | None = DEFAULT_N_COMPONENTS, *, init: str | None = None,
                               update_H: bool = True, solver: str = "cd", beta_loss: float | str = "frobenius",
                               tol: float = 1e-4, max_iter: int = 200, alpha_W: float = 0.0,
                               alpha_H: float | str = "same", l1_ratio: float = 0.0, random_state: Any = None,
                               verbose: int = 0, shuffle: bool = False, acceleration: str | None = None,
                               comm: Any = None, n_threads: int | None = None,
                               memory: str | int | None = "auto") -> tuple[np.ndarray, np.ndarray, int]:
    """W and H of X, as scikit-learn's function of this name; the parameters are those of `NMF`.

    Parameters
    ----------
    X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
        As in `NMF.fit`.
    W : array-like of shape (n_samples, n_components), default=None
        Initial W for ``init="custom"``.
    H : array-like of shape (n_components, n_features), default=None
        Initial H for ``init="custom"``; with ``update_H=False`` H as it stays.
    n_components, init, solver, beta_loss, tol, max_iter, alpha_W, alpha_H, l1_ratio, random_state, verbose, shuffle, \
acceleration, comm, n_threads, memory : object
        As in `NMF`.
    update_H : bool, default=True
        False: solve for W alone.

    Returns
    -------
    W : ndarray of shape (n_samples, n_components)
        Solved for.
    H : ndarray of shape (n_components, n_features)
        Solved for, or as given.
    n_iter : int
        Iterations done.

    Examples
    --------
    >>> import numpy as np
    >>> from scanmf import non_negative_factorization
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> W, H, n_iter = non_negative_factorization(X, n_components=2, init="random", random_state=0)
    >>> W.shape, H.shape
    ((6, 2), (2, 2))
    """
    model = NMF(n_components, init=init, solver=solver, beta_loss=beta_loss, tol=tol, max_iter=max_iter,
                random_state=random_state, alpha_W=alpha_W, alpha_H=alpha_H, l1_ratio=l1_ratio, verbose=verbose,
                shuffle=shuffle, acceleration=acceleration, comm=comm, n_threads=n_threads, memory=memory)
    if update_H:
        W = model._fit(X, W=W, H=H)
        return W, model.components_, model.n_iter_
    return model._transform(X, H=H, reset=True)
