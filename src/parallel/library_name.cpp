#include "parallel/library_name.hpp"

#include <sstream>

namespace scanmf {

std::string library_name(std::string_view text) {
  // Open MPI adds package and build, MPICH its configuration.
  std::istringstream words(std::string(text.substr(0, text.find_first_of(",\n"))));
  std::string name;
  for (std::string word; words >> word;) {
    if (word == "Version:" || word == "Version" || word == ":") continue;  // of MPICH and MVAPICH, with tabs
    name += name.empty() ? word : " " + word;
  }
  return name;
}

}  // namespace scanmf
