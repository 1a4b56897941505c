#!/usr/bin/python3
"""X where other programs put it: .npy files, behind links, in several files, under h5py's own filter. The same factors
as from a plain dataset, or a refusal that names what is missing."""
import os
import unittest

import h5py
import numpy as np

from program import ProgramTest, share

FIT = ["-k", "3", "--init", "random", "--random-state", "0", "--max-iter", "5", "--tol", "0"]
STREAMED = ["--memory", "3000"]
ROWS, COLUMNS = 300, 13


def sparse_group(group, x, **options):
    rows, columns = np.nonzero(x)
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(x.shape)})
    group.create_dataset("indptr", data=np.concatenate([[0], np.cumsum((x != 0).sum(1))]), **options)
    group.create_dataset("indices", data=columns.astype("i4"), **options)
    group.create_dataset("data", data=x[rows, columns], **options)


class Arrays(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(3)
        self.x = random.randint(0, 60,
                                (ROWS, COLUMNS)) * (random.rand(ROWS, COLUMNS) < 0.6) + 1.0 * (np.arange(COLUMNS) == 0)
        self.write("plain.h5", X=self.x)
        with h5py.File(self.path("csr.h5"), "w") as file:
            sparse_group(file.create_group("X"), self.x)
        self.expected = {name: self.factors(name) for name in ("plain.h5", "csr.h5")}

    def factors(self, name, *options):
        self.succeed("fit", name, *FIT, *options, "-o", "m.h5")
        return self.read("m.h5", "W"), self.read("m.h5", "H")

    def expect_same(self, name, like="plain.h5", ways=((), STREAMED)):
        for options in ways:
            with self.subTest(name, options=options):
                for found, expected in zip(self.factors(name, *options), self.expected[like]):
                    np.testing.assert_array_equal(found, expected)

    def refused(self, name, *phrases):
        for options in ((), STREAMED):
            with self.subTest(name, options=options):
                result = self.fail_with(1, phrases[0], "fit", name, *FIT, *options, "-o", "n.h5")
                for phrase in phrases[1:]:
                    self.assertIn(phrase, result.errors[0])

    def test_numpy_files_are_read_in_place(self):
        for dtype in share(("f8", ">f8", "f2", "i1", "u1", ">i2", "i4", "u8", "longdouble")):
            np.save(self.path("x.npy"), self.x.astype(dtype))
            self.expect_same("x.npy")
        np.save(self.path("x.npy"), self.x.astype("f4"))
        self.write("single.h5", X=self.x.astype("f4"))
        self.expected["single.h5"] = self.factors("single.h5")
        self.expect_same("x.npy", "single.h5")
        np.save(self.path("x.npy"), self.x > 0)
        self.write("yes.h5", X=self.x > 0)
        self.expected["yes.h5"] = self.factors("yes.h5")
        self.expect_same("x.npy", "yes.h5")
        self.succeed("transform", "x.npy", "--model", "m.h5", "-o", "w.h5")

    def test_fortran_order_is_transposed_in_memory(self):
        np.save(self.path("x.npy"), np.asfortranarray(self.x))
        self.expect_same("x.npy", ways=((), ))
        minibatch = ["--estimator", "minibatch-nmf", "--batch-size", "70"]
        self.expected["batches"] = self.factors("plain.h5", *minibatch)
        self.expect_same("x.npy", "batches", ways=(minibatch, ))
        result = self.fail_with(1, "cannot be streamed", "fit", "x.npy", *FIT, *STREAMED, "-o", "n.h5")
        self.assertIn("scanmf convert x.npy -o OUT.h5", result.errors[0])

    def test_numpy_files_that_lie(self):
        np.save(self.path("x.npy"), self.x)
        with open(self.path("x.npy"), "r+b") as file:
            file.truncate(os.path.getsize(self.path("x.npy")) - 8)
        self.refused("x.npy", "cut short")
        for shape in ("(4611686018427387904, 4611686018427387904)", "(4611686018427387904, 2)", "(-3, 2)",
                      "(1000000000, 1000000)"):
            header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
            with open(self.path("x.npy"), "wb") as file:
                file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64))
            self.refused("x.npy", "x.npy")

    def test_links_lead_to_another_file(self):
        with h5py.File(self.path("target.h5"), "w") as file:
            file["pad"] = np.full(700, 7.0)
            file["deep/m"] = self.x
            sparse_group(file.create_group("s"), self.x)
        with h5py.File(self.path("x.h5"), "w") as file:
            file["other"] = np.full(20000, 5.0)  # so that the target's offset lies within this file too
            file["X"] = h5py.ExternalLink("target.h5", "/deep/m")
        self.expect_same("x.h5")
        with h5py.File(self.path("x.h5"), "w") as file:
            file["other"] = np.full(20000, 5.0)
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "shape": np.array(self.x.shape)})
            for part in ("data", "indices", "indptr"):
                group[part] = h5py.ExternalLink("target.h5", "/s/" + part)
        self.expect_same("x.h5", "csr.h5")

    def test_virtual_datasets(self):
        def write(mapped):
            layout = h5py.VirtualLayout((ROWS, COLUMNS), "f8")
            for i, (begin, end) in enumerate(((0, 100), (100, 170), (170, ROWS))):
                self.write(f"part{i}.h5", d=self.x[begin:end])
                if i in mapped:
                    layout[begin:end] = h5py.VirtualSource(f"part{i}.h5", "d", (end - begin, COLUMNS))
            with h5py.File(self.path("x.h5"), "w", libver="latest") as file:
                file.create_virtual_dataset("X", layout)

        write((0, 1, 2))
        self.expect_same("x.h5")
        os.rename(self.path("part1.h5"), self.path("gone.h5"))
        self.refused("x.h5", "part1.h5", "missing")
        self.write("part1.h5", d=self.x[100:150])
        self.refused("x.h5", "part1.h5", "smaller")
        self.write("part1.h5", e=self.x[100:170])
        self.refused("x.h5", "part1.h5")
        write((0, 2))
        self.refused("x.h5", "no file is mapped to")
        with h5py.File(self.path("part0.h5"), "w") as file:
            file.create_dataset("d", data=self.x, maxshape=(None, COLUMNS))
        with h5py.File(self.path("x.h5"), "w", libver="latest") as file:
            layout = h5py.VirtualLayout((ROWS, COLUMNS), "f8", maxshape=(None, COLUMNS))
            source = h5py.VirtualSource("part0.h5", "d", (ROWS, COLUMNS), maxshape=(None, COLUMNS))
            layout[:h5py.h5s.UNLIMITED] = source[:h5py.h5s.UNLIMITED]
            file.create_virtual_dataset("X", layout)
        self.expect_same("x.h5")

    def test_external_raw_files(self):
        def write(size=None):
            with open(self.path("raw.bin"), "wb") as file:
                file.write(bytes(16) + self.x.tobytes())
                file.truncate(size)
            with h5py.File(self.path("x.h5"), "w") as file:
                file.create_dataset("X", (ROWS, COLUMNS), "f8", external=[("raw.bin", 16, h5py.h5f.UNLIMITED)])

        write()
        with open(self.path("raw.bin"), "r+b") as file:  # what creating the dataset may have written
            file.write(bytes(16) + self.x.tobytes())
        self.expect_same("x.h5")
        with open(self.path("raw.bin"), "r+b") as file:
            file.truncate(5000)
        self.refused("x.h5", "raw.bin", "cut short")
        os.remove(self.path("raw.bin"))
        self.refused("x.h5", "raw.bin", "missing")

    def test_lzf(self):
        for shuffle in (True, False):
            with h5py.File(self.path("x.h5"), "w") as file:
                file.create_dataset("X", data=self.x, compression="lzf", shuffle=shuffle, chunks=(32, 5))
                for table, count in (("obs", ROWS), ("var", COLUMNS)):
                    names = [f"{table}{i}" for i in range(count)]
                    file.create_group(table).create_dataset("_index", data=names, dtype=h5py.string_dtype(),
                                                            compression="lzf", chunks=(7, ))
            self.expect_same("x.h5")
            self.assertEqual(self.read("m.h5", "feature_names")[3], b"var3")
            with h5py.File(self.path("x.h5"), "w") as file:
                sparse_group(file.create_group("X"), self.x, compression="lzf", shuffle=shuffle, chunks=(64, ))
            self.expect_same("x.h5", "csr.h5")
        with h5py.File(self.path("x.h5"), "w") as file:  # a filter that is undone by HDF5 alone comes behind
            file.create_dataset("X", data=self.x, compression="lzf", fletcher32=True, chunks=(32, 5))
        self.expect_same("x.h5")

    def test_nothing_was_ever_written(self):
        for chunks in (None, (100, COLUMNS)):
            with h5py.File(self.path("x.h5"), "w") as file:
                file.create_dataset("X", (10**8, COLUMNS), "f8", chunks=chunks)
            self.refused("x.h5", "nothing was ever written there")


if __name__ == "__main__":
    unittest.main()
