#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/estimator/job.hpp"

namespace scanmf {

// From one factorisation to an answer: many fits from random starts for each of several k, what they agree on, and
// which k that speaks for. The method is that of cNMF (Kotliar et al., eLife 8, 2019).

/// By what k is chosen.
enum class Selection { stability, bi_cross_validation, speckled };
/// "stability", "bicv" or "speckled".
const char* name_of(Selection selection);
std::optional<Selection> parse_selection(const std::string& name);

/// How spectra of replicates are told to be of one component: k-means, or each replicate's one to one to the components
/// (Hungarian method).
enum class Matching { k_means, hungarian };
/// "kmeans" or "hungarian".
const char* name_of(Matching matching);
std::optional<Matching> parse_matching(const std::string& name);

/// What X of a replicate is: X itself; Poisson numbers with X as their means; each row drawn from itself with its own
/// sum; or X times factors close to 1.
enum class Resampling { none, poisson, multinomial, uniform };
/// "none", "poisson", "multinomial" or "uniform".
const char* name_of(Resampling resampling);
std::optional<Resampling> parse_resampling(const std::string& name);

/// What an ensemble is to find out.
struct EnsembleOptions {
  std::vector<Index> ks;           // numbers of components, ascending, each once
  Index replicates = 20;           // fits of each k
  double neighbourhood = 0.3;      // share of the replicates that a spectrum's density looks at
  double density_threshold = 0.5;  // spectra whose density is not below are left out
  Resampling resample = Resampling::none;
  double resample_width = 0.015;       // of uniform: factors are from 1 - width to 1 + width
  std::optional<Matching> match = {};  // nullopt: hungarian where X is resampled, else k-means
  Index connectivity_rows = 0;         // of X, at most; 0: connectivity is not asked for
  Selection select = Selection::stability;
  Index folds = 2;              // of rows and of columns, for the bi-cross-validation
  double holdout = 0.05;        // share of the entries that a speckled cross-validation holds out
  Index select_repeats = 3;     // of that, with other entries
  bool save_replicates = true;  // the file holds the spectra of all replicates

  Matching matching() const {
    return match.value_or(resample == Resampling::none ? Matching::k_means : Matching::hungarian);
  }
};

/// "5:30", "5:30:5" or "4,6,8": ascending, each once. nullopt for other text, and for numbers below 1.
std::optional<std::vector<Index>> parse_ks(const std::string& text);

/// The seeds of `count` replicates, k by k, replicates fastest: those of cNMF, which draws
/// RandomState(random_state).randint(1, 2³¹ − 1, count).
std::vector<std::uint32_t> replicate_seeds(std::uint32_t random_state, Index count);

/// What a replicate has ended with.
struct Replicate {
  Index k = 0;
  Index number = 0;  // among those of this k
  std::uint32_t seed = 0;
  double error = 0;  // reconstruction_err
  Index n_iter = 0;
  bool converged = false;
};

/// What a running ensemble tells, on every rank; of other groups of ranks on rank 0 alone.
struct EnsembleProgress {
  Index done = 0;  // replicates
  Index all = 0;
  Index running = 0;                                               // at the same time
  Index iteration = 0;                                             // of these, the furthest
  double seconds_left = std::numeric_limits<double>::quiet_NaN();  // for all replicates, as far as can be told
};

/// How an ensemble is run. Nothing here changes its result.
struct EnsembleControl {
  std::string output;                 // the file of the results: spectra lie beside it meanwhile
  CheckpointOptions checkpoint = {};  // finished replicates are kept there, whatever happens; every_… is not used
  std::function<std::optional<std::string>()> stop_requested = {};  // local; why to stop. May be empty
  std::function<void(const EnsembleProgress&)> on_progress = {};    // may be empty
  std::function<void(const Replicate&)> on_replicate = {};          // one is done; may be empty
  MemoryLimit memory = {};                                          // of X, a resampled one included
  Attributes provenance = {};
  RunReport* report = nullptr;  // what the run costs this rank; may be null
  int groups = 1;               // of ranks, each of which holds all of X and takes its share of the fits
};

/// How ranks share the fits of an ensemble, and X.
struct GroupPlan {
  int groups = 1;
  MemoryLimit memory;  // of X on a rank
};

/// Collective. wanted: how many groups of ranks; nullopt: as many as can hold X beside the factors of the largest k,
/// one a fit at most. Throws UsageError for a number of groups that ranks cannot form, AgreedError when the factors
/// cannot fit into memory.
GroupPlan plan_groups(const Communicator& comm, std::optional<Index> wanted, const MatrixDescription& description,
                      DataType type, const MemoryLimit& limit, const Parameters& parameters,
                      const EnsembleOptions& options);

/// Collective over comm. Weights of rows, equal shares of them on all ranks, as equal shares on those of a group.
SampleWeights weights_of_group(const Communicator& comm, const Communicator& group, const SampleWeights& weights,
                               Index rows);

/// One row of the table: what a k has come to. NaN where it is not known.
struct MeasuresOfK {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  Index k = 0;
  double stability = unknown;                // mean silhouette of the spectra that are kept
  double least_cluster_stability = unknown;  // the smallest mean of a cluster
  double error = unknown;                    // ‖X − W·H‖² of the consensus
  double reconstruction_err = unknown;       // √(2·D) of the consensus, of the fit's loss
  double replicate_error_mean = unknown;
  double replicate_error_sd = unknown;
  double kept = unknown;         // share of the spectra
  double cv_error = unknown;     // mean squared error of an element that was held out
  double cv_error_se = unknown;  // its standard error
  double cophenetic = unknown;   // correlation of the replicates' mean connectivity with its tree
  double dispersion = unknown;   // of that connectivity: 1 when all replicates agree
};

/// Columns of the table behind k, in the order of the file.
struct TableColumn {
  const char* name;
  double MeasuresOfK::*value;
  bool is_optional = false;  // only in files of runs that were asked for it
};
std::span<const TableColumn> ensemble_table_columns();

class ReplicateStore;
class PartStore;
class RankGroups;
class SharedCounter;
class EnsembleStop;
template <Scalar T>
struct Consensus;

/// An ensemble, from its options to a written file, in steps that a client logs and times as it likes:
///
///     EnsembleJob<T> job(comm, identity, parameters, options, control);  // knows seeds, and what a checkpoint has
///     const auto x = open_planned<T>(job.group(), description, parameters, job.largest_k(), MatrixUse::fit, limit);
///     const bool done = job.run(*x.source) && job.finish(*x.source);  // replicates; consensus, choice, the file
///     if (done) job.remove_checkpoint();                              // else asked to stop: what is done is kept
///
/// X is read once for all replicates and all k. All functions but the plain getters are collective.
template <Scalar T>
class EnsembleJob {
 public:
  /// Throws UsageError with all wrong parameters and options, AgreedError when another job has the checkpoint, when
  /// what lies in its place is not of this run, and when the consensus cannot fit into memory, with the numbers.
  EnsembleJob(const Communicator& comm, MatrixIdentity x, const Parameters& parameters, EnsembleOptions options,
              EnsembleControl control);
  ~EnsembleJob();
  EnsembleJob(const EnsembleJob&) = delete;
  EnsembleJob& operator=(const EnsembleJob&) = delete;

