#!/usr/bin/python3
"""Delimited text as other programs write it: the matrix that is meant, or a refusal that says what to type (the rules:
text_grammar.md)."""
import gzip
import math
import os
import unittest

import h5py
import numpy as np

from program import ProgramTest

NAN = math.nan
X = [[0.5, 2.0, 0.25], [1.0, 0.0, 4.5], [3.0, 0.125, 1.5], [7.5, 9.0, 2.0]]  # what most tables below hold


def table(rows=X, sep=",", dec=".", header=None, names=None, end="\n", corner=None, form=repr):
    """A text as a writer of tables makes it."""
    lines = []
    if header is not None:
        lines.append(sep.join(([corner] if corner is not None else []) + list(header)))
    for i, row in enumerate(rows):
        lines.append(sep.join(([names[i]] if names else []) + [form(v).replace(".", dec) for v in row]))
    return end.join(lines) + end


ROWS = ["r1", "r2", "r3", "r4"]
COLUMNS = ["a", "b", "c"]
YEARS = ["1990", "1991", "1992"]
QUOTED_YEARS = [f'"{year}"' for year in YEARS]
GERMAN = ["Größe", "b", "c"]
QUOTED_ROWS = ['"1"', '"2"', '"3"', '"4"']

# name: (text, options, matrix, names of columns or None, names of rows or None)
READ = {
    "pandas to_csv": (table(header=COLUMNS, names=ROWS, corner=""), "", X, COLUMNS, ROWS),
    "pandas, default names": (table(header="012", names="0123", corner=""), "", X, list("012"), list("0123")),
    "pandas, default names, no index": (table(header="012"), "", X, list("012"), None),
    "pandas, years": (table(header=YEARS, names=ROWS, corner=""), "", X, YEARS, ROWS),
    "pandas, wavelengths": (table(header=["400.5", "401.7", "402.1"], names=ROWS,
                                  corner=""), "", X, ["400.5", "401.7", "402.1"], ROWS),
    "pandas, index called id": (table(header=COLUMNS, names=ROWS, corner="id"), "", X, COLUMNS, ROWS),
    "pandas, index=False": (table(header=COLUMNS), "", X, COLUMNS, None),
    "pandas, header=False, index=False": (table(), "", X, None, None),
    "pandas, header=False, names": (table(names=ROWS), "", X, None, ROWS),
    "pandas, sep=; decimal=,": (table(sep=";", dec=",", header=COLUMNS, names=ROWS, corner=""), "", X, COLUMNS, ROWS),
    "pandas, sep=; decimal=, alone": (table(sep=";", dec=","), "", X, None, None),
    "pandas, tab, decimal=,": (table(sep="\t", dec=","), "", X, None, None),
    "pandas, index resaved": (table(header=COLUMNS, names="0123",
                                    corner="Unnamed: 0"), "--row-names yes", X, COLUMNS, list("0123")),
    "duplicate names": (table(header=["a", "a", "b"], names=["r", "r", "s", "t"],
                              corner=""), "", X, ["a", "a", "b"], ["r", "r", "s", "t"]),
    "R write.csv": (table(header=['"a"', '"b"', '"c"'], names=QUOTED_ROWS, corner='""'), "", X, COLUMNS, list("1234")),
    "R write.csv, years": (table(header=QUOTED_YEARS, names=QUOTED_ROWS, corner='""'), "", X, YEARS, list("1234")),
    "R write.csv, years, no row names": (table(header=QUOTED_YEARS), "", X, YEARS, None),
    "R write.csv2": (table(sep=";", dec=",", header=['"a"', '"b"', '"c"'], names=QUOTED_ROWS,
                           corner='""'), "", X, COLUMNS, list("1234")),
    "R write.table": (table(sep=" ", header=['"a"', '"b"', '"c"'], names=QUOTED_ROWS), "", X, COLUMNS, list("1234")),
    "R write.table, quote=FALSE": (table(sep="\t", header=COLUMNS, names=ROWS), "", X, COLUMNS, ROWS),
    "R write.table, years": (table(sep=" ", header=["1990", "1991", "1992"],
                                   names=ROWS), "", X, ["1990", "1991", "1992"], ROWS),
    "R write.table, dec=,": (table(sep=" ", dec=","), "", X, None, None),
    "R escapes a quote": ('"a \\"b\\"" "c"\n"r" 1 2.5\n"s" 3 4\n', "", [[1, 2.5], [3, 4]], ['a "b"', "c"], ["r", "s"]),
    "Excel, UTF-8": ("\ufeff" + table(end="\r\n"), "", X, None, None),
    "Excel, UTF-8, names": ("\ufeff" + table(header=COLUMNS, end="\r\n"), "", X, COLUMNS, None),
    "Excel, German": (table(sep=";", dec=",", header=GERMAN, end="\r\n"), "", X, GERMAN, None),
    "Excel, sep=": ("sep=;\r\n" + table(sep=";", dec=",", header=COLUMNS, end="\r\n"), "", X, COLUMNS, None),
    "old Macintosh": (table(header=COLUMNS, end="\r"), "", X, COLUMNS, None),
    "numpy savetxt": (table(sep=" ", form="{:.18e}".format), "", X, None, None),
    "numpy savetxt, header": ("# a b c\n" + table(sep=" ", form="{:.18e}".format), "", X, COLUMNS, None),
    "numpy savetxt, two lines of header": ("# made today\n# 4 rows\n" + table(sep=" "), "", X, None, None),
    "QIIME": ("# Constructed from biom file\n#OTU ID\ta\tb\tc\n" + table(sep="\t", names=ROWS), "--header auto", X,
              None, ROWS),
    "MATLAB comment": ("% a comment\n" + table(sep=","), "", X, None, None),
    "MATLAB save -ascii": ("".join("".join(f"   {v:.7e}" for v in row) + "\n" for row in X), "", X, None, None),
    "Fortran exponents": ("1.0D+00 2.5d-1\n3.0D0 4.0D+00\n", "", [[1, 0.25], [3, 4]], None, None),
    "signs and points": ("+1.5,.5,5.\n1e3,1E-3,10\n", "", [[1.5, 0.5, 5], [1000, 0.001, 10]], None, None),
    "bars": (table(sep="|", header=COLUMNS), "", X, COLUMNS, None),
    "integers": ("1,2,3\n4,5,6\n7,8,9\n", "", [[1, 2, 3], [4, 5, 6], [7, 8, 9]], None, None),
    "two columns of integers": ("1,2\n3,4\n", "", [[1, 2], [3, 4]], None, None),
    "quoted numbers": ('"1","2.5"\n"3","4"\n', "", [[1, 2.5], [3, 4]], None, None),
    "commas and blanks": ("1, 2.5, 3\n4, 5, 6\n", "", [[1, 2.5, 3], [4, 5, 6]], None, None),
    "names with delimiters": ('"x, y",b\n1,2.5\n3,4\n', "", [[1, 2.5], [3, 4]], ["x, y", "b"], None),
    "names with quotes": ('"x ""y""",b\n1,2.5\n3,4\n', "", [[1, 2.5], [3, 4]], ['x "y"', "b"], None),
    "names with line breaks": ('"x\ny",b\n1,2.5\n3,4\n', "", [[1, 2.5], [3, 4]], ["x\ny", "b"], None),
    "names with blanks in CSV": ("T cell,1,2.5\nB cell,3,4\n", "", [[1, 2.5], [3, 4]], None, ["T cell", "B cell"]),
    "blank lines": ("\n1,2.5\n\n3,4\n\n", "", [[1, 2.5], [3, 4]], None, None),
    "delimiters at the end": ("1\t2.5\t\n3\t4\t\n", "", [[1, 2.5], [3, 4]], None, None),
    "delimiters at the end, names": ("a,b,\n1,2.5,\n3,4,\n", "", [[1, 2.5], [3, 4]], ["a", "b"], None),
    "no end of the last line": ("1,2.5\n3,4", "", [[1, 2.5], [3, 4]], None, None),
    "one column": ("0.5\n1.5\n", "", [[0.5], [1.5]], None, None),
    "one column, a name": ("a\n0.5\n1.5\n", "", [[0.5], [1.5]], ["a"], None),
    "one column of decimal commas": ("0,5\n0,05\n", "--decimal ,", [[0.5], [0.05]], None, None),
    "one row": ("0.5,1.5,2\n", "", [[0.5, 1.5, 2]], None, None),
    "SQL": ("id|a|b\n17|1|2.5\n23|3|4\n", "--row-names yes", [[1, 2.5], [3, 4]], ["a", "b"], ["17", "23"]),
    "header said": ("1,3,2\n0.5,1,2\n", "--header yes", [[0.5, 1, 2]], ["1", "3", "2"], None),
    "no header said": ("1990,1991,1992\n5,1,2\n", "--header no", [[1990, 1991, 1992], [5, 1, 2]], None, None),
    "index said": ("0,0.5,1\n1,1.5,2\n2,3,4\n", "--row-names yes", [[0.5, 1], [1.5, 2], [3, 4]], None, ["0", "1", "2"]),
    "no index said": ("0,0.5,1\n1,1.5,2\n2,3,4\n", "--row-names no", [[0, 0.5, 1], [1, 1.5, 2], [2, 3, 4]], None, None),
    "delimiter said": ("1:2.5\n3:4\n", "--delimiter :", [[1, 2.5], [3, 4]], None, None),
    "quoted decimal commas": (
        '"0,5","1,25"\n"2,0","3,5"\n',
        "--decimal , --delimiter ,",
        [[0.5, 1.25], [2, 3.5]],
        None,
        None,
    ),
    "missing allowed": ("a,b\nNA,1\n2,\n", "--allow-missing", [[NAN, 1], [2, NAN]], ["a", "b"], None),
    "missing said": ("a,b\n-999,1\n2,?\n", "--allow-missing --na=-999,?", [[NAN, 1], [2, NAN]], ["a", "b"], None),
    "too small a number": ("a,b\n1e-400,1\n", "", [[0, 1]], ["a", "b"], None),
    "transposed": (
        table(header=COLUMNS, names=ROWS, corner=""),
        "--transpose",
        np.transpose(X).tolist(),
        ROWS,
        COLUMNS,
    ),
}

