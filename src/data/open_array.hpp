#pragma once

#include <memory>
#include <string>

#include "data/array.hpp"
#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Local. A dataset of numbers, read in the fastest way that its layout allows:
///
///   contiguous   pread at the elements' place, in the file in which they lie (which an external link may name)
///   chunks       unfiltered, deflate, lzf, shuffle: raw chunks, inflated by the calling thread outside of HDF5's lock
///   library      everything else: through HDF5, one thread at a time
///
/// piece_bytes: the most that a unit may hold where the layout leaves the choice. Throws Error when something hinders
/// reading (a filter that the library lacks, a missing source of a virtual dataset), and for a dataset that was never
/// written.
std::unique_ptr<Array> open_array(hdf5::Dataset dataset, Index piece_bytes);

/// Local. The array of a dense matrix as it lies in its file, checked against the description.
std::unique_ptr<Array> open_matrix_array(const MatrixDescription& description, Index piece_bytes);

}  // namespace scanmf::data
