#include "data/streamed_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.hpp"
#include "data/block_queue.hpp"
#include "data/chunk_feed.hpp"
#include "data/csr_feed.hpp"
#include "data/dense_feed.hpp"
#include "data/file_watch.hpp"
#include "data/layout_advice.hpp"
#include "data/load.hpp"
#include "data/open_array.hpp"
#include "data/row_exchange.hpp"
#include "data/stream_plan.hpp"
#include "data/validation.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::data {
namespace {

constexpr Index unlimited = std::numeric_limits<Index>::max();

/// X read from its file in every pass.
template <Scalar T>
class StreamedSource : public DataSource<T> {
 public:
  StreamedSource(const Communicator& comm, const MatrixDescription& description, const LoadOptions& options)
      : comm_(comm), description_(description), options_(options), threads_(thread_count()) {
    comm.agree([&] { watch_.emplace(description); });
    if (kind() == StorageKind::dense)
      prepare_dense();
    else
      prepare_sparse();
    Inspection inspection(options);
    comm.agree([&] {
      for (Index batch = 0; batch < partition_->batches(); ++batch)
        visit(batch, [&](const Block<T>& block) {
          std::visit([&](const auto& matrix) { inspection.add(matrix, block.global_row); }, block.matrix);
        });
    });
    summary_ = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
    waited_at_first_ = waited();
    cost_ = {};
  }

  Shape shape() const override { return description_.shape; }
  StorageKind kind() const override { return description_.kind(); }
  const RowPartition& partition() const override { return *partition_; }
  const Communicator& communicator() const override { return comm_; }
  const DataSummary& summary() const override { return summary_; }
  bool in_memory() const override { return false; }
  Index bytes() const override { return queue_->bytes() + (exchange_ ? exchange_->bytes() : 0); }
  double seconds_waited() const override { return waited() - waited_at_first_; }
  bool exchanges() const override { return exchange_ != nullptr; }
  ExchangeCost exchange_cost() const override { return cost_; }
  Index chunks_inflated() const override {
    return array_ ? array_->chunks_inflated()
                  : sparse_->values().chunks_inflated() + sparse_->indices().chunks_inflated();
  }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    if (!exchange_) {
      read(partition_->piece(batch, comm_.rank()),
           [&] { queue_->visit(batch, [&](const Slot<T>& slot) { visitor(slot.block); }); });
      return;
    }
    const Range steps = plan_->steps_of(batch);
    for (Index step = steps.begin; step < steps.end; ++step) visit_step(step, visitor);
  }

 private:
  /// rows: of this rank, that it is about.
  template <class Work>
  void read(Range rows, Work&& work) {
    watch_->check(rows);
    try {
      work();
    } catch (const Error&) {
      watch_->check(rows);  // names the cause, if that is it
      throw;
    }
    watch_->check(rows);  // HDF5 reads zeros beyond the end of a file
  }

  /// Collective. A step that is visited again is not exchanged again.
  void visit_step(Index step, const typename DataSource<T>::Visitor& visitor) {
    if (ready_step_ != step) {
      ready_step_ = -1;
      const Timer reading;
      read_ = nullptr;
      comm_.agree([&] {
        read(plan_->rows(step, comm_.rank()), [&] {
          queue_->visit(step, [&](Slot<T>& slot) { read_ = &slot; });
        });  // the slot stays until the next step
      });
      waited_for_ranks_ += reading.seconds();
      const Timer exchanging;
      const Index bytes_before = comm_.bytes();
      exchange_->exchange(step, read_);
      ++cost_.calls;
      cost_.bytes += comm_.bytes() - bytes_before;
      cost_.seconds += exchanging.seconds();
    }
    std::exception_ptr failure;
    try {
      if (ready_step_ != step) block_ = &exchange_->assemble(step, read_);
      if (block_->rows() > 0) visitor(*block_);
    } catch (...) {
      failure = std::current_exception();
    }
    const Timer agreeing;
    comm_.agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
    cost_.seconds += agreeing.seconds();
    ready_step_ = step;
  }

  double waited() const { return exchange_ ? waited_for_ranks_ : queue_->seconds_waited(); }

  Index slot_limit() const { return options_.memory.value_or(unlimited) / local_parts; }
  /// Collective. The least memory that a rank has for X.
  Index memory_of_all() const { return -comm_.max(-options_.memory.value_or(unlimited)); }
  Index block_bytes() const { return thread_bytes * threads_; }

