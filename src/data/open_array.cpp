#include "data/open_array.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "data/element_conversion.hpp"
#include "data/judged_array.hpp"
#include "data/load.hpp"
#include "data/npy.hpp"
#include "io/dataset_storage.hpp"
#include "io/lzf_filter.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

/// Filters that are undone here, by their places in the pipeline: shuffle, then deflate or lzf, each of them or not.
struct Pipeline {
  enum class Packing { none, deflate, lzf };
  Packing packing = Packing::none;
  bool shuffled = false;
  unsigned packing_place = 0;
  unsigned shuffle_place = 0;
};

std::optional<Pipeline> pipeline_of(const hdf5::Dataset& dataset) {
  if (dataset.chunk().empty() || !dataset.filters_every_chunk()) return std::nullopt;
  Pipeline pipeline;
  unsigned place = 0;
  for (const hdf5::Filter& filter : dataset.filters()) {
    const bool lzf = filter.id == hdf5::lzf_filter;
    if (filter.id == H5Z_FILTER_SHUFFLE && place == 0) {
      pipeline.shuffled = true;
      pipeline.shuffle_place = place;
    } else if ((filter.id == H5Z_FILTER_DEFLATE || lzf) && pipeline.packing == Pipeline::Packing::none) {
      pipeline.packing = lzf ? Pipeline::Packing::lzf : Pipeline::Packing::deflate;
      pipeline.packing_place = place;
    } else {
      return std::nullopt;
    }
    ++place;
  }
  return pipeline;
}

ArrayFacts facts_of(const hdf5::Dataset& dataset) {
  ArrayFacts facts;
  facts.place = dataset.place();
  facts.path = dataset.path();
  facts.dimensions = static_cast<int>(dataset.dimensions().size());
  facts.rows = dataset.rows();
  facts.columns = dataset.row_elements();
  facts.element_bytes = std::max<Index>(1, dataset.type().bytes);
  facts.chunk_rows = dataset.chunk().empty() ? 0 : dataset.chunk()[0];
  facts.filtered_rows = dataset.filters().empty() ? 1 : facts.chunk_rows;
  facts.files = hdf5::files_of(dataset);
  return facts;
}

template <class T>
MatrixView<const T> through_library(const hdf5::Dataset& dataset, Range rows, Range columns, Scratch<T>& scratch) {
  T* const to = scratch.room_for(rows.size() * columns.size());
  if (dataset.dimensions().size() == 1)
    dataset.read_rows(rows, to);
  else
    dataset.read_part(rows, columns, to);
  return {to, rows.size(), columns.size()};
}

/// Everything goes through HDF5.
class LibraryArray final : public ArrayOf<LibraryArray> {
 public:
  LibraryArray(ArrayFacts facts, hdf5::Dataset dataset) : ArrayOf(std::move(facts)), dataset_(std::move(dataset)) {}

  template <class T>
  MatrixView<const T> read_as(Range rows, Range columns, Scratch<T>& scratch) const {
    return through_library(dataset_, rows, columns, scratch);
  }

 private:
  hdf5::Dataset dataset_;
};

/// Raw chunks are read through HDF5 and undone here.
class ChunkedArray final : public ArrayOf<ChunkedArray> {
 public:
  ChunkedArray(ArrayFacts facts, hdf5::Dataset dataset, const io::RawType& type, const Pipeline& pipeline)
      : ArrayOf(std::move(facts)),
        dataset_(std::move(dataset)),
        type_(type),
        pipeline_(pipeline),
        bytes_(static_cast<std::size_t>(facts_.unit_rows * facts_.unit_columns * type.bytes)) {}

  Index chunks_inflated() const override { return inflated_; }
  void keep_chunks(Index chunks) override { cache_ = std::make_unique<ChunkCache>(chunks); }

  template <class T>
  MatrixView<const T> read_as(Range rows, Range columns, Scratch<T>& scratch) const {
    std::vector<Index> number = {rows.begin / facts_.unit_rows};
    if (facts_.dimensions > 1) number.push_back(columns.begin / facts_.unit_columns);
    const std::byte* elements = nullptr;
    if (cache_) {
      scratch.kept = cache_->find(number);
      std::call_once(scratch.kept->filled, [&] {
        std::vector<std::byte>* const plain = plain_bytes(number, rows, scratch);
        if (plain != nullptr) scratch.kept->bytes.swap(*plain);
      });
      if (!scratch.kept->bytes.empty()) elements = scratch.kept->bytes.data();
    } else if (const std::vector<std::byte>* const plain = plain_bytes(number, rows, scratch)) {
      elements = plain->data();
    }
    if (elements == nullptr) return through_library(dataset_, rows, columns, scratch);  // the fill value
    const Index width = facts_.unit_columns;
    const Index first_column = facts_.dimensions > 1 ? columns.begin - number[1] * width : 0;
    const Index first = (rows.begin - number[0] * facts_.unit_rows) * width + first_column;
    return elements_of(elements + first * type_.bytes, type_, rows.size(), columns.size(), width, scratch);
  }

