#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "data/sparse_reader.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "support/gather.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using hdf5::File;
using test::gather;
using test::message_of;
using test::sample_values;
using test::TemporaryFolder;
using test::write_sample;

const std::string edge = std::string(SCANMF_TEST_DATA) + "/edge/";

template <class T>
std::unique_ptr<DataSource<T>> load(const Communicator& comm, const std::string& input,
                                    const LoadOptions& options = {}) {
  return load_matrix<T>(comm, describe_matrix(comm, input, options.estimator), options);
}

/// A sparse matrix as its three arrays, in doubles.
struct Triple {
  std::vector<double> data, indices, indptr;
};

/// What the arrays mean, row-major.
std::vector<double> meaning(const Triple& arrays, Index rows, Index columns, bool by_rows) {
  std::vector<double> x(static_cast<std::size_t>(rows * columns), 0);
  for (std::size_t slice = 0; slice + 1 < arrays.indptr.size(); ++slice)
    for (auto p = static_cast<std::size_t>(arrays.indptr[slice]);
         p < static_cast<std::size_t>(arrays.indptr[slice + 1]); ++p) {
      const Index row = by_rows ? static_cast<Index>(slice) : static_cast<Index>(arrays.indices[p]);
      const Index column = by_rows ? static_cast<Index>(arrays.indices[p]) : static_cast<Index>(slice);
      x[static_cast<std::size_t>(row * columns + column)] += arrays.data[p];
    }
  return x;
}

Triple read_arrays(const std::string& file) {
  const File opened = File::open(file);
  return {opened.dataset("/X/data").read_all<double>(), opened.dataset("/X/indices").read_all<double>(),
          opened.dataset("/X/indptr").read_all<double>()};
}

/// Compressed rows (or columns) of a dense matrix.
Triple compress(const std::vector<double>& x, Index rows, Index columns, bool by_rows) {
  Triple arrays;
  arrays.indptr.push_back(0);
  for (Index slice = 0; slice < (by_rows ? rows : columns); ++slice) {
    for (Index other = 0; other < (by_rows ? columns : rows); ++other) {
      const double value = x[static_cast<std::size_t>(by_rows ? slice * columns + other : other * columns + slice)];
      if (value == 0) continue;
      arrays.data.push_back(value);
      arrays.indices.push_back(static_cast<double>(other));
    }
    arrays.indptr.push_back(static_cast<double>(arrays.data.size()));
  }
  return arrays;
}

struct IndexTypes {
  hid_t indices = H5T_STD_I32LE;
  hid_t indptr = H5T_STD_I32LE;
};

void write_arrays(File& file, const std::string& group, const Triple& arrays, const test::SampleLayout& data = {},
                  const IndexTypes& types = {}) {
  write_sample(file, group + "/data", {arrays.data.size()}, arrays.data, data);
  write_sample(file, group + "/indices", {arrays.indices.size()}, arrays.indices, {.type = types.indices});
  write_sample(file, group + "/indptr", {arrays.indptr.size()}, arrays.indptr, {.type = types.indptr});
}

void write_anndata(const std::string& name, const Triple& arrays, const std::vector<Index>& shape,
                   const std::string& encoding, const IndexTypes& types = {}) {
  File file = File::create(name);
  write_arrays(file, "/X", arrays, {}, types);
  file.write_attribute("/X", "encoding-type", encoding);
  file.write_integers_attribute("/X", "shape", shape);
}

/// Columns ascend and occur once, no zeros are stored, and the summary agrees with the elements.
template <class T>
void expect_settled(DataSource<T>& source, const std::vector<double>& x) {
  Index stored = 0;
  for (Index batch = 0; batch < source.partition().batches(); ++batch)
    source.visit(batch, [&](const Block<T>& block) {
      const auto& csr = std::get<CsrBlock<T>>(block.matrix);
      for (Index i = 0; i < csr.rows; ++i)
        for (Index p = csr.row_begin[i]; p < csr.row_begin[i + 1]; ++p, ++stored) {
          EXPECT_NE(csr.value[p], T{0});
          if (p > csr.row_begin[i]) EXPECT_LT(csr.column[p - 1], csr.column[p]);
        }
    });
  const Index positive = std::count_if(x.begin(), x.end(), [](double v) { return v > 0; });
  EXPECT_EQ(source.communicator().sum(stored), positive);
  EXPECT_EQ(source.summary().stored, positive);
  EXPECT_EQ(source.summary().positive, positive);
  const double sum = std::accumulate(x.begin(), x.end(), 0.0);
  EXPECT_NEAR(source.summary().sum, sum, 1e-12 * sum);
}

