#include <fmt/format.h>

#include <algorithm>

#include "core/checked.hpp"
#include "data/array.hpp"
#include "data/element_conversion.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr Index unit_bytes = Index{128} << 10;  // stays in the cache between being read and being packed

/// Read by pread at the elements' place in the file.
class ContiguousArray final : public ArrayOf<ContiguousArray> {
 public:
  ContiguousArray(ArrayFacts facts, const std::string& file, Index offset, const io::RawType& type)
      : ArrayOf(std::move(facts)), file_(io::PosixFile::open_for_reading(file)), offset_(offset), type_(type) {
    const auto bytes = checked_product({rows(), columns(), type.bytes});
    const auto end = bytes ? checked_sum({offset, *bytes}) : std::nullopt;
    if (!end || *end > file_.size())
      throw Error(
          fmt::format("{} declares {} x {} elements of {} bytes each, more than its file has: {} is {} bytes long",
                      facts_.place, rows(), columns(), type.bytes, file, file_.size()));
  }

  template <class T>
  MatrixView<const T> read_as(Range rows, Range columns, Scratch<T>& scratch) const {
    const Index row_bytes = columns.size() * type_.bytes;
    const auto bytes = static_cast<std::size_t>(rows.size() * row_bytes);
    std::byte* to = nullptr;
    if (is_native<T>(type_)) {
      to = reinterpret_cast<std::byte*>(scratch.room_for(rows.size() * columns.size()));
    } else {
      if (scratch.ordered.size() < bytes) scratch.ordered.resize(bytes);
      to = scratch.ordered.data();
    }
    try {
      if (columns.size() == facts_.columns) {
        file_.read(offset_ + rows.begin * row_bytes, {to, bytes});
      } else {
        for (Index i = 0; i < rows.size(); ++i)
          file_.read(offset_ + ((rows.begin + i) * facts_.columns + columns.begin) * type_.bytes,
                     {to + i * row_bytes, static_cast<std::size_t>(row_bytes)});
      }
    } catch (const Error& error) {
      refuse(rows, error.what());
    }
    if (is_native<T>(type_)) return {scratch.elements.data(), rows.size(), columns.size()};
    try {
      return elements_of(to, type_, rows.size(), columns.size(), columns.size(), scratch);
    } catch (const Error& error) {
      refuse(rows, error.what());
    }
  }

 private:
  io::PosixFile file_;
  Index offset_;
  io::RawType type_;
};

}  // namespace

std::unique_ptr<Array> contiguous_array(ArrayFacts facts, const std::string& file, Index offset,
                                        const io::RawType& type, Index piece_bytes) {
  choose_units(facts, 1, std::min(piece_bytes, unit_bytes));
  return std::make_unique<ContiguousArray>(std::move(facts), file, offset, type);
}

}  // namespace scanmf::data
