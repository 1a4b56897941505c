#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "data/array.hpp"
#include "data/validation.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::hdf5 {
struct ElementType;
}

namespace scanmf::data {

/// What is to be known of elements to tell those that stand for no number.
struct Judgement {
  std::vector<double> missing = {};  // marks, as of MatrixDescription
  bool booleans = false;             // 0 and 1 only
  bool single = false;               // float32
  bool wide = false;                 // float64 does not hold all numbers of the type

  Judgement() = default;
  explicit Judgement(const MatrixDescription& description);
  Judgement(const MatrixDescription& description, const hdf5::ElementType& type);

  bool needed() const { return booleans || !missing.empty(); }
  /// element: as the file has it.
  std::optional<Flaw> flaw_of(double element) const;
};

/// The same array, whose elements are judged as the file has them, before they are converted: those that stand for no
/// number are given as NaN of their flaw (flawed<T>). The array itself where there is nothing to judge.
std::unique_ptr<Array> judged(std::unique_ptr<Array> array, Judgement judgement);

}  // namespace scanmf::data
