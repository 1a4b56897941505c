#include "data/layout_advice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/load.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::data {

LayoutAdvice::LayoutAdvice(const Communicator& comm, const MatrixDescription& matrix, DataType type,
                           std::vector<const Array*> arrays)
    : comm_(comm), matrix_(matrix), type_(type), arrays_(std::move(arrays)) {
  if (arrays_.size() > 1) std::erase_if(arrays_, [](const Array* array) { return array->filtered_rows() <= 1; });
}

void LayoutAdvice::warn(const std::string& consequence, Index memory, Index most) const {
  if (!comm_.is_root()) return;
  const Index enough = std::min(memory, bytes_in_memory(matrix_, type_, comm_.size()));
  log_warning(fmt::format(
      "{} is stored in {}, {}; raise --memory to {} bytes, or store it in smaller chunks: {} (Debian: hdf5-tools)",
      place_of(matrix_), matrix_.layout, consequence, enough, repacking(arrays_, matrix_.file, most)));
}

void LayoutAdvice::warn_of_readings(Index block_rows, Index readings, Index memory, Index most) const {
  warn(fmt::format("but read {} rows at a time, so that each chunk is read {} times in every pass", block_rows,
                   readings),
       memory, most);
}

void LayoutAdvice::warn_of_local_reading(Index height, Index piece, const char* what, Index memory, Index most) const {
  const Index ranks = std::min<Index>(comm_.size(), (height - 1) / std::max<Index>(1, piece) + 1);
  warn(fmt::format("but a rank has at most {} {} of a batch, so that each chunk is read and inflated by {} ranks",
                   piece, what, ranks),
       memory, std::min(piece, most));
}

}  // namespace scanmf::data