  void prepare_dense() {
    partition_ = partition_for(comm_, StorageKind::dense, description_.shape, options_);
    dense_.tile_rows = partition_->tile_rows();
    dense_.tiles_a_stratum = partition_->tiles_a_stratum();
    dense_.tile_bytes =
        checked_product({partition_->tile_rows(), padded_columns<T>(description_.shape.columns), Index{sizeof(T)}})
            .value_or(unlimited);
    dense_.longest_piece = longest_piece();
    dense_.threads = threads_;
    const Index most_bytes = dense_.tiles_within(slot_limit()) * dense_.tile_bytes;
    comm_.agree([&] {
      array_ = open_matrix_array(description_, std::min({options_.piece_bytes, block_bytes(), most_bytes}));
      watch_->add(array_->facts().files);
      dense_.unit_rows = array_->unit_rows();
      dense_.units_across = array_->units_across();
      dense_.chunk_rows = array_->facts().chunk_rows;
      dense_.chunk_bytes = array_->chunk_bytes();
    });
    if (exchange_dense()) return;
    Index readings = 1;
    comm_.agree([&] {
      block_rows_ = dense_.block_rows_within(slot_limit());
      readings = dense_.readings_within(slot_limit());
      if (dense_.chunks_fit(1, slot_limit())) array_->keep_chunks(dense_.kept_chunks(1, slot_limit()));
      queue_.emplace(std::make_unique<DenseFeed<T>>(*array_, *partition_, comm_.rank(), block_rows_),
                     partition_->batches(), most_slots, threads_);
    });
    if (const Index most = comm_.max(readings); most > 1)
      advice().warn_of_readings(block_rows_, most, memory_for_one_reading(), block_rows_);
  }

  LayoutAdvice advice() const {
    if (array_) return {comm_, description_, data_type_of<T>, {array_.get()}};
    return {comm_, description_, data_type_of<T>, {&sparse_->values(), &sparse_->indices()}};
  }

  /// Collective. With it each chunk is read once a pass, if any has that effect.
  Index memory_for_one_reading() const {
    const Index part = dense_.limit_for_one_reading();
    if (comm_.max(dense_.readings_within(part)) > 1) return unlimited;
    return part * (may_exchange() ? dense_exchange_parts : local_parts);
  }

  /// Batches that may cut chunks between ranks.
  bool may_exchange() const { return partition_->batches() > 1 && comm_.size() > 1; }

  /// Collective. Prepares for exchanging rows where batches cut chunks between ranks. False when nothing is to be
  /// exchanged, or memory is too short.
  bool exchange_dense() {
    const Index height = comm_.max(array_->filtered_rows());
    const Index piece_rows = comm_.max(longest_piece());
    if (!may_exchange() || height == 1) return false;
    const Index limit = memory_of_all() / dense_exchange_parts;
    const Index columns = description_.shape.columns;
    const Index part = choose_plan(piece_rows, {}, limit, [&](const ExchangePlan& plan) {
      return std::max(DenseChunkFeed<T>::bytes_needed(plan, height, columns),
                      DenseExchange<T>::bytes_needed(plan, columns) / 2);
    });
    const Index rows_of_chunks = plan_->rounds() > 1 ? plan_->most_chunks(height) : 1;
    const Index chunk_bytes = dense_.bytes_of_chunks(rows_of_chunks);
    if (!plan_is_useful(part, limit, height)) {
      if (part > limit && height > piece_rows)
        advice().warn_of_local_reading(height, piece_rows, "rows", std::max(part, chunk_bytes) * dense_exchange_parts,
                                       dense_.block_rows_within(slot_limit()));
      return false;
    }
    const bool keep = dense_.chunks_fit(rows_of_chunks, limit);
    comm_.agree([&] {
      block_rows_ = plan_->block_rows();
      if (keep) array_->keep_chunks(dense_.kept_chunks(rows_of_chunks, limit));
      exchange_ = std::make_unique<DenseExchange<T>>(comm_, *plan_, columns, height);
      queue_.emplace(std::make_unique<DenseChunkFeed<T>>(*array_, *plan_, comm_.rank(), height), plan_->steps(),
                     most_slots, threads_);
    });
    if (const Index readings = plan_->steps_of_chunk(height); !keep && readings > 1)
      advice().warn_of_readings(block_rows_, readings,
                                array_->compressed() ? chunk_bytes * dense_exchange_parts : unlimited, block_rows_);
    return true;
  }

