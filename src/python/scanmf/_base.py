"""What scikit-learn's NMF and MiniBatchNMF share, over the library."""
from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition._nmf import _check_init
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from . import _input
from ._arguments import Call, Seed, checkpoint, digest, into, plain, same_everywhere, size, together
from ._session import Progress, Session

if TYPE_CHECKING:
    from typing_extensions import Self

_POSITIVE = Interval(Integral, 1, None, closed="left")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")


class BaseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What both classes share."""

    _parameter_constraints: dict = {
        "n_components": [_POSITIVE, None, StrOptions({"auto"})],
        "init": [StrOptions({"random", "nndsvd", "nndsvda", "nndsvdar", "custom"}), None],
        "beta_loss": [StrOptions({"frobenius", "kullback-leibler", "itakura-saito"}), Real],
        "tol": [_NOT_NEGATIVE],
        "max_iter": [_POSITIVE],
        "random_state": ["random_state"],
        "alpha_W": [_NOT_NEGATIVE],
        "alpha_H": [_NOT_NEGATIVE, StrOptions({"same"})],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "verbose": ["verbose"],
        "svd": [StrOptions({"randomized", "exact"})],
        "random_generator": [StrOptions({"auto", "numpy", "counter"})],
        "missing": [StrOptions({"nan", "zero"}), None],
        "missing_empty": [StrOptions({"refuse", "keep"})],
        "strata": [StrOptions({"auto"}), _POSITIVE],
        "comm": "no_validation",
        "n_threads": [_POSITIVE, None],
        "memory": [str, _POSITIVE, None],
        "checkpoint": [str, os.PathLike, None],
        "checkpoint_every": [str, _POSITIVE],
        "resume": [StrOptions({"auto", "never", "require"})],
        "max_time": [str, None],
    }
    # Of this package: how a fit is run, which the library's parameters do not say.
    _of_the_run = ("comm", "n_threads", "memory", "checkpoint", "checkpoint_every", "resume", "max_time")
    _estimator: str

    components_: np.ndarray
    n_components_: int
    reconstruction_err_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray
    history_: dict[str, np.ndarray]
    converged_: bool
    sample_range_: tuple[int, int] | None

    def __init__(self, n_components, *, init, beta_loss, tol, max_iter, random_state, alpha_W, alpha_H, l1_ratio,
                 verbose, svd, random_generator, missing, missing_empty, strata, comm, n_threads, memory, checkpoint,
                 checkpoint_every, resume, max_time):
        self.n_components = n_components
        self.init = init
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.svd = svd
        self.random_generator = random_generator
        self.missing = missing
        self.missing_empty = missing_empty
        self.strata = strata
        self.comm = comm
        self.n_threads = n_threads
        self.memory = memory
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.max_time = max_time

    # -- what scikit-learn's machinery asks for ---------------------------------------------------------------------

    @property
    def _n_features_out(self):
        """Number of transformed output features."""
        return self.components_.shape[0]

    def _more_tags(self):
        return {
            "allow_nan": self.missing == "nan",
            "requires_positive_X": True,
            "preserves_dtype": [np.float64, np.float32]
        }

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
        own = (*self._of_the_run, "random_state")
        return {name: plain(value) for name, value in self.get_params(deep=False).items() if name not in own}

    def _session(self, method):
        return Session(self.comm, self.n_threads, f"{type(self).__name__}.{method}")

    def _validated(self, core, X, reset):
        """X as `_input.prepared` gives it, its dtype (None: of a file), and the features' names."""
        if _input.is_file(X):
            return _input.prepared(X), None, None if reset else getattr(self, "feature_names_in_", None)
        _input.refuse_anndata(X)
        few = {} if core.size == 1 else {"ensure_min_samples": 0, "ensure_min_features": 0}
        learner = self
        if reset:  # scikit-learn would note the features before the fit has succeeded
            learner = object.__new__(type(self))
            learner.__dict__.update(self.__dict__)
        X = learner._validate_data(X, accept_sparse=("csr", "csc"), dtype="numeric", force_all_finite=False,
                                   reset=reset, **few)
        return _input.prepared(X), _input.result_dtype(X), getattr(learner, "feature_names_in_", None)

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

    def _fixed_H(self, core, X, H):
        """H of update_H=False, checked."""
        H = check_array(H, dtype="numeric", force_all_finite=False, input_name="H")
        n_components = H.shape[0] if self.n_components == "auto" else self.n_components
        if _input.is_file(X):  # whose columns are compared with those of H
            _check_init(H, (n_components or H.shape[1], H.shape[1]), "NMF (input H)")
        else:
            X = check_array(X, accept_sparse=True, dtype="numeric", force_all_finite=False,
                            ensure_min_samples=int(core.size == 1))
            _check_init(H, (n_components or X.shape[1], X.shape[1]), "NMF (input H)")
            if H.dtype != _input.result_dtype(X):
                raise TypeError(f"H should have the same dtype as X. Got H.dtype = {H.dtype}.")
        return H

    def _cross_checked(self):
        if self._estimator == "nmf" and self.solver != "mu" and self.beta_loss not in (2, "frobenius"):
            raise ValueError(
                f"Invalid beta_loss parameter: solver {self.solver!r} does not handle beta_loss = {self.beta_loss!r}")

    def _weights(self, sample_weight):
        """Weights of the rows of X that this rank gives, or where a file has those of all."""
        if sample_weight is None or isinstance(sample_weight, str):
            return sample_weight
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, force_all_finite=False,
                              ensure_min_samples=0, input_name="sample_weight")
        if weights.ndim != 1:
            raise ValueError(f"sample_weight must be 1D: one number a row of X. Got an array of shape {weights.shape} "
                             "instead.")
        return weights

    def _checked(self, core, X, *, reset, W=None, H=None, held=False, sample_weight=None):
        """A call on X: custom factors W and H begin a fit; held: H, or the components, stay as they are."""
        def work():
            if reset:
                self._validate_params()
            else:
                check_is_fitted(self)
            x, dtype, names = self._validated(core, X, reset)
            self._cross_checked()
            start = (None, None)
            if held:
                start = None, self._fixed_H(core, X, H) if reset else self.components_
            elif reset:
                start = self._custom(core, W, H, dtype)
            kept = checkpoint(self.checkpoint, self.checkpoint_every, self.resume, self.max_time)
            return Call(x, *start, Seed(self.random_state), size(self.memory), kept, names,
                        self._weights(sample_weight))

        call = together(core, work)
        if core.size > 1:
            file = os.path.abspath(call.x) if _input.is_file(X) else "rows of its own"
            H = None if call.H is None else f"a matrix {call.H.shape} of {call.H.dtype}, digest {digest(call.H)}"
            same_everywhere(
                core, {
                    "X": file,
                    **self._params(), "random_state": call.seed.said(),
                    "H": H,
                    "memory": self.memory,
                    "checkpoint": call.checkpoint,
                    "reset": reset
                })
        return call

    def _keep(self, state, names, X=None, **more):
        """Everything that a fit leaves, at once: an interrupted fit leaves what was there before.

        names: of the features, where the file that was read has none.
        """
        if state["feature_names"]:
            names = np.asarray(state["feature_names"], dtype=object)
        kept = {
            "n_components_": state["components"].shape[0],
            "components_": state["components"],
            "n_features_in_": state["n_features"],
            "feature_names_in_": names,
            "history_": state["history"],
            "converged_": state["converged"],
            "reconstruction_err_": None if math.isnan(state["reconstruction_err"]) else state["reconstruction_err"],
            "_state": {name: state[name]
                       for name in ("n_samples", "stop")},
            **more,
        }
        if state["n_steps"] is not None:
            kept.update(n_steps_=state["n_steps"], _components_numerator=state["numerator"],
                        _components_denominator=state["denominator"], _rho=state["rho"])
        known = {name: value for name, value in kept.items() if value is not None}
        for name in kept.keys() - known.keys():
            self.__dict__.pop(name, None)
        self.__dict__.update(known, sample_range_=state["rows"] if _input.is_file(X) else None)

    def _names(self):
        """Names of the features as texts, as files keep them; none where there are none."""
        return [str(name) for name in getattr(self, "feature_names_in_", [])]

    def _kept(self):
        """The reverse, as the library takes it."""
        n_steps = getattr(self, "n_steps_", None)
        state = {
            "components": self.components_,
            "n_iter": getattr(self, "n_iter_", 0),
            "n_steps": n_steps,
            "reconstruction_err": getattr(self, "reconstruction_err_", float("nan")),
            "converged": self.converged_,
            "history": self.history_,
            **self._state,
        }
        if n_steps is not None:
            state.update(numerator=self._components_numerator, denominator=self._components_denominator, rho=self._rho)
        return state

    def _progress(self, what):
        kind = "cost" if self._estimator == "minibatch-nmf" else "error" if self.solver == "mu" else "violation"
        return Progress(self.verbose, f"{type(self).__name__}.{what}", kind, self.tol)

    # -- the methods of scikit-learn -----------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Learn a factorisation of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            Rows of samples, or "FILE" or "FILE:/path/in/file", read in place and streamed when it is too large.
        y : Ignored
            For scikit-learn's conventions.
        **params : dict
            Initial factors ``W`` and ``H`` for ``init="custom"``, ``sample_weight`` as in `fit_transform`.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._fit(X, **params)
        return self

    def fit_transform(self, X: Any, y: Any = None, W: Any = None, H: Any = None,
                      sample_weight: Any = None) -> np.ndarray:
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
        sample_weight : array-like of shape (n_samples,) or str, default=None
            How much each row counts in H; rows of weight 0 have no say in it. "FILE:/path" or "obs/NAME" where X is a
            file.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            Transformed data: the rows that this rank has given; of a file an equal share of its rows
            (``sample_range_``).
        """
        return self._fit(X, W=W, H=H, sample_weight=sample_weight)

    def _fit(self, X, W=None, H=None, sample_weight=None):
        with self._session("fit") as core:
            call = self._checked(core, X, W=W, H=H, reset=True, sample_weight=sample_weight)
            with self._progress("fit") as progress:
                state = core.fit(call.x, self._estimator, self._params(), call.seed.given(core), call.W, call.H,
                                 progress, call.memory, call.checkpoint, call.sample_weight)
        call.seed.taken(state["random_state"])
        progress.end(state["converged"], self._reason(state))
        if call.W is not None:
            state["W"] = into(W, state["W"])
            if self._estimator != "nmf" or self.solver == "mu":
                state["components"] = into(H, state["components"])
        self._keep(state, call.names, X, n_iter_=state["n_iter"], _seed=state["seed"], _used=state["used"])
        return state["W"]

    def _reason(self, state):
        """Why mini-batches have converged, in scikit-learn's words."""
        change = state["history"].get("h_change")
        small = change is not None and len(change) and self.tol > 0 and change[-1] <= self.tol
        return "small H change" if small else "lack of improvement in objective function"

    def transform(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        """W of rows of X with the components fixed.

        Parameters
        ----------
        X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
            As in `fit`.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            As in `fit_transform`: what the penalties of W are divided by; without penalties they change nothing.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            Transformed data.
        """
        return self._transform(X, sample_weight=sample_weight)[0]

    def _transform(self, X, H=None, reset=False, sample_weight=None):
        """W with H held (reset) or the components, H as it was held, iterations."""
        with self._session("transform") as core:
            call = self._checked(core, X, H=H, held=True, reset=reset, sample_weight=sample_weight)
            with self._progress("transform") as progress:
                W, n_iter, state = core.transform(call.x, self._estimator, self._params(), call.seed.given(core),
                                                  call.H, None if reset else self._names(), progress, call.memory,
                                                  call.sample_weight)
        call.seed.taken(state)
        return W, call.H, n_iter

    def align_features(self, X: Any) -> Any:
        """X with its columns in the order of the model's features, by their names, for `transform` or `partial_fit`.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_samples, n_columns)
            Rows of samples; features that it lacks are taken to be 0, columns that the model does not know are left
            out, both with a warning.

        Returns
        -------
        X : pandas.DataFrame of shape (n_samples, n_features)
            With the columns ``feature_names_in_``.
        """
        check_is_fitted(self)
        return _input.aligned(X, self._names())

    def inverse_transform(self, W: Any) -> np.ndarray:
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

    def save(self, path: str | os.PathLike[str], W: Any = None) -> None:
        """Write a model file, as ``scanmf fit`` does; `scanmf.load` and the command line read it.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced when the new one is complete.
        W : array-like of shape (n_samples, n_components), default=None
            What `fit_transform` has returned, to be kept in the file as well.
        """
        from ._model import save

        save(self, path, W)
