#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

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
using test::SampleLayout;
using test::TemporaryFolder;
using test::write_sample;

const std::string edge = std::string(SCANMF_TEST_DATA) + "/edge/";

template <class T>
std::unique_ptr<DataSource<T>> load(const Communicator& comm, const std::string& input,
                                    const LoadOptions& options = {}) {
  return load_matrix<T>(comm, describe_matrix(comm, input, options.estimator), options);
}

/// All elements through plain HDF5.
std::vector<double> plainly(const std::string& file, const std::string& path = "/X") {
  return File::open(file).dataset(path).read_all<double>();
}

void expect_summary(const DataSummary& summary, const std::vector<double>& x) {
  EXPECT_NEAR(summary.sum, std::accumulate(x.begin(), x.end(), 0.0), 1e-12 * std::abs(summary.sum));
  EXPECT_EQ(summary.positive, std::count_if(x.begin(), x.end(), [](double v) { return v > 0; }));
  EXPECT_EQ(summary.stored, static_cast<Index>(x.size()));
}

TEST(Dense, EdgeFilesLoadAsTheyAre) {
  const Communicator comm;
  for (const char* name : {"ok_dense_1col.h5ad", "ok_dense_1row.h5ad", "ok_dense_column_chunks_gzip.h5",
                           "ok_dense_f32_bigendian.h5", "ok_dense_f32_noname.h5ad", "ok_dense_f64.h5ad",
                           "ok_dense_plain_no_attrs.h5", "ok_dense_u8.h5ad", "ok_dense_zero_row_col.h5ad"}) {
    const std::string file = edge + name;
    const std::vector<double> expected = plainly(file);
    EXPECT_EQ(gather(*load<double>(comm, file)), expected) << name;
    const auto single = load<float>(comm, file);
    if (std::string(name).find("f64") == std::string::npos) EXPECT_EQ(gather(*single), expected) << name;
    expect_summary(load<double>(comm, file)->summary(), expected);
  }
  EXPECT_EQ(gather(*load<double>(comm, edge + "ok_dense_other_name.h5")),
            plainly(edge + "ok_dense_other_name.h5", "/Y"));
}

TEST(Dense, Descriptions) {
  const Communicator comm;
  const MatrixDescription big_endian = describe_matrix(comm, edge + "ok_dense_f32_bigendian.h5", "NMF");
  EXPECT_EQ(big_endian.element_type, "float32 (big-endian)");
  EXPECT_EQ(big_endian.data_type, DataType::float32);
  EXPECT_EQ(big_endian.shape, (Shape{40, 25}));
  EXPECT_EQ(big_endian.layout, "contiguous");
  const MatrixDescription bytes = describe_matrix(comm, edge + "ok_dense_u8.h5ad:/X", "NMF");
  EXPECT_EQ(bytes.element_type, "uint8");
  EXPECT_EQ(bytes.data_type, DataType::float64);
  EXPECT_EQ(describe_matrix(comm, edge + "ok_dense_column_chunks_gzip.h5", "NMF").layout, "chunks of 40 x 4, gzip");
  const MatrixDescription named = describe_matrix(comm, edge + "ok_dense_1col.h5ad", "NMF");
  EXPECT_EQ(named.feature_names, std::vector<std::string>{"gène_0"});
  EXPECT_TRUE(named.row_names.empty());
  EXPECT_EQ(describe_matrix(comm, edge + "ok_dense_f64.h5ad", "NMF").feature_names.size(), 25U);
}

TEST(Dense, WholeNumbersAreTold) {
  const Communicator comm;
  const TemporaryFolder folder;
  constexpr Index wide = (Index{16} << 17) + 1;  // numbers of a chunk of more than 16 MB
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    std::vector<double> x(wide, 0.5);
    write_sample(file, "/wide_chunk", {1, wide}, x, {.chunk = {1, wide}, .gzip = 1});
    write_sample(file, "/wide", {1, wide}, x, {});
    write_sample(file, "/parts", {2, 8}, std::vector<double>(16, 0.5), {.chunk = {1, 4}, .gzip = 1});
    write_sample(file, "/whole", {2, 8}, std::vector<double>(16, 3), {.chunk = {1, 4}, .gzip = 1});
  });
  const auto begins = [&](const std::string& path) {
    return begins_with_whole_numbers(comm, describe_matrix(comm, folder.file("x.h5") + ":/" + path, "NMF"));
  };
  EXPECT_EQ(begins("wide_chunk"), std::nullopt) << "16 MB are inflated for it";
  EXPECT_EQ(begins("wide"), std::optional(false));
  EXPECT_EQ(begins("parts"), std::optional(false));
  EXPECT_EQ(begins("whole"), std::optional(true));
}

