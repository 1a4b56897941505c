#include "scanmf/model/checkpoint.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "io/hdf5.hpp"
#include "model/model_examples.hpp"
#include "scanmf/core/log.hpp"
#include "support/messages.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

namespace fs = std::filesystem;
using test::expect_contains;
using test::message_of;
using test::TemporaryFolder;

constexpr Index m = 17;
constexpr Index n = 6;
constexpr Index k = 3;

void save_generation(const Communicator& comm, Checkpoint& checkpoint, Index generation) {
  const RowPartition partition(m, 5, 2, 1, comm.size());
  ModelHeader header = test::example_header(m, n, k);
  header.n_iter = generation;
  const Matrix<double> Ht = test::example_rows<double>({0, n}, k, generation);
  const Matrix<double> W = test::example_W<double>(partition, comm.rank(), k);
  checkpoint.save<double>(header, {&Ht, &W, &partition, {}});
}

void flip_byte(const std::string& name, Index position) {
  std::fstream file(name, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(position);
  const int byte = file.get();
  file.seekp(position);
  file.put(static_cast<char>(byte ^ 1));
}

TEST(Checkpoint, NewestGenerationIsLoaded) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("ck.h5");
  for (Index generation = 0; generation < 3; ++generation) {  // each job loads what the one before has saved
    Checkpoint checkpoint(comm, file);
    const auto loaded = checkpoint.load();
    EXPECT_EQ(loaded.has_value(), generation > 0);
    if (loaded) {
      EXPECT_EQ(loaded->header.n_iter, generation);
      EXPECT_EQ(read_model_Ht<double>(comm, loaded->file)(1, 1), test::example_element<double>(1, 1, generation));
    }
    save_generation(comm, checkpoint, generation + 1);
  }
  Checkpoint checkpoint(comm, file);
  checkpoint.remove();  // nothing: this job has neither loaded nor written them
  EXPECT_TRUE(checkpoint.load().has_value());
  checkpoint.remove();
  EXPECT_FALSE(checkpoint.load().has_value());
  folder.on_root([&] {
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.file("")), fs::directory_iterator()), 1);
  });  // the lock
}

TEST(Checkpoint, ADamagedGenerationIsSetAside) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("ck.h5");
  std::string log;
  set_log_sink([&](LogLevel, std::string_view message) { log += message; });
  {
    Checkpoint checkpoint(comm, file);
    save_generation(comm, checkpoint, 1);
    save_generation(comm, checkpoint, 2);
    folder.on_root([&] { flip_byte(file, 3000); });
    const auto loaded = checkpoint.load();
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->header.n_iter, 1);
    if (comm.is_root()) {
      expect_contains(log, "ck.h5 is damaged: bytes 0 to");
      expect_contains(log, "do not match their checksum");
      expect_contains(log, "the generation before it is used");
    }
    save_generation(comm, checkpoint, 3);
    EXPECT_EQ(checkpoint.load()->header.n_iter, 3);
    EXPECT_EQ(read_model_header(comm, file + ".prev").n_iter, 1);  // not the damaged one
    EXPECT_TRUE(fs::exists(file + ".damaged"));
    folder.on_root([&] {
      fs::resize_file(file, fs::file_size(file) / 2);
      flip_byte(file + ".prev", 100);
    });
    const std::string message = message_of([&] { checkpoint.load(); });
    expect_contains(message, "no generation of the checkpoint can be used");
    expect_contains(message, "ck.h5 is damaged");
    expect_contains(message, "ck.h5.prev is damaged");
    comm.barrier();
    checkpoint.remove();
    EXPECT_FALSE(fs::exists(file + ".damaged"));
  }
  set_log_sink([](LogLevel, std::string_view) {});
}

TEST(Checkpoint, TheOnlyGenerationDamagedIsAnError) {
  const Communicator comm;
  const TemporaryFolder folder;
  Checkpoint checkpoint(comm, folder.file("ck.h5"));
  save_generation(comm, checkpoint, 1);
  folder.on_root([&] { fs::resize_file(folder.file("ck.h5"), 1000); });
  expect_contains(message_of([&] { checkpoint.load(); }), "ck.h5 is damaged");
  folder.on_root([&] { fs::remove(folder.file("ck.h5")); });
  EXPECT_FALSE(checkpoint.load().has_value());
}

/// Killed between the two steps of a file system without hard links.
TEST(Checkpoint, OnlyThePreviousGenerationIsLeft) {
  const Communicator comm;
  const TemporaryFolder folder;
  Checkpoint checkpoint(comm, folder.file("ck.h5"));
  save_generation(comm, checkpoint, 1);
  folder.on_root([&] { fs::rename(folder.file("ck.h5"), folder.file("ck.h5.prev")); });
  EXPECT_EQ(checkpoint.load()->header.n_iter, 1);
  comm.barrier();
  save_generation(comm, checkpoint, 2);
  EXPECT_EQ(checkpoint.load()->header.n_iter, 2);
}

