#include "scanmf/linalg/matrix.hpp"

#include <sys/mman.h>

#include <cstdlib>

namespace scanmf {

void* allocate_aligned(std::size_t bytes) {
  constexpr std::size_t cache_line = 64;
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  if (bytes == 0) return nullptr;
  const std::size_t alignment = bytes >= 4 * huge_page ? huge_page : cache_line;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == huge_page) madvise(memory, bytes, MADV_HUGEPAGE);  // fewer TLB misses; harmless where refused
  return memory;
}

void free_aligned(void* memory) noexcept { std::free(memory); }

}  // namespace scanmf
