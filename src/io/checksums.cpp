#include "io/checksums.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <bit>

#include "io/posix_file.hpp"

namespace scanmf::io {
namespace {

static_assert(std::endian::native == std::endian::little, "checksums are stored as they lie in memory");

// Polynomials over GF(2) modulo the CRC's generator, bits reversed: the highest bit is the coefficient of x^0.
constexpr std::uint32_t generator = 0xEDB88320u;
constexpr std::uint32_t one = 0x80000000u;

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = one; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1u) != 0 ? (b >> 1) ^ generator : b >> 1;  // b · x
  }
  return product;
}

/// x^(8 · 2^i) for i = 0 …
constexpr std::array<std::uint32_t, 64> powers_of_two_bytes() {
  std::array<std::uint32_t, 64> powers{};
  powers[0] = one >> 8;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = multiply(powers[i - 1], powers[i - 1]);
  return powers;
}

/// Reads and compares the blocks of `range`; the number of the first one that differs, or range.end.
Index first_difference(const PosixFile& file, const ChecksumFooter& footer, Range range) {
  std::vector<std::uint32_t> stored(static_cast<std::size_t>(range.size()));
  const auto covered = static_cast<Index>(footer.covered);
  file.read(covered + range.begin * static_cast<Index>(sizeof(std::uint32_t)),
            std::as_writable_bytes(std::span(stored)));
  std::vector<std::byte> block(static_cast<std::size_t>(std::min(checksum_block, covered)));
  for (Index b = range.begin; b < range.end; ++b) {
    const Index begin = b * checksum_block;
    const auto bytes = std::span(block).first(static_cast<std::size_t>(std::min(checksum_block, covered - begin)));
    file.read(begin, bytes);
    if (crc32(bytes) != stored[static_cast<std::size_t>(b - range.begin)]) return b;
  }
  return range.end;
}

/// Reads the footer; the reason when there is none (`present` is false then) or it cannot be true.
std::string read_footer(const std::string& path, ChecksumFooter& footer, bool& present) {
  const PosixFile file = PosixFile::open_for_reading(path);
  const Index size = file.size();
  constexpr auto footer_size = static_cast<Index>(sizeof(ChecksumFooter));
  if (size < footer_size) return fmt::format("it has only {} bytes", size);
  file.read(size - footer_size, std::as_writable_bytes(std::span(&footer, 1)));
  ChecksumFooter expected;
  expected.covered = footer.covered;
  present = std::ranges::equal(footer.magic, expected.magic);
  if (footer != expected)
    return "it does not end with its checksums: it is truncated, was changed by another program, or is no file of "
           "scanmf";
  const auto largest = static_cast<std::uint64_t>(size);
  if (footer.covered > largest ||
      static_cast<Index>(footer.covered) + checksum_bytes(static_cast<Index>(footer.covered)) != size)
    return fmt::format("its length of {} bytes does not fit its checksums", size);
  return {};
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) { return libdeflate_crc32(0, bytes.data(), bytes.size()); }

std::uint32_t crc32_share(std::uint32_t crc, Index bytes_after) {
  static constexpr auto powers = powers_of_two_bytes();
  for (std::size_t i = 0; bytes_after != 0; ++i, bytes_after >>= 1)
    if ((bytes_after & 1) != 0) crc = multiply(crc, powers[i]);
  return crc;
}

void BlockChecksums::add(Index offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const Index block = offset / checksum_block;
    const Index block_end = std::min(covered_, (block + 1) * checksum_block);
    const Index length = std::min(static_cast<Index>(bytes.size()), block_end - offset);
    const auto part = bytes.first(static_cast<std::size_t>(length));
    const std::uint32_t share = crc32_share(crc32(part), block_end - offset - length);
    if (shares_.empty() || shares_.back().block != block) shares_.push_back({block, 0, 0});
    shares_.back().bytes += length;
    shares_.back().crc ^= share;
    bytes = bytes.subspan(static_cast<std::size_t>(length));
    offset += length;
  }
}

