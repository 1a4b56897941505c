#pragma once

#include <map>
#include <memory>
#include <vector>

#include "data/wrapped_source.hpp"
#include "ensemble/resampling.hpp"
#include "scanmf/estimator/memory_plan.hpp"

namespace scanmf {

/// The X of one replicate, drawn from another source, whose rows, blocks and stored elements it has: each visit takes
/// the other one's blocks and draws their values. They are kept, each block when it is first visited, or drawn again.
template <Scalar T>
class ResampledSource final : public data::WrappedSource<T> {
 public:
  /// Collective. Draws X once, for what is known of it. keep: of an X in memory. The other source must outlive it.
  /// Throws AgreedError when nothing but zeros is drawn.
  ResampledSource(DataSource<T>& whole, const Resample& how, bool keep);

  const DataSummary& summary() const override { return summary_; }
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override;
  Index bytes() const override { return (keep_ ? 2 : 1) * this->whole_.bytes(); }

 private:
  /// Values of a block in place of those of the other source.
  struct Drawn {
    Buffer<T> values;
    std::vector<Index> row_begin;  // of sparse rows, from 0 on
  };
  void draw(const DenseBlock<T>& block, Index first_row, Drawn& to) const;
  void draw(const CsrBlock<T>& block, Index first_row, Drawn& to) const;
  void summarise();

  Resample how_;
  bool keep_;
  std::map<Index, Drawn> kept_;  // by the local row that a block begins with
  Drawn last_;                   // where blocks are drawn again
  DataSummary summary_;
};

/// Collective. The X of the replicate with this seed; nullptr where it is X itself. It is kept where it fits beside X
/// in memory.
template <Scalar T>
std::unique_ptr<DataSource<T>> resampled(DataSource<T>& x, const EnsembleOptions& options, std::uint32_t seed,
                                         const MemoryLimit& memory, int groups);

}  // namespace scanmf
