#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "data/chunk_cache.hpp"
#include "data/element_conversion.hpp"
#include "io/hdf5.hpp"
#include "io/posix_file.hpp"
#include "scanmf/linalg/matrix.hpp"

struct libdeflate_decompressor;

namespace scanmf::data {

/// The memory in which one thread reads and inflates.
template <class T>
struct Scratch {
  struct Free {
    void operator()(libdeflate_decompressor* decompressor) const;
  };
  hdf5::RawChunk chunk;
  std::vector<std::byte> inflated;
  std::vector<std::byte> ordered;
  Buffer<T> elements;
  std::shared_ptr<PlainChunk> kept;  // that the last view points into
  std::unique_ptr<libdeflate_decompressor, Free> decompressor;
};

/// A 1-D or 2-D dataset of numbers that several threads read at once; a 1-D one counts as one column. The fastest way that its layout allows is
/// taken:
///
///   direct     contiguous elements: pread at their place in the file
///   chunks     unfiltered, deflate, shuffle: raw chunks, inflated by the calling thread outside of HDF5's lock
///   library    everything else: through HDF5, one thread at a time
///
/// It is read in units, which are cut by nothing but the caller's ranges: chunks, or as much as fits a cache.
class StoredArray {
 public:
  enum class Access { direct, chunks, library };

  /// piece_bytes: the most that a unit may hold where the layout leaves the choice.
  StoredArray(hdf5::Dataset dataset, const std::string& file, Index piece_bytes);

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  Access access() const { return access_; }
  const hdf5::Dataset& dataset() const { return dataset_; }
  Index unit_rows() const { return unit_rows_; }
  Index unit_columns() const { return unit_columns_; }
  Index units_across() const { return (columns_ + unit_columns_ - 1) / unit_columns_; }

  /// True when chunks have to be inflated.
  bool compressed() const { return access_ == Access::chunks && inflate_; }
  /// Of an inflated chunk; 0 when they are not compressed.
  Index chunk_bytes() const { return compressed() ? unit_rows_ * unit_columns_ * dataset_.type().bytes : 0; }
  /// Rows of a chunk that has to be read as a whole, whoever undoes its filters; 1 when there is none.
  Index filtered_rows() const {
    const bool whole = access_ == Access::chunks ? inflate_ : access_ == Access::library && !dataset_.filters().empty();
    return whole ? dataset_.chunk()[0] : 1;
  }
  /// Chunks inflated so far by the threads of this rank.
  Index chunks_inflated() const { return *inflated_; }
  /// Keeps the inflated chunks that were used last, up to this number.
  void keep_chunks(Index chunks) { cache_ = std::make_unique<ChunkCache>(chunks); }

  /// Rows × columns of one unit, converted to T; valid until the scratch memory is used again. T = float, double, std::int32_t, Index.
  /// Throws Error that names the rows.
  template <class T>
  MatrixView<const T> read(Range rows, Range columns, Scratch<T>& scratch) const;

 private:
  template <class T>
  MatrixView<const T> read_direct(Range rows, Range columns, Scratch<T>& scratch) const;
  template <class T>
  MatrixView<const T> read_chunk(Range rows, Range columns, Scratch<T>& scratch) const;
  template <class T>
  MatrixView<const T> read_library(Range rows, Range columns, Scratch<T>& scratch) const;
  template <class T>
  MatrixView<const T> converted(const std::byte* from, Index rows, Index columns, Index from_columns, Scratch<T>& scratch) const;
  template <class T>
  std::vector<std::byte>* plain_bytes(const std::vector<Index>& number, Range rows, Scratch<T>& scratch) const;
  bool take_filters();
  [[noreturn]] void refuse(Range rows, const std::string& reason) const;
  void choose_units(Index piece_bytes);

  hdf5::Dataset dataset_;
  Index rows_ = 0;
  Index columns_ = 1;
  std::optional<hdf5::RawType> type_;
  Access access_ = Access::library;
  Index unit_rows_ = 1;
  Index unit_columns_ = 1;
  io::PosixFile file_;  // direct
  Index offset_ = 0;
  bool inflate_ = false;  // chunks
  bool unshuffle_ = false;
  unsigned inflate_filter_ = 0;  // their numbers in the pipeline
  unsigned shuffle_filter_ = 0;
  std::unique_ptr<ChunkCache> cache_;
  std::unique_ptr<std::atomic<Index>> inflated_ = std::make_unique<std::atomic<Index>>(0);
};

/// "h5repack -l /X:CHUNK=128x2000 X.h5 OUT.h5": what stores these arrays of a file in chunks of whole rows, about 1 MB each but no more than so many
/// rows.
std::string repacking(const std::vector<const StoredArray*>& arrays, const std::string& file, Index most_rows);

}  // namespace scanmf::data
