#include "io/heap_strings.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>
#include <cstring>
#include <functional>
#include <memory>

#include "core/checked.hpp"
#include "io/hdf5_internal.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

static_assert(std::endian::native == std::endian::little, "HDF5 files are little-endian");

constexpr Index collection_header = 16;
constexpr Index object_header = 16;
constexpr Index kept_limit = Index{16} << 20;  // bytes of collections that are kept
constexpr Index piece_elements = Index{1} << 16;
constexpr Index deflate_limit = 1032;  // deflate's best: bytes for one byte

template <class Number>
Number number_at(std::span<const std::byte> bytes, Index position) {
  Number number;
  std::memcpy(&number, bytes.data() + position, sizeof number);
  return number;
}

using TakeElements = std::function<void(std::span<const std::byte>)>;

void take_contiguous(const Dataset& dataset, Index offset, const HeapStrings& strings, const TakeElements& take) {
  std::vector<std::byte> piece;
  for (Index begin = 0; begin < dataset.rows(); begin += piece_elements) {
    piece.resize(
        static_cast<std::size_t>(std::min(piece_elements, dataset.rows() - begin) * HeapStrings::element_bytes));
    strings.file().read(offset + begin * HeapStrings::element_bytes, piece);
    take(piece);
  }
}

/// Undoes HDF5's shuffle: byte b of element i lies at b · elements + i.
void unshuffle(std::vector<std::byte>& bytes) {
  constexpr std::size_t width = HeapStrings::element_bytes;
  const std::vector<std::byte> from = bytes;
  const std::size_t elements = from.size() / width;
  for (std::size_t i = 0; i < elements; ++i)
    for (std::size_t b = 0; b < width; ++b) bytes[i * width + b] = from[b * elements + i];
}

/// Whether the filters are those that are undone here: shuffle, deflate, in this order.
bool filters_are_known(const std::vector<Filter>& filters) {
  if (filters.size() > 2) return false;
  for (std::size_t i = 0; i < filters.size(); ++i) {
    const bool last = i + 1 == filters.size();
    if (filters[i].id == H5Z_FILTER_DEFLATE && last) continue;
    if (filters[i].id != H5Z_FILTER_SHUFFLE || i != 0) return false;
  }
  return true;
}

/// The elements of a chunk; false: it was never written.
bool read_elements(const Dataset& dataset, Index number, std::vector<std::byte>& elements) {
  RawChunk raw;
  dataset.read_chunk({number}, raw);
  if (raw.size == 0) return false;
  const auto bytes = static_cast<std::size_t>(dataset.chunk()[0] * HeapStrings::element_bytes);
  std::vector<std::byte> stored(raw.bytes.begin(), raw.bytes.begin() + raw.size);
  for (std::size_t i = dataset.filters().size(); i-- > 0;) {
    if ((raw.skipped_filters >> i & 1u) != 0) continue;
    if (dataset.filters()[i].id == H5Z_FILTER_SHUFFLE) {
      unshuffle(stored);
      continue;
    }
    const bool possible = static_cast<Index>(bytes) / deflate_limit <= static_cast<Index>(stored.size());
    const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
        libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
    std::vector<std::byte> inflated(possible ? bytes : 0);
    std::size_t size = 0;
    if (!possible || libdeflate_zlib_decompress(decompressor.get(), stored.data(), stored.size(), inflated.data(),
                                                bytes, &size) != LIBDEFLATE_SUCCESS)
      throw Error(
          fmt::format("cannot read {}: chunk {} cannot be inflated; the file is damaged", dataset.place(), number));
    inflated.resize(size);
    stored = std::move(inflated);
  }
  if (stored.size() != bytes)
    throw Error(fmt::format("cannot read {}: chunk {} has {} bytes instead of {}; the file is damaged", dataset.place(),
                            number, stored.size(), bytes));
  elements = std::move(stored);
  return true;
}

void take_chunks(const Dataset& dataset, const TakeElements& take) {
  const Index height = dataset.chunk()[0];
  std::vector<std::byte> elements;
  for (Index begin = 0; begin < dataset.rows(); begin += height) {
    const Index count = std::min(height, dataset.rows() - begin);
    if (!read_elements(dataset, begin / height, elements))
      elements.assign(static_cast<std::size_t>(count * HeapStrings::element_bytes), std::byte{0});
    take(std::span(elements).first(static_cast<std::size_t>(count * HeapStrings::element_bytes)));
  }
}

