"""From what users hand in to what the library reads: no copy where the memory can be read as it lies."""
from __future__ import annotations

import os

import numpy as np
import scipy.sparse as sp

# What the library reads as it lies; the other numeric types are converted first.
_NATIVE = {np.dtype(kind) for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}


def is_file(X) -> bool:
    """True for "FILE" and "FILE:/path/in/file", which the library reads in place."""
    return isinstance(X, (str, os.PathLike))


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
