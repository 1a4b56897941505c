#include "formats/input_reader.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>

#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;

/// A file that zlib reads: plain ones as they are.
class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& name) : name_(name) {
    struct stat status {};
    if (::stat(name.c_str(), &status) != 0) fail(std::strerror(errno));
    if (S_ISDIR(status.st_mode)) fail("it is a folder");
    if (!S_ISREG(status.st_mode)) fail("it is not a regular file (convert reads its input twice)");
    size_ = static_cast<Index>(status.st_size);
    errno = 0;
    file_ = gzopen(name.c_str(), "rb");
    if (file_ == nullptr) fail(errno != 0 ? std::strerror(errno) : "out of memory");
    gzbuffer(file_, 1U << 18);
  }
  ~FileSource() override { gzclose(file_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Index read(void* to, Index bytes) override {
    constexpr Index most = Index{1} << 30;
    Index done = 0;
    while (done < bytes) {
      const auto piece = static_cast<unsigned>(std::min(most, bytes - done));
      const int got = gzread(file_, static_cast<char*>(to) + done, piece);
      int code = Z_OK;
      const char* reason = gzerror(file_, &code);
      if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        fail(code == Z_ERRNO       ? std::strerror(errno)
             : code == Z_BUF_ERROR ? "the compressed data end too early"
                                   : reason);
      done += got;
      if (got < static_cast<int>(piece)) break;
    }
    return done;
  }
  void rewind() override {
    if (gzrewind(file_) != 0) fail("it cannot be read a second time");
  }
  Index most_bytes() const override {
    constexpr Index most_of_deflate = 1032;  // bytes that come of one
    if (gzdirect(file_) != 0) return size_;
    return size_ > std::numeric_limits<Index>::max() / most_of_deflate ? std::numeric_limits<Index>::max()
                                                                       : size_ * most_of_deflate;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("cannot read '{}': {}", name_, reason));
  }
  std::string name_;
  Index size_ = 0;
  gzFile file_ = nullptr;
};

}  // namespace

InputReader::InputReader(const std::string& name) : InputReader(name, std::make_unique<FileSource>(name)) {}

InputReader::InputReader(const std::string& name, std::unique_ptr<ByteSource> source)
    : name_(name), source_(std::move(source)), buffer_(buffer_bytes) {}

InputReader::~InputReader() = default;

bool InputReader::fill() {
  at_ = 0;
  end_ = static_cast<std::size_t>(source_->read(buffer_.data(), static_cast<Index>(buffer_.size())));
  return end_ > 0;
}

Index InputReader::read(void* to, Index bytes) {
  const Index buffered = std::min(bytes, static_cast<Index>(end_ - at_));
  std::memcpy(to, buffer_.data() + at_, static_cast<std::size_t>(buffered));
  at_ += static_cast<std::size_t>(buffered);
  return buffered == bytes ? bytes : buffered + source_->read(static_cast<char*>(to) + buffered, bytes - buffered);
}

void InputReader::read_exactly(void* to, Index bytes, const char* what) {
  if (read(to, bytes) < bytes) throw Error(fmt::format("'{}' ends within {}: the file is cut short", name_, what));
}

void InputReader::skip(Index bytes, const char* what) {
  std::vector<char> nowhere(static_cast<std::size_t>(std::min<Index>(bytes, buffer_bytes)));
  for (Index done = 0; done < bytes; done += static_cast<Index>(nowhere.size()))
    read_exactly(nowhere.data(), std::min(bytes - done, static_cast<Index>(nowhere.size())), what);
}

void InputReader::rewind() {
  source_->rewind();
  at_ = end_ = 0;

  line_number_ = breaks_ = 0;
}

void InputReader::begin_text() {
  rewind();
  if (!fill()) return;
  const std::string_view head(buffer_.data(), end_);
  if (head.starts_with("\xEF\xBB\xBF")) at_ = 3;
  const bool utf16 = head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF");
  const bool utf32 =
      head.starts_with(std::string_view("\0\0\xFE\xFF", 4)) || head.starts_with(std::string_view("\xFF\xFE\0\0", 4));
  const char* const name = utf32 ? "UTF-32" : "UTF-16";
  if (utf16 || utf32)
    throw Error(fmt::format("'{}' is written in {}: make it UTF-8 first (iconv -f {} -t UTF-8)", name_, name, name));
}

int InputReader::special_character(int c) {
  if (c == 0) throw Error(fmt::format("'{}' line {}: a NUL byte: this is no text", name_, breaks_ + 1));
  if (c != '\r' && c != '\n') return c;
  ++breaks_;
  if (c == '\n') return c;
  if ((at_ < end_ || fill()) && buffer_[at_] == '\n') ++at_;
  return '\n';
}

bool InputReader::read_line(std::string& line) {
  line.clear();
  int c = next_character();
  if (c < 0) return false;
  ++line_number_;
  for (; c >= 0 && c != '\n'; c = next_character()) line.push_back(static_cast<char>(c));
  return true;
}

void swap_bytes(void* elements, Index count, Index bytes) {
  auto* element = static_cast<char*>(elements);
  for (Index i = 0; i < count; ++i, element += bytes) std::reverse(element, element + bytes);
}

}  // namespace scanmf::formats
