#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/hdf5.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::io {

/// What the elements of a dataset are: numbers, truth values of one byte (as h5py has them), or UTF-8 strings of a
/// fixed length, padded with zero bytes.
enum class StoredType { float32, float64, int64, flag, text };

struct DatasetLayout {
  std::string path;  // "/state/A"; groups on the way are made
  std::vector<Index> dimensions;
  StoredType type = StoredType::float64;
  Index text_bytes = 1;  // of one string

  Index element_bytes() const {
    if (type == StoredType::text) return text_bytes;
    return type == StoredType::flag ? 1 : type == StoredType::float32 ? 4 : 8;
  }
  Index bytes() const;
};

struct GroupLayout {
  std::string path;
  bool dataframe = false;  // described as AnnData does: a table whose only column is the index, dataset _index
};

/// Their strings have fixed lengths (HDF5's code for others does not survive a damaged file), at most 64 KiB together
/// with name and type.
struct AttributesLayout {
  std::string object;  // a group or dataset; "/" is the file itself
  std::vector<std::pair<std::string, hdf5::AttributeValue>> values;
};

/// Everything of an HDF5 file but the contents of its datasets.
struct FileLayout {
  std::vector<DatasetLayout> datasets;
  std::vector<GroupLayout> groups;
  std::vector<AttributesLayout> attributes;
};

/// Where the bytes of a dataset lie in the file.
struct Extent {
  Index offset = 0;
  Index bytes = 0;
  Index end() const { return offset + bytes; }
};

/// Local. Makes an HDF5 file at `path` in which every dataset is contiguous and has its place, which is not written to:
/// with a file that can have holes it takes no more room than the attributes. Returns the places in the order of
/// layout.datasets.
std::vector<Extent> create_layout(const std::string& path, const FileLayout& layout);

}  // namespace scanmf::io
