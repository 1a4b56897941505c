#!/usr/bin/python3
"""X of more than 2^31 elements, streamed: an HDF5 dataset whose chunks were never written takes no room and reads as
its fill value."""
import json
import unittest

import h5py
import numpy as np

from program import RANKS, ProgramTest

ROWS, COLUMNS = 1 << 20, 2050  # 2^31 + 2^21 elements


class Large(ProgramTest):
    def test_more_elements_than_32_bits_count(self):
        self.assertGreater(ROWS * COLUMNS, 2**31)
        with h5py.File(self.path("x.h5"), "w") as file:
            file.create_dataset("X", (ROWS, COLUMNS), "f4", chunks=(512, COLUMNS), fillvalue=1.5)
        self.succeed("fit", "x.h5", "-k", "1", "--init", "random", "--random-state", "0", "--max-iter", "1", "--tol",
                     "0", "--memory", "100M", "--log-json", "log.json", "-o", "m.h5", timeout=800)
        with open(self.path("log.json"), encoding="utf-8") as file:
            end = json.loads(file.readlines()[-1])
        self.assertAlmostEqual(end["report"]["elements"]["mean"] * max(RANKS, 1), ROWS * COLUMNS, delta=1)
        self.assertLess(end["report"]["peak_memory"], 500e6)
        W, H = self.read("m.h5", "W"), self.read("m.h5", "H")
        self.assertEqual((W.shape, H.shape), ((ROWS, 1), (1, COLUMNS)))
        self.assertLess(np.abs(W.astype("f8") * H.mean() - 1.5).max(), 1e-3)
        self.assertLess(np.abs(W.mean() * H.astype("f8") - 1.5).max(), 1e-3)
        self.assertLess(end["reconstruction_err"], 1e-3 * 1.5 * np.sqrt(ROWS * COLUMNS))


if __name__ == "__main__":
    unittest.main()
