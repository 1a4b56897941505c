#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::formats {

/// Bytes that are read from first to last, as often as one likes: a file, plain or compressed, or a member of an
/// archive.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `bytes` bytes; fewer at the end only. Throws Error with the reason.
  virtual Index read(void* to, Index bytes) = 0;
  virtual void rewind() = 0;
  /// No more bytes than these can come: what a header states is measured against it before memory is taken.
  virtual Index most_bytes() const = 0;
};

/// Reads a source from its beginning through a buffer, as bytes or as lines. Errors: Error with the source's name.
class InputReader {
 public:
  /// A file, plain or compressed by gzip.
  explicit InputReader(const std::string& name);
  InputReader(const std::string& name, std::unique_ptr<ByteSource> source);
  ~InputReader();
  InputReader(const InputReader&) = delete;
  InputReader& operator=(const InputReader&) = delete;

  const std::string& name() const { return name_; }
  /// False when a header that states so many bytes must lie; nullopt stands for more than can be counted.
  bool could_hold(std::optional<Index> bytes) const { return bytes && *bytes <= source_->most_bytes(); }

  /// Up to `bytes` bytes; fewer at the end only.
  Index read(void* to, Index bytes);
  /// Throws when the source ends before; `what` names what is read, for the message.
  void read_exactly(void* to, Index bytes, const char* what);
  void skip(Index bytes, const char* what);
  void rewind();

  /// Once more from the beginning, as text: a UTF-8 byte order mark is skipped, UTF-16 and UTF-32 are refused.
  void begin_text();
  /// The next character of the text, -1 at its end; "\r\n" and "\r" come as "\n". Throws at a NUL byte.
  int next_character() {
    const int c = next_byte();
    if (c > '\r') return c;
    return special_character(c);
  }
  /// The next line without its end; false at the end of the text.
  bool read_line(std::string& line);
  /// Of the line read last, counted from 1.
  Index line_number() const { return line_number_; }

 private:
  int next_byte() {
    if (at_ == end_ && !fill()) return -1;
    return static_cast<unsigned char>(buffer_[at_++]);
  }
  int special_character(int c);
  bool fill();

  std::string name_;
  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  Index line_number_ = 0;
  Index breaks_ = 0;  // ends of lines that were met
};

/// Reverses the bytes of each element, `bytes` long.
void swap_bytes(void* elements, Index count, Index bytes);

}  // namespace scanmf::formats
