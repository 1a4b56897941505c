#include "scanmf/linalg/operations.hpp"

#include <array>
#include <cmath>
#include <numeric>

#include "linalg/kernels.hpp"

namespace scanmf {
namespace {

/// Strips of a dense tile that are weighted at a time: what the project kernel takes as one block of columns.
template <Scalar T>
constexpr Index weighted_block_columns = 16 * strip_columns<T>;

/// Rows that the dense part of a sparse tile and the Gram matrices take at a time.
constexpr Index row_group = 96;

/// Sums of many numbers in double that go on at the same time.
constexpr Index sum_lanes = 8;

/// Of ‖X‖²: a distance ‖X − W·H‖² below it is not formed as a difference of such sums, which are good to some 1e-8 of ‖X‖² in float32.
constexpr double least_difference = 0.01;

template <Scalar T>
Index strip_width(Index begin, Index columns) {
  return std::min(strip_columns<T>, padded_columns<T>(columns) - begin);
}

/// y (rows × width, packed) = one strip of W·H.
template <Scalar T>
void multiply_one_strip(MatrixView<const T> w, const RightFactor<T>& h, Index begin, Index width, T* y) {
  kernels::multiply_strip(w.data, w.stride, 1, w.rows, w.columns, h.strip(begin), width, width, y, false);
}

/// p += one block of columns of A·Hᵀ, from column `first` on: a is rows × columns in strips.
template <Scalar T>
void project_block(const T* a, Index rows, const RightFactor<T>& h, Index first, Index columns, MatrixView<T> p) {
  kernels::project_strips(a, rows, h.strip(first), h.strip_rows(), h.components(), columns, p.data, p.stride);
}

template <Scalar T>
void zero_padding(T* strip, Index rows, Index begin, Index width, Index columns) {
  if (begin + width <= columns) return;
  for (Index i = 0; i < rows; ++i) std::fill(strip + i * width + (columns - begin), strip + (i + 1) * width, T{0});
}

template <Scalar T>
void set_zero(MatrixView<T> m) {
  for (Index i = 0; i < m.rows; ++i) std::fill_n(m.row(i), m.columns, T{0});
}

/// out += one strip of Aᵀ·W: x is rows × width packed. next: elements that are needed soon and brought into the cache meanwhile, or null.
template <Scalar T>
void accumulate_strip(MatrixView<const T> w, const T* x, Index begin, Index width, Accumulator<T>& out, const T* next = nullptr,
                      Index next_count = 0) {
  kernels::multiply_strip(w.data, 1, w.stride, w.columns, w.rows, x, width, width, out.data() + begin * w.columns, true, next, next_count);
}

/// w with rows padded to `stride` elements, zeros behind.
template <Scalar T>
void pad_row(const T* row, Index columns, Index stride, T* padded) {
  std::copy_n(row, columns, padded);
  std::fill(padded + columns, padded + stride, T{0});
}

/// Calls body(first, count) for groups of rows.
template <class Body>
void for_row_groups(Index rows, Body&& body) {
  for (Index i = 0; i < rows; i += row_group) body(i, std::min(row_group, rows - i));
}

}  // namespace

template <Scalar T>
RightFactor<T>::RightFactor(StorageKind kind, Index columns, Index components, bool with_strips)
    : columns_(columns),
      components_(components),
      strips_(kind == StorageKind::dense || with_strips ? padded_columns<T>(columns) * strip_rows() : 0),
      rows_(kind == StorageKind::csr ? columns * padded_components<T>(components) : 0) {}

template <Scalar T>
void RightFactor<T>::assign(MatrixView<const T> ht) {
  const Index padded = padded_columns<T>(columns_);
  if (strips_.size() > 0) {
#pragma omp parallel for schedule(static)
    for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, columns_);
      T* const strip = strips_.data() + begin * strip_rows();
      const Index filled = std::min(width, columns_ - begin);
      kernels::transpose(ht.row(begin), ht.stride, filled, components_, strip, width);
      for (Index c = 0; c < components_; ++c) std::fill(strip + c * width + filled, strip + (c + 1) * width, T{0});
    }
  }
  if (rows_.size() > 0) {
    const Index stride = padded_components<T>(components_);
#pragma omp parallel for schedule(static)
    for (Index j = 0; j < columns_; ++j) pad_row(ht.row(j), components_, stride, rows_.data() + j * stride);
  }
}

