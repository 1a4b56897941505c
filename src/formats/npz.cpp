#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "formats/entries.hpp"
#include "formats/npy.hpp"
#include "formats/npy_array.hpp"
#include "formats/zip_archive.hpp"

namespace scanmf::formats {
namespace {

/// An array of the archive, all of it.
template <class T>
struct Array {
  std::vector<Index> dimensions;
  std::vector<T> elements;
  Index size() const { return static_cast<Index>(elements.size()); }
  Index dimension(std::size_t i) const { return i < dimensions.size() ? dimensions[i] : 1; }
};

template <class T>
void check_converts(hdf5::NumberType type, const std::vector<char>& raw, Index count, const std::string& name) {
  if constexpr (std::is_same_v<T, Index>) {
    if (type == hdf5::NumberType::float32 || type == hdf5::NumberType::float64)
      throw Error(fmt::format("'{}' holds no integers", name));
    if (type != hdf5::NumberType::uint64) return;
    for (Index i = 0; i < count; ++i) {
      Index value = 0;
      std::memcpy(&value, raw.data() + i * 8, 8);
      if (value < 0) throw Error(fmt::format("'{}' holds a number that is too large", name));
    }
  }
}

/// `rank`: dimensions that it must have.
template <class T>
Array<T> read_array(const ZipArchive& archive, const std::string& name, const std::string& file, std::size_t rank,
                    const ImportOptions& options) {
  if (!archive.has(name + ".npy"))
    throw Error(fmt::format("'{}' has no array '{}', which its kind of sparse matrix needs", file, name));
  const std::unique_ptr<InputReader> member = archive.open(name + ".npy");
  const NpyHeader header = read_npy_header(*member);
  if (header.dimensions.size() != rank)
    throw Error(fmt::format("'{}' has {} dimensions instead of {}", member->name(), header.dimensions.size(), rank));
  NpyElements reader(*member, header);
  require_memory(checked_product({header.elements, static_cast<Index>(sizeof(T) + 16)}), member->name(), options);
  const std::vector<char> raw = reader.read(header.elements);
  check_converts<T>(reader.type(), raw, header.elements, member->name());
  const std::vector<char> now = converted(reader.type(), number_type_of<T>(), raw.data(), header.elements);
  Array<T> array{header.dimensions, std::vector<T>(static_cast<std::size_t>(header.elements))};
  std::memcpy(array.elements.data(), now.data(), now.size());
  if (!header.fortran || rank < 2) return array;
  if (rank > 2) throw Error(fmt::format("'{}' is in Fortran order: save it in C order", member->name()));
  Array<T> turned{array.dimensions, std::vector<T>(array.elements.size())};
  for (Index i = 0; i < header.dimensions[0]; ++i)
    for (Index j = 0; j < header.dimensions[1]; ++j)
      turned.elements[static_cast<std::size_t>(i * header.dimensions[1] + j)] =
          array.elements[static_cast<std::size_t>(j * header.dimensions[0] + i)];
  return turned;
}

/// "csr", "coo", …: a 0-D array of bytes or of UCS-4.
std::string read_format(const ZipArchive& archive) {
  const std::unique_ptr<InputReader> member = archive.open("format.npy");
  read_npy_header(*member);
  std::string raw(64, '\0');
  raw.resize(static_cast<std::size_t>(member->read(raw.data(), 64)));
  std::erase(raw, '\0');
  return raw;
}

/// Positions of the elements of a sparse matrix of scipy: its arrays, checked.
class SparseArrays {
 public:
  SparseArrays(const ZipArchive& archive, const std::string& file, const std::string& format,
               const ImportOptions& options)
      : file_(file), format_(format) {
    const Array<Index> shape = read_array<Index>(archive, "shape", file, 1, options);
    if (shape.size() != 2)
      throw Error(fmt::format("'{}': a sparse array of {} dimensions. Expected 2D array", file, shape.size()));
    shape_ = {shape.elements[0], shape.elements[1]};
    if (shape_.rows < 0 || shape_.columns < 0)
      throw Error(fmt::format("'{}': a shape of {} x {}", file, shape_.rows, shape_.columns));
    if (format == "coo") {
      rows_ = read_array<Index>(archive, "row", file, 1, options);
      columns_ = read_array<Index>(archive, "col", file, 1, options);
    } else if (format == "dia") {
      rows_ = read_array<Index>(archive, "offsets", file, 1, options);
    } else if (format == "csr" || format == "csc" || format == "bsr") {
      rows_ = read_array<Index>(archive, "indptr", file, 1, options);
      columns_ = read_array<Index>(archive, "indices", file, 1, options);
    } else {
      throw Error(
          fmt::format("'{}': a sparse matrix in the format '{}': csr, csc, coo, bsr and dia are known", file, format));
    }
  }

  Shape shape() const { return shape_; }
  std::size_t rank_of_data() const { return format_ == "bsr" ? 3 : format_ == "dia" ? 2 : 1; }

  /// visit(row, column, number of the element in data)
  template <class T, class Visit>
  void for_each(const Array<T>& data, Visit&& visit) const {
    if (format_ == "coo") return coordinates(data.size(), visit);
    if (format_ == "dia") return diagonals(data.dimension(0), data.dimension(1), visit);
    compressed(format_ == "bsr" ? data.dimension(0) : data.size(), data.dimension(1), data.dimension(2), visit);
  }

