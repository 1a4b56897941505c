#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Tells whether the files in which a matrix lies are still those that were opened, with the same content. HDF5 reads
/// zeros beyond the end of a file: what was read is good when the files are unchanged afterwards.
class FileWatch {
 public:
  /// Watches the file that was named.
  explicit FileWatch(const MatrixDescription& description);
  explicit FileWatch(const std::string& file);
  /// Others in which elements lie: behind external links, virtual datasets, raw storage.
  void add(const std::vector<std::string>& files);

  /// rows: that were being read, for the message; may be none. Throws Error.
  void check(Range rows = {}) const;

 private:
  struct File {
    std::string name;
    std::string place;  // what messages call it
    struct stat opened;
  };
  std::string place_;
  std::vector<File> files_;
};

}  // namespace scanmf::data
