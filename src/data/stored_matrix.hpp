#pragma once

#include <string>
#include <vector>

#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// The program, or kind of file, whose conventions an object of a file follows.
enum class Writer { plain, anndata, tenx, seurat, matlab, octave, loom, pandas, rhdf5 };

/// What an object of a file is.
enum class Nature {
  matrix,     // X can be it
  other,      // something with a meaning of its own, whose members are no matrices either
  container,  // a group, or something else that says nothing of itself
};

/// An object of a file by the conventions of its writer; nothing of X has been read.
///
/// "As stored" is the order of HDF5, rows first. MATLAB, Octave and loom show people the transpose of it
/// (columns_first).
struct StoredMatrix {
  std::string path;  // that people name: a dataset or a group
  Nature nature = Nature::container;
  Writer writer = Writer::plain;
  FileFormat format = FileFormat::dense;
  std::string dataset = {};  // dense: where the numbers are, maybe within the group
  SparseParts parts = {};    // sparse
  Shape shape = {};          // sparse: stated, as stored
  bool columns_first = false;
  bool must_be_told = false;  // sparse: the file cannot be known to hold X or its transpose
  std::string refusal = {};   // why it cannot be read, in a sentence with its place; empty: nothing is known against it
  std::vector<double> missing = {};  // marks of missing values (data/missing.hpp)
};

/// What lies at this path. Throws Error for what says that it is a matrix but is none.
StoredMatrix recognise(const hdf5::File& file, const std::string& path);

/// "group/member"
std::string inside(const std::string& group, const std::string& member);
/// The group around `path`; "" above the root.
std::string parent_of(const std::string& path);

/// For people: "MATLAB", "loom", …
const char* name_of(Writer writer);

}  // namespace scanmf::data
