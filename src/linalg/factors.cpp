// H and the sums XᵀW in the layouts of the kernels.
#include <algorithm>

#include "linalg/strips.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

/// Numbers that a full strip has, 0 where the instruction set has no such kernels.
template <Scalar T>
Index subset_sums_of_strip(Index components) {
  const kernels::SubsetKernels<T>& subsets = kernels::subsets<T>();
  return subsets.members > 0 ? subsets.groups(strip_columns<T>) * components * subsets.lanes : 0;
}

}  // namespace

double subset_sum_bytes(Index columns, Index components, DataType type) {
  const Index numbers = type == DataType::float32
                            ? strips_of<float>(columns) * subset_sums_of_strip<float>(components)
                            : strips_of<double>(columns) * subset_sums_of_strip<double>(components);
  return static_cast<double>(numbers) * static_cast<double>(size_of(type));
}

template <Scalar T>
RightFactor<T>::RightFactor(StorageKind kind, Index columns, Index components, bool both, bool subsets)
    : columns_(columns),
      components_(components),
      subset_stride_(subsets ? subset_sums_of_strip<T>(components) : 0),
      strips_(kind == StorageKind::dense || both ? padded_columns<T>(columns) * strip_rows() : 0),
      rows_(kind == StorageKind::csr || both ? columns * padded_components<T>(components) : 0),
      subset_sums_(strips_of<T>(columns) * subset_stride_) {}

template <Scalar T>
void RightFactor<T>::assign(MatrixView<const T> ht) {
  const Team team;
  const Index padded = padded_columns<T>(columns_);
  if (strips_.size() > 0) {
    team.in_groups(padded, strip_columns<T>, [&](int, Range columns) {
      const Index width = columns.size();
      T* const strip = strips_.data() + columns.begin * strip_rows();
      const Index filled = std::min(width, columns_ - columns.begin);
      kernels::vectors<T>().transpose(ht.row(columns.begin), ht.stride, filled, components_, strip, width);
      for (Index c = 0; c < components_; ++c) std::fill(strip + c * width + filled, strip + (c + 1) * width, T{0});
      if (subset_stride_ > 0)
        kernels::subsets<T>().sums_of_subsets(strip, 1, width, width, components_,
                                              subset_sums_.data() + columns.begin / strip_columns<T> * subset_stride_);
    });
  }
  if (rows_.size() > 0) {
    const Index stride = padded_components<T>(components_);
    team.for_each(columns_, [&](Index j) { pad_row(ht.row(j), components_, stride, rows_.data() + j * stride); });
  }
}

template <Scalar T>
void RightFactor<T>::set_gram(std::span<const double> gram) {
  gram_ = std::make_unique<RightFactor>(gram_factor<T>(gram, components_));
}

template <Scalar T>
RightFactor<T> gram_factor(std::span<const double> gram, Index k) {
  Matrix<T> square(k, k);
  std::ranges::transform(gram, square.data(), [](double value) { return static_cast<T>(value); });
  RightFactor<T> factor(StorageKind::dense, k, k);
  factor.assign(square.view());
  return factor;
}

template <Scalar T>
Accumulator<T>::Accumulator(StorageKind kind, Index columns, Index components)
    : kind_(kind),
      columns_(columns),
      components_(components),
      elements_(kind == StorageKind::dense ? padded_columns<T>(columns) * components
                                           : columns * padded_components<T>(components)) {}

template <Scalar T>
void Accumulator<T>::set_zero() {
  std::fill_n(elements_.data(), elements_.size(), T{0});
}

template <Scalar T>
void Accumulator<T>::take_from(Accumulator& other) {
  T* const sum = elements_.data();
  T* const part = other.elements_.data();
  for (Index e = 0; e < elements_.size(); ++e) {
    sum[e] += part[e];
    part[e] = T{0};
  }
}

template <Scalar T>
void Accumulator<T>::copy_to(MatrixView<T> total) const {
  const Index k = components_;
  const bool dense = kind_ == StorageKind::dense;
  const Index stride = padded_components<T>(k);
  Team().in_groups(columns_, strip_columns<T>, [&](int, Range group) {
    const Index begin = group.begin;
    const Index width = strip_width<T>(begin, columns_);
    const Index filled = std::min(columns_ - begin, width);
    const T* const sum = data() + begin * (dense ? k : stride);
    if (dense) {
      kernels::vectors<T>().transpose(sum, width, k, filled, total.row(begin), total.stride);
    } else {
      for (Index j = 0; j < filled; ++j) std::copy_n(sum + j * stride, k, total.row(begin + j));
    }
  });
}

template class RightFactor<float>;
template class RightFactor<double>;
template RightFactor<float> gram_factor(std::span<const double>, Index);
template RightFactor<double> gram_factor(std::span<const double>, Index);
template class Accumulator<float>;
template class Accumulator<double>;

}  // namespace scanmf
