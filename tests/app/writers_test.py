#!/usr/bin/python3
"""What other programs write: read as they mean it, or refused with what is in the file and what to type. Files that
Python cannot write were kept (tests/data/writers, see README there); the others imitate their layout. What is factored
is told by H and W of a fit of the same numbers."""
import json
import os
import unittest

import h5py
import numpy as np

from program import ProgramTest

KEPT = os.path.join(os.environ["SCANMF_TEST_DATA"], "writers")
GENES = [f"g{j}" for j in range(7)]
CELLS = [f"c{i}" for i in range(12)]


def compressed(x):
    """data, indices, indptr by rows."""
    rows, columns = np.nonzero(x)
    return x[rows, columns], columns, np.concatenate([[0], np.cumsum((x != 0).sum(1))])


class Writers(ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(3)
        self.x = np.where(random.rand(12, 7) < 0.6, random.randint(1, 9, (12, 7)), 0).astype(float)
        self.x[:, 0] += 1
        self.number = 0

    def file(self, name="x.h5"):
        return h5py.File(self.path(name), "w")

    def factors(self, *arguments):
        result = self.succeed("fit", *arguments, "-k", "2", "--init", "random", "--random-state", "0", "--max-iter",
                              "15", "--tol", "0", "-o", "m.h5")
        return result, self.read("m.h5", "W"), self.read("m.h5", "H")

    def assert_reads(self, x, *arguments, logged=None, warned=None):
        self.write("plain.h5", X=x)
        _, W, H = self.factors("plain.h5")
        result, w, h = self.factors(*arguments)
        self.assertEqual((w.shape, h.shape), (W.shape, H.shape))
        self.assertLess(max(np.abs(w - W).max(), np.abs(h - H).max()), 1e-9)
        if logged:
            self.assertIn(logged, result.stderr)
        if warned:
            self.assertTrue(any(warned in warning for warning in result.warnings), result.stderr)
        elif warned is None:
            self.assertEqual([w for w in result.warnings if "names" in w or "type" in w], [])
        return result

    def names(self):
        with h5py.File(self.path("m.h5"), "r") as model:
            return [[v.decode() for v in model[name][()]] if name in model else None
                    for name in ("obs_names", "feature_names")]

    # MATLAB, Octave

    def matlab(self, data, kind="double", name="X", **attributes):
        with self.file() as file:
            file[name] = data
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
            for key, value in attributes.items():
                file[name].attrs[key] = value

    def test_matlab_dense(self):
        self.matlab(self.x.T)
        self.assert_reads(self.x, "x.h5", logged="MATLAB stores columns first")
        self.assert_reads(self.x.T, "x.h5", "--transpose", "false")
        self.assert_reads(self.x, "x.h5", "--transpose", logged="(--transpose)")
        self.assertTrue(json.loads(self.succeed("inspect", "x.h5", "--json").stdout)["transposed"])
        self.matlab((self.x.T > 0).astype("u1"), "logical", MATLAB_int_decode=1)
        self.assert_reads((self.x > 0).astype(float), "x.h5")

    def test_matlab_sparse(self):
        data, columns, bounds = compressed(self.x.T)  # MATLAB's columns
        with self.file() as file:
            file["S/data"], file["S/ir"], file["S/jc"] = data, columns.astype("u8"), bounds.astype("u8")
            file["S"].attrs["MATLAB_class"], file["S"].attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(12)
        self.assert_reads(self.x, "x.h5")
        self.assert_reads(self.x.T, "x.h5", "--transpose", "false")

    def test_matlab_what_is_no_matrix(self):
        for kind, attributes in [("char", {
                "MATLAB_int_decode": 2
        }), ("cell", {}), ("string", {
                "MATLAB_object_decode": 3
        })]:
            with self.subTest(kind):
                self.matlab(np.ones((12, 7), "u2"), kind, **attributes)
                self.fail_with(1, "is a MATLAB", "fit", "x.h5", "-k", "2")
        self.matlab(np.array([0, 7], "u8"), "double", MATLAB_empty=1)
        self.fail_with(1, "is an empty MATLAB array", "fit", "x.h5", "-k", "2")

    def octave(self, kind, value):
        with self.file() as file:
            file["X/type"] = np.bytes_(kind)
            file["X"].attrs["OCTAVE_NEW_FORMAT"] = np.uint8(1)
            if isinstance(value, dict):
                for name, part in value.items():
                    file[f"X/value/{name}"] = part
            else:
                file["X/value"] = value

    def test_octave(self):
        self.octave("matrix", self.x.T)
        self.assert_reads(self.x, "x.h5", logged="Octave stores columns first")
        self.octave("int32 matrix", self.x.T.astype("i4"))
        self.assert_reads(self.x, "x.h5")
        data, rows, bounds = compressed(self.x.T)
        self.octave("sparse matrix", {
            "nr": 12,
            "nc": 7,
            "nz": len(data),
            "data": data[:, None],
            "ridx": rows[:, None],
            "cidx": bounds[:, None]
        })
        self.assert_reads(self.x, "x.h5")
        for kind in ["string", "complex matrix", "diagonal matrix"]:
            self.octave(kind, self.x.T)
            self.fail_with(1, f"is of Octave's type '{kind}'", "fit", "x.h5", "-k", "2")

    # loom, 10x, Seurat

    def loom(self, layers=()):
        with self.file("x.loom") as file:
            file["matrix"] = self.x.T
            for name in layers:
                file["layers/" + name] = 2 * self.x.T
            file.create_dataset("row_attrs/Gene", data=GENES, dtype=h5py.string_dtype())
            file.create_dataset("col_attrs/CellID", data=CELLS, dtype=h5py.string_dtype())

    def test_loom(self):
        self.loom(["spliced"])
        self.assert_reads(self.x, "x.loom", logged="loom stores columns first")
        self.assertEqual(self.names(), [CELLS, GENES])
        self.assert_reads(2 * self.x, "x.loom:/layers/spliced")
        for command in [["fit", "x.loom", "-k", "2"], ["convert", "x.loom", "-o", "out.h5"]]:
            self.fail_with(1, "it does not say of what types they are", *command, "--feature-type", "b")

    def cells(self, group="matrix", barcodes=True, types=None, mark=None):
        data, columns, bounds = compressed(self.x)
        with self.file() as file:
            file[f"{group}/data"], file[f"{group}/indices"], file[f"{group}/indptr"] = data, columns, bounds
            if mark == "dims":
                file[group].attrs["dims"] = [7, 12]
            else:
                file[f"{group}/shape"] = [7, 12]
            if barcodes:
                file[f"{group}/barcodes"] = np.array(CELLS, "S")
                file[f"{group}/features/name"] = np.array(GENES, "S")
            if types:
                file[f"{group}/features/feature_type"] = np.array(types, "S")
            if mark == "rhdf5":
                file[f"{group}/data"].attrs["rhdf5-NA.OK"] = [1]

    def test_cells(self):
        self.cells()
        self.assert_reads(self.x, "x.h5")
        self.assertEqual(self.names(), [CELLS, GENES])
        self.assert_reads(self.x.T, "x.h5", "--transpose", "true")
        self.assertEqual(self.names(), [GENES, CELLS])
        self.cells(barcodes=False, mark="rhdf5")
        self.assert_reads(self.x, "x.h5")
        self.cells(barcodes=False)
        self.fail_with(1, "--transpose false takes them for the rows (12 x 7), --transpose true for the columns", "fit",
                       "x.h5", "-k", "2")
        self.assert_reads(self.x, "x.h5", "--transpose", "false")
        self.assert_reads(self.x.T, "x.h5", "--transpose")
        self.cells(group="assays/RNA/counts", barcodes=False, mark="dims")
        self.assert_reads(self.x, "x.h5:/assays/RNA/counts")

    def test_feature_types(self):
        types = ["Gene Expression"] * 3 + ["Antibody Capture"] * 2 + ["Gene Expression"] * 2
        self.cells(types=types)
        self.assert_reads(self.x, "x.h5",
                          warned="features of several types, and X has them all: Antibody Capture, Gene Expression")
        self.assert_reads(self.x[:, [0, 1, 2, 5, 6]], "x.h5", "--feature-type", "Gene Expression")
        self.assertEqual(self.names()[1], ["g0", "g1", "g2", "g5", "g6"])
        self.fail_with(
            1, "no features of type 'CRISPR' (option '--feature-type'): there are Antibody Capture, Gene Expression",
            "fit", "x.h5", "-k", "2", "--feature-type", "CRISPR")
        self.write("plain.h5", X=self.x)
        self.fail_with(1, "it does not say of what types", "fit", "plain.h5", "-k", "2", "--feature-type",
                       "Gene Expression")

    def test_feature_types_that_cannot_be_taken_in_place(self):
        for encoding in ["csc", "dense"]:
            with self.file() as file:
                if encoding == "csc":
                    data, rows, bounds = compressed(self.x.T)
                    file["X/data"], file["X/indices"], file["X/indptr"] = data, rows, bounds
                    file["X"].attrs["encoding-type"], file["X"].attrs["shape"] = "csc_matrix", [12, 7]
                else:
                    file["X"] = self.x
                file["var/_index"], file["var/feature_types"] = GENES, ["a"] * 3 + ["b"] * 4
                file["var"].attrs["_index"] = "_index"
            for memory in ["none", "300"]:
                self.fail_with(1, "write them first: scanmf convert x.h5:/X --feature-type NAME -o OUT.h5", "fit",
                               "x.h5", "-k", "2", "--feature-type", "b", "--memory", memory)
            self.succeed("convert", "x.h5", "--feature-type", "b", "-o", "b.h5")
            self.assert_reads(self.x[:, 3:], "b.h5")
            self.assertEqual(self.names()[1], GENES[3:])
        self.fail_with(1, "in two steps: scanmf convert", "fit", "x.h5", "-k", "2", "--feature-type", "b",
                       "--transpose")

    def test_memory_of_some_features(self):
        self.cells(types=["a"] * 3 + ["b"] * 4)
        result = self.assert_reads(self.x[:, :3], "x.h5", "--feature-type", "a", "--memory", "200")
        self.assertIn("X needs at most", result.stderr)

    def test_list_of_molecules(self):
        with self.file() as file:
            for name in ["barcode_idx", "umi", "gem_group", "count"]:
                file[name] = np.arange(9)
            file["barcode_info/pass_filter"] = np.ones((9, 3), "u8")
        self.fail_with(1, "is a molecule_info file of 10x Genomics", "fit", "x.h5", "-k", "2")

    # netCDF, pandas, R

    def packed(self, type_, **attributes):
        self.matlab(self.x.astype(type_))
        with h5py.File(self.path("x.h5"), "a") as file:
            del file["X"].attrs["MATLAB_class"]
            for name, value in attributes.items():
                file["X"].attrs[name] = value

    def test_packed(self):
        self.packed("i2", scale_factor=[0.25], add_offset=[1.0])
        self.fail_with(1, "is packed: its values are 0.25 * stored + 1", "fit", "x.h5", "-k", "2")
        self.packed("i1", _Unsigned=np.bytes_("true"))
        self.fail_with(1, "meant as unsigned numbers", "fit", "x.h5", "-k", "2")
        self.packed("f8", scale_factor=[1.0], add_offset=[0.0], _FillValue=[np.nan])
        self.assert_reads(self.x, "x.h5")
        self.packed("f4", _FillValue=np.array([9.96921e36], "f4"))
        self.assert_reads(self.x, "x.h5", "--dtype", "float64")
        self.x[4, 2] = 9.96921e36
        for memory in ["none", "300"]:
            self.packed("f4", _FillValue=np.array([9.96921e36], "f4"))
            self.fail_with(1, "(by its _FillValue, missing_value or valid_range) (row 4, column 2", "fit", "x.h5", "-k",
                           "2", "--memory", memory)

    def test_packed_in_words(self):
        for value in ["0.5", [0.5, 0.5]]:
            self.packed("i2", scale_factor=value)
            self.fail_with(1, "has an attribute scale_factor that is not one number", "fit", "x.h5", "-k", "2")

    def test_missing_values_of_netcdf(self):
        def missing(type_, value, fill=None, netcdf=False, **attributes):
            x = self.x.copy()
            x[4, 2] = value
            with self.file() as file:
                file.create_dataset("X", data=x.astype(type_), fillvalue=fill)
                for name, each in attributes.items():
                    file["X"].attrs[name] = each
                if netcdf:
                    file.attrs["_NCProperties"] = np.bytes_("version=2,netcdf=4.9.0")
            return x

        place = "missing values (by its _FillValue, missing_value or valid_range) (row 4, column 2"
        for arguments in [
            ("f4", 1e20, None, False, dict(missing_value=np.array([-1, 1e20], "f4"))),
            ("f8", 1e20, None, False, dict(missing_value="1e20")),
            ("f8", 9.969209968386869e36, 9.969209968386869e36, True, {}),
            ("u2", 65535, 65535, True, {}),
            ("f4", 100, None, False, dict(valid_range=np.array([0, 50], "f4"))),
            ("i4", 100, None, False, dict(valid_max=[99])),
            ("f8", 100, None, False, dict(valid_min=0, valid_max=99.5)),
        ]:
            with self.subTest(arguments):
                x = missing(*arguments[:4], **arguments[4])
                self.fail_with(1, place, "fit", "x.h5", "-k", "2", "--dtype", "float64")
                self.fail_with(1, "column 2 as stored; --allow-missing", "convert", "x.h5", "--transpose", "-o", "c.h5")
                self.succeed("convert", "x.h5", "--allow-missing", "--dtype", "float64", "-o", "c.h5")
                x[4, 2] = np.nan
                np.testing.assert_array_equal(self.read("c.h5", "X"), x)
                os.remove(self.path("c.h5"))
        for arguments in [("u1", 255, 255, True), ("f8", 7, 7, False)]:  # nothing says that these are missing
            self.assert_reads(missing(*arguments), "x.h5")

    def test_enumerations(self):
        colours = h5py.enum_dtype({"red": 0, "green": 1, "blue": 2}, "i1")
        with self.file() as file:
            file.create_dataset("X", data=(self.x % 3).astype("i1"), dtype=colours)
        self.fail_with(1, "holds an enumeration (numbers that stand for names), not numbers", "fit", "x.h5", "-k", "2")
        logical = h5py.enum_dtype({"FALSE": 0, "TRUE": 1, "NA": 2}, "i1")  # as R's hdf5r has it
        truths = (self.x > 1).astype("i1")
        with self.file() as file:
            file.create_dataset("X", data=truths, dtype=logical)
        self.assert_reads(truths.astype(float), "x.h5:/X")
        truths[4, 2] = 2
        with self.file() as file:
            file.create_dataset("X", data=truths, dtype=logical)
        self.fail_with(1, "missing values", "fit", "x.h5:/X", "-k", "2")

    def test_pandas_dates_and_frames_by_items(self):
        with self.file() as file:
            frame = file.create_group("df")
            frame.attrs["pandas_type"], frame.attrs["nblocks"] = np.bytes_("frame"), 1
            frame["axis1"], frame["block0_items"] = np.array(CELLS, "S"), np.array(GENES, "S")
            frame["block0_values"] = self.x.T
        self.assert_reads(self.x, "x.h5")
        self.assertEqual(self.names(), [CELLS, GENES])
        with h5py.File(self.path("x.h5"), "a") as file:
            file["df/block0_values"].attrs["value_type"] = np.bytes_("datetime64")
        self.fail_with(1, "is a pandas object of datetime64; write the numbers", "fit", "x.h5", "-k", "2")

    def test_pandas_says_how_a_frame_lies(self):
        square = self.x[:7]

        def frame(values, transposed, items=GENES):
            with self.file() as file:
                group = file.create_group("df")
                group.attrs["pandas_type"], group.attrs["nblocks"] = np.bytes_("frame"), 1
                group["axis1"], group["block0_items"] = np.array(CELLS[:7], "S"), np.array(items, "S")
                group["block0_values"] = values
                space = h5py.h5s.create(h5py.h5s.SCALAR)  # as PyTables writes a truth value
                name = h5py.h5a.create(group["block0_values"].id, b"transposed", h5py.h5t.NATIVE_B8, space)
                name.write(np.array(transposed, "u1"), mtype=h5py.h5t.NATIVE_B8)

        for transposed, stored in [(1, square), (0, square.T)]:
            frame(stored, transposed)
            self.assert_reads(square, "x.h5")
            self.assertEqual(self.names(), [CELLS[:7], GENES])
        frame(self.x.T, 1)
        self.fail_with(1, "is 7 x 12 and stored by rows (its attribute transposed), but has 7 columns", "fit", "x.h5",
                       "-k", "2")

    def test_pandas(self):
        with self.file() as file:
            frame = file.create_group("df")
            frame.attrs["pandas_type"], frame.attrs["nblocks"] = np.bytes_("frame"), 1
            frame["axis0"], frame["axis1"] = np.array(GENES, "S"), np.array(CELLS, "S")
            frame["block0_items"], frame["block0_values"] = np.array(GENES[::-1], "S"), self.x
        self.assert_reads(self.x, "x.h5")
        self.assertEqual(self.names(), [CELLS, GENES[::-1]])
        for kind in ["frame_table", "series"]:
            with h5py.File(self.path("x.h5"), "a") as file:
                file["df"].attrs["pandas_type"] = np.bytes_(kind)
            self.fail_with(1, f"is a pandas object in the form '{kind}'; write the numbers as one frame", "fit", "x.h5",
                           "-k", "2")

    def test_r(self):
        with self.file() as file:
            file["X"] = self.x
            file["X"].attrs["rhdf5-NA.OK"] = [1]
            file[".X_dimnames/1"], file[".X_dimnames/2"] = np.array(GENES, "S"), np.array(CELLS, "S")
        self.assert_reads(self.x, "x.h5", logged="was written by R, which shows it transposed")
        self.assertEqual(self.names(), [CELLS, GENES])
        self.assert_reads(self.x.T, "x.h5", "--transpose")
        self.assertEqual(self.names(), [GENES, CELLS])

    def test_kept_files(self):
        expected = np.load(os.path.join(KEPT, "expected.npz"))
        for name in sorted(os.listdir(KEPT)):
            if name.endswith((".npz", ".md")):
                continue
            with self.subTest(name):
                options = ["--transpose"] if name.startswith("r_") and not name.startswith("r_tenx") else []
                self.assert_reads(expected[name], os.path.join(KEPT, name), *options)

    # Names

    def with_names(self, write_index):
        with self.file() as file:
            file["X"] = self.x
            for table, names in [("var", GENES), ("obs", CELLS)]:
                group = file.create_group(table)
                group.attrs["_index"] = "_index"
                write_index(group, names)

    def test_forms_of_names(self):
        def nullable(group, names):
            group.create_dataset("_index/values", data=names, dtype=h5py.string_dtype())
            group["_index/mask"] = np.zeros(len(names), bool)

        def categorical(group, names):
            group.create_dataset("_index/categories", data=names[::-1], dtype=h5py.string_dtype())
            group["_index/codes"] = np.arange(len(names), dtype="i1")[::-1]

        def fixed(group, names):
            group["_index"] = np.array(names, "S5")

        for form in [nullable, categorical, fixed]:
            with self.subTest(form.__name__):
                self.with_names(form)
                self.assert_reads(self.x, "x.h5")
                self.assertEqual(self.names(), [CELLS, GENES])

    def test_names_that_cannot_be_read(self):
        with self.file() as file:
            file["X"] = self.x
            file["var"] = np.zeros(7, [("id", "S4"), ("n", "f4")])
        self.assert_reads(self.x, "x.h5", warned="the table has no member index")
        self.with_names(lambda group, names: group.create_dataset("_index", data=np.array(names + ["more"], "S5")))
        self.assert_reads(self.x, "x.h5", warned="/var has 8 names, /X has 7 columns")
        with self.file() as file:
            file["X"] = self.x
            file["var"] = h5py.ExternalLink("gone.h5", "/var")
        self.assert_reads(self.x, "x.h5")

    def test_names_in_latin1(self):
        self.with_names(
            lambda group, names: group.create_dataset("_index", data=np.array([b"\xe9" + n.encode() for n in names])))
        self.assert_reads(self.x, "x.h5", "--log-json", "log.json", warned="are not UTF-8 and are read as Latin-1")
        self.assertEqual(self.names()[1], ["é" + name for name in GENES])
        self.assertEqual(
            json.loads(self.succeed("inspect", "x.h5", "--json").stdout)["feature_names"]["first"][0], "ég0")

    # Structure

    def test_several_names_of_one_object(self):
        with self.file() as file:
            file["data/m"] = self.x
            file["data/up"], file["alias"], file["data/self"] = h5py.SoftLink("/"), h5py.SoftLink(
                "/data/m"), file["data"]
        self.assert_reads(self.x, "x.h5")
        self.assert_reads(self.x, "x.h5://data//m/")
        self.assert_reads(self.x, "x.h5:data/m")

    def test_sparse_matrix_in_another_file(self):
        data, columns, bounds = compressed(self.x)
        with self.file("other.h5") as file:
            file["M/data"], file["M/indices"], file["M/indptr"] = data, columns, bounds
            file["M"].attrs["encoding-type"], file["M"].attrs["shape"] = "csr_matrix", self.x.shape
        with self.file() as file:
            file["X"] = h5py.ExternalLink("other.h5", "/M")
        self.assert_reads(self.x, "x.h5")

    def test_dangling(self):
        with self.file() as file:
            file["m"], file["X"] = self.x, h5py.SoftLink("/nowhere")
        self.assert_reads(self.x, "x.h5", warned="/X of x.h5 is a link that leads nowhere: X is /m")

    def test_anndata_without_X(self):
        with self.file() as file:
            file["X"] = h5py.Empty("f4")
            file["X"].attrs["encoding-type"] = "null"
            file["layers/counts"], file["obsm/X_pca"] = self.x, self.x[:, :2]
        self.fail_with(1, "name one as x.h5:PATH: /layers/counts, /obsm/X_pca", "fit", "x.h5", "-k", "2")
        self.assert_reads(self.x, "x.h5:/layers/counts")
        with h5py.File(self.path("x.h5"), "a") as file:
            del file["X"]
            file["X"] = 2 * self.x
        self.assert_reads(2 * self.x, "x.h5", logged="also in the file: /layers/counts (x.h5:PATH takes one)")

    def test_inspect_lists_matrices(self):
        with self.file() as file:
            file["a"], file["b"], file["text"] = self.x, self.x[:, :3] + 0.5, "no matrix"
        self.fail_with(1, "several matrices and no /X; name one as x.h5:PATH: /a, /b", "fit", "x.h5", "-k", "2")
        listed = json.loads(self.succeed("inspect", "x.h5", "--json").stdout)["matrices"]
        self.assertEqual(
            [(m["path"], m["shape"], m["integers"]) for m in listed],
            [("/a", [12, 7], True), ("/b", [12, 3], False)],
        )
        self.assertIn("/b", self.succeed("inspect", "x.h5").stdout)

    def test_many_groups(self):
        with self.file() as file:
            for i in range(20000):
                file.create_group(f"g{i}")
            file["m"] = self.x
        self.fail_with(1, "more than can be looked through; name the matrix as x.h5:PATH", "fit", "x.h5", "-k", "2",
                       timeout=20)
        self.assert_reads(self.x, "x.h5:/m")

    def test_other_kinds_of_files(self):
        def write(name, content):
            with open(self.path(name), "wb") as file:
                file.write(content)

        for name, content, phrase in [("x.csv", b"1,2\n3,4\n", "scanmf convert x.csv -o x.h5"),
                                      ("x.mtx", b"%%MatrixMarket matrix", "scanmf convert x.mtx -o x.h5"),
                                      ("x.npz", b"PK\x03\x04", "scanmf convert x.npz -o x.h5"),
                                      ("x.nc", b"CDF\x01rest", "nccopy -k nc4"),
                                      ("x.mat", b"MATLAB 5.0 MAT-file", "-v7.3")]:
            with self.subTest(name):
                write(name, content)
                self.fail_with(1, phrase, "fit", name, "-k", "2")
                self.fail_with(1, phrase, "inspect", name)
        os.mkdir(self.path("folder"))
        write("folder/matrix.mtx.gz", b"")
        self.fail_with(1, "scanmf convert folder -o folder.h5", "fit", "folder", "-k", "2")

    def test_sizes_that_are_lies(self):
        for by_rows, shape, phrase in [("csr_matrix", [2**62, 7], "rows need"), ("csc_matrix", [2**62, 7], "states"),
                                       ("csr_matrix", [12, 2**62], "sparse matrices may have up to"),
                                       ("csr_matrix", [-1, 7], "not two sizes")]:
            with self.subTest(f"{by_rows} {shape}"):
                data, indices, bounds = compressed(self.x if by_rows == "csr_matrix" else self.x.T)
                with self.file() as file:
                    file["X/data"], file["X/indices"], file["X/indptr"] = data, indices, bounds
                    file["X"].attrs["encoding-type"], file["X"].attrs["shape"] = by_rows, shape
                self.fail_with(1, phrase, "fit", "x.h5", "-k", "2")
        with self.file() as file:
            file.create_dataset("X", (2**40, 2**40), chunks=(1024, 1024))
        self.fail_with(1, "than any file can hold", "fit", "x.h5", "-k", "2")


if __name__ == "__main__":
    unittest.main()