TEST(Sparse, DenseEnoughIsHeldDenseWhereItFits) {
  const Communicator comm;
  const TemporaryFolder folder;
  const Index rows = 1100;
  const Index columns = 1001;
  std::vector<double> x(static_cast<std::size_t>(rows * columns), 0);
  for (std::size_t e = 0; e < x.size(); ++e)
    if (e * 7919 % 10 < 3) x[e] = static_cast<double>(1 + e % 97);
  const double stored = static_cast<double>(std::count_if(x.begin(), x.end(), [](double v) { return v > 0; }));
  for (const bool by_rows : {true, false}) {
    const std::string file = folder.file(by_rows ? "csr.h5" : "csc.h5");
    folder.on_root([&] {
      write_anndata(file, compress(x, rows, columns, by_rows), {rows, columns}, by_rows ? "csr_matrix" : "csc_matrix");
    });
    const MatrixDescription description = describe_matrix(comm, file, "NMF");
    for (const Index batch_rows : {0, 256}) {
      LoadOptions options{.batch_rows = batch_rows, .piece_bytes = 100000};
      const auto kind = [&] { return open_source<float>(comm, description, options)->kind(); };
      EXPECT_EQ(kind(), StorageKind::csr) << "not asked for";
      options.dense_from = stored / static_cast<double>(rows * columns);
      const auto source = open_source<float>(comm, description, options);
      EXPECT_EQ(source->kind(), StorageKind::dense);
      EXPECT_EQ(gather(*source), x);
      EXPECT_EQ(static_cast<double>(source->summary().positive), stored);
      options.memory = (rows + comm.size() - 1) / comm.size() * padded_columns<float>(columns) * 4 - 1;
      const auto in_passes = open_source<float>(comm, description, options);
      EXPECT_EQ(in_passes->kind(), StorageKind::dense) << "does not fit: rows become dense in each pass";
      EXPECT_LT(in_passes->bytes(), source->bytes() + 1);
      EXPECT_EQ(gather(*in_passes), x);
      EXPECT_EQ(in_passes->partition().tile_rows(), source->partition().tile_rows());
      EXPECT_EQ(in_passes->partition().strata(), source->partition().strata());
      options.memory = std::nullopt;
      options.dense_from *= 1.001;
      EXPECT_EQ(kind(), StorageKind::csr) << "not dense enough";
    }
  }
}

TEST(Sparse, EdgeFilesLoadAsTheyAre) {
  const Communicator comm;
  for (const char* name : {"ok_csr_all_zero.h5ad", "ok_csr_empty_rows_last_col.h5ad", "ok_csr_explicit_zeros.h5ad",
                           "ok_csr_f32_i32.h5ad", "ok_csr_f64_i64.h5ad", "ok_csr_i32_indices_i64_indptr.h5ad",
                           "ok_csr_int32_counts_gzip.h5ad", "ok_csr_unsorted.h5ad", "csc.h5ad"}) {
    const std::vector<double> expected = meaning(read_arrays(edge + name), 40, 25, std::string(name) != "csc.h5ad");
    for (const LoadOptions& options : {LoadOptions{}, LoadOptions{.batch_rows = 7}, LoadOptions{.piece_bytes = 100},
                                       LoadOptions{.piece_bytes = 1}}) {
      const auto source = load<double>(comm, edge + name, options);
      EXPECT_EQ(source->kind(), StorageKind::csr);
      EXPECT_EQ(gather(*source), expected) << name;
      expect_settled(*source, expected);
    }
    EXPECT_EQ(describe_matrix(comm, edge + name, "NMF").feature_names.size(), 25U);
  }
}

TEST(Sparse, CscAndCsrGiveTheSame) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(300, 41);
  folder.on_root([&] {
    write_anndata(folder.file("csr.h5"), compress(x, 300, 41, true), {300, 41}, "csr_matrix");
    write_anndata(folder.file("csc.h5"), compress(x, 300, 41, false), {300, 41}, "csc_matrix");
  });
  for (const Index batch_rows : {0, 1, 70, 300}) {
    const LoadOptions options{.batch_rows = batch_rows};
    const auto csr = load<float>(comm, folder.file("csr.h5"), options);
    const auto csc = load<float>(comm, folder.file("csc.h5"), options);
    EXPECT_EQ(gather(*csr), x);
    EXPECT_EQ(gather(*csc), x);
    expect_settled(*csc, x);
    for (int rank = 0; rank < comm.size(); ++rank)
      EXPECT_EQ(csr->partition().local_rows(rank), csc->partition().local_rows(rank));
    EXPECT_EQ(csr->bytes(), csc->bytes());
  }
}

