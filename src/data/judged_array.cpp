#include "data/judged_array.hpp"

#include <algorithm>

#include "data/missing.hpp"
#include "io/hdf5.hpp"

namespace scanmf::data {
namespace {

class JudgedArray final : public ArrayOf<JudgedArray> {
 public:
  JudgedArray(std::unique_ptr<Array> array, Judgement judgement)
      : ArrayOf(array->facts()), array_(std::move(array)), judgement_(std::move(judgement)) {}

  Index chunks_inflated() const override { return array_->chunks_inflated(); }
  void keep_chunks(Index chunks) override { array_->keep_chunks(chunks); }

  template <class T>
  MatrixView<const T> read_as(Range rows, Range columns, Scratch<T>& scratch) const {
    if constexpr (!std::is_floating_point_v<T>) {
      return array_->read(rows, columns, scratch);
    } else if (std::is_same_v<T, double> || judgement_.single) {
      const MatrixView<const T> elements = array_->read(rows, columns, scratch);
      return judge(elements, elements, scratch);
    } else {
      if (!scratch.exact) scratch.exact = std::make_unique<Scratch<double>>();
      const MatrixView<const double> exact = array_->read(rows, columns, *scratch.exact);
      if (judgement_.wide)  // rounded once, not to double first
        return judge(exact, array_->read(rows, columns, scratch), scratch);
      T* const to = scratch.room_for(exact.rows * exact.columns);
      for (Index i = 0; i < exact.rows; ++i)
        std::transform(exact.row(i), exact.row(i) + exact.columns, to + i * exact.columns,
                       [](double element) { return static_cast<T>(element); });
      return judge(exact, MatrixView<const T>(to, exact.rows, exact.columns), scratch);
    }
  }

 private:
  /// Copies elements only when one of them is flawed.
  template <class T, class Exact>
  MatrixView<const T> judge(MatrixView<const Exact> exact, MatrixView<const T> elements, Scratch<T>& scratch) const {
    Buffer<T> copy;
    for (Index i = 0; i < exact.rows; ++i)
      for (Index j = 0; j < exact.columns; ++j) {
        const std::optional<Flaw> flaw = judgement_.flaw_of(exact(i, j));
        if (!flaw) continue;
        if (copy.size() == 0) copy = copied(elements);
        copy[i * elements.columns + j] = flawed<T>(*flaw);
      }
    if (copy.size() == 0) return elements;
    scratch.elements = std::move(copy);
    return {scratch.elements.data(), elements.rows, elements.columns};
  }

  template <class T>
  static Buffer<T> copied(MatrixView<const T> elements) {
    Buffer<T> copy(elements.rows * elements.columns);
    for (Index i = 0; i < elements.rows; ++i)
      std::copy_n(elements.row(i), elements.columns, copy.data() + i * elements.columns);
    return copy;
  }

  std::unique_ptr<Array> array_;
  Judgement judgement_;
};

}  // namespace

Judgement::Judgement(const MatrixDescription& description)
    : missing(description.missing),
      booleans(description.booleans),
      single(description.data_type == DataType::float32) {}

Judgement::Judgement(const MatrixDescription& description, const hdf5::ElementType& type) : Judgement(description) {
  constexpr Index exact_integer = 4;  // bytes
  wide = type.bytes > (type.kind == hdf5::ElementClass::floating ? static_cast<Index>(sizeof(double)) : exact_integer);
}

std::optional<Flaw> Judgement::flaw_of(double element) const {
  if (is_missing(missing, element)) return booleans ? Flaw::not_available : Flaw::missing;
  if (booleans && element != 0 && element != 1) return Flaw::no_boolean;
  return std::nullopt;
}

std::unique_ptr<Array> judged(std::unique_ptr<Array> array, Judgement judgement) {
  if (!judgement.needed()) return array;
  return std::make_unique<JudgedArray>(std::move(array), std::move(judgement));
}

}  // namespace scanmf::data
