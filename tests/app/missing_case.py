"""Tests of matrices of which entries are missing."""
import h5py
import numpy as np
from scipy import sparse

from program import ProgramTest, attributes


def planted(rows=60, columns=40, k=3, hidden=0.3, seed=4):
    """X of rank k, and where it is observed."""
    random = np.random.RandomState(seed)
    X = random.gamma(1, 1, (rows, k)) @ random.gamma(1, 1, (k, columns))
    observed = random.random_sample(X.shape) >= hidden
    return X, observed


class MissingCase(ProgramTest):
    def write_sparse(self, name, X):
        """CSR of the elements of X that are not 0, NaN among them; its last two elements the other way round."""
        matrix = sparse.csr_matrix(X)
        with h5py.File(self.path(name), "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": X.shape})
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(matrix, part)
        return name

    def fit(self, *arguments, output="m.h5", **options):
        result = self.succeed("fit", *arguments, "-o", output, **options)
        with h5py.File(self.path(output), "r") as file:
            model = {name: file[name][()] for name in ("W", "H")}
            model.update(attributes(file), params=attributes(file["params"]), log=result.stderr)
            model["history"] = {name: values[()] for name, values in file["history"].items()}
        return model

    def expect_same(self, one, two, tolerance=1e-10):
        for name in ("W", "H"):
            np.testing.assert_allclose(one[name], two[name], rtol=0, atol=tolerance * np.abs(two[name]).max())
        self.assertEqual(one["n_iter"], two["n_iter"])
        np.testing.assert_allclose(one["reconstruction_err"], two["reconstruction_err"], rtol=1e-8)
