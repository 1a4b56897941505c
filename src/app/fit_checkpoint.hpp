#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/command_line.hpp"
#include "app/stop_requests.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf::app {

/// The checkpoint of `scanmf fit`: when it is due, when the run has to stop (signals, time limit, a file STOP beside the checkpoint), and where a run
/// goes on. Without --checkpoint nothing happens: every function is harmless.
class FitCheckpoint {
 public:
  /// Collective. Reads the options --checkpoint, --checkpoint-every, --resume and --max-time. Takes the checkpoint's lock.
  FitCheckpoint(const Communicator& comm, const CommandLine& line, PhaseTimes& times);

  bool is_on() const { return checkpoint_.has_value(); }

  /// Collective. The generation to go on from, if there is one and --resume allows it. Whatever is in the checkpoint's place must be of this run,
  /// with
  /// --resume never too: it is going to be replaced. Throws AgreedError when it is not, and for --resume require without one.
  std::optional<CheckpointGeneration> generation(const Checkpoint::Check& is_of_this_run);

  /// Lets a fit ask this object. save: writes the state of the model, collective.
  template <Scalar T>
  void attach(FitControl<T>& control, std::function<ModelHeader(const FittedModel<T>&)> header,
              std::function<ModelArrays<T>(const FittedModel<T>&)> arrays) {
    if (!is_on()) return;
    control.checkpoint_due = [this] { return is_due(); };
    control.stop_requested = [this] { return is_to_stop(); };
    control.save = [this, header, arrays](const FittedModel<T>& model) { save([&] { checkpoint_->save(header(model), arrays(model)); }); };
  }

  /// To be called after each iteration: how many there are and how long the last one took.
  void iteration_done(const Progress& now);

  /// Collective. Why the run stops, for the message, on every rank: a signal may have reached one of them only.
  std::string reason() const;
  const std::string& file() const { return checkpoint_->file(); }

  /// Bytes of a generation, about: how long the first save will take is a guess from them, later ones are measured.
  void set_size(double bytes);

  /// A warning on rank 0 when the saves that --checkpoint-every asked for took more than a twentieth of the time.
  void warn_of_cost() const;

  /// Collective. The model is written: the checkpoint is no longer needed.
  void remove();

 private:
  bool is_due() const;
  bool is_to_stop();
  void save(const std::function<void()>& write);

  const Communicator& comm_;
  PhaseTimes& times_;
  std::string resume_;
  std::optional<StopSignals> signals_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<double> every_seconds_;
  std::optional<Index> every_iterations_;
  std::optional<double> limit_seconds_;  // from the start of the program
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

}  // namespace scanmf::app
