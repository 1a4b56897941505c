#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <memory>

#include "core/checked.hpp"
#include "core/crash_note.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_internal.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

constexpr Index call_bytes = Index{1} << 30;  // of one H5Dread: below the 2 GiB where drivers fail
constexpr Index chunk_cache_bytes = Index{64}
                                    << 20;  // the most memory spent on keeping chunks that the next piece needs again

/// Bytes of so many elements; throws where a file states more than can be counted.
Index checked_bytes(const std::vector<Index>& lengths, Index element_bytes, const std::string& place) {
  std::optional<Index> bytes = std::max<Index>(1, element_bytes);
  for (const Index length : lengths)
    if (bytes && length != 0) bytes = checked_product({*bytes, length});
  if (!bytes)
    throw Error(fmt::format("{} declares a shape of ({}), which is more than any file can hold", place,
                            fmt::join(lengths, ", ")));
  return *bytes;
}

std::vector<Index> dimensions_of(hid_t dataset, const std::string& place) {
  const SpaceHandle space(check(H5Dget_space(dataset), "read the shape of", place));
  std::array<hsize_t, H5S_MAX_RANK> lengths{};
  const int rank = check(H5Sget_simple_extent_dims(space.get(), lengths.data(), nullptr), "read the shape of", place);
  return {lengths.begin(), lengths.begin() + rank};
}

std::vector<Filter> filters_of(hid_t properties) {
  std::vector<Filter> filters;
  for (unsigned i = 0; i < static_cast<unsigned>(std::max(0, H5Pget_nfilters(properties))); ++i) {
    std::array<unsigned, 32> parameters{};
    std::array<char, 256> name{};
    std::size_t count = parameters.size();
    unsigned flags = 0;
    const auto filter =
        H5Pget_filter2(properties, i, &flags, &count, parameters.data(), name.size(), name.data(), nullptr);
    if (filter < 0) continue;
    filters.push_back(
        {filter,
         filter == H5Z_FILTER_DEFLATE ? "gzip" : name.data(),
         {parameters.begin(), parameters.begin() + static_cast<std::ptrdiff_t>(std::min(count, parameters.size()))}});
  }
  return filters;
}

/// Names for 0 and 1, as h5py and others have them for booleans; R's logicals (hdf5r) have a third one, NA.
bool is_boolean(hid_t type) {
  const int members = H5Tget_nmembers(type);
  if (members != 2 && members != 3) return false;
  for (int i = 0; i < members; ++i) {
    constexpr const char* names[] = {"FALSE", "TRUE", "NA"};
    const std::unique_ptr<char, herr_t (*)(void*)> name(H5Tget_member_name(type, static_cast<unsigned>(i)),
                                                        H5free_memory);
    std::array<char, 8> stored{};
    if (!name || H5Tget_size(type) > stored.size() ||
        H5Tget_member_value(type, static_cast<unsigned>(i), stored.data()) < 0)
      return false;
    const TypeHandle number(H5Tget_super(type));
    H5Tconvert(number.get(), H5T_NATIVE_INT8, 1, stored.data(), nullptr, H5P_DEFAULT);
    const int value = stored[0];
    std::string upper = name.get();
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (value < 0 || value > 2 || upper != names[value]) return false;
  }
  return true;
}

std::string type_name(const ElementType& type) {
  const std::string order = type.big_endian && type.bytes > 1 ? " (big-endian)" : "";
  switch (type.kind) {
    case ElementClass::floating:
      return fmt::format("float{}{}", type.bytes * 8, order);
    case ElementClass::integer:
      return fmt::format("{}int{}{}", type.is_signed ? "" : "u", type.bytes * 8, order);
    case ElementClass::boolean:
      return "bool";
    case ElementClass::string:
      return "string";
    case ElementClass::compound:
      return "compound";
    default:
      return "unknown type";
  }
}

