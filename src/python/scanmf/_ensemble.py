"""Many fits of each of many numbers of components, what they agree on, and which number that speaks for."""
from __future__ import annotations

import os
import tempfile
from numbers import Integral
from typing import TYPE_CHECKING, Any, Iterable

import numpy as np

from . import _input
from ._arguments import checkpoint as checkpoint_of
from ._arguments import same_everywhere, size, together
from ._nmf import NMF
from ._session import Progress, Session

if TYPE_CHECKING:
    import h5py
    import pandas

_SELECT = ("stability", "bicv")


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
        self.path = os.fspath(path)
        self._temporary: Any = None  # the folder of a file that nobody has named
        with self.open() as file:
            chosen = int(file.attrs["chosen_k"])
            self.chosen_k = chosen or None
            self.replicates = int(file.attrs["replicates"])
            self.ks = [int(k) for k in file["table/k"]]

    def __repr__(self) -> str:
        chosen = "none" if self.chosen_k is None else self.chosen_k
        return f"Ensemble(k = {self.ks}, replicates = {self.replicates}, chosen_k = {chosen})"

    def open(self) -> h5py.File:
        """The file, open for reading: an h5py.File, to be used as ``with result.open() as file``."""
        import h5py

        file = h5py.File(self.path, "r")
        kind = file.attrs.get("format")
        if (kind.decode() if isinstance(kind, bytes) else kind) != "scanmf-ensemble":
            file.close()
            raise ValueError(f"{self.path} was not written by scanmf ensemble")
        return file

    @property
    def table(self) -> pandas.DataFrame:
        import pandas

        with self.open() as file:
            columns = {name: column[()] for name, column in file["table"].items()}
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

    def consensus(self, k: int | None = None) -> NMF:
        """The consensus as a fitted estimator.

        Parameters
        ----------
        k : int, default=None
            Number of components; None: the chosen one.

        Returns
        -------
        model : NMF
            For `transform` and the figures; ``n_components`` is k.
        """
        H = self.components(k)
        with self.open() as file:
            stored = dict(file["params"].attrs)
            names = file["feature_names"].asstr()[()] if "feature_names" in file else []
        own = NMF().get_params()
        params = {name: _plain(value) for name, value in stored.items() if name in own}
        model = NMF(**{**params, "n_components": len(H)})
        model._keep(
            {
                "components": H,
                "n_features": H.shape[1],
                "feature_names": list(names),
                "history": {},
                "converged": True,
                "reconstruction_err": float(self.table.loc[len(H), "reconstruction_err"]),
                "n_samples": len(self.usages(len(H))),
                "stop": "",
                "n_steps": None
            }, None, n_iter_=0, _seed=None, _used={})
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


def _plain(value):
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return None if value == "none" else value
    return value.item() if isinstance(value, np.generic) else value


def _numbers(n_components):
    if isinstance(n_components, Integral):
        n_components = [n_components]
    ks = sorted({int(k) for k in n_components})
    if not ks or ks[0] < 1:
        raise ValueError(f"n_components must be numbers of components of at least 1. Got {n_components!r} instead.")
    return ks


def ensemble(X: Any, n_components: int | Iterable[int], *, replicates: int = 20, random_state: int | None = None,
             select: str = "stability", folds: int = 2, neighbourhood: float = 0.3, density_threshold: float = 0.5,
             save_replicates: bool = True, path: str | os.PathLike[str] | None = None, groups: int | None = None,
             comm: Any = None, n_threads: int | None = None, memory: str | int | None = "auto",
             checkpoint: str | os.PathLike[str] | None = None, resume: str = "auto", max_time: str | None = "auto",
             **params: Any) -> Ensemble:
    """Fits of each number of components from random starts, their consensus, and the choice of k, as cNMF does it.

    Parameters
    ----------
    X : {array-like, sparse matrix, str} of shape (n_samples, n_features)
        As in `NMF.fit`; read once for all fits.
    n_components : int or iterable of int
        Numbers of components, for example ``range(5, 31)``.
    replicates : int, default=20
        Fits of each number of components.
    random_state : int, default=None
        The seeds of all replicates follow from it; None: drawn.
    select : {"stability", "bicv"}, default="stability"
        Choose k by the stability of its components or by bi-cross-validation.
    folds : int, default=2
        Of rows and of columns, for the bi-cross-validation.
    neighbourhood : float, default=0.3
        The density of a spectrum looks at this share of the replicates.
    density_threshold : float, default=0.5
        Spectra whose density is not below are left out of the consensus; 2 keeps all.
    save_replicates : bool, default=True
        Whether the file keeps the components of all replicates.
    path : str or path-like, default=None
        The ensemble file. None: a temporary one, which is gone with the result; several ranks need a name.
    groups : int, default=None
        Of ranks, each with all of X of a file; None: as many as memory allows.
    comm, n_threads, memory, checkpoint, resume, max_time : object
        As in `NMF`. The checkpoint keeps the replicates that are done.
    **params : dict
        Parameters of `NMF` for all fits: ``solver``, ``beta_loss``, ``tol``, ``max_iter``, ….

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
    for name in ("n_components", "init", "checkpoint_every", "svd"):
        if name in params:
            raise TypeError(f"ensemble() has no parameter {name!r}: starts are random, and replicates are kept whole")
    if random_state is not None and not isinstance(random_state, Integral):
        raise ValueError(f"random_state must be an int or None. Got {random_state!r} instead.")
    if select not in _SELECT:
        raise ValueError(f"select must be one of {_SELECT}. Got {select!r} instead.")
    options = {
        "replicates": replicates,
        "select": select,
        "folds": folds,
        "neighbourhood": neighbourhood,
        "density_threshold": density_threshold,
        "save_replicates": save_replicates
    }
    model = NMF(comm=comm, n_threads=n_threads, memory=memory, init="random", **params)
    with Session(comm, n_threads, "ensemble") as core:
        folder = None

        def work():
            nonlocal folder
            model._validate_params()
            model._cross_checked()
            ks = _numbers(n_components)
            model.set_params(n_components=ks[-1])
            x, _, names = model._validated(core, X, True)
            if path is None and core.size > 1:
                raise ValueError("several ranks need path=FILE, where the ensemble goes")
            if path is None:
                folder = tempfile.TemporaryDirectory(prefix="scanmf-")
            file = os.fspath(path) if folder is None else os.path.join(folder.name, "ensemble.h5")
            return ks, x, [str(name) for name in (names if names is not None else [])], file, size(memory), \
                checkpoint_of(checkpoint, "15min", resume, max_time)

        ks, x, names, file, limit, kept = together(core, work)
        same_everywhere(
            core, {
                "X": os.path.abspath(x) if _input.is_file(X) else "rows of its own",
                "n_components": ks,
                "path": os.path.abspath(file),
                **model._params(), "random_state": random_state,
                **options, "memory": memory,
                "checkpoint": kept
            })
        with Progress(False, "ensemble", "replicates", 0) as progress:
            core.ensemble(x, ks, model._params(), random_state, options, file, names, groups, progress, limit, kept)
    result = Ensemble(file)
    result._temporary = folder
    return result