template <Scalar T>
Accumulator<T>::Accumulator(StorageKind kind, Index columns, Index components)
    : kind_(kind),
      columns_(columns),
      components_(components),
      elements_(kind == StorageKind::dense ? padded_columns<T>(columns) * components : columns * padded_components<T>(components)) {}

template <Scalar T>
void Accumulator<T>::set_zero() {
  std::fill_n(elements_.data(), elements_.size(), T{0});
}

template <Scalar T>
void sum_accumulators(std::vector<Accumulator<T>>& parts, MatrixView<T> total) {
  const Index k = total.columns;
  const Index columns = total.rows;
  const bool dense = parts.front().kind() == StorageKind::dense;
  const Index stride = padded_components<T>(k);
#pragma omp parallel for schedule(static)
  for (Index begin = 0; begin < columns; begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, columns);
    const Index filled = std::min(columns - begin, width);
    const Index from = begin * (dense ? k : stride);
    const Index elements = dense ? k * width : filled * stride;
    T* const sum = parts.front().data() + from;
    for (std::size_t t = 1; t < parts.size(); ++t) {
      const T* const part = parts[t].data() + from;
      for (Index e = 0; e < elements; ++e) sum[e] += part[e];
    }
    if (dense) {
      kernels::transpose(sum, width, k, filled, total.row(begin), total.stride);
    } else {
      for (Index j = 0; j < filled; ++j) std::copy_n(sum + j * stride, k, total.row(begin + j));
    }
  }
}

template <Scalar T>
void project(const DenseTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>&) {
  set_zero(p);
  project_block(x.packed, x.rows, h, 0, padded_columns<T>(x.columns), p);
}

template <Scalar T>
void project(const CsrTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work) {
  const Index stride = padded_components<T>(p.columns);
  T* const row = work.reserve(stride);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    kernels::project_row(x.column + begin, x.value + begin, x.row_begin[i + 1] - begin, x.row_begin[x.rows] - begin, h.rows(), stride, row);
    std::copy_n(row, p.columns, p.row(i));
  }
}

template <Scalar T>
void accumulate(const DenseTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>&) {
  const Index padded = padded_columns<T>(x.columns);
  const Index strips = (padded + strip_columns<T> - 1) / strip_columns<T>;
  const Index first_block = std::min(padded, kernels::project_block_columns<T>);  // the next tile begins with a projection of so many columns
  const Index share = (first_block + strips - 1) / strips * x.rows;
  for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
    const T* const next = x.next == nullptr ? nullptr : x.next + begin / strip_columns<T> * share;
    accumulate_strip(w, x.packed + begin * x.rows, begin, strip_width<T>(begin, x.columns), xtw, next, share);
  }
}

template <Scalar T>
void accumulate(const CsrTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  T* const row = work.reserve(stride);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    pad_row(w.row(i), w.columns, stride, row);
    kernels::accumulate_row(x.column + begin, x.value + begin, x.row_begin[i + 1] - begin, x.row_begin[x.rows] - begin, row, stride, xtw.data());
  }
}

