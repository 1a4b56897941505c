#pragma once

#include <cstddef>

namespace scanmf::hdf5 {

/// h5py's fast filter, as it is registered with The HDF Group.
constexpr int lzf_filter = 32000;

/// Unpacks a chunk; returns the bytes written, 0 when the chunk is damaged or `room` is too small.
std::size_t undo_lzf(const void* packed, std::size_t size, void* to, std::size_t room);

/// Makes HDF5 read (not write) lzf wherever it meets it: numbers through the library, names. To be called once, with
/// Lock.
void register_lzf();

}  // namespace scanmf::hdf5
