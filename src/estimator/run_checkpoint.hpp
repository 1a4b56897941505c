#pragma once

#include <functional>
#include <optional>
#include <string>

#include "scanmf/core/timer.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf {

/// The checkpoint of a fit: when it is due, when the run has to stop (on request, at a time limit, for a file STOP
/// beside the checkpoint), and where a run goes on. Without a file only requests stop the run: every other function is
/// harmless.
class RunCheckpoint {
 public:
  /// Collective. Takes the checkpoint's lock. The options must outlive it.
  RunCheckpoint(const Communicator& comm, const JobOptions& options, PhaseTimes& times);

  bool is_on() const { return checkpoint_.has_value(); }
  std::string file() const { return is_on() ? checkpoint_->file() : ""; }

  /// Collective. The generation to go on from, if there is one and the options allow it. Whatever is in the
  /// checkpoint's place must be of this run, even when it does not go on from it: it is going to be replaced. Throws
  /// AgreedError when it is not, and where one is required without one.
  std::optional<CheckpointGeneration> generation(const Checkpoint::Check& is_of_this_run);

  /// Lets a fit ask and tell this object.
  template <Scalar T>
  void attach(FitControl<T>& control, std::function<ModelHeader(const FittedModel<T>&)> header,
              std::function<ModelArrays<T>(const FittedModel<T>&)> arrays) {
    control.on_progress = [this](const Progress& now) { iteration_done(now); };
    control.stop_requested = [this] { return is_to_stop(); };
    if (!is_on()) return;
    control.checkpoint_due = [this] { return is_due(); };
    control.save = [this, header, arrays](const FittedModel<T>& model) {
      save([&] { checkpoint_->save(header(model), arrays(model)); });
    };
  }

  /// Collective. Why the run stops, on every rank.
  std::string reason() const;

  /// Bytes of a generation, about: how long the first save will take is a guess from them, later ones are measured.
  void set_size(double bytes);

  /// A warning on rank 0 when the saves that were due took more than a twentieth of the time.
  void warn_of_cost() const;

  /// Collective. The result is safe: the checkpoint is no longer needed.
  void remove();

 private:
  void iteration_done(const Progress& now);
  bool is_due() const;
  bool is_to_stop();
  void save(const std::function<void()>& write);

  const Communicator& comm_;
  const JobOptions& options_;
  PhaseTimes& times_;
  std::optional<Checkpoint> checkpoint_;
  Timer since_start_;
  Timer since_save_;
  Index iteration_ = 0;
  Index saved_iteration_ = 0;
  double iteration_seconds_ = 0;
  double save_seconds_ = 1;  // of the slowest save so far, before the first one: a guess
  bool has_saved_ = false;
  double due_seconds_ = 0;  // of all saves that were due
  std::string reason_;
  bool stopped_by_file_ = false;  // on root
};

}  // namespace scanmf