template <Scalar T>
void project_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, MatrixView<T> numerator,
                      MatrixView<T> denominator, Workspace<T>& work) {
  const Index padded = padded_columns<T>(x.columns);
  const Index block = std::min(padded, weighted_block_columns<T>);
  const bool with_denominator = beta != 1;
  T* const q = work.reserve(2 * block * x.rows);
  T* const r = with_denominator ? q + block * x.rows : nullptr;
  const kernels::BetaWeights weights = kernels::weights_of(beta);
  set_zero(numerator);
  if (with_denominator) set_zero(denominator);
  for (Index first = 0; first < padded; first += block) {
    const Index last = std::min(padded, first + block);
    for (Index begin = first; begin < last; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      T* const q_strip = q + (begin - first) * x.rows;
      T* const r_strip = with_denominator ? r + (begin - first) * x.rows : nullptr;
      multiply_one_strip(w, h, begin, width, q_strip);
      kernels::beta_weights(x.packed + begin * x.rows, q_strip, x.rows * width, weights, q_strip, r_strip);
      zero_padding(q_strip, x.rows, begin, width, x.columns);
      if (with_denominator) zero_padding(r_strip, x.rows, begin, width, x.columns);
    }
    project_block(q, x.rows, h, first, last - first, numerator);
    if (with_denominator) project_block(r, x.rows, h, first, last - first, denominator);
  }
}

template <Scalar T>
void accumulate_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Accumulator<T>& numerator,
                         Accumulator<T>& denominator, Workspace<T>& work) {
  const bool with_denominator = beta != 1;
  T* const q = work.reserve(2 * strip_columns<T> * x.rows);
  T* const r = with_denominator ? q + strip_columns<T> * x.rows : nullptr;
  const kernels::BetaWeights weights = kernels::weights_of(beta);
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    multiply_one_strip(w, h, begin, width, q);
    kernels::beta_weights(x.packed + begin * x.rows, q, x.rows * width, weights, q, r);
    accumulate_strip<T>(w, q, begin, width, numerator);
    if (with_denominator) accumulate_strip<T>(w, r, begin, width, denominator);
  }
}

namespace {

/// R·Hᵀ with R = Ỹ^(β−1) over all of W·H, for sparse X: groups of rows, blocks of strips.
template <Scalar T>
void project_all_denominators(MatrixView<const T> w, const RightFactor<T>& h, double beta, MatrixView<T> denominator, T* scratch) {
  const Index padded = padded_columns<T>(h.columns());
  const Index block = std::min(padded, weighted_block_columns<T>);
  set_zero(denominator);
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    for (Index first = 0; first < padded; first += block) {
      const Index last = std::min(padded, first + block);
      for (Index begin = first; begin < last; begin += strip_columns<T>) {
        const Index width = strip_width<T>(begin, h.columns());
        T* const strip = scratch + (begin - first) * rows;
        multiply_one_strip(group, h, begin, width, strip);
        kernels::beta_denominator(strip, rows * width, kernels::weights_of(beta));
        zero_padding(strip, rows, begin, width, h.columns());
      }
      project_block(scratch, rows, h, first, last - first, denominator.middle_rows({i, i + rows}));
    }
  });
}

/// Rᵀ·W over all of W·H, for sparse X.
template <Scalar T>
void accumulate_all_denominators(MatrixView<const T> w, const RightFactor<T>& h, double beta, Accumulator<T>& denominator, T* scratch) {
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    for (Index begin = 0; begin < padded_columns<T>(h.columns()); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, h.columns());
      multiply_one_strip(group, h, begin, width, scratch);
      kernels::beta_denominator(scratch, rows * width, kernels::weights_of(beta));
      accumulate_strip<T>(group, scratch, begin, width, denominator);
    }
  });
}

/// Longest row of a tile.
template <Scalar T>
Index longest_row(const CsrTile<T>& x) {
  Index longest = 0;
  for (Index i = 0; i < x.rows; ++i) longest = std::max(longest, x.row_begin[i + 1] - x.row_begin[i]);
  return longest;
}

