#include "app/input_reader.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "scanmf/core/error.hpp"

namespace scanmf::app {

InputReader::InputReader(const std::string& name) : name_(name) {
  std::error_code error;
  if (std::filesystem::is_directory(name, error)) throw Error(fmt::format("cannot read '{}': it is a folder", name));
  errno = 0;
  file_ = gzopen(name.c_str(), "rb");
  if (file_ == nullptr) throw Error(fmt::format("cannot read '{}': {}", name, errno != 0 ? std::strerror(errno) : "out of memory"));
  gzbuffer(file_, 1U << 20);
}

InputReader::~InputReader() { gzclose(file_); }

Index InputReader::read(void* to, Index bytes) {
  constexpr Index most = Index{1} << 30;
  Index done = 0;
  while (done < bytes) {
    const auto piece = static_cast<unsigned>(std::min(most, bytes - done));
    const int got = gzread(file_, static_cast<char*>(to) + done, piece);
    int code = Z_OK;
    const char* reason = gzerror(file_, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      throw Error(fmt::format("cannot read '{}': {}", name_,
                              code == Z_ERRNO       ? std::strerror(errno)
                              : code == Z_BUF_ERROR ? "the compressed data end too early"
                                                    : reason));
    }
    done += got;
    if (got < static_cast<int>(piece)) break;
  }
  return done;
}

void InputReader::read_exactly(void* to, Index bytes, const char* what) {
  if (read(to, bytes) < bytes) throw Error(fmt::format("'{}' ends within {}: the file is cut short", name_, what));
}

bool InputReader::read_line(std::string& line) {
  line.clear();
  char piece[65536];
  while (gzgets(file_, piece, sizeof piece) != nullptr) {
    line += piece;
    if (!line.empty() && line.back() == '\n') break;
  }
  int code = Z_OK;
  const char* reason = gzerror(file_, &code);
  if (code != Z_OK && code != Z_STREAM_END) throw Error(fmt::format("cannot read '{}' behind line {}: {}", name_, line_number_, reason));
  if (line.empty()) return false;
  ++line_number_;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return true;
}

void InputReader::seek(Index position) {
  if (gzseek(file_, static_cast<z_off_t>(position), SEEK_SET) < 0) throw Error(fmt::format("cannot read '{}' at byte {}", name_, position));
  if (position == 0) line_number_ = 0;
}

void swap_bytes(void* elements, Index count, Index bytes) {
  auto* element = static_cast<char*>(elements);
  for (Index i = 0; i < count; ++i, element += bytes) std::reverse(element, element + bytes);
}

}  // namespace scanmf::app
