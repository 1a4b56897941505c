#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <numeric>
#include <span>
#include <unordered_map>

#include "app/export_command.hpp"
#include "io/anndata_element.hpp"
#include "io/file_names.hpp"
#include "io/hdf5.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

constexpr Index piece_bytes = Index{1} << 26;

/// A copy of a file under a temporary name, which becomes `target` or vanishes. HDF5 does not recover from a full disk:
/// `more` bytes are reserved for what it adds.
class GrownCopy {
 public:
  GrownCopy(const std::string& source, const std::string& target, Index more)
      : target_(io::resolve_target(target)), temporary_(io::temporary_name(target_)) {
    io::remove_stale_temporaries(target_);
    const io::PosixFile from = io::PosixFile::open_for_reading(source);
    file_ = io::PosixFile::create_exclusive(temporary_, target);
    try {
      const Index bytes = from.size();
      file_.reserve_room(bytes + more);
      std::vector<std::byte> piece(static_cast<std::size_t>(std::min(bytes, piece_bytes)));
      for (Index done = 0; done < bytes; done += piece_bytes) {
        const auto part = std::span(piece).first(static_cast<std::size_t>(std::min(piece_bytes, bytes - done)));
        from.read(done, part);
        file_.write(done, part);
      }
    } catch (...) {
      ::unlink(temporary_.c_str());
      throw;
    }
  }
  ~GrownCopy() { ::unlink(temporary_.c_str()); }  // nothing is there any more after commit()
  GrownCopy(const GrownCopy&) = delete;
  GrownCopy& operator=(const GrownCopy&) = delete;

  const std::string& name() const { return temporary_; }

  /// HDF5 has closed it.
  void commit() {
    file_.truncate(file_.size());  // room that is reserved and not used goes
    file_.sync();
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0)
      io::throw_system_error(fmt::format("{} cannot be written", target_), errno);
    io::sync_folder(io::folder_of(target_));
  }

 private:
  std::string target_;
  std::string temporary_;
  io::PosixFile file_;
};

/// Makes room for a new object: one of another fit is replaced.
void replace(hdf5::File& file, const std::string& path, const std::string& source) {
  if (hdf5::remove_object(file, path)) log_information(fmt::format("{} of {} is replaced", path, source));
}

template <Scalar T>
void write_W(hdf5::File& file, const ExportedModel<T>& model, const std::vector<Index>& places) {
  const hdf5::File from = hdf5::File::open(model.file);
  const hdf5::Dataset W = from.dataset("/W");
  const Index k = model.header.n_components;
  const auto rows = static_cast<Index>(places.size());
  const hdf5::Dataset to = file.create_dataset<T>("/obsm/X_nmf", {rows, k});
  const bool in_order = std::is_sorted(places.begin(), places.end());
  const Index step = in_order ? std::max<Index>(1, piece_bytes / (k * static_cast<Index>(sizeof(T)))) : 1;
  std::vector<T> values(static_cast<std::size_t>(std::min(step, rows) * k));
  for (Index begin = 0; begin < rows; begin += step) {
    const Range piece{begin, std::min(begin + step, rows)};
    W.read_rows(piece, values.data());
    const Index first = places[static_cast<std::size_t>(begin)];
    to.write_rows(Range{first, first + piece.size()}, values.data());
  }
}

/// Features that the model does not know have the weight 0.
template <Scalar T>
void write_H(hdf5::File& file, const ExportedModel<T>& model, const std::vector<Index>& places, Index columns) {
  Matrix<T> all(columns, model.header.n_components, T{0});
  for (std::size_t j = 0; j < places.size(); ++j)
    std::copy_n(model.Ht.row(static_cast<Index>(j)), all.columns(), all.row(places[j]));
  file.create_dataset<T>("/varm/NMF", {columns, all.columns()}).write_rows(Range{0, columns}, all.data());
  hdf5::mark_anndata_array(file, "/varm/NMF");
}