/// Calls transfer(memory space, file space, first row) for pieces of rows that stay below the limit of one call.
template <class F>
void in_pieces(const Dataset& dataset, Range rows, Index element_bytes, F&& transfer) {
  const Index elements = dataset.row_elements();
  const Index piece_rows = std::max<Index>(1, call_bytes / std::max<Index>(1, elements * element_bytes));
  std::vector<hsize_t> start(std::max<std::size_t>(1, dataset.dimensions().size()), 0);
  std::vector<hsize_t> count(dataset.dimensions().begin(), dataset.dimensions().end());
  for (Index begin = rows.begin; begin < rows.end; begin += piece_rows) {
    const Index length = std::min(piece_rows, rows.end - begin);
    const auto memory_elements = static_cast<hsize_t>(length * elements);
    const SpaceHandle memory(H5Screate_simple(1, &memory_elements, nullptr));
    const SpaceHandle file(H5Dget_space(dataset.id()));
    if (!count.empty()) {
      start[0] = static_cast<hsize_t>(begin);
      count[0] = static_cast<hsize_t>(length);
      check(H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
            "select rows of", dataset.place());
    }
    transfer(memory.get(), file.get(), begin);
  }
}

std::string rows_place(const Dataset& dataset, Range rows) {
  return fmt::format("{} {} to {} of {}", dataset.dimensions().size() == 1 ? "elements" : "rows", rows.begin,
                     rows.end - 1, dataset.place());
}

/// Bytes that a chunk may take in the file: filters add little to what they cannot make smaller.
Index largest_chunk(const Dataset& dataset) {
  constexpr Index headers = 65536;
  std::optional<Index> bytes = dataset.type().bytes;
  for (const Index length : dataset.chunk()) bytes = bytes ? checked_product({*bytes, length}) : bytes;
  const std::optional<Index> most = bytes ? checked_product({*bytes, 2}) : bytes;
  return checked_sum({most.value_or(0), headers}).value_or(std::numeric_limits<Index>::max());
}

/// A filter that the library lacks is the likeliest reason, and one that HDF5 itself explains badly.
[[noreturn]] void refuse_read(const Dataset& dataset, Range rows) {
  const std::string reason = last_reason();
  for (const Filter& filter : dataset.filters())
    if (H5Zfilter_avail(filter.id) <= 0)
      throw Error(
          fmt::format("{} is compressed with {}, which this HDF5 library cannot read; write it with gzip instead",
                      dataset.place(), filter.name));
  throw Error(fmt::format("cannot read {}: {}", rows_place(dataset, rows), reason));
}

}  // namespace

ElementType describe_type(hid_t type) {
  ElementType described;
  described.bytes = static_cast<Index>(H5Tget_size(type));
  described.big_endian = H5Tget_order(type) == H5T_ORDER_BE;
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      described.kind = ElementClass::floating;
      described.is_signed = true;
      break;
    case H5T_INTEGER:
      described.kind = ElementClass::integer;
      described.is_signed = H5Tget_sign(type) == H5T_SGN_2;
      break;
    case H5T_ENUM:
      described.kind = is_boolean(type) ? ElementClass::boolean : ElementClass::other;
      break;
    case H5T_STRING:
      described.kind = ElementClass::string;
      described.variable_length = H5Tis_variable_str(type) > 0;
      break;
    case H5T_COMPOUND:
      described.kind = ElementClass::compound;
      break;
    default:
      break;
  }
  described.name = H5Tget_class(type) == H5T_ENUM && described.kind == ElementClass::other
                       ? "an enumeration (numbers that stand for names)"
                       : type_name(described);
  return described;
}

Dataset::Dataset(DatasetHandle handle, std::string file, std::string path)
    : handle_(std::move(handle)), file_(std::move(file)), path_(std::move(path)) {
  dimensions_ = dimensions_of(id(), place());
  const TypeHandle type(check(H5Dget_type(id()), "read the type of", place()));
  type_ = describe_type(type.get());
  checked_bytes(dimensions_, type_.bytes, place());
  const PropertyHandle properties(check(H5Dget_create_plist(id()), "read the layout of", place()));
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  contiguous_ = layout == H5D_CONTIGUOUS && H5Pget_external_count(properties.get()) == 0;
  if (layout != H5D_CHUNKED) return;
  std::vector<hsize_t> lengths(dimensions_.size());
  check(H5Pget_chunk(properties.get(), static_cast<int>(lengths.size()), lengths.data()), "read the layout of",
        place());
  chunk_.assign(lengths.begin(), lengths.end());
  filters_ = filters_of(properties.get());
  unsigned options = 0;
  H5Pget_chunk_opts(properties.get(), &options);
  filters_every_chunk_ = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) == 0;
}

