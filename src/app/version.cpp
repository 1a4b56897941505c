#include "app/version.hpp"

#include <fmt/format.h>

#include <scanmf_commit.hpp>

#include "io/library_version.hpp"
#include "linalg/instruction_sets.hpp"
#include "scanmf/linalg/threads.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {

std::string version_text() {
  std::string text = fmt::format("scanmf {}\n", SCANMF_VERSION);
  const auto add = [&text](const char* what, const std::string& value) {
    text += fmt::format("{:<16} {}\n", what, value);
  };
  add("commit", commit);
  add("build type", SCANMF_BUILD_TYPE);
  add("compiler", SCANMF_COMPILER);
  add("MPI", mpi_library());
  add("HDF5", hdf5::library_version().substr(5));
  add("BLAS", blas_library());
  add("instruction set", instruction_sets());
  return text;
}

}  // namespace scanmf::app
