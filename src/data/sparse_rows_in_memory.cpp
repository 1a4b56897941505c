#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "data/csr_source.hpp"
#include "data/given_rows.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/sparse_reader.hpp"
#include "data/typed_elements.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace data {
namespace {

/// Throws unless the bounds ascend from 0 and end within the stored elements, and every index lies in 0 … limit − 1.
template <class I>
void check_arrays(const SparseRows& from, Index slices, Index limit) {
  const I* const bounds = static_cast<const I*>(from.bounds);
  bool ascends = bounds[0] == 0 && static_cast<Index>(bounds[slices]) <= from.stored;
  for (Index i = 0; i < slices && ascends; ++i) ascends = bounds[i] <= bounds[i + 1];
  if (!ascends) throw Error("a sparse matrix has an indptr that does not ascend from 0 to the number of its elements");
  const I* const indices = static_cast<const I*>(from.indices);
  const Index stored = bounds[slices];
  std::atomic<bool> inside = true;
  team_for(stored).in_parts(stored, [&](int, Range part) {
    const auto lies_inside = [limit](I index) { return index >= 0 && static_cast<Index>(index) < limit; };
    if (!std::all_of(indices + part.begin, indices + part.end, lies_inside)) inside = false;
  });
  if (!inside)
    throw Error(fmt::format("a sparse matrix has an index out of range: not all lie in 0 ... {}", limit - 1));
}

/// The given rows in compressed form, elements as they are stored.
template <class I, class From, Scalar T>
CsrRows<T> copy_rows(const SparseRows& from) {
  const I* const bounds = static_cast<const I*>(from.bounds);
  const I* const indices = static_cast<const I*>(from.indices);
  const From* const values = static_cast<const From*>(from.values);
  const Index stored = from.rows == 0 ? 0 : static_cast<Index>(bounds[from.rows]);
  CsrRows<T> rows{Buffer<Index>(from.rows + 1, 0), Buffer<std::int32_t>(stored), Buffer<T>(stored)};
  const Team team = team_for(stored);
  team.for_each(from.rows, [&](Index i) { rows.row_begin[i + 1] = static_cast<Index>(bounds[i + 1]); });
  team.for_each(stored, [&](Index p) {
    rows.column[p] = static_cast<std::int32_t>(indices[p]);
    rows.value[p] = static_cast<T>(values[p]);
  });
  return rows;
}

/// The same from columns: rows are counted, then each thread places the elements of its share of the rows, in the order
/// of columns.
template <class I, class From, Scalar T>
CsrRows<T> turn_columns(const SparseRows& from) {
  const I* const bounds = static_cast<const I*>(from.bounds);
  const I* const row_of = static_cast<const I*>(from.indices);
  const From* const values = static_cast<const From*>(from.values);
  const Index stored = bounds[from.columns];
  CsrRows<T> rows{Buffer<Index>(from.rows + 1, 0), Buffer<std::int32_t>(stored), Buffer<T>(stored)};
  for (Index p = 0; p < stored; ++p) ++rows.row_begin[static_cast<Index>(row_of[p]) + 1];
  for (Index i = 0; i < from.rows; ++i) rows.row_begin[i + 1] += rows.row_begin[i];
  Buffer<Index> next(from.rows);
  std::copy_n(rows.row_begin.data(), from.rows, next.data());
  for (Index j = 0; j < from.columns; ++j)
    for (Index p = bounds[j]; p < static_cast<Index>(bounds[j + 1]); ++p) {
      const Index place = next[static_cast<Index>(row_of[p])]++;
      rows.column[place] = static_cast<std::int32_t>(j);
      rows.value[place] = static_cast<T>(values[p]);
    }
  return rows;
}

template <Scalar T>
CsrRows<T> given_as_csr(const SparseRows& from) {
  const auto with_index = [&]<class I>() {
    if (from.by_columns)
      check_arrays<I>(from, from.columns, from.rows);
    else
      check_arrays<I>(from, from.rows, from.columns);
    return with_element_type(from.type, [&]<class From>() {
      return from.by_columns ? turn_columns<I, From, T>(from) : copy_rows<I, From, T>(from);
    });
  };
  return from.index_type == ElementType::int64 ? with_index.template operator()<std::int64_t>()
                                               : with_index.template operator()<std::int32_t>();
}

/// Collective. The cost of each tile: stored elements, and one for each row.
template <Scalar T>
std::vector<Index> weights_of(const Communicator& comm, const CsrRows<T>& rows, Index first_row,
                              const TileNumbers& tiles) {
  std::vector<Index> weights(static_cast<std::size_t>(tiles.count()), 0);
  for (Index i = 0; i + 1 < rows.row_begin.size(); ++i)
    weights[static_cast<std::size_t>(tiles.of_row(first_row + i))] += rows.row_begin[i + 1] - rows.row_begin[i] + 1;
  comm.allreduce_sum(std::span<Index>(weights));
  return weights;
}

/// Rows on their way from the ranks that have given them to those that own them.
template <Scalar T>
class RowsToOwners {
 public:
  RowsToOwners(const Communicator& comm, const GivenRows& given, const RowPartition& partition, const CsrRows<T>& from)
      : comm_(comm), given_(given), partition_(partition), from_(from) {}

