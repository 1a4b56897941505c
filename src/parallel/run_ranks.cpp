#include "scanmf/parallel/run_ranks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <sstream>
#include <stdexcept>

#include "core/printable.hpp"
#include "core/standard_streams.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// One line; of wrong usage one line a mistake.
void print_error(const std::string& program, const std::string& message, ExitStatus status) {
  std::string all;
  std::istringstream lines(message);
  if (status != ExitStatus::usage) {
    all = fmt::format("{}: error: {}\n", program, printable(message));
  } else {
    for (std::string line; std::getline(lines, line);) all += fmt::format("{}: error: {}\n", program, printable(line));
  }
  print_message(all);
}

/// How a failure ends, on this rank.
class Ending {
 public:
  Ending(const Communicator& comm, const std::string& program) : comm_(comm), program_(program) {}

  /// Of a failure that this rank alone may know of. Several ranks often fail at once: the lowest one speaks and ends
  /// the others.
  int alone(const std::string& message, ExitStatus status = ExitStatus::failed) const {
    if (comm_.size() > 1) usleep(static_cast<useconds_t>(100000 * std::min(comm_.rank(), 20)));
    print_error(program_, message, status);
    if (comm_.size() > 1) MpiEnvironment::abort(static_cast<int>(status));
    return static_cast<int>(status);
  }

  /// Of a failure that every rank knows of.
  int together(const Error& error) const {
    if (comm_.is_root()) print_error(program_, error.what(), error.status());
    return static_cast<int>(error.status());
  }

 private:
  const Communicator& comm_;
  const std::string& program_;
};

}  // namespace

int run_ranks(const Communicator& comm, const std::string& program, const std::function<int()>& body) {
  const Ending end(comm, program);
  try {
    return body();
  } catch (const AgreedError& error) {
    return end.together(error);
  } catch (const UsageError& error) {  // judged alike on every rank
    return end.together(error);
  } catch (const Error& error) {
    return end.alone(error.what(), error.status());
  } catch (const std::bad_alloc&) {
    return end.alone(
        fmt::format("out of memory on rank {}: use more ranks or nodes, or fewer components; a file that states sizes "
                    "far beyond its own (scanmf inspect shows them) is damaged",
                    comm.rank()));
  } catch (const std::length_error&) {  // what the standard library says of a vector longer than all memory
    return end.alone(
        fmt::format("more memory than there can be is asked for on rank {}: a file states sizes that it cannot have "
                    "(scanmf inspect shows them), or k is too large",
                    comm.rank()));
  } catch (const std::exception& error) {
    return end.alone(fmt::format("{} (rank {})", error.what(), comm.rank()));
  }
}

}  // namespace scanmf
