"""scikit-learn's MiniBatchNMF."""
from __future__ import annotations

import os
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval

from ._arguments import DEFAULT_N_COMPONENTS, into, same_everywhere
from ._base import BaseNMF

if TYPE_CHECKING:
    from typing_extensions import Self


class MiniBatchNMF(BaseNMF):
    """Non-negative matrix factorisation by mini-batches, as scikit-learn's class of this name.

    Always by multiplicative updates; X is taken in consecutive batches of rows, and `partial_fit` learns from chunks.

    Parameters
    ----------
    n_components : int, None or "auto", default="auto" (None before scikit-learn 1.6)
        Number of components; None: as many as features; "auto": rows of a custom H, else as many as features.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}, default=None
        How W and H begin; None: "nndsvda" if n_components <= min(n_samples, n_features), else "random".
    batch_size : int, default=1024
        Rows of a batch.
    beta_loss : float or {"frobenius", "kullback-leibler", "itakura-saito"}, default="frobenius"
        The beta divergence that is minimised.
    tol : float, default=1e-4
        Stop when H changes less than this between two steps, relative to its norm; 0: never.
    max_no_improvement : int, default=10
        Stop after so many batches without an improvement of the smoothed cost; None: never.
    max_iter : int, default=200
        Most passes over X.
    alpha_W : float, default=0.0
        Weight of the penalties on W.
    alpha_H : float or "same", default="same"
        Weight of the penalties on H.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalties.
    forget_factor : float, default=0.7
        How much of past batches is kept; 1: all of it.
    fresh_restarts : bool, default=False
        Whether W is solved for from scratch in each step.
    fresh_restarts_max_iter : int, default=30
        Most updates of W in such a step.
    transform_max_iter : int, default=None
        Most updates of W in transform; None: max_iter.
    random_state : int, RandomState instance or None, default=None
        For random starts; the draws are numpy's, in scikit-learn's order. None: numpy's global stream.
    verbose : int, default=0
        Whether to print scikit-learn's lines.
    svd : {"randomized", "exact"}, default="randomized"
        As in `NMF`.
    random_generator : {"auto", "numpy", "counter"}, default="auto"
        As in `NMF`.
    missing : {"nan", "zero"}, default=None
        Entries of X that were not observed and are left out of every sum: NaN, or "zero": only what is stored and not 0
        is observed. None: NaN is refused.
    missing_empty : {"refuse", "keep"}, default="refuse"
        Rows and columns without observed entries: an error, or factors of 0.
    strata : int or "auto", default="auto"
        Parts of a pass over X in which its sums are formed, the most threads of all ranks that share one; "auto": by X
        alone. Results depend on them, but not on ranks and threads.
    comm : mpi4py.MPI.Intracomm, default=None
        As in `NMF`.
    n_threads : int, default=None
        As in `NMF`.
    memory : str or int, default="auto"
        As in `NMF`.
    checkpoint, checkpoint_every, resume, max_time : object
        As in `NMF`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_ : int
        Rows of H.
    reconstruction_err_ : float
        As in `NMF`; not after `partial_fit`.
    n_iter_ : int
        Passes over X that were begun.
    n_steps_ : int
        Mini-batches that were processed.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, when X has them.
    history_ : dict of ndarray
        One entry a step: "iteration", "seconds", "cost", "smoothed_cost", "h_change".
    converged_ : bool
        False when max_iter ended the fit.
    sample_range_ : tuple of int, or None
        Of X that is a file: the rows of it that fit_transform has returned, and transform would, [begin, end).

    See Also
    --------
    NMF : The same by passes over all of X.

    Examples
    --------
    >>> import numpy as np
    >>> from scanmf import MiniBatchNMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> model = MiniBatchNMF(n_components=2, init="random", random_state=0)
    >>> model.fit_transform(X).shape
    (6, 2)
    >>> model.partial_fit(X).n_components_
    2
    """

    _parameter_constraints: dict = {
        **BaseNMF._parameter_constraints,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_no_improvement": [Interval(Integral, 1, None, closed="left"), None],
        "forget_factor": [Interval(Real, 0, 1, closed="both")],
        "fresh_restarts": ["boolean"],
        "fresh_restarts_max_iter": [Interval(Integral, 1, None, closed="left")],
        "transform_max_iter": [Interval(Integral, 1, None, closed="left"), None],
    }
    _estimator = "minibatch-nmf"
    n_steps_: int

    def __init__(self, n_components: int | str | None = DEFAULT_N_COMPONENTS, *, init: str | None = None,
                 batch_size: int = 1024, beta_loss: float | str = "frobenius", tol: float = 1e-4,
                 max_no_improvement: int | None = 10, max_iter: int = 200, alpha_W: float = 0.0,
                 alpha_H: float | str = "same", l1_ratio: float = 0.0, forget_factor: float = 0.7,
                 fresh_restarts: bool = False, fresh_restarts_max_iter: int = 30, transform_max_iter: int | None = None,
                 random_state: Any = None, verbose: int = 0, svd: str = "randomized", random_generator: str = "auto",
                 missing: str | None = None, missing_empty: str = "refuse", strata: int | str = "auto",
                 comm: Any = None, n_threads: int | None = None, memory: str | int | None = "auto",
                 checkpoint: str | os.PathLike[str] | None = None, checkpoint_every: str | int = "15min",
                 resume: str = "auto", max_time: str | None = "auto") -> None:
        super().__init__(n_components, init=init, beta_loss=beta_loss, tol=tol, max_iter=max_iter,
                         random_state=random_state, alpha_W=alpha_W, alpha_H=alpha_H, l1_ratio=l1_ratio,
                         verbose=verbose, svd=svd, random_generator=random_generator, missing=missing,
                         missing_empty=missing_empty, strata=strata, comm=comm, n_threads=n_threads, memory=memory,
                         checkpoint=checkpoint, checkpoint_every=checkpoint_every, resume=resume, max_time=max_time)
        self.batch_size = batch_size
        self.max_no_improvement = max_no_improvement
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter

    def partial_fit(self, X: Any, y: Any = None, W: Any = None, H: Any = None, sample_weight: Any = None) -> Self:
        """One step on a chunk of X, which may follow a fit or other chunks.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            As in `fit`.
        y : Ignored
            For scikit-learn's conventions.
        W : array-like of shape (n_samples, n_components), default=None
            For ``init="custom"``, in the first call.
        H : array-like of shape (n_components, n_features), default=None
            For ``init="custom"``, in the first call; holds the components from then on, as in scikit-learn.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            As in `fit_transform`, of this chunk.

        Returns
        -------
        self : object
            The estimator.
        """
        first = not hasattr(self, "components_")
        with self._session("partial_fit") as core:
            call = self._checked(core, X, W=W, H=H, reset=first, sample_weight=sample_weight)
            same_everywhere(core, {"the number of steps": getattr(self, "n_steps_", 0)})
            state = core.partial_fit(call.x, self._params(),
                                     call.seed.given(core), call.W, call.H, None if first else self._kept(),
                                     self._names(), None, call.memory, call.sample_weight)
        if first:
            call.seed.taken(state["random_state"])
        if call.H is not None or not first:
            state["components"] = into(H if first else self.components_, state["components"])
        self._keep(state, call.names, X, **({"_seed": state["seed"], "_used": state["used"]} if first else {}))
        return self
