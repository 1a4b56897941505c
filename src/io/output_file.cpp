#include "io/output_file.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <system_error>

namespace scanmf::io {
namespace {

namespace fs = std::filesystem;

constexpr Index copy_bytes = Index{4} << 20;  // a piece of copying: stays in cache between checksum and writing

/// Bytes that a file of this process may have.
Index size_limit() {
  rlimit limit{};
  const bool limited =
      getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < static_cast<rlim_t>(std::numeric_limits<Index>::max());
  return limited ? static_cast<Index>(limit.rlim_cur) : std::numeric_limits<Index>::max();
}

/// HDF5 does not recover from a file that may not be as long as it must: such a limit is checked before.
void check_size_limit(const std::string& name, const FileLayout& layout) {
  Index bytes = Index{64} << 10;  // about what HDF5 adds
  for (const DatasetLayout& dataset : layout.datasets) bytes += dataset.bytes();
  if (bytes > size_limit()) throw_system_error(fmt::format("{} cannot be written ({} bytes)", name, bytes), EFBIG);
}

/// A file for the layout, in memory where the system has such a folder: it takes little room, because the datasets are
/// holes.
class ScratchFile {
 public:
  ScratchFile() {
    std::error_code ignored;
    const fs::path temporary = fs::temp_directory_path(ignored);
    try {
      create("/dev/shm");
    } catch (const Error&) {
      create(temporary.empty() ? "/tmp" : temporary.string());
    }
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& path() const { return path_; }
  const PosixFile& file() const { return file_; }

 private:
  static constexpr Index room = Index{1} << 20;

  void create(const std::string& folder) {
    const std::string name = folder + "/scanmf-layout";
    remove_stale_temporaries(name);
    path_ = temporary_name(name);
    file_ = PosixFile::create_exclusive(path_, path_);
    try {
      file_.reserve(std::min(room, size_limit()));  // HDF5 frees it again, and must not run out of it
    } catch (...) {
      ::unlink(path_.c_str());
      throw;
    }
  }

  std::string path_;
  PosixFile file_;
};

void rename_file(const std::string& from, const std::string& to, const std::string& name) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw_system_error(fmt::format("{} cannot be replaced by the new file", name), errno);
}

/// Makes the target the previous generation too (or instead, where there are no hard links): at each moment one of both
/// names is a whole file. True when the target's own name is free now.
bool keep_previous(const std::string& target, const std::string& name) {
  const std::string previous = previous_name(target);
  const std::string second_name = temporary_name(previous);
  if (::link(target.c_str(), second_name.c_str()) == 0) {
    rename_file(second_name, previous, previous_name(name));
    ::unlink(second_name.c_str());  // rename does nothing when both names mean the same file already
    return false;
  }
  // A file system without hard links, or there is no target yet.
  if (::access(target.c_str(), F_OK) != 0) return false;
  rename_file(target, previous, previous_name(name));
  return true;
}

}  // namespace

OutputFile::OutputFile(const Communicator& comm, const std::string& target, const FileLayout& layout, Previous previous)
    : comm_(comm), name_(target), previous_(previous) {
  std::signal(SIGXFSZ,
              SIG_IGN);  // writing past the limit of the file size then fails with EFBIG instead of killing the process
  try {
    comm_.agree([&] {
      if (comm_.is_root()) lay_out(layout);
    });
    target_ = comm_.broadcast(target_);
    temporary_ = comm_.broadcast(temporary_);
    extents_.resize(layout.datasets.size());
    std::vector<Index> places{covered_};
    for (const Extent& extent : extents_) places.insert(places.end(), {extent.offset, extent.bytes});
    comm_.broadcast(std::span(places));
    covered_ = places[0];
    for (std::size_t i = 0; i < extents_.size(); ++i) extents_[i] = {places[2 * i + 1], places[2 * i + 2]};
    if (!comm_.is_root()) checksums_ = BlockChecksums(covered_);
  } catch (...) {
    if (remove_temporary_) ::unlink(temporary_.c_str());
    throw;
  }
}

OutputFile::~OutputFile() {
  if (remove_temporary_) ::unlink(temporary_.c_str());
}

void OutputFile::lay_out(const FileLayout& layout) {
  target_ = resolve_target(name_);
  remove_stale_temporaries(target_);
  check_size_limit(name_, layout);
  temporary_ = temporary_name(target_);
  file_ = PosixFile::create_exclusive(temporary_, name_);
  remove_temporary_ = true;

  const ScratchFile scratch;
  try {
    extents_ = create_layout(scratch.path(), layout);
  } catch (const Error& error) {
    throw Error(fmt::format("{} cannot be written: {}", name_, error.what()));
  }
  constexpr Index word = 8;
  covered_ = (scratch.file().size() + word - 1) / word * word;
  file_.reserve(covered_ + checksum_bytes(covered_));
  file_.copy_permissions(target_);
  checksums_ = BlockChecksums(covered_);
  copy_layout(scratch.file());
}

/// Copies everything that belongs to no dataset.
void OutputFile::copy_layout(const PosixFile& image) {
  const Index size = image.size();
  std::vector<Extent> taken = extents_;
  taken.push_back({covered_, 0});
  std::sort(taken.begin(), taken.end(), [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min(copy_bytes, covered_)));
  Index position = 0;
  for (const Extent& extent : taken) {
    while (position < extent.offset) {
      const auto bytes =
          std::span(piece).first(static_cast<std::size_t>(std::min(copy_bytes, extent.offset - position)));
      const Index stored = std::clamp<Index>(size - position, 0, static_cast<Index>(bytes.size()));
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
      image.read(position, bytes.first(static_cast<std::size_t>(stored)));
      checksums_.add(position, bytes);
      file_.write(position, bytes);
      position += static_cast<Index>(bytes.size());
    }
    position = std::max(position, extent.end());
  }
}

const PosixFile& OutputFile::file() {
  if (!file_.is_open()) file_ = PosixFile::open_for_writing(temporary_, name_);
  return file_;
}

void OutputFile::write(std::size_t dataset, Index first, std::span<const std::byte> bytes) {
  const Extent& extent = extents_[dataset];
  if (first < 0 || first + static_cast<Index>(bytes.size()) > extent.bytes)
    throw Error(fmt::format("{}: bytes {} to {} are outside of a dataset of {} bytes", name_, first,
                            first + static_cast<Index>(bytes.size()), extent.bytes));
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), static_cast<std::size_t>(copy_bytes)));
    checksums_.add(extent.offset + first, piece);
    file().write(extent.offset + first, piece);
    first += static_cast<Index>(piece.size());
    bytes = bytes.subspan(piece.size());
  }
}