 private:
  void expect(bool holds, const char* what) const {
    if (!holds) throw Error(fmt::format("'{}': {}", file_, what));
  }
  static Index at(const Array<Index>& array, Index i) { return array.elements[static_cast<std::size_t>(i)]; }
  template <class Visit>
  void element(Index row, Index column, Index number, Visit& visit) const {
    if (row < 0 || row >= shape_.rows || column < 0 || column >= shape_.columns)
      throw Error(fmt::format("'{}': an element in row {}, column {} of a matrix of {} x {}", file_, row, column,
                              shape_.rows, shape_.columns));
    visit(row, column, number);
  }

  template <class Visit>
  void coordinates(Index count, Visit& visit) const {
    expect(rows_.size() == count && columns_.size() == count, "row, col and data have different lengths");
    for (Index i = 0; i < count; ++i) element(at(rows_, i), at(columns_, i), i, visit);
  }

  /// CSR and CSC have blocks of one element.
  template <class Visit>
  void compressed(Index count, Index height, Index width, Visit& visit) const {
    const bool by_rows = format_ != "csc";
    if (format_ != "bsr") height = width = 1;
    const Index lines = rows_.size() - 1;
    const Index expected = by_rows ? shape_.rows / std::max<Index>(1, height) : shape_.columns;
    expect(lines == expected && at(rows_, 0) == 0 && at(rows_, lines) == count && columns_.size() == count,
           "indptr, indices, data and shape do not fit together");
    for (Index line = 0; line < lines; ++line) {
      expect(at(rows_, line) >= 0 && at(rows_, line) <= at(rows_, line + 1) && at(rows_, line + 1) <= count,
             "indptr does not ascend");
      for (Index i = at(rows_, line); i < at(rows_, line + 1); ++i) {
        const Index other = at(columns_, i);
        expect(other >= 0 && other < std::max(shape_.rows, shape_.columns), "indices are out of range");
        for (Index r = 0; r < height; ++r)
          for (Index c = 0; c < width; ++c)
            element(by_rows ? line * height + r : other, by_rows ? other * width + c : line,
                    (i * height + r) * width + c, visit);
      }
    }
  }

  /// Row d of data is the diagonal with this offset: element j belongs to column j, row j − offset.
  template <class Visit>
  void diagonals(Index count, Index length, Visit& visit) const {
    expect(rows_.size() == count, "offsets and data have different lengths");
    for (Index d = 0; d < count; ++d) {
      const Index offset = at(rows_, d);
      expect(offset > -shape_.rows - 1 && offset < shape_.columns + 1, "offsets are out of range");
      for (Index j = std::max<Index>(0, offset); j < std::min({length, shape_.columns, shape_.rows + offset}); ++j)
        element(j - offset, j, d * length + j, visit);
    }
  }

  std::string file_;
  std::string format_;
  Shape shape_;
  Array<Index> rows_;     // or indptr, or offsets
  Array<Index> columns_;  // or indices
};

hdf5::NumberType type_of_data(const ZipArchive& archive, const std::string& file) {
  if (!archive.has("data.npy")) throw Error(fmt::format("'{}' has no array 'data', which a sparse matrix needs", file));
  const std::unique_ptr<InputReader> member = archive.open("data.npy");
  const NpyHeader header = read_npy_header(*member);
  return NpyElements(*member, header).type();
}

Imported import_sparse(const ZipArchive& archive, const std::string& file, data::MatrixFileWriter& out,
                       const ImportOptions& options) {
  const SparseArrays arrays(archive, file, read_format(archive), options);
  const bool turned = options.transpose.value_or(false);
  const Shape shape = turned ? Shape{arrays.shape().columns, arrays.shape().rows} : arrays.shape();
  const Imported result = with_number(type_of_data(archive, file), [&]<class T>() {
    const Array<T> data = read_array<T>(archive, "data", file, arrays.rank_of_data(), options);
    return write_entries<T>(file, shape, out, options, [&](auto&& visit) {
      arrays.for_each(data, [&](Index row, Index column, Index number) {
        const T value = data.elements[static_cast<std::size_t>(number)];
        if (value != T{}) turned ? visit(column, row, value) : visit(row, column, value);
      });
    });
  });
  write_names(out, result.shape, options, {}, {});
  return result;
}

/// The array that is meant: the one that is named, or the only one.
std::string choose_member(const ZipArchive& archive, const std::string& file, const std::string& named) {
  std::vector<std::string> arrays;
  for (const std::string& member : archive.members())
    if (member.ends_with(".npy")) arrays.push_back(member.substr(0, member.size() - 4));
  const bool found = named.empty() ? arrays.size() == 1 : archive.has(named + ".npy");
  if (found) return (named.empty() ? arrays.front() : named) + ".npy";
  throw Error(fmt::format("'{}' holds {}: {}; name one as {}:NAME", file,
                          named.empty() ? "several arrays" : fmt::format("no array '{}'", named),
                          fmt::join(arrays, ", "), file));
}

}  // namespace

Imported import_npz(const std::string& input, data::MatrixFileWriter& out, const ImportOptions& options) {
  const auto [file, named] = split_member(input);
  const ZipArchive archive(file);
  if (named.empty() && archive.has("format.npy") && archive.has("shape.npy"))
    return import_sparse(archive, file, out, options);
  const std::unique_ptr<InputReader> member = archive.open(choose_member(archive, file, named));
  return import_npy_array(*member, out, options);
}

}  // namespace scanmf::formats
