#include "io/output_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "io/posix_file.hpp"
#include "support/messages.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

namespace fs = std::filesystem;
using test::expect_contains;
using test::message_of;
using test::TemporaryFolder;

constexpr Index columns = 50;

io::FileLayout layout_of(Index rows) {
  io::FileLayout layout;
  layout.datasets.push_back({"/group/X", {rows, columns}, io::StoredType::float64});
  layout.attributes.push_back({"/", {{"title", std::string("example")}}});
  return layout;
}

double element(Index row, Index column) { return static_cast<double>(row) + static_cast<double>(column) / 64; }

/// Local. Row `row` at its place.
void write_row(io::OutputFile& file, Index row) {
  std::vector<double> values;
  for (Index j = 0; j < columns; ++j) values.push_back(element(row, j));
  file.write(0, row * columns * 8, std::as_bytes(std::span(values)));
}

/// Collective. A file of `rows` rows; rank r writes rows r, r + ranks, …
void write_file(const Communicator& comm, const std::string& target, Index rows,
                io::Previous previous = io::Previous::replaced) {
  io::OutputFile file(comm, target, layout_of(rows), previous);
  comm.agree([&] {
    for (Index i = comm.rank(); i < rows; i += comm.size()) write_row(file, i);
  });
  file.commit();
}

/// Local.
void expect_file(const std::string& path, Index rows) {
  const hdf5::File file = hdf5::File::open(path);
  EXPECT_EQ(file.read_string_attribute("/", "title"), "example");
  const auto values = file.dataset("/group/X").read_all<double>();
  ASSERT_EQ(static_cast<Index>(values.size()), rows * columns);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) ASSERT_EQ(values[static_cast<std::size_t>(i * columns + j)], element(i, j));
}

Index files_in(const std::string& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

/// Restores the limit of the file size at the end.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(OutputFile, HoldsWhatAllRanksWrote) {
  const Communicator comm;
  const TemporaryFolder folder;
  for (const Index rows : {0, 1, 3, 5000}) {  // nothing at all, ranks without rows, several checksum blocks
    write_file(comm, folder.file("out.h5"), rows);
    expect_file(folder.file("out.h5"), rows);
    EXPECT_EQ(io::find_mismatch(comm, folder.file("out.h5")), std::nullopt);
    EXPECT_EQ(files_in(folder.file("")), 1);
    comm.barrier();
  }
}

TEST(OutputFile, WithoutCommitNothingRemains) {
  const Communicator comm;
  const TemporaryFolder folder;
  write_file(comm, folder.file("out.h5"), 3);
  {
    io::OutputFile file(comm, folder.file("out.h5"), layout_of(10));
    if (comm.is_root()) write_row(file, 0);
    EXPECT_EQ(files_in(folder.file("")), 2);
    comm.barrier();
  }
  comm.barrier();
  EXPECT_EQ(files_in(folder.file("")), 1);
  expect_file(folder.file("out.h5"), 3);
}

TEST(OutputFile, RowsThatAreMissingAreAnError) {
  const Communicator comm;
  const TemporaryFolder folder;
  {
    io::OutputFile file(comm, folder.file("out.h5"), layout_of(10));
    if (comm.is_root())
      for (Index i = 0; i < 9; ++i) write_row(file, i);
    expect_contains(message_of<AgreedError>([&] { file.commit(); }), "out.h5 is not complete");
  }
  comm.barrier();
  EXPECT_EQ(files_in(folder.file("")), 0);
}

TEST(OutputFile, PlacesThatCannotBeWritten) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    std::ofstream(folder.file("file")) << "text";
    fs::create_directory(folder.file("folder"));
  });
  const auto message = [&](const std::string& target) {
    return message_of<AgreedError>([&] { write_file(comm, target, 3); });
  };
  expect_contains(message(folder.file("missing/out.h5")),
                  "missing/out.h5 cannot be written: No such file or directory; check the path");
  expect_contains(message(folder.file("file/out.h5")), "Not a directory");
  expect_contains(message(folder.file("folder")), "Is a directory");
  expect_contains(message("/dev/null"), "not a regular file");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(files_in(folder.file("")), 2);
}

TEST(OutputFile, LimitOfTheFileSize) {
  const Communicator comm;
  const TemporaryFolder folder;
  write_file(comm, folder.file("out.h5"), 3);
  {
    const FileSizeLimit limit(1 << 20);
    const std::string message = message_of<AgreedError>([&] { write_file(comm, folder.file("out.h5"), 5000); });
    expect_contains(message, "out.h5 cannot be written");
    expect_contains(message, "File too large");
    expect_contains(message, "ulimit -f");
  }
  expect_file(folder.file("out.h5"), 3);
  EXPECT_EQ(files_in(folder.file("")), 1);
}