/// Calls body(i, columns, q, count, known) with the weights q = x·Ŷ^(β−2) at the non-zeros of each row.
template <Scalar T, class Body>
void for_weighted_rows(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, T* row, T* q, Body&& body) {
  const Index stride = padded_components<T>(w.columns);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    const Index count = x.row_begin[i + 1] - begin;
    pad_row(w.row(i), w.columns, stride, row);
    kernels::product_at(x.column + begin, count, x.row_begin[x.rows] - begin, row, h.rows(), stride, q);
    kernels::beta_weights(x.value + begin, q, count, kernels::weights_of(beta), q, static_cast<T*>(nullptr));
    body(i, x.column + begin, q, count, x.row_begin[x.rows] - begin);
  }
}

}  // namespace

template <Scalar T>
void project_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, MatrixView<T> numerator,
                      MatrixView<T> denominator, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index block = beta == 1 ? 0 : std::min(padded_columns<T>(x.columns), weighted_block_columns<T>) * row_group;
  T* const row = work.reserve(2 * stride + longest_row(x) + block);
  T* const p = row + stride;
  T* const q = p + stride;
  for_weighted_rows(x, w, h, beta, row, q, [&](Index i, const std::int32_t* column, const T* weights, Index count, Index) {
    kernels::project_row(column, weights, count, count, h.rows(), stride, p);
    std::copy_n(p, w.columns, numerator.row(i));
  });
  if (beta != 1) project_all_denominators(w, h, beta, denominator, row);
}

template <Scalar T>
void accumulate_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Accumulator<T>& numerator,
                         Accumulator<T>& denominator, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index block = beta == 1 ? 0 : strip_columns<T> * row_group;
  T* const row = work.reserve(stride + longest_row(x) + block);
  T* const q = row + stride;
  for_weighted_rows(x, w, h, beta, row, q, [&](Index, const std::int32_t* column, const T* weights, Index count, Index known) {
    kernels::accumulate_row(column, weights, count, known, row, stride, numerator.data());
  });
  if (beta != 1) accumulate_all_denominators(w, h, beta, denominator, row);
}

template <Scalar T>
double divergence_sum(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Workspace<T>& work) {
  T* const y = work.reserve(strip_columns<T> * x.rows);
  double sum = 0;
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    const T* const x_strip = x.packed + begin * x.rows;
    multiply_one_strip(w, h, begin, width, y);
    if (begin + width <= x.columns) {
      sum += kernels::beta_divergence_terms(x_strip, y, x.rows * width, beta);
    } else {  // padding is no element of X
      for (Index i = 0; i < x.rows; ++i) sum += kernels::beta_divergence_terms(x_strip + i * width, y + i * width, x.columns - begin, beta);
    }
  }
  return sum;
}

template <Scalar T>
double divergence_sum(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const bool all = beta != 0 && beta != 1 && beta != 2;
  T* const row = work.reserve(stride + longest_row(x) + strip_columns<T> * row_group);
  T* const y = row + stride;
  double sum = 0;
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    const Index count = x.row_begin[i + 1] - begin;
    pad_row(w.row(i), w.columns, stride, row);
    kernels::product_at(x.column + begin, count, x.row_begin[x.rows] - begin, row, h.rows(), stride, y);
    sum += kernels::beta_stored_terms(x.value + begin, y, count, beta);
  }
  if (!all) return sum;
  double powers = 0;
  for_row_groups(w.rows, [&](Index i, Index rows) {
    for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      multiply_one_strip(MatrixView<const T>(w.middle_rows({i, i + rows})), h, begin, width, row);
      for (Index r = 0; r < rows; ++r) powers += kernels::sum_of_powers(row + r * width, std::min(width, x.columns - begin), beta);
    }
  });
  return sum + (beta - 1) * powers;
}