void OutputFile::commit(const std::function<void(const std::string& file)>& look) {
  const std::vector<std::uint32_t> checksums = checksums_.combine(comm_, name_);
  comm_.agree([&] {
    write_checksums(checksums);
    if (file_.is_open()) file_.sync();
  });
  if (look) look(temporary_);
  comm_.agree([&] {
    if (comm_.is_root()) appear();
  });
  remove_temporary_ = false;
  file_ = PosixFile();
}

void OutputFile::write_checksums(const std::vector<std::uint32_t>& checksums) {
  const Index blocks = checksum_blocks(covered_);
  constexpr auto word = static_cast<Index>(sizeof(std::uint32_t));
  const Index first = slice_offsets(blocks, comm_.size())[static_cast<std::size_t>(comm_.rank())];
  if (!checksums.empty()) file().write(covered_ + first * word, std::as_bytes(std::span(checksums)));
  if (!comm_.is_root()) return;
  ChecksumFooter footer;
  footer.covered = static_cast<std::uint64_t>(covered_);
  file().write(covered_ + blocks * word, std::as_bytes(std::span(&footer, 1)));
}

void OutputFile::appear() const {
  const bool moved = previous_ == Previous::kept && keep_previous(target_, name_);
  try {
    rename_file(temporary_, target_, name_);
  } catch (const Error&) {
    if (moved) ::rename(previous_name(target_).c_str(), target_.c_str());
    throw;
  }
  sync_folder(folder_of(target_));
}

}  // namespace scanmf::io
