#include <algorithm>

#include "data/dense_rows.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/open_array.hpp"
#include "data/parallel_parts.hpp"

namespace scanmf::data {
namespace {

/// Dense X that lies in its file by features: ranks read equal parts of the file and send each owner of samples its
/// elements, a bounded number at a time.
///
///     file: features    | unit 0 | unit 1 | unit 2 |
///      × samples        | unit 3 | unit 4 | unit 5 |
///     read by            rank 0: units 0 and 1, rank 1: 2 and 3, rank 2: 4 and 5
///     rounds             each rank's next units, exchanged by all at once
template <Scalar T>
class DenseTransposition {
 public:
  DenseTransposition(const Communicator& comm, const Array& array, const RowPartition& partition, Index piece_bytes)
      : comm_(comm), array_(array), partition_(partition) {
    // Rows of a chunkless file are read in runs, of some features at a time, so that what is put into a row of X is
    // more than one element.
    constexpr Index features = 16;
    constexpr Index samples = Index{1} << 14;
    const bool chunked = array.facts().chunk_rows > 0;
    height_ = chunked ? array.unit_rows() : std::min(features, array.rows());
    width_ = chunked ? array.unit_columns() : std::min(samples, array.columns());
    across_ = (array.columns() + width_ - 1) / width_;
    shares_ = slice_offsets((array.rows() + height_ - 1) / height_ * across_, comm.size());
    // All ranks may have read samples of the same owner, who receives them at once.
    round_ = std::max<Index>(1, piece_bytes / static_cast<Index>(sizeof(T)) / (height_ * width_) / comm.size());
    Index most = 0;
    for (std::size_t rank = 1; rank < shares_.size(); ++rank) most = std::max(most, shares_[rank] - shares_[rank - 1]);
    rounds_ = (most + round_ - 1) / round_;
  }

  /// Collective.
  void run(LocalRows<T>& to) const {
    for (Index round = 0; round < rounds_; ++round) {
      std::vector<std::vector<T>> outgoing;
      comm_.agree([&] { outgoing = read_round(round); });
      put_round(round, comm_.exchange(outgoing), to);
    }
  }

 private:
  struct Unit {
    Range features;
    Range samples;
  };
  Unit unit(Index number) const {
    const Index row = number / across_ * height_;
    const Index column = number % across_ * width_;
    return {{row, std::min(array_.rows(), row + height_)}, {column, std::min(array_.columns(), column + width_)}};
  }
  Range units(Index round, int rank) const {
    const auto at = static_cast<std::size_t>(rank);
    const Index begin = std::min(shares_[at + 1], shares_[at] + round * round_);
    return {begin, std::min(shares_[at + 1], begin + round_)};
  }

  /// Calls visit(batch, samples) for those of the samples that `owner` owns, in ascending order.
  template <class Visit>
  void for_each_owned(int owner, Range samples, Visit&& visit) const {
    for (Index batch = samples.begin / partition_.batch_rows(); batch <= (samples.end - 1) / partition_.batch_rows();
         ++batch) {
      const Range piece = partition_.piece(batch, owner);
      const Range shared = {std::max(piece.begin, samples.begin), std::min(piece.end, samples.end)};
      if (!shared.empty()) visit(batch, shared);
    }
  }

  /// This rank's units of a round, transposed: for each owner its samples, one after the other, unit by unit.
  std::vector<std::vector<T>> read_round(Index round) const {
    const auto ranks = static_cast<std::size_t>(comm_.size());
    const Range own = units(round, comm_.rank());
    std::vector<std::vector<Index>> places;  // of each unit's elements among those for each owner
    std::vector<Index> lengths(ranks, 0);
    for (Index number = own.begin; number < own.end; ++number) {
      places.push_back(lengths);
      for (std::size_t owner = 0; owner < ranks; ++owner)
        for_each_owned(static_cast<int>(owner), unit(number).samples,
                       [&](Index, Range samples) { lengths[owner] += samples.size() * unit(number).features.size(); });
    }
    std::vector<std::vector<T>> outgoing(ranks);
    for (std::size_t owner = 0; owner < ranks; ++owner)
      outgoing[owner].resize(static_cast<std::size_t>(lengths[owner]));
    for_all_parts<Scratch<T>>(own.size(), [&](Index i, Scratch<T>& scratch) {
      const auto [features, all_samples] = unit(own.begin + i);
      const Index first = all_samples.begin;
      const MatrixView<const T> view = array_.read(features, all_samples, scratch);
      for (std::size_t owner = 0; owner < ranks; ++owner) {
        T* to = outgoing[owner].data() + places[static_cast<std::size_t>(i)][owner];
        for_each_owned(static_cast<int>(owner), all_samples, [&](Index, Range samples) {
          for (Index j = samples.begin - first; j < samples.end - first; ++j)
            for (Index f = 0; f < view.rows; ++f) *to++ = view(f, j);
        });
      }
    });
    return outgoing;
  }

  void put_round(Index round, const std::vector<std::vector<T>>& incoming, LocalRows<T>& to) const {
    for (int reader = 0; reader < comm_.size(); ++reader) {
      const T* next = incoming[static_cast<std::size_t>(reader)].data();
      const Range read = units(round, reader);
      for (Index number = read.begin; number < read.end; ++number) {
        const Range features = unit(number).features;
        for_each_owned(comm_.rank(), unit(number).samples, [&](Index batch, Range samples) {
          to.piece(batch).put(samples.begin - partition_.piece(batch, comm_.rank()).begin, features.begin,
                              MatrixView<const T>(next, samples.size(), features.size()));
          next += samples.size() * features.size();
        });
      }
    }
  }

  const Communicator& comm_;
  const Array& array_;
  const RowPartition& partition_;
  Index height_ = 1;  // of a unit
  Index width_ = 1;
  Index across_ = 1;           // units side by side
  std::vector<Index> shares_;  // ranks + 1; the first unit of each
  Index round_ = 1;            // units of a rank in a round
  Index rounds_ = 0;
};

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> load_transposed(const Communicator& comm, const MatrixDescription& description,
                                               const LoadOptions& options, FileWatch& watch) {
  RowPartition partition = partition_for(comm, StorageKind::dense, description.shape, options);
  std::unique_ptr<Array> array;
  std::optional<LocalRows<T>> rows;
  comm.agree([&] {
    array = open_matrix_array(description, std::max<Index>(1, options.piece_bytes / comm.size()));
    watch.add(array->facts().files);
    rows.emplace(comm, partition, description.shape.columns);
  });
  DenseTransposition<T>(comm, *array, partition, options.piece_bytes).run(*rows);
  Inspection inspection(options);
  comm.agree([&] {
    watch.check();
    rows->inspect(inspection);
  });
  const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
  return std::make_unique<DenseMemorySource<T>>(comm, description.shape, std::move(partition), summary, rows->take());
}

template std::unique_ptr<DataSource<float>> load_transposed(const Communicator&, const MatrixDescription&,
                                                            const LoadOptions&, FileWatch&);
template std::unique_ptr<DataSource<double>> load_transposed(const Communicator&, const MatrixDescription&,
                                                             const LoadOptions&, FileWatch&);

}  // namespace scanmf::data
