#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "io/raw_type.hpp"
#include "scanmf/core/types.hpp"

/// A thin layer over the HDF5 C API: identifiers that close themselves, and one throwing function a call. Files are
/// opened with the plain driver, independently on each rank; nothing here is collective. HDF5 is not thread-safe: every
/// function holds Lock, so threads may call them at any time. Every function throws Error with the file and the object
/// in the message.
namespace scanmf::hdf5 {

/// Held while a thread is inside the HDF5 library; one thread may hold it several times.
class Lock {
 public:
  Lock() : lock_(mutex()) {}

 private:
  static std::recursive_mutex& mutex();
  std::lock_guard<std::recursive_mutex> lock_;
};

/// Owns one HDF5 identifier.
template <herr_t (*close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }
  hid_t get() const { return id_; }
  /// Closes now; false when HDF5 reports a failure.
  bool reset() {
    if (id_ < 0) return true;
    const Lock lock;
    return close(std::exchange(id_, -1)) >= 0;
  }

 private:
  hid_t id_ = -1;
};

using FileHandle = Handle<H5Fclose>;
using GroupHandle = Handle<H5Gclose>;
using ObjectHandle = Handle<H5Oclose>;
using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using TypeHandle = Handle<H5Tclose>;
using PropertyHandle = Handle<H5Pclose>;
using AttributeHandle = Handle<H5Aclose>;

/// HDF5's type of an element in memory. T = float, double, Index, std::int32_t, std::uint64_t, char, unsigned char.
template <class T>
hid_t native_type() {
  if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return H5T_NATIVE_DOUBLE;
  if constexpr (std::is_same_v<T, Index>) return H5T_NATIVE_INT64;
  if constexpr (std::is_same_v<T, std::int32_t>) return H5T_NATIVE_INT32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return H5T_NATIVE_UINT64;
  if constexpr (std::is_same_v<T, char>) return H5T_NATIVE_CHAR;
  if constexpr (std::is_same_v<T, unsigned char>) return H5T_NATIVE_UCHAR;
}

/// The innermost reason that HDF5 gives for the failure of its last call; empty when it gives none.
std::string last_reason();

enum class ElementClass { floating, integer, boolean, string, compound, other };

/// The type of a dataset's or an attribute's elements.
struct ElementType {
  ElementClass kind = ElementClass::other;
  Index bytes = 0;
  bool is_signed = false;
  bool big_endian = false;
  bool variable_length = false;  // strings
  /// For people: "float32", "uint8", "int64 (big-endian)", "bool", "string", …
  std::string name;
  bool is_number() const {
    return kind == ElementClass::floating || kind == ElementClass::integer || kind == ElementClass::boolean;
  }
};

using io::RawType;

/// A chunk as it lies in the file.
struct RawChunk {
  std::vector<std::byte> bytes;       // only the first `size` are the chunk
  Index size = 0;                     // 0: never written
  std::uint32_t skipped_filters = 0;  // bit i: filter i was not applied
};

/// One filter of a chunked dataset.
struct Filter {
  int id = 0;  // H5Z_FILTER_DEFLATE, …
  std::string name;
  std::vector<unsigned> parameters;
};

class Dataset {
 public:
  Dataset(DatasetHandle handle, std::string file, std::string path);

  hid_t id() const { return handle_.get(); }
  const std::string& path() const { return path_; }
  /// "FILE:/path", for messages.
  std::string place() const { return file_ + ":" + path_; }

  /// Length of each dimension, empty for a scalar (and for a dataset without elements: H5S_NULL).
  const std::vector<Index>& dimensions() const { return dimensions_; }
  const ElementType& type() const { return type_; }
  /// Number of rows (the first dimension) and elements of one row (the product of all others).
  Index rows() const { return dimensions_.empty() ? 1 : dimensions_[0]; }
  Index row_elements() const;

  /// Chunk dimensions; empty when the dataset is not chunked.
  const std::vector<Index>& chunk() const { return chunk_; }
  const std::vector<Filter>& filters() const { return filters_; }
  /// False when the chunks at the edges are stored without the filters.
  bool filters_every_chunk() const { return filters_every_chunk_; }
  bool contiguous() const { return contiguous_; }
  /// For people: "contiguous", "chunks of 256 x 784, gzip".
  std::string layout() const;

  /// Byte offset of the elements in the file, when they lie there contiguous, unfiltered and allocated.
  std::optional<Index> file_offset() const;

  /// Bytes that the elements take in the file, compressed as they are; 0: never written.
  Index stored_bytes() const;
  /// Throws Error when the file cannot hold all elements that the shape states: memory is not allocated for a lie.
  void check_stored() const;

