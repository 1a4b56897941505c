#pragma once

#include <string>
#include <vector>

#include "data/array.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Warnings, from root, that chunks of a file suit streaming badly, with what would help: the bytes of --memory, as it
/// would not be with X in memory either, or the command that stores smaller chunks.
class LayoutAdvice {
 public:
  /// arrays: those of the matrix; what is said is about the ones with filters, where there are several.
  LayoutAdvice(const Communicator& comm, const MatrixDescription& matrix, DataType type,
               std::vector<const Array*> arrays);

  /// memory: with which the warning would not be; most: rows, or elements, of chunks with which it would not be.
  void warn(const std::string& consequence, Index memory, Index most) const;
  /// Each chunk is read several times in a pass, since blocks have so few rows.
  void warn_of_readings(Index block_rows, Index readings, Index memory, Index most) const;
  /// Each chunk (of so many rows, or elements) is inflated by several ranks, since a rank has so few of a batch.
  void warn_of_local_reading(Index height, Index piece, const char* what, Index memory, Index most) const;

 private:
  const Communicator& comm_;
  const MatrixDescription& matrix_;
  DataType type_;
  std::vector<const Array*> arrays_;
};

}  // namespace scanmf::data
