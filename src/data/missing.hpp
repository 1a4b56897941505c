#pragma once

#include <limits>
#include <vector>

namespace scanmf::data {

// What stands for missing values among the elements of a dense matrix (netCDF, R), as MatrixDescription::missing has
// it: pairs of numbers. (v, v): the number v; (a, b): all numbers between the two, without themselves.

inline void mark_value(std::vector<double>& marks, double value) { marks.insert(marks.end(), {value, value}); }
inline void mark_below(std::vector<double>& marks, double least) {
  marks.insert(marks.end(), {-std::numeric_limits<double>::infinity(), least});
}
inline void mark_above(std::vector<double>& marks, double most) {
  marks.insert(marks.end(), {most, std::numeric_limits<double>::infinity()});
}

/// Marks are compared in the type that elements have been read as: float or double.
template <class T>
bool is_missing(const std::vector<double>& marks, T element) {
  for (std::size_t i = 0; i + 1 < marks.size(); i += 2) {
    const T first = static_cast<T>(marks[i]);
    const T second = static_cast<T>(marks[i + 1]);
    if (marks[i] == marks[i + 1] ? element == first : element > first && element < second) return true;
  }
  return false;
}

}  // namespace scanmf::data
