// The two dense loops, with vectors along the columns of X, so that every number of components is exact:
//   project   4 rows × up to 6 components: dot products over the columns, summed across lanes once a block of columns
//   multiply  up to 6 rows × 4 vectors: rank-one updates of an accumulator that stays in registers
// Loops over a register block are unrolled early (HWY_UNROLL): the compiler would keep the accumulators in memory
// before and after the inner loop.
#include "linalg/kernels.hpp"
#include "scanmf/linalg/operations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/dense_kernels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

// Register blocks: 24 accumulators where there are 32 registers, 12 or less where there are 16.
constexpr bool many_registers = (HWY_TARGET & (HWY_AVX3 | HWY_NEON)) != 0;
constexpr Index project_rows = many_registers ? 4 : 2;
constexpr Index project_components = many_registers ? 6 : 5;
constexpr Index multiply_rows = many_registers ? 6 : 3;
constexpr Index multiply_vectors = 4;
constexpr Index terms_per_step = 8;  // of Ahead

/// Two stretches of memory that are brought into the second-level cache in small steps while the arithmetic on others
/// runs: a loop that meets its operands in memory waits for them.
template <class T>
class Ahead {
 public:
  struct Stretch {
    const T* first;
    Index count;
  };
  Ahead(Stretch a, Stretch b, Index steps) : parts_{Part(a, steps), Part(b, steps)} {}
  HWY_INLINE void step() {
    for (Part& part : parts_)
      for (Index i = 0; i < part.lines && part.next < part.end; ++i, part.next += line)
        __builtin_prefetch(part.next, 0, 2);
  }

 private:
  static constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  struct Part {
    Part(Stretch stretch, Index steps)
        : next(stretch.first),
          end(stretch.first + stretch.count),
          lines(((stretch.count + line - 1) / line + steps - 1) / steps) {}
    const T* next;
    const T* end;
    Index lines;  // a step
  };
  Part parts_[2];
};

/// p[r·p_stride + c] += sum of the lanes of sums[r][c], for the vectors from number First on: as many at a time as a
/// vector has lanes.
template <Index First, Index R, Index C, class T>
HWY_INLINE void add_sums(Vector<T> d, const Lanes<T> (&sums)[std::size_t{R}][std::size_t{C}], T* p, Index p_stride) {
  constexpr Index group = static_cast<Index>(hn::MaxLanes(Vector<T>()));
  HWY_ALIGN T totals[std::size_t{group}];
  Lanes<T> some[std::size_t{group}];
  HWY_UNROLL(16)
  for (Index i = 0; i < group; ++i) some[i] = First + i < R * C ? sums[(First + i) / C][(First + i) % C] : hn::Zero(d);
  hn::Store(sums_of_lanes<lane_levels<T>, T>(d, some), d, totals);
  HWY_UNROLL(16)
  for (Index i = 0; i < group && First + i < R * C; ++i) p[(First + i) / C * p_stride + (First + i) % C] += totals[i];
  if constexpr (First + group < R * C) add_sums<First + group, R, C, T>(d, sums, p, p_stride);
}

/// sums[r][c] += products of R rows of a strip of x with C rows of a strip of h, lane by lane. next_strip: distance of
/// the strip of x that comes next.
template <Index R, Index C, class T>
HWY_INLINE void add_strip(const T* x, const T* h, Index width, Index next_strip,
                          Lanes<T> (&sums)[std::size_t{R}][std::size_t{C}]) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index v = 0; v < width; v += lanes) {
    Lanes<T> x_values[std::size_t{R}];
    HWY_UNROLL(8)
    for (Index r = 0; r < R; ++r) {
      x_values[r] = hn::Load(d, x + r * width + v);
      hwy::Prefetch(x + r * width + v + next_strip);
    }
    HWY_UNROLL(8)
    for (Index c = 0; c < C; ++c) {
      const auto h_values = hn::Load(d, h + c * width + v);
      HWY_UNROLL(8)
      for (Index r = 0; r < R; ++r) sums[r][c] = hn::MulAdd(x_values[r], h_values, sums[r][c]);
    }
  }
}

/// Dot products of R rows of x with C components of h over the strips of columns [begin, end), all full but the last of
/// X.
template <Index R, Index C, class T>
HWY_NOINLINE void project_block(const T* x, Index x_rows, Index first_row, const T* h, Index h_rows,
                                Index first_component, Index begin, Index end, T* p, Index p_stride, Ahead<T>& ahead) {
  const Vector<T> d;
  Lanes<T> sums[std::size_t{R}][std::size_t{C}];
  HWY_UNROLL(8)
  for (Index r = 0; r < R; ++r) HWY_UNROLL(8)
  for (Index c = 0; c < C; ++c) sums[r][c] = hn::Zero(d);
  const Index next_strip = strip_columns<T> * x_rows;
  Index j = begin;
  for (; j + strip_columns<T> <= end; j += strip_columns<T>) {
    ahead.step();
    add_strip<R, C, T>(x + j * x_rows + first_row * strip_columns<T>,
                       h + j * h_rows + first_component * strip_columns<T>, strip_columns<T>, next_strip, sums);
  }
  if (j < end)
    add_strip<R, C, T>(x + j * x_rows + first_row * (end - j), h + j * h_rows + first_component * (end - j), end - j,
                       next_strip, sums);
  add_sums<0, R, C, T>(d, sums, p + first_row * p_stride + first_component, p_stride);
}

