#include "io/checksums.hpp"

#include <gtest/gtest.h>

#include <random>

namespace scanmf {
namespace {

std::vector<std::byte> random_bytes(Index size) {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFF);
  return bytes;
}

TEST(Checksums, Crc32OfTheCheckString) {
  const std::string text = "123456789";
  EXPECT_EQ(io::crc32(std::as_bytes(std::span(text))), 0xCBF43926u);
}

TEST(Checksums, SharesOfPartsMakeTheWhole) {
  const auto bytes = random_bytes(100000);
  const std::span<const std::byte> all(bytes);
  const std::uint32_t whole = io::crc32(all);
  for (const std::size_t cut : {0u, 1u, 7u, 8u, 4096u, 65535u, 99999u, 100000u}) {
    const std::uint32_t shares = io::crc32_share(io::crc32(all.subspan(cut)), 0) ^
                                 io::crc32_share(io::crc32(all.first(cut)), static_cast<Index>(all.size() - cut));
    EXPECT_EQ(shares, whole) << "cut at " << cut;
  }
}

/// Ranks take turns with pieces of odd lengths, the last piece first; the blocks' checksums are those of the bytes as
/// they lie in the file.
TEST(Checksums, AnyRankAnyOrder) {
  const Communicator comm;
  const Index covered = 2 * io::checksum_block + 12345;
  const auto bytes = random_bytes(covered);
  constexpr Index piece = 70001;
  io::BlockChecksums checksums(covered);
  for (Index i = (covered - 1) / piece; i >= 0; --i) {
    const Index begin = i * piece;
    const auto part = std::span<const std::byte>(bytes).subspan(
        static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(piece, covered - begin)));
    if (i % comm.size() == comm.rank()) checksums.add(begin, part);
  }
  const std::vector<std::uint32_t> mine = checksums.combine(comm, "file");
  const std::vector<Index> slices = slice_offsets(io::checksum_blocks(covered), comm.size());
  ASSERT_EQ(static_cast<Index>(mine.size()),
            slices[static_cast<std::size_t>(comm.rank()) + 1] - slices[static_cast<std::size_t>(comm.rank())]);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const Index begin = (slices[static_cast<std::size_t>(comm.rank())] + static_cast<Index>(i)) * io::checksum_block;
    const auto block = std::span<const std::byte>(bytes).subspan(
        static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(io::checksum_block, covered - begin)));
    EXPECT_EQ(mine[i], io::crc32(block));
  }
}

TEST(Checksums, BytesThatNobodyWroteAreNoticed) {
  const Communicator comm;
  const auto bytes = random_bytes(1000);
  io::BlockChecksums missing(1000);
  if (comm.is_root()) missing.add(0, std::span<const std::byte>(bytes).first(999));
  EXPECT_THROW(missing.combine(comm, "file"), AgreedError);
  io::BlockChecksums twice(1000);
  if (comm.is_root()) twice.add(0, bytes);
  if (comm.rank() == comm.size() - 1) twice.add(0, std::span<const std::byte>(bytes).first(10));
  EXPECT_THROW(twice.combine(comm, "file"), AgreedError);
}

}  // namespace
}  // namespace scanmf