namespace {

/// Calls add(i, lane) for all i < count: sums of different lanes do not wait for each other.
template <class Add>
void in_lanes(Index count, Add&& add) {
  Index i = 0;
  for (; i + sum_lanes <= count; i += sum_lanes)
    for (Index lane = 0; lane < sum_lanes; ++lane) add(i + lane, static_cast<std::size_t>(lane));
  for (; i < count; ++i) add(i, 0);
}

/// ⟨A, B⟩ of two matrices of the same shape, in double.
template <Scalar T>
double dot(MatrixView<const T> a, MatrixView<const T> b) {
  std::array<double, sum_lanes> sums{};
  for (Index i = 0; i < a.rows; ++i)
    in_lanes(a.columns, [&](Index c, std::size_t lane) { sums[lane] += static_cast<double>(a(i, c)) * static_cast<double>(b(i, c)); });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

template <Scalar T>
std::optional<double> divergence_by_projection(const DenseTile<T>& x, MatrixView<const T> w, MatrixView<const T> p, const double* h_gram,
                                               Workspace<T>& work) {
  std::vector<double> w_gram(static_cast<std::size_t>(w.columns * w.columns), 0.0);
  add_gram(w, w_gram.data(), work);
  const double x_norm = kernels::sum_of_powers(x.packed, x.rows * padded_columns<T>(x.columns), 2);
  const double distance = x_norm - 2 * dot(p, w) + std::inner_product(w_gram.begin(), w_gram.end(), h_gram, 0.0);
  if (!(distance >= least_difference * x_norm)) return std::nullopt;
  return distance / 2;
}

template <Scalar T>
std::optional<double> divergence_by_projection(const CsrTile<T>& x, MatrixView<const T> w, MatrixView<const T> p, const double*, Workspace<T>&) {
  const Index begin = x.row_begin[0];
  return kernels::sum_of_powers(x.value + begin, x.row_begin[x.rows] - begin, 2) / 2 - dot(p, w);
}

double divergence_total(StorageKind kind, double beta, double element_sum, double gram_dot, double sums_dot, const Shape& shape) {
  if (beta == 2) return kind == StorageKind::dense ? element_sum : element_sum + 0.5 * gram_dot;
  if (beta == 1) return element_sum + sums_dot;
  if (beta == 0) return element_sum - static_cast<double>(shape.rows) * static_cast<double>(shape.columns);
  return element_sum / (beta * (beta - 1));
}

template <Scalar T>
void multiply(MatrixView<const T> w, const RightFactor<T>& h, MatrixView<T> y, Workspace<T>& work) {
  T* const strip = work.reserve(strip_columns<T> * row_group);
  for_row_groups(w.rows, [&](Index i, Index rows) {
    for (Index begin = 0; begin < h.columns(); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, h.columns());
      multiply_one_strip(MatrixView<const T>(w.middle_rows({i, i + rows})), h, begin, width, strip);
      for (Index r = 0; r < rows; ++r) std::copy_n(strip + r * width, std::min(width, h.columns() - begin), y.row(i + r) + begin);
    }
  });
}

template <Scalar T>
void add_gram(MatrixView<const T> f, double* gram, Workspace<T>& work) {
  const Index k = f.columns;
  const Index padded = padded_columns<T>(k);
  T* const rows_padded = work.reserve(row_group * padded + strip_columns<T> * k);
  T* const strip = rows_padded + row_group * padded;
  for_row_groups(f.rows, [&](Index i, Index rows) {
    for (Index r = 0; r < rows; ++r) pad_row(f.row(i + r), k, padded, rows_padded + r * padded);
    for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, k);
      kernels::multiply_strip(rows_padded, 1, padded, k, rows, rows_padded + begin, padded, width, strip, false);
      const Index valid = std::min(width, k - begin);
      for (Index a = 0; a < k; ++a)
        for (Index b = 0; b < valid; ++b) gram[a * k + begin + b] += static_cast<double>(strip[a * width + b]);
    }
  });
}

template <Scalar T>
void add_column_sums(MatrixView<const T> f, double* sums) {
  for (Index i = 0; i < f.rows; ++i)
    for (Index c = 0; c < f.columns; ++c) sums[c] += static_cast<double>(f(i, c));
}

template <Scalar T>
ElementTotals element_totals(std::span<const T> elements, T lowest) {
  return kernels::totals(elements.data(), static_cast<Index>(elements.size()), static_cast<double>(lowest));
}