  /// Makes the plan with the longest rounds in which bytes_needed(plan) keeps to the limit, or with rounds of one tile;
  /// returns its bytes.
  template <class BytesNeeded>
  Index choose_plan(Index piece_rows, const std::vector<Index>& tile_positions, Index limit,
                    BytesNeeded&& bytes_needed) {
    const Index tile_rows = partition_->tile_rows();
    for (Index tiles = (piece_rows + tile_rows - 1) / tile_rows;; tiles = (tiles + 1) / 2) {
      plan_.emplace(*partition_, tiles * tile_rows, tile_positions);
      const Index bytes = bytes_needed(*plan_);
      if (bytes <= limit || tiles == 1) return bytes;
    }
  }

  /// Forgets the plan when no chunk is cut between ranks, when its bytes exceed the limit, or when it needs rounds
  /// although chunks are low: each round would come back to the chunks at the edges, and reading locally inflates no
  /// others twice.
  bool plan_is_useful(Index bytes, Index limit, Index height) {
    const bool useful = plan_->cuts(height) && bytes <= limit && (plan_->in_turns(height) || plan_->rounds() == 1);
    if (!useful) plan_.reset();
    return useful;
  }

  void prepare_sparse() {
    comm_.agree([&] {
      sparse_.emplace(hdf5::File::open(description_.file), description_, std::min(options_.piece_bytes, block_bytes()));
      watch_->add(sparse_->files());
    });
    const std::vector<Index> weights = csr_tile_weights(comm_, *sparse_, sparse_tiles(description_.shape, options_));
    partition_ = partition_for(comm_, options_.sparse_tiles, description_.shape, options_, weights);
    if (exchange_sparse(weights)) return;
    keep_sparse_chunks(1, 1, local_parts);
    comm_.agree([&] {
      constexpr Index element_bytes = sizeof(T) + sizeof(std::int32_t);
      const Index strata =
          threads_ == 1 ? 1 : partition_->tiles_a_stratum();  // so that each thread has some of a block
      const Index within = slot_limit() / (average_tile_bytes(weights) + 1);
      const Index tiles = std::clamp<Index>(within > strata ? within / strata * strata : within, 1, threads_ * strata);
      auto feed =
          std::make_unique<CsrFeed<T>>(*sparse_, *partition_, comm_.rank(), description_.shape.columns, tiles,
                                       std::min(slot_limit(), block_bytes()) / element_bytes, options_.check_sign);
      queue_.emplace(std::move(feed), partition_->batches(), most_slots, threads_);
    });
  }

  /// Collective. As exchange_dense().
  bool exchange_sparse(const std::vector<Index>& tile_weights) {
    if (!may_exchange()) return false;
    ChunkHeights heights{comm_.max(sparse_->values().filtered_rows()), comm_.max(sparse_->indices().filtered_rows())};
    const Index highest = std::max(heights.values, heights.indices);
    if (highest == 1) return false;
    if (heights.values == 1) heights.values = highest;
    if (heights.indices == 1) heights.indices = highest;
    const Index piece_rows = comm_.max(longest_piece());
    const std::vector<Index> positions = tile_positions(tile_weights);
    const Index piece_elements = ExchangePlan(*partition_, piece_rows, positions).most_received();
    const Index limit = memory_of_all() / sparse_exchange_parts;
    const Index part = choose_plan(piece_rows, positions, limit, [&](const ExchangePlan& plan) {
      return std::max(CsrChunkFeed<T>::bytes_needed(plan, heights), CsrExchange<T>::bytes_needed(plan));
    });
    const bool again = plan_->rounds() > 1;  // every round comes back to the same chunks
    const Index of_values = again ? plan_->most_chunks(heights.values) : 1;
    const Index of_indices = again ? plan_->most_chunks(heights.indices) : 1;
    if (!plan_is_useful(part, limit, highest)) {
      const Index enough = std::max(part, bytes_of_chunks(of_values, of_indices)) * sparse_exchange_parts;
      if (part > limit && highest > piece_elements)
        advice().warn_of_local_reading(highest, piece_elements, "elements", enough,
                                       elements_within(memory_of_all() / local_parts));
      return false;
    }
    block_rows_ = plan_->block_rows();
    keep_sparse_chunks(of_values, of_indices, sparse_exchange_parts);
    comm_.agree([&] {
      exchange_ = std::make_unique<CsrExchange<T>>(comm_, *plan_, *sparse_, description_.shape.columns, heights,
                                                   options_.check_sign);
      queue_.emplace(std::make_unique<CsrChunkFeed<T>>(*sparse_, *plan_, comm_.rank(), heights), plan_->steps(),
                     most_slots, threads_);
    });
    return true;
  }