TEST(Sparse, IndexTypes) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(20, 30);
  for (const hid_t type : {H5T_STD_I64LE, H5T_STD_U32LE, H5T_STD_U64BE, H5T_STD_I16LE})
    for (const bool by_rows : {true, false}) {
      folder.on_root([&] {
        write_anndata(folder.file("t.h5"), compress(x, 20, 30, by_rows), {20, 30},
                      by_rows ? "csr_matrix" : "csc_matrix", {type, type});
      });
      EXPECT_EQ(gather(*load<double>(comm, folder.file("t.h5"))), x);
      comm.barrier();
    }
}

TEST(Sparse, DuplicatesAreSummedAndZerosDropped) {
  const Communicator comm;
  const TemporaryFolder folder;
  //            row 0: 3 at 2, 1 at 0, 4 at 2    row 1: nothing but zeros    row 2: 5 at 1
  const Triple arrays = {{3, 1, 4, 0, 0, 5}, {2, 0, 2, 1, 1, 1}, {0, 3, 5, 6}};
  folder.on_root([&] { write_anndata(folder.file("d.h5"), arrays, {3, 3}, "csr_matrix"); });
  const auto source = load<double>(comm, folder.file("d.h5"));
  const std::vector<double> x = {1, 0, 7, 0, 0, 0, 0, 5, 0};
  EXPECT_EQ(gather(*source), x);
  expect_settled(*source, x);
}

TEST(Sparse, OldH5sparseAndTenXGenomics) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(6, 4);
  const std::vector<std::string> cells = {"AAA-1", "AAC-1", "AAG-1", "AAT-1", "ACA-1", "ACC-1"};
  const std::vector<std::string> genes = {"Actb", "Gapdh", "génétique", "Xist"};
  folder.on_root([&] {
    File old = File::create(folder.file("old.h5"));
    write_arrays(old, "/X", compress(x, 6, 4, true));
    old.write_attribute("/X", "h5sparse_format", std::string("csr"), hdf5::StringStorage::fixed);
    old.write_integers_attribute("/X", "h5sparse_shape", std::vector<Index>{6, 4});
    File current = File::create(folder.file("10x.h5"));
    write_arrays(current, "/matrix", compress(x, 6, 4, true));  // columns of features × barcodes
    write_sample(current, "/matrix/shape", {2}, {4, 6}, {.type = H5T_STD_I32LE});
    current.write_strings("/matrix/barcodes", cells, hdf5::StringStorage::fixed);
    current.write_strings("/matrix/features/name", genes, hdf5::StringStorage::fixed);
    File second = File::create(folder.file("10x2.h5"));
    write_arrays(second, "/GRCh38", compress(x, 6, 4, true));
    write_sample(second, "/GRCh38/shape", {2}, {4, 6}, {.type = H5T_STD_I32LE});
    second.write_strings("/GRCh38/barcodes", cells);
    second.write_strings("/GRCh38/gene_names", genes);
  });
  EXPECT_EQ(gather(*load<double>(comm, folder.file("old.h5"))), x);
  for (const char* name : {"10x.h5", "10x2.h5"}) {
    const MatrixDescription description = describe_matrix(comm, folder.file(name), "NMF");
    EXPECT_EQ(description.shape, (Shape{6, 4}));
    EXPECT_EQ(description.format, FileFormat::csr);
    EXPECT_EQ(description.feature_names, genes);
    EXPECT_EQ(description.row_names, cells);
    EXPECT_EQ(gather(*load_matrix<double>(comm, description)), x);
  }
}

