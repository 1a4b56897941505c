#include "io/number_dataset.hpp"

#include <algorithm>

#include "io/hdf5_internal.hpp"

namespace scanmf::hdf5 {
namespace {

hid_t type_id(NumberType type) {
  switch (type) {
    case NumberType::int8:
      return H5T_NATIVE_INT8;
    case NumberType::int16:
      return H5T_NATIVE_INT16;
    case NumberType::int32:
      return H5T_NATIVE_INT32;
    case NumberType::int64:
      return H5T_NATIVE_INT64;
    case NumberType::uint8:
      return H5T_NATIVE_UINT8;
    case NumberType::uint16:
      return H5T_NATIVE_UINT16;
    case NumberType::uint32:
      return H5T_NATIVE_UINT32;
    case NumberType::uint64:
      return H5T_NATIVE_UINT64;
    case NumberType::float32:
      return H5T_NATIVE_FLOAT;
    case NumberType::float64:
      return H5T_NATIVE_DOUBLE;
  }
  return -1;
}

}  // namespace

Index size_of(NumberType type) {
  const Lock lock;
  return static_cast<Index>(H5Tget_size(type_id(type)));
}

NumberDataset::NumberDataset(File& file, const std::string& path, NumberType type, const std::vector<Index>& dimensions,
                             const NumberLayout& layout)
    : place_(file.place(path)),
      type_(type),
      dimensions_(dimensions),
      growing_(layout.growing),
      rows_(layout.growing ? 0 : dimensions.at(0)) {
  const Lock lock;
  std::vector<hsize_t> lengths(dimensions.begin(), dimensions.end());
  std::vector<hsize_t> limits = lengths;
  if (growing_) {
    lengths[0] = 0;
    limits[0] = H5S_UNLIMITED;
  }
  const SpaceHandle space(
      check(H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), limits.data()), "create", place_));
  const PropertyHandle links(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links.get(), 1);
  const PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
  if (!layout.chunk.empty()) {
    const std::vector<hsize_t> chunk(layout.chunk.begin(), layout.chunk.end());
    check(H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()), "choose the chunks of", place_);
    if (layout.gzip > 0) {
      H5Pset_shuffle(properties.get());
      check(H5Pset_deflate(properties.get(), static_cast<unsigned>(layout.gzip)), "compress", place_);
    }
  }
  handle_ = DatasetHandle(
      H5Dcreate2(file.id(), path.c_str(), type_id(type), space.get(), links.get(), properties.get(), H5P_DEFAULT));
  check(handle_.get(), "create", place_);
}

void NumberDataset::write_rows(Index first, Index rows, const void* elements) {
  if (rows == 0) return;
  const Lock lock;
  if (growing_ && first + rows > rows_) {
    std::vector<hsize_t> lengths(dimensions_.begin(), dimensions_.end());
    lengths[0] = static_cast<hsize_t>(first + rows);
    check(H5Dset_extent(handle_.get(), lengths.data()), "extend", place_);
    rows_ = first + rows;
  }
  std::vector<Index> start(dimensions_.size(), 0);
  std::vector<Index> count = dimensions_;
  start[0] = first;
  count[0] = rows;
  write_part(start, count, elements);
}

void NumberDataset::write_columns(Index first, Index columns, const void* elements) {
  if (columns > 0) write_part({0, first}, {dimensions_[0], columns}, elements);
}

void NumberDataset::write_part(const std::vector<Index>& first, const std::vector<Index>& count, const void* elements) {
  const Lock lock;
  const std::vector<hsize_t> begin(first.begin(), first.end());
  const std::vector<hsize_t> lengths(count.begin(), count.end());
  const SpaceHandle memory(H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), nullptr));
  const SpaceHandle target(H5Dget_space(handle_.get()));
  check(H5Sselect_hyperslab(target.get(), H5S_SELECT_SET, begin.data(), nullptr, lengths.data(), nullptr),
        "select a part of", place_);
  check(H5Dwrite(handle_.get(), type_id(type_), memory.get(), target.get(), H5P_DEFAULT, elements), "write", place_);
}

}  // namespace scanmf::hdf5
