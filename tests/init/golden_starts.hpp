#pragma once

#include <string>
#include <vector>

#include "io/hdf5.hpp"
#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// What scikit-learn started from in one case of golden.h5.
struct GoldenStart {
  std::string name;
  std::string init;  // as resolved: "none" is nndsvda or random
  Index n_components = 0;
  std::uint32_t seed = 0;
  DataType dtype = DataType::float64;
  bool sparse = false;
  double tolerance = 0;  // max|A - B| / max|B|
  Matrix<double> X, W0, H0;
};

inline Matrix<double> read_golden_matrix(const hdf5::File& file, const std::string& path) {
  const hdf5::Dataset dataset = file.dataset(path);
  Matrix<double> matrix(dataset.rows(), dataset.row_elements());
  dataset.read_rows({0, matrix.rows()}, matrix.data());
  return matrix;
}

/// Dense, whatever the storage.
inline Matrix<double> read_golden_x(const hdf5::File& file, const std::string& path) {
  if (file.is_dataset(path)) return read_golden_matrix(file, path);
  const std::vector<Index> shape = file.read_integers_attribute(path, "shape").value();
  const bool csr = file.read_string_attribute(path, "encoding-type") == "csr_matrix";
  const auto pointers = file.dataset(path + "/indptr").read_all<Index>();
  const auto indices = file.dataset(path + "/indices").read_all<Index>();
  const auto data = file.dataset(path + "/data").read_all<double>();
  Matrix<double> x(shape[0], shape[1], 0.0);
  for (std::size_t major = 0; major + 1 < pointers.size(); ++major)
    for (Index at = pointers[major]; at < pointers[major + 1]; ++at) {
      const Index minor = indices[static_cast<std::size_t>(at)];
      (csr ? x(static_cast<Index>(major), minor) : x(minor, static_cast<Index>(major))) +=
          data[static_cast<std::size_t>(at)];
    }
  return x;
}

/// All cases whose factors were not given by the caller.
inline std::vector<GoldenStart> golden_starts() {
  const hdf5::File file = hdf5::File::open(SCANMF_TEST_DATA "/golden.h5");
  std::vector<GoldenStart> starts;
  for (const std::string& name : file.members("/cases")) {
    const std::string path = "/cases/" + name;
    GoldenStart start;
    start.name = name;
    start.init = file.read_string_attribute(path, "init").value();
    if (start.init == "custom") continue;
    start.n_components = std::get<Index>(file.read_attribute(path, "n_components").value());
    start.seed = static_cast<std::uint32_t>(std::get<Index>(file.read_attribute(path, "random_state").value()));
    start.tolerance = std::get<double>(file.read_attribute(path, "tol_init").value());
    start.sparse = file.is_group(path + "/X");
    const std::string values = start.sparse ? path + "/X/data" : path + "/X";
    start.dtype = file.dataset(values).type().name == "float32" ? DataType::float32 : DataType::float64;
    start.X = read_golden_x(file, path + "/X");
    start.W0 = read_golden_matrix(file, path + "/W0");
    start.H0 = read_golden_matrix(file, path + "/H0");
    if (start.init == "none")
      start.init = start.n_components <= std::min(start.X.rows(), start.X.columns()) ? "nndsvda" : "random";
    starts.push_back(std::move(start));
  }
  return starts;
}

}  // namespace scanmf