TEST(Sparse, NamesOfTheTablesAround) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("n.h5"));
    write_sample(file, "/X", {2, 3}, {1, 2, 3, 4, 5, 6});
    write_sample(file, "/layers/counts", {2, 3}, {1, 2, 3, 4, 5, 6});
    write_sample(file, "/raw/X", {2, 4}, std::vector<double>(8, 1));
    file.write_strings("/obs/cell", {"a", "b"});
    file.write_attribute("/obs", "_index", std::string("cell"));
    file.write_strings("/var/index", {"x", "y", "z"}, hdf5::StringStorage::fixed);
    file.write_strings("/raw/var/_index", {"p", "q", "r", "s"});
  });
  using Names = std::vector<std::string>;
  const auto describe = [&](const std::string& path) {
    return describe_matrix(comm, folder.file("n.h5") + ":" + path, "NMF");
  };
  EXPECT_EQ(describe("/X").feature_names, (Names{"x", "y", "z"}));
  EXPECT_EQ(describe("/X").row_names, (Names{"a", "b"}));
  EXPECT_EQ(describe("/layers/counts").feature_names, (Names{"x", "y", "z"}));
  EXPECT_EQ(describe("/raw/X").feature_names, (Names{"p", "q", "r", "s"}));
  EXPECT_EQ(describe("/raw/X").row_names, (Names{"a", "b"}));
}

TEST(Sparse, RanksGetEqualSharesOfNonZeros) {
  const Communicator comm;
  const TemporaryFolder folder;
  // The first tenth of the rows is full, the rest holds one element a row.
  std::vector<double> x(20000 * 40, 0);
  for (std::size_t i = 0; i < 20000; ++i)
    for (std::size_t j = 0; j < (i < 2000 ? 40U : 1U); ++j) x[i * 40 + j] = 1;
  folder.on_root([&] { write_anndata(folder.file("s.h5"), compress(x, 20000, 40, true), {20000, 40}, "csr_matrix"); });
  const auto source = load<double>(comm, folder.file("s.h5"));
  Index stored = 0;
  source->visit(0, [&](const Block<double>& block) {
    const auto& csr = std::get<CsrBlock<double>>(block.matrix);
    stored += csr.row_begin[csr.rows] - csr.row_begin[0] + csr.rows;
  });
  const Index total = 2000 * 41 + 18000 * 2;
  EXPECT_NEAR(static_cast<double>(stored), static_cast<double>(total) / comm.size(), 312 * 41.0);  // one tile
}

TEST(Sparse, BadFilesAreRefused) {
  const Communicator comm;
  const auto message = [&](const std::string& name) { return message_of([&] { load<double>(comm, edge + name); }); };
  const auto place = [](const std::string& name) { return edge + name + ":/X"; };
  EXPECT_EQ(message("bad_csr_data_short.h5ad"), place("bad_csr_data_short.h5ad") + "/data has 197 elements, " +
                                                    place("bad_csr_data_short.h5ad") +
                                                    "/indices has 200: they must be equal");
  EXPECT_EQ(message("bad_csr_indptr_short.h5ad"),
            place("bad_csr_indptr_short.h5ad") + "/indptr has 40 elements; 40 rows need 41");
  EXPECT_EQ(message("bad_csr_no_shape.h5ad"),
            place("bad_csr_no_shape.h5ad") + " has no attribute shape (two integers: rows, columns)");
  EXPECT_NE(message("bad_csr_index_out_of_range.h5ad").find("/X/indices is wrong: element "), std::string::npos)
      << message("bad_csr_index_out_of_range.h5ad");
  EXPECT_NE(message("bad_csr_index_out_of_range.h5ad").find("but there are 25"), std::string::npos);
  EXPECT_NE(message("bad_csr_indptr_not_monotone.h5ad").find("/X/indptr is wrong: it decreases from "),
            std::string::npos)
      << message("bad_csr_indptr_not_monotone.h5ad");
  EXPECT_NE(message("bad_csr_nan.h5ad").find("Input X contains NaN. (row "), std::string::npos);
  EXPECT_NE(message("bad_csr_negative.h5ad").find("Negative values in data passed to NMF (input X) (row "),
            std::string::npos);
}

