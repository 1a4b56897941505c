#pragma once

#include <string>

namespace scanmf {

// Threads belong to our teams. BLAS, which would start its own within each of theirs, is kept on one.

/// Sets the number of threads of this rank's teams (at least 1) and keeps BLAS single-threaded.
void set_threads(int threads);

/// The same for its own life; then what it was before. For the library within a program that has other uses for
/// threads: Python's interpreter, say.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int team_;
  int blas_;
};

/// Name and version of the BLAS library, "OpenBLAS 0.3.21".
std::string blas_library();

}  // namespace scanmf
