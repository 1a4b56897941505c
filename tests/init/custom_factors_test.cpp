#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "init/test_source.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/init/initial_factors.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

constexpr Index rows = 11;
constexpr Index columns = 4;
constexpr Index k = 2;

/// A file with /W and /H in the making; a matrix without rows is left out.
struct InitFile {
  Matrix<double> W{rows, k, 0.5};
  Matrix<double> H{k, columns, 0.25};
  bool single_W = false;
  bool single_H = false;
};

template <class T>
void write(hdf5::File& file, const std::string& path, const Matrix<double>& values) {
  if (values.rows() == 0) return;
  const std::vector<T> converted(values.span().begin(), values.span().end());
  file.create_dataset<T>(path, {values.rows(), values.columns()})
      .template write_rows<T>({0, values.rows()}, converted.data());
}

class CustomFactorsTest : public testing::Test {
 protected:
  const Communicator comm;
  const test::TemporaryFolder folder;
  const std::string name = folder.file("init.h5");
  const TestSource<double> source{comm, Matrix<double>(rows, columns, 1.0), StorageKind::dense, 3};

  void write_file(const InitFile& init) const {
    folder.on_root([&] {
      hdf5::File file = hdf5::File::create(name);
      init.single_W ? write<float>(file, "/W", init.W) : write<double>(file, "/W", init.W);
      init.single_H ? write<float>(file, "/H", init.H) : write<double>(file, "/H", init.H);
      file.close();
    });
  }

  /// The message of the error that every rank throws for a file changed in one way.
  std::string message_for(const std::function<void(InitFile&)>& change, const std::string& estimator = "NMF") const {
    InitFile init;
    change(init);
    write_file(init);
    try {
      custom_factors<double>(source, k, name, estimator);
    } catch (const AgreedError& error) {
      const std::vector<std::string> messages = comm.allgather(std::string(error.what()));
      for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
      EXPECT_EQ(messages[0].find('\n'), std::string::npos) << "one line";
      EXPECT_NE(messages[0].find(name), std::string::npos) << "the file is named: " << messages[0];
      return messages[0];
    }
    return "no error";
  }
};

void expect_starts_with(const std::string& message, const std::string& phrase) {
  EXPECT_EQ(message.substr(0, phrase.size()), phrase) << message;
}

TEST_F(CustomFactorsTest, are_read_in_the_order_of_the_partition) {
  InitFile init;
  for (Index i = 0; i < rows * k; ++i) init.W.data()[i] = static_cast<double>(i);
  for (Index i = 0; i < k * columns; ++i) init.H.data()[i] = static_cast<double>(100 + i);
  write_file(init);
  const Factors<double> factors = custom_factors<double>(source, k, name, "NMF");
  EXPECT_EQ(largest_difference(gather_rows(source, factors.W), init.W), 0);
  EXPECT_EQ(largest_difference(transposed(factors.Ht), init.H), 0);
}

TEST_F(CustomFactorsTest, of_float32_for_float32_data) {
  InitFile init;
  init.single_W = init.single_H = true;
  write_file(init);
  const TestSource<float> single(comm, Matrix<double>(rows, columns, 1.0), StorageKind::csr);
  const Factors<float> factors = custom_factors<float>(single, k, name, "NMF");
  EXPECT_EQ(largest_difference(gather_rows(single, factors.W), init.W), 0);
  EXPECT_EQ(largest_difference(transposed(factors.Ht), init.H), 0);
}

TEST_F(CustomFactorsTest, must_both_be_there) {
  expect_starts_with(message_for([](InitFile& init) { init.W = {}; }), "Expected 2D array, got scalar array instead:");
  expect_starts_with(message_for([](InitFile& init) { init.H = {}; }), "Expected 2D array, got scalar array instead:");
}

TEST_F(CustomFactorsTest, must_have_two_dimensions) {
  folder.on_root([&] {
    hdf5::File file = hdf5::File::create(name);
    file.create_dataset<double>("/H", {columns});
    file.create_dataset<double>("/W", {rows, k});
    file.close();
  });
  EXPECT_THROW(custom_factors<double>(source, k, name, "NMF"), AgreedError);
  EXPECT_THROW(custom_components(comm, name, "NMF", columns), AgreedError);
}

