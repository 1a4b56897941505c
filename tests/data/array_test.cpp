// Matrices that lie in their files otherwise than X: transposed, with other columns; and files that change while they
// are read.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "data/column_selection.hpp"
#include "data/file_watch.hpp"
#include "data/row_reader.hpp"
#include "io/dataset_storage.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "support/gather.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using test::gather;
using test::message_of;
using test::sample_values;

std::vector<double> transposed(const std::vector<double>& x, Index rows, Index columns) {
  std::vector<double> result;
  for (Index j = 0; j < columns; ++j)
    for (Index i = 0; i < rows; ++i) result.push_back(x[static_cast<std::size_t>(i * columns + j)]);
  return result;
}

/// As --transpose has it.
MatrixDescription transpose(MatrixDescription description) {
  std::swap(description.shape.rows, description.shape.columns);
  description.transposed = !description.transposed;
  return description;
}

TEST(Transposed, DenseGoesToTheOwnersOfRows) {
  constexpr Index rows = 331, columns = 47;
  const Communicator comm;
  const test::TemporaryFolder folder;
  const std::vector<double> x = sample_values(rows, columns);
  const std::vector<test::SampleLayout> layouts = {{},
                                                   {.type = H5T_IEEE_F32BE},
                                                   {.chunk = {10, 50}, .gzip = 1, .shuffle = true},
                                                   {.chunk = {47, 3}},
                                                   {.chunk = {9, 20}, .gzip = 1, .checksum = true}};
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    const std::string name = folder.file(std::to_string(i) + ".h5");
    folder.on_root([&] {
      hdf5::File file = hdf5::File::create(name);
      test::write_sample(file, "/X", {columns, rows}, transposed(x, rows, columns), layouts[i]);
    });
    const MatrixDescription description = transpose(describe_matrix(comm, name, "NMF"));
    EXPECT_EQ(description.shape, (Shape{rows, columns}));
    for (const Index batch_rows : {Index{0}, Index{100}})
      for (const Index piece_bytes : {Index{1}, Index{4000}, Index{1} << 26}) {
        const auto source =
            load_matrix<double>(comm, description, {.batch_rows = batch_rows, .piece_bytes = piece_bytes});
        EXPECT_EQ(gather(*source), x) << i << ", " << batch_rows << ", " << piece_bytes;
      }
    std::vector<double> part(static_cast<std::size_t>(20 * columns));
    data::RowReader<double>(description).read({5, 25}, part.data());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), x.begin() + 5 * columns));
    const std::string message = message_of([&] { open_source<double>(comm, description, {.memory = 1000}); });
    EXPECT_NE(message.find("cannot be streamed"), std::string::npos) << message;
    EXPECT_NE(message.find("--transpose"), std::string::npos) << message;
  }
}

TEST(Transposed, RowsOfCsrAreColumnsAndStream) {
  constexpr Index rows = 211, columns = 31;
  const Communicator comm;
  const test::TemporaryFolder folder;
  const std::vector<double> x = sample_values(rows, columns);
  folder.on_root([&] {
    hdf5::File file = hdf5::File::create(folder.file("csr.h5"));
    test::write_csr(file, transposed(x, rows, columns), columns, rows, {}, {.type = H5T_STD_I32LE});
  });
  MatrixDescription csr = transpose(describe_matrix(comm, folder.file("csr.h5"), "NMF"));
  EXPECT_EQ(gather(*load_matrix<double>(comm, csr)), x);
  MatrixDescription csc = csr;  // the same arrays, called columns: X is then the matrix whose rows they are
  csc.format = FileFormat::csc;
  csc.shape = {columns, rows};
  const auto streamed = open_source<double>(comm, csc, {.memory = 2000});
  EXPECT_FALSE(streamed->in_memory());
  EXPECT_EQ(gather(*streamed), transposed(x, rows, columns));
}

TEST(Selection, KeepsSomeColumnsInMemoryAndStreamed) {
  constexpr Index rows = 500, columns = 40;
  const Communicator comm;
  const test::TemporaryFolder folder;
  const std::vector<double> x = sample_values(rows, columns);
  const std::vector<Range> kept = {{3, 10}, {25, 26}, {38, 40}};
  std::vector<double> expected;
  for (Index i = 0; i < rows; ++i)
    for (const Range& range : kept)
      for (Index j = range.begin; j < range.end; ++j) expected.push_back(x[static_cast<std::size_t>(i * columns + j)]);
  for (const hsize_t chunk : {hsize_t{0}, hsize_t{700}}) {
    const std::string name = folder.file(std::to_string(chunk) + ".h5");
    folder.on_root([&] {
      hdf5::File file = hdf5::File::create(name);
      test::SampleLayout layout;
      if (chunk > 0) layout = {.chunk = {chunk}, .gzip = 1};
      test::SampleLayout indices = layout;
      indices.type = H5T_STD_I32LE;
      test::write_csr(file, x, rows, columns, layout, indices);
    });
    MatrixDescription description = describe_matrix(comm, name, "NMF");
    description.shape.columns = 10;
    description.columns = kept;
    description.columns_in_file = columns;
    for (const Index batch_rows : {Index{0}, Index{130}}) {
      EXPECT_EQ(gather(*load_matrix<double>(comm, description, {.batch_rows = batch_rows})), expected);
      const auto streamed =
          open_source<double>(comm, description, {.batch_rows = batch_rows, .memory = 30000 / comm.size()});
      EXPECT_FALSE(streamed->in_memory());
      EXPECT_EQ(gather(*streamed), expected);
    }
    description.format = FileFormat::csc;
    EXPECT_NE(message_of([&] { load_matrix<double>(comm, description); }).find("stored by rows (CSR) only"),
              std::string::npos);
  }
}

TEST(FileWatch, SeesWhatHappensToAnyOfTheFiles) {
  const Communicator comm;
  const test::TemporaryFolder folder;
  if (!comm.is_root()) return;
  for (const char* const name : {"a", "b"}) std::ofstream(folder.file(name)) << "0123456789";
  MatrixDescription description;
  description.file = folder.file("a");
  description.path = "/X";
  const auto said = [&](const data::FileWatch& watch) { return message_of([&] { watch.check({3, 6}); }); };
  data::FileWatch watch(description);
  watch.add({folder.file("a"), folder.file("b")});
  EXPECT_EQ(said(watch), "no error");
  std::filesystem::resize_file(folder.file("b"), 5);
  EXPECT_EQ(said(watch), folder.file("b") + ", in which " + folder.file("a") +
                             ":/X lies, has been truncated from 10 to 5 bytes while rows 3 to 5 were being read");
  std::filesystem::remove(folder.file("a"));
  EXPECT_EQ(said(watch), folder.file("a") + ":/X has been removed while rows 3 to 5 were being read");
}

}  // namespace
}  // namespace scanmf
