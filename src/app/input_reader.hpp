#pragma once

#include <string>

#include "scanmf/core/types.hpp"

struct gzFile_s;

namespace scanmf::app {

/// Reads a file from its beginning, plain or compressed by gzip. Errors: Error with the file's name.
class InputReader {
 public:
  explicit InputReader(const std::string& name);
  ~InputReader();
  InputReader(const InputReader&) = delete;
  InputReader& operator=(const InputReader&) = delete;

  const std::string& name() const { return name_; }
  /// Up to `bytes` bytes; fewer at the end of the file only.
  Index read(void* to, Index bytes);
  /// Throws when the file ends before; `what` names what is read, for the message.
  void read_exactly(void* to, Index bytes, const char* what);
  /// The next line without its end ("\n" or "\r\n"); false at the end of the file. Numbers of lines begin at 1.
  bool read_line(std::string& line);
  Index line_number() const { return line_number_; }
  void seek(Index position);

 private:
  std::string name_;
  gzFile_s* file_ = nullptr;
  Index line_number_ = 0;
};

/// Reverses the bytes of each element, `bytes` long.
void swap_bytes(void* elements, Index count, Index bytes);

}  // namespace scanmf::app
