#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace scanmf::hdf5 {

/// The file in which a dataset lies: not the one that was opened, where an external link leads to another.
std::string file_holding(const Dataset& dataset);

/// All files in which elements of a dataset lie: the one that holds it, external raw files, those behind a virtual
/// dataset.
std::vector<std::string> files_of(const Dataset& dataset);

/// The first object of a file whose elements lie in other files that it names relative to a folder: "/X, which
/// lies in part.h5". A copy of the file in another folder would lose them.
std::optional<std::string> relative_reference(const File& file);

/// One line, with the dataset's place, on what keeps its elements from being read as their writer meant them, and what
/// to do; nullopt: nothing. HDF5 itself gives fill values (zeros) for most of it: a filter that the library lacks; a
/// source of a virtual dataset that is missing, or elements that none is mapped to; external raw files that are missing
/// or cut short; a file that ends before a contiguous dataset does.
std::optional<std::string> what_hinders_reading(const Dataset& dataset);

/// The value that elements have which were never written, if the writer chose one; nullopt also when it is no number.
std::optional<double> chosen_fill_value(const Dataset& dataset);

/// A number as elements of a floating-point dataset hold it, rounded to their type; as it is where they are integers.
double in_type_of(const Dataset& dataset, double number);

/// True when not one element was ever written, although more than 64 MiB of them are declared, and nobody chose the
/// value that they would all have.
bool never_written(const Dataset& dataset);

}  // namespace scanmf::hdf5
