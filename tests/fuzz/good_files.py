"""The good files of each kind, the commands that read them, and how they are spoiled."""
import dataclasses
import gzip
import os
import subprocess
import sys
from typing import Callable, Optional

import h5py
import numpy as np
import scipy.io
import scipy.sparse

import mutations

FIT = ["fit", "{f}", "-k", "2", "--max-iter", "3", "--random-state", "0", "--quiet", "-o", "o.h5"]
ON_DENSE = ["fit", "{b}/dense.h5", "-k", "3", "--random-state", "0", "--quiet", "-o", "o.h5", "--max-iter", "5"]
CHECKPOINT = ON_DENSE + ["--checkpoint", "{f}"]
MINI_BATCH = ["--estimator", "minibatch-nmf", "--batch-size", "16"]
MODEL = [["inspect", "{f}"], ["transform", "{b}/dense.h5", "--model", "{f}", "--quiet", "-o", "o.h5"],
         ["inverse-transform", "{b}/w.h5", "--model", "{f}", "--quiet", "-o", "o.h5"]]
CONVERT = [["convert", "{f}", "-o", "o.h5", "--quiet"]]
AS_DOUBLE = CONVERT[0] + ["--dtype", "float64"]
MATRIX = [
    FIT, FIT + ["--memory", "3K"], ["inspect", "{f}"], AS_DOUBLE, FIT + MINI_BATCH,
    ["transform", "{f}", "--model", "{b}/m.h5", "--quiet", "-o", "o.h5"]
]
TURNED = [FIT + ["--transpose"], ["convert", "{f}", "-o", "o.h5", "--quiet", "--transpose"]]


@dataclasses.dataclass
class Kind:
    """Files of a kind. own: scanmf's own, sealed again after most changes (None: no HDF5)."""
    base: str
    commands: list
    own: Optional[bool] = None
    spoil: Callable = mutations.spoil_bytes


KINDS = {
    "dense": Kind("dense.h5", MATRIX + TURNED, False),
    "gzip": Kind("gzip.h5", MATRIX + TURNED, False),
    "csr": Kind("csr.h5", MATRIX + TURNED, False),
    "csc": Kind("csc.h5", MATRIX + TURNED, False),
    "10x": Kind("tenx.h5", MATRIX, False),
    "model": Kind("m.h5", MODEL, True),
    "mini-batch model": Kind("mb.h5", MODEL + [["partial-fit", "{b}/dense.h5", "--model", "{f}", "--quiet"]] * 3, True),
    "checkpoint": Kind("ck.h5", [CHECKPOINT], True),
    "mini-batch checkpoint": Kind("ckmb.h5", [CHECKPOINT + MINI_BATCH], True),
    "factors": Kind("factors.h5", MODEL[:2] + [ON_DENSE + ["--init", "custom", "--init-file", "{f}"]], False),
    "csv": Kind("x.csv", CONVERT, spoil=mutations.spoil_text),
    "Matrix Market": Kind("x.mtx", CONVERT, spoil=mutations.spoil_text),
    "npy": Kind("x.npy", CONVERT + [FIT, FIT + ["--memory", "3K"], ["inspect", "{f}"]], spoil=mutations.spoil_npy),
    "npz": Kind("x.npz", CONVERT, spoil=mutations.spoil_archive),
    "sparse npz": Kind("sparse.npz", CONVERT, spoil=mutations.spoil_archive),
    "idx": Kind("x-idx3-ubyte", CONVERT, spoil=mutations.spoil_idx),
    "folder of 10x": Kind("folder", CONVERT, spoil=mutations.spoil_packed_text),
    "config": Kind("c.conf", [["fit", "{b}/dense.h5", "--quiet", "-o", "o.h5", "--config", "{f}"]],
                   spoil=mutations.spoil_settings),
    "log": Kind("log", [ON_DENSE + ["--log-json", "{f}"]], spoil=mutations.spoil_text),
}


def write_sparse(file, name, matrix, by_column=False):
    lines = matrix.T if by_column else matrix
    group = file.create_group(name)
    group.attrs["encoding-type"] = "csc_matrix" if by_column else "csr_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = np.array(matrix.shape)
    group["data"] = lines[lines != 0]
    group["indices"] = np.nonzero(lines)[1].astype("i4")
    group["indptr"] = np.concatenate([[0], np.cumsum((lines != 0).sum(1))]).astype("i8")


