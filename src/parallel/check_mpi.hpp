#pragma once

#include <mpi.h>

#include <cstddef>
#include <string>

#include "scanmf/core/error.hpp"

namespace scanmf {

/// Throws Error with MPI's reason when a call did not succeed. what: the function's name.
inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(std::string(what) + " failed: " + std::string(text, static_cast<std::size_t>(length)));
}

}  // namespace scanmf
