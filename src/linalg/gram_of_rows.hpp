#pragma once

#include <algorithm>
#include <utility>

#include "linalg/strips.hpp"

namespace scanmf {

/// FᵀSF of some rows of a factor that are given one after the other: groups of them are multiplied, the upper triangle
/// of the result alone.
template <Scalar T>
class GramOfRows {
 public:
  GramOfRows(Index k, bool weighted, Workspace<T>& work)
      : k_(k),
        padded_(padded_columns<T>(k)),
        rows_(work.reserve(2 * row_group * padded_ + padded_ * k)),
        weighted_(weighted ? rows_ + row_group * padded_ : rows_),
        product_(rows_ + 2 * row_group * padded_) {}

  /// row: k elements, and zeros up to padded_columns.
  void push(const T* row, T weight = T{1}) {
    if (filled_ == row_group) multiply();
    T* const to = rows_ + filled_ * padded_;
    std::copy_n(row, padded_, to);
    if (weighted_ != rows_)
      for (Index c = 0; c < padded_; ++c) weighted_[filled_ * padded_ + c] = weight * to[c];
    ++filled_;
  }

  /// Calls take(a, first column b, elements (a, b) …, how many) for the upper triangle, and forgets the rows. Not at
  /// all without rows.
  template <class Take>
  void take(Take&& take) {
    if (filled_ > 0) multiply();
    if (!std::exchange(has_product_, false)) return;
    for_blocks([&](Index begin, Index width) {
      const Index end = std::min(k_, begin + width);
      for (Index a = 0; a < end; ++a) {
        const Index b = std::max(a, begin);
        take(a, b, product_ + begin * k_ + a * width + (b - begin), end - b);
      }
    });
  }

 private:
  /// Columns of the square that are formed at a time, down to the diagonal: two vectors of the widest kind.
  template <class Body>
  void for_blocks(Body&& body) {
    constexpr Index block = strip_columns<T> / 2;
    for (Index begin = 0; begin < padded_; begin += block) body(begin, std::min(block, padded_ - begin));
  }

  void multiply() {
    for_blocks([&](Index begin, Index width) {
      kernels::dense<T>().multiply_strip(weighted_, 1, padded_, std::min(k_, begin + width), filled_, rows_ + begin,
                                         padded_, width, product_ + begin * k_, has_product_, nullptr, 0);
    });
    has_product_ = true;
    filled_ = 0;
  }

  Index k_;
  Index padded_;
  T* rows_;
  T* weighted_;
  T* product_;
  Index filled_ = 0;
  bool has_product_ = false;
};

}  // namespace scanmf