READ.update({
    "five that ascend": (
        "3,7,12,20,31\n0.5,1.5,0.25,2.5,1.0\n",
        "",
        [[0.5, 1.5, 0.25, 2.5, 1]],
        ["3", "7", "12", "20", "31"],
        None,
    ),
    "every word for missing": (
        "a,b\nN/A,NaN\nNULL,None\n#N/A,<NA>\n1,2\n",
        "--allow-missing",
        [[NAN, NAN], [NAN, NAN], [NAN, NAN], [1, 2]],
        ["a", "b"],
        None,
    ),
    "sep= in quotes": ('"sep=|"\n' + table(sep="|"), "", X, None, None),
    "a corner without a name": (table(header=["7", "3", "5"], names=ROWS, corner=""), "", X, ["7", "3", "5"], ROWS),
})

# name: (text, options, phrase)
REFUSED = {
    "a currency": ("a,b\n$1,2\n3,4\n", "", "a currency"),
    "words and numbers above": ("a,7,c\n1,2,3\n4,5,6\n", "", "--header yes"),
    "index without names": (table(names="0123"), "", "--row-names yes"),
    "index from 1 without names": ("1,0.5,1\n2,1.5,2\n3,3,4\n", "", "--row-names yes"),
    "index with a name": (table(header=COLUMNS, names="0123", corner="id"), "", "--row-names yes"),
    "numbers as names of samples": ("sample_id,a,b\n1007,1,2.5\n1003,3,4\n", "", "--row-names yes"),
    "numeric header over integers": ("1990,1991,1992\n5,1,2\n3,4,2\n", "", "--header yes"),
    "numeric header over integers, named rows": ("y,1990,1991,1992\nr,5,1,2\ns,3,4,2\n", "", "--header yes"),
    "NA in the first row": ("0.0,0.5,NA\n1,2,3\n4,5,6\n", "", "line 1 column 3: 'NA' is a missing value"),
    "NA in the first cell": ("NA,0.5,1\n1,2,3\n4,5,6\n", "", "--header"),
    "empty first cell": (",0.5,1.5\n1,2,3\n4.5,5,6\n", "", "--header"),
    "empty cell in the first row": ("1,,3\n4,5,6\n", "", "line 1 column 2: the field is empty"),
    "a unit in the first row": ("1,1.5kg,3\n4,5,6\n", "", "--header"),
    "a unit in the first cell": ("1.5kg,2,3\n4,5,6\n7,8,9\n", "", "'1.5kg'"),
    "a unit below": ("a,b\n1,2\n3,1.5kg\n", "", "line 3 column 2: '1.5kg' is not a number"),
    "a unit in a first cell below": ("1.5,2,3\n1.5kg,5,6\n7,8,9\n", "", "--row-names"),
    "NA below": ("a,b\n1,2\nNA,4\n", "", "line 3 column 1: 'NA' is a missing value: --allow-missing"),
    "NaN below": ("a,b\n1,2\nnan,4\n", "", "--allow-missing"),
    "infinite": ("a,b\n1,2\ninf,4\n", "--allow-missing", "line 3 column 1: 'inf' is not finite"),
    "hexadecimal": ("a,b\n1,2\n0x1F,4\n", "", "'0x1F'"),
    "too large": ("a,b\n1,1e400\n", "", "line 2 column 2: '1e400' is too large"),
    "too large an integer": ("a,b\n1,99999999999999999999999\n", "", "too large"),
    "an inexact integer": ("a,b\n1,9007199254740993\n", "", "does not hold exactly"),
    "thousands": ('"1,234","2,000"\n"3,000","4,000"\n', "", "thousands"),
    "thousands between tabs": ("1,234\t2,000\n3,000\t4,000\n", "", "--decimal ,"),
    "thousands and decimals": ("1,234.5\t2\n3\t4\n", "", "thousands"),
    "German thousands": ("1.234,5;2\n3;4\n", "", "thousands"),
    "French thousands": ("1\u202f234,5;2\n3,5;4\n", "", "thousands"),
    "Swiss thousands": ("a;b\n1'234;2\n3;4\n", "", "thousands"),
    "per cent": ("a,b\n12%,2\n3,4\n", "", "per cent"),
    "both decimal marks": ("0.5;1,5\n2;3\n", "", "--decimal"),
    "one column of decimal commas": ("0,50\n0,05\n1,25\n", "", "--decimal ,"),
    "a name above decimal commas": ("a\n0,5\n1,25\n", "", "--decimal ,"),
    "names and decimal commas between blanks": ("r 0,5\ns 1,5\n", "", "--delimiter"),
    "two columns of names": (",,a,b\nr,x,1,2\ns,y,3,4\n", "", "--header"),
    "a column of words": (",t,a\nr,T cell,1\ns,B cell,2\n", "", "line 2 column 2: 'T cell' is not a number"),
    "a ragged first line": ("1,2\n3,4,5\n6,7,8\n", "", "--header"),
    "a ragged line": ("1,2,3\n4,5\n6,7,8\n", "", "has 2 fields"),
    "a ragged line below": ("a,b\n1,2\n3\n", "", "line 3: 1 numbers where 2 are expected"),
    "a longer line below": ("a,b\n1,2\n3,4,5\n", "", "line 3: 3 numbers where 2 are expected"),
    "a comment below": ("1.5 2\n3 4\n# end\n", "", "comments may stand before"),
    "names with blanks between blanks": ("a b\nT cell 1 2\n", "", "line 2"),
    "names only": ("a,b,c\n", "", "Found array with 0 sample(s)"),
    "nothing": ("", "", "Found array with 0 sample(s)"),
    "comments only": ("# a\n# b\n", "", "Found array with 0 sample(s)"),
    "NUL": ("1,2\n3,\x004\n", "--format text", "line 2: a NUL byte"),
    "an open quote": ('a,b\n"1,2\n3,4\n', "", "line 2: a quoted field that begins here is never closed"),
    "text behind a quote": ('"a"x,b\n1,2\n', "", "text behind a closing quote"),
    "an empty line in one column": ("0.5\n\n1.5\n", "", "line 3"),
    "a number of names": (table(), "--feature-names-from names.txt", "2 names, but X has 3 columns"),
    "an option of text": (None, "--header yes", "is for text"),
}