TEST(Dense, EveryTypeAndLayout) {
  const Communicator comm;
  const TemporaryFolder folder;
  const hdf5::TypeHandle half = test::half_type();
  const std::vector<std::pair<std::string, hid_t>> types = {{"float16", half.get()},
                                                            {"float32", H5T_IEEE_F32LE},
                                                            {"float32 (big-endian)", H5T_IEEE_F32BE},
                                                            {"float64", H5T_IEEE_F64LE},
                                                            {"float64 (big-endian)", H5T_IEEE_F64BE},
                                                            {"int8", H5T_STD_I8LE},
                                                            {"uint8", H5T_STD_U8LE},
                                                            {"int16 (big-endian)", H5T_STD_I16BE},
                                                            {"uint16", H5T_STD_U16LE},
                                                            {"int32", H5T_STD_I32LE},
                                                            {"uint32", H5T_STD_U32LE},
                                                            {"int64 (big-endian)", H5T_STD_I64BE},
                                                            {"uint64", H5T_STD_U64LE}};
  const std::vector<SampleLayout> layouts = {{},
                                             {.chunk = {16, 70}},
                                             {.chunk = {16, 33}, .gzip = 3, .shuffle = true},
                                             {.chunk = {150, 8}, .gzip = 1},
                                             {.chunk = {7, 70}, .gzip = 1, .checksum = true}};
  const std::vector<double> x = sample_values(150, 70);
  folder.on_root([&] {
    File file = File::create(folder.file("types.h5"));
    for (std::size_t t = 0; t < types.size(); ++t)
      for (std::size_t l = 0; l < layouts.size(); ++l) {
        SampleLayout layout = layouts[l];
        layout.type = types[t].second;
        write_sample(file, "/t" + std::to_string(t) + "/l" + std::to_string(l), {150, 70}, x, layout);
      }
  });
  for (std::size_t t = 0; t < types.size(); ++t)
    for (std::size_t l = 0; l < layouts.size(); ++l) {
      const std::string input = folder.file("types.h5") + ":/t" + std::to_string(t) + "/l" + std::to_string(l);
      const MatrixDescription description = describe_matrix(comm, input, "NMF");
      EXPECT_EQ(description.element_type, types[t].first);
      EXPECT_EQ(gather(*load_matrix<float>(comm, description)), x) << input;
      EXPECT_EQ(gather(*load_matrix<double>(comm, description, {.batch_rows = 64})), x) << input;
      EXPECT_EQ(gather(*load_matrix<double>(comm, description, {.piece_bytes = 2000})), x) << input;
    }
}

TEST(Dense, Booleans) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("b.h5"));
    const hdf5::TypeHandle type(H5Tenum_create(H5T_NATIVE_INT8));
    const std::int8_t zero = 0;
    const std::int8_t one = 1;
    H5Tenum_insert(type.get(), "FALSE", &zero);
    H5Tenum_insert(type.get(), "TRUE", &one);
    write_sample(file, "/X", {2, 3}, {}, {.type = type.get()});
    const std::vector<std::int8_t> bytes = {0, 1, 1, 1, 0, 0};
    const hdf5::DatasetHandle dataset(H5Dopen2(file.id(), "/X", H5P_DEFAULT));
    H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  });
  EXPECT_EQ(describe_matrix(comm, folder.file("b.h5"), "NMF").element_type, "bool");
  EXPECT_EQ(gather(*load<float>(comm, folder.file("b.h5"))), (std::vector<double>{0, 1, 1, 1, 0, 0}));
}

TEST(Dense, BatchesAndTilesAreGlobal) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(1000, 5);
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    write_sample(file, "/X", {1000, 5}, x);
  });
  for (const Index batch_rows : {0, 1, 3, 130, 999, 1000, 5000}) {
    const auto source = load<double>(comm, folder.file("x.h5"), {.batch_rows = batch_rows});
    const RowPartition& partition = source->partition();
    const Index length = batch_rows == 0 ? 1000 : std::min<Index>(1000, batch_rows);
    EXPECT_EQ(partition.batch_rows(), length);
    EXPECT_EQ(partition.tile_rows(), tiling_for(StorageKind::dense, {length, 5}, 0).tile_rows);
    Index local = 0;
    for (Index b = 0; b < partition.batches(); ++b)
      source->visit(b, [&](const Block<double>& block) {
        EXPECT_EQ(block.local_row, local);
        EXPECT_EQ(block.global_row, b * length + block.first_tile * partition.tile_rows());
        local += block.rows();
      });
    EXPECT_EQ(local, source->local_rows());
    EXPECT_EQ(comm.sum(local), 1000);
    EXPECT_EQ(gather(*source), x) << batch_rows;
  }
}

