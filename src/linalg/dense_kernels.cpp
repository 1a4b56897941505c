// The two dense loops, with vectors along the columns of X, so that every number of components is exact:
//   project   4 rows × up to 6 components: dot products over the columns, summed across lanes once a block of columns
//   multiply  up to 6 rows × 4 vectors: rank-one updates of an accumulator that stays in registers
#include "linalg/kernels.hpp"
#include "scanmf/linalg/operations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/dense_kernels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Vector = hn::CappedTag<T, 64 / sizeof(T)>;

// Register blocks: 24 accumulators where there are 32 registers, 12 or less where there are 16.
constexpr bool many_registers = (HWY_TARGET & (HWY_AVX3 | HWY_NEON)) != 0;
constexpr Index project_rows = many_registers ? 4 : 2;
constexpr Index project_components = many_registers ? 6 : 5;
constexpr Index multiply_rows = many_registers ? 6 : 3;
constexpr Index multiply_vectors = 4;

/// Strips of X and H that one block of the project loop takes: the H block of a few components stays in the first-level cache.
template <class T>
constexpr Index project_block_columns = 4096 / static_cast<Index>(sizeof(T));

/// Dot products of R rows of x with C components of h over the strips of columns [begin, end); strip width is full except at the end.
template <Index R, Index C, class T>
HWY_NOINLINE void project_block(const T* x, Index x_rows, Index first_row, const T* h, Index h_rows, Index first_component, Index begin, Index end,
                                Index columns, T* p, Index p_stride) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  hn::Vec<Vector<T>> sums[std::size_t{R}][std::size_t{C}];
  for (Index r = 0; r < R; ++r)
    for (Index c = 0; c < C; ++c) sums[r][c] = hn::Zero(d);
  const Index next_strip = strip_columns<T> * x_rows;
  for (Index j = begin; j < end; j += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, columns - j);
    const T* const x_strip = x + j * x_rows + first_row * width;
    const T* const h_strip = h + j * h_rows + first_component * width;
    for (Index v = 0; v < width; v += lanes) {
      hn::Vec<Vector<T>> x_values[std::size_t{R}];
      for (Index r = 0; r < R; ++r) {
        x_values[r] = hn::Load(d, x_strip + r * width + v);
        hwy::Prefetch(x_strip + r * width + v + next_strip);
      }
      for (Index c = 0; c < C; ++c) {
        const auto h_values = hn::Load(d, h_strip + c * width + v);
        for (Index r = 0; r < R; ++r) sums[r][c] = hn::MulAdd(x_values[r], h_values, sums[r][c]);
      }
    }
  }
  for (Index r = 0; r < R; ++r)
    for (Index c = 0; c < C; ++c) p[(first_row + r) * p_stride + first_component + c] += hn::GetLane(hn::SumOfLanes(d, sums[r][c]));
}

template <class T>
using ProjectBlock = void (*)(const T*, Index, Index, const T*, Index, Index, Index, Index, Index, T*, Index);

template <class T, Index R, std::size_t... C>
constexpr void fill_project_row(ProjectBlock<T>* table, std::index_sequence<C...>) {
  ((table[C] = &project_block<R, static_cast<Index>(C) + 1, T>), ...);
}

template <class T>
struct ProjectTable {
  ProjectBlock<T> entries[std::size_t{project_rows}][std::size_t{project_components}];
  constexpr ProjectTable() : entries{} { fill(std::make_index_sequence<static_cast<std::size_t>(project_rows)>()); }
  template <std::size_t... R>
  constexpr void fill(std::index_sequence<R...>) {
    (fill_project_row<T, static_cast<Index>(R) + 1>(entries[R], std::make_index_sequence<static_cast<std::size_t>(project_components)>()), ...);
  }
};

template <class T>
void project_strips_of(const T* x, Index rows, const T* h, Index components, Index columns, T* p, Index p_stride) {
  static constexpr ProjectTable<T> table;
  const Index parts = (components + project_components - 1) / project_components;  // of nearly equal size
  for (Index begin = 0; begin < columns; begin += project_block_columns<T>) {
    const Index end = std::min(columns, begin + project_block_columns<T>);
    for (Index part = 0; part < parts; ++part) {
      const Index first = components * part / parts;
      const Index count = components * (part + 1) / parts - first;
      for (Index i = 0; i < rows; i += project_rows) {
        const Index block = std::min(project_rows, rows - i);
        table.entries[block - 1][count - 1](x, rows, i, h, components, first, begin, end, columns, p, p_stride);
      }
    }
  }
}