/// Every rank is a job of its own here: one of them gets the checkpoint, the others are told by whom it is used.
TEST(Checkpoint, TwoJobsCompete) {
  const Communicator all;
  const TemporaryFolder folder;
  const Communicator alone(MPI_COMM_SELF);
  for (int round = 0; round < 5; ++round) {
    all.barrier();
    std::unique_ptr<Checkpoint> checkpoint;
    std::string refusal;
    try {
      checkpoint = std::make_unique<Checkpoint>(alone, folder.file("ck.h5"));
    } catch (const Error& error) {
      refusal = error.what();
    }
    EXPECT_EQ(all.sum<Index>(checkpoint != nullptr ? 1 : 0), 1);
    if (checkpoint == nullptr) expect_contains(refusal, "ck.h5 is in use by process ");
    if (checkpoint != nullptr) save_generation(alone, *checkpoint, round);
    all.barrier();
  }
}

TEST(Checkpoint, ALostLockEndsTheJob) {
  const Communicator comm;
  const TemporaryFolder folder;
  Checkpoint checkpoint(comm, folder.file("ck.h5"));
  save_generation(comm, checkpoint, 1);
  folder.on_root([&] { fs::remove(folder.file("ck.h5.lock")); });
  expect_contains(message_of([&] { save_generation(comm, checkpoint, 2); }), "lost its lock");
  EXPECT_EQ(read_model_header(comm, folder.file("ck.h5")).n_iter, 1);
}

TEST(Checkpoint, CannotBeWritten) {
  const Communicator comm;
  const TemporaryFolder folder;
  expect_contains(message_of([&] { const Checkpoint checkpoint(comm, folder.file("missing/ck.h5")); }),
                  "No such file or directory");
  expect_contains(message_of([&] { const Checkpoint checkpoint(comm, folder.file("")); }), "Is a directory");
}

TEST(Checkpoint, WhatAnotherProgramPutsInItsPlaceStays) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("ck.h5");
  set_log_sink([](LogLevel, std::string_view) {});
  Checkpoint checkpoint(comm, file);
  save_generation(comm, checkpoint, 1);
  folder.on_root([&] {
    fs::remove(file);
    std::ofstream(folder.file("other")) << "precious";
    fs::rename(folder.file("other"), file);
  });
  save_generation(comm, checkpoint, 2);
  folder.on_root([&] {
    std::ofstream(folder.file("other")) << "precious too";
    fs::rename(folder.file("other"), file);
  });
  checkpoint.remove();
  folder.on_root([&] {
    EXPECT_EQ(fs::file_size(file + ".damaged"), 8U);
    EXPECT_EQ(fs::file_size(file), 12U);
  });
}

TEST(Checkpoint, ARefusalTouchesNothing) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::string file = folder.file("ck.h5");
  {
    Checkpoint checkpoint(comm, file);
    save_generation(comm, checkpoint, 1);
    save_generation(comm, checkpoint, 2);
  }
  Checkpoint checkpoint(comm, file);
  std::vector<std::string> seen;
  const auto refuse_previous = [&](const CheckpointGeneration& generation) {
    seen.push_back(generation.file);
    if (generation.header.n_iter == 1) throw AgreedError("of another run");
  };
  EXPECT_EQ(message_of([&] { checkpoint.load(refuse_previous); }), "of another run");
  EXPECT_EQ(seen, (std::vector<std::string>{file, file + ".prev"}));
  checkpoint.remove();
  EXPECT_TRUE(fs::exists(file) && fs::exists(file + ".prev"));
}

TEST(Checkpoint, RemovesWhatKilledJobsLeft) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] { std::ofstream(folder.file("ck.h5.part-anotherhost-17-0123456789abcdef")) << "x"; });
  const Checkpoint checkpoint(comm, folder.file("ck.h5"));
  EXPECT_FALSE(fs::exists(folder.file("ck.h5.part-anotherhost-17-0123456789abcdef")));
}

TEST(Checkpoint, EveryDifferenceIsNamed) {
  const double nan = std::nan("");
  const Attributes stored{{"tol", 1e-4},      {"n_components", Index{5}},
                          {"shuffle", false}, {"init", std::string("nndsvd")},
                          {"x", nan},         {"old", true}};
  const Attributes current{{"tol", 1e-6},     {"n_components", Index{6}},
                           {"shuffle", true}, {"init", std::string("nndsvd")},
                           {"x", nan},        {"new", 0.5}};
  const std::vector<std::string> may_change{"tol"};
  EXPECT_EQ(differences(stored, current, may_change),
            (std::vector<std::string>{"n_components is 5 there and 6 now", "shuffle is false there and true now",
                                      "new is not given there and 0.5 now", "old is true there and not given now"}));
  EXPECT_TRUE(differences(stored, stored).empty());
  require_same("ck.h5", stored, stored);
  const std::string message = message_of([&] { require_same("ck.h5", stored, current, may_change); });
  expect_contains(message,
                  "checkpoint ck.h5 belongs to other data or parameters: n_components is 5 there and 6 now; shuffle");
  EXPECT_EQ(message.find("tol"), std::string::npos);
}

}  // namespace
}  // namespace scanmf