/// The file that holds the dataset (a link may lead into another one) and where its addresses begin; nullopt: addresses
/// of another size.
std::optional<std::pair<std::string, Index>> address_space(const Dataset& dataset) {
  std::array<char, PATH_MAX + 1> name{};
  const FileHandle file(H5Iget_file_id(dataset.id()));
  const PropertyHandle creation(file.get() < 0 ? H5I_INVALID_HID : H5Fget_create_plist(file.get()));
  std::size_t address_bytes = 0, size_bytes = 0;
  hsize_t base = 0;
  if (creation.get() < 0 || H5Fget_name(dataset.id(), name.data(), name.size()) <= 0 ||
      H5Pget_userblock(creation.get(), &base) < 0 || H5Pget_sizes(creation.get(), &address_bytes, &size_bytes) < 0 ||
      address_bytes != 8 || size_bytes != 8)
    return std::nullopt;
  return std::pair(std::string(name.data()), static_cast<Index>(base));
}

}  // namespace

HeapStrings::HeapStrings(const std::string& file, Index base, std::string place)
    : file_(io::PosixFile::open_for_reading(file)), file_bytes_(file_.size()), base_(base), place_(std::move(place)) {}

void HeapStrings::refuse(const std::string& what) const {
  throw Error(fmt::format("cannot read {}: {}; the file is damaged", place_, what));
}

std::string HeapStrings::text(std::span<const std::byte> element) {
  const auto length = static_cast<Index>(number_at<std::uint32_t>(element, 0));
  const auto address = number_at<std::uint64_t>(element, 4);
  const auto object = number_at<std::uint32_t>(element, 12);
  if (length == 0) return {};
  if (address == 0 || address >= static_cast<std::uint64_t>(file_bytes_))
    refuse(fmt::format("a string lies at byte {} of {}", address, file_bytes_));
  const Collection& strings = collection(static_cast<Index>(address));
  const auto found = strings.objects.find(object);
  if (found == strings.objects.end() || length > found->second.second)
    refuse(fmt::format("a string of {} bytes is not where it should be", length));
  text_bytes_ += length;
  if (text_bytes_ > file_bytes_) refuse("its strings are longer than the file");
  const auto* const text = reinterpret_cast<const char*>(strings.bytes.data() + found->second.first);
  return {text, strnlen(text, static_cast<std::size_t>(length))};
}

const HeapStrings::Collection& HeapStrings::collection(Index address) {
  const auto found = kept_.find(address);
  if (found != kept_.end()) return found->second;
  if (kept_bytes_ > kept_limit) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  Collection read = read_collection(address);
  kept_bytes_ += static_cast<Index>(read.bytes.size());
  return kept_.emplace(address, std::move(read)).first->second;
}

HeapStrings::Collection HeapStrings::read_collection(Index address) const {
  const std::optional<Index> begin = checked_sum({base_, address});
  if (!begin || *begin > file_bytes_ - collection_header)
    refuse(fmt::format("its strings lie at byte {} of {}", address, file_bytes_));
  Collection read;
  read.bytes.resize(collection_header);
  file_.read(*begin, read.bytes);
  const auto size = number_at<std::uint64_t>(read.bytes, 8);
  if (std::memcmp(read.bytes.data(), "GCOL\1", 5) != 0 || size < collection_header ||
      size > static_cast<std::uint64_t>(file_bytes_ - *begin))
    refuse(fmt::format("there are no strings at byte {}", address));
  read.bytes.resize(size);
  file_.read(*begin, read.bytes);
  const auto end = static_cast<Index>(size);
  for (Index position = collection_header; position <= end - object_header;) {
    const auto number = number_at<std::uint16_t>(read.bytes, position);
    const auto bytes = number_at<std::uint64_t>(read.bytes, position + 8);
    if (number == 0) break;
    const Index first = position + object_header;
    if (bytes > static_cast<std::uint64_t>(end - first))
      refuse(fmt::format("a string at byte {} is longer than what holds it", *begin + position));
    read.objects.emplace(number, std::pair(first, static_cast<Index>(bytes)));
    position = first + (static_cast<Index>(bytes) + 7) / 8 * 8;
  }
  return read;
}

std::optional<std::vector<std::string>> read_heap_strings(const File& file, const Dataset& dataset) {
  const Lock lock;
  const auto space = address_space(dataset);
  const std::optional<Index> offset = dataset.file_offset();
  const bool chunked =
      !dataset.chunk().empty() && filters_are_known(dataset.filters()) && dataset.filters_every_chunk();
  if (!space || (!chunked && !offset)) return std::nullopt;
  HeapStrings strings(space->first, space->second, file.place(dataset.path()));
  std::vector<std::string> texts;
  const TakeElements take = [&](std::span<const std::byte> elements) {
    for (std::size_t at = 0; at < elements.size(); at += HeapStrings::element_bytes)
      texts.push_back(strings.text(elements.subspan(at, HeapStrings::element_bytes)));
  };
  if (chunked)
    take_chunks(dataset, take);
  else
    take_contiguous(dataset, *offset, strings, take);
  return texts;
}

}  // namespace scanmf::hdf5
