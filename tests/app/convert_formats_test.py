#!/usr/bin/python3
"""Archives of numpy and scipy, Matrix Market, 10x folders, HDF5 turned round; headers that lie."""
import gzip
import os
import struct
import unittest
import zipfile

import h5py
import numpy as np
import scipy.io
import scipy.sparse

from program import ProgramTest


def matrix(rows=9, columns=5, seed=0):
    """Small integers, half of them 0."""
    generator = np.random.RandomState(seed)
    return generator.randint(1, 9, (rows, columns)) * (generator.uniform(size=(rows, columns)) < 0.5) * 1.0


class Conversion(ProgramTest):
    def convert(self, source, *options):
        """What is in out.h5: X as a dense array, names of rows and columns."""
        self.succeed("convert", source, "-o", "out.h5", *options)
        with h5py.File(self.path("out.h5"), "r") as file:
            names = [[n.decode() for n in file[g + "/_index"][()]] if g in file else None for g in ("obs", "var")]
            X = file["X"]
            if isinstance(X, h5py.Dataset):
                return X[()], *names
            x = scipy.sparse.csr_matrix((X["data"][()], X["indices"][()], X["indptr"][()]), X.attrs["shape"])
            return x.toarray(), *names

    def refuse(self, phrase, source, *options, status=1):
        if os.path.exists(self.path("out.h5")):
            os.remove(self.path("out.h5"))
        self.fail_with(status, phrase, "convert", source, "-o", "out.h5", *options)

    def write_bytes(self, name, contents):
        with open(self.path(name), "wb") as file:
            file.write(contents)