TEST(Dense, PaddingIsZero) {
  const Communicator comm;
  const auto source = load<float>(comm, edge + "ok_dense_column_chunks_gzip.h5");
  source->visit(0, [&](const Block<float>& block) {
    const auto& dense = std::get<DenseBlock<float>>(block.matrix);
    for (Index i = 0; i < dense.rows; ++i)
      for (Index j = 25; j < padded_columns<float>(25); ++j)
        EXPECT_EQ(dense.tile(i / dense.tile_rows).packed[i % dense.tile_rows * 32 + j], 0.0F);
  });
}

TEST(Dense, SourceFromRowsEqualsTheFile) {
  const Communicator comm;
  const std::vector<double> x = sample_values(211, 9);
  // Ranks give very different amounts, the first nothing (when there are several).
  const std::vector<Index> offsets = comm.size() == 1 ? std::vector<Index>{0, 211} : [&] {
    std::vector<Index> cuts = slice_offsets(211, comm.size());
    cuts[1] = 0;
    return cuts;
  }();
  const Range own = {offsets[static_cast<std::size_t>(comm.rank())],
                     offsets[static_cast<std::size_t>(comm.rank()) + 1]};
  for (const Index batch_rows : {0, 50}) {
    const LoadOptions options{.batch_rows = batch_rows, .piece_bytes = batch_rows == 0 ? 10000 : 500};
    const auto source =
        source_from_rows<double>(comm, MatrixView<const double>(x.data() + own.begin * 9, own.size(), 9), options);
    EXPECT_EQ(source->partition().tile_rows(),
              tiling_for(StorageKind::dense, {batch_rows == 0 ? 211 : 50, 9}, 0).tile_rows);
    EXPECT_EQ(gather(*source), x);
    expect_summary(source->summary(), x);
  }
  std::vector<double> bad = x;
  bad[9 * 200 + 4] = -1;
  EXPECT_EQ(message_of([&] {
              source_from_rows<double>(comm, MatrixView<const double>(bad.data() + own.begin * 9, own.size(), 9));
            }),
            "Negative values in data passed to NMF (input X) (row 200, column 4, counted from 0)");
}

TEST(Dense, FirstBadValueIsNamed) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("bad.h5");
  const auto message = [&](const std::vector<std::pair<Index, double>>& changes, const LoadOptions& options = {},
                           bool single = false) {
    std::vector<double> x = sample_values(100, 50);
    for (const auto& [place, value] : changes) x[static_cast<std::size_t>(place)] = value;
    folder.on_root([&] {
      File created = File::create(file);
      write_sample(created, "/X", {100, 50}, x);
    });
    const std::string text =
        message_of([&] { single ? void(load<float>(comm, file, options)) : void(load<double>(comm, file, options)); });
    comm.barrier();
    return text;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(message({{50 * 12 + 3, nan}}),
            "Input X contains NaN. (row 12, column 3 of " + file +
                ":/X, counted from 0); missing = 'nan' (--missing nan) leaves such entries out");
  EXPECT_EQ(message({{50 * 99 + 49, infinity}}),
            "Input X contains infinity or a value too large for dtype('float64'). (row 99, column 49 of " + file +
                ":/X, counted from 0)");
  EXPECT_EQ(message({{50 * 98, -infinity}, {50 * 99, nan}}).substr(0, 25), "Input X contains infinity");
  EXPECT_EQ(message({{0, 1e300}}, {}, true),
            "Input X contains infinity or a value too large for dtype('float32'). (row 0, column 0 of " + file +
                ":/X, counted from 0)");
  EXPECT_EQ(
      message({{50 * 80 + 1, -1}, {50 * 80 + 2, nan}, {50 * 90, -2}}, {.estimator = "MiniBatchNMF"}),
      "Negative values in data passed to MiniBatchNMF (input X) (row 80, column 1 of " + file + ":/X, counted from 0)");
  // With batches a rank's rows are not one range: the first offender of all ranks still wins.
  EXPECT_NE(message({{50 * 33, -1}, {50 * 2, nan}}, {.batch_rows = 32}).find("(row 2, column 0"), std::string::npos);
  EXPECT_EQ(message({{7, -1}}, {.check_sign = false}), "no error");
  EXPECT_EQ(message({{7, -0.0}}), "no error");
}