class TextTables(ProgramTest):
    def write_text(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text.encode())

    def check(self, file, matrix, columns, rows):
        np.testing.assert_array_equal(file["X"][()], matrix)
        for group, names in [("var", columns), ("obs", rows)]:
            self.assertEqual([name.decode() for name in file[f"{group}/_index"][()]] if group in file else None, names)

    def test_read(self):
        for name, (text, options, matrix, columns, rows) in READ.items():
            with self.subTest(name):
                self.write_text("x.csv", text)
                self.succeed("convert", "x.csv", "-o", "out.h5", *options.split())
                with h5py.File(self.path("out.h5"), "r") as file:
                    self.check(file, matrix, columns, rows)

    def test_refused(self):
        self.write_text("names.txt", "a\nb\n")
        np.save(self.path("x.npy"), np.array(X))
        for name, (text, options, phrase) in REFUSED.items():
            with self.subTest(name):
                if text is not None:
                    self.write_text("x.csv", text)
                status = 1 if text is not None else 2
                self.fail_with(status, phrase, "convert", "x.csv" if text is not None else "x.npy", "-o", "out.h5",
                               *options.split())

    def octave(self, kind, body, sizes="# rows: 4\n# columns: 2\n"):
        self.write_text("x.txt", f"# Created by Octave 7.3.0\n# name: X\n# type: {kind}\n{sizes}{body}\n\n")

    def test_octave_text(self):
        two = [row[:2] for row in X]
        self.octave("matrix", table(two, sep=" "))
        self.succeed("convert", "x.txt", "-o", "out.h5")
        with h5py.File(self.path("out.h5"), "r") as file:
            self.check(file, two, None, None)
        os.remove(self.path("out.h5"))
        for kind in ["sparse matrix", "int32 matrix", "bool matrix", "complex matrix", "scalar", "string"]:
            self.octave(kind, "1 1 2.5\n2 1 3.5\n3 2 1.5")
            self.fail_with(1, f"Octave's text format of a '{kind}', which is no table of rows: save it with -hdf5",
                           "convert", "x.txt", "-o", "out.h5")

    def test_comments_that_only_look_like_octave(self):
        for comments in [
                "# name: counts\n", "# name: counts\n# type: raw\n", "# type: scalar\n",
                "# name: counts\n# by: me\n# type: sparse matrix\n"
        ]:
            with self.subTest(comments):
                self.write_text("x.csv", comments + "# a b c\n" + table(sep=" "))
                self.succeed("convert", "x.csv", "-o", "out.h5")
                with h5py.File(self.path("out.h5"), "r") as file:
                    self.check(file, X, ["a", "b", "c"], None)
                os.remove(self.path("out.h5"))

    def test_says_what_it_took(self):
        self.write_text("x.csv", "# note\n" + table(sep=";", dec=",", header=COLUMNS, names=ROWS, corner=""))
        said = self.succeed("convert", "x.csv", "-o", "out.h5").stderr
        for phrase in [
                "delimiter ';'", "decimal mark ','", 'names of columns in the first line ("a", ...)',
                'names of rows in the first field ("r', "1 comment line(s)"
        ]:
            self.assertIn(phrase, said)

    def test_other_encodings(self):
        for encoding in ["utf-16", "utf-16-be", "utf-32"]:
            with open(self.path("x.csv"), "wb") as file:
                file.write(("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + table().encode(encoding))
            self.fail_with(1, "iconv", "convert", "x.csv", "-o", "out.h5")
        with open(self.path("x.csv"), "wb") as file:
            file.write(table(header=["Größe", "b", "c"]).encode("latin-1"))
        result = self.succeed("convert", "x.csv", "-o", "out.h5")
        self.assertEqual(len(result.warnings), 1)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.check(file, X, ["Größe", "b", "c"], None)

    def test_names_from_files(self):
        self.write_text("rows.txt", "r1\nr2\nr3\nr4\n")
        with gzip.open(self.path("columns.txt.gz"), "wb") as file:
            file.write(b"a\r\nb\r\nc\r\n")
        for source, text in [("x.csv", table()), ("x.csv.gz", table())]:
            with (gzip.open if source.endswith("gz") else open)(self.path(source), "wb") as file:
                file.write(text.encode())
            self.succeed("convert", source, "-o", "out.h5", "--row-names-from", "rows.txt", "--feature-names-from",
                         "columns.txt.gz")
            with h5py.File(self.path("out.h5"), "r") as file:
                self.check(file, X, COLUMNS, ROWS)
            os.remove(self.path("out.h5"))


if __name__ == "__main__":
    unittest.main()
