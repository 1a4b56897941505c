#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::io {

/// Checksums of a whole file, computed by all ranks while they write it and checked by any number of ranks.
///
///     0             covered                                          end of the file
///     | HDF5 file   | one CRC-32 a block of the covered bytes | footer |
///
/// They follow the HDF5 file, where HDF5 ignores them: every byte is covered, and checking needs no HDF5, which may
/// crash on a damaged file.
constexpr Index checksum_block = Index{1} << 20;

/// Number of blocks of `covered` bytes.
constexpr Index checksum_blocks(Index covered) { return (covered + checksum_block - 1) / checksum_block; }

/// What a file's last bytes say of its checksums. All integers are little-endian.
struct ChecksumFooter {
  char magic[16] = {'s', 'c', 'a', 'n', 'm', 'f', ' ', 'c', 'h', 'e', 'c', 'k', 's', 'u', 'm', 's'};
  std::uint64_t version = 1;
  std::uint64_t covered = 0;
  std::uint64_t block = static_cast<std::uint64_t>(checksum_block);
  friend bool operator==(const ChecksumFooter&, const ChecksumFooter&) = default;
};

/// Bytes that checksums and footer add to a file.
constexpr Index checksum_bytes(Index covered) {
  return checksum_blocks(covered) * static_cast<Index>(sizeof(std::uint32_t)) +
         static_cast<Index>(sizeof(ChecksumFooter));
}

/// CRC-32 (IEEE 802.3) of a sequence of bytes.
std::uint32_t crc32(std::span<const std::byte> bytes);

/// The share that a part with checksum `crc` has in the checksum of the whole when `bytes_after` more bytes follow it:
/// the exclusive or of the shares of all parts is the checksum of the whole. So parts are summed in any order, by any
/// rank.
std::uint32_t crc32_share(std::uint32_t crc, Index bytes_after);

/// The shares of the bytes that one rank writes in the checksums of a file's blocks.
class BlockChecksums {
 public:
  explicit BlockChecksums(Index covered) : covered_(covered) {}

  /// Local. `bytes` are written at `offset`.
  void add(Index offset, std::span<const std::byte> bytes);

  /// Collective. The checksums of the blocks that fall to this rank: rank r has blocks slice_offsets(blocks, ranks)[r]
  /// … [r + 1]. Throws AgreedError when some bytes of the file were written by nobody or twice; `name` is the file's in
  /// it.
  std::vector<std::uint32_t> combine(const Communicator& comm, const std::string& name);

 private:
  struct Share {
    Index block;
    Index bytes;
    std::uint32_t crc;
  };
  void merge();

  Index covered_;
  std::vector<Share> shares_;
};

/// What the checksums of a file say of it.
struct Seal {
  bool present = false;               // the file ends with checksums
  std::optional<std::string> damage;  // why they do not match, or why there are none; without the file's name
};

/// Collective. Reads every byte of `file`, shared out over ranks. Never fails: a file that cannot be read has no seal.
Seal check_seal(const Communicator& comm, const std::string& file);

/// Collective. Throws AgreedError when the file has checksums and they do not match. True when it has some. Every file
/// of this program that is read is checked so before HDF5 sees it.
bool refuse_damaged(const Communicator& comm, const std::string& file);

/// Collective. nullopt when every byte of `file` matches its checksums; else what is wrong, without the file's name.
std::optional<std::string> find_mismatch(const Communicator& comm, const std::string& file);

}  // namespace scanmf::io
