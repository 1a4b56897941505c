#pragma once

#include <string>
#include <vector>

#include "data/stored_matrix.hpp"

namespace scanmf::data {

/// The matrices of a file, and what else lies in it.
struct Contents {
  std::vector<StoredMatrix> matrices;  // that X can be
  std::vector<StoredMatrix> refused;   // that look like one, with the reason
  std::vector<std::string> others;     // all other datasets
  bool whole = true;                   // false: there are more objects than are looked at
};

/// Looks through a file, groups before what is in them, each object once whatever the number of its names; at most ten
/// thousand objects. Groups that cannot be read are passed over.
Contents contents_of(const hdf5::File& file);

/// "/X, /layers/counts, …"
std::string listing(const Contents& contents);
std::string listing(const std::vector<StoredMatrix>& matrices);

}  // namespace scanmf::data
