#include "formats/zip_archive.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <limits>

#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

class MemberSource : public ByteSource {
 public:
  MemberSource(std::shared_ptr<zip> archive, const std::string& file, const std::string& member)
      : archive_(std::move(archive)), file_(file), member_(member) {
    zip_stat_t status;
    if (zip_stat(archive_.get(), member.c_str(), 0, &status) != 0) fail(zip_strerror(archive_.get()));
    index_ = status.index;
    constexpr zip_uint64_t most_of_deflate = 1032;  // bytes that come of one
    const zip_uint64_t packed =
        std::min<zip_uint64_t>(status.comp_size, std::numeric_limits<Index>::max() / most_of_deflate);
    most_bytes_ = static_cast<Index>(status.comp_method == ZIP_CM_STORE ? packed : packed * most_of_deflate);
    rewind();
  }
  ~MemberSource() override {
    if (entry_ != nullptr) zip_fclose(entry_);
  }
  MemberSource(const MemberSource&) = delete;
  MemberSource& operator=(const MemberSource&) = delete;

  Index read(void* to, Index bytes) override {
    Index done = 0;
    while (done < bytes) {
      const zip_int64_t got = zip_fread(entry_, static_cast<char*>(to) + done, static_cast<zip_uint64_t>(bytes - done));
      if (got < 0) fail(zip_file_strerror(entry_));
      if (got == 0) break;
      done += got;
    }
    return done;
  }
  void rewind() override {
    if (entry_ != nullptr) zip_fclose(entry_);
    entry_ = zip_fopen_index(archive_.get(), index_, 0);
    if (entry_ == nullptr) fail(zip_strerror(archive_.get()));
  }
  Index most_bytes() const override { return most_bytes_; }

 private:
  [[noreturn]] void fail(const char* reason) const {
    throw Error(fmt::format("cannot read '{}' of '{}': {}", member_, file_, reason));
  }

  std::shared_ptr<zip> archive_;
  std::string file_;
  std::string member_;
  zip_uint64_t index_ = 0;
  zip_file_t* entry_ = nullptr;
  Index most_bytes_ = 0;
};

}  // namespace

ZipArchive::ZipArchive(const std::string& file) : file_(file) {
  int code = 0;
  zip_t* const archive = zip_open(file.c_str(), ZIP_RDONLY, &code);
  if (archive == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw Error(fmt::format("cannot read '{}': {}", file, reason));
  }
  archive_ = {archive, zip_discard};
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* const name = zip_get_name(archive, static_cast<zip_uint64_t>(i), 0);
    if (name != nullptr) members_.emplace_back(name);
  }
}

bool ZipArchive::has(const std::string& member) const {
  return std::find(members_.begin(), members_.end(), member) != members_.end();
}

std::unique_ptr<InputReader> ZipArchive::open(const std::string& member) const {
  return std::make_unique<InputReader>(file_ + ":" + member, std::make_unique<MemberSource>(archive_, file_, member));
}

}  // namespace scanmf::formats
