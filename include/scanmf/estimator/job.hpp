#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/estimator/estimator.hpp"
#include "scanmf/estimator/memory_plan.hpp"
#include "scanmf/estimator/saved_model.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf {

// What a run is beside its numbers: how X comes into memory, the seed, the checkpoint, when it stops, what it tells.
// The command line, the classes of decomposition.hpp and other bindings are clients of this header. Nothing here is
// global, and nothing ends the process.

/// What X is opened for; partial_fit: the first chunk of a model, next_partial_fit: of one that has H.
enum class MatrixUse { fit, partial_fit, next_partial_fit, transform };

/// An open X and what it may take.
template <Scalar T>
struct PlannedSource {
  std::unique_ptr<DataSource<T>> source;
  std::optional<Index> memory;  // bytes a rank; nullopt: no limit
};

/// How X is to be loaded for parameters, wherever it comes from: what is observed, and when sparse X is held dense.
template <Scalar T>
LoadOptions load_options(const Parameters& parameters, MatrixUse use, Index rows);
/// Weights of rows of X, on each rank those of some rows, ranks in order, as X itself is given (source_from_rows); of X
/// of a file equal shares.
using SampleWeights = std::optional<std::vector<double>>;

/// Collective. X, as it was loaded, with what parameters call observed, and with weights, if any rank gives some.
/// place: of X, for messages. Columns without observed entries are refused unless the use has an H for them. Errors: as
/// of observed_source; weights that are not one a row.
template <Scalar T>
std::unique_ptr<DataSource<T>> observed_as(std::unique_ptr<DataSource<T>> x, const Parameters& parameters,
                                           const std::string& place, MatrixUse use, const SampleWeights& weights);
/// Collective. What tells weights from others, for fingerprints; empty without.
std::string fingerprint_of(const Communicator& comm, const SampleWeights& weights);

/// Collective. X of a file as parameters need it, in the batches that a fit takes: in memory where the limit and the
/// factors of n_components allow it, else streamed. Errors: as of plan_memory and open_source.
template <Scalar T>
PlannedSource<T> open_planned(const Communicator& comm, const MatrixDescription& description,
                              const Parameters& parameters, Index n_components, MatrixUse use,
                              const MemoryLimit& limit = {}, const SampleWeights& weights = std::nullopt);

/// random_generator as it will be used on X instead of auto, so that the model tells; logged where factors are drawn
/// from it.
void settle_random_generator(Parameters& parameters, const Shape& shape);

/// Collective. Where and how a result is made: version, command_line, host, ranks, threads, instruction_set, start,
/// libraries; those of rank 0 on every rank.
Attributes provenance_attributes(const Communicator& comm, const std::string& command_line);
/// Collective. Adds the attribute "end": the present time.
void add_end(const Communicator& comm, Attributes& provenance);
/// The present time, "2024-05-01T12:00:00Z".
std::string utc_now();

/// Whether a run goes on from what it finds in the place of its checkpoint.
enum class Resume { automatic, never, require };

/// Where and how often the state of a fit is kept, to go on from after an interruption.
struct CheckpointOptions {
  std::string file;  // empty: none is kept
  double every_seconds = 900;
  std::optional<Index> every_iterations;  // instead: iterations, or steps of mini-batches
  Resume resume = Resume::automatic;
  std::optional<double>
      seconds_left;  // from here on, by root's clock: the run stops before they are over; nullopt: no limit
  Timer since = {};
};

/// The file beside a checkpoint whose existence asks the run to stop.
std::string stop_file(const std::string& checkpoint);

/// How a fit is run. Nothing here but init_file and generator changes its result.
struct JobOptions {
  std::string init_file;  // for init custom, unless factors are handed in
  // Draws in place of random_state, and is left where the run leaves it; equal on all ranks. Null: random_state does.
  std::shared_ptr<LegacyRandom> generator = {};
  bool any_generator = false;  // like no random_state: the run goes on from a checkpoint however its draws began
  CheckpointOptions checkpoint = {};
  std::function<std::optional<std::string>()> stop_requested =
      {};  // local; why to stop: on any rank, all stop after the iteration. May be empty
  std::function<void(const Progress&)> on_progress = {};  // may be empty
  Attributes provenance = {};                             // of what is written
  RunReport* report = nullptr;  // what the run costs this rank is added there; null: the job has its own
};