/// R rows × V vectors of one strip.
template <Index R, Index V, class T>
HWY_NOINLINE void multiply_block(const T* a, Index a_row, Index a_term, Index terms, const T* b, Index b_stride, T* out, Index out_stride, bool add) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  hn::Vec<Vector<T>> sums[std::size_t{R}][std::size_t{V}];
  for (Index r = 0; r < R; ++r)
    for (Index v = 0; v < V; ++v) sums[r][v] = hn::Zero(d);
  for (Index q = 0; q < terms; ++q) {
    hn::Vec<Vector<T>> b_values[std::size_t{V}];
    for (Index v = 0; v < V; ++v) b_values[v] = hn::LoadU(d, b + q * b_stride + v * lanes);
    for (Index r = 0; r < R; ++r) {
      const auto factor = hn::Set(d, a[r * a_row + q * a_term]);
      for (Index v = 0; v < V; ++v) sums[r][v] = hn::MulAdd(factor, b_values[v], sums[r][v]);
    }
  }
  for (Index r = 0; r < R; ++r) {
    for (Index v = 0; v < V; ++v) {
      T* const to = out + r * out_stride + v * lanes;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, to), sums[r][v]) : sums[r][v], d, to);
    }
  }
}

template <class T>
using MultiplyBlock = void (*)(const T*, Index, Index, Index, const T*, Index, T*, Index, bool);

template <class T, Index R, std::size_t... V>
constexpr void fill_multiply_row(MultiplyBlock<T>* table, std::index_sequence<V...>) {
  ((table[V] = &multiply_block<R, static_cast<Index>(V) + 1, T>), ...);
}

template <class T>
struct MultiplyTable {
  MultiplyBlock<T> entries[std::size_t{multiply_rows}][std::size_t{multiply_vectors}];
  constexpr MultiplyTable() : entries{} { fill(std::make_index_sequence<static_cast<std::size_t>(multiply_rows)>()); }
  template <std::size_t... R>
  constexpr void fill(std::index_sequence<R...>) {
    (fill_multiply_row<T, static_cast<Index>(R) + 1>(entries[R], std::make_index_sequence<static_cast<std::size_t>(multiply_vectors)>()), ...);
  }
};

template <class T>
void multiply_strip_of(const T* a, Index a_row, Index a_term, Index rows, Index terms, const T* b, Index b_stride, Index width, T* out, bool add) {
  static constexpr MultiplyTable<T> table;
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  const Index parts = (rows + multiply_rows - 1) / multiply_rows;  // of nearly equal size
  for (Index j = 0; j < width; j += multiply_vectors * lanes) {
    const Index vectors = std::min(multiply_vectors, (width - j) / lanes);
    for (Index part = 0; part < parts; ++part) {
      const Index r = rows * part / parts;
      const Index block = rows * (part + 1) / parts - r;
      table.entries[block - 1][vectors - 1](a + r * a_row, a_row, a_term, terms, b + j, b_stride, out + r * width + j, width, add);
    }
  }
}

void project_float(const float* x, Index rows, const float* h, Index components, Index columns, float* p, Index p_stride) {
  project_strips_of(x, rows, h, components, columns, p, p_stride);
}
void project_double(const double* x, Index rows, const double* h, Index components, Index columns, double* p, Index p_stride) {
  project_strips_of(x, rows, h, components, columns, p, p_stride);
}
void multiply_float(const float* a, Index a_row, Index a_term, Index rows, Index terms, const float* b, Index b_stride, Index width, float* out,
                    bool add) {
  multiply_strip_of(a, a_row, a_term, rows, terms, b, b_stride, width, out, add);
}
void multiply_double(const double* a, Index a_row, Index a_term, Index rows, Index terms, const double* b, Index b_stride, Index width, double* out,
                     bool add) {
  multiply_strip_of(a, a_row, a_term, rows, terms, b, b_stride, width, out, add);
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(project_float);
HWY_EXPORT(project_double);
HWY_EXPORT(multiply_float);
HWY_EXPORT(multiply_double);
HWY_EXPORT(target_name);

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target_name)(); }
}  // namespace scanmf

namespace scanmf::kernels {

void project_strips(const float* x, Index rows, const float* h, Index components, Index columns, float* p, Index p_stride) {
  HWY_DYNAMIC_DISPATCH(project_float)(x, rows, h, components, columns, p, p_stride);
}
void project_strips(const double* x, Index rows, const double* h, Index components, Index columns, double* p, Index p_stride) {
  HWY_DYNAMIC_DISPATCH(project_double)(x, rows, h, components, columns, p, p_stride);
}
void multiply_strip(const float* a, Index a_row, Index a_term, Index rows, Index terms, const float* b, Index b_stride, Index width, float* out,
                    bool add) {
  HWY_DYNAMIC_DISPATCH(multiply_float)(a, a_row, a_term, rows, terms, b, b_stride, width, out, add);
}
void multiply_strip(const double* a, Index a_row, Index a_term, Index rows, Index terms, const double* b, Index b_stride, Index width, double* out,
                    bool add) {
  HWY_DYNAMIC_DISPATCH(multiply_double)(a, a_row, a_term, rows, terms, b, b_stride, width, out, add);
}

}  // namespace scanmf::kernels
#endif
