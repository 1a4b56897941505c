#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "data/csc_to_csr.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf {
namespace {

/// Row bounds, columns and values of a sparse matrix, one after the other.
std::vector<double> contents_of(DataSource<double>& source) {
  std::vector<double> all;
  source.visit(0, [&](const Block<double>& block) {
    const auto& csr = std::get<CsrBlock<double>>(block.matrix);
    for (Index i = 0; i < csr.rows; ++i) {
      all.push_back(static_cast<double>(csr.row_begin[i + 1] - csr.row_begin[i]));
      for (Index p = csr.row_begin[i]; p < csr.row_begin[i + 1]; ++p) {
        all.push_back(static_cast<double>(csr.column[p]));
        all.push_back(csr.value[p]);
      }
    }
  });
  return all;
}

TEST(CscToCsr, IsTheSameMatrixForAnyMemory) {
  const Communicator comm;
  const MatrixDescription csc = describe_matrix(comm, SCANMF_TEST_DATA "/edge/csc.h5ad", "NMF");
  ASSERT_EQ(csc.format, FileFormat::csc);
  const std::vector<double> expected = contents_of(*load_matrix<double>(comm, csc));
  const std::string target =
      std::filesystem::temp_directory_path() / ("scanmf_csc_to_csr_" + std::to_string(::getpid()) + ".h5");
  for (const Index memory : {Index{1}, Index{500}, Index{1} << 20}) {
    data::MatrixFileWriter out(target);
    data::write_as_csr<double>(csc, {.memory = memory}, out);
    out.commit();
    const MatrixDescription csr = describe_matrix(comm, target, "NMF");
    EXPECT_EQ(csr.format, FileFormat::csr);
    EXPECT_EQ(csr.shape, csc.shape);
    EXPECT_EQ(csr.stored, csc.stored);
    EXPECT_EQ(contents_of(*load_matrix<double>(comm, csr)), expected) << memory;
  }
  std::filesystem::remove(target);
}

TEST(MatrixFileWriter, LeavesNothingWithoutCommit) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("scanmf_writer_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  {
    data::MatrixFileWriter out(folder / "x.h5");
    out.dense("/X", {2, 2}, hdf5::NumberType::float32);
    EXPECT_FALSE(std::filesystem::is_empty(folder));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(MatrixFileWriter, RefusesWhatTheDiskCannotHold) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{rlim_t{8} << 20, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("scanmf_full_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::string reason;
  try {
    data::MatrixFileWriter out(folder / "x.h5");
    data::CsrWriter& csr = out.csr("/X", {1000000, 10}, hdf5::NumberType::float64);
    const std::vector<Index> lengths(10000, 1);
    const std::vector<double> values(10000, 1.0);
    const std::vector<std::int32_t> columns(10000, 3);
    for (int block = 0; block < 100; ++block) csr.append_rows(lengths, values.data(), columns);
  } catch (const Error& error) {
    reason = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_NE(reason.find("File too large"), std::string::npos) << reason;
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace scanmf
