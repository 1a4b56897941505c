#pragma once

#include <limits>
#include <vector>

namespace scanmf::data {

// What stands for missing values among the elements of a matrix (netCDF, R), as MatrixDescription::missing has it:
// pairs of numbers of the file's own type. (v, v): the number v; (a, b): all numbers between the two, without
// themselves.

inline void mark_value(std::vector<double>& marks, double value) { marks.insert(marks.end(), {value, value}); }
inline void mark_below(std::vector<double>& marks, double least) {
  marks.insert(marks.end(), {-std::numeric_limits<double>::infinity(), least});
}
inline void mark_above(std::vector<double>& marks, double most) {
  marks.insert(marks.end(), {most, std::numeric_limits<double>::infinity()});
}

/// element: as the file has it; one that was converted to a narrower type may be equal to a mark that it was not.
inline bool is_missing(const std::vector<double>& marks, double element) {
  for (std::size_t i = 0; i + 1 < marks.size(); i += 2) {
    const double first = marks[i];
    const double second = marks[i + 1];
    if (first == second ? element == first : element > first && element < second) return true;
  }
  return false;
}

}  // namespace scanmf::data
