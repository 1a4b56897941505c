#pragma once

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Collective. X that is read from its file in every pass, by threads that read ahead; within options.memory bytes of a
/// rank. Reads it once to validate it. description: dense and not transposed, or CSR. Logs advice on the file's layout
/// where that costs repeated reading.
template <Scalar T>
std::unique_ptr<DataSource<T>> streamed_source(const Communicator& comm, const MatrixDescription& description,
                                               const LoadOptions& options);

}  // namespace scanmf::data
