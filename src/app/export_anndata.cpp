#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <span>

#include "app/export_command.hpp"
#include "core/printable.hpp"
#include "io/anndata_element.hpp"
#include "io/dataset_storage.hpp"
#include "io/file_names.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_objects.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/aligned_features.hpp"

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
void replace(hdf5::File& file, const std::string& path, const std::string& source, const char* what) {
  if (hdf5::remove_object(file, path)) log_information(fmt::format("{} of {} is {}", path, source, what));
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

/// anndata reads text as UTF-8 only; a name of a file in a command line may be none.
Attribute readable(const Attribute& value) {
  const auto* const text = std::get_if<std::string>(&value);
  return text == nullptr || is_utf8(*text) ? value : printable(*text);
}

void write_about(hdf5::File& file, const ModelHeader& header) {
  hdf5::make_anndata_dictionary(file, "/uns/nmf");
  for (const auto& [group, attributes] :
       {std::pair{"/uns/nmf/params", &header.params}, std::pair{"/uns/nmf/provenance", &header.provenance}}) {
    hdf5::make_anndata_dictionary(file, group);
    for (const auto& [name, value] : *attributes)
      hdf5::write_anndata_scalar(file, fmt::format("{}/{}", group, name), readable(value));
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

/// Beside a W alone: H of an earlier export stays where it may be the one that W was computed with.
void keep_fitting_H(hdf5::File& file, Index components, const std::string& source) {
  if (!file.exists("/varm/NMF")) return;
  const bool is_matrix = file.is_dataset("/varm/NMF") && file.dataset("/varm/NMF").dimensions().size() == 2;
  if (is_matrix && file.dataset("/varm/NMF").dimensions()[1] == components) {
    log_information(fmt::format(
        "/varm/NMF of {} stays: it has as many components as W, but whether W was computed with it nobody says",
        source));
    return;
  }
  for (const char* const path : {"/varm/NMF", "/uns/nmf"})
    replace(file, path, source, "removed: it is of another number of components");
}

/// The place in the file of each of the samples or features of `owner` ("model"), `count` of them. all: each of the
/// file's must be one of them. Throws Error when that cannot be told or is not so.
std::vector<Index> places_of(const std::string& owner, const std::string& what, const std::vector<std::string>& names,
                             Index count, const data::Table& wanted, bool all) {
  std::vector<Index> places(static_cast<std::size_t>(count));
  std::iota(places.begin(), places.end(), Index{0});
  if (names.empty() || wanted.names.empty()) {
    if (count != wanted.length)
      throw Error(
          fmt::format("the {} has {} {} and the file {}, and without names on both sides nobody knows which is "
                      "which",
                      owner, count, what, wanted.length));
    log_warning(fmt::format("the {} has no names of {}: they are taken in the order in which they are",
                            names.empty() ? owner : "file", what));
    return places;
  }
  if (names == wanted.names) return places;
  places = places_of_names(names, owner + "'s " + what, wanted.names, what + " of the file");
  if (const auto missing = std::ranges::find(places, -1); missing != places.end())
    throw Error(
        fmt::format("'{}' of the {}'s {} is not in obs and var of the file: the {} was {} from another file, or from a "
                    "matrix with {} of its own (raw)",
                    names[static_cast<std::size_t>(missing - places.begin())], owner, what, owner,
                    owner == "model" ? "learned" : "computed", what));
  if (all && count < wanted.length)
    throw Error(fmt::format("the {} has {} of the file's {} {}: W of all of them comes from scanmf transform", owner,
                            count, wanted.length, what));
  log_information(
      fmt::format("{} are matched by their names: {} of the {}, {} of the file", what, count, owner, wanted.length));
  return places;
}

/// A copy elsewhere would not find what the file names relative to its own folder.
void refuse_lost_references(const std::string& source, const std::string& target) {
  namespace fs = std::filesystem;
  if (fs::canonical(source).parent_path() == fs::canonical(io::folder_of(io::resolve_target(target)))) return;
  if (const auto found = hdf5::relative_reference(hdf5::File::open(source)))
    throw Error(
        fmt::format("'{}' has {}, which a copy in another folder does not find: write the copy beside '{}', or store "
                    "all in one file (h5repack)",
                    source, *found, source));
}

}  // namespace

template <Scalar T>
void export_anndata(const ExportedModel<T>& model, const AnnDataFile& to, const std::string& target) {
  const ModelHeader& header = model.header;
  const std::string& source = to.file;
  refuse_lost_references(source, target);
  const std::string owner = model.has_H() ? "model" : "matrix W";
  std::vector<Index> features;
  if (model.has_H()) features = places_of(owner, "features", header.feature_names, header.n_features_in, to.var, false);
  std::vector<Index> samples;
  if (model.has_W) samples = places_of(owner, "samples", header.obs_names, header.n_samples, to.obs, true);
  const Index factors = (to.obs.length + to.var.length) * header.n_components * static_cast<Index>(sizeof(T));
  const auto entries = static_cast<Index>(header.history.empty() ? 0 : header.history.front().second.size());
  GrownCopy copy(source, target, factors + (Index{4} << 20) + entries * 64);
  {
    hdf5::File file = hdf5::File::open(copy.name(), hdf5::Access::read_write);
    for (const char* group : {"/obsm", "/varm", "/uns"}) hdf5::make_anndata_dictionary(file, group);
    if (model.has_H()) {
      replace(file, "/varm/NMF", source, "replaced");
      replace(file, "/uns/nmf", source, "replaced");
      write_H(file, model, features, to.var.length);
      write_about(file, header);
    } else {
      keep_fitting_H(file, header.n_components, source);
    }
    replace(file, "/obsm/X_nmf", source, model.has_W ? "replaced" : "removed: the model holds no W");
    if (model.has_W) {
      write_W(file, model, samples);
      hdf5::mark_anndata_array(file, "/obsm/X_nmf");
    }
    file.close();
  }
  copy.commit();
}

template void export_anndata(const ExportedModel<float>&, const AnnDataFile&, const std::string&);
template void export_anndata(const ExportedModel<double>&, const AnnDataFile&, const std::string&);

}  // namespace scanmf::app