  /// Collective. Keeps chunks of each array that are needed again; one of each in any case, since every part of it
  /// would inflate it anew.
  void keep_sparse_chunks(Index of_values, Index of_indices, Index parts) {
    const Index limit = memory_of_all() / parts;
    const Index needed = bytes_of_chunks(of_values, of_indices);
    const Index pair = bytes_of_chunks(1, 1);
    if (pair == 0) return;
    if (needed <= limit) {
      const Index spare = spare_chunks(limit - needed, pair, threads_);
      sparse_->keep_chunks(of_values + spare, of_indices + spare);
    } else {
      sparse_->keep_chunks(1, 1);
      warn_of_sparse_chunks(pair, limit, needed * (may_exchange() ? sparse_exchange_parts : parts));
    }
  }

  void warn_of_sparse_chunks(Index pair, Index limit, Index enough) const {
    const Index most = std::min(elements_within(limit), plan_ ? plan_->most_received() : unlimited);
    if (pair > limit)
      advice().warn(
          fmt::format("whose chunks take {} bytes when they are inflated, where --memory leaves {}", pair, limit),
          enough, most);
    else
      advice().warn_of_readings(
          block_rows_,
          plan_->steps_of_chunk(std::max(sparse_->values().filtered_rows(), sparse_->indices().filtered_rows())),
          enough, most);
  }

  Index elements_within(Index bytes) const {
    return bytes / (sparse_->values().facts().element_bytes + sparse_->indices().facts().element_bytes);
  }
  Index bytes_of_chunks(Index of_values, Index of_indices) const {
    return of_values * sparse_->values().chunk_bytes() + of_indices * sparse_->indices().chunk_bytes();
  }

  /// Collective. Where the elements of each tile begin in the file, and where the last ones end.
  std::vector<Index> tile_positions(const std::vector<Index>& tile_weights) const {
    const TileNumbers tiles = sparse_tiles(description_.shape, options_);
    std::vector<Index> positions(1, 0);
    comm_.agree([&] {
      positions[0] = sparse_->position_of(0);
      for (Index tile = 0; tile < tiles.count(); ++tile)
        positions.push_back(positions.back() + tile_weights[static_cast<std::size_t>(tile)] -
                            (tiles.first_row(tile + 1) - tiles.first_row(tile)));
    });
    return positions;
  }

  Index average_tile_bytes(const std::vector<Index>& weights) const {
    const auto tiles = static_cast<Index>(weights.size());
    return (description_.stored * static_cast<Index>(sizeof(T) + sizeof(std::int32_t)) +
            description_.shape.rows * static_cast<Index>(sizeof(Index))) /
           tiles;
  }

  Index longest_piece() const {
    Index longest = 1;
    for (Index batch = 0; batch < partition_->batches(); ++batch)
      longest = std::max(longest, partition_->piece(batch, comm_.rank()).size());
    return longest;
  }

  const Communicator& comm_;
  const MatrixDescription description_;
  const LoadOptions options_;
  int threads_;
  Index block_rows_ = 0;  // dense, or exchanged
  std::optional<FileWatch> watch_;
  std::optional<RowPartition> partition_;
  DenseStreamPlan dense_;
  std::unique_ptr<Array> array_;           // dense
  std::optional<SparseReader<T>> sparse_;  // CSR
  DataSummary summary_;
  double waited_at_first_ = 0;        // while the file was read for validation
  std::optional<ExchangePlan> plan_;  // these where rows are exchanged
  std::unique_ptr<RowExchange<T>> exchange_;
  Index ready_step_ = -1;    // whose block is the one that has been put together
  Slot<T>* read_ = nullptr;  // by this rank, in this step
  const Block<T>* block_ = nullptr;
  double waited_for_ranks_ = 0;
  ExchangeCost cost_;
  std::optional<BlockQueue<T>> queue_;  // last: its threads use the others
};

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> streamed_source(const Communicator& comm, const MatrixDescription& description,
                                               const LoadOptions& options) {
  return std::make_unique<StreamedSource<T>>(comm, description, options);
}

template std::unique_ptr<DataSource<float>> streamed_source(const Communicator&, const MatrixDescription&,
                                                            const LoadOptions&);
template std::unique_ptr<DataSource<double>> streamed_source(const Communicator&, const MatrixDescription&,
                                                             const LoadOptions&);

}  // namespace scanmf::data
