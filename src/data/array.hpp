#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/chunk_cache.hpp"
#include "io/raw_type.hpp"
#include "scanmf/linalg/matrix.hpp"

struct libdeflate_decompressor;

namespace scanmf::data {

/// The memory in which one thread reads and undoes filters.
template <class T>
struct Scratch {
  struct Free {
    void operator()(libdeflate_decompressor* decompressor) const;
  };
  std::vector<std::byte> stored;  // as in the file
  std::vector<std::byte> inflated;
  std::vector<std::byte> ordered;
  Buffer<T> elements;
  std::shared_ptr<PlainChunk> kept;        // that the last view points into
  std::unique_ptr<Scratch<double>> exact;  // of elements that are judged before they are converted (judged_array.hpp)
  std::unique_ptr<libdeflate_decompressor, Free> decompressor;

  T* room_for(Index count) {
    if (elements.size() < count) elements = Buffer<T>(count);
    return elements.data();
  }
};

/// What is known of an array before any of its elements is read.
struct ArrayFacts {
  std::string place;   // for messages: "FILE:/path"
  std::string path;    // within its file
  int dimensions = 2;  // of one dimension: counts as one column
  Index rows = 0;
  Index columns = 1;
  Index element_bytes = 1;
  Index chunk_rows = 0;  // 0: not chunked
  Index filtered_rows =
      1;  // of a chunk that has to be read as a whole, whoever undoes its filters; 1 when there is none
  bool compressed = false;   // chunks are inflated here, in the reading thread
  bool whole_units = false;  // a unit is read from the file as a whole, whatever is asked of it
  Index unit_rows = 1;
  Index unit_columns = 1;
  std::vector<std::string> files;  // in which elements lie, without those that the file itself names too
};

/// A 1-D or 2-D array of numbers in a file that several threads read at once, in units: chunks, or as much as fits a
/// cache. What comes behind (validation, packing, streaming) does not know what kind of file it is.
class Array {
 public:
  virtual ~Array() = default;
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  const ArrayFacts& facts() const { return facts_; }
  Index rows() const { return facts_.rows; }
  Index columns() const { return facts_.columns; }
  Index unit_rows() const { return facts_.unit_rows; }
  Index unit_columns() const { return facts_.unit_columns; }
  Index units_across() const { return (columns() + unit_columns() - 1) / unit_columns(); }
  bool compressed() const { return facts_.compressed; }
  Index filtered_rows() const { return facts_.filtered_rows; }
  /// Of an inflated chunk; 0 when they are not compressed.
  Index chunk_bytes() const { return compressed() ? unit_rows() * unit_columns() * facts_.element_bytes : 0; }

  /// Chunks inflated so far by the threads of this rank.
  virtual Index chunks_inflated() const { return 0; }
  /// Keeps the inflated chunks that were used last, up to this number.
  virtual void keep_chunks(Index) {}

  /// Rows × columns of one unit, converted to T; valid until the scratch memory is used again. T = float, double,
  /// std::int32_t, Index. Throws Error that names the rows; never gives elements that the file does not have.
  template <class T>
  MatrixView<const T> read(Range rows, Range columns, Scratch<T>& scratch) const {
    return read_unit(rows, columns, scratch);
  }

 protected:
  explicit Array(ArrayFacts facts) : facts_(std::move(facts)) {}
  /// "cannot read rows 3 to 5 of FILE:/X: reason".
  [[noreturn]] void refuse(Range rows, const std::string& reason) const;
  ArrayFacts facts_;

 private:
  virtual MatrixView<const float> read_unit(Range rows, Range columns, Scratch<float>& scratch) const = 0;
  virtual MatrixView<const double> read_unit(Range rows, Range columns, Scratch<double>& scratch) const = 0;
  virtual MatrixView<const std::int32_t> read_unit(Range rows, Range columns, Scratch<std::int32_t>& scratch) const = 0;
  virtual MatrixView<const Index> read_unit(Range rows, Range columns, Scratch<Index>& scratch) const = 0;
};

/// An Array of a class that reads every type by one template: read_as(rows, columns, scratch).
template <class Own>
class ArrayOf : public Array {
 protected:
  using Array::Array;

 private:
  const Own& own() const { return static_cast<const Own&>(*this); }
  MatrixView<const float> read_unit(Range r, Range c, Scratch<float>& s) const override {
    return own().read_as(r, c, s);
  }
  MatrixView<const double> read_unit(Range r, Range c, Scratch<double>& s) const override {
    return own().read_as(r, c, s);
  }
  MatrixView<const std::int32_t> read_unit(Range r, Range c, Scratch<std::int32_t>& s) const override {
    return own().read_as(r, c, s);
  }
  MatrixView<const Index> read_unit(Range r, Range c, Scratch<Index>& s) const override {
    return own().read_as(r, c, s);
  }
};

/// rows × columns elements out of rows of `from_columns` that lie in memory as in the file: a view of them if they need
/// no conversion.
template <class T>
MatrixView<const T> elements_of(const std::byte* from, const io::RawType& type, Index rows, Index columns,
                                Index from_columns, Scratch<T>& scratch);

/// Sets the units of an array that is not read by chunks: pieces of rows that end at chunks, so that a chunk is
/// inflated as seldom as possible.
///
///   chunks of few rows:   whole rows, some chunks high        chunks of many rows:   one or more chunks wide
///     |===|===|===|                                             |===|   |   |
///     |===|===|===|                                             |===|   |   |
///     |   |   |   |                                             |   |   |   |
void choose_units(ArrayFacts& facts, Index chunk_columns, Index piece_bytes);

/// Elements of a file that lie one after the other from byte `offset` on. facts: everything but the units. piece_bytes:
/// the most that a unit may hold. Throws Error when the file is shorter.
std::unique_ptr<Array> contiguous_array(ArrayFacts facts, const std::string& file, Index offset,
                                        const io::RawType& type, Index piece_bytes);

/// "h5repack -l /X:CHUNK=128x2000 X.h5 OUT.h5": what stores these arrays of a file in chunks of whole rows, about 1 MB
/// each but no more than so many rows.
std::string repacking(const std::vector<const Array*>& arrays, const std::string& file, Index most_rows);

}  // namespace scanmf::data
