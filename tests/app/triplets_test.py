#!/usr/bin/python3
"""Rows and columns by their names: triplets of text that become a sparse matrix, pairs that predict is given."""
import gzip
import unittest

import h5py
import numpy as np
import pandas as pd

from program import ProgramTest

RATINGS = """user,item,rating
ann,"Alien, the film",4.5
bob,Brazil,3
ann,Brazil,1
cid,"Alien, the film",2.5
bob,Casablanca,5
"""


class TripletTest(ProgramTest):
    def text(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return name

    def convert(self, text, *options):
        """X as a table with its names."""
        result = self.succeed("convert", self.text("t.csv", text), "--format", "triplets", "-o", "X.h5", *options)
        with h5py.File(self.path("X.h5")) as file:
            self.assertEqual(file["X"].attrs["encoding-type"], "csr_matrix")
            shape = file["X"].attrs["shape"]
            X = np.zeros(shape)
            bounds = file["X/indptr"][()]
            for i in range(shape[0]):
                part = slice(bounds[i], bounds[i + 1])
                X[i, file["X/indices"][part]] = file["X/data"][part]
            names = [file[f"{table}/_index"].asstr()[()] for table in ("obs", "var")]
        return result, pd.DataFrame(X, *names)


class Triplets(TripletTest):
    def test_ratings(self):
        result, X = self.convert(RATINGS)
        self.assertEqual(list(X.index), ["ann", "bob", "cid"])
        self.assertEqual(list(X.columns), ["Alien, the film", "Brazil", "Casablanca"])
        np.testing.assert_array_equal(X.to_numpy(), [[4.5, 1, 0], [0, 3, 5], [2.5, 0, 0]])
        self.assertIn("names of columns in the first line", result.stderr)
        _, turned = self.convert(RATINGS, "--transpose")
        pd.testing.assert_frame_equal(turned, X.T)
        _, packed = self.convert(gzip.compress(RATINGS.encode()))
        pd.testing.assert_frame_equal(packed, X)

    def test_layouts(self):
        # --delimiter=: in one word: a colon alone begins another program for mpirun
        for text, options in (("a\tx y\t1\nb\tz\t2\n", []), ("% two parts\n# a comment\na;x y;1\nb;z;2\n", []),
                              ("a|x y|1\nb|z|2\n", ["--header", "no"]), ("u,i,r\na,x y,1\nb,z,2\n", ["--header",
                                                                                                     "yes"]),
                              ("a:x y:1\nb:z:2\n", ["--delimiter=:"]), ("a;x y;1,0\nb;z;2,0\n", ["--decimal", ","])):
            _, X = self.convert(text, *options)
            pd.testing.assert_frame_equal(X, pd.DataFrame([[1., 0.], [0., 2.]], ["a", "b"], ["x y", "z"]))
        result, X = self.convert("userId,movieId,rating,timestamp\n7,31,2.5,126\n7,1029,3,126\n2,31,1,126\n")
        pd.testing.assert_frame_equal(X, pd.DataFrame([[2.5, 3.], [1., 0.]], ["7", "2"], ["31", "1029"]))
        self.assertIn("1 more fields left out", result.stderr)
        pd.testing.assert_frame_equal(
            self.convert("1 2 3\n4 5 6\n")[1], pd.DataFrame([[3., 0.], [0., 6.]], ["1", "4"], ["2", "5"]))
        result, X = self.convert("a,x,1\na,x,2\n")
        self.assertEqual(X.loc["a", "x"], 3)
        self.assertIn("stored several times", result.warnings[0])

    def test_names_that_are_given(self):
        self.text("users", "cid\nnobody\nann\nbob\n")
        self.text("items", "Brazil\nAlien, the film\nCasablanca\n")
        _, X = self.convert(RATINGS, "--row-names-from", "users", "--feature-names-from", "items")
        np.testing.assert_array_equal(X.to_numpy(), [[0, 2.5, 0], [0, 0, 0], [1, 4.5, 0], [3, 0, 5]])
        self.assertEqual(list(X.index), ["cid", "nobody", "ann", "bob"])
        _, turned = self.convert(RATINGS, "--feature-names-from", "users", "--row-names-from", "items", "--transpose")
        pd.testing.assert_frame_equal(turned, X.T)
        for names, phrase in (("ann\nbob\n", "line 5: 'cid' is not in the file of option '--row-names-from'"),
                              ("ann\nann\n", "'ann' is twice in the file of option '--row-names-from'")):
            self.text("users", names)
            self.fail_with(1, phrase, "convert", "t.csv", "--format", "triplets", "-o", "Y.h5", "--row-names-from",
                           "users")

    def test_what_is_wrong_in_a_line(self):
        for text, phrase in (("a,x,1\nb,y\n", "line 2: 2 fields where 3 are expected"),
                             ("a,x,1\nb,y,much\n", "line 2: 'much' is not a number"),
                             ("a,x,1\nb,,2\n", "line 2: the name of the row or of the column is empty"),
                             ("a,x,1\nb,y,\n", "--allow-missing"), ("a,x,1\nb,y,inf\n", "'inf' is not finite"),
                             ("a,x\nb,y\n", "line 1: expected a row, a column and a value"), ("", "is empty"),
                             ("u,i,r\n", "Found array with 0 sample(s)")):
            self.fail_with(1, phrase, "convert", self.text("t.csv", text), "--format", "triplets", "-o", "Y.h5")
        self.fail_with(2, "'--row-names' is for text, not for --format triplets", "convert", "t.csv", "--format",
                       "triplets", "--row-names", "yes", "-o", "Y.h5")

    def test_triplets_taken_for_a_table_are_told_the_option(self):
        self.text("t.csv", RATINGS)
        self.fail_with(1, "--format triplets", "convert", "t.csv", "-o", "Y.h5")
        self.text("n.csv", "userId,movieId,rating\n7,31,2.5\n7,1029,3\n2,31,1\n")
        warnings = self.succeed("convert", "n.csv", "-o", "Y.h5").warnings
        self.assertEqual(["--format triplets" in warning for warning in warnings], [True])
        self.text("n.csv", "height,width,depth\n7,31,2.5\n7,1029,3\n2,31,1\n")
        self.assertEqual(self.succeed("convert", "n.csv", "-o", "Y.h5").warnings, [])


class Pairs(TripletTest):
    def setUp(self):
        super().setUp()
        self.convert(RATINGS)
        self.succeed("fit", "X.h5", "-k", 2, "--missing", "zero", "--random-state", 0, "-o", "m.h5", "--quiet")
        with h5py.File(self.path("m.h5")) as model:
            product = model["W"][()] @ model["H"][()]
        self.product = pd.DataFrame(product, ["ann", "bob", "cid"], ["Alien, the film", "Brazil", "Casablanca"])

    def assert_predicted(self, pairs, expected):
        result = self.succeed("predict", "m.h5", pairs, "-o", "v.h5")
        np.testing.assert_allclose(self.read("v.h5", "values"), [self.product.loc[pair] for pair in expected], 1e-12)
        np.testing.assert_array_equal(self.read("v.h5", "rows"),
                                      [list(self.product.index).index(row) for row, _ in expected])
        return result

    def test_pairs_of_names(self):
        wanted = [("cid", "Casablanca"), ("ann", "Alien, the film"), ("cid", "Brazil")]
        lines = "".join(f'{row},"{column}"\n' for row, column in wanted)
        result = self.assert_predicted(self.text("p.csv", "user,item\n" + lines), wanted)
        self.assertIn('names of columns in the first line ("user", ...)', result.stderr)
        self.assert_predicted(self.text("p.csv", lines), wanted)
        self.assert_predicted(
            self.text("p.tsv",
                      lines.replace('"', "").replace("cid,", "cid\t").replace("ann,", "ann\t")), wanted)
        self.assert_predicted(self.text("t.csv", RATINGS), [("ann", "Alien, the film"), ("bob", "Brazil"),
                                                            ("ann", "Brazil"), ("cid", "Alien, the film"),
                                                            ("bob", "Casablanca")])
        rows, columns = zip(*wanted)
        self.write("p.h5", rows=list(rows), columns=list(columns), **{"g/rows": list(rows), "g/columns": list(columns)})
        self.assert_predicted("p.h5", wanted)
        self.assert_predicted("p.h5:/g", wanted)

    def test_names_that_the_model_does_not_know(self):
        pairs = self.text("p.csv", "user,item\nann,Brazil\ndan,Brazil\nann,Dune\n")
        message = self.fail_with(1, "2 names that the model does not know", "predict", "m.h5", pairs, "-o", "v.h5")
        self.assertIn("line 3: 'dan' (row), line 4: 'Dune' (column)", message.errors[0])
        self.write("p.h5", rows=["ann", "eve"], columns=["Brazil", "Brazil"], **{"short/rows": ["ann"]})
        self.fail_with(1, "a name that the model does not know: pair 1: 'eve' (row)", "predict", "m.h5", "p.h5", "-o",
                       "v.h5")
        self.fail_with(1, "a name that the model does not know: line 2: '7' (row)", "predict", "m.h5",
                       self.text("p.csv", "ann,Brazil\n7,Brazil\n"), "-o", "v.h5")
        self.fail_with(1, "holds no pairs", "predict", "m.h5", self.text("p.csv", "user,item\n"), "-o", "v.h5")
        self.fail_with(1, "expected a row and a column", "predict", "m.h5", self.text("p.csv", "ann\n"), "-o", "v.h5")

    def test_models_with_names_of_one_side_or_twice(self):
        with h5py.File(self.path("one.h5"), "w") as file:
            file["X"] = 1 + np.arange(12.).reshape(4, 3)
            file["var/_index"] = ["a", "b", "b"]
            file["var"].attrs["_index"] = "_index"
        self.succeed("fit", "one.h5", "-k", 1, "-o", "one.model", "--quiet")
        self.succeed("predict", "one.model", self.text("p.csv", "row,column\n3,a\n0,a\n"), "-o", "v.h5")
        np.testing.assert_array_equal(self.read("v.h5", "rows"), [3, 0])
        self.write("p.h5", rows=[3, 0], columns=["a", "a"])
        self.succeed("predict", "one.model", "p.h5", "-o", "v.h5")
        np.testing.assert_array_equal(self.read("v.h5", "rows"), [3, 0])
        for text, phrase in (("3,b\n", "'b' is the name of several columns"), ("4,a\n", "pair 0 is (4, 0)"),
                             ("1,a\nx,a\n", "its rows have no names: they are counted from 0")):
            self.fail_with(1, phrase, "predict", "one.model", self.text("p.csv", text), "-o", "w.h5")


if __name__ == "__main__":
    unittest.main()
