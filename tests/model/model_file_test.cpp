#include "scanmf/model/model_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "io/hdf5.hpp"
#include "model/model_examples.hpp"
#include "support/messages.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using test::example_element;
using test::example_header;
using test::example_rows;
using test::example_W;
using test::message_of;
using test::TemporaryFolder;

constexpr Index k = 3;
constexpr Index n = 9000;  // more than one block of columns of H

template <class T>
void expect_equal(const Matrix<T>& actual, const Matrix<T>& expected) {
  ASSERT_EQ(actual.rows(), expected.rows());
  ASSERT_EQ(actual.columns(), expected.columns());
  for (Index i = 0; i < expected.rows(); ++i)
    for (Index j = 0; j < expected.columns(); ++j)
      ASSERT_EQ(actual(i, j), expected(i, j)) << "element " << i << ", " << j;
}

void expect_equal(const ModelHeader& actual, const ModelHeader& expected) {
  EXPECT_EQ(actual.estimator, expected.estimator);
  EXPECT_EQ(actual.dtype, expected.dtype);
  EXPECT_EQ(actual.n_components, expected.n_components);
  EXPECT_EQ(actual.n_features_in, expected.n_features_in);
  EXPECT_EQ(actual.n_samples, expected.n_samples);
  EXPECT_EQ(actual.n_iter, expected.n_iter);
  EXPECT_EQ(actual.n_steps, expected.n_steps);
  EXPECT_EQ(actual.reconstruction_err, expected.reconstruction_err);
  EXPECT_EQ(actual.converged, expected.converged);
  EXPECT_EQ(actual.params, expected.params);
  EXPECT_EQ(actual.feature_names, expected.feature_names);
  EXPECT_EQ(actual.obs_names, expected.obs_names);
  EXPECT_EQ(actual.history, expected.history);
  EXPECT_EQ(actual.state, expected.state);
  EXPECT_EQ(actual.provenance, expected.provenance);
}

/// A small model of `m` rows at `file`.
template <Scalar T>
void write_example(const Communicator& comm, const std::string& file, Index m, bool keep_previous = false,
                   Index n_iter = 12) {
  const RowPartition partition(m, m, 2, 1, comm.size());
  ModelHeader header = example_header(m, n, k);
  header.n_iter = n_iter;
  const Matrix<T> Ht = example_rows<T>({0, n}, k, 2);
  const Matrix<T> W = example_W<T>(partition, comm.rank(), k);
  write_model<T>(comm, file, header, {&Ht, &W, &partition, {}}, keep_previous);
}

template <class T>
class ModelFile : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ModelFile, Scalars);

TYPED_TEST(ModelFile, ReadsWhatWasWritten) {
  using T = TypeParam;
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("model.h5");
  const std::vector<Index> cuts = slice_offsets(n, comm.size());
  const Range mine{cuts[static_cast<std::size_t>(comm.rank())], cuts[static_cast<std::size_t>(comm.rank()) + 1]};
  for (const Index m : {1, 2, 37}) {                // ranks without rows with one row
    for (const Index batch_rows : {m, Index{5}}) {  // one batch, and pieces of batches
      const RowPartition partition(m, batch_rows, 2, 1, comm.size());
      ModelHeader header = example_header(m, n, k);
      header.dtype = data_type_of<T>;
      const Matrix<T> Ht = example_rows<T>({0, n}, k, 2);
      const Matrix<T> W = example_W<T>(partition, comm.rank(), k);
      const Matrix<T> A = example_rows<T>(mine, k, 3);
      write_model<T>(comm, file, header, {&Ht, &W, &partition, {{"/state/A", n, mine, A.view()}}});
      expect_equal(read_model_header(comm, file), header);
      expect_equal(read_model_Ht<T>(comm, file), Ht);
      expect_equal(read_model_W<T>(comm, file, partition), W);
      expect_equal(read_model_slice<T>(comm, file, "/state/A", {n, k}, mine), A);
      const RowPartition other(m, m, 3, 1, comm.size());  // a restart that distributes the rows otherwise
      expect_equal(read_model_W<T>(comm, file, other), example_W<T>(other, comm.rank(), k));
      EXPECT_EQ(find_damage(comm, file), std::nullopt);
    }
  }
}

