"""scikit-learn's NMF and MiniBatchNMF over the library."""
from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition._nmf import _check_init
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from . import _input
from ._session import Progress, Session


def _plain(value):
    """A parameter's value as Python's None, bool, int, float or str."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    return int(value) if isinstance(value, Integral) else float(value)


def _size(memory) -> int:
    """Bytes of "4G", "500M", …; 0: automatic; -1: no cap."""
    if memory in (None, "none"):
        return -1
    if isinstance(memory, str) and memory == "auto":
        return 0
    text = str(memory).removesuffix("B").removesuffix("i")
    power = "KMGTP".find(text[-1:]) + 1 if text[-1:] else 0
    try:
        size = int(float(text[:-1] if power else text) * 1024**power)
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"memory must be 'auto', None or a size such as '500M' or '4G'. Got {memory!r} instead.")
    return size


class _Seed:
    """random_state as the library takes it; draws are given back to the generator that they came from."""
    def __init__(self, random_state):
        self.generator = None
        self.number = None
        if isinstance(random_state, Integral):
            self.number = int(random_state)
            return
        self.generator = check_random_state(random_state)
        if self.generator.get_state(legacy=False)["bit_generator"] != "MT19937":
            raise ValueError("random_state must be an int or a RandomState over MT19937, numpy's default: the draws of "
                             "others cannot be repeated")

    def given(self):
        if self.generator is None:
            return self.number
        _, key, position, has_gauss, gauss = self.generator.get_state()
        return key, position, has_gauss, gauss

    def taken(self, state):
        if self.generator is not None and state is not None:
            self.generator.set_state(("MT19937", *state))


def _together(core, work):
    """work() on every rank; when it fails on some, all of them raise."""
    if core.size == 1:
        return work()
    try:
        result, error = work(), None
    except Exception as problem:  # told to the other ranks before it goes on
        result, error = None, problem
    try:
        core.agree("" if error is None else f"rank {core.rank}: {error}")
    except ValueError:
        if error is None:
            raise
    if error is not None:
        raise error
    return result


def _into(given, result):
    """scikit-learn leaves its results in the arrays of init='custom'; so does this where they can take them."""
    if isinstance(given,
                  np.ndarray) and given.dtype == result.dtype and given.shape == result.shape and given.flags.writeable:
        given[...] = result
        return given
    return result


class _BaseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What both classes share."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None,
                         StrOptions({"auto"})],
        "init": [StrOptions({"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}),
                 None], "beta_loss": [StrOptions({"frobenius", "kullback-leibler", "itakura-saito"}), Real],
        "tol": [Interval(Real, 0, None, closed="left")], "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"], "alpha_W": [Interval(Real, 0, None, closed="left")],
        "alpha_H": [Interval(Real, 0, None, closed="left"),
                    StrOptions({"same"})], "l1_ratio": [Interval(Real, 0, 1, closed="both")], "verbose": ["verbose"],
        "svd": [StrOptions({"randomized", "exact"})], "random_generator": [StrOptions({"auto", "numpy", "counter"})],
        "n_threads": [Interval(Integral, 1, None, closed="left"),
                      None], "memory": [str, Interval(Integral, 1, None, closed="left"), None], "comm": "no_validation",
    }
    _estimator: str

    # -- what scikit-learn's machinery asks for ---------------------------------------------------------------------

    @property
    def _n_features_out(self):
        """Number of transformed output features."""
        return self.components_.shape[0]

    def _more_tags(self):
        return {"requires_positive_X": True, "preserves_dtype": [np.float64, np.float32]}

    def __getstate__(self):
        state = super().__getstate__().copy()
        comm = state.get("comm")
        if comm is not None:
            from mpi4py import MPI

            if comm not in (MPI.COMM_WORLD, MPI.COMM_SELF):
                raise TypeError(
                    "an estimator whose comm is neither COMM_WORLD nor COMM_SELF cannot be pickled or copied: "
                    "set_params(comm=None) first")
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    # -- X, parameters and seeds on their way to the library ----------------------------------------------------------

    def _params(self):
        own = ("comm", "n_threads", "memory", "random_state")
        return {name: _plain(value) for name, value in self.get_params(deep=False).items() if name not in own}

    def _session(self):
        return Session(self.comm, self.n_threads)

    def _validated(self, core, X, reset):
        """X as `_input.prepared` gives it, and its dtype (None: of a file)."""
        if _input.is_file(X):
            return _input.prepared(X), None
        few = {} if core.size == 1 else {"ensure_min_samples": 0, "ensure_min_features": 0}
        X = self._validate_data(X, accept_sparse=("csr", "csc"), dtype="numeric", force_all_finite=False, reset=reset,
                                **few)
        return _input.prepared(X), _input.result_dtype(X)

    def _custom(self, core, W, H, dtype):
        """W and H of init='custom' as arrays, checked as far as the library does not do it."""
        if self.init != "custom":
            return None, None
        arrays = []
        for array, name in ((H, "H"), (W, "W")):
            least = 0 if name == "W" and core.size > 1 else 1
            arrays.append(
                check_array(array, dtype="numeric", force_all_finite=False, input_name=name, ensure_min_samples=least))
        H, W = arrays
        if dtype is not None and (H.dtype != dtype or W.dtype != dtype):
            raise TypeError(
                f"H and W should have the same dtype as X. Got H.dtype = {H.dtype} and W.dtype = {W.dtype}.")
        return W, H

    def _fixed_H(self, X, H):
        """H of update_H=False, checked."""
        H = check_array(H, dtype="numeric", force_all_finite=False, input_name="H")
        n_components = H.shape[0] if self.n_components == "auto" else self.n_components
        if not _input.is_file(X):
            X = check_array(X, accept_sparse=True, dtype="numeric", force_all_finite=False)
            _check_init(H, (n_components or X.shape[1], X.shape[1]), "NMF (input H)")
            if H.dtype != _input.result_dtype(X):
                raise TypeError(f"H should have the same dtype as X. Got H.dtype = {H.dtype}.")
        return H

    def _cross_checked(self):
        if self._estimator == "nmf" and self.solver != "mu" and self.beta_loss not in (2, "frobenius"):
            raise ValueError(
                f"Invalid beta_loss parameter: solver {self.solver!r} does not handle beta_loss = {self.beta_loss!r}")

    def _checked(self, core, X, W, H, reset):
        def work():
            if reset:
                self._validate_params()
            x, dtype = self._validated(core, X, reset)
            self._cross_checked()
            return x, *(self._custom(core, W, H, dtype) if reset else (None, None))

        return _together(core, work)

    def _keep(self, state, X):
        """Everything that a fit leaves, at once: an interrupted fit leaves what was there before."""
        self.n_components_ = state["components"].shape[0]
        self.components_ = state["components"]
        self.n_features_in_ = state["n_features"]
        if state["feature_names"] and _input.is_file(X):
            self.feature_names_in_ = np.asarray(state["feature_names"], dtype=object)
        self.history_ = state["history"]
        self.converged_ = state["converged"]
        self._state = {name: state[name] for name in ("n_samples", "stop")}
        if state["n_steps"] is not None:
            self._components_numerator = state["numerator"]
            self._components_denominator = state["denominator"]
            self._rho = state["rho"]

    def _kept(self):
        """The reverse, as the library takes it."""
        n_steps = getattr(self, "n_steps_", None)
        state = {
            "components": self.components_, "n_iter": getattr(self, "n_iter_", 0), "n_steps": n_steps,
            "reconstruction_err": getattr(self, "reconstruction_err_", float("nan")), "converged": self.converged_,
            "history": self.history_, **self._state,
        }
        if n_steps is not None:
            state.update(numerator=self._components_numerator, denominator=self._components_denominator, rho=self._rho)
        return state

    def _progress(self, what):
        kind = "cost" if self._estimator == "minibatch-nmf" else "error" if self.solver == "mu" else "violation"
        return Progress(self.verbose, f"{type(self).__name__}.{what}", kind, self.tol)

    # -- the methods of scikit-learn -----------------------------------------------------------------------------------

    def fit(self, X, y=None, **params):
        """Learn a factorisation of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            Rows of samples, or "FILE" or "FILE:/path/in/file", read in place and streamed when it is too large.
        y : Ignored
            For scikit-learn's conventions.
        **params : dict
            Initial factors ``W`` and ``H`` for ``init="custom"``.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._fit(X, **params)
        return self

    def fit_transform(self, X, y=None, W=None, H=None):
        """Learn a factorisation of X and return W, which is cheaper than fit followed by transform.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            As in `fit`.
        y : Ignored
            For scikit-learn's conventions.
        W : array-like of shape (n_samples, n_components), default=None
            Initial W for ``init="custom"``; overwritten by the result, as scikit-learn does.
        H : array-like of shape (n_components, n_features), default=None
            Initial H for ``init="custom"``; overwritten by multiplicative updates, as scikit-learn does.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            Transformed data: the rows that this rank has given; of a file an equal share of its rows
            (``sample_range_``).
        """
        return self._fit(X, W=W, H=H)

    def _fit(self, X, W=None, H=None):
        with self._session() as core:
            x, W_start, H_start = self._checked(core, X, W, H, reset=True)
            seed = _Seed(self.random_state)
            progress = self._progress("fit")
            state = core.fit(x, self._estimator, self._params(), seed.given(), W_start, H_start, progress,
                             _size(self.memory))
        seed.taken(state["random_state"])
        progress.end(state["converged"], self._reason(state))
        if W_start is not None:
            state["W"] = _into(W, state["W"])
            if self._estimator != "nmf" or self.solver == "mu":
                state["components"] = _into(H, state["components"])
        self._keep(state, X)
        self.n_iter_ = state["n_iter"]
        if state["n_steps"] is not None:
            self.n_steps_ = state["n_steps"]
        self.reconstruction_err_ = state["reconstruction_err"]
        self.sample_range_ = state["rows"] if _input.is_file(X) else None
        self._seed = seed.number
        return state["W"]

    def _reason(self, state):
        """Why mini-batches have converged, in scikit-learn's words."""
        change = state["history"].get("h_change")
        small = change is not None and len(change) and self.tol > 0 and change[-1] <= self.tol
        return "small H change" if small else "lack of improvement in objective function"

    def transform(self, X):
        """W of rows of X with the components fixed.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            As in `fit`.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            Transformed data.
        """
        check_is_fitted(self)
        return self._transform(X, self.components_, reset=False)[0]

    def _transform(self, X, H, reset):
        with self._session() as core:
            x, *_ = self._checked(core, X, None, None, reset)
            seed = _Seed(self.random_state)
            progress = self._progress("transform")
            W, n_iter, state = core.transform(x, self._estimator, self._params(), seed.given(), H, progress,
                                              _size(self.memory))
        seed.taken(state)
        return W, n_iter

    def inverse_transform(self, W):
        """X as the factors have it, W times the components.

        Parameters
        ----------
        W : {ndarray, sparse matrix} of shape (n_samples, n_components)
            Transformed data.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Data in the original space.
        """
        check_is_fitted(self)
        return W @ self.components_

    def save(self, path, W=None):
        """Write a model file, as ``scanmf fit`` does; `scanmf.load` and the command line read it.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced when the new one is complete.
        W : array-like of shape (n_samples, n_components), default=None
            What `fit_transform` has returned, to be kept in the file as well.
        """
        check_is_fitted(self)
        from ._model import save

        save(self, path, W)