  /// Reads whole rows [rows.begin, rows.end), converted to T; any length. T as of native_type.
  template <class T>
  void read_rows(Range rows, T* to) const;
  /// 2-D datasets: reads rows × columns elements, row-major, of at most 2 GiB. T = float, double, std::int32_t, Index.
  template <class T>
  void read_part(Range rows, Range columns, T* to) const;
  /// Writes whole rows, converted from T.
  template <class T>
  void write_rows(Range rows, const T* from) const;
  template <class T>
  std::vector<T> read_all() const;

  /// nullopt for types that only the library can convert.
  std::optional<RawType> raw_type() const;
  /// Reads the chunk with these chunk coordinates (not element numbers) as it lies in the file.
  void read_chunk(const std::vector<Index>& chunk_number, RawChunk& to) const;

 private:
  DatasetHandle handle_;
  std::string file_;
  std::string path_;
  std::vector<Index> dimensions_;
  std::vector<Index> chunk_;
  std::vector<Filter> filters_;
  bool contiguous_ = false;
  bool filters_every_chunk_ = true;
  ElementType type_;
};

enum class Access { read, read_write };
enum class StringStorage { fixed, variable };

/// The value of a scalar attribute: bool (as h5py writes it), integer, floating or string.
using AttributeValue = std::variant<bool, Index, double, std::string>;

class File {
 public:
  /// Opens an existing file. File locks are neither taken nor obeyed: a reader must not fail because somebody else has
  /// the file open.
  static File open(const std::string& name, Access access = Access::read);
  /// Creates a file; an existing one is replaced.
  static File create(const std::string& name);

  const std::string& name() const { return name_; }
  hid_t id() const { return handle_.get(); }
  /// "FILE:/path", for messages.
  std::string place(const std::string& path) const { return name_ + ":" + path; }

  bool exists(const std::string& path) const;
  bool is_group(const std::string& path) const;
  bool is_dataset(const std::string& path) const;
  /// Names of the members of a group, ascending; links that lead nowhere are left out.
  std::vector<std::string> members(const std::string& group = "/") const;

  Dataset dataset(const std::string& path) const;
  /// Missing groups on the way are made too; an existing group stays.
  void create_group(const std::string& path);
  /// A contiguous dataset whose space is allocated at once and not filled.
  template <class T>
  Dataset create_dataset(const std::string& path, const std::vector<Index>& dimensions);
  /// The same for `count` UTF-8 strings of `bytes` bytes each, padded with zero bytes.
  Dataset create_text_dataset(const std::string& path, Index count, Index bytes);
  /// A 1-D dataset. T as of native_type.
  template <class T>
  void write_vector(const std::string& path, std::span<const T> values);

  /// 1-D dataset of strings, fixed or variable length, without their padding.
  std::vector<std::string> read_strings(const std::string& path) const;
  /// One string member of a 1-D compound dataset.
  std::vector<std::string> read_strings_member(const std::string& path, const std::string& member) const;
  void write_strings(const std::string& path, const std::vector<std::string>& values,
                     StringStorage storage = StringStorage::variable);

  bool has_attribute(const std::string& object, const std::string& attribute) const;
  /// Names of an object's attributes, ascending.
  std::vector<std::string> attribute_names(const std::string& object) const;
  /// nullopt when the attribute does not exist, or is neither a number nor a string, or has several elements.
  std::optional<AttributeValue> read_attribute(const std::string& object, const std::string& attribute) const;
  /// The same, nullopt also when it is of another type.
  std::optional<std::string> read_string_attribute(const std::string& object, const std::string& attribute) const;
  /// Elements of a numeric attribute; nullopt when it does not exist or does not hold numbers.
  std::optional<std::vector<Index>> read_integers_attribute(const std::string& object,
                                                            const std::string& attribute) const;
  /// An existing attribute is replaced. Strings are UTF-8, by default of variable length.
  void write_attribute(const std::string& object, const std::string& attribute, const AttributeValue& value,
                       StringStorage storage = StringStorage::variable);
  void write_integers_attribute(const std::string& object, const std::string& attribute, std::span<const Index> values);

  /// Closes and reports failures to write, which a destructor cannot. Datasets of the file must be closed before.
  void close();

 private:
  File(FileHandle handle, std::string name) : handle_(std::move(handle)), name_(std::move(name)) {}
  FileHandle handle_;
  std::string name_;
};

/// Type of the elements of an open HDF5 type.
ElementType describe_type(hid_t type);

}  // namespace scanmf::hdf5
