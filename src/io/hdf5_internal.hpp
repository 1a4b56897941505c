#pragma once

#include <string>

#include "io/hdf5.hpp"

namespace scanmf::hdf5 {

/// Throws Error "<action> <place>: <HDF5's reason>".
[[noreturn]] void fail(const std::string& action, const std::string& place);

/// Passes an identifier or status on, throws when it is negative.
template <class Value>
Value check(Value value, const char* action, const std::string& place) {
  if (value < 0) fail(action, place);
  return value;
}

/// Throws Error when the file of an object, open for reading, has become shorter than it was when it was opened: HDF5
/// reads zeros beyond the end.
void refuse_shortened(hid_t object, const std::string& place);

/// UTF-8 string type; length 0: variable.
TypeHandle string_type(Index length);

/// Truth values as h5py writes them: an enumeration FALSE, TRUE of one byte.
TypeHandle boolean_type();
/// A contiguous dataset of them whose space is allocated at once and not filled.
Dataset create_flag_dataset(File& file, const std::string& path, const std::vector<Index>& dimensions);

/// Cuts the padding off a string of fixed length.
std::string without_padding(const char* text, Index length, H5T_str_t padding);

}  // namespace scanmf::hdf5
