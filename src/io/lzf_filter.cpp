#include "io/lzf_filter.hpp"

#include <hdf5.h>
#include <liblzf/lzf.h>

#include <cerrno>
#include <cstdlib>

namespace scanmf::hdf5 {
namespace {

constexpr std::size_t largest_lzf_chunk = 0xFFFFFFFF;  // of HDF5

/// HDF5's filter function. parameters: the filter's revision, lzf's version, bytes of a chunk (0 or missing: not
/// known).
std::size_t apply(unsigned flags, std::size_t count, const unsigned* parameters, std::size_t size, std::size_t* room,
                  void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  const bool known = count >= 3 && parameters[2] != 0;
  for (std::size_t bytes = known ? parameters[2] : 4 * size; bytes <= largest_lzf_chunk; bytes *= 2) {
    void* const plain = std::malloc(bytes);  // HDF5 frees it
    if (plain == nullptr) return 0;
    errno = 0;
    const std::size_t unpacked = undo_lzf(*buffer, size, plain, bytes);
    if (unpacked > 0) {
      std::free(*buffer);
      *buffer = plain;
      *room = bytes;
      return unpacked;
    }
    std::free(plain);
    if (known || errno != E2BIG) return 0;
  }
  return 0;
}

}  // namespace

std::size_t undo_lzf(const void* packed, std::size_t size, void* to, std::size_t room) {
  if (size > largest_lzf_chunk || room > largest_lzf_chunk) return 0;
  return lzf_decompress(packed, static_cast<unsigned>(size), to, static_cast<unsigned>(room));
}

void register_lzf() {
  const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, lzf_filter, 0, 1, "lzf", nullptr, nullptr, apply};
  H5Zregister(&filter);
}

}  // namespace scanmf::hdf5
