#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/hash.hpp"
#include "data/given_rows.hpp"
#include "data/typed_elements.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/data/rows_in_memory.hpp"

namespace scanmf {
namespace {

/// What element (row, column) adds to the sum; zeros, stored or not, add nothing.
std::uint64_t term(Index row, Index column, double value) {
  if (value == 0) return 0;
  const std::uint64_t place = scattered((static_cast<std::uint64_t>(row) << 32) + static_cast<std::uint64_t>(column));
  return scattered(place + std::bit_cast<std::uint64_t>(value));
}

/// Local. The sum over parts of 0 … count − 1, part by part on the threads of a team.
template <class Sum>
std::uint64_t sum_of_parts(Index count, Index elements, Sum&& sum) {
  const Team team = team_for(elements);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(team.size()), 0);
  team.in_parts(count, [&](int thread, Range part) { sums[static_cast<std::size_t>(thread)] = sum(part); });
  std::uint64_t total = 0;
  for (const std::uint64_t of_a_thread : sums) total += of_a_thread;
  return total;
}

/// Collective.
std::string text_of(const Communicator& comm, Index all_rows, Index columns, std::uint64_t sum) {
  std::uint64_t total = 0;
  for (const Index of_a_rank : comm.allgather(std::bit_cast<Index>(sum)))
    total += std::bit_cast<std::uint64_t>(of_a_rank);
  return fmt::format("{} x {} in memory, sum {:016x}", all_rows, columns, total);
}

template <class Element>
std::uint64_t sum_of_dense(const DenseRows& x, Index first_row) {
  const bool by_columns = std::abs(x.column_stride) > std::abs(x.row_stride);
  const Index columns_at_a_time = by_columns ? 16 : x.columns;  // so that what lies column by column stays in the cache
  const auto* const data = static_cast<const std::byte*>(x.data);
  return sum_of_parts(x.rows, x.rows * x.columns, [&](Range part) {
    std::uint64_t sum = 0;
    for (Index begin = 0; begin < x.columns; begin += columns_at_a_time)
      for (Index i = part.begin; i < part.end; ++i)
        for (Index j = begin; j < std::min(begin + columns_at_a_time, x.columns); ++j) {
          Element element;
          std::memcpy(&element, data + i * x.row_stride + j * x.column_stride, sizeof element);
          sum += term(first_row + i, j, static_cast<double>(element));
        }
    return sum;
  });
}

template <class I, class Element>
std::uint64_t sum_of_sparse(const SparseRows& x, Index first_row) {
  const I* const bounds = static_cast<const I*>(x.bounds);
  const I* const indices = static_cast<const I*>(x.indices);
  const Element* const values = static_cast<const Element*>(x.values);
  return sum_of_parts(x.by_columns ? x.columns : x.rows, x.stored, [&](Range part) {
    std::uint64_t sum = 0;
    for (Index slice = part.begin; slice < part.end; ++slice)
      for (Index p = bounds[slice]; p < static_cast<Index>(bounds[slice + 1]); ++p) {
        const auto index = static_cast<Index>(indices[p]);
        const auto value = static_cast<double>(values[p]);
        sum += x.by_columns ? term(first_row + index, slice, value) : term(first_row + slice, index, value);
      }
    return sum;
  });
}

}  // namespace

std::string rows_fingerprint(const Communicator& comm, const DenseRows& local_rows) {
  const data::GivenRows given(comm, local_rows.rows);
  const Index columns = data::agreed_columns(comm, local_rows.rows, local_rows.columns);
  const std::uint64_t sum = data::with_element_type(local_rows.type, [&]<class Element>() {
    return sum_of_dense<Element>(local_rows, given.first_row(comm.rank()));
  });
  return text_of(comm, given.total(), columns, sum);
}

std::string rows_fingerprint(const Communicator& comm, const SparseRows& local_rows) {
  const data::GivenRows given(comm, local_rows.rows);
  const Index columns = data::agreed_columns(comm, local_rows.rows, local_rows.columns);
  const std::uint64_t sum = data::with_element_type(local_rows.type, [&]<class Element>() {
    const Index first = given.first_row(comm.rank());
    return local_rows.index_type == ElementType::int64 ? sum_of_sparse<std::int64_t, Element>(local_rows, first)
                                                       : sum_of_sparse<std::int32_t, Element>(local_rows, first);
  });
  return text_of(comm, given.total(), columns, sum);
}

}  // namespace scanmf
