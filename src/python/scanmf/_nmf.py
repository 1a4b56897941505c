"""scikit-learn's NMF."""
from __future__ import annotations

import os
from typing import Any

from sklearn.utils._param_validation import StrOptions

from ._arguments import DEFAULT_N_COMPONENTS
from ._base import BaseNMF


class NMF(BaseNMF):
    """Non-negative matrix factorisation by passes over all of X, as scikit-learn's class of this name.

    Finds W (n_samples x n_components) and H (n_components x n_features), both non-negative, whose product approximates
    X, by coordinate descent or by multiplicative updates.

    Parameters
    ----------
    n_components : int, None or "auto", default="auto" (None before scikit-learn 1.6)
        Number of components; None: as many as features; "auto": rows of a custom H, else as many as features.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}, default=None
        How W and H begin; None: "nndsvda" if n_components <= min(n_samples, n_features), else "random".
    solver : {"cd", "mu"}, default="cd"
        Coordinate descent or multiplicative updates.
    beta_loss : float or {"frobenius", "kullback-leibler", "itakura-saito"}, default="frobenius"
        The beta divergence that is minimised; others than "frobenius" need ``solver="mu"``.
    tol : float, default=1e-4
        Tolerance of the stop rule.
    max_iter : int, default=200
        Most iterations.
    random_state : int, RandomState instance or None, default=None
        For random starts and shuffling; the draws are numpy's, in scikit-learn's order. None: numpy's global stream.
    alpha_W : float, default=0.0
        Weight of the penalties on W.
    alpha_H : float or "same", default="same"
        Weight of the penalties on H.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalties.
    verbose : int, default=0
        Whether to print scikit-learn's lines. Without, a progress bar appears in interactive sessions where tqdm is
        installed.
    shuffle : bool, default=False
        Whether coordinate descent visits components in random order.
    svd : {"randomized", "exact"}, default="randomized"
        The singular value decomposition of nndsvd starts; "exact" for dense X in memory.
    random_generator : {"auto", "numpy", "counter"}, default="auto"
        numpy's stream, or one that needs no drawing in order, for huge factors; "auto": numpy up to 2**26 draws.
    missing : {"nan", "zero"}, default=None
        Entries of X that were not observed and are left out of every sum: NaN, or "zero": only what is stored and not 0
        is observed. None: NaN is refused.
    missing_empty : {"refuse", "keep"}, default="refuse"
        Rows and columns without observed entries: an error, or factors of 0.
    strata : int or "auto", default="auto"
        Parts of a pass over X in which its sums are formed, the most threads of all ranks that share one; "auto": by X
        alone. Results depend on them, but not on ranks and threads.
    acceleration : {"sweeps", "extrapolation"}, default=None
        Of coordinate descent, for fewer passes over X: several sweeps over W and H a pass, and extrapolation of both on
        top. None: scikit-learn's steps.
    comm : mpi4py.MPI.Intracomm, default=None
        The ranks that work together, each with its rows of X. None: this process alone, with all its threads.
    n_threads : int, default=None
        Threads of this process; None: the cores that it may use.
    memory : str or int, default="auto"
        Most of X from a file that is held in memory; above, the file is streamed. "auto": 60 % of what is free.
    checkpoint : str or path-like, default=None
        A file that keeps the state of a fit while it runs. The same fit again goes on from there, whatever has ended
        it, to the same bits; the checkpoint of another fit or other data is refused. Removed when fit is done.
    checkpoint_every : str or int, default="15min"
        How often: a time ("30s", "15min", "2h") or a number of iterations (mini-batches).
    resume : {"auto", "never", "require"}, default="auto"
        Go on from the checkpoint: if there is one, never, or it is an error.
    max_time : str, default="auto"
        With a checkpoint: stop in time, with `scanmf.Stopped`; "90min", "8h" or as Slurm writes times; "auto": as Slurm
        says; None: no limit.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_ : int
        Rows of H.
    reconstruction_err_ : float
        sqrt(2 D), D the divergence between X and WH; with "frobenius" the norm of X - WH.
    n_iter_ : int
        Iterations done.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, when X has them.
    history_ : dict of ndarray
        One entry an iteration: "iteration", "seconds", and "violation" or "error".
    converged_ : bool
        False when max_iter ended the fit.
    sample_range_ : tuple of int, or None
        Of X that is a file: the rows of it that fit_transform has returned, [begin, end).

    See Also
    --------
    MiniBatchNMF : The same by mini-batches.

    Examples
    --------
    >>> import numpy as np
    >>> from scanmf import NMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> model = NMF(n_components=2, init="random", random_state=0)
    >>> W = model.fit_transform(X)
    >>> model.components_.round(4)
    array([[2.0978, 0.3056],
           [2.1344, 2.1317]])
    """

    _parameter_constraints: dict = {
        **BaseNMF._parameter_constraints,
        "solver": [StrOptions({"cd", "mu"})],
        "shuffle": ["boolean"],
        "acceleration": [StrOptions({"sweeps", "extrapolation"}), None],
    }
    _estimator = "nmf"

    def __init__(self, n_components: int | str | None = DEFAULT_N_COMPONENTS, *, init: str | None = None,
                 solver: str = "cd", beta_loss: float | str = "frobenius", tol: float = 1e-4, max_iter: int = 200,
                 random_state: Any = None, alpha_W: float = 0.0, alpha_H: float | str = "same", l1_ratio: float = 0.0,
                 verbose: int = 0, shuffle: bool = False, svd: str = "randomized", random_generator: str = "auto",
                 missing: str | None = None, missing_empty: str = "refuse", strata: int | str = "auto",
                 acceleration: str | None = None, comm: Any = None, n_threads: int | None = None,
                 memory: str | int | None = "auto", checkpoint: str | os.PathLike[str] | None = None,
                 checkpoint_every: str | int = "15min", resume: str = "auto", max_time: str | None = "auto") -> None:
        super().__init__(n_components, init=init, beta_loss=beta_loss, tol=tol, max_iter=max_iter,
                         random_state=random_state, alpha_W=alpha_W, alpha_H=alpha_H, l1_ratio=l1_ratio,
                         verbose=verbose, svd=svd, random_generator=random_generator, missing=missing,
                         missing_empty=missing_empty, strata=strata, comm=comm, n_threads=n_threads, memory=memory,
                         checkpoint=checkpoint, checkpoint_every=checkpoint_every, resume=resume, max_time=max_time)
        self.solver = solver
        self.shuffle = shuffle
        self.acceleration = acceleration
