#pragma once

#include <vector>

#include "data/matrix_file_writer.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

struct SparseWriting {
  Index memory = Index{1} << 30;    // for rows of CSR that come of CSC
  bool allow_missing = false;       // NaN may be written
  std::vector<Range> columns = {};  // that are written, ascending; empty: all
};

/// What was written.
struct WrittenCsr {
  Shape shape;
  Index stored = 0;
};

/// Local. Writes a sparse matrix as CSR, /X without names, in T. Of CSC, columns ascend within a row; duplicates stay.
/// Besides the bounds of rows and columns that takes `memory` bytes: the file is read once for each group of rows that
/// fits. Errors: wrong indices, as of load_matrix; infinite numbers, and NaN unless it is allowed.
template <Scalar T>
WrittenCsr write_as_csr(const MatrixDescription& sparse, const SparseWriting& options, MatrixFileWriter& out);

}  // namespace scanmf::data