void BlockChecksums::merge() {
  std::sort(shares_.begin(), shares_.end(), [](const Share& a, const Share& b) { return a.block < b.block; });
  std::vector<Share> merged;
  for (const Share& share : shares_) {
    if (merged.empty() || merged.back().block != share.block) merged.push_back({share.block, 0, 0});
    merged.back().bytes += share.bytes;
    merged.back().crc ^= share.crc;
  }
  shares_ = std::move(merged);
}

std::vector<std::uint32_t> BlockChecksums::combine(const Communicator& comm, const std::string& name) {
  merge();
  const std::vector<Index> slices = slice_offsets(checksum_blocks(covered_), comm.size());
  std::vector<std::vector<Index>> outgoing(static_cast<std::size_t>(comm.size()));
  for (const Share& share : shares_) {
    const auto owner = std::upper_bound(slices.begin(), slices.end(), share.block) - slices.begin() - 1;
    auto& message = outgoing[static_cast<std::size_t>(owner)];
    message.insert(message.end(), {share.block, share.bytes, static_cast<Index>(share.crc)});
  }
  const auto incoming = comm.exchange(outgoing);

  const Range mine{slices[static_cast<std::size_t>(comm.rank())], slices[static_cast<std::size_t>(comm.rank()) + 1]};
  std::vector<std::uint32_t> crc(static_cast<std::size_t>(mine.size()), 0);
  std::vector<Index> written(static_cast<std::size_t>(mine.size()), 0);
  for (const std::vector<Index>& message : incoming) {
    for (std::size_t i = 0; i < message.size(); i += 3) {
      const auto block = static_cast<std::size_t>(message[i] - mine.begin);
      written[block] += message[i + 1];
      crc[block] ^= static_cast<std::uint32_t>(message[i + 2]);
    }
  }
  comm.agree([&] {
    for (Index b = mine.begin; b < mine.end; ++b) {
      const Index length = std::min(checksum_block, covered_ - b * checksum_block);
      const Index bytes = written[static_cast<std::size_t>(b - mine.begin)];
      if (bytes != length)
        throw Error(fmt::format(
            "{} is not complete: {} of the {} bytes from byte {} on were written; each row must be given once", name,
            bytes, length, b * checksum_block));
    }
  });
  return crc;
}

Seal check_seal(const Communicator& comm, const std::string& file) {
  ChecksumFooter footer;
  std::string reason;
  bool present = false;
  if (comm.is_root()) {
    try {
      reason = read_footer(file, footer, present);
    } catch (const Error& error) {
      reason = error.what();
    }
  }
  reason = comm.broadcast(reason);
  present = comm.max<Index>(present ? 1 : 0) > 0;
  if (!reason.empty()) return {present, reason};
  comm.broadcast(std::span<char>(reinterpret_cast<char*>(&footer), sizeof footer));

  const Index blocks = checksum_blocks(static_cast<Index>(footer.covered));
  const std::vector<Index> slices = slice_offsets(blocks, comm.size());
  const Range mine{slices[static_cast<std::size_t>(comm.rank())], slices[static_cast<std::size_t>(comm.rank()) + 1]};
  Index bad = blocks;
  try {
    if (!mine.empty()) bad = first_difference(PosixFile::open_for_reading(file), footer, mine);
    if (bad == mine.end) bad = blocks;
  } catch (const Error& error) {
    reason = error.what();
  }
  for (const std::string& text : comm.allgather(reason))
    if (!text.empty()) return {present, text};
  bad = blocks - comm.max(blocks - bad);
  if (bad == blocks) return {present, std::nullopt};
  const Index begin = bad * checksum_block;
  const Index end = std::min(begin + checksum_block, static_cast<Index>(footer.covered));
  return {present, fmt::format("bytes {} to {} do not match their checksum", begin, end)};
}

bool refuse_damaged(const Communicator& comm, const std::string& file) {
  const Seal seal = check_seal(comm, file);
  comm.agree([&] {
    if (seal.present && seal.damage)
      throw Error(fmt::format("{} is damaged: {}; take a copy of it, or write it again", file, *seal.damage));
  });
  return seal.present;
}

std::optional<std::string> find_mismatch(const Communicator& comm, const std::string& file) {
  return check_seal(comm, file).damage;
}

}  // namespace scanmf::io
