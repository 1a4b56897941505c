#include "data/matrix_file_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "io/hdf5.hpp"
#include "io/number_dataset.hpp"
#include "io/output_file.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

const hdf5::NumberLayout growing_vector = {{Index{1} << 18}, 0, true};

/// The file that `name` means, links followed: replacing a link by a file would surprise.
std::string resolved(const std::string& name) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(name, error);
  return error ? name : real.string();
}

}  // namespace

DenseWriter::DenseWriter(hdf5::File& file, const std::string& path, Shape shape, hdf5::NumberType type, const hdf5::NumberLayout& layout)
    : dataset_(std::make_unique<hdf5::NumberDataset>(file, path, type, std::vector<Index>{shape.rows, shape.columns}, layout)) {
  file.write_attribute(path, "encoding-type", std::string("array"));
  file.write_attribute(path, "encoding-version", std::string("0.2.0"));
}

DenseWriter::~DenseWriter() = default;

void DenseWriter::write_rows(Index first, Index rows, const void* elements) { dataset_->write_rows(first, rows, elements); }

CsrWriter::CsrWriter(hdf5::File& file, const std::string& group, Shape shape, hdf5::NumberType values) {
  const auto vector = [&](const char* name, hdf5::NumberType type) {
    return std::make_unique<hdf5::NumberDataset>(file, group + name, type, std::vector<Index>{0}, growing_vector);
  };
  if (shape.columns > std::numeric_limits<std::int32_t>::max()) throw Error(fmt::format("a sparse matrix of {} columns is too wide", shape.columns));
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

void CsrWriter::append_rows(const std::vector<Index>& lengths, const void* values, const std::vector<std::int32_t>& columns) {
  data_->append(static_cast<Index>(columns.size()), values);
  indices_->append(static_cast<Index>(columns.size()), columns.data());
  std::vector<Index> ends;
  ends.reserve(lengths.size());
  for (const Index length : lengths) ends.push_back(stored_ += length);
  indptr_->append(static_cast<Index>(ends.size()), ends.data());
}

MatrixFileWriter::MatrixFileWriter(const std::string& target) : target_(resolved(target)), temporary_(io::temporary_name(target_)) {
  std::signal(SIGXFSZ, SIG_IGN);  // writing past the limit of the file size then fails with EFBIG instead of killing the process
  io::remove_stale_temporaries(target_);
  file_ = std::make_unique<hdf5::File>(hdf5::File::create(temporary_));
  file_->write_attribute("/", "encoding-type", std::string("anndata"));
  file_->write_attribute("/", "encoding-version", std::string("0.1.0"));
}

MatrixFileWriter::~MatrixFileWriter() {
  dense_.clear();
  csr_.clear();
  file_.reset();
  ::unlink(temporary_.c_str());  // nothing is there any more after commit()
}

DenseWriter& MatrixFileWriter::dense(const std::string& path, Shape shape, hdf5::NumberType type, const hdf5::NumberLayout& layout) {
  dense_.push_back(std::make_unique<DenseWriter>(*file_, path, shape, type, layout));
  return *dense_.back();
}

CsrWriter& MatrixFileWriter::csr(const std::string& path, Shape shape, hdf5::NumberType values) {
  csr_.push_back(std::make_unique<CsrWriter>(*file_, path, shape, values));
  return *csr_.back();
}

void MatrixFileWriter::table(const std::string& group, const std::vector<std::string>& names) {
  if (names.empty()) return;
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
  io::PosixFile::open_for_writing(temporary_, target_).sync();
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) io::throw_system_error(fmt::format("{} cannot be written", target_), errno);
  const std::string folder = std::filesystem::path(target_).parent_path().string();
  io::sync_folder(folder.empty() ? "." : folder);
}

}  // namespace scanmf::data
