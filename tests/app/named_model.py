"""Tests of a model of a small matrix whose rows and columns have names."""
import h5py

from program import ProgramTest, positive_matrix


class NamedModel(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = positive_matrix(40, 7)
        self.write_named("x.h5", self.x)

    def write_named(self, name, x, names=None):
        with h5py.File(self.path(name), "w") as file:
            file["X"] = x
            for group, kind, count in [("var", "gene", x.shape[1]), ("obs", "cell", x.shape[0])]:
                file.create_group(group).attrs["_index"] = "_index"
                file[group]["_index"] = names if names and group == "var" else [f"{kind}{i}" for i in range(count)]

    def fit(self, *options):
        return self.succeed("fit", "x.h5", "-k", "3", "--random-state", "1", "-o", "m.h5", *options)
