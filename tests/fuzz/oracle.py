"""What a file says according to other readers (h5py, numpy, scipy): what the program reads without an error must be
that."""
import gzip
import io
import os
import zipfile

import h5py
import numpy as np
import scipy.io
import scipy.sparse

MOST = 10**6  # elements


def small(shape):
    if len(shape) != 2 or np.prod(np.array(shape, float)) > MOST:
        raise ValueError("not compared")
    return tuple(int(length) for length in shape)


def dense(values):
    if values.dtype.kind not in "fiub":
        raise ValueError("no numbers")
    return np.asarray(values, float)


def compressed(shape, values, lines, bounds):
    """A dense matrix of rows in the order of CSR; what is there twice is added up."""
    shape = small(shape)
    lines, bounds = np.asarray(lines, "i8"), np.asarray(bounds, "i8")
    x = np.zeros(shape)
    np.add.at(x, (np.repeat(np.arange(shape[0]), np.diff(bounds)), lines[bounds[0]:bounds[-1]]),
              np.asarray(values, float)[bounds[0]:bounds[-1]])
    return x


def of_hdf5(path):
    with h5py.File(path, "r") as file:
        if "matrix" in file and "X" not in file:
            group = file["matrix"]
            return compressed(group["shape"][()][::-1], group["data"][()], group["indices"][()], group["indptr"][()])
        item = file["X"]
        if isinstance(item, h5py.Dataset):
            small(item.shape)
            return dense(item[()])
        by_column = {"csr_matrix": False, "csc_matrix": True}[item.attrs["encoding-type"]]
        shape = item.attrs["shape"][::-1] if by_column else item.attrs["shape"]
        x = compressed(shape, item["data"][()], item["indices"][()], item["indptr"][()])
        return x.T if by_column else x


def of_idx(path):
    with open(path, "rb") as file:
        contents = file.read()
    types = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    sizes = np.frombuffer(contents[4:4 + 4 * contents[3]], ">u4").astype(int)
    values = np.frombuffer(contents[4 + 4 * contents[3]:], types[contents[2]])
    return dense(values).reshape(small((sizes[0], int(np.prod(sizes[1:], dtype=float)))))


def of_csv(path):
    with open(path, "rb") as file:
        lines = file.read().decode("ascii").splitlines()[1:]
    return np.array([[float(cell) for cell in line.split(",")] for line in lines])


def of_market(file):
    x = scipy.io.mmread(file)
    small(x.shape)
    return dense(x.toarray() if scipy.sparse.issparse(x) else x)


def of_folder(path):
    with gzip.open(os.path.join(path, "matrix.mtx.gz"), "rb") as file:
        return of_market(io.BytesIO(file.read())).T


def of_npz(path):
    with zipfile.ZipFile(path) as archive:
        if any(entry.file_size > 8 * MOST for entry in archive.infolist()):
            raise ValueError("not compared")
    with np.load(path, allow_pickle=False) as arrays:
        if "format" in arrays:
            x = scipy.sparse.load_npz(path)
            small(x.shape)
            return dense(x.toarray())
        return two_dimensional(arrays[arrays.files[0]])


def of_npy(path):
    return two_dimensional(np.load(path, mmap_mode="r", allow_pickle=False))


def two_dimensional(x):
    small(x.shape)
    return dense(x)


READERS = {".h5": of_hdf5, ".csv": of_csv, ".mtx": of_market, ".npy": of_npy, ".npz": of_npz, "": of_idx}


def reference(path):
    """X of a file, or None where these readers do not read it, or it is large."""
    try:
        reader = of_folder if os.path.isdir(path) else READERS[os.path.splitext(path)[1]]
        return reader(path)
    except Exception:  # whatever a malformed file leads these readers to
        return None


def converted(path):
    with h5py.File(path, "r") as file:
        item = file["X"]
        if isinstance(item, h5py.Dataset):
            return dense(item[()])
        return compressed(item.attrs["shape"], item["data"][()], item["indices"][()], item["indptr"][()])


def difference(words, file, output):
    """None: not compared. "": the program has read the same matrix. Otherwise what differs."""
    if words[0] not in ("convert", "fit") or file not in words[1] or not os.path.exists(output):
        return None
    x = reference(file)
    if x is None:
        return None
    x = x.T if "--transpose" in words else x
    with np.errstate(all="ignore"):
        if words[0] == "convert":
            now = converted(output)
            same = now.shape == x.shape and np.allclose(now, x, rtol=1e-6, atol=0, equal_nan=True)
            return "" if same else f"another matrix: {now.shape} for {x.shape}"
        with h5py.File(output, "r") as model:
            W, H = model["W"][()].astype(float), model["H"][()].astype(float)
            stated = float(model.attrs["reconstruction_err"])
    if (len(W), H.shape[1]) != x.shape:
        return f"another matrix: {(len(W), H.shape[1])} for {x.shape}"
    error = np.linalg.norm(x - W @ H)
    scale = np.linalg.norm(x)
    return "" if abs(error - stated) <= 1e-3 * scale else f"another matrix: its error is {stated}, not {error}"