void write_about(hdf5::File& file, const ModelHeader& header) {
  hdf5::make_anndata_dictionary(file, "/uns/nmf");
  for (const auto& [group, attributes] :
       {std::pair{"/uns/nmf/params", &header.params}, std::pair{"/uns/nmf/provenance", &header.provenance}}) {
    hdf5::make_anndata_dictionary(file, group);
    for (const auto& [name, value] : *attributes)
      hdf5::write_anndata_scalar(file, fmt::format("{}/{}", group, name), value);
  }
  hdf5::write_anndata_scalar(file, "/uns/nmf/estimator", header.estimator);
  hdf5::write_anndata_scalar(file, "/uns/nmf/reconstruction_err", header.reconstruction_err);
  hdf5::write_anndata_scalar(file, "/uns/nmf/n_iter", header.n_iter);
  hdf5::write_anndata_scalar(file, "/uns/nmf/converged", header.converged);
  hdf5::make_anndata_dictionary(file, "/uns/nmf/history");
  for (const auto& [name, values] : header.history) {
    const std::string path = "/uns/nmf/history/" + name;
    file.write_vector(path, std::span<const double>(values));
    hdf5::mark_anndata_array(file, path);
  }
}

}  // namespace

std::vector<Index> places_of(const std::string& what, const std::vector<std::string>& names, Index count,
                             const std::vector<std::string>& wanted, Index wanted_count, bool all) {
  std::vector<Index> places(static_cast<std::size_t>(count));
  std::iota(places.begin(), places.end(), Index{0});
  if (names.empty() || wanted.empty()) {
    if (count == wanted_count) return places;
    throw Error(
        fmt::format("the model has {} {} and the file {}, and without names on both sides nobody knows which is "
                    "which",
                    count, what, wanted_count));
  }
  if (names == wanted) return places;
  std::unordered_map<std::string, Index> known;
  for (Index i = 0; i < wanted_count; ++i)
    if (!known.emplace(wanted[static_cast<std::size_t>(i)], i).second)
      throw Error(fmt::format("the {} of model and file differ, and '{}' is in the file twice", what,
                              wanted[static_cast<std::size_t>(i)]));
  std::vector<bool> taken(static_cast<std::size_t>(wanted_count));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto found = known.find(names[i]);
    if (found == known.end())
      throw Error(fmt::format(
          "'{}' of the model's {} is not in the file: it is not the file the model was learned from", names[i], what));
    if (taken[static_cast<std::size_t>(found->second)])
      throw Error(fmt::format("'{}' is twice among the model's {}", names[i], what));
    taken[static_cast<std::size_t>(found->second)] = true;
    places[i] = found->second;
  }
  if (all && count < wanted_count)
    throw Error(fmt::format("the model has {} of the file's {} {}: W of all of them comes from scanmf transform", count,
                            wanted_count, what));
  log_information(
      fmt::format("{} are matched by their names: {} of the model, {} of the file", what, count, wanted_count));
  return places;
}

template <Scalar T>
void export_anndata(const ExportedModel<T>& model, const std::string& source, const Shape& shape,
                    const std::vector<std::string>& row_names, const std::vector<std::string>& feature_names,
                    const std::string& target) {
  const ModelHeader& header = model.header;
  const std::vector<Index> features =
      places_of("features", header.feature_names, header.n_features_in, feature_names, shape.columns, false);
  std::vector<Index> samples;
  if (model.has_W) samples = places_of("samples", header.obs_names, header.n_samples, row_names, shape.rows, true);
  const Index factors = (shape.rows + shape.columns) * header.n_components * static_cast<Index>(sizeof(T));
  const auto entries = static_cast<Index>(header.history.empty() ? 0 : header.history.front().second.size());
  GrownCopy copy(source, target, factors + (Index{4} << 20) + entries * 64);
  {
    hdf5::File file = hdf5::File::open(copy.name(), hdf5::Access::read_write);
    for (const char* group : {"/obsm", "/varm", "/uns"}) hdf5::make_anndata_dictionary(file, group);
    replace(file, "/varm/NMF", source);
    replace(file, "/uns/nmf", source);
    write_H(file, model, features, shape.columns);
    write_about(file, header);
    if (model.has_W) {
      replace(file, "/obsm/X_nmf", source);
      write_W(file, model, samples);
      hdf5::mark_anndata_array(file, "/obsm/X_nmf");
    }
    file.close();
  }
  copy.commit();
}

template void export_anndata(const ExportedModel<float>&, const std::string&, const Shape&,
                             const std::vector<std::string>&, const std::vector<std::string>&, const std::string&);
template void export_anndata(const ExportedModel<double>&, const std::string&, const Shape&,
                             const std::vector<std::string>&, const std::vector<std::string>&, const std::string&);

}  // namespace scanmf::app