class Numpy(Conversion):
    def test_arrays(self):
        x = matrix()
        for dtype in ["f8", ">f4", "f2", "i1", ">i8", "u2", "?", np.longdouble]:
            for order in "CF":
                for options in [[], ["--transpose"]]:
                    with self.subTest(dtype=dtype, order=order, options=options):
                        np.savez_compressed(self.path("x.npz"), x=np.array(x.astype(dtype), order=order))
                        meant = x.astype(dtype).astype(float)
                        np.testing.assert_array_equal(self.convert("x.npz", *options)[0], meant.T if options else meant)
        np.savez(self.path("two.npz"), a=x, b=2 * x)
        np.testing.assert_array_equal(self.convert("two.npz:b")[0], 2 * x)
        self.refuse("two.npz:NAME", "two.npz")
        self.refuse("no array 'c'", "two.npz:c")

    def test_sparse(self):
        x = matrix(8, 6)
        for kind in ["csr", "csc", "coo", "bsr", "dia"]:
            for dtype in ["f8", "f4", "i4", "u1", "?"]:
                with self.subTest(kind=kind, dtype=dtype):
                    scipy.sparse.save_npz(self.path("x.npz"), scipy.sparse.csr_matrix(x.astype(dtype)).asformat(kind))
                    np.testing.assert_array_equal(self.convert("x.npz")[0], x.astype(dtype))
                    np.testing.assert_array_equal(self.convert("x.npz", "--transpose")[0], x.astype(dtype).T)

    def test_sparse_that_does_not_fit_together(self):
        good = {
            "format": np.array(b"csr"),
            "shape": np.array([2, 3]),
            "data": np.ones(2),
            "indices": np.array([0, 2]),
            "indptr": np.array([0, 1, 2])
        }
        for name, value in [("indptr", [0, 2, 1]), ("indptr", [0, 1]), ("indptr", [1, 1, 2]), ("indices", [0, 3]),
                            ("indices", [-1, 0]), ("shape", [2**61, 3]), ("shape", [-1, 3]), ("data", [1.0]),
                            ("format", b"lil"), ("indices", [0.0, 1.0])]:
            with self.subTest(name=name, value=value):
                np.savez(self.path("x.npz"), **{**good, name: np.array(value)})
                self.refuse("x.npz", "x.npz")

    def test_what_is_refused(self):
        for name, value in [("Python objects", np.array([["a", 1]], dtype=object)), ("strings", np.array([["a"]])),
                            ("complex", np.ones((2, 2)) + 1j), ("dates", np.array([["2020-01-01"]], dtype="M8[D]")),
                            ("structured", np.zeros(3, dtype=[("a", "f8")])), ("got 1D array", np.ones(3)),
                            ("got 3D array", np.ones((2, 2, 2))), ("0 sample", np.ones((0, 2))),
                            ("0 feature", np.ones((2, 0))), ("--allow-missing", np.array([[1, np.nan]])),
                            ("infinite", np.array([[1, np.inf]]))]:
            with self.subTest(name):
                np.save(self.path("x.npy"), value, allow_pickle=True)
                self.refuse(name, "x.npy")
        self.refuse("too large for the type", self.big(), "--dtype", "float32")
        np.save(self.path("x.npy"), np.array([[1, np.nan]]))
        np.testing.assert_array_equal(self.convert("x.npy", "--allow-missing")[0], [[1, np.nan]])

    def big(self):
        np.save(self.path("big.npy"), np.array([[1, 1e300]]))
        return "big.npy"

    def test_headers_that_lie(self):
        for shape in [
                "(4611686018427387904, 4)", "(4611686018427387904, 4611686018427387904)", "(1099511627776, 2)",
                "(3, 2)", "(-1, 2)", "(2,"
        ]:
            text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
            self.write_bytes("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(32))
            with self.subTest(shape):
                self.refuse("x.npy", "x.npy")
        for lengths in [(2**31, 2**31, 2**31), (2**31, 2**30), (5, 5), (2**32 - 1, 2**32 - 1, 2**32 - 1, 16)]:
            self.write_bytes(
                "images",
                struct.pack(">HBB", 0, 8, len(lengths)) + b"".join(struct.pack(">I", n) for n in lengths) + bytes(10))
            with self.subTest(lengths):
                self.refuse("cut short", "images")

    def test_booleans_that_are_none(self):
        np.save(self.path("x.npy"), matrix() > 3)
        with open(self.path("x.npy"), "rb") as file:
            good = file.read()
        self.write_bytes("x.npy", good[:-1] + b"d")
        self.refuse("booleans that are neither 0 nor 1 (row 8, column 4", "x.npy")

    def test_headers_in_doubt(self):
        for text in [
                "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (2, 2), }", "{'descr': '<f8', 'shape': (2, 2), }",
                "{'descr': '<f8', 'fortran_order': False, 'shape': (2,, 2), }",
                "{'descr': '<f8', 'fortran_order': False, 'shape': (1 1, 2), }",
                "{'descr': '<f3', 'fortran_order': False, 'shape': (2, 2), }",
                "{'descr': 8, 'fortran_order': False, 'shape': (2, 2), }"
        ]:
            self.write_bytes("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(200))
            with self.subTest(text):
                self.refuse("x.npy", "x.npy")
                self.fail_with(1, "x.npy", "fit", "x.npy", "-k", "2")
        with open(self.path("x.npy"), "wb") as file:
            np.save(file, matrix())
            np.save(file, 2 * matrix())
        np.testing.assert_array_equal(self.convert("x.npy")[0], matrix())
        for command in [("convert", "x.npy", "-o", "out.h5"), ("fit", "x.npy", "-k", "2", "-o", "m.h5")]:
            self.assertIn("goes on behind its first array", "".join(self.succeed(*command).warnings))

    def test_other_archives(self):
        with zipfile.ZipFile(self.path("x.xlsx"), "w") as file:
            file.writestr("xl/workbook.xml", "")
        self.refuse("workbook", "x.xlsx")
        with zipfile.ZipFile(self.path("x.zip"), "w") as file:
            file.writestr("x.csv", "1,2")
        self.refuse("ZIP", "x.zip")
        np.savez_compressed(self.path("x.npz"), matrix(200, 50))
        size = os.path.getsize(self.path("x.npz"))
        with open(self.path("x.npz"), "r+b") as file:
            file.seek(size // 2)
            file.write(b"\xff\xff\xff")
        self.refuse("x.npz", "x.npz")


class MatrixMarket(Conversion):
    def market(self, contents, name="x.mtx"):
        self.write_bytes(name, contents.encode())
        return name

    def test_what_scipy_writes(self):
        x = matrix()
        for dtype in ["f8", "f4", "i4", "u1", "u8"]:
            for sparse in [True, False]:
                with self.subTest(dtype=dtype, sparse=sparse):
                    a = x.astype(dtype)
                    scipy.io.mmwrite(self.path("x.mtx"), scipy.sparse.coo_matrix(a) if sparse else a)
                    np.testing.assert_array_equal(self.convert("x.mtx")[0], x)
                    np.testing.assert_array_equal(self.convert("x.mtx", "--transpose")[0], x.T)

    def test_integers_stay_exact(self):
        big = [2**53 + 1, 2**63 - 1]
        for banner, lines in [("coordinate integer", f"1 2 2\n1 1 {big[0]}\n1 2 {big[1]}"),
                              ("array integer", f"1 2\n{big[0]}\n{big[1]}")]:
            x = self.convert(self.market(f"%%MatrixMarket matrix {banner} general\n{lines}\n"))[0]
            self.assertEqual((x.dtype, x.tolist()), (np.int64, [big]))
        x = self.convert(
            self.market(f"%%MatrixMarket matrix coordinate unsigned-integer general\n1 1 1\n1 1 {2**64 - 1}\n"))[0]
        self.assertEqual((x.dtype, x.tolist()), (np.uint64, [[2**64 - 1]]))

    def test_byte_order_mark_and_ends_of_lines(self):
        for text in [
                "\ufeff%%MatrixMarket matrix coordinate real general\n1 2 1\n1 2 3\n",
                "%%MatrixMarket matrix coordinate real general\r\n% x\r\n\r\n1\t2\t1\r\n1\t2\t3\r\n\r\n"
        ]:
            np.testing.assert_array_equal(self.convert(self.market(text))[0], [[0, 3]])

    def test_memory(self):
        scipy.io.mmwrite(self.path("x.mtx"), scipy.sparse.coo_matrix(matrix(300, 200)))
        scipy.sparse.save_npz(self.path("x.npz"), scipy.sparse.coo_matrix(matrix(300, 200)))
        for source in ["x.mtx", "x.npz"]:
            self.refuse("of memory while it is brought into the order of rows, and 0.102 MB may be taken", source,
                        "--memory", "100K")
            np.testing.assert_array_equal(self.convert(source, "--memory", "2M")[0], matrix(300, 200))

    def test_symmetric_and_duplicates(self):
        real = "%%MatrixMarket matrix coordinate real "
        for text in [
                real + "symmetric\n2 2 2\n1 1 3\n2 1 4\n", real + "symmetric\n2 2 2\n1 1 3\n1 2 4\n",
                "%%MatrixMarket matrix array real symmetric\n2 2\n3\n4\n0\n"
        ]:
            np.testing.assert_array_equal(self.convert(self.market(text))[0], [[3, 4], [4, 0]])
        self.refuse("both sides", self.market(real + "symmetric\n2 2 2\n1 2 3\n2 1 4\n"))
        result = self.succeed("convert", self.market(real + "general\n1 2 3\n1 2 3\n1 1 1\n1 2 4\n"), "-o", "out.h5")
        self.assertIn("1 entries are stored several times", "".join(result.warnings))
        np.testing.assert_array_equal(self.convert("x.mtx")[0], [[1, 7]])

    def test_what_is_refused(self):
        real, integer, dense = (
            "%%MatrixMarket matrix " + kind
            for kind in ["coordinate real general\n", "coordinate integer general\n", "array real general\n"])
        huge = 2**62
        for text, phrase in [(real + "2 2 1\n1 1 3\n2 2 4\n", "line 4: there are more entries than the 1"),
                             (dense + "2 1\n1\n2\n3\n", "more entries than the 2"),
                             (real + "2 2 2\n1 1 3\n", "entries are missing"),
                             (dense + "2 2\n1\n2\n3\n", "entries are missing"),
                             (real + "2 2 1\n0 1 3\n", "'0' is no row"),
                             (real + "2 2 1\n1 1 1e400\n", "line 3: '1e400' is too large"),
                             (real + "2 2 1\n1 1 inf\n", "not finite"), (real + "2 2 1\n1 1 nan\n", "NaN"),
                             (real + "2 2 1\n1 1\n", "expected 3 numbers"),
                             (integer + f"2 2 1\n1 1 {2**63}\n", "too large for 64 bits"),
                             (integer + "2 2 1\n1 1 1.5\n", "'1.5' is no integer"),
                             (integer + f"1 1 2\n1 1 {2**62}\n1 1 {2**62}\n", "the sum is too large"),
                             ("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 3\n", "skew-symmetric"),
                             ("%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 3 0\n", "complex"),
                             (real + f"{huge} {huge} 1\n1 1 1\n", "x.mtx"), (real + f"{huge} 2 1\n1 1 1\n", "memory"),
                             (real + f"2 2 {huge}\n1 1 1\n", "entries are missing"),
                             (dense + f"{huge} {huge}\n1\n", "entries are missing"),
                             (dense + "2147483648 2147483648\n1\n", "entries are missing"),
                             (real + f"2 2 {2**70}\n1 1 1\n", "no number of entries"), (real + "0 2 0\n", "0 sample"),
                             ("%%MatrixMarket vector\n", "expected")]:
            with self.subTest(text):
                self.refuse(phrase, self.market(text))

    def tenx(self, folder, types=("Gene Expression", ) * 4 + ("Antibody Capture", ), features="features.tsv"):
        x = matrix(5, 7)  # features x cells
        os.mkdir(self.path(folder))
        with gzip.open(self.path(f"{folder}/matrix.mtx.gz"), "wb") as file:
            scipy.io.mmwrite(file, scipy.sparse.coo_matrix(x.astype(int)))
        with gzip.open(self.path(f"{folder}/{features}.gz"), "wt") as file:
            for i, kind in enumerate(types):
                file.write(f"ENSG{i}\tgene{i}\t{kind}\n" if features == "features.tsv" else f"ENSG{i}\tgene{i}\n")
        with open(self.path(f"{folder}/barcodes.tsv"), "w", encoding="utf-8") as file:
            file.write("".join(f"CELL{i}-1\n" for i in range(7)))
        return x

    def test_10x_folders(self):
        x = self.tenx("a")
        cells = [f"CELL{i}-1" for i in range(7)]
        for source in ["a", "a/", "a/matrix.mtx.gz"]:
            now, rows, columns = self.convert(source)
            np.testing.assert_array_equal(now, x.T)
            self.assertEqual((rows, columns), (cells, [f"gene{i}" for i in range(5)]))
        now, rows, columns = self.convert("a", "--feature-type", "Gene Expression")
        np.testing.assert_array_equal(now, x[:4].T)
        self.assertEqual(columns, [f"gene{i}" for i in range(4)])
        now, rows, columns = self.convert("a", "--transpose", "false", "--feature-type", "Antibody Capture")
        np.testing.assert_array_equal(now, x[4:])
        self.assertEqual((rows, columns), (["gene4"], cells))
        self.assertIn("Antibody Capture", "".join(self.succeed("convert", "a", "-o", "out.h5").warnings))
        self.refuse("there is: Gene Expression, Antibody Capture", "a", "--feature-type", "CRISPR")
        x = self.tenx("old", features="genes.tsv")
        np.testing.assert_array_equal(self.convert("old")[0], x.T)
        self.write_bytes("old/barcodes.tsv", b"one\n")
        self.refuse("1 barcodes", "old")
        os.mkdir(self.path("empty"))
        self.refuse("matrix.mtx", "empty")


class Hdf5(Conversion):
    def test_dense(self):
        x = matrix(300, 70)
        for dtype in ["f8", "f4", "i1", ">i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
            for chunks in [None, (7, 70)]:
                with self.subTest(dtype=dtype, chunks=chunks):
                    with h5py.File(self.path("x.h5"), "w") as file:
                        file.create_dataset("X", data=x.astype(dtype), chunks=chunks)
                        file["obs/_index"] = [f"r{i}" for i in range(300)]
                    now, rows, columns = self.convert("x.h5", "--transpose", "--memory", "20K")
                    np.testing.assert_array_equal(now, x.T)
                    self.assertEqual(now.dtype, np.dtype(dtype).newbyteorder("="))
                    self.assertEqual((rows, columns), (None, [f"r{i}" for i in range(300)]))
        self.refuse("use it as it is", "x.h5")
        with open(self.path("n.txt"), "w", encoding="utf-8") as file:
            file.write("".join(f"f{i}\n" for i in range(70)))
        now, rows, columns = self.convert("x.h5", "--feature-names-from", "n.txt", "--dtype", "float32")
        self.assertEqual((rows, columns, now.dtype),
                         ([f"r{i}" for i in range(300)], [f"f{i}" for i in range(70)], np.float32))

    def test_sparse(self):
        x = matrix(60, 40)
        for encoding, kind in [("csr_matrix", scipy.sparse.csr_matrix), ("csc_matrix", scipy.sparse.csc_matrix)]:
            a = kind(x)
            with h5py.File(self.path("x.h5"), "w") as file:
                group = file.create_group("X")
                group["data"], group["indices"], group["indptr"] = a.data, a.indices, a.indptr
                group.attrs["encoding-type"], group.attrs["shape"] = encoding, x.shape
            np.testing.assert_array_equal(self.convert("x.h5", "--transpose", "--memory", "1K")[0], x.T)
            np.testing.assert_array_equal(self.convert("x.h5", "--transpose", "false", "--dtype", "float32")[0], x)
            with h5py.File(self.path("x.h5"), "r+") as file:
                file["X/data"][3] = np.nan
            self.refuse("--allow-missing", "x.h5", "--transpose")
            self.assertEqual(np.isnan(self.convert("x.h5", "--transpose", "--allow-missing")[0]).sum(), 1)

    def test_features_of_one_type(self):
        x = matrix(60, 40)
        types = ["a" if j % 3 else "b" for j in range(40)]
        taken = [j for j in range(40) if types[j] == "a"]
        for kind in [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, None]:
            with h5py.File(self.path("x.h5"), "w") as file:
                if kind is None:
                    file.create_dataset("X", data=x.astype("i2"), chunks=(7, 9))
                else:
                    a, group = kind(x), file.create_group("X")
                    group["data"], group["indices"], group["indptr"] = a.data, a.indices, a.indptr
                    group.attrs["encoding-type"], group.attrs["shape"] = f"{a.format}_matrix", x.shape
                file["var/_index"], file["var/feature_types"] = [f"f{j}" for j in range(40)], types
            now, _, columns = self.convert("x.h5", "--feature-type", "a", "--memory", "1K")
            np.testing.assert_array_equal(now, x[:, taken])
            self.assertEqual(columns, [f"f{j}" for j in taken])
            self.refuse("there are a, b", "x.h5", "--feature-type", "c")
            self.refuse("for one step each", "x.h5", "--feature-type", "a", "--transpose", status=2)
        np.save(self.path("x.npy"), x)
        self.refuse("10x Genomics, AnnData", "x.npy", "--feature-type", "a", status=2)

    def test_ranks_agree(self):
        self.write_bytes("x.csv", b"a,b\n1,2\n")
        self.succeed("convert", "x.csv", "-o", "out.h5", ranks=2)
        self.fail_with(2, "is for text", "convert", "out.h5", "-o", "other.h5", "--header", "yes", ranks=2)
        self.fail_with(1, "use it as it is", "convert", "out.h5", "-o", "other.h5", ranks=2)

    def test_inputs(self):
        os.mkfifo(self.path("pipe.csv"))
        self.refuse("not a file", "pipe.csv")
        for name, contents, phrase in [("x.xz", b"\xfd7zXZ\x00", "xz -d"), ("x.parquet", b"PAR1", "Parquet"),
                                       ("x.bin", bytes(range(256)), "unknown"),
                                       ("x.rds", gzip.compress(b"X\n\0\0\0\3"), "write.csv")]:
            self.write_bytes(name, contents)
            self.refuse(phrase, name)
        for name in "ab":
            self.write_bytes(name, b"quiet = true\n")
        self.refuse("'--config' is given twice", "x.bin", "--config", "a", "--config", "b", status=2)


if __name__ == "__main__":
    unittest.main()