template <Scalar T>
NormAndSum norm_and_sum(MatrixView<const T> f) {
  std::array<double, sum_lanes> squares{};
  std::array<double, sum_lanes> sums{};
  in_lanes(f.rows * f.columns, [&](Index i, std::size_t lane) {
    const auto value = static_cast<double>(f.data[i]);
    squares[lane] += value * value;
    sums[lane] += value;
  });
  return {std::accumulate(squares.begin(), squares.end(), 0.0), std::accumulate(sums.begin(), sums.end(), 0.0)};
}

template <Scalar T>
double distance_squared(MatrixView<const T> a, MatrixView<const T> b) {
  std::array<double, sum_lanes> squares{};
  in_lanes(a.rows * a.columns, [&](Index i, std::size_t lane) {
    const double difference = static_cast<double>(a.data[i]) - static_cast<double>(b.data[i]);
    squares[lane] += difference * difference;
  });
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

template <Scalar T>
double sweep_rows(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order, Workspace<T>& work) {
  const Index k = f.columns;
  const Index stride = padded_columns<T>(std::min(row_group, f.rows));
  T* const ft = work.reserve(2 * k * stride);
  T* const pt = ft + k * stride;
  const T shift = static_cast<T>(l1);
  double violation = 0;
  for_row_groups(f.rows, [&](Index i, Index rows) {
    const Index padded = padded_columns<T>(rows);
    kernels::transpose(f.row(i), f.stride, rows, k, ft, stride);
    kernels::transpose(p.row(i), p.stride, rows, k, pt, stride);
    for (Index c = 0; c < k; ++c) {
      for (Index r = 0; r < rows; ++r) pt[c * stride + r] -= shift;
      std::fill(ft + c * stride + rows, ft + c * stride + padded, T{0});
      std::fill(pt + c * stride + rows, pt + c * stride + padded, T{0});
    }
    violation += kernels::sweep_coordinates(ft, pt, padded, stride, gram, k, order);
    kernels::transpose(ft, stride, k, rows, f.row(i), f.stride);
  });
  return violation;
}

template <Scalar T>
void multiply_rows(MatrixView<T> f, MatrixView<const T> numerator, MatrixView<const T> denominator, double l1, double l2, double gamma,
                   double zero_below) {
  for (Index i = 0; i < f.rows; ++i) kernels::multiply_by_ratio(f.row(i), numerator.row(i), denominator.row(i), f.columns, l1, l2, gamma, zero_below);
}

template <Scalar T>
void accumulate_mini_batch(MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator, MatrixView<T> a, MatrixView<T> b,
                           const MiniBatchUpdate& update) {
  kernels::mini_batch(h.data, numerator.data, denominator.data, a.data, b.data, h.rows * h.columns, update);
}

template class RightFactor<float>;
template class RightFactor<double>;
template class Accumulator<float>;
template class Accumulator<double>;

template void sum_accumulators(std::vector<Accumulator<float>>&, MatrixView<float>);
template void sum_accumulators(std::vector<Accumulator<double>>&, MatrixView<double>);
template void project(const DenseTile<float>&, const RightFactor<float>&, MatrixView<float>, Workspace<float>&);
template void project(const DenseTile<double>&, const RightFactor<double>&, MatrixView<double>, Workspace<double>&);
template void project(const CsrTile<float>&, const RightFactor<float>&, MatrixView<float>, Workspace<float>&);
template void project(const CsrTile<double>&, const RightFactor<double>&, MatrixView<double>, Workspace<double>&);
template void accumulate(const DenseTile<float>&, MatrixView<const float>, Accumulator<float>&, Workspace<float>&);
template void accumulate(const DenseTile<double>&, MatrixView<const double>, Accumulator<double>&, Workspace<double>&);
template void accumulate(const CsrTile<float>&, MatrixView<const float>, Accumulator<float>&, Workspace<float>&);
template void accumulate(const CsrTile<double>&, MatrixView<const double>, Accumulator<double>&, Workspace<double>&);
template void project_weighted(const DenseTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, MatrixView<float>,
                               MatrixView<float>, Workspace<float>&);
template void project_weighted(const DenseTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, MatrixView<double>,
                               MatrixView<double>, Workspace<double>&);
template void project_weighted(const CsrTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, MatrixView<float>,
                               MatrixView<float>, Workspace<float>&);
template void project_weighted(const CsrTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, MatrixView<double>,
                               MatrixView<double>, Workspace<double>&);
template void accumulate_weighted(const DenseTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, Accumulator<float>&,
                                  Accumulator<float>&, Workspace<float>&);
template void accumulate_weighted(const DenseTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, Accumulator<double>&,
                                  Accumulator<double>&, Workspace<double>&);
template void accumulate_weighted(const CsrTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, Accumulator<float>&,
                                  Accumulator<float>&, Workspace<float>&);
template void accumulate_weighted(const CsrTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, Accumulator<double>&,
                                  Accumulator<double>&, Workspace<double>&);
template double divergence_sum(const DenseTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, Workspace<float>&);
template double divergence_sum(const DenseTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, Workspace<double>&);
template double divergence_sum(const CsrTile<float>&, MatrixView<const float>, const RightFactor<float>&, double, Workspace<float>&);
template double divergence_sum(const CsrTile<double>&, MatrixView<const double>, const RightFactor<double>&, double, Workspace<double>&);
template std::optional<double> divergence_by_projection(const DenseTile<float>&, MatrixView<const float>, MatrixView<const float>, const double*,
                                                        Workspace<float>&);
template std::optional<double> divergence_by_projection(const CsrTile<float>&, MatrixView<const float>, MatrixView<const float>, const double*,
                                                        Workspace<float>&);
template std::optional<double> divergence_by_projection(const DenseTile<double>&, MatrixView<const double>, MatrixView<const double>, const double*,
                                                        Workspace<double>&);
template std::optional<double> divergence_by_projection(const CsrTile<double>&, MatrixView<const double>, MatrixView<const double>, const double*,
                                                        Workspace<double>&);
template void multiply(MatrixView<const float>, const RightFactor<float>&, MatrixView<float>, Workspace<float>&);
template void multiply(MatrixView<const double>, const RightFactor<double>&, MatrixView<double>, Workspace<double>&);
template void add_gram(MatrixView<const float>, double*, Workspace<float>&);
template void add_gram(MatrixView<const double>, double*, Workspace<double>&);
template void add_column_sums(MatrixView<const float>, double*);
template void add_column_sums(MatrixView<const double>, double*);
template ElementTotals element_totals(std::span<const float>, float);
template ElementTotals element_totals(std::span<const double>, double);
template NormAndSum norm_and_sum(MatrixView<const float>);
template NormAndSum norm_and_sum(MatrixView<const double>);
template double distance_squared(MatrixView<const float>, MatrixView<const float>);
template double distance_squared(MatrixView<const double>, MatrixView<const double>);
template double sweep_rows(MatrixView<float>, MatrixView<const float>, double, const float*, const Index*, Workspace<float>&);
template double sweep_rows(MatrixView<double>, MatrixView<const double>, double, const double*, const Index*, Workspace<double>&);
template void multiply_rows(MatrixView<float>, MatrixView<const float>, MatrixView<const float>, double, double, double, double);
template void multiply_rows(MatrixView<double>, MatrixView<const double>, MatrixView<const double>, double, double, double, double);

template void accumulate_mini_batch(MatrixView<float>, MatrixView<const float>, MatrixView<const float>, MatrixView<float>, MatrixView<float>,
                                    const MiniBatchUpdate&);
template void accumulate_mini_batch(MatrixView<double>, MatrixView<const double>, MatrixView<const double>, MatrixView<double>, MatrixView<double>,
                                    const MiniBatchUpdate&);

}  // namespace scanmf
