"""Many fits of each of many numbers of components, what they agree on, and which number that speaks for."""
from __future__ import annotations

import os
import tempfile
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from . import _input
from ._arguments import checkpoint as checkpoint_of
from ._arguments import digest, same_everywhere, size, together
from ._base import _POSITIVE
from ._minibatch import MiniBatchNMF
from ._model import load
from ._nmf import NMF
from ._session import Progress, Session

if TYPE_CHECKING:
    import h5py
    import pandas

_ESTIMATORS = {"nmf": NMF, "minibatch-nmf": MiniBatchNMF}
# What an ensemble takes beside the parameters of its fits: as the library's options say it.
_OPTIONS: dict = {
    "replicates": [_POSITIVE],
    "resample": [StrOptions({"poisson", "multinomial", "uniform"}), None],
    "resample_width": [Interval(Real, 0, 1, closed="right")],
    "match": [StrOptions({"auto", "kmeans", "hungarian"})],
    "neighbourhood": [Interval(Real, 0, 1, closed="right")],
    "density_threshold": [Interval(Real, 0, None, closed="neither")],
    "connectivity": ["boolean"],
    "connectivity_rows": [_POSITIVE],
    "select": [StrOptions({"stability", "bicv", "speckled"})],
    "folds": [Interval(Integral, 2, 100, closed="both")],
    "holdout": [Interval(Real, 0, 1, closed="neither")],
    "select_repeats": [_POSITIVE],
    "save_replicates": ["boolean"],
}
_RUN: dict = {
    "estimator": [StrOptions(set(_ESTIMATORS))],
    "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both"), None],
    "path": [str, os.PathLike, None],
    "groups": [_POSITIVE, None],
}
# Columns of the table, most telling first, as the command line prints them.
_COLUMNS = ("k", "stability", "least_cluster_stability", "kept", "error", "reconstruction_err", "replicate_error_mean",
            "replicate_error_sd", "cv_error", "cv_error_se", "cophenetic", "dispersion")
# Parameters of the classes that replicates have not: starts are random, and finished replicates are kept whole.
_NOT_OF_REPLICATES = ("n_components", "init", "svd", "checkpoint_every", "comm", "verbose")


def _place(column):
    return _COLUMNS.index(column) if column in _COLUMNS else len(_COLUMNS)


class Ensemble:
    """An ensemble file, as `ensemble` and ``scanmf ensemble`` write it.

    Parameters
    ----------
    path : str or path-like
        The file. It is read when something of it is asked for, and stays where it is.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a number of components k: stability, errors, share of spectra kept; NaN where not known.
    chosen_k : int or None
        The suggested number of components.
    """
    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._temporary: Any = None  # the folder of a file that nobody has named
        self._comm: Any = None  # of this process alone, where it is a rank
        self._read(path)

    @classmethod
    def _of_run(cls, path, temporary, comm):
        result = object.__new__(cls)
        result._temporary, result._comm = temporary, None
        if comm is not None:
            from mpi4py import MPI

            result._comm = MPI.COMM_SELF
        result._read(path)
        return result

    def _read(self, path):
        self.path = os.fspath(path)
        self._checked: Any = None  # what the file was like when its checksums were read
        with self.open() as file:
            chosen = int(file.attrs["chosen_k"])
            self.chosen_k = chosen or None
            self.replicates = int(file.attrs["replicates"])
            self.ks = [int(k) for k in file["table/k"]]

    def __repr__(self) -> str:
        chosen = "none" if self.chosen_k is None else self.chosen_k
        return f"Ensemble(k = {self.ks}, replicates = {self.replicates}, chosen_k = {chosen})"

    def open(self) -> h5py.File:
        """The file, open for reading: an h5py.File, to be used as ``with result.open() as file``.

        Its checksums are read before, once.
        """
        import h5py

        status = os.stat(self.path)
        now = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        if now != self._checked:
            with Session(self._comm, call="Ensemble.open") as core:
                core.check_ensemble(self.path)
            self._checked = now
        return h5py.File(self.path, "r")

    @property
    def table(self) -> pandas.DataFrame:
        import pandas

        with self.open() as file:
            columns = {name: file["table"][name][()] for name in sorted(file["table"], key=_place)}
        return pandas.DataFrame(columns).set_index("k")

    def _array(self, k, name):
        k = self.chosen_k if k is None else k
        if k is None:
            raise ValueError("no k was chosen, none is stable: name one (k=)")
        if k not in self.ks:
            raise ValueError(f"the ensemble has no k = {k}: it has {', '.join(map(str, self.ks))}")
        with self.open() as file:
            if f"k{k}/{name}" not in file:
                raise ValueError(f"k = {k} has no {name}: too few spectra lie close to others, or they were not saved")
            return file[f"k{k}/{name}"][()]

    def components(self, k: int | None = None) -> np.ndarray:
        """H of the consensus.

        Parameters
        ----------
        k : int, default=None
            Number of components; None: the chosen one.

        Returns
        -------
        H : ndarray of shape (k, n_features)
            Each row with sum 1, in falling order of usage.
        """
        return self._array(k, "H")

    def usages(self, k: int | None = None) -> np.ndarray:
        """W of the consensus.

        Parameters
        ----------
        k : int, default=None
            Number of components; None: the chosen one.

        Returns
        -------
        W : ndarray of shape (n_samples, k)
            Solved for with `components` fixed.
        """
        return self._array(k, "W")

    def spectra(self, k: int | None = None) -> np.ndarray:
        """Components of all replicates, as they were fitted.

        Parameters
        ----------
        k : int, default=None
            Number of components; None: the chosen one.

        Returns
        -------
        spectra : ndarray of shape (replicates * k, n_features)
            Replicate by replicate.
        """
        return self._array(k, "spectra")

    def consensus(self, k: int | None = None) -> NMF | MiniBatchNMF:
        """The consensus as a fitted estimator: what ``scanmf select`` writes, without W.

        Parameters
        ----------
        k : int, default=None
            Number of components; None: the chosen one.

        Returns
        -------
        model : NMF or MiniBatchNMF
            For `transform`, `partial_fit` and the figures; ``n_components`` is k.
        """
        k = len(self.components(k))
        with tempfile.TemporaryDirectory(prefix="scanmf-") as folder:
            file = os.path.join(folder, "model.h5")
            with Session(self._comm, call="Ensemble.consensus") as core:
                core.select(self.path, k, file)
                model = load(file, comm=self._comm)
        model.set_params(comm=None)
        del model.file_
        return model

    def plot(self, ax: Any = None) -> Any:
        """Stability and error over k, the chosen k marked: `scanmf.pl.ensemble`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None: a new figure.

        Returns
        -------
        ax : matplotlib.axes.Axes
            With a second axis for the error.
        """
        from . import pl

        return pl.ensemble(self, ax=ax)


