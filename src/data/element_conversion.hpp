#pragma once

#include <cstddef>
#include <cstdint>

#include "io/raw_type.hpp"

namespace scanmf::data {

/// Turns `count` elements as they lie in a file into T, rounded to nearest. Integers that do not fit into std::int32_t
/// become its smallest or largest number. Throws Error, without a place, for long doubles of another kind of machine.
template <class T>
using Conversion = void (*)(const std::byte* from, Index count, T* to);

/// The conversion for elements of this type; T = float, double for any type, std::int32_t and Index for integers.
template <class T>
Conversion<T> conversion_from(const io::RawType& type);

/// True when the bytes in the file are those of T in memory.
template <class T>
bool is_native(const io::RawType& type);

/// Undoes HDF5's shuffle filter: byte b of element i lies at b · (size / element_bytes) + i; a rest shorter than an
/// element is not shuffled.
void unshuffle(const std::byte* from, Index size, Index element_bytes, std::byte* to);

}  // namespace scanmf::data
