#!/usr/bin/python3
"""Models, checkpoints and names that are whole, have right checksums, and do not say what they should: refused with one
line, by all ranks alike."""
import os
import signal
import struct
import sys
import unittest

import h5py
import numpy as np

from program import RANKS, ProgramTest, positive_matrix

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz"))
import mutations

MINI_BATCH = ["--estimator", "minibatch-nmf", "--batch-size", "16"]
LARGEST = 2**63 - 1


class Malformed(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = positive_matrix(40, 12)
        self.write("x.h5", X=self.x)

    def fit(self, *options):
        return ["fit", "x.h5", "-k", "3", "--random-state", "0", "--max-iter", "5", "--quiet", "-o", "m.h5", *options]

    def change(self, name, sealed=True, **values):
        """Replaces datasets (state__A), attributes (state__rho=…; of /: attr__n_iter) or removes them (None)."""
        with h5py.File(self.path(name), "r+") as file:
            for key, value in values.items():
                *group, last = key.split("__")
                item = file["/".join(group) or "/"] if group != ["attr"] else file
                if last in item.attrs or group == ["attr"]:
                    del item.attrs[last]
                    if value is not None:
                        item.attrs[last] = value
                    continue
                del item[last]
                if value is not None:
                    item[last] = value
        if sealed:
            mutations.seal(self.path(name))

    def refused(self, base, words, cases):
        with open(self.path(base), "rb") as file:
            good = file.read()
        for number, (phrase, change) in enumerate(cases):
            for sealed in [True] if number else [True, False]:
                with open(self.path(base), "wb") as file:
                    file.write(good)
                self.change(base, sealed, **change)
                with self.subTest(phrase=phrase, sealed=sealed, change=sorted(change)):
                    self.fail_with(1, phrase, *words)

    @unittest.skipIf(RANKS > 0, "mpirun has words of its own for a rank that ends so")
    def test_heap_in_which_hdf5_goes_round_in_circles(self):
        """Free space of no bytes in the heap of a string's file: the library looks at it for ever."""
        with h5py.File(self.path("loop.h5"), "w") as file:
            file["X"] = self.x
            file["X"].attrs["encoding-type"] = "array"
        with open(self.path("loop.h5"), "rb") as file:
            content = bytearray(file.read())
        heap = content.index(b"GCOL")
        place = heap + 16
        while content[place:place + 2] != b"\0\0":
            place += 16 + (struct.unpack_from("<Q", content, place + 8)[0] + 7) // 8 * 8
        self.assertLess(place, heap + struct.unpack_from("<Q", content, heap + 8)[0])
        struct.pack_into("<Q", content, place + 8, 0)
        with open(self.path("loop.h5"), "wb") as file:
            file.write(content)
        for words in (["inspect", "loop.h5"], ["fit", "loop.h5", "-k", "2", "-o", "m.h5"]):
            result = self.run_program(*words, timeout=600)  # ten seconds of the processor, however busy it is
            self.assertEqual(result.status, -signal.SIGVTALRM, result.stderr)
            self.assertIn("crashed while reading attribute encoding-type of loop.h5:/X", result.errors[-1])
        self.assertFalse(os.path.exists(self.path("m.h5")))

    def test_models(self):
        self.succeed(*self.fit())
        H = self.read("m.h5", "H")
        self.refused("m.h5", ["transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "--quiet"], [("expected 3 x 12", {
            "H": H[:2]
        }), ("expected 3 x 12", {
            "H": H[0]
        }), ("elements of float64", {
            "H": H.astype("f4")
        }), ("a number from 1", {
            "attr__n_components": 0,
            "H": H[:0]
        }), ("expected 40 x 3", {
            "W": np.ones((40, 4))
        }), ("expected 40 x 3", {
            "W": np.ones((39, 3))
        }), ("n_samples does not fit", {
            "attr__n_samples": -1
        }), ("n_iter does not fit", {
            "attr__n_iter": LARGEST
        }), ("as in the other lists", {
            "history__violation": np.ones(4)
        }), ("at most", {
            "history__violation": np.ones(99)
        }), ("has no attribute n_iter of the right type", {
            "attr__n_iter": "5"
        }), ("has no attribute converged", {
            "attr__converged": 1
        }), ("has no attribute dtype", {
            "attr__dtype": None
        }), ("attribute solver of /params", {
            "params__solver": None
        }), ("attribute alpha_W of /params", {
            "params__alpha_W": "0.5"
        }), ("'tol' parameter", {
            "params__tol": -1.0
        }), ("/params", {
            "params__max_iter": np.array([5, 6])
        }), ("attribute n_components of /params", {
            "params__n_components": 4
        }), ("/params", {
            "params__random_state": "none"
        })])

    def test_mini_batch_models(self):
        self.succeed(*self.fit(*MINI_BATCH, "--save-w", "false"))
        A = self.read("m.h5", "state/A")
        self.refused("m.h5", ["partial-fit", "x.h5", "--model", "m.h5", "--quiet"], [("found 0 x 3", {
            "state__A": A[:0]
        }), ("expected 12 x 3", {
            "state__B": A[:, :2].copy()
        }), ("no dataset /state/B", {
            "state__B": None
        }), ("not negative", {
            "state__A": -A
        }), ("not negative", {
            "state__B": A * np.nan
        }), ("a matrix", {
            "state__A": A[0]
        }), ("n_steps does not fit", {
            "attr__n_steps": LARGEST
        }), ("n_steps does not fit", {
            "attr__n_steps": -1
        }), ("attribute rho of /state", {
            "state__rho": 1.5
        }), ("attribute rho of /state", {
            "state__rho": None
        }), ("attribute W_updates of /state", {
            "state__W_updates": -2**62
        }), ("attribute without_improvement", {
            "state__without_improvement": 0.5
        })])

    def stopped(self, *options):
        with open(self.path("STOP"), "w", encoding="ascii"):
            pass
        words = self.fit("--checkpoint", "ck.h5", *options)
        self.assertEqual(self.run_program(*words).status, 75)
        if os.path.exists(self.path("STOP")):
            os.remove(self.path("STOP"))
        return words

    def test_checkpoints(self):
        words = self.stopped()
        with open(self.path("ck.h5"), "rb") as file:
            good = file.read()
        W, H = self.read("ck.h5", "W"), self.read("ck.h5", "H")
        for phrase, change in [("expected 3 x 12", {
                "H": H[:2]
        }), ("expected 40 x 3", {
                "W": np.ones((40, 5))
        }), ("not negative", {
                "W": -W
        }), ("/history", {
                "attr__n_iter": 2**40
        }), ("attribute first of /state", {
                "state__first": None
        }), ("expected iteration, seconds, violation, found iteration, violation", {
                "history__seconds": None
        }), ("belongs to other data", {
                "params__random_state": "0"
        })]:
            with open(self.path("ck.h5"), "wb") as file:
                file.write(good)
            self.change("ck.h5", **change)
            with self.subTest(phrase=phrase):
                self.fail_with(1, phrase, *words)
        with open(self.path("ck.h5"), "wb") as file:
            file.write(good)
        self.succeed(*words)

    def test_mini_batch_checkpoints(self):
        words = self.stopped(*MINI_BATCH)
        with open(self.path("ck.h5"), "rb") as file:
            good = file.read()
        for phrase, change in [("/history", {
                "attr__n_steps": 2**50
        }), ("/history", {
                "attr__n_steps": 0
        }), ("found cost, h_change, iteration, seconds;", {
                "history__smoothed_cost": None
        }), ("n_iter does not fit", {
                "attr__n_iter": 4
        }), ("attribute W_updates", {
                "state__W_updates": -LARGEST
        })]:
            with open(self.path("ck.h5"), "wb") as file:
                file.write(good)
            self.change("ck.h5", **change)
            with self.subTest(phrase=phrase):
                self.fail_with(1, phrase, *words)

    def test_flipped_bytes_are_found_before_the_file_is_read(self):
        self.succeed(*self.fit())
        with open(self.path("m.h5"), "rb") as file:
            good = file.read()
        for at in range(0, len(good) - 48, len(good) // 7):
            with open(self.path("m.h5"), "wb") as file:
                file.write(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
            self.fail_with(1, "m.h5 is damaged: bytes 0 to", "inspect", "m.h5")

    def test_flipped_bytes_of_results_that_are_read_as_data(self):
        self.succeed(*self.fit())
        self.succeed("transform", "x.h5", "--model", "m.h5", "-o", "w.h5", "--quiet")
        with open(self.path("w.h5"), "rb") as file:
            good = file.read()
        for at in (8, 184, len(good) // 2):
            with open(self.path("w.h5"), "wb") as file:
                file.write(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
            for command in (
                ["inverse-transform", "w.h5", "--model", "m.h5", "-o", "o.h5"],
                ["fit", "w.h5", "-k", "1", "-o", "o.h5"],
                ["inspect", "w.h5"],
                ["transform", "w.h5", "--model", "m.h5", "-o", "o.h5"],
                ["convert", "w.h5", "--transpose", "-o", "o.h5"],
            ):
                self.fail_with(1, "w.h5 is damaged: bytes 0 to", *command)

    def test_names_of_models(self):
        self.write("f.h5", H=self.x[:3])
        with h5py.File(self.path("f.h5"), "a") as file:
            file.create_dataset("feature_names", data=["g"] * 11, dtype=h5py.string_dtype())
        self.fail_with(1, "expected 12 names", "inspect", "f.h5")

    def test_damaged_names(self):
        """Strings of variable length: addresses, lengths and their heap, each spoiled."""
        with h5py.File(self.path("f.h5"), "w") as file:
            file["H"] = self.x[:3]
            file.create_dataset("feature_names", data=[f"gene-{j:04}" for j in range(12)], dtype=h5py.string_dtype())
            at = file["feature_names"].id.get_offset()
        self.assertIn("gene-0003", self.succeed("inspect", "f.h5").stdout)
        with open(self.path("f.h5"), "rb") as file:
            good = file.read()
        heap = struct.unpack_from("<Q", good, at + 4)[0]
        self.assertEqual(good[heap:heap + 4], b"GCOL")
        for position, value in [(at, struct.unpack_from("<I", good, at)[0] + 2**32),
                                (at + 4, len(good)), (at + 4, 2**63), (at + 4, 8), (at + 12, 999), (heap, 0),
                                (heap + 8, 2**40), (heap + 8, 0), (heap + 24, 2**62), (heap + 24, 2**64 - 1),
                                (heap + 16, 0)]:
            spoiled = bytearray(good)
            spoiled[position:position + 8] = struct.pack("<Q", value)
            with open(self.path("f.h5"), "wb") as file:
                file.write(spoiled)
            with self.subTest(position=position - heap if position >= heap else position - at, value=value):
                self.fail_with(1, "the file is damaged", "inspect", "f.h5")

    def test_strings_of_huge_length(self):
        for shape, size in [((12, ), 2**31 - 1), ((2**40, ), 8)]:
            with h5py.File(self.path("f.h5"), "w") as file:
                file["H"] = self.x[:3]
                kind = h5py.h5t.C_S1.copy()
                kind.set_size(size)
                h5py.h5d.create(file.id, b"feature_names", kind, h5py.h5s.create_simple(shape))
            result = self.run_program("inspect", "f.h5")
            self.assertEqual((result.status, len(result.errors)), (1, 1), result.stderr)
            self.assertNotIn("out of memory", result.stderr)


if __name__ == "__main__":
    unittest.main()
