"""From what users hand in to what the library reads: no copy where the memory can be read as it lies."""
from __future__ import annotations

import os
import warnings
from collections import Counter

import numpy as np
import scipy.sparse as sp

# What the library reads as it lies; the other numeric types are converted first.
_NATIVE = {np.dtype(kind) for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}


def is_file(X) -> bool:
    """True for "FILE" and "FILE:/path/in/file", which the library reads in place."""
    return isinstance(X, (str, os.PathLike))


def refuse_anndata(X) -> None:
    """An AnnData object holds several matrices: which is meant is for the caller to say."""
    if hasattr(X, "obsm") and hasattr(X, "layers"):
        raise TypeError("X is an AnnData object: give one of its matrices, adata.X or adata.layers[NAME], or call "
                        "scanmf.tl.nmf(adata, n_components)")


def _some_of(names) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{len(names)} ({shown}{', ...' if len(names) > 3 else ''})"


def aligned(X, features: list[str]):
    """The DataFrame with the columns `features`: absent ones 0, unknown ones left out, with a warning of each kind."""
    if not hasattr(X, "reindex") or not hasattr(X, "columns"):
        raise TypeError(f"align_features needs the names of X's columns: a pandas.DataFrame. Got {type(X).__name__} "
                        "instead (of an AnnData object take adata.to_df()).")
    if not features:
        raise ValueError("the model has no names of features: nobody knows which column of X is which of them")
    for names, what in ((list(X.columns), "columns of X"), (features, "features of the model")):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is twice among the {what}")
    known, present = set(features), set(X.columns)
    absent = [name for name in features if name not in present]
    unknown = [name for name in X.columns if name not in known]
    if len(absent) == len(features):
        raise ValueError(f"X has none of the model's features: its first is {next(iter(X.columns), None)!r}, the "
                         f"model's {features[0]!r}")
    if absent:
        warnings.warn(f"X lacks {_some_of(absent)} of the model's {len(features)} features: they are taken to be 0",
                      stacklevel=3)
    if unknown:
        warnings.warn(
            f"the model does not know {_some_of(unknown)} of the {X.shape[1]} columns of X: they are left out",
            stacklevel=3)
    return X.reindex(columns=features, fill_value=0)


def native(array: np.ndarray) -> np.ndarray:
    """The array itself where the library can read its elements, else a converted copy."""
    if array.dtype == bool:
        return (array.view(np.uint8) != 0).view(np.uint8)  # bytes other than 0 and 1 are true too
    if array.dtype in _NATIVE and array.dtype.isnative:
        return array
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)


def prepared(X):
    """`X` as the compiled module takes it: a path, an array of a native type, or a CSR or CSC matrix of such.

    Everything else must have been through scikit-learn's checks before.
    """
    if is_file(X):
        return os.fspath(X)
    if not sp.issparse(X):
        return native(np.asarray(X))
    wide = max(X.indices.itemsize, X.indptr.itemsize) > 4
    index = np.int64 if wide else np.int32
    return (
        X.format == "csc",
        X.shape,
        np.ascontiguousarray(native(X.data)),
        np.ascontiguousarray(X.indices, index),
        np.ascontiguousarray(X.indptr, index),
    )


def result_dtype(X) -> np.dtype:
    """float32 stays float32, every other type becomes float64."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)