  /// Collective. round_rows: given rows of each rank that are sent at a time.
  CsrRows<T> run(Index round_rows) {
    CsrRows<T> own;
    comm_.agree([&] { own.row_begin = Buffer<Index>(partition_.local_rows(comm_.rank()) + 1, 0); });
    const Range all = {0, given_.most_of_a_rank()};
    const auto place_lengths = [&](Index local_row, const Index* lengths, Index rows) {
      std::copy_n(lengths, rows, own.row_begin.data() + local_row + 1);
      return rows;
    };
    exchange<Index>(
        all, [&](Index row) { return length_of(row); }, place_lengths);
    for (Index i = 1; i < own.row_begin.size(); ++i) own.row_begin[i] += own.row_begin[i - 1];
    comm_.agree([&] {
      const Index stored = own.row_begin[own.row_begin.size() - 1];
      own.column = Buffer<std::int32_t>(stored);
      own.value = Buffer<T>(stored);
    });
    for (Index begin = 0; begin < all.end; begin += round_rows) {
      const Range sent = {begin, begin + round_rows};
      exchange_elements<std::int32_t>(sent, from_.column, own.row_begin, own.column);
      exchange_elements<T>(sent, from_.value, own.row_begin, own.value);
    }
    return own;
  }

 private:
  std::span<const Index> length_of(Index row) {
    length_ = from_.row_begin[row + 1] - from_.row_begin[row];
    return {&length_, 1};
  }

  /// of_row: what is sent of a given row; place(local row, values, rows) takes what has come for consecutive rows and
  /// returns how much that was.
  template <class V, class OfRow, class Place>
  void exchange(Range sent, OfRow&& of_row, Place&& place) {
    const int own = comm_.rank();
    std::vector<std::vector<V>> outgoing(static_cast<std::size_t>(comm_.size()));
    comm_.agree([&] {
      for (int owner = 0; owner < comm_.size(); ++owner)
        given_.for_each_shared(own, owner, sent, partition_, [&](Index, Range rows) {
          const Range given = given_.given_range(rows);
          auto& to = outgoing[static_cast<std::size_t>(owner)];
          for (Index row = given.begin; row < given.end; ++row) {
            const std::span<const V> elements = of_row(row);
            to.insert(to.end(), elements.begin(), elements.end());
          }
        });
    });
    const std::vector<std::vector<V>> incoming = comm_.exchange(outgoing);
    for (int giver = 0; giver < comm_.size(); ++giver) {
      const V* next = incoming[static_cast<std::size_t>(giver)].data();
      given_.for_each_shared(giver, own, sent, partition_, [&](Index batch, Range rows) {
        const Index local_row = partition_.local_begin(batch, own) + rows.begin - partition_.piece(batch, own).begin;
        next += place(local_row, next, rows.size());
      });
    }
  }

  template <class V>
  void exchange_elements(Range sent, const Buffer<V>& from, const Buffer<Index>& bounds, Buffer<V>& to) {
    const auto of_row = [&](Index row) {
      const Index begin = from_.row_begin[row];
      return std::span<const V>(from.data() + begin, static_cast<std::size_t>(from_.row_begin[row + 1] - begin));
    };
    exchange<V>(sent, of_row, [&](Index local_row, const V* values, Index rows) {
      const Index count = bounds[local_row + rows] - bounds[local_row];
      std::copy_n(values, count, to.data() + bounds[local_row]);
      return count;
    });
  }

  const Communicator& comm_;
  const GivenRows& given_;
  const RowPartition& partition_;
  const CsrRows<T>& from_;
  Index length_ = 0;
};

/// Rows of each rank that are sent at a time, so that they take about so many bytes.
template <Scalar T>
Index rows_of_a_round(const Communicator& comm, const CsrRows<T>& rows, Index bytes) {
  const Index count = rows.row_begin.size() - 1;
  const double of_a_row = static_cast<double>(rows.value.size()) * (sizeof(T) + sizeof(std::int32_t)) /
                          static_cast<double>(std::max<Index>(1, count));
  return std::max<Index>(1, static_cast<Index>(static_cast<double>(bytes) / std::max(1.0, comm.max(of_a_row))));
}

}  // namespace
}  // namespace data

template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, SparseRows local_rows,
                                                const LoadOptions& options) {
  const Index columns = data::agreed_columns(comm, local_rows.rows, local_rows.columns);
  const data::GivenRows given(comm, local_rows.rows);
  const Shape shape = {given.total(), columns};
  data::check_not_empty(shape, options.estimator, "data in memory");
  data::CsrRows<T> rows;
  comm.agree([&] {
    if (columns > std::numeric_limits<std::int32_t>::max())
      throw Error(fmt::format("sparse X of {} columns has too many", columns));
    rows = data::given_as_csr<T>(local_rows);
  });
  const bool dense = data::held_dense(shape, comm.sum(rows.value.size()), options);
  std::vector<Index> weights;
  if (!dense) weights = data::weights_of(comm, rows, given.first_row(comm.rank()), data::sparse_tiles(shape, options));
  RowPartition partition =
      data::partition_for(comm, dense ? StorageKind::dense : options.sparse_tiles, shape, options, weights);
  if (comm.size() > 1)
    rows =
        data::RowsToOwners<T>(comm, given, partition, rows).run(data::rows_of_a_round(comm, rows, options.piece_bytes));
  data::Inspection inspection(options);
  return data::source_of_csr(comm, shape, std::move(partition), std::move(rows), dense, inspection, options, "");
}

template std::unique_ptr<DataSource<float>> source_from_rows(const Communicator&, SparseRows, const LoadOptions&);
template std::unique_ptr<DataSource<double>> source_from_rows(const Communicator&, SparseRows, const LoadOptions&);

}  // namespace scanmf
