#pragma once

#include <string>
#include <string_view>

namespace scanmf {

/// Name and version of an MPI library, from what MPI_Get_library_version says of it: "Open MPI v4.1.4", "MPICH 4.0.2".
std::string library_name(std::string_view text);

}  // namespace scanmf