TYPED_TEST(ModelFile, ConvertsTheElementType) {
  using T = TypeParam;
  using Other = std::conditional_t<std::same_as<T, float>, double, float>;
  const Communicator comm;
  const TemporaryFolder folder;
  write_example<T>(comm, folder.file("model.h5"), 7);
  const RowPartition partition(7, 7, 2, 1, comm.size());
  expect_equal(read_model_Ht<Other>(comm, folder.file("model.h5")), example_rows<Other>({0, n}, k, 2));
  expect_equal(read_model_W<Other>(comm, folder.file("model.h5"), partition),
               example_W<Other>(partition, comm.rank(), k));
}

TEST(ModelFileOfDoubles, WithoutW) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("model.h5");
  const Matrix<double> Ht = example_rows<double>({0, 4}, k, 2);
  ModelHeader header = example_header(100, 4, k);
  header.estimator = "nmf";
  header.n_steps.reset();
  header.obs_names.clear();
  header.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
  write_model<double>(comm, file, header, {&Ht, nullptr, nullptr, {}});
  const ModelHeader read = read_model_header(comm, file);
  EXPECT_FALSE(read.n_steps.has_value());
  EXPECT_TRUE(read.obs_names.empty());
  EXPECT_TRUE(std::isnan(read.reconstruction_err));
  EXPECT_NE(message_of<AgreedError>([&] {
              read_model_W<double>(comm, file, RowPartition(100, 100, 2, 1, comm.size()));
            }).find("has no dataset /W"),
            std::string::npos);
  EXPECT_NE(message_of<AgreedError>([&] {
              read_model_slice<double>(comm, file, "/state/A", {4, k}, {0, 1});
            }).find("no dataset /state/A"),
            std::string::npos);
}

TEST(ModelFileOfDoubles, RefusesWOfOtherData) {
  const Communicator comm;
  const TemporaryFolder folder;
  write_example<double>(comm, folder.file("model.h5"), 7);
  const std::string message = message_of<AgreedError>(
      [&] { read_model_W<double>(comm, folder.file("model.h5"), RowPartition(8, 8, 2, 1, comm.size())); });
  EXPECT_NE(message.find("has 7 rows, but X has 8"), std::string::npos) << message;
}

TEST(ModelFileOfDoubles, TakesAnyFileWithH) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("plain.h5");
  folder.on_root([&] {
    hdf5::File plain = hdf5::File::create(file);
    const std::vector<Index> H{1, 2, 3, 4, 5, 6};
    plain.create_dataset<Index>("/H", {2, 3}).write_rows(Range{0, 2}, H.data());
    plain.write_strings("/feature_names", {"a", "β", "c"});
    plain.close();
  });
  const ModelHeader header = read_model_header(comm, file);
  EXPECT_EQ(header.estimator, "");
  EXPECT_EQ(header.n_components, 2);
  EXPECT_EQ(header.n_features_in, 3);
  EXPECT_EQ(header.dtype, DataType::float64);
  EXPECT_EQ(header.feature_names, (std::vector<std::string>{"a", "β", "c"}));
  const Matrix<float> Ht = read_model_Ht<float>(comm, file);
  EXPECT_EQ(Ht(2, 0), 3);
  EXPECT_EQ(Ht(0, 1), 4);
}

