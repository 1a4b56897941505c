#pragma once

#include "scanmf/estimator/parameters.hpp"
#include "scanmf/estimator/solver_state.hpp"

namespace scanmf {

/// Among the numbers of a model's state: what its init, none, has come to on its X.
inline constexpr const char* started_with_name = "started_with";

inline void set_started_with(StateNumbers& numbers, Init init) {
  set_number(numbers, started_with_name, static_cast<Index>(init));
}
/// none: not known.
inline Init started_with(const StateNumbers& numbers) {
  const Index stored = number_or(numbers, started_with_name, static_cast<Index>(Init::none));
  for (const Init init : {Init::random, Init::nndsvd, Init::nndsvda, Init::nndsvdar})
    if (stored == static_cast<Index>(init)) return init;
  return Init::none;
}

}  // namespace scanmf
