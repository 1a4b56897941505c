#include "scanmf/parallel/environment.hpp"

#include <malloc.h>
#include <mpi.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "parallel/library_name.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {
namespace {

/// Collectives take and return arrays of the size of a statistic in every iteration. Handing them back to the system
/// each time costs more than the collective itself: every page has to be fetched and cleared anew.
void keep_freed_memory() {
#if defined(M_TRIM_THRESHOLD) && defined(M_MMAP_THRESHOLD)  // the GNU C library has them
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
}

}  // namespace

MpiEnvironment::MpiEnvironment(int& argc, char**& argv) {
  int initialised = 0;
  MPI_Initialized(&initialised);
  int granted = 0;
  if (initialised != 0) {
    MPI_Query_thread(&granted);
  } else {
    keep_freed_memory();
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &granted);
    owns_ = true;
  }
  if (granted >= MPI_THREAD_FUNNELED) return;
  std::fputs(
      "scanmf: error: MPI was initialised for programs without threads: initialise it with MPI_Init_thread and "
      "MPI_THREAD_FUNNELED\n",
      stderr);
  abort(1);
}

MpiEnvironment::~MpiEnvironment() {
  if (owns_) MPI_Finalize();
}

void MpiEnvironment::abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();
}

int available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  return std::max(1, CPU_COUNT(&mask));
}

namespace {

/// Number in a file's first line; nullopt when there is none ("max" for example).
std::optional<Index> number_in(const std::string& file) {
  std::ifstream stream(file);
  Index number = 0;
  if (!(stream >> number)) return std::nullopt;
  return number;
}

/// Bytes that the system calls available.
std::optional<Index> system_memory() {
  std::ifstream stream("/proc/meminfo");
  for (std::string line; std::getline(stream, line);) {
    long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lld kB", &kibibytes) == 1)
      return static_cast<Index>(kibibytes) * 1024;
  }
  return std::nullopt;
}

/// Folders of this process's control groups (version 2): its own one and those above.
std::vector<std::string> control_groups() {
  std::vector<std::string> folders;
  std::ifstream stream("/proc/self/cgroup");
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind("0::", 0) != 0) continue;
    std::filesystem::path group = line.substr(3);
    for (; !group.empty() && group != group.parent_path(); group = group.parent_path())
      folders.push_back("/sys/fs/cgroup" + group.string());
    folders.emplace_back("/sys/fs/cgroup");  // in a container its own group
  }
  return folders;
}

/// Bytes that the control groups and Slurm leave.
std::vector<Index> memory_limits() {
  std::vector<Index> limits;
  for (const std::string& group : control_groups()) {
    const auto most = number_in(group + "/memory.max");
    const auto used = number_in(group + "/memory.current");
    if (most && used) limits.push_back(std::max<Index>(0, *most - *used));
  }
  if (const char* const mebibytes = std::getenv("SLURM_MEM_PER_NODE"))
    limits.push_back(static_cast<Index>(std::strtoll(mebibytes, nullptr, 10)) << 20);
  return limits;
}

}  // namespace

Index available_memory(const Communicator& comm) {
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node);
  int ranks = 1;
  MPI_Comm_size(node, &ranks);
  // One reading a node: what a rank allocates meanwhile must not count against the others.
  Index available = system_memory().value_or(std::numeric_limits<Index>::max() / 2);
  for (const Index limit : memory_limits()) available = std::min(available, limit);
  MPI_Bcast(&available, 1, MPI_INT64_T, 0, node);
  MPI_Comm_free(&node);
  return available / ranks;
}

namespace {

/// Collective. The affinity masks of all ranks of this rank's node.
std::vector<cpu_set_t> masks_of_node(const Communicator& comm) {
  constexpr int bytes = sizeof(cpu_set_t);
  cpu_set_t own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof own, &own) != 0) CPU_ZERO(&own);  // more processors than the mask has room for
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node);
  int ranks = 1;
  MPI_Comm_size(node, &ranks);
  std::vector<cpu_set_t> masks(static_cast<std::size_t>(ranks));
  MPI_Allgather(&own, bytes, MPI_BYTE, masks.data(), bytes, MPI_BYTE, node);
  MPI_Comm_free(&node);
  return masks;
}

/// Cores that the control groups (version 2) of this process grant in processor time; nullopt without such a limit.
std::optional<Index> granted_cores() {
  std::optional<Index> least;
  for (const std::string& group : control_groups()) {
    std::ifstream stream(group + "/cpu.max");
    Index quota = 0;
    Index period = 0;
    if (!(stream >> quota >> period) || period <= 0) continue;  // "max": no limit
    least = std::min(least.value_or(std::numeric_limits<Index>::max()), std::max<Index>(1, quota / period));
  }
  return least;
}

}  // namespace

int automatic_threads(const Communicator& comm) {
  const std::vector<cpu_set_t> masks = masks_of_node(comm);
  if (threads_of_environment() > 0) return static_cast<int>(std::min(threads_of_environment(), most_threads()));
  cpu_set_t own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof own, &own) != 0) return 1;
  const auto sharing = std::count_if(masks.begin(), masks.end(), [&own](const cpu_set_t& mask) {
    cpu_set_t common;
    CPU_AND(&common, &own, &mask);
    return CPU_COUNT(&common) > 0;
  });
  const Index by_mask = CPU_COUNT(&own) / std::max<Index>(1, sharing);
  const Index by_time = granted_cores().value_or(std::numeric_limits<int>::max()) / static_cast<Index>(masks.size());
  return static_cast<int>(std::max<Index>(1, std::min(by_mask, by_time)));
}

NodeLoad busiest_node(const Communicator& comm, int threads) {
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node);
  Index threads_of_node = threads;
  MPI_Allreduce(MPI_IN_PLACE, &threads_of_node, 1, MPI_INT64_T, MPI_SUM, node);
  MPI_Comm_free(&node);
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const cpu_set_t& mask : masks_of_node(comm)) CPU_OR(&all, &all, &mask);
  const std::vector<Index> all_threads = comm.allgather(threads_of_node);
  const std::vector<Index> all_cores = comm.allgather<Index>(std::max(1, CPU_COUNT(&all)));
  NodeLoad busiest{0, 1};
  for (std::size_t rank = 0; rank < all_cores.size(); ++rank)
    if (all_threads[rank] * busiest.cores > busiest.threads * all_cores[rank])
      busiest = {all_threads[rank], all_cores[rank]};
  return busiest;
}

Index most_threads() { return 4 * std::max<Index>(1, ::sysconf(_SC_NPROCESSORS_ONLN)); }

Index threads_of_environment() {
  const char* const text = std::getenv("OMP_NUM_THREADS");  // "8", or "8,2" for nested regions
  if (text == nullptr) return 0;
  const long long threads =
      std::strtoll(text, nullptr, 10);           // what is too large for the type becomes its largest number
  return threads > 0 ? threads : Team().size();  // OpenMP ignores what is no number
}

void limit_threads() {
  if (threads_of_environment() > most_threads()) use_threads(static_cast<int>(most_threads()));
}

int thread_count() { return Team().size(); }

Index peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<Index>(usage.ru_maxrss) * 1024;
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  return library_name({text, static_cast<std::size_t>(length)});
}

}  // namespace scanmf
