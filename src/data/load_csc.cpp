#include <algorithm>

#include "data/csr_source.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/sparse_reader.hpp"
#include "data/validation.hpp"

namespace scanmf::data {
namespace {

/// Turns columns into rows: ranks read equal parts of the stored elements and send each to the owner of its row, a
/// bounded number at a time.
///
///     file      | column 0 | column 1 |  ...  | column n-1 |
///     read by   | rank 0         | rank 1         | rank 2  |
///     rounds     1  2  3  4       1  2  3  4       1  2  3      each rank's next elements, exchanged by all at once
template <Scalar T>
class Transposition {
 public:
  Transposition(const Communicator& comm, const SparseReader<T>& reader, const Shape& shape, const LoadOptions& options)
      : comm_(comm), reader_(reader), shape_(shape), check_sign_(options.check_sign) {
    const std::vector<Index> shares = slice_offsets(reader.stored(), comm.size());
    own_ = {shares[static_cast<std::size_t>(comm.rank())], shares[static_cast<std::size_t>(comm.rank()) + 1]};
    // All ranks may have read rows of the same owner, who receives them at once.
    const Index element_bytes = sizeof(Index) + sizeof(std::int32_t) + sizeof(T);
    round_ = std::max<Index>(1, options.piece_bytes / element_bytes / comm.size());
    rounds_ = (comm.max(own_.size()) + round_ - 1) / round_;
    comm.agree([&] {
      bounds_.resize(static_cast<std::size_t>(shape.columns + 1));
      reader_.read_bounds(Range{0, shape.columns}, bounds_.data());
    });
  }

  /// Collective. Stored elements of each tile, and one for each row.
  std::vector<Index> tile_weights(const TileNumbers& tiles) {
    std::vector<Index> weights(static_cast<std::size_t>(tiles.count()), 0);
    comm_.agree([&] {
      std::vector<Index> rows;
      for (Index round = 0; round < rounds_; ++round) {
        read_round(round, rows);
        for (const Index row : rows) ++weights[static_cast<std::size_t>(tiles.of_row(row))];
      }
    });
    comm_.allreduce_sum(std::span<Index>(weights));
    for (Index tile = 0; tile < tiles.count(); ++tile)
      weights[static_cast<std::size_t>(tile)] += tiles.first_row(tile + 1) - tiles.first_row(tile);
    return weights;
  }

  /// Collective. The rows that this rank owns, elements in the order in which they came; offenders go to `inspection`.
  CsrRows<T> transpose(const RowPartition& partition, Inspection& inspection) {
    partition_ = &partition;
    CsrRows<T> own;
    comm_.agree([&] { own.row_begin = Buffer<Index>(partition.local_rows(comm_.rank()) + 1, 0); });
    count_elements(own.row_begin);
    comm_.agree([&] {
      own.column = Buffer<std::int32_t>(own.row_begin[own.row_begin.size() - 1]);
      own.value = Buffer<T>(own.row_begin[own.row_begin.size() - 1]);
      next_.assign(own.row_begin.data(), own.row_begin.data() + own.row_begin.size());
    });
    for (Index round = 0; round < rounds_; ++round) place_elements(round, own, inspection);
    next_.clear();
    next_.shrink_to_fit();
    return own;
  }

 private:
  Range positions(Index round) const {
    return {std::min(own_.end, own_.begin + round * round_), std::min(own_.end, own_.begin + (round + 1) * round_)};
  }

  void read_round(Index round, std::vector<Index>& rows) const {
    rows.resize(static_cast<std::size_t>(positions(round).size()));
    if (!rows.empty()) reader_.read_rows(positions(round), rows.data());
  }

  struct Owner {
    int rank;
    Index local_row;
  };
  Owner owner_of(Index row) const {
    const Index batch = row / partition_->batch_rows();
    int low = 0;
    for (int high = comm_.size() - 1; low < high;) {  // the first rank whose piece ends after the row
      const int middle = (low + high) / 2;
      if (partition_->piece(batch, middle).end > row)
        high = middle;
      else
        low = middle + 1;
    }
    return {low, partition_->local_begin(batch, low) + row - partition_->piece(batch, low).begin};
  }

