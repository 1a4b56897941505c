#include "io/hdf5.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <thread>

#include "scanmf/core/error.hpp"
#include "support/messages.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using hdf5::Access;
using hdf5::File;
using hdf5::StringStorage;
using test::message_of;
using test::TemporaryFolder;

/// HDF5 obeys this variable before anything that a program asks for; without it the program's own choice counts.
const bool locking_left_to_the_program = unsetenv("HDF5_USE_FILE_LOCKING") == 0;

TEST(Hdf5, AttributesOfEachKind) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("a.h5"));
    file.create_group("/state/inner");
    file.write_attribute("/", "flag", true);
    file.write_attribute("/", "count", Index{1} << 40);
    file.write_attribute("/", "cost", 0.1);
    file.write_attribute("/state/inner", "name", std::string("gène"));
    file.write_attribute("/state/inner", "fixed", std::string("gène"), StringStorage::fixed);
    file.write_attribute("/", "count", Index{7});  // replaces
    file.write_integers_attribute("/", "shape", std::vector<Index>{3, 4});
    file.close();
  });
  const File file = File::open(folder.file("a.h5"));
  EXPECT_EQ(std::get<bool>(*file.read_attribute("/", "flag")), true);
  EXPECT_EQ(std::get<Index>(*file.read_attribute("/", "count")), 7);
  EXPECT_EQ(std::get<double>(*file.read_attribute("/", "cost")), 0.1);
  EXPECT_EQ(file.read_string_attribute("/state/inner", "name"), "gène");
  EXPECT_EQ(file.read_string_attribute("/state/inner", "fixed"), "gène");
  EXPECT_EQ(*file.read_integers_attribute("/", "shape"), (std::vector<Index>{3, 4}));
  EXPECT_EQ(file.attribute_names("/"), (std::vector<std::string>{"cost", "count", "flag", "shape"}));
  EXPECT_FALSE(file.read_attribute("/", "absent").has_value());
  EXPECT_FALSE(file.read_string_attribute("/", "count").has_value());
}

TEST(Hdf5, DatasetsAndStrings) {
  const TemporaryFolder folder;
  const std::vector<std::string> names = {"a", "", "gène", "with space "};
  folder.on_root([&] {
    File file = File::create(folder.file("d.h5"));
    auto x = file.create_dataset<float>("/group/X", {5, 3});
    std::vector<double> values(15);
    std::iota(values.begin(), values.end(), 0.0);
    x.write_rows(Range{0, 5}, values.data());
    file.write_vector<double>("/v", values);
    file.write_strings("/variable", names);
    file.write_strings("/fixed", names, StringStorage::fixed);
  });
  const File file = File::open(folder.file("d.h5"));
  EXPECT_EQ(file.members("/"), (std::vector<std::string>{"fixed", "group", "v", "variable"}));
  EXPECT_TRUE(file.exists("/group/X"));
  EXPECT_TRUE(file.is_dataset("group/X"));
  EXPECT_TRUE(file.is_group("/group"));
  EXPECT_FALSE(file.exists("/nowhere/X"));
  const hdf5::Dataset x = file.dataset("/group/X");
  EXPECT_EQ(x.dimensions(), (std::vector<Index>{5, 3}));
  EXPECT_EQ(x.type().name, "float32");
  EXPECT_EQ(x.layout(), "contiguous");
  std::vector<Index> rows(6);
  x.read_rows(Range{2, 4}, rows.data());
  EXPECT_EQ(rows, (std::vector<Index>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(file.read_strings("/variable"), names);
  EXPECT_EQ(file.read_strings("/fixed"), names);

  // The elements lie where file_offset() says.
  std::ifstream raw(folder.file("d.h5"), std::ios::binary);
  raw.seekg(*x.file_offset() + 4 * 7);
  float seven = 0;
  raw.read(reinterpret_cast<char*>(&seven), sizeof seven);
  EXPECT_EQ(seven, 7.0F);
}

TEST(Hdf5, ErrorsNameFileAndObject) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    std::ofstream(folder.file("text.h5")) << "no HDF5";
    std::ofstream(folder.file("empty.h5")).flush();
    File::create(folder.file("good.h5")).write_vector<double>("/v", std::vector<double>(100000));
    std::filesystem::copy_file(folder.file("good.h5"), folder.file("short.h5"));
    std::filesystem::resize_file(folder.file("short.h5"), 1000);
  });
  EXPECT_EQ(message_of([&] { File::open(folder.file("absent.h5")); }),
            "cannot open " + folder.file("absent.h5") + ": No such file or directory");
  EXPECT_EQ(message_of([&] { File::open(folder.file("text.h5")); }), folder.file("text.h5") + " is not an HDF5 file");
  EXPECT_EQ(message_of([&] { File::open(folder.file("empty.h5")); }),
            folder.file("empty.h5") + " is not an HDF5 file: it is empty");
  EXPECT_EQ(message_of([&] { File::open(folder.file("")); }),
            "cannot open " + folder.file("") + ": it is a directory, not an HDF5 file");
  EXPECT_NE(message_of([&] { File::open(folder.file("short.h5")); }).find("truncated file"), std::string::npos);
  EXPECT_EQ(message_of([&] { File::open(folder.file("good.h5")).dataset("/x"); }),
            folder.file("good.h5") + " has no dataset /x");
}

TEST(Hdf5, WhatLiesBeyondTheEndIsNoZero) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const std::string name = folder.file("cut.h5");
    File::create(name).write_vector<double>("/v", std::vector<double>(100000, 1));
    const File file = File::open(name);
    const auto dataset = file.dataset("/v");
    std::vector<double> values(10);
    dataset.read_rows({0, 10}, values.data());
    std::filesystem::resize_file(name, 400000);
    EXPECT_NE(message_of([&] {
                dataset.read_rows({99990, 100000}, values.data());
              }).find("cut.h5:/v has been truncated from "),
              std::string::npos);
  });
}

TEST(Hdf5, ThreadsCreateAndReadAtTheSameTime) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    File::create(folder.file("x.h5")).write_vector<double>("/v", std::vector<double>(100, 3));
    std::thread reader([&] {
      const File x = File::open(folder.file("x.h5"));
      for (int i = 0; i < 3000; ++i) EXPECT_EQ(x.dataset("/v").read_all<double>().at(99), 3);
    });
    File y = File::create(folder.file("y.h5"));
    for (int i = 0; i < 3000; ++i) {
      y.create_text_dataset("/text" + std::to_string(i), 10, 8);
      y.create_dataset<double>("/numbers" + std::to_string(i), {10});
    }
    reader.join();
  });
}

TEST(Hdf5, ReadsAFileThatIsOpenForWriting) {
  ASSERT_TRUE(locking_left_to_the_program);
  const TemporaryFolder folder;
  folder.on_root([&] { File::create(folder.file("w.h5")).write_vector<double>("/v", std::vector<double>{1, 2}); });
  // The lock that h5py takes when it opens a file "r+". Locks belong to open files, not to processes: this one is in
  // our own way.
  const int other = ::open(folder.file("w.h5").c_str(), O_RDWR);
  flock(other, LOCK_EX | LOCK_NB);
  EXPECT_EQ(File::open(folder.file("w.h5")).dataset("/v").read_all<double>(), (std::vector<double>{1, 2}));
  ::close(other);
}

}  // namespace
}  // namespace scanmf
