#include "scanmf/core/team.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

namespace scanmf {
namespace {

/// What the share of the lowest number has thrown.
class FirstFailure {
 public:
  void keep(int thread, std::exception_ptr failure) {
#pragma omp critical(scanmf_team_failure)
    if (!failure_ || thread < thread_) {
      failure_ = std::move(failure);
      thread_ = thread;
    }
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::exception_ptr failure_;
  int thread_ = 0;
};

}  // namespace

Team::Team() : Team(omp_get_max_threads()) {}

void Team::run(const std::function<void(int thread)>& work) const {
  if (size_ == 1) return work(0);
  FirstFailure failure;
#pragma omp parallel num_threads(size_)
  for (int thread = omp_get_thread_num(); thread < size_; thread += omp_get_num_threads()) {
    try {
      work(thread);
    } catch (...) {
      failure.keep(thread, std::current_exception());
    }
  }
  failure.rethrow();
}

void Team::as_they_come(Index count, const std::function<void(int thread, Index i)>& body) const {
  std::atomic<Index> next{0};
  run([&](int thread) {
    for (Index i = next++; i < count; i = next++) body(thread, i);
  });
}

Team team_for(Index elements) {
  constexpr Index worth_waking = Index{1} << 14;
  return elements > worth_waking ? Team() : Team(1);
}

void use_threads(int threads) { omp_set_num_threads(std::max(1, threads)); }

}  // namespace scanmf
