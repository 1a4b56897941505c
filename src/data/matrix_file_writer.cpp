#include "data/matrix_file_writer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>

#include "core/checked.hpp"
#include "io/hdf5.hpp"
#include "io/number_dataset.hpp"
#include "io/output_file.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

const hdf5::NumberLayout growing_vector = {{Index{1} << 16}, 0, true};

}  // namespace

class DiskRoom {
 public:
  DiskRoom(const std::string& file, const std::string& name) : file_(io::PosixFile::open_for_writing(file, name)) {
    expect(0);
  }

  /// `bytes` more than was expected so far will be written. Throws Error with the reason when there is no room for
  /// them.
  void expect(Index bytes) {
    expected_ += bytes;
    const Index needed = spare + expected_ + expected_ / 128;  // what HDF5 adds: objects, indices of chunks
    if (needed > reserved_) file_.reserve_room(needed);
    reserved_ = std::max(reserved_, needed);
  }
  /// Calls `write`, which writes at most `bytes` bytes but perhaps, compressed, far less: only what it takes stays
  /// expected.
  template <class Write>
  void expect_at_most(Index bytes, Write&& write) {
    expect(bytes);
    const Index before = file_.size();
    write();
    expected_ -= bytes - std::min(bytes, file_.size() - before);
  }
  /// Throws everything away, so that HDF5 finds room to close the file.
  void give_back() {
    try {
      file_.truncate(0);
    } catch (const Error&) {  // what remains is removed anyway
    }
  }
  /// Of a closed file: to disk, what is reserved and not used goes.
  void finish() {
    file_.truncate(file_.size());
    file_.sync();
  }

 private:
  static constexpr Index spare = Index{2} << 20;
  io::PosixFile file_;
  Index expected_ = 0;
  Index reserved_ = 0;
};

namespace {

/// Bytes of so many elements, as a file states them.
Index checked_bytes(std::initializer_list<Index> factors, const std::string& path) {
  const std::optional<Index> bytes = checked_product(factors);
  if (!bytes)
    throw Error(fmt::format("{} of {} x {} elements is more than any file can hold", path, factors.begin()[0],
                            factors.begin()[1]));
  return *bytes;
}

}  // namespace

DenseWriter::DenseWriter(hdf5::File& file, DiskRoom& room, const std::string& path, Shape shape, hdf5::NumberType type,
                         const hdf5::NumberLayout& layout)
    : room_(room),
      row_bytes_(checked_bytes({shape.rows, shape.columns, hdf5::size_of(type)}, path) /
                 std::max<Index>(1, shape.rows)),
      reserved_(layout.gzip == 0),
      dataset_(std::make_unique<hdf5::NumberDataset>(file, path, type, std::vector<Index>{shape.rows, shape.columns},
                                                     layout)) {
  if (reserved_) room_.expect(shape.rows * row_bytes_);
  file.write_attribute(path, "encoding-type", std::string("array"));
  file.write_attribute(path, "encoding-version", std::string("0.2.0"));
}

void DenseWriter::write_rows(Index first, Index rows, const void* elements) {
  const auto write = [&] { dataset_->write_rows(first, rows, elements); };
  if (reserved_) return write();
  room_.expect_at_most(rows * row_bytes_, write);
}

void DenseWriter::write_columns(Index first, Index columns, const void* elements) {
  dataset_->write_columns(first, columns, elements);
}

DenseWriter::~DenseWriter() = default;

CsrWriter::CsrWriter(hdf5::File& file, DiskRoom& room, const std::string& group, Shape shape, hdf5::NumberType values)
    : room_(room), value_bytes_(hdf5::size_of(values)) {
  const auto vector = [&](const char* name, hdf5::NumberType type) {
    return std::make_unique<hdf5::NumberDataset>(file, group + name, type, std::vector<Index>{0}, growing_vector);
  };
  if (shape.columns > std::numeric_limits<std::int32_t>::max())
    throw Error(fmt::format("a sparse matrix of {} columns is too wide", shape.columns));
  data_ = vector("/data", values);
  indices_ = vector("/indices", hdf5::NumberType::int32);
  indptr_ = vector("/indptr", hdf5::NumberType::int64);
  file.write_attribute(group, "encoding-type", std::string("csr_matrix"));
  file.write_attribute(group, "encoding-version", std::string("0.1.0"));
  const Index lengths[] = {shape.rows, shape.columns};
  file.write_integers_attribute(group, "shape", lengths);
  const Index zero = 0;
  indptr_->append(1, &zero);
}

