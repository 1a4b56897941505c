#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/input_reader.hpp"

struct zip;

namespace scanmf::formats {

/// Members of a ZIP file, by libzip. Errors: Error with the file's name and the reason.
class ZipArchive {
 public:
  explicit ZipArchive(const std::string& file);

  const std::vector<std::string>& members() const { return members_; }
  bool has(const std::string& member) const;
  /// Reads a member; the archive may end before. Names it "FILE:MEMBER".
  std::unique_ptr<InputReader> open(const std::string& member) const;

 private:
  std::string file_;
  std::shared_ptr<zip> archive_;
  std::vector<std::string> members_;
};

}  // namespace scanmf::formats