class NMF(_BaseNMF):
    """Non-negative matrix factorisation by passes over all of X, as scikit-learn's class of this name.

    Finds W (n_samples x n_components) and H (n_components x n_features), both non-negative, whose product approximates
    X, by coordinate descent or by multiplicative updates.

    Parameters
    ----------
    n_components : int, None or "auto", default="auto"
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
    comm : mpi4py.MPI.Intracomm, default=None
        The ranks that work together, each with its rows of X. None: this process alone, with all its threads.
    n_threads : int, default=None
        Threads of this process; None: the cores that it may use.
    memory : str or int, default="auto"
        Most of X from a file that is held in memory; above, the file is streamed. "auto": 60 % of what is free.

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
        **_BaseNMF._parameter_constraints, "solver": [StrOptions({"cd", "mu"})], "shuffle": ["boolean"],
    }
    _estimator = "nmf"

    def __init__(self, n_components="auto", *, init=None, solver="cd", beta_loss="frobenius", tol=1e-4, max_iter=200,
                 random_state=None, alpha_W=0.0, alpha_H="same", l1_ratio=0.0, verbose=0, shuffle=False,
                 svd="randomized", random_generator="auto", comm=None, n_threads=None, memory="auto",
                 ):
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.svd = svd
        self.random_generator = random_generator
        self.comm = comm
        self.n_threads = n_threads
        self.memory = memory


class MiniBatchNMF(_BaseNMF):
    """Non-negative matrix factorisation by mini-batches, as scikit-learn's class of this name.

    Always by multiplicative updates; X is taken in consecutive batches of rows, and `partial_fit` learns from chunks.

    Parameters
    ----------
    n_components : int, None or "auto", default="auto"
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
    comm : mpi4py.MPI.Intracomm, default=None
        As in `NMF`.
    n_threads : int, default=None
        As in `NMF`.
    memory : str or int, default="auto"
        As in `NMF`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_ : int
        Rows of H.
    reconstruction_err_ : float
        As in `NMF`; not after `partial_fit` alone.
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
        **_BaseNMF._parameter_constraints, "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_no_improvement": [Interval(Integral, 1, None, closed="left"),
                               None], "forget_factor": [Interval(Real, 0, 1, closed="both")],
        "fresh_restarts": ["boolean"], "fresh_restarts_max_iter": [Interval(Integral, 1, None, closed="left")],
        "transform_max_iter": [Interval(Integral, 1, None, closed="left"), None],
    }
    _estimator = "minibatch-nmf"

    def __init__(self, n_components="auto", *, init=None, batch_size=1024, beta_loss="frobenius", tol=1e-4,
                 max_no_improvement=10, max_iter=200, alpha_W=0.0, alpha_H="same", l1_ratio=0.0, forget_factor=0.7,
                 fresh_restarts=False, fresh_restarts_max_iter=30, transform_max_iter=None, random_state=None,
                 verbose=0, svd="randomized", random_generator="auto", comm=None, n_threads=None, memory="auto",
                 ):
        self.n_components = n_components
        self.init = init
        self.batch_size = batch_size
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.max_iter = max_iter
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.svd = svd
        self.random_generator = random_generator
        self.comm = comm
        self.n_threads = n_threads
        self.memory = memory

    def partial_fit(self, X, y=None, W=None, H=None):
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

        Returns
        -------
        self : object
            The estimator.
        """
        first = not hasattr(self, "components_")
        with self._session() as core:
            x, W_start, H_start = self._checked(core, X, W, H, reset=first)
            seed = _Seed(self.random_state)
            state = core.partial_fit(x, self._params(), seed.given(), W_start, H_start, None if first else self._kept(),
                                     None, _size(self.memory))
        if first:
            seed.taken(state["random_state"])
            self._seed = seed.number
        if H_start is not None or not first:
            state["components"] = _into(H if first else self.components_, state["components"])
        self._keep(state, X)
        self.n_steps_ = state["n_steps"]
        return self


def non_negative_factorization(X, W=None, H=None, n_components="auto", *, init=None, update_H=True, solver="cd",
                               beta_loss="frobenius", tol=1e-4, max_iter=200, alpha_W=0.0, alpha_H="same", l1_ratio=0.0,
                               random_state=None, verbose=0, shuffle=False, comm=None, n_threads=None, memory="auto",
                               ):
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
comm, n_threads, memory : object
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
                shuffle=shuffle, comm=comm, n_threads=n_threads, memory=memory)
    if update_H:
        W = model._fit(X, W=W, H=H)
        return W, model.components_, model.n_iter_
    model._validate_params()
    H = model._fixed_H(X, H)
    W, n_iter = model._transform(X, H, reset=True)
    return W, H, n_iter