CsrWriter::~CsrWriter() = default;

void CsrWriter::append_rows(const std::vector<Index>& lengths, const void* values,
                            const std::vector<std::int32_t>& columns) {
  room_.expect(static_cast<Index>(columns.size()) * (value_bytes_ + static_cast<Index>(sizeof(std::int32_t))) +
               static_cast<Index>(lengths.size() * sizeof(Index)));
  data_->append(static_cast<Index>(columns.size()), values);
  indices_->append(static_cast<Index>(columns.size()), columns.data());
  std::vector<Index> ends;
  ends.reserve(lengths.size());
  for (const Index length : lengths) ends.push_back(stored_ += length);
  indptr_->append(static_cast<Index>(ends.size()), ends.data());
}

MatrixFileWriter::MatrixFileWriter(const std::string& target)
    : target_(io::resolve_target(target)), temporary_(io::temporary_name(target_)) {
  std::signal(SIGXFSZ,
              SIG_IGN);  // writing past the limit of the file size then fails with EFBIG instead of killing the process
  io::remove_stale_temporaries(target_);
  io::PosixFile::create_exclusive(temporary_, target);  // HDF5 would follow a link of this name
  try {
    file_ = std::make_unique<hdf5::File>(hdf5::File::create(temporary_));
    room_ = std::make_unique<DiskRoom>(temporary_, target_);
    file_->write_attribute("/", "encoding-type", std::string("anndata"));
    file_->write_attribute("/", "encoding-version", std::string("0.1.0"));
  } catch (...) {
    discard();
    throw;
  }
}

MatrixFileWriter::~MatrixFileWriter() { discard(); }

void MatrixFileWriter::discard() {
  if (file_ != nullptr && room_ != nullptr) room_->give_back();
  dense_.clear();
  csr_.clear();
  file_.reset();
  ::unlink(temporary_.c_str());  // nothing is there any more after commit()
}

DenseWriter& MatrixFileWriter::dense(const std::string& path, Shape shape, hdf5::NumberType type,
                                     const hdf5::NumberLayout& layout) {
  dense_.push_back(std::make_unique<DenseWriter>(*file_, *room_, path, shape, type, layout));
  return *dense_.back();
}

CsrWriter& MatrixFileWriter::csr(const std::string& path, Shape shape, hdf5::NumberType values) {
  csr_.push_back(std::make_unique<CsrWriter>(*file_, *room_, path, shape, values));
  return *csr_.back();
}

void MatrixFileWriter::table(const std::string& group, const std::vector<std::string>& names) {
  if (names.empty()) return;
  Index bytes = 0;
  for (const std::string& name : names) bytes += static_cast<Index>(name.size()) + 32;
  room_->expect(bytes);
  file_->create_group(group);
  file_->write_strings(group + "/_index", names);
  file_->write_attribute(group, "encoding-type", std::string("dataframe"));
  file_->write_attribute(group, "encoding-version", std::string("0.2.0"));
  file_->write_attribute(group, "_index", std::string("_index"));
  const Index none = 0;
  file_->write_integers_attribute(group, "column-order", {&none, 0});  // HDF5 wants an address even for nothing
  file_->write_attribute(group + "/_index", "encoding-type", std::string("string-array"));
  file_->write_attribute(group + "/_index", "encoding-version", std::string("0.2.0"));
}

void MatrixFileWriter::names(const std::vector<std::string>& rows, const std::vector<std::string>& columns) {
  table("/obs", rows);
  table("/var", columns);
}

void MatrixFileWriter::commit() {
  dense_.clear();
  csr_.clear();
  file_->close();
  file_.reset();
  room_->finish();
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0)
    io::throw_system_error(fmt::format("{} cannot be written", target_), errno);
  const std::string folder = std::filesystem::path(target_).parent_path().string();
  io::sync_folder(folder.empty() ? "." : folder);
}

}  // namespace scanmf::data
