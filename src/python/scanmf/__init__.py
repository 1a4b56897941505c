"""Non-negative matrix factorisation of matrices of any size, on one machine or on many, as scikit-learn's classes.

>>> import numpy as np
>>> import scanmf
>>> X = np.random.RandomState(0).rand(6, 5)
>>> model = scanmf.NMF(n_components=2, random_state=0)
>>> model.fit_transform(X).shape
(6, 2)
"""
from . import pl, tl
from ._core import Error, Stopped, __version__
from ._ensemble import Ensemble, ensemble
from ._function import non_negative_factorization
from ._minibatch import MiniBatchNMF
from ._model import inspect, load, load_W, save
from ._nmf import NMF

__all__ = [
    "Ensemble",
    "Error",
    "MiniBatchNMF",
    "NMF",
    "Stopped",
    "__version__",
    "ensemble",
    "inspect",
    "load",
    "load_W",
    "non_negative_factorization",
    "pl",
    "save",
    "tl",
]
