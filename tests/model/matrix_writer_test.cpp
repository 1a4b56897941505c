#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/hdf5.hpp"
#include "model/model_examples.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using test::example_element;
using test::TemporaryFolder;

template <class T>
class MatrixWriterOf : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MatrixWriterOf, Scalars);

/// Rows in any order from any rank, from windows of wider arrays.
TYPED_TEST(MatrixWriterOf, AnyOrderAnyRank) {
  using T = TypeParam;
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string target = folder.file("result.h5");
  constexpr Index rows = 41;
  constexpr Index columns = 7;
  constexpr Index stride = 9;
  const std::vector<std::string> row_names = test::example_header(rows, columns, 1).obs_names;
  const std::vector<std::string> column_names = test::example_header(rows, columns, 1).feature_names;
  MatrixWriter<T> writer(comm, target, "/W", {rows, columns}, row_names, column_names,
                         {{"estimator", std::string("nmf")}});
  comm.agree([&] {
    for (Index begin = rows - rows % 4; begin >= 0; begin -= 4) {
      if ((begin / 4) % comm.size() != comm.rank()) continue;
      Matrix<T> wide(std::min<Index>(4, rows - begin), stride, T(-1));
      for (Index i = 0; i < wide.rows(); ++i)
        for (Index j = 0; j < columns; ++j) wide(i, j) = example_element<T>(begin + i, j, 5);
      writer.write_rows(begin, {wide.data(), wide.rows(), columns, stride});
    }
  });
  EXPECT_FALSE(std::filesystem::exists(target));
  comm.barrier();
  writer.commit();
  const hdf5::File file = hdf5::File::open(target);
  const hdf5::Dataset dataset = file.dataset("/W");
  EXPECT_EQ(dataset.dimensions(), (std::vector<Index>{rows, columns}));
  EXPECT_EQ(dataset.type().name, name_of(data_type_of<T>));
  const std::vector<T> values = dataset.template read_all<T>();
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j)
      ASSERT_EQ(values[static_cast<std::size_t>(i * columns + j)], example_element<T>(i, j, 5));
  EXPECT_EQ(file.read_strings("/obs/_index"), row_names);
  EXPECT_EQ(file.read_strings("/var/_index"), column_names);
  EXPECT_EQ(file.read_string_attribute("/obs", "_index"), "_index");
  EXPECT_EQ(file.read_string_attribute("/", "estimator"), "nmf");
  EXPECT_EQ(find_damage(comm, target), std::nullopt);
}

TEST(MatrixWriter, WithoutCommitNothingRemains) {
  const Communicator comm;
  const TemporaryFolder folder;
  { const MatrixWriter<double> writer(comm, folder.file("result.h5"), "/W", {3, 2}, {}, {}, {}); }
  comm.barrier();
  EXPECT_TRUE(std::filesystem::is_empty(folder.file("")));
}

TEST(MatrixWriter, MistakesOfTheCaller) {
  const Communicator comm;
  const TemporaryFolder folder;
  MatrixWriter<double> writer(comm, folder.file("result.h5"), "/W", {3, 2}, {}, {}, {});
  const Matrix<double> wide(1, 3, 0.0);
  const Matrix<double> rows(2, 2, 0.0);
  EXPECT_THROW(writer.write_rows(0, wide.view()), Error);
  EXPECT_THROW(writer.write_rows(2, rows.view()), Error);
  EXPECT_THROW(writer.write_rows(-1, rows.view()), Error);
  EXPECT_THROW(writer.commit(), AgreedError);  // rows are missing
}

TEST(MatrixWriter, NamesWithH5py) {
  const Communicator comm;
  const TemporaryFolder folder;
  MatrixWriter<float> writer(comm, folder.file("result.h5"), "/X", {1, 2}, {"Zürich"}, {"a", "b"}, {});
  const Matrix<float> row(1, 2, 0.5F);
  if (comm.is_root()) writer.write_rows(0, row.view());
  writer.commit();
  folder.on_root([&] {
    if (std::system("/usr/bin/python3 -c 'import h5py' 2>/dev/null") != 0) return;
    const std::string program = R"(
import h5py, sys
f = h5py.File(sys.argv[1], "r")
assert f["X"][()].tolist() == [[0.5, 0.5]] and f["X"].dtype == "f4"
for group, names in (("obs", ["Z\u00fcrich"]), ("var", ["a", "b"])):
    a = f[group].attrs
    assert a["_index"] == "_index" and a["encoding-type"] == "dataframe" and len(a["column-order"]) == 0
    assert list(f[group]["_index"].asstr()[()]) == names and f[group]["_index"].attrs["encoding-type"] == "string-array"
)";
    EXPECT_EQ(std::system(("/usr/bin/python3 -c '" + program + "' " + folder.file("result.h5")).c_str()), 0);
  });
}

}  // namespace
}  // namespace scanmf
