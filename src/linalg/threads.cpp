#include "scanmf/linalg/threads.hpp"

#include "scanmf/core/team.hpp"

extern "C" {
void openblas_set_num_threads(int);
int openblas_get_num_threads();
char* openblas_get_config();
}

namespace scanmf {

void set_threads(int threads) {
  use_threads(threads);
  openblas_set_num_threads(1);
}

ThreadScope::ThreadScope(int threads) : team_(Team().size()), blas_(openblas_get_num_threads()) {
  set_threads(threads);
}

ThreadScope::~ThreadScope() {
  use_threads(team_);
  openblas_set_num_threads(blas_);
}

std::string blas_library() {
  const std::string all = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  return all.substr(0, all.find(' ', all.find(' ') + 1));
}

}  // namespace scanmf
