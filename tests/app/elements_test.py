#!/usr/bin/python3
"""Elements that stand for no number, or for none of this machine's: marks of missing values, booleans that are none,
long doubles of 128 bits. Whatever type they are read or written as, they never become numbers."""
import os
import struct
import unittest

import h5py
import numpy as np

from program import ProgramTest, share

ROWS, COLUMNS = 12, 7
BAD = (4, 2)
PLACE = "(row 4, column 2"
FIT = ["-k", "2", "--max-iter", "5"]
DTYPES = ("float32", "float64")


def compressed(x):
    """data, indices, indptr by rows, zeros included, so that any value may be put into the data."""
    return x.ravel(), np.tile(np.arange(x.shape[1]), x.shape[0]), np.arange(x.shape[0] + 1) * x.shape[1]


def quadruple(value):
    """The bytes of a small number as IEEE's binary128."""
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    exponent = 0 if value == 0 else (bits >> 52) - 1023 + 16383
    return ((exponent << 112) | (bits & ((1 << 52) - 1)) << 60).to_bytes(16, "little")


class Elements(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = np.random.RandomState(3).randint(1, 9, (ROWS, COLUMNS)).astype(float)

    def refused(self, phrase, source, *options, converts=True):
        """By fit, in memory and streamed, and by convert; the phrase with the place of the element."""
        for memory in ("none", "300"):
            for dtype in DTYPES:
                self.fail_with(1, phrase, "fit", source, *FIT, "--memory", memory, "--dtype", dtype, *options)
        if converts:
            for dtype in DTYPES:
                self.fail_with(1, phrase, "convert", source, "--dtype", dtype, "-o", "out.h5", *options)

    def converted(self, source, *options):
        self.succeed("convert", source, *options, "-o", "out.h5")
        x = self.read("out.h5", "X")
        os.remove(self.path("out.h5"))
        return x

    # Marks of missing values

    def marked(self, dtype, value, chunks=None, compression=None, **attributes):
        x = self.x.astype(dtype)
        x[BAD] = value
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", data=x, chunks=chunks, compression=compression)
            for name, mark in attributes.items():
                file["X"].attrs[name] = mark
        return x

    def test_marks_are_of_the_type_that_the_file_has(self):
        for dtype, value, attributes in share([
            ("f4", 1e20, dict(_FillValue=np.array([1e20], "f8"))),
            ("f4", 9.96921e36, dict(missing_value="9.96921e36")),
            ("f4", 0.1, dict(_FillValue=np.array([0.1], "f8"))),
            ("f2", 0.1, dict(missing_value=np.array([0.1], "f8"))),
            ("f8", 1e20, dict(_FillValue=np.array([1e20], "f8"))),
            ("f8", 1e300, dict(_FillValue=np.array([1e300], "f8"))),
            ("i4", 16777217, dict(_FillValue=np.array([16777217], "i4"))),
            ("i8", 2**40 + 1, dict(_FillValue=np.array([2**40 + 1], "f8"))),
            ("f8", 50.0000001, dict(valid_max=[50.])),
        ]):
            for layout in (dict(), dict(chunks=(5, 3), compression="gzip")):
                with self.subTest(dtype=dtype, value=value, **layout):
                    x = self.marked(dtype, value, **layout, **attributes)
                    self.refused("missing values (by its _FillValue, missing_value or valid_range) (row 4, column 2",
                                 "x.h5")
                    x = x.astype("f8")
                    x[BAD] = np.nan
                    for written in DTYPES:
                        now = self.converted("x.h5", "--allow-missing", "--dtype", written)
                        np.testing.assert_array_equal(now, x.astype(written))
            self.fail_with(1, "missing values", "fit", "x.h5", *FIT, "--transpose")

    def test_what_only_looks_like_a_mark_when_it_is_rounded(self):
        x = self.marked("i4", 16777216, _FillValue=np.array([16777217], "i4"))
        self.succeed("fit", "x.h5", *FIT, "--dtype", "float32")
        np.testing.assert_array_equal(self.converted("x.h5", "--dtype", "float32"), x.astype("f4"))
        x = self.marked("f8", 50.0000001, valid_max=[50.0000002])
        self.succeed("fit", "x.h5", *FIT, "--dtype", "float32")
        np.testing.assert_array_equal(self.converted("x.h5", "--dtype", "float32"), x.astype("f4"))

    def test_a_file_of_hdf5_with_marks_says_how_they_are_written(self):
        self.marked("f8", 1e20, _FillValue=[1e20])
        self.fail_with(1, "use it as it is (or say --transpose, --feature-type, --dtype or names, or --allow-missing",
                       "convert", "x.h5", "-o", "out.h5")

    def test_only_what_is_written_is_judged(self):
        types = ["a"] * 3 + ["b"] * 4
        for kind in ("dense", "csr", "csc"):
            for value in (np.nan, np.inf) if kind != "dense" else (1e20, ):
                x = self.x.copy()
                x[BAD] = value
                with h5py.File(self.path("x.h5"), "w") as file:
                    if kind == "dense":
                        file["X"] = x
                        file["X"].attrs["_FillValue"] = [1e20]
                    else:
                        data, indices, indptr = compressed(x if kind == "csr" else x.T)
                        file["X/data"], file["X/indices"], file["X/indptr"] = data, indices, indptr
                        file["X"].attrs["encoding-type"], file["X"].attrs["shape"] = f"{kind}_matrix", x.shape
                    file["var/_index"], file["var/feature_types"] = [f"g{j}" for j in range(COLUMNS)], types
                with self.subTest(kind=kind, value=value):
                    self.succeed("convert", "x.h5", "--feature-type", "b", "-o", "out.h5")
                    with h5py.File(self.path("out.h5"), "r") as file:
                        written = file["X/data" if kind != "dense" else "X"][()]
                    np.testing.assert_array_equal(written.ravel(), self.x[:, 3:].ravel())
                    os.remove(self.path("out.h5"))
                    self.fail_with(1, "row 4, column 2", "convert", "x.h5", "--feature-type", "a", "-o", "out.h5")

    # Booleans

    def boolean_array(self, value, order="C"):
        x = np.array(self.x > 2, order=order)
        x.view("u1")[BAD] = value
        np.save(self.path("x.npy"), x)

    def test_booleans_of_numpy_files(self):
        for value in (2, 255):
            for order in "CF":
                with self.subTest(value=value, order=order):
                    self.boolean_array(value, order)
                    phrase = f"booleans that are neither 0 nor 1 {PLACE}"
                    if order == "C":
                        self.refused(phrase, "x.npy")
                    else:
                        self.fail_with(1, phrase, "fit", "x.npy", *FIT)
                        self.fail_with(1, phrase, "convert", "x.npy", "-o", "out.h5")

    def test_booleans_of_hdf5(self):
        logical = h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, "i1")
        truths = (self.x > 2).astype("i1")
        truths[BAD] = -1
        for layout in (dict(), dict(chunks=(5, 3), compression="gzip")):
            with h5py.File(self.path("x.h5"), "w") as file:
                file.create_dataset("X", data=truths, dtype=logical, **layout)
            self.refused(f"booleans that are neither 0 nor 1 {PLACE}", "x.h5")
            self.fail_with(1, "booleans that are neither 0 nor 1 (row 4, column 2 as stored)", "convert", "x.h5",
                           "--transpose", "--allow-missing", "-o", "out.h5")
        for kind in ("csr", "csc"):
            data, indices, indptr = compressed(truths if kind == "csr" else truths.T)
            with h5py.File(self.path("x.h5"), "w") as file:
                file.create_dataset("X/data", data=data, dtype=logical)
                file["X/indices"], file["X/indptr"] = indices, indptr
                file["X"].attrs["encoding-type"], file["X"].attrs["shape"] = f"{kind}_matrix", truths.shape
            self.fail_with(1, f"booleans that are neither 0 nor 1 {PLACE}", "fit", "x.h5", *FIT)
            self.fail_with(1, "booleans that are neither 0 nor 1 in row 2, column 4 of X", "convert", "x.h5",
                           "--transpose", "-o", "out.h5")

    # Long doubles

    def long_doubles(self, encode):
        np.save(self.path("x.npy"), self.x.astype(np.longdouble))
        with open(self.path("x.npy"), "r+b") as file:
            file.seek(-16 * self.x.size, os.SEEK_END)
            file.write(b"".join(encode(value) for value in self.x.ravel()))

    def test_long_doubles_of_other_machines(self):
        phrase = "numbers of 16 bytes in another form than this machine's: save them as float64"
        self.long_doubles(quadruple)
        self.refused(phrase, "x.npy", converts=False)
        self.fail_with(1, phrase, "convert", "x.npy", "-o", "out.h5")
        self.x /= 3
        self.long_doubles(quadruple)
        self.refused(phrase, "x.npy", converts=False)
        self.fail_with(1, phrase, "convert", "x.npy", "-o", "out.h5")

    def test_what_lies_behind_the_80_bits_of_a_long_double_means_nothing(self):
        self.x[3:, :] = 0
        self.long_doubles(lambda value: np.longdouble(value).tobytes()[:10] + b"\x60\x12\xfe\x7f\0\0")
        np.testing.assert_array_equal(self.converted("x.npy"), self.x)

    # What only the loss of counts asks

    def test_the_note_on_whole_numbers(self):
        loss = [*FIT, "--solver", "mu", "--beta-loss", "kullback-leibler"]
        note = "values of X are not whole numbers"
        np.save(self.path("whole.npy"), self.x)
        np.save(self.path("parts.npy"), self.x + 0.5)
        self.assertIn(note, self.succeed("fit", "parts.npy", *loss).stderr)
        self.assertNotIn(note, self.succeed("fit", "whole.npy", *loss).stderr)
        self.assertNotIn(note, self.succeed("fit", "parts.npy", *FIT).stderr)
        with h5py.File(self.path("x.h5"), "w") as file:  # X that has stored nothing but one number
            file["X/data"], file["X/indices"] = np.array([], "f8"), np.array([], "i4")
            file["X/indptr"] = np.zeros(ROWS + 1, "i8")
            file["X"].attrs["encoding-type"], file["X"].attrs["shape"] = "csr_matrix", (ROWS, COLUMNS)
        self.assertNotIn(note, self.run_program("fit", "x.h5", *loss).stderr)


if __name__ == "__main__":
    unittest.main()
