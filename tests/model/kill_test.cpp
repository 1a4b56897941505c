#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>
#include <vector>

#include "scanmf/model/model_file.hpp"
#include "support/temporary_folder.hpp"

extern char** environ;

namespace scanmf {
namespace {

/// Starts write_models as a job of its own, not as a part of this one.
pid_t start_writer(const std::string& file) {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (!text.starts_with("OMPI_") && !text.starts_with("PMIX_") && !text.starts_with("PMI_") &&
        !text.starts_with("ORTE_"))
      variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::execle(SCANMF_WRITE_MODELS, SCANMF_WRITE_MODELS, file.c_str(), nullptr, variables.data());
  ::_exit(127);
}

/// A writer is killed at a random moment, again and again: there is always a whole checkpoint, each continues the one
/// before, and nothing piles up.
TEST(Kill, ThereIsAlwaysAWholeCheckpoint) {
  const Communicator comm;
  const test::TemporaryFolder folder;
  const std::string file = folder.file("ck.h5");
  std::mt19937 random(1);
  Index newest = 0;
  constexpr int kills = 12;
  for (int i = 0; i < kills; ++i) {
    const pid_t writer = start_writer(file);
    const auto time_before =
        std::filesystem::exists(file) ? std::filesystem::last_write_time(file) : std::filesystem::file_time_type();
    int waited = 0;
    while (waited++ < 20000 &&
           (!std::filesystem::exists(file) || std::filesystem::last_write_time(file) == time_before))
      ::usleep(1000);
    ::usleep(random() % 60000);
    ::kill(writer, SIGKILL);
    int status = 0;
    ::waitpid(writer, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with status " << WEXITSTATUS(status);

    ASSERT_EQ(find_damage(comm, file), std::nullopt);
    const Index generation = read_model_header(comm, file).n_iter;
    EXPECT_GT(generation, newest);
    newest = generation;
    const Matrix<double> W = read_model_W<double>(comm, file, RowPartition(100000, 100000, 64, 1, 1));
    for (const double value : W.span()) ASSERT_EQ(value, static_cast<double>(generation));
    if (std::filesystem::exists(file + ".prev")) {
      EXPECT_EQ(find_damage(comm, file + ".prev"), std::nullopt);
      // The same one when the kill came between the second name and the new generation's.
      EXPECT_GE(read_model_header(comm, file + ".prev").n_iter, generation - 1);
    }
  }
  // The newest, the one before it, the lock, what the last one was writing, and perhaps the second name it was giving.
  EXPECT_LE(std::distance(std::filesystem::directory_iterator(folder.file("")), std::filesystem::directory_iterator()),
            5);
}

}  // namespace
}  // namespace scanmf