TEST(Sparse, PlacesOfMistakes) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("m.h5");
  const auto message = [&](Triple arrays, const std::string& encoding, const LoadOptions& options = {},
                           std::vector<Index> shape = {3, 3}) {
    folder.on_root([&] { write_anndata(file, arrays, shape, encoding, {H5T_STD_I64LE, H5T_STD_I64LE}); });
    const std::string text = message_of([&] { load<float>(comm, file, options); });
    comm.barrier();
    return text;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message({{1, 2, 3, 4}, {0, 1, 2, 9}, {0, 1, 2, 4}}, "csr_matrix"),
            file + ":/X/indices is wrong: element 3, in row 2, names column 9, but there are 3");
  EXPECT_EQ(message({{1, 2, 3, 4}, {0, 1, 2, 0x1p40}, {0, 1, 2, 4}}, "csr_matrix"),
            file + ":/X/indices is wrong: element 3, in row 2, names column 1099511627776, but there are 3");
  EXPECT_EQ(message({{1, 2, 3, 4}, {0, -1, 2, 1}, {0, 1, 2, 4}}, "csc_matrix"),
            file + ":/X/indices is wrong: element 1, in column 1, names row -1, but there are 3");
  EXPECT_EQ(message({{1, 2}, {0, 1}, {0, 7, 1, 2}}, "csr_matrix"),
            file + ":/X/indptr is wrong: element 1 is 7, outside 0 … 2");
  EXPECT_EQ(message({{1, 2}, {0, 1}, {0, 2, 1, 2}}, "csc_matrix"),
            file + ":/X/indptr is wrong: it decreases from 2 to 1 at column 1");
  EXPECT_EQ(message({{1, 2}, {0, 1}, {1, 1, 1, 2}}, "csr_matrix"), file + ":/X/indptr must begin with 0, not 1");
  EXPECT_EQ(message({{1, 2}, {0, 1}, {0, 1, 1, 1}}, "csr_matrix"),
            file + ":/X/indptr must end with 2, the number of stored elements, not 1");
  // The first offender in row-major order, wherever it lies in the file.
  EXPECT_EQ(message({{1, nan, -1, 2}, {2, 1, 0, 0}, {0, 2, 3, 4}}, "csc_matrix"),
            "Negative values in data passed to NMF (input X) (row 0, column 1 of " + file + ":/X, counted from 0)");
  EXPECT_EQ(message({{1, nan, -1, 2}, {2, 1, 0, 0}, {0, 2, 3, 4}}, "csr_matrix"),
            "Input X contains NaN. (row 0, column 1 of " + file +
                ":/X, counted from 0); missing = 'nan' (--missing nan) leaves such entries out");
  // A duplicate cannot hide a bad value.
  EXPECT_EQ(message({{5, -1}, {1, 1}, {0, 0, 2, 2}}, "csr_matrix"),
            "Negative values in data passed to NMF (input X) (row 1, column 1 of " + file + ":/X, counted from 0)");
  EXPECT_EQ(message({{5, -1}, {1, 1}, {0, 0, 2, 2}}, "csr_matrix", {.check_sign = false}), "no error");
  EXPECT_EQ(message({{1}, {0}, {0, 0, 0, 1}}, "csr_matrix", {}, {3, Index{1} << 31}),
            file + ":/X has 2147483648 columns; sparse matrices may have up to 2147483647");
}

TEST(SettleRows, KeepsWhatIsInOrder) {
  std::vector<Index> bounds = {0, 2, 2, 5};
  std::vector<std::int32_t> column = {1, 4, 3, 0, 3};
  std::vector<float> value = {1, 2, 3, 4, 5};
  EXPECT_EQ(data::settle_rows(3, bounds.data(), column.data(), value.data(), true), 4);
  EXPECT_EQ(bounds, (std::vector<Index>{0, 2, 2, 4}));
  EXPECT_EQ((std::vector<std::int32_t>{column.begin(), column.begin() + 4}), (std::vector<std::int32_t>{1, 4, 0, 3}));
  EXPECT_EQ((std::vector<float>{value.begin(), value.begin() + 4}), (std::vector<float>{1, 2, 4, 8}));
}

TEST(TileNumbers, AgreeWithThePartition) {
  for (const Index batch_rows : {1, 10, 129, 1000}) {
    const data::TileNumbers tiles = data::sparse_tiles({1000, 1}, {.batch_rows = batch_rows});
    Index expected = 0;
    for (Index begin = 0; begin < 1000; begin += tiles.batch_rows)
      for (Index row = begin; row < std::min<Index>(1000, begin + tiles.batch_rows); row += tiles.tile_rows) {
        EXPECT_EQ(tiles.of_row(row), expected);
        EXPECT_EQ(tiles.first_row(expected), row);
        ++expected;
      }
    EXPECT_EQ(tiles.count(), expected);
    EXPECT_EQ(tiles.first_row(expected), 1000);
  }
}

}  // namespace
}  // namespace scanmf