TEST(Dense, BadFilesAreRefused) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("many.h5"));
    write_sample(file, "/group/A", {2, 2}, {1, 2, 3, 4});
    write_sample(file, "/B", {2, 2}, {1, 2, 3, 4});
    write_sample(file, "/line", {4}, {1, 2, 3, 4});
    File line = File::create(folder.file("line.h5"));
    write_sample(line, "/v", {4}, {1, 2, 3, 4});
    write_sample(line, "/none", {0, 4}, {});
    write_sample(line, "/narrow", {4, 0}, {});
    write_sample(line, "/scalar", {}, {1});
    File::create(folder.file("empty.h5"));
  });
  const auto message = [&](const std::string& input) { return message_of([&] { load<double>(comm, input); }); };
  EXPECT_EQ(message(edge + "bad_dense_3d.h5"),
            "Expected 2D array, got 3D array instead: " + edge + "bad_dense_3d.h5:/X has shape (3, 4, 5)");
  EXPECT_EQ(message(folder.file("line.h5") + ":/v"),
            "Expected 2D array, got 1D array instead: " + folder.file("line.h5") + ":/v has shape (4)");
  EXPECT_EQ(message(folder.file("line.h5") + ":/scalar"),
            "Expected 2D array, got scalar array instead: " + folder.file("line.h5") + ":/scalar has shape ()");
  EXPECT_EQ(message(folder.file("line.h5") + ":/none").substr(0, 83),
            "Found array with 0 sample(s) (shape=(0, 4)) while a minimum of 1 is required by NMF");
  EXPECT_EQ(message(folder.file("line.h5") + ":/narrow").substr(0, 84),
            "Found array with 0 feature(s) (shape=(4, 0)) while a minimum of 1 is required by NMF");
  EXPECT_EQ(message(edge + "bad_dense_strings.h5"), edge + "bad_dense_strings.h5:/X holds string, not numbers");
  EXPECT_EQ(message(edge + "bad_not_hdf5.h5ad"), edge + "bad_not_hdf5.h5ad is not an HDF5 file");
  EXPECT_NE(message(edge + "bad_dense_inf.h5ad")
                .find("Input X contains infinity or a value too large for dtype('float64'). (row "),
            std::string::npos);
  EXPECT_NE(message(edge + "bad_dense_negative.h5ad").find("Negative values in data passed to NMF (input X) (row "),
            std::string::npos);
  EXPECT_EQ(message(folder.file("absent.h5")),
            "cannot open " + folder.file("absent.h5") + ": No such file or directory");
  EXPECT_EQ(message(edge), "cannot open " + edge + ": it is a directory, not an HDF5 file");
  EXPECT_EQ(message(folder.file("many.h5")), folder.file("many.h5") +
                                                 " holds several matrices and no /X; name one as " +
                                                 folder.file("many.h5") + ":PATH: /B, /group/A");
  EXPECT_EQ(message(folder.file("many.h5") + ":/C"),
            folder.file("many.h5") + " has no /C; there is /B, /group/A, /line");
  EXPECT_EQ(message(folder.file("many.h5") + ":/group/A/"), "no error");
  EXPECT_NE(message(folder.file("many.h5") + ":/group").find("is a group, but no sparse matrix"), std::string::npos);
  EXPECT_NE(message(folder.file("empty.h5")).find("holds no matrix"), std::string::npos);
}

TEST(Dense, PreferredNames) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("w.h5"));
    write_sample(file, "/W", {2, 1}, {1, 2});
    write_sample(file, "/X", {2, 2}, {1, 2, 3, 4});
  });
  EXPECT_EQ(describe_matrix(comm, folder.file("w.h5"), "NMF", {.preferred = {"W"}}).path, "/W");
  EXPECT_EQ(describe_matrix(comm, folder.file("w.h5"), "NMF").path, "/X");
}

TEST(Dense, OtherReaders) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(30, 4);
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    write_sample(file, "/H", {30, 4}, x, {.type = H5T_IEEE_F32LE});
  });
  const Matrix<double> all = read_replicated_matrix<double>(comm, folder.file("x.h5"), "/H");
  EXPECT_EQ(std::vector<double>(all.span().begin(), all.span().end()), x);

  const RowPartition partition(30, 8, 2, 1, comm.size());
  const Matrix<float> rows = read_local_rows<float>(comm, folder.file("x.h5"), "/H", partition);
  ASSERT_EQ(rows.rows(), partition.local_rows(comm.rank()));
  for (Index b = 0; b < partition.batches(); ++b) {
    const Range piece = partition.piece(b, comm.rank());
    for (Index i = piece.begin; i < piece.end; ++i)
      for (Index j = 0; j < 4; ++j)
        EXPECT_EQ(static_cast<double>(rows(partition.local_begin(b, comm.rank()) + i - piece.begin, j)),
                  x[static_cast<std::size_t>(i * 4 + j)]);
  }
  const auto info = dataset_info(comm, folder.file("x.h5"), "/H");
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->dimensions, (std::vector<Index>{30, 4}));
  EXPECT_EQ(info->data_type, DataType::float32);
  EXPECT_FALSE(dataset_info(comm, folder.file("x.h5"), "/W").has_value());
}

}  // namespace
}  // namespace scanmf