template <class T>
using ProjectBlock = void (*)(const T*, Index, Index, const T*, Index, Index, Index, Index, T*, Index, Ahead<T>&);

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
    (fill_project_row<T, static_cast<Index>(R) + 1>(
         entries[R], std::make_index_sequence<static_cast<std::size_t>(project_components)>()),
     ...);
  }
};

template <class T>
void project_strips_of(const T* x, Index rows, const T* h, Index h_rows, Index components, Index columns, T* p,
                       Index p_stride) {
  static constexpr ProjectTable<T> table;
  const Index parts = (components + project_components - 1) / project_components;  // of nearly equal size
  for (Index begin = 0; begin < columns; begin += kernels::project_block_columns<T>) {
    const Index end = std::min(columns, begin + kernels::project_block_columns<T>);
    const Index next_columns = std::min(columns - end, kernels::project_block_columns<T>);
    const Index row_blocks = (rows + project_rows - 1) / project_rows;
    const Index strips = std::max<Index>(1, (end - begin) / strip_columns<T>);
    Ahead<T> ahead({x + end * rows, next_columns * rows}, {h + end * h_rows, next_columns * h_rows},
                   parts * row_blocks * strips);
    for (Index part = 0; part < parts; ++part) {
      const Index first = components * part / parts;
      const Index count = components * (part + 1) / parts - first;
      for (Index i = 0; i < rows; i += project_rows) {
        const Index block = std::min(project_rows, rows - i);
        table.entries[block - 1][count - 1](x, rows, i, h, h_rows, first, begin, end, p, p_stride, ahead);
      }
    }
  }
}

/// R rows × V vectors of one strip.
template <Index R, Index V, class T>
HWY_NOINLINE void multiply_block(const T* a, Index a_row, Index a_term, Index terms, const T* b, Index b_stride, T* out,
                                 Index out_stride, bool add, Ahead<T>& ahead) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> sums[std::size_t{R}][std::size_t{V}];
  HWY_UNROLL(8)
  for (Index r = 0; r < R; ++r) HWY_UNROLL(8)
  for (Index v = 0; v < V; ++v) sums[r][v] = hn::Zero(d);
  for (Index q = 0; q < terms;) {
    ahead.step();
    for (const Index end = std::min(terms, q + terms_per_step); q < end; ++q) {
      Lanes<T> b_values[std::size_t{V}];
      HWY_UNROLL(8)
      for (Index v = 0; v < V; ++v) b_values[v] = hn::LoadU(d, b + q * b_stride + v * lanes);
      HWY_UNROLL(8)
      for (Index r = 0; r < R; ++r) {
        const auto factor = hn::Set(d, a[r * a_row + q * a_term]);
        HWY_UNROLL(8)
        for (Index v = 0; v < V; ++v) sums[r][v] = hn::MulAdd(factor, b_values[v], sums[r][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (Index r = 0; r < R; ++r) {
    HWY_UNROLL(8)
    for (Index v = 0; v < V; ++v) {
      T* const to = out + r * out_stride + v * lanes;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, to), sums[r][v]) : sums[r][v], d, to);
    }
  }
}

template <class T>
using MultiplyBlock = void (*)(const T*, Index, Index, Index, const T*, Index, T*, Index, bool, Ahead<T>&);

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
    (fill_multiply_row<T, static_cast<Index>(R) + 1>(
         entries[R], std::make_index_sequence<static_cast<std::size_t>(multiply_vectors)>()),
     ...);
  }
};

template <class T>
void multiply_strip_of(const T* a, Index a_row, Index a_term, Index rows, Index terms, const T* b, Index b_stride,
                       Index width, T* out, bool add, const T* next, Index next_count) {
  static constexpr MultiplyTable<T> table;
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  const Index parts = (rows + multiply_rows - 1) / multiply_rows;  // of nearly equal size
  const Index column_parts = (width + multiply_vectors * lanes - 1) / (multiply_vectors * lanes);
  Ahead<T> ahead({next, next == nullptr ? 0 : next_count}, {out + rows * width, add ? rows * width : 0},
                 (terms + terms_per_step - 1) / terms_per_step * parts * column_parts);
  for (Index j = 0; j < width; j += multiply_vectors * lanes) {
    const Index vectors = std::min(multiply_vectors, (width - j) / lanes);
    for (Index part = 0; part < parts; ++part) {
      const Index r = rows * part / parts;
      const Index block = rows * (part + 1) / parts - r;
      table.entries[block - 1][vectors - 1](a + r * a_row, a_row, a_term, terms, b + j, b_stride, out + r * width + j,
                                            width, add, ahead);
    }
  }
}

template <class T>
constexpr kernels::DenseKernels<T> table{&project_strips_of<T>, &multiply_strip_of<T>};
const kernels::DenseKernels<float>& dense_float() { return table<float>; }
const kernels::DenseKernels<double>& dense_double() { return table<double>; }

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(dense_float);
HWY_EXPORT(dense_double);
HWY_EXPORT(target_name);

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

namespace kernels {

template <>
const DenseKernels<float>& dense<float>() {
  static const DenseKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(dense_float)();
  return chosen;
}
template <>
const DenseKernels<double>& dense<double>() {
  static const DenseKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(dense_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