/// What is known of X beside its elements.
struct MatrixIdentity {
  Shape shape;
  std::vector<std::string> feature_names = {};
  std::vector<std::string> row_names = {};
  std::string fingerprint = {};  // for checkpoints: of the elements (matrix_fingerprint); other data is refused
};
/// Collective. fingerprint: X is read for it.
MatrixIdentity identity_of(const Communicator& comm, const MatrixDescription& description, bool fingerprint);

class RunCheckpoint;

/// One fit, from its parameters to a fitted model, in steps that a client logs and times as it likes:
///
///     FitJob<T> job(comm, identity, parameters, options);          seed, k, and where the run goes on are known
///     const auto x = open_planned<T>(comm, description, parameters, job.n_components(), MatrixUse::fit, limit);
///     const FittedModel<T> model = job.run(*x.source);              model.stopped: asked to stop, the state is kept
///     write_model(…, header_of(model, job.context()), …);
///     job.remove_checkpoint();                                      when the result is safe
///
/// All functions but the plain getters are collective.
template <Scalar T>
class FitJob {
 public:
  /// Takes the checkpoint's lock and looks for a state of this run. Throws UsageError with all wrong parameters,
  /// AgreedError when another job has the checkpoint, or when what lies in its place is not of this run.
  FitJob(const Communicator& comm, MatrixIdentity x, const Parameters& parameters, JobOptions options = {});
  ~FitJob();
  FitJob(const FitJob&) = delete;
  FitJob& operator=(const FitJob&) = delete;

  const Parameters& parameters() const { return parameters_; }
  /// 0 with a generator.
  std::uint32_t seed() const { return seed_; }
  /// Whether the draws come from a generator instead of a seed: that of the options, or of the checkpoint's run.
  bool has_generator() const { return options_.generator != nullptr; }
  /// 0 before run() where initial factors alone tell.
  Index n_components() const { return n_components_; }

  /// Fits from the checkpoint's state if there is one, else from `start`, else from what the parameters say. x: opened
  /// as open_planned does. Errors: as of fit(); AgreedError when the checkpoint's fit began with other factors of init
  /// custom.
  FittedModel<T> run(DataSource<T>& x, std::optional<Factors<T>> start = std::nullopt);

  /// Why the run was stopped, on every rank: a signal may have reached one of them only.
  std::string stop_reason() const;
  /// The checkpoint's name, symbolic links followed; empty without one.
  std::string checkpoint_file() const;
  /// What the run has cost this rank; times of the client's phases may be added.
  RunReport& report() { return options_.report != nullptr ? *options_.report : own_report_; }
  /// For the header of the model's file.
  ModelContext context() const;
  /// A warning on rank 0 when the saves took more than a twentieth of the time.
  void warn_of_cost() const;
  void remove_checkpoint();

 private:
  void require_of_this_run(const CheckpointGeneration& generation);
  Attributes belongs_to(const Attributes& params, const std::string& origin, const std::string& data,
                        DataType type) const;
  void begin_as_stored();
  void require_same_start(DataSource<T>& x, std::optional<Factors<T>>& start, const Seed& seed);
  ModelContext checkpoint_context() const;
  FittedModel<T> go_on(DataSource<T>& x, const Seed& seed, const FitControl<T>& control);

  const Communicator& comm_;
  MatrixIdentity x_;
  Parameters parameters_;
  JobOptions options_;
  RunReport own_report_;
  std::unique_ptr<RunCheckpoint> checkpoint_;
  std::optional<CheckpointGeneration> generation_;                  // to go on from
  std::vector<std::pair<std::string, std::string>> stored_starts_;  // by generation: what its fit began with
  std::string start_;  // what tells initial factors of init custom from others, with a checkpoint
  std::uint32_t seed_ = 0;
  std::string generator_began_;  // what tells the generator's first state from others; empty: there is none
  Index n_components_ = 0;
};

}  // namespace scanmf