  std::uint32_t random_state() const { return random_state_; }
  /// The ranks that share an X with this one.
  const Communicator& group() const;
  Index largest_k() const { return options_.ks.back(); }

  /// Fits the replicates that are not done yet, several at a time. Each has the bits of the fit of its own that has its
  /// seed as random_state. False: asked to stop.
  bool run(DataSource<T>& x);
  /// The consensus of each k, the choice, and the file. False: asked to stop, there is no file; the replicates are
  /// kept.
  bool finish(DataSource<T>& x);

  /// Of run() and finish(), on every rank.
  std::string stop_reason() const;
  std::string checkpoint_file() const;
  /// Replicates that are done.
  Index done() const;
  /// Of these, those that max_iter has ended.
  Index limited() const;
  /// What finish() has found, k ascending.
  const std::vector<MeasuresOfK>& table() const { return table_; }
  /// Nothing where no k can be chosen.
  std::optional<Index> chosen_k() const { return chosen_k_; }
  void remove_checkpoint();

 private:
  Parameters parameters_of(Index k, std::uint32_t seed, const Shape& shape) const;
  struct Work;
  void require_memory() const;
  std::vector<Index> fits_beside(const DataSource<T>& x) const;
  std::vector<std::vector<Index>> batches_left(const DataSource<T>& x) const;
  void take_share(DataSource<T>& x, Work& work);
  std::vector<FittedModel<T>> fit_batch(DataSource<T>& x, std::span<const Index> numbers, Work& work);
  void keep(const RowPartition& partition, std::span<const Index> numbers, const std::vector<FittedModel<T>>& models,
            Work& work);
  void tell_progress(Index running, Index iteration, Work& work) const;
  void share(Work& work);
  void note_stop(const EnsembleStop& stop);
  void tell_of_no_progress(const char* what, Index running, Index next);
  Attributes params() const;
  void test(DataSource<T>& x, std::span<const Index> own, std::span<const Index> most, PartStore& parts,
            SharedCounter& failed, const RunControl& control);
  void cross_validate(DataSource<T>& x, const RunControl& control);
  void write(DataSource<T>& x, std::vector<Consensus<T>>& all, const RunControl& control);
  Matrix<T> complete(DataSource<T>& x, Index k_number, Consensus<T>& consensus, const RunControl& control);

  const Communicator& comm_;
  std::unique_ptr<RankGroups> groups_;
  MatrixIdentity x_;
  Parameters parameters_;
  EnsembleOptions options_;
  EnsembleControl control_;
  std::uint32_t random_state_ = 0;
  std::vector<std::uint32_t> seeds_;
  std::vector<Index> labelled_rows_;  // of X, whose labels in each replicate are kept
  std::unique_ptr<ReplicateStore> store_;
  std::string stop_reason_;
  bool had_all_ = false;  // replicates, before run()
  Index tested_ = 0;      // test errors that finish() has found, in this group
  Index testing_ = 0;     // that shared the last passes for them
  std::vector<MeasuresOfK> table_;
  std::optional<Index> chosen_k_;
};

}  // namespace scanmf