/// The last rank alone fails while it writes its rows: every rank throws, and the target is what it was.
TEST(OutputFile, OneRankFails) {
  const Communicator comm;
  const TemporaryFolder folder;
  write_file(comm, folder.file("out.h5"), 3);
  {
    io::OutputFile file(comm, folder.file("out.h5"), layout_of(5000));
    const bool last = comm.rank() == comm.size() - 1;
    const FileSizeLimit limit(last ? 1 << 20 : RLIM_INFINITY);
    expect_contains(message_of<AgreedError>([&] {
                      comm.agree([&] {
                        for (Index i = comm.rank(); i < 5000; i += comm.size()) write_row(file, i);
                      });
                    }),
                    "File too large");
  }
  comm.barrier();
  expect_file(folder.file("out.h5"), 3);
  EXPECT_EQ(files_in(folder.file("")), 1);
}

/// A file system of one megabyte, on root; taken away however the test ends.
class SmallDisk {
 public:
  SmallDisk(const Communicator& comm, const TemporaryFolder& folder, std::string name) : name_(std::move(name)) {
    folder.on_root([&] {
      fs::create_directory(name_);
      here_ = ::mount("tmpfs", name_.c_str(), "tmpfs", 0, "size=1m") == 0;
      if (!here_) error_ = errno;
    });
    comm.broadcast(std::span(&error_, 1));
  }
  ~SmallDisk() {
    if (here_) ::umount2(name_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  /// 0: it is there; else why not.
  int error() const { return error_; }

 private:
  std::string name_;
  bool here_ = false;
  int error_ = 0;
};

TEST(OutputFile, DiskFull) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string disk = folder.file("disk");
  const SmallDisk mounted(comm, folder, disk);
  if (mounted.error() == EPERM) GTEST_SKIP() << "only root may mount a disk: LimitOfTheFileSize tries it without";
  ASSERT_EQ(mounted.error(), 0) << "a small disk cannot be mounted";
  const std::string target = disk + "/out.h5";
  for (const auto previous : {io::Previous::replaced, io::Previous::kept}) {
    write_file(comm, target, 100);
    const std::string message = message_of<AgreedError>([&] { write_file(comm, target, 5000, previous); });
    expect_contains(message, "out.h5 cannot be written");
    expect_contains(message, "No space left on device; make room");
    expect_file(target, 100);
    EXPECT_EQ(io::find_mismatch(comm, target), std::nullopt);
    EXPECT_EQ(files_in(disk), 1);
    comm.barrier();
  }
}

TEST(OutputFile, KeepsThePreviousGeneration) {
  const Communicator comm;
  const TemporaryFolder folder;
  for (Index rows = 1; rows <= 3; ++rows) write_file(comm, folder.file("out.h5"), rows, io::Previous::kept);
  expect_file(folder.file("out.h5"), 3);
  expect_file(folder.file("out.h5.prev"), 2);
  // Killed after the target got its second name and before it was replaced: both names mean one file.
  folder.on_root([&] {
    fs::remove(folder.file("out.h5.prev"));
    fs::create_hard_link(folder.file("out.h5"), folder.file("out.h5.prev"));
  });
  write_file(comm, folder.file("out.h5"), 4, io::Previous::kept);
  expect_file(folder.file("out.h5"), 4);
  expect_file(folder.file("out.h5.prev"), 3);
  EXPECT_EQ(files_in(folder.file("")), 2);
}

TEST(OutputFile, FollowsLinksAndKeepsAccessRights) {
  const Communicator comm;
  const TemporaryFolder folder;
  write_file(comm, folder.file("real.h5"), 3);
  folder.on_root([&] {
    fs::permissions(folder.file("real.h5"), fs::perms(0640));
    fs::create_symlink("real.h5", folder.file("link.h5"));
  });
  write_file(comm, folder.file("link.h5"), 4);
  EXPECT_TRUE(fs::is_symlink(folder.file("link.h5")));
  expect_file(folder.file("real.h5"), 4);
  EXPECT_EQ(fs::status(folder.file("real.h5")).permissions(), fs::perms(0640));
}

TEST(OutputFile, FilesThatOnlyResembleTemporariesStay) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const std::string target = folder.file("out.h5");
    const std::string host = io::host_name();
    for (const std::string& ending : {std::string("1"), host, host + "-999999999", host + "-x-0123456789abcdef",
                                      host + "-999999999-0123456789abcdeX"})
      std::ofstream(target + ".part-" + ending) << "x";
    fs::create_symlink("/dev/null", target + ".part-" + host + "-999999999-0123456789abcdef");
    io::remove_stale_temporaries(target, true);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.file("")), fs::directory_iterator()), 6);
  });
}

