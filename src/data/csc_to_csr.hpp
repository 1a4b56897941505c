#pragma once

#include "data/matrix_file_writer.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Local. Writes a CSC matrix as CSR, /X with its names, in T. Columns ascend within a row; duplicates stay. Besides the bounds of rows and columns
/// it takes `memory` bytes: the file is read once for each group of rows that fits. Errors: wrong indices, as of load_matrix.
template <Scalar T>
void write_csc_as_csr(const MatrixDescription& csc, Index memory, MatrixFileWriter& out);

}  // namespace scanmf::data
