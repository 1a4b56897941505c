#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/hdf5.hpp"

namespace scanmf::test {

/// Overwrites where a chunk begins, which deflate cannot do without. As with a failing disk, the file's time stays.
inline void damage_chunk(const std::string& name, const std::string& dataset, hsize_t row) {
  haddr_t address = 0;
  {
    const hdf5::File file = hdf5::File::open(name);
    const hsize_t start[2] = {row, 0};
    hsize_t size = 0;
    unsigned mask = 0;
    H5Dget_chunk_info_by_coord(file.dataset(dataset).id(), start, &mask, &address, &size);
  }
  const auto time = std::filesystem::last_write_time(name);
  const int file = ::open(name.c_str(), O_WRONLY);
  EXPECT_EQ(pwrite(file, "\xFF\xFF\xFF\xFF", 4, static_cast<off_t>(address)), 4);
  ::close(file);
  std::filesystem::last_write_time(name, time);
}

}  // namespace scanmf::test
