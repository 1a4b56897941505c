#include "data/row_exchange.hpp"

#include <algorithm>

#include "data/packing.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf::data {
namespace {

/// Collective. Elements of one array, `width` of them a position. read: what this rank has read for others in the step;
/// received: the first position that it gets in the step. Positions that a rank has read for itself are left alone.
template <class E>
void exchange_positions(const Communicator& comm, const ExchangePlan& plan, Index step, Index height, Index width,
                        const E* read, E* received) {
  const auto elements = [width](Index positions) { return static_cast<std::size_t>(positions * width); };
  std::vector<Message<const E>> outgoing;
  plan.for_each_read(step, comm.rank(), height, [&](int owner, Range run, Index place) {
    if (owner != comm.rank()) outgoing.push_back({owner, {read + elements(place), elements(run.size())}});
  });
  std::vector<Message<E>> incoming;
  const Index begin = plan.positions(step, comm.rank()).begin;
  plan.for_each_run(step, comm.rank(), height, [&](int reader, Range run) {
    if (reader != comm.rank())
      incoming.push_back({reader, {received + elements(run.begin - begin), elements(run.size())}});
  });
  comm.exchange<E>(outgoing, incoming);
}

/// Copies what this rank has read for itself; `read` and `received` begin with the first position that it gets.
template <class E>
void copy_own(const Communicator& comm, const ExchangePlan& plan, Index step, Index height, const E* read,
              E* received) {
  const Index begin = plan.positions(step, comm.rank()).begin;
  plan.for_each_run(step, comm.rank(), height, [&](int reader, Range run) {
    if (reader == comm.rank()) std::copy_n(read + (run.begin - begin), run.size(), received + (run.begin - begin));
  });
}

/// What does not depend on the storage.
template <Scalar T>
void number_block(const ExchangePlan& plan, Index step, int rank, Block<T>& block) {
  const RowPartition& partition = plan.partition();
  const Index batch = plan.batch_of(step);
  block.global_row = plan.rows(step, rank).begin;
  block.local_row = partition.local_begin(batch, rank) + block.global_row - partition.piece(batch, rank).begin;
  block.first_tile = partition.tile_in_batch(block.global_row);
  block.tiles_a_stratum = partition.tiles_a_stratum();
  block.first_tiles = partition.first_tiles();
}

}  // namespace

template <Scalar T>
DenseExchange<T>::DenseExchange(const Communicator& comm, const ExchangePlan& plan, Index columns, Index height)
    : comm_(comm),
      plan_(plan),
      columns_(columns),
      height_(height),
      received_(plan.block_rows() * columns),
      packed_(plan.block_rows() * padded_columns<T>(columns)) {}

template <Scalar T>
void DenseExchange<T>::exchange(Index step, const Slot<T>* read) {
  exchange_positions<T>(comm_, plan_, step, height_, columns_, read != nullptr ? read->value.data() : nullptr,
                        received_.data());
}

template <Scalar T>
const Block<T>& DenseExchange<T>::assemble(Index step, Slot<T>* read) {
  const Range rows = plan_.rows(step, comm_.rank());
  std::vector<Range> received;
  plan_.for_each_run(step, comm_.rank(), height_, [&](int reader, Range run) {
    if (reader != comm_.rank()) received.push_back({run.begin - rows.begin, run.end - rows.begin});
  });
  const Index tile_rows = plan_.partition().tile_rows();
  const PackedRows<T> to{read != nullptr ? read->packed.data() : packed_.data(), rows.size(), columns_, tile_rows};
  const Index tiles = (rows.size() + tile_rows - 1) / tile_rows;
  Team().for_each(tiles, [&](Index tile) {
    for (const Range run : received) {
      const Range shared = {std::max(run.begin, tile * tile_rows), std::min(run.end, (tile + 1) * tile_rows)};
      if (!shared.empty())
        to.put(shared.begin, 0, {received_.data() + shared.begin * columns_, shared.size(), columns_});
    }
  });
  number_block(plan_, step, comm_.rank(), block_);
  block_.matrix = to.block();
  return block_;
}

template <Scalar T>
CsrExchange<T>::CsrExchange(const Communicator& comm, const ExchangePlan& plan, const SparseReader<T>& reader,
                            Index columns, ChunkHeights heights, bool check_sign)
    : comm_(comm),
      plan_(plan),
      columns_(columns),
      heights_(heights),
      check_sign_(check_sign),
      selected_(reader.selected()),
      bounds_(reader, plan.partition(), comm.rank()),
      row_begin_(plan.block_rows() + 1),
      column_(plan.most_received()),
      value_(plan.most_received()) {}

template <Scalar T>
void CsrExchange<T>::exchange(Index step, const Slot<T>* read) {
  const Index own = plan_.positions(step, comm_.rank()).size();  // they come first in the slot
  exchange_positions<std::int32_t>(comm_, plan_, step, heights_.indices, 1,
                                   read != nullptr ? read->column.data() + own : nullptr, column_.data());
  exchange_positions<T>(comm_, plan_, step, heights_.values, 1, read != nullptr ? read->value.data() + own : nullptr,
                        value_.data());
}

template <Scalar T>
const Block<T>& CsrExchange<T>::assemble(Index step, Slot<T>* read) {
  if (read != nullptr) {
    copy_own<std::int32_t>(comm_, plan_, step, heights_.indices, read->column.data(), column_.data());
    copy_own<T>(comm_, plan_, step, heights_.values, read->value.data(), value_.data());
  }
  const Index batch = plan_.batch_of(step);
  const Range rows = plan_.rows(step, comm_.rank());
  const Index* const bounds = bounds_.of(batch) + (rows.begin - plan_.partition().piece(batch, comm_.rank()).begin);
  row_begin_[0] = 0;
  for (Index i = 1; i <= rows.size(); ++i) row_begin_[i] = bounds[i] - bounds[0];
  settle_rows(rows.size(), row_begin_.data(), column_.data(), value_.data(), check_sign_, selected_);
  number_block(plan_, step, comm_.rank(), block_);
  block_.matrix = CsrBlock<T>{rows.size(),       columns_,       plan_.partition().tile_rows(),
                              row_begin_.data(), column_.data(), value_.data()};
  return block_;
}

template class DenseExchange<float>;
template class DenseExchange<double>;
template class CsrExchange<float>;
template class CsrExchange<double>;

}  // namespace scanmf::data