  /// row_begin becomes the bounds of this rank's rows.
  void count_elements(Buffer<Index>& row_begin) {
    std::vector<Index> rows;
    for (Index round = 0; round < rounds_; ++round) {
      std::vector<std::vector<Index>> outgoing(static_cast<std::size_t>(comm_.size()));
      comm_.agree([&] {
        read_round(round, rows);
        for (const Index row : rows) {
          const Owner owner = owner_of(row);
          outgoing[static_cast<std::size_t>(owner.rank)].push_back(owner.local_row);
        }
      });
      for (const auto& part : comm_.exchange(outgoing))
        for (const Index row : part) ++row_begin[row + 1];
    }
    for (Index i = 1; i < row_begin.size(); ++i) row_begin[i] += row_begin[i - 1];
  }

  void place_elements(Index round, CsrRows<T>& own, Inspection& inspection) {
    const auto ranks = static_cast<std::size_t>(comm_.size());
    std::vector<std::vector<Index>> rows(ranks);
    std::vector<std::vector<std::int32_t>> columns(ranks);
    std::vector<std::vector<T>> values(ranks);
    comm_.agree([&] {
      std::vector<Index> read_rows;
      read_round(round, read_rows);
      std::vector<T> read_values(read_rows.size());
      const Range part = positions(round);
      if (!part.empty()) reader_.read_values(part, read_values.data());
      Index column = std::upper_bound(bounds_.begin(), bounds_.end(), part.begin) - bounds_.begin() - 1;
      for (std::size_t p = 0; p < read_rows.size(); ++p) {
        while (bounds_[static_cast<std::size_t>(column) + 1] <= part.begin + static_cast<Index>(p)) ++column;
        if (const auto flaw = flaw_of(read_values[p], check_sign_))
          inspection.add(Offence{read_rows[p], column, *flaw});
        const Owner owner = owner_of(read_rows[p]);
        const auto to = static_cast<std::size_t>(owner.rank);
        rows[to].push_back(owner.local_row);
        columns[to].push_back(static_cast<std::int32_t>(column));
        values[to].push_back(read_values[p]);
      }
    });
    const auto incoming_rows = comm_.exchange(rows);
    const auto incoming_columns = comm_.exchange(columns);
    const auto incoming_values = comm_.exchange(values);
    for (std::size_t from = 0; from < ranks; ++from) {
      for (std::size_t p = 0; p < incoming_rows[from].size(); ++p) {
        const Index place = next_[static_cast<std::size_t>(incoming_rows[from][p])]++;
        own.column[place] = incoming_columns[from][p];
        own.value[place] = incoming_values[from][p];
      }
    }
  }

  const Communicator& comm_;
  const SparseReader<T>& reader_;
  Shape shape_;
  bool check_sign_;
  Range own_;  // positions that this rank reads
  Index round_ = 1;
  Index rounds_ = 0;
  const RowPartition* partition_ = nullptr;
  std::vector<Index> bounds_;  // of the columns
  std::vector<Index> next_;    // place of the next element of each row
};

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> load_csc(const Communicator& comm, const MatrixDescription& description,
                                        const LoadOptions& options, FileWatch& watch) {
  std::optional<OpenSparse<T>> x;
  comm.agree([&] {
    x.emplace(description, options.piece_bytes);
    watch.add(x->reader.files());
  });
  Transposition<T> transposition(comm, x->reader, description.shape, options);
  const bool dense = held_dense(description, options);
  std::vector<Index> weights;
  if (!dense) weights = transposition.tile_weights(sparse_tiles(description.shape, options));
  RowPartition partition =
      partition_for(comm, dense ? StorageKind::dense : options.sparse_tiles, description.shape, options, weights);
  Inspection inspection(options);
  CsrRows<T> rows = transposition.transpose(partition, inspection);
  comm.agree([&] { watch.check(); });
  return source_of_csr(comm, description.shape, std::move(partition), std::move(rows), dense, inspection, options,
                       place_of(description));
}

template std::unique_ptr<DataSource<float>> load_csc(const Communicator&, const MatrixDescription&, const LoadOptions&,
                                                     FileWatch&);
template std::unique_ptr<DataSource<double>> load_csc(const Communicator&, const MatrixDescription&, const LoadOptions&,
                                                      FileWatch&);

}  // namespace scanmf::data
