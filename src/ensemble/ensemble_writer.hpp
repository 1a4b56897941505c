#pragma once

#include <memory>
#include <vector>

#include "ensemble/consensus.hpp"
#include "io/output_file.hpp"

namespace scanmf {

/// What an ensemble file says of the whole.
struct EnsembleHeader {
  std::optional<Index> chosen_k;
  std::string select = "stability";
  MatrixIdentity x;
  Attributes params;
  Attributes provenance;
  bool save_replicates = true;
  Estimator estimator = Estimator::nmf;
};

/// The ensemble file, which appears whole or not at all: everything but the numbers is known before.
template <Scalar T>
class EnsembleWriter {
 public:
  /// Collective. all: of each k. table: as far as it is known, which decides on columns that not every file has.
  EnsembleWriter(const Communicator& comm, const std::string& target, const ReplicateStore& store,
                 const EnsembleHeader& header, const std::vector<Consensus<T>>& all,
                 std::span<const MeasuresOfK> table);
  /// Collective. All of one k; W: the rows that `rank` has in `partition` (nullptr: this rank writes none), looked at
  /// where there is a consensus.
  void write(Index k_number, const Consensus<T>& consensus, const Matrix<T>& W, const RowPartition* partition,
             int rank);
  /// Collective. The table, then the file appears under its name.
  void commit(std::span<const MeasuresOfK> table);

 private:
  std::size_t add(const std::string& path, std::vector<Index> dimensions, io::StoredType type);
  void add_group(Index k_number, bool has_consensus, bool save_replicates);
  void write_spectra(Index k_number);
  void write_W(std::size_t dataset, const Matrix<T>& W, const RowPartition& partition, int rank);
  template <class Value>
  void write_column(std::size_t dataset, const std::vector<Value>& values);

  /// Where the datasets of one k are in the layout.
  struct Group {
    std::optional<std::size_t> H, W, cluster_stability, spectra;
    std::size_t first = 0;  // seeds, errors, n_iter, converged, density, kept, labels
  };
  const Communicator& comm_;
  const ReplicateStore& store_;
  Index rows_ = 0;
  io::FileLayout layout_;
  std::vector<Group> groups_;
  std::size_t table_ = 0;  // the first column
  std::vector<TableColumn> columns_;
  std::unique_ptr<io::OutputFile> file_;
};

}  // namespace scanmf