def _numbers(n_components):
    given = [n_components] if isinstance(n_components, Integral) else n_components
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        given = [None]
    given = list(given)
    if not given or any(not isinstance(k, Integral) or isinstance(k, bool) or k < 1 for k in given):
        raise ValueError("n_components must be an int of at least 1, or several of them. "
                         f"Got {n_components!r} instead.")
    return sorted({int(k) for k in given})


def ensemble(X: Any, n_components: int | Iterable[int], *, estimator: str = "nmf", replicates: int = 20,
             random_state: int | None = None, resample: str | None = None, resample_width: float = 0.015,
             match: str = "auto", neighbourhood: float = 0.3, density_threshold: float = 0.5,
             connectivity: bool = False, connectivity_rows: int = 2000, select: str = "stability", folds: int = 2,
             holdout: float = 0.05, select_repeats: int = 3, save_replicates: bool = True, sample_weight: Any = None,
             path: str | os.PathLike[str] | None = None, groups: int | None = None, comm: Any = None,
             n_threads: int | None = None, memory: str | int | None = "auto",
             checkpoint: str | os.PathLike[str] | None = None, resume: str = "auto", max_time: str | None = "auto",
             **params: Any) -> Ensemble:
    """Fits of each number of components from random starts, their consensus, and the choice of k, as cNMF does it.

    Parameters
    ----------
    X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
        As in `NMF.fit`; read once for all fits.
    n_components : int or iterable of int
        Numbers of components, for example ``range(5, 31)``.
    estimator : {"nmf", "minibatch-nmf"}, default="nmf"
        Which class the fits are of, `NMF` or `MiniBatchNMF`.
    replicates : int, default=20
        Fits of each number of components.
    random_state : int, default=None
        The seeds of all replicates follow from it; None: drawn.
    resample : {"poisson", "multinomial", "uniform"}, default=None
        X of each replicate is drawn from X: counts with X as their means, each row with its own sum, or X times factors
        close to 1.
    resample_width : float, default=0.015
        Of "uniform": factors are from 1 - resample_width to 1 + resample_width.
    match : {"auto", "kmeans", "hungarian"}, default="auto"
        Spectra of a component: by k-means, or those of each replicate one to one; "auto": "hungarian" with `resample`,
        else "kmeans".
    neighbourhood : float, default=0.3
        The density of a spectrum looks at this share of the replicates.
    density_threshold : float, default=0.5
        Spectra whose density is not below are left out of the consensus; 2 keeps all.
    connectivity : bool, default=False
        Measure how far the replicates agree on which rows of X belong together.
    connectivity_rows : int, default=2000
        Of a sample, for `connectivity`.
    select : {"stability", "bicv", "speckled"}, default="stability"
        Choose k by the stability of its components, or by cross-validation of blocks ("bicv") or of entries.
    folds : int, default=2
        Of rows and of columns, for "bicv".
    holdout : float, default=0.05
        Share of the entries that "speckled" holds out.
    select_repeats : int, default=3
        Of "speckled", with other entries each.
    save_replicates : bool, default=True
        Whether the file keeps the components of all replicates.
    sample_weight : array-like of shape (n_samples,) or str, default=None
        As in `NMF.fit_transform`.
    path : str or path-like, default=None
        The ensemble file. None: a temporary one, which is gone with the result; several ranks need a name.
    groups : int, default=None
        Of ranks, each with all of X of a file; None: as many as memory allows. Ranks that hand in rows share them.
    comm, n_threads, memory, checkpoint, resume, max_time : object
        As in `NMF`. The checkpoint keeps the replicates that are done.
    **params : dict
        Parameters of the class for all fits: ``solver``, ``beta_loss``, ``tol``, ``max_iter``, ``missing``, ….

    Returns
    -------
    result : Ensemble
        Table, chosen k, consensus, figures.

    Examples
    --------
    >>> import numpy as np
    >>> import scanmf
    >>> X = np.random.RandomState(0).rand(30, 8)
    >>> result = scanmf.ensemble(X, range(2, 4), replicates=3, random_state=0)
    >>> list(result.table.index), result.spectra(2).shape
    ([2, 3], (6, 8))
    """
    options = {
        "replicates": replicates,
        "resample": resample,
        "resample_width": resample_width,
        "match": match,
        "neighbourhood": neighbourhood,
        "density_threshold": density_threshold,
        "connectivity": connectivity,
        "connectivity_rows": connectivity_rows,
        "select": select,
        "folds": folds,
        "holdout": holdout,
        "select_repeats": select_repeats,
        "save_replicates": save_replicates
    }
    run = {"estimator": estimator, "random_state": random_state, "path": path, "groups": groups}
    with Session(comm, n_threads, "ensemble") as core:
        folder = None

        def work():
            nonlocal folder
            validate_parameter_constraints({**_OPTIONS, **_RUN}, {**options, **run}, "ensemble")
            model = _model_of(estimator, params, comm, n_threads, memory, checkpoint, resume, max_time)
            ks = _numbers(n_components)
            model.set_params(n_components=ks[-1])
            x, _, names = model._validated(core, X, True)
            if groups is not None and groups > 1 and not _input.is_file(X):
                raise ValueError(
                    f"groups={groups} needs X of a file, which each group reads: ranks share the rows that "
                    "they hand in")
            if path is None and core.size > 1:
                raise ValueError("several ranks need path=FILE, where the ensemble goes")
            if path is None:
                folder = tempfile.TemporaryDirectory(prefix="scanmf-")
            file = os.fspath(path) if folder is None else os.path.join(folder.name, "ensemble.h5")
            kept = checkpoint_of(checkpoint, "15min", resume, max_time)
            names = [str(name) for name in (names if names is not None else [])]
            return _Call(model, ks, x, names, file, size(memory), kept, model._weights(sample_weight))

        call = together(core, work)
        weights = call.sample_weight if isinstance(call.sample_weight, str) else "an array or none"
        same_everywhere(
            core, {
                "X": os.path.abspath(call.x) if _input.is_file(X) else "rows of its own",
                "n_components": call.ks,
                **call.model._params(),
                **options,
                **run, "path": os.path.abspath(call.file),
                "sample_weight": weights,
                "memory": memory,
                "checkpoint": call.checkpoint,
                "the features": digest(call.names)
            })
        with Progress(False, "ensemble", "replicates", 0) as progress:
            core.ensemble(call.x, call.ks, estimator, call.model._params(), random_state, {
                **options, "resample": resample or "none"
            }, call.file, call.names, groups, progress, call.memory, call.checkpoint, call.sample_weight)
    return Ensemble._of_run(call.file, folder, comm)


class _Call(NamedTuple):
    """What the library takes, on this rank."""
    model: Any
    ks: list[int]
    x: Any
    names: list[str]  # of the features of an X that is no file
    file: str
    memory: int
    checkpoint: Any
    sample_weight: Any


def _model_of(estimator, params, comm, n_threads, memory, checkpoint, resume, max_time):
    """An estimator with the parameters of the fits, checked."""
    for name in _NOT_OF_REPLICATES:
        if name in params:
            raise TypeError(f"ensemble() has no parameter {name!r}: starts are random, and replicates are kept whole")
    model = _ESTIMATORS[estimator](comm=comm, n_threads=n_threads, memory=memory, checkpoint=checkpoint, resume=resume,
                                   max_time=max_time, init="random", **params)
    model._validate_params()
    model._cross_checked()
    return model