Dataset File::dataset(const std::string& path) const {
  const Lock lock;
  const CrashNote note(place(path));
  if (!is_dataset(path)) throw Error(fmt::format("{} has no dataset {}", name_, path));
  DatasetHandle handle(check(H5Dopen2(id(), path.c_str(), H5P_DEFAULT), "open", place(path)));
  Dataset plain(std::move(handle), name_, path);
  if (plain.chunk().empty()) return plain;
  // A piece of rows ends within chunks that the next piece begins with: a cache that holds one row of chunks spares
  // reading them twice.
  std::vector<Index> covered = plain.chunk();
  for (std::size_t d = 1; d < covered.size(); ++d) covered[d] *= (plain.dimensions()[d] - 1) / covered[d] + 1;
  const Index bytes = checked_bytes(covered, plain.type().bytes, plain.place());
  const PropertyHandle properties(H5Pcreate(H5P_DATASET_ACCESS));
  H5Pset_chunk_cache(properties.get(), 12421,
                     static_cast<std::size_t>(std::clamp<Index>(bytes, 1 << 20, chunk_cache_bytes)), 1.0);
  DatasetHandle cached(check(H5Dopen2(id(), path.c_str(), properties.get()), "open", place(path)));
  return Dataset(std::move(cached), name_, path);
}

Index Dataset::row_elements() const {
  Index elements = 1;
  for (std::size_t d = 1; d < dimensions_.size(); ++d) elements *= dimensions_[d];
  return elements;
}

std::string Dataset::layout() const {
  if (chunk_.empty()) return contiguous_ ? "contiguous" : "compact, virtual or external";
  std::string text = fmt::format("chunks of {}", fmt::join(chunk_, " x "));
  for (const Filter& filter : filters_) text += ", " + filter.name;
  return text;
}

std::optional<Index> Dataset::file_offset() const {
  const Lock lock;
  if (!contiguous_) return std::nullopt;
  const haddr_t offset = H5Dget_offset(id());
  // Space that is not allocated yet has no place; in a file with a user block the library adds that block's length to
  // "no place".
  if (offset == HADDR_UNDEF || H5Dget_storage_size(id()) == 0) return std::nullopt;
  return static_cast<Index>(offset);
}

