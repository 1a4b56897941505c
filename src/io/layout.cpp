#include "io/layout.hpp"

#include <functional>
#include <numeric>

#include "io/hdf5_internal.hpp"

namespace scanmf::io {
namespace {

Extent create_dataset(hdf5::File& file, const DatasetLayout& layout) {
  const auto create = [&] {
    switch (layout.type) {
      case StoredType::text:
        return file.create_text_dataset(layout.path, layout.dimensions.at(0), layout.text_bytes);
      case StoredType::flag:
        return hdf5::create_flag_dataset(file, layout.path, layout.dimensions);
      case StoredType::int64:
        return file.create_dataset<Index>(layout.path, layout.dimensions);
      case StoredType::float32:
        return file.create_dataset<float>(layout.path, layout.dimensions);
      case StoredType::float64:
        break;
    }
    return file.create_dataset<double>(layout.path, layout.dimensions);
  };
  return {create().file_offset().value_or(0), layout.bytes()};
}

/// As AnnData's readers want them: strings of variable length.
void write_dataframe_attributes(hdf5::File& file, const std::string& group) {
  file.write_attribute(group, "encoding-type", "dataframe");
  file.write_attribute(group, "encoding-version", "0.2.0");
  file.write_attribute(group, "_index", "_index");
  file.write_integers_attribute(group, "column-order", {});
  file.write_attribute(group + "/_index", "encoding-type", "string-array");
  file.write_attribute(group + "/_index", "encoding-version", "0.2.0");
}

}  // namespace

Index DatasetLayout::bytes() const {
  return std::accumulate(dimensions.begin(), dimensions.end(), element_bytes(), std::multiplies<>());
}

std::vector<Extent> create_layout(const std::string& path, const FileLayout& layout) {
  hdf5::File file = hdf5::File::create(path);
  std::vector<Extent> extents;
  for (const DatasetLayout& dataset : layout.datasets) extents.push_back(create_dataset(file, dataset));
  for (const GroupLayout& group : layout.groups) {
    file.create_group(group.path);
    if (group.dataframe) write_dataframe_attributes(file, group.path);
  }
  for (const AttributesLayout& object : layout.attributes)
    for (const auto& [name, value] : object.values)
      file.write_attribute(object.object, name, value, hdf5::StringStorage::fixed);
  file.close();
  return extents;
}

}  // namespace scanmf::io