TEST(OutputFile, TheLongestNameThatThereIsCanBeWritten) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string target = folder.file(std::string(255, 'x'));
  write_file(comm, target, 3);
  EXPECT_TRUE(fs::exists(target));
  folder.on_root([&] {
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.file("")), fs::directory_iterator()), 1);
    const std::string other = folder.file(std::string(254, 'x') + "y");  // differs behind the part that is kept
    std::ofstream(io::temporary_name(other)) << "x";
    io::remove_stale_temporaries(target, true);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.file("")), fs::directory_iterator()), 2);
  });
}

/// What somebody has put in the place of a temporary, a link to another file above all, is neither followed nor used.
TEST(OutputFile, NothingIsMadeWhereSomethingIs) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    std::ofstream(folder.file("victim")) << "precious";
    fs::create_symlink("victim", folder.file("planted"));
    fs::create_symlink("nothing", folder.file("dangling"));
    for (const char* name : {"victim", "planted", "dangling"})
      test::expect_contains(test::message_of([&] { io::PosixFile::create_exclusive(folder.file(name), "out.h5"); }),
                            "out.h5 cannot be written: File exists");
    test::expect_contains(test::message_of([&] { io::PosixFile::open_for_writing(folder.file("planted"), "out.h5"); }),
                          "out.h5 cannot be written: Too many levels of symbolic links");
    EXPECT_EQ(fs::file_size(folder.file("victim")), 8U);
    EXPECT_FALSE(fs::exists(folder.file("nothing")));
  });
}

TEST(OutputFile, ALinkToNothingIsFollowed) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    fs::create_symlink("second", folder.file("first"));
    fs::create_symlink("file.h5", folder.file("second"));
  });
  write_file(comm, folder.file("first"), 3);
  EXPECT_TRUE(fs::is_symlink(folder.file("first")));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(folder.file("file.h5"))));
}

TEST(OutputFile, RemovesTemporariesOfDeadProcesses) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string target = folder.file("out.h5");
  const std::string dead = fmt::format("{}.part-{}-{}-0123456789abcdef", target, io::host_name(), 999999999);
  const std::string alive = fmt::format("{}.part-{}-{}-0123456789abcdef", target, io::host_name(), ::getppid());
  const std::string elsewhere = target + ".part-another-host-17-0123456789abcdef";
  const auto make = [&] {
    for (const std::string& name : {dead, alive, elsewhere}) std::ofstream(name) << "x";
  };
  folder.on_root([&] {
    make();
    EXPECT_TRUE(
        io::temporary_name(target).starts_with(fmt::format("{}.part-{}-{}-", target, io::host_name(), ::getpid())));
    EXPECT_NE(io::temporary_name(target), io::temporary_name(target));
  });
  write_file(comm, target, 3);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(elsewhere));
  comm.barrier();
  folder.on_root([&] {
    EXPECT_TRUE(fs::exists(alive));
    make();
    io::remove_stale_temporaries(target, true);
    EXPECT_FALSE(fs::exists(dead));
    EXPECT_TRUE(fs::exists(alive));
    EXPECT_FALSE(fs::exists(elsewhere));
  });
}

/// Any byte of the file, and any length but the right one.
TEST(OutputFile, DamageIsFound) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string target = folder.file("out.h5");
  write_file(comm, target, 5000);
  const auto size = static_cast<Index>(fs::file_size(target));
  const auto flip = [&](Index position) {
    folder.on_root([&] {
      std::fstream file(target, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(position);
      const int byte = file.get();
      file.seekp(position);
      file.put(static_cast<char>(byte ^ 0x10));
    });
  };
  for (Index i = 0; i <= 60; ++i) {
    const Index position = (size - 1) * i / 60;
    flip(position);
    EXPECT_NE(io::find_mismatch(comm, target), std::nullopt) << "byte " << position << " of " << size;
    comm.barrier();
    flip(position);
  }
  EXPECT_EQ(io::find_mismatch(comm, target), std::nullopt);
  comm.barrier();
  flip(io::checksum_block + 5);
  expect_contains(io::find_mismatch(comm, target).value_or(""), "bytes 1048576 to 20");
  comm.barrier();
  flip(io::checksum_block + 5);
  for (const Index length : {size - 1, size - 8, size / 2, Index{30}, Index{0}}) {
    folder.on_root([&] { fs::resize_file(target, static_cast<std::uintmax_t>(length)); });
    EXPECT_NE(io::find_mismatch(comm, target), std::nullopt) << "length " << length;
    comm.barrier();
  }
  expect_contains(io::find_mismatch(comm, folder.file("missing.h5")).value_or(""), "No such file");
}

}  // namespace
}  // namespace scanmf