TEST_F(CustomFactorsTest, have_as_many_components_as_H_has_rows) {
  InitFile init;
  init.H = {5, columns, 1.0};
  write_file(init);
  EXPECT_EQ(custom_components(comm, name, "NMF", columns), 5);
  EXPECT_THROW(custom_components(comm, name, "NMF", columns + 1), AgreedError);
}

TEST_F(CustomFactorsTest, must_have_the_shape_that_X_and_k_demand) {
  expect_starts_with(message_for([](InitFile& init) {
                       init.H = {2, 3, 1.0};
                     }),
                     "Array with wrong shape passed to NMF (input H). Expected (2, 4), but got (2, 3)");
  expect_starts_with(message_for([](InitFile& init) {
                       init.H = {3, 4, 1.0};
                     }),
                     "Array with wrong shape passed to NMF (input H). Expected (2, 4), but got (3, 4)");
  expect_starts_with(message_for(
                         [](InitFile& init) {
                           init.W = {10, 2, 1.0};
                         },
                         "MiniBatchNMF"),
                     "Array with wrong shape passed to MiniBatchNMF (input W). Expected (11, 2), but got (10, 2)");
}

TEST_F(CustomFactorsTest, must_not_be_negative) {
  expect_starts_with(message_for([](InitFile& init) { init.H(1, 2) = -0.5; }),
                     "Negative values in data passed to NMF (input H): -0.5 at row 1, column 2 of ");
  for (Index row = 0; row < rows; ++row)
    expect_starts_with(
        message_for([row](InitFile& init) { init.W(row, 1) = -2; }),
        "Negative values in data passed to NMF (input W): -2 at row " + std::to_string(row) + ", column 1 of ");
}

TEST_F(CustomFactorsTest, must_not_be_all_zero) {
  expect_starts_with(message_for([](InitFile& init) {
                       init.H = {k, columns, 0.0};
                     }),
                     "Array passed to NMF (input H) is full of zeros.");
  expect_starts_with(message_for([](InitFile& init) {
                       init.W = {rows, k, 0.0};
                     }),
                     "Array passed to NMF (input W) is full of zeros.");
  EXPECT_EQ(message_for([](InitFile& init) {
              init.W = {rows, k, 0.0};
              init.W(7, 1) = 1e-300;  // most ranks have zeros alone
              init.H(0, 0) = -0.0;
            }),
            "no error");
}

TEST_F(CustomFactorsTest, must_be_finite) {
  expect_starts_with(message_for([](InitFile& init) { init.W(10, 0) = std::nan(""); }), "Input W contains NaN.");
  expect_starts_with(message_for([](InitFile& init) { init.H(0, 3) = std::numeric_limits<double>::infinity(); }),
                     "Input H contains infinity");
}

TEST_F(CustomFactorsTest, must_have_the_type_of_X) {
  expect_starts_with(message_for([](InitFile& init) { init.single_H = true; }),
                     "H and W should have the same dtype as X. Got H.dtype = float32 and W.dtype = float64.");
  expect_starts_with(message_for([](InitFile& init) { init.single_W = true; }),
                     "H and W should have the same dtype as X. Got H.dtype = float64 and W.dtype = float32.");
}

TEST_F(CustomFactorsTest, are_checked_H_first_and_its_shape_before_its_values) {
  expect_starts_with(message_for([](InitFile& init) {
                       init.H = {k, columns, -1.0};
                       init.W = {3, 3, 0.0};
                     }),
                     "Negative values in data passed to NMF (input H)");
  expect_starts_with(message_for([](InitFile& init) {
                       init.H = {3, 3, -1.0};
                     }),
                     "Array with wrong shape passed to NMF (input H)");
}

TEST_F(CustomFactorsTest, need_a_file) {
  try {
    custom_factors<double>(source, k, folder.file("missing.h5"), "NMF");
    FAIL();
  } catch (const AgreedError& error) {
    EXPECT_NE(std::string(error.what()).find("missing.h5"), std::string::npos);
  }
}

}  // namespace
}  // namespace scanmf
