#pragma once

#include <hdf5.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/hdf5.hpp"
#include "io/posix_file.hpp"

namespace scanmf::hdf5 {

/// Strings of variable length as they lie in the file, found without HDF5's own code for them, which crashes or never
/// ends on a damaged file. Every length and address is checked against the file.
///
///     element      | length 4 | address of a collection 8 | number of an object 4 |                     in the dataset
///     collection   | "GCOL" | version 1, 0 0 0 | bytes of all of it 8 | object | object | …             anywhere
///     object       | number 2 | references 2 | 0 0 0 0 | bytes 8 | the string, padded to 8 |
///                  number 0: free up to the end
class HeapStrings {
 public:
  static constexpr Index element_bytes = 16;

  /// base: where the file's addresses begin. place: of the dataset, for messages.
  HeapStrings(const std::string& file, Index base, std::string place);

  /// The string that an element refers to, up to its first zero byte. Throws Error that says what is damaged.
  std::string text(std::span<const std::byte> element);

  const io::PosixFile& file() const { return file_; }
  Index file_bytes() const { return file_bytes_; }

 private:
  struct Collection {
    std::vector<std::byte> bytes;
    std::unordered_map<std::uint32_t, std::pair<Index, Index>> objects;  // number: first byte, bytes
  };
  const Collection& collection(Index address);
  Collection read_collection(Index address) const;
  [[noreturn]] void refuse(const std::string& what) const;

  io::PosixFile file_;
  Index file_bytes_;
  Index base_;
  std::string place_;
  std::unordered_map<Index, Collection> kept_;
  Index kept_bytes_ = 0;
  Index text_bytes_ = 0;  // of all strings so far
};

/// Local. All strings of a 1-D dataset of strings of variable length; nullopt where its elements lie in a way that only
/// the library can read.
std::optional<std::vector<std::string>> read_heap_strings(const File& file, const Dataset& dataset);

}  // namespace scanmf::hdf5