 private:
  /// A chunk with its filters undone, in scratch memory; nullptr when it was never written.
  template <class T>
  std::vector<std::byte>* plain_bytes(const std::vector<Index>& number, Range rows, Scratch<T>& scratch) const {
    hdf5::RawChunk chunk;
    chunk.bytes.swap(scratch.stored);
    dataset_.read_chunk(number, chunk);
    chunk.bytes.swap(scratch.stored);
    if (chunk.size == 0) return nullptr;
    const auto skipped = [&](unsigned place) { return (chunk.skipped_filters >> place & 1U) != 0; };
    std::vector<std::byte>* current = &scratch.stored;
    auto size = static_cast<std::size_t>(chunk.size);
    if (pipeline_.packing != Pipeline::Packing::none && !skipped(pipeline_.packing_place)) {
      if (scratch.inflated.size() < bytes_) scratch.inflated.resize(bytes_);
      size = inflate(*current, size, rows, scratch);
      current = &scratch.inflated;
      ++inflated_;
    }
    if (size != bytes_) refuse(rows, fmt::format("a chunk has {} bytes, not {}; the file is damaged", size, bytes_));
    if (pipeline_.shuffled && type_.bytes > 1 && !skipped(pipeline_.shuffle_place)) {
      if (scratch.ordered.size() < bytes_) scratch.ordered.resize(bytes_);
      unshuffle(current->data(), static_cast<Index>(bytes_), type_.bytes, scratch.ordered.data());
      current = &scratch.ordered;
    }
    return current;
  }

  /// Into scratch.inflated; returns the number of bytes.
  template <class T>
  std::size_t inflate(const std::vector<std::byte>& from, std::size_t size, Range rows, Scratch<T>& scratch) const {
    std::size_t inflated = 0;
    bool done = false;
    if (pipeline_.packing == Pipeline::Packing::lzf) {
      inflated = hdf5::undo_lzf(from.data(), size, scratch.inflated.data(), bytes_);
      done = inflated > 0;
    } else {
      if (!scratch.decompressor) scratch.decompressor.reset(libdeflate_alloc_decompressor());
      done = libdeflate_zlib_decompress(scratch.decompressor.get(), from.data(), size, scratch.inflated.data(), bytes_,
                                        &inflated) == LIBDEFLATE_SUCCESS;
    }
    if (!done) refuse(rows, "a chunk does not inflate; the file is damaged");
    return inflated;
  }

  hdf5::Dataset dataset_;
  io::RawType type_;
  Pipeline pipeline_;
  std::size_t bytes_;  // of a chunk
  std::unique_ptr<ChunkCache> cache_;
  mutable std::atomic<Index> inflated_ = 0;
};

std::unique_ptr<Array> open_npy(const MatrixDescription& description, Index piece_bytes) {
  const NpyMatrix header = read_npy_matrix(description.file);
  ArrayFacts facts;
  facts.place = description.file;
  const bool transposed = header.fortran;
  facts.rows = transposed ? header.shape.columns : header.shape.rows;
  facts.columns = transposed ? header.shape.rows : header.shape.columns;
  facts.element_bytes = header.type.bytes;
  return judged(contiguous_array(std::move(facts), description.file, header.begin, header.type, piece_bytes),
                Judgement(description));
}

std::unique_ptr<Array> open_dataset(const MatrixDescription& description, Index piece_bytes) {
  const hdf5::File file = hdf5::File::open(description.file);
  hdf5::Dataset dataset = file.dataset(description.path);
  if (dataset.dimensions().size() != 2)
    throw Error(fmt::format("{} has changed its shape since it was opened", dataset.place()));
  Judgement judgement(description, dataset.type());
  return judged(open_array(std::move(dataset), piece_bytes), std::move(judgement));
}

}  // namespace

std::unique_ptr<Array> open_array(hdf5::Dataset dataset, Index piece_bytes) {
  if (const auto reason = hdf5::what_hinders_reading(dataset)) throw Error(*reason);
  if (hdf5::never_written(dataset))
    throw Error(
        fmt::format("{} declares {} x {} elements, but the file holds none of them: nothing was ever written there",
                    dataset.place(), dataset.rows(), dataset.row_elements()));
  ArrayFacts facts = facts_of(dataset);
  const std::optional<io::RawType> type = dataset.raw_type();
  const std::optional<Index> offset = dataset.file_offset();
  if (type && offset)
    return contiguous_array(std::move(facts), hdf5::file_holding(dataset), *offset, *type, piece_bytes);
  const Index chunk_columns = dataset.chunk().size() > 1 ? dataset.chunk()[1] : 1;
  const std::optional<Pipeline> pipeline = type ? pipeline_of(dataset) : std::nullopt;
  if (!pipeline) {
    choose_units(facts, chunk_columns, piece_bytes);
    return std::make_unique<LibraryArray>(std::move(facts), std::move(dataset));
  }
  facts.unit_rows = facts.chunk_rows;
  facts.unit_columns = chunk_columns;
  facts.whole_units = true;
  facts.compressed = pipeline->packing != Pipeline::Packing::none;
  if (!facts.compressed) facts.filtered_rows = 1;
  return std::make_unique<ChunkedArray>(std::move(facts), std::move(dataset), *type, *pipeline);
}

std::unique_ptr<Array> open_matrix_array(const MatrixDescription& description, Index piece_bytes) {
  std::unique_ptr<Array> array = description.format == FileFormat::npy ? open_npy(description, piece_bytes)
                                                                       : open_dataset(description, piece_bytes);
  if (Shape{array->rows(), array->columns()} != description.shape_in_file())
    throw Error(fmt::format("{} has changed its shape since it was opened", place_of(description)));
  return array;
}

}  // namespace scanmf::data