std::optional<RawType> Dataset::raw_type() const {
  const Lock lock;
  const TypeHandle own(check(H5Dget_type(id()), "read the type of", place()));
  const TypeHandle type(H5Tget_class(own.get()) == H5T_ENUM ? H5Tget_super(own.get()) : H5Tcopy(own.get()));
  const H5T_class_t kind = H5Tget_class(type.get());
  const std::size_t bytes = H5Tget_size(type.get());
  const H5T_order_t order = H5Tget_order(type.get());
  const bool whole = H5Tget_offset(type.get()) == 0 && H5Tget_precision(type.get()) == 8 * bytes &&
                     (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
  if (!whole || (order != H5T_ORDER_LE && order != H5T_ORDER_BE)) return std::nullopt;
  RawType raw;
  raw.bytes = static_cast<Index>(bytes);
  raw.swapped = bytes > 1 && order != H5Tget_order(H5T_NATIVE_INT);
  if (kind == H5T_INTEGER) {
    raw.kind = H5Tget_sign(type.get()) == H5T_SGN_2 ? RawType::Kind::signed_integer : RawType::Kind::unsigned_integer;
    return raw;
  }
  if (kind != H5T_FLOAT || bytes == 1) return std::nullopt;
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  H5Tget_fields(type.get(), &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  const std::size_t ieee_bits = bytes == 2 ? 5 : bytes == 4 ? 8 : 11;
  const bool ieee = sign == 8 * bytes - 1 && exponent_bits == ieee_bits && mantissa == 0 && mantissa_bits == exponent &&
                    exponent + exponent_bits == sign &&
                    H5Tget_ebias(type.get()) == (std::size_t{1} << (ieee_bits - 1)) - 1 &&
                    H5Tget_norm(type.get()) == H5T_NORM_IMPLIED;
  if (!ieee) return std::nullopt;
  return raw;
}

void Dataset::read_chunk(const std::vector<Index>& chunk_number, RawChunk& to) const {
  const Lock lock;
  const CrashNote note(place());
  std::array<hsize_t, H5S_MAX_RANK> start{};
  for (std::size_t d = 0; d < chunk_number.size(); ++d) start[d] = static_cast<hsize_t>(chunk_number[d] * chunk_[d]);
  const Range rows = {chunk_number[0] * chunk_[0], (chunk_number[0] + 1) * chunk_[0]};
  hsize_t size = 0;
  if (H5Dget_chunk_storage_size(id(), start.data(), &size) >= 0) {
    to.size = static_cast<Index>(size);
    if (size == 0) return;
    if (to.size > largest_chunk(*this))
      throw Error(fmt::format(
          "cannot read {}: its chunk says that it has {} bytes, which is more than its elements; the file is damaged",
          rows_place(*this, rows), to.size));
    if (to.bytes.size() < size) to.bytes.resize(size);
    if (H5Dread_chunk(id(), H5P_DEFAULT, start.data(), &to.skipped_filters, to.bytes.data()) >= 0) return;
  }
  // The library also fails for a chunk that was never written, which is no failure here.
  const std::string reason = last_reason();
  haddr_t address = HADDR_UNDEF;
  unsigned skipped = 0;
  if (H5Dget_chunk_info_by_coord(id(), start.data(), &skipped, &address, &size) < 0 || address != HADDR_UNDEF)
    throw Error(fmt::format("cannot read {}: {}", rows_place(*this, rows), reason));
  to.size = 0;
}

template <class T>
void Dataset::read_rows(Range rows, T* to) const {
  const Lock lock;
  const CrashNote note(place());
  const Index elements = row_elements();
  in_pieces(*this, rows, sizeof(T), [&](hid_t memory, hid_t file, Index begin) {
    if (H5Dread(id(), native_type<T>(), memory, file, H5P_DEFAULT, to + (begin - rows.begin) * elements) < 0)
      refuse_read(*this, rows);
  });
  refuse_shortened(id(), place());
}

template <class T>
void Dataset::read_part(Range rows, Range columns, T* to) const {
  const Lock lock;
  const CrashNote note(place());
  const std::array<hsize_t, 2> start = {static_cast<hsize_t>(rows.begin), static_cast<hsize_t>(columns.begin)};
  const std::array<hsize_t, 2> count = {static_cast<hsize_t>(rows.size()), static_cast<hsize_t>(columns.size())};
  const SpaceHandle memory(H5Screate_simple(2, count.data(), nullptr));
  const SpaceHandle file(H5Dget_space(id()));
  if (H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(id(), native_type<T>(), memory.get(), file.get(), H5P_DEFAULT, to) < 0)
    refuse_read(*this, rows);
  refuse_shortened(id(), place());
}

template <class T>
void Dataset::write_rows(Range rows, const T* from) const {
  const Lock lock;
  const Index elements = row_elements();
  in_pieces(*this, rows, sizeof(T), [&](hid_t memory, hid_t file, Index begin) {
    if (H5Dwrite(id(), native_type<T>(), memory, file, H5P_DEFAULT, from + (begin - rows.begin) * elements) < 0)
      fail("write", rows_place(*this, rows));
  });
}

template <class T>
std::vector<T> Dataset::read_all() const {
  std::vector<T> values(static_cast<std::size_t>(rows() * row_elements()));
  read_rows(Range{0, rows()}, values.data());
  return values;
}

template void Dataset::read_rows(Range, float*) const;
template void Dataset::read_rows(Range, double*) const;
template void Dataset::read_rows(Range, Index*) const;
template void Dataset::read_rows(Range, std::int32_t*) const;
template void Dataset::read_rows(Range, std::uint64_t*) const;
template void Dataset::read_rows(Range, unsigned char*) const;
template void Dataset::read_part(Range, Range, float*) const;
template void Dataset::read_part(Range, Range, double*) const;
template void Dataset::read_part(Range, Range, std::int32_t*) const;
template void Dataset::read_part(Range, Range, Index*) const;
template void Dataset::write_rows(Range, const float*) const;
template void Dataset::write_rows(Range, const double*) const;
template void Dataset::write_rows(Range, const Index*) const;
template void Dataset::write_rows(Range, const std::int32_t*) const;
template void Dataset::write_rows(Range, const unsigned char*) const;
template std::vector<float> Dataset::read_all() const;
template std::vector<double> Dataset::read_all() const;
template std::vector<Index> Dataset::read_all() const;
template std::vector<std::int32_t> Dataset::read_all() const;
template std::vector<std::uint64_t> Dataset::read_all() const;
template std::vector<unsigned char> Dataset::read_all() const;

}  // namespace scanmf::hdf5