TEST(ModelFileOfDoubles, RefusesWhatIsNoModel) {
  const Communicator comm;
  const TemporaryFolder folder;
  const auto message = [&](const std::string& name) {
    return message_of<AgreedError>([&] { read_model_header(comm, folder.file(name)); });
  };
  folder.on_root([&] {
    hdf5::File other = hdf5::File::create(folder.file("data.h5"));
    other.create_dataset<double>("/X", {2, 3});
    other.close();
    std::ofstream(folder.file("text")) << "this is no HDF5 file, whatever its name says";
    hdf5::File flat = hdf5::File::create(folder.file("flat.h5"));
    flat.create_dataset<double>("/H", {6});
    flat.close();
  });
  write_example<double>(comm, folder.file("newer.h5"), 3);
  folder.on_root([&] {
    hdf5::File newer = hdf5::File::open(folder.file("newer.h5"), hdf5::Access::read_write);
    newer.write_attribute("/", "format_version", Index{2});
    newer.close();
  });
  EXPECT_NE(message("data.h5").find("is no model"), std::string::npos) << message("data.h5");
  EXPECT_NE(message("text").find("is not an HDF5 file"), std::string::npos) << message("text");
  EXPECT_NE(message("missing.h5").find("No such file"), std::string::npos) << message("missing.h5");
  EXPECT_NE(message("flat.h5").find("is not a matrix"), std::string::npos) << message("flat.h5");
  EXPECT_NE(message("newer.h5").find("format version 2"), std::string::npos) << message("newer.h5");
  EXPECT_NE(message("newer.h5").find("reads version 1"), std::string::npos) << message("newer.h5");
}

/// Files of each release of the schema are kept: they are read for ever.
TEST(ModelFileOfDoubles, Release1) {
  const Communicator comm;
  for (const std::string name : {"nmf", "minibatch"}) {
    const std::string file = SCANMF_TEST_DATA "/models/release_1_" + name + ".h5";
    EXPECT_EQ(find_damage(comm, file), std::nullopt);
    const ModelHeader header = read_model_header(comm, file);
    EXPECT_EQ(header.schema_release, 1);
    EXPECT_EQ(header.n_steps.value_or(0), name == "nmf" ? 0 : 6);
    EXPECT_EQ(header.n_iter, name == "nmf" ? 4 : 2);
    EXPECT_EQ(header.feature_names, (std::vector<std::string>{"gène 0 氨", "gène 1", "gène 2", "gène 3 氨"}));
    EXPECT_EQ(header.obs_names, (std::vector<std::string>{"cell-0", "", "cell-2", "cell-3", "cell-4"}));
    EXPECT_EQ(header.history.size(), name == "nmf" ? 3u : 5u);
    EXPECT_EQ(header.params.size(), name == "nmf" ? 14u : 18u);
    EXPECT_EQ(read_model_Ht<double>(comm, file)(0, 1), name == "nmf" ? 0.9644155793174763 : 0.6865434180635671);
    const RowPartition partition(5, 5, 2, 1, comm.size());
    EXPECT_EQ(read_model_W<double>(comm, file, partition).columns(), k);
  }
  const std::string file = SCANMF_TEST_DATA "/models/release_1_minibatch.h5";
  EXPECT_EQ(read_model_slice<double>(comm, file, "/state/A", {4, k}, {1, 4}).rows(), 3);
  EXPECT_NE(message_of<AgreedError>([&] {
              read_model_slice<double>(comm, file, "/state/A", {5, k}, {1, 4});
            }).find("expected 5 x 3, found 4 x 3"),
            std::string::npos);
}

TEST(ModelFileOfDoubles, KeepsThePreviousGeneration) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("checkpoint.h5");
  for (Index generation = 1; generation <= 3; ++generation) {
    write_example<double>(comm, file, 5, true, generation);
    EXPECT_EQ(read_model_header(comm, file).n_iter, generation);
    if (generation == 1) {
      EXPECT_FALSE(std::filesystem::exists(file + ".prev"));
    } else {
      EXPECT_EQ(read_model_header(comm, file + ".prev").n_iter, generation - 1);
      EXPECT_EQ(find_damage(comm, file + ".prev"), std::nullopt);
    }
    comm.barrier();
  }
}

