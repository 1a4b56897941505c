#pragma once

#include "data/memory_source.hpp"
#include "data/validation.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Collective. A source of the rows that this rank owns, elements as they came (unsorted, repeated, zeros): settled,
/// inspected and, if `dense`, packed. inspection: what has been found on the way. place: for messages.
template <Scalar T>
std::unique_ptr<DataSource<T>> source_of_csr(const Communicator& comm, const Shape& shape, RowPartition partition,
                                             CsrRows<T> rows, bool dense, Inspection& inspection,
                                             const LoadOptions& options, const std::string& place);

}  // namespace scanmf::data