def write_names(file, x):
    for group, count in (("obs", x.shape[0]), ("var", x.shape[1])):
        table = file.create_group(group)
        table.attrs["encoding-type"], table.attrs["_index"] = "dataframe", "_index"
        table.create_dataset("_index", data=[f"{group}-{i}" for i in range(count)], dtype=h5py.string_dtype(),
                             compression="gzip" if group == "var" else None)


def make_hdf5(path, x, few, numbers):
    with h5py.File(path("dense.h5"), "w") as file:
        file["X"] = x
    with h5py.File(path("gzip.h5"), "w") as file:
        file.create_dataset("X", data=x, chunks=(8, 5), compression="gzip", shuffle=True)
        write_names(file, x)
    for name, by_column in (("csr.h5", False), ("csc.h5", True)):
        with h5py.File(path(name), "w") as file:
            write_sparse(file, "X", few, by_column)
            write_names(file, few)
    with h5py.File(path("tenx.h5"), "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"] = few[few != 0].astype("i4"), np.nonzero(few)[1].astype("i8")
        group["indptr"] = np.concatenate([[0], np.cumsum((few != 0).sum(1))])
        group["shape"] = np.array([12, 40], "i4")
        group["barcodes"] = np.array([f"c{i}" for i in range(40)], "S")
        group["features/name"] = np.array([f"g{i}" for i in range(12)], "S")
        group["features/id"] = np.array([f"id{i}" for i in range(12)], "S")
    with h5py.File(path("factors.h5"), "w") as file:
        file["W"], file["H"] = numbers.uniform(0.1, 1, (40, 3)), numbers.uniform(0.1, 1, (3, 12))
        file.create_dataset("feature_names", data=[f"g{i}" for i in range(12)], dtype=h5py.string_dtype())


def make_others(path, x, few):
    np.savetxt(path("x.csv"), x, delimiter=",", fmt="%.4g", header=",".join(f"g{j}" for j in range(12)), comments="")
    np.save(path("x.npy"), x)
    np.savez_compressed(path("x.npz"), x)
    scipy.sparse.save_npz(path("sparse.npz"), scipy.sparse.csr_matrix(few))
    with open(path("x-idx3-ubyte"), "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + np.array([40, 3, 4], ">u4").tobytes() + few.astype("u1").tobytes())
    scipy.io.mmwrite(path("x.mtx"), scipy.sparse.coo_matrix(few))
    os.mkdir(path("folder"))
    with gzip.open(path("folder/matrix.mtx.gz"), "wb") as file:
        scipy.io.mmwrite(file, scipy.sparse.coo_matrix(few.T.astype(int)))
    with gzip.open(path("folder/features.tsv.gz"), "wt") as file:
        file.writelines(f"ENSG{j}\tgene{j}\tGene Expression\n" for j in range(12))
    with gzip.open(path("folder/barcodes.tsv.gz"), "wt") as file:
        file.writelines(f"cell-{i}\n" for i in range(40))
    with open(path("c.conf"), "w", encoding="ascii") as file:
        file.write("# settings\nn-components = 3\nmax-iter = 5\nsolver = mu  # as before\n"
                   "beta-loss = kullback-leibler\nrandom-state = 0\ninit = random\ntol = 1e-3\n")


def make_own(path, run):
    """Models and checkpoints."""
    fit = ["fit", "dense.h5", "-k", "3", "--random-state", "0", "--max-iter", "5"]
    run(*fit, "-o", "m.h5", "--log-json", "log")
    run(*fit, *MINI_BATCH, "--save-w", "false", "-o", "mb.h5")
    run("transform", "dense.h5", "--model", "m.h5", "-o", "w.h5")
    for name, options in (("ck.h5", []), ("ckmb.h5", MINI_BATCH)):
        open(path("STOP"), "w", encoding="ascii").close()
        run(*fit, *options, "-o", "o.h5", "--checkpoint", name, status=75)
    for name in ("STOP", "ck.h5.lock", "ckmb.h5.lock"):
        if os.path.exists(path(name)):
            os.remove(path(name))


def make(folder, program, environment):
    """All of them, in a folder."""
    numbers = np.random.RandomState(0)
    x = numbers.uniform(0.1, 1, (40, 12))
    few = np.where(numbers.uniform(size=x.shape) < 0.3, np.round(9 * x + 1), 0)

    def path(name):
        return os.path.join(folder, name)

    def run(*words, status=0):
        result = subprocess.run([program, *words, "--quiet"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True)
        if result.returncode != status:
            sys.exit(f"the good files cannot be made: {words}: {result.stderr}")

    make_hdf5(path, x, few, numbers)
    make_others(path, x, few)
    make_own(path, run)