TEST(ModelFileOfDoubles, IsSeenWholeBeforeItAppears) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("m.h5");
  constexpr Index m = 5;
  write_example<double>(comm, file, m, false, 12);
  const RowPartition partition(m, m, 2, 1, comm.size());
  const Matrix<double> Ht = example_rows<double>({0, n}, k, 2);
  const Matrix<double> W = example_W<double>(partition, comm.rank(), k);
  ModelHeader header = example_header(m, n, k);
  header.n_iter = 13;
  Index seen = 0;
  const auto look = [&](const std::string& written) {
    EXPECT_NE(written, file);
    EXPECT_EQ(find_damage(comm, written), std::nullopt);
    seen = read_model_header(comm, written).n_iter;
    EXPECT_EQ(read_model_header(comm, file).n_iter, 12);
    if (header.n_iter == 14) throw AgreedError("is not liked");
  };
  write_model<double>(comm, file, header, {&Ht, &W, &partition, {}}, false, look);
  EXPECT_EQ(seen, 13);
  EXPECT_EQ(read_model_header(comm, file).n_iter, 13);

  write_example<double>(comm, file, m, false, 12);
  header.n_iter = 14;
  EXPECT_EQ(message_of([&] {
              write_model<double>(comm, file, header, {&Ht, &W, &partition, {}}, false, look);
            }),
            "is not liked");
  EXPECT_EQ(seen, 14);
  EXPECT_EQ(read_model_header(comm, file).n_iter, 12);
  comm.barrier();  // root has removed the temporary
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(std::filesystem::path(file).parent_path()), {}), 1);
}

/// Runs a Python program with h5py; nullopt where there is none.
std::optional<int> run_python(const std::string& program, const std::string& arguments) {
  if (std::system("/usr/bin/python3 -c 'import h5py' 2>/dev/null") != 0) return std::nullopt;
  return std::system(fmt::format("/usr/bin/python3 -c '{}' {}", program, arguments).c_str());
}

TEST(ModelFileOfDoubles, H5pyReadsEverything) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("model.h5");
  write_example<float>(comm, file, 7);
  folder.on_root([&] {
    const auto status = run_python(R"(
import h5py, numpy as np, sys
f = h5py.File(sys.argv[1], "r")
a = dict(f.attrs)
assert a["format"] == b"scanmf-model"  # of fixed length
def fixed(name, item):
    types = [getattr(item, "dtype", None)] + [item.attrs.get_id(a).dtype for a in item.attrs]
    kinds = [h5py.check_string_dtype(value) for value in types if value is not None]
    assert all(kind is None or kind.length is not None for kind in kinds), (name, kinds)
fixed("/", f)
f.visititems(fixed)
assert a["schema_release"] == 4
assert a["format_version"] == 1 and a["n_components"] == 3 and a["n_features_in"] == 9000 and a["n_samples"] == 7
assert a["estimator"] == b"minibatch-nmf" and a["n_iter"] == 12 and a["n_steps"] == 34 and a["dtype"] == b"float32"
assert a["reconstruction_err"] == 0.1 + 0.2
assert a["converged"] is np.True_ or (a["converged"] == True and a["converged"].dtype == np.bool_)
value = lambda i, j, salt: np.float32(((i * 131 + j * 17 + salt * 7) % 8191) / 4)
H = f["H"][()]
assert H.dtype == np.float32 and H.shape == (3, 9000)
assert np.array_equal(H, np.fromfunction(lambda c, j: value(j, c, 2), H.shape, dtype=np.int64))
assert np.array_equal(f["W"][()], np.fromfunction(lambda i, c: value(i, c, 1), (7, 3), dtype=np.int64))
names = f["feature_names"].asstr()[()]
assert names[0] == "g\u00e8ne 0 \u6c28" and names[8999] == "g\u00e8ne 8999", names
assert list(f["obs_names"].asstr()[:3]) == ["cell-0", "", "cell-2"]
assert f["history/cost"].dtype == np.float64 and list(f["history/iteration"]) == [1, 2, 3]
assert f["history/seconds"].shape == (3,)
p = dict(f["params"].attrs)
assert p["init"] == b"nndsvda" and p["alpha_W"] == 0.25 and p["batch_size"] == 1024
assert p["shuffle"].dtype == np.bool_ and not p["fresh_restarts"]
assert f["state"].attrs["next_batch"] == 2 ** 40
assert f["provenance"].attrs["command"].startswith(b"scanmf fit")
)",
                                   file);
    if (status) EXPECT_EQ(*status, 0);
  });
}

}  // namespace
}  // namespace scanmf
