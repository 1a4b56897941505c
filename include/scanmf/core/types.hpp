#pragma once

#include <concepts>
#include <cstdint>

namespace scanmf {

/// Every size, row number, column number and count of non-zeros.
using Index = std::int64_t;

/// The element types scanmf computes in.
template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double>;

/// The element type of X, W and H as a run-time value.
enum class DataType { float32, float64 };

template <Scalar T>
constexpr DataType data_type_of = std::same_as<T, float> ? DataType::float32 : DataType::float64;

/// "float32" or "float64".
constexpr const char* name_of(DataType type) { return type == DataType::float32 ? "float32" : "float64"; }

/// Bytes of one element.
constexpr Index size_of(DataType type) { return type == DataType::float32 ? 4 : 8; }

struct Shape {
  Index rows = 0;
  Index columns = 0;
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Half-open range of rows (or of anything else that is numbered) [begin, end).
struct Range {
  Index begin = 0;
  Index end = 0;
  constexpr Index size() const { return end - begin; }
  constexpr bool empty() const { return end <= begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

/// Guards divisions: the machine epsilon of float32, for both element types (as in scikit-learn).
constexpr double division_guard = 0x1p-23;
/// Factors below this become zero in multiplicative updates with beta <= 1: the machine epsilon of float64.
constexpr double zero_threshold = 0x1p-52;

}  // namespace scanmf
