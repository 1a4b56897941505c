#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Memory of `bytes` aligned for vectors (and for huge pages when large), not initialised: pages belong to the thread
/// that touches them first.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* memory) noexcept;

/// Uninitialised, aligned, move-only array of trivial elements.
template <class T>
requires std::is_trivially_copyable_v<T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size)
      : data_(static_cast<T*>(allocate_aligned(static_cast<std::size_t>(size) * sizeof(T)))), size_(size) {}
  Buffer(Index size, T value) : Buffer(size) { std::uninitialized_fill_n(data_.get(), size, value); }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  Index size() const { return size_; }
  T& operator[](Index i) { return data_[static_cast<std::size_t>(i)]; }
  const T& operator[](Index i) const { return data_[static_cast<std::size_t>(i)]; }
  std::span<T> span() { return {data_.get(), static_cast<std::size_t>(size_)}; }
  std::span<const T> span() const { return {data_.get(), static_cast<std::size_t>(size_)}; }

 private:
  struct Free {
    void operator()(T* memory) const noexcept { free_aligned(memory); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

/// Row-major rows × columns window on somebody else's memory; consecutive rows are `stride` elements apart.
template <class T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0;
  Index columns = 0;
  Index stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, Index rows_, Index columns_) : MatrixView(data_, rows_, columns_, columns_) {}
  MatrixView(T* data_, Index rows_, Index columns_, Index stride_)
      : data(data_), rows(rows_), columns(columns_), stride(stride_) {}
  // A view for reading is made of a view for writing without saying so.
  template <class U>
  requires std::is_same_v<const U, T> MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.columns, other.stride) {}

  T* row(Index i) const { return data + i * stride; }
  T& operator()(Index i, Index j) const { return data[i * stride + j]; }
  MatrixView middle_rows(Range range) const { return {row(range.begin), range.size(), columns, stride}; }
};

/// A matrix that owns its row-major elements (stride = columns).
template <class T>
class Matrix {
 public:
  Matrix() = default;
  /// Not initialised.
  Matrix(Index rows, Index columns) : elements_(rows * columns), rows_(rows), columns_(columns) {}
  Matrix(Index rows, Index columns, T value) : elements_(rows * columns, value), rows_(rows), columns_(columns) {}

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  T* data() { return elements_.data(); }
  const T* data() const { return elements_.data(); }
  T& operator()(Index i, Index j) { return elements_[i * columns_ + j]; }
  const T& operator()(Index i, Index j) const { return elements_[i * columns_ + j]; }
  T* row(Index i) { return elements_.data() + i * columns_; }
  const T* row(Index i) const { return elements_.data() + i * columns_; }
  MatrixView<T> view() { return {data(), rows_, columns_}; }
  MatrixView<const T> view() const { return {data(), rows_, columns_}; }
  std::span<T> span() { return elements_.span(); }
  std::span<const T> span() const { return elements_.span(); }

 private:
  Buffer<T> elements_;
  Index rows_ = 0;
  Index columns_ = 0;
};

/// A copy.
template <class T>
Matrix<T> copy_of(const Matrix<T>& matrix) {
  Matrix<T> copy(matrix.rows(), matrix.columns());
  std::uninitialized_copy_n(matrix.data(), matrix.rows() * matrix.columns(), copy.data());
  return copy;
}

}  // namespace scanmf
