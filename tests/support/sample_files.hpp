#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace scanmf::test {

/// How a dataset is to lie in its file.
struct SampleLayout {
  hid_t type = H5T_IEEE_F64LE;
  std::vector<hsize_t> chunk = {};  // empty: contiguous
  int gzip = -1;
  bool shuffle = false;
  bool checksum = false;
};

/// Writes doubles as a dataset of any type and layout, row by row through HDF5 itself.
inline void write_sample(hdf5::File& file, const std::string& path, const std::vector<hsize_t>& dimensions,
                         const std::vector<double>& values, const SampleLayout& layout = {}) {
  const hdf5::SpaceHandle space(H5Screate_simple(static_cast<int>(dimensions.size()), dimensions.data(), nullptr));
  const hdf5::PropertyHandle links(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links.get(), 1);
  const hdf5::PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
  if (!layout.chunk.empty()) H5Pset_chunk(properties.get(), static_cast<int>(layout.chunk.size()), layout.chunk.data());
  if (layout.shuffle) H5Pset_shuffle(properties.get());
  if (layout.gzip >= 0) H5Pset_deflate(properties.get(), static_cast<unsigned>(layout.gzip));
  if (layout.checksum) H5Pset_fletcher32(properties.get());
  const hdf5::DatasetHandle dataset(
      H5Dcreate2(file.id(), path.c_str(), layout.type, space.get(), links.get(), properties.get(), H5P_DEFAULT));
  if (!values.empty()) H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

/// float16 as h5py writes numpy.float16.
inline hdf5::TypeHandle half_type() {
  hdf5::TypeHandle type(H5Tcopy(H5T_IEEE_F32LE));
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

/// rows × columns small non-negative integers with many zeros, all exact in every type from int8 to float64.
inline std::vector<double> sample_values(Index rows, Index columns, Index seed = 1) {
  std::vector<double> values;
  for (Index i = 0; i < rows * columns; ++i)
    values.push_back(static_cast<double>(std::max<Index>(0, (i * 7919 + seed * 104729) % 97 - 40)));
  return values;
}

/// A CSR group /X whose rows are not sorted.
inline void write_csr(hdf5::File& file, const std::vector<double>& x, Index rows, Index columns,
                      const SampleLayout& data, const SampleLayout& indices) {
  std::vector<double> values, places, bounds(1, 0);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = columns - 1; j >= 0; --j)  // unsorted on purpose
      if (const double value = x[static_cast<std::size_t>(i * columns + j)]; value != 0) {
        values.push_back(value);
        places.push_back(static_cast<double>(j));
      }
    bounds.push_back(static_cast<double>(values.size()));
  }
  write_sample(file, "/X/data", {values.size()}, values, data);
  write_sample(file, "/X/indices", {places.size()}, places, indices);
  write_sample(file, "/X/indptr", {bounds.size()}, bounds, {.type = H5T_STD_I64LE});
  file.write_attribute("/X", "encoding-type", std::string("csr_matrix"));
  file.write_integers_attribute("/X", "shape", std::vector<Index>{rows, columns});
}

}  // namespace scanmf::test
