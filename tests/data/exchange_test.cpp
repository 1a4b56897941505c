// Batches that cut compressed chunks between ranks: one rank reads and inflates each chunk and sends the others their
// rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "scanmf/core/log.hpp"
#include "support/block_record.hpp"
#include "support/damage.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using hdf5::File;
using test::damage_chunk;
using test::expect_same;
using test::message_of;
using test::record;
using test::sample_values;
using test::TemporaryFolder;
using test::write_sample;

void nobody(LogLevel, std::string_view) {}
const bool quiet = (set_log_sink(nobody), true);

/// As in memory, to the bit, in every pass; `exchanged`: wherever there are several ranks.
template <Scalar T>
void expect_same_as_memory(const Communicator& comm, const std::string& input, Index batch_rows, Index memory,
                           bool exchanged = true) {
  const MatrixDescription description = describe_matrix(comm, input, "NMF");
  const LoadOptions options{.batch_rows = batch_rows, .memory = memory};
  EXPECT_EQ(open_source<T>(comm, description, options)->exchanges(), exchanged && comm.size() > 1)
      << input << " " << batch_rows << " " << memory;
  test::expect_same_sources<T>(comm, input, {.batch_rows = batch_rows}, memory);
}

TEST(Exchange, DenseEqualsMemoryToTheBit) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<test::SampleLayout> layouts = {
      {.type = H5T_IEEE_F32LE, .chunk = {256, 70}, .gzip = 1},
      {.type = H5T_IEEE_F64BE, .chunk = {200, 33}, .gzip = 3, .shuffle = true},
      {.type = H5T_STD_U8LE, .chunk = {1500, 8}, .gzip = 1},
      {.type = H5T_STD_I16LE, .chunk = {130, 70}, .gzip = 1, .checksum = true}};
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    for (std::size_t l = 0; l < layouts.size(); ++l)
      write_sample(file, "/l" + std::to_string(l), {1500, 70}, sample_values(1500, 70), layouts[l]);
  });
  for (std::size_t l = 0; l < layouts.size(); ++l) {
    const std::string input = folder.file("x.h5") + ":/l" + std::to_string(l);
    const Index for_a_tile = 39000 + (comm.size() - 2) * 13500;  // of 8 rows for each rank
    for (const Index batch_rows : {16, 50, 100, 128})
      for (const Index memory : {for_a_tile, Index{90000}})  // in rounds, or not
        expect_same_as_memory<float>(comm, input, batch_rows, memory);
    const auto in_rounds =
        open_source<float>(comm, describe_matrix(comm, input, "NMF"), {.batch_rows = 128, .memory = for_a_tile});
    for (Index batch = 0; batch < in_rounds->partition().batches(); ++batch)
      in_rounds->visit(batch, [](const Block<float>&) {});
    EXPECT_GT(in_rounds->exchange_cost().calls, in_rounds->partition().batches());
    expect_same_as_memory<double>(comm, input, 100, 200000);
    expect_same_as_memory<double>(comm, input, 100, 1, false);  // no room
  }
}

TEST(Exchange, RowsOfOneTileAndRanksWithoutRows) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    write_sample(file, "/X", {101, 9}, sample_values(101, 9), {.chunk = {40, 9}, .gzip = 1});
  });
  for (const Index batch_rows : {1, 2, 3, 10})
    expect_same_as_memory<float>(comm, folder.file("x.h5"), batch_rows, 1500);
}

TEST(Exchange, ChunksThatWereNeverWritten) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(600, 30);
  folder.on_root([&] {
    File file = File::create(folder.file("n.h5"));
    write_sample(file, "/X", {600, 30}, {}, {.chunk = {100, 7}, .gzip = 1});
    file.dataset("/X").write_rows(Range{0, 250}, x.data());
  });
  for (const Index memory : {16000, 30000}) expect_same_as_memory<double>(comm, folder.file("n.h5"), 32, memory);
}

TEST(Exchange, EachChunkIsInflatedByOneRank) {
  const Communicator comm;
  const TemporaryFolder folder;
  constexpr Index side_by_side = 3;
  constexpr Index high = 40;
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    write_sample(file, "/X", {high * 64, 30}, sample_values(high * 64, 30),
                 {.type = H5T_IEEE_F32LE, .chunk = {64, 10}, .gzip = 1});
  });
  const auto source =
      open_source<float>(comm, describe_matrix(comm, folder.file("x.h5"), "NMF"), {.batch_rows = 16, .memory = 60000});
  const auto own_chunks = [&] { return side_by_side * ((high - comm.rank() + comm.size() - 1) / comm.size()); };
  const Index ahead = 2 * side_by_side;  // reading goes on with the next pass
  for (int pass = 1; pass <= 3; ++pass) {
    EXPECT_GE(source->chunks_inflated(), own_chunks() * pass - (pass - 1) * ahead);
    EXPECT_LE(source->chunks_inflated(),
              own_chunks() * pass * 5 / 4 + ahead);  // a thread that is late inflates its chunk again
    for (Index batch = 0; batch < source->partition().batches(); ++batch)
      source->visit(batch, [](const Block<float>&) {});
  }
  EXPECT_LE(source->bytes(), 60000);
  if (comm.size() == 1) return;
  EXPECT_EQ(source->exchange_cost().calls, 3 * source->partition().batches());
  EXPECT_GT(comm.sum(source->exchange_cost().bytes), 0);
}

/// Chunks that a batch cuts between ranks at the edges of their pieces only, or between two batches.
TEST(Exchange, LowChunksAreInflatedOnceToo) {
  const Communicator comm;
  const TemporaryFolder folder;
  constexpr Index chunks = 240;
  constexpr Index rows = chunks * 50;
  const std::vector<double> x = sample_values(rows, 30);
  const Index stored = std::count_if(x.begin(), x.end(), [](double value) { return value != 0; });
  folder.on_root([&] {
    File file = File::create(folder.file("x.h5"));
    write_sample(file, "/X", {rows, 30}, x, {.type = H5T_IEEE_F32LE, .chunk = {50, 30}, .gzip = 1});
    File sparse = File::create(folder.file("s.h5"));
    test::write_csr(sparse, x, rows, 30, {.type = H5T_IEEE_F32LE, .chunk = {500}, .gzip = 1},
                    {.type = H5T_STD_I32LE, .chunk = {700}, .gzip = 1});
  });
  const auto memory_below = [&](const char* name) {  // of what X takes
    return bytes_in_memory(describe_matrix(comm, folder.file(name), "NMF"), DataType::float32, comm.size()) * 9 / 10;
  };
  const auto expect_once = [&](const char* name, Index all, Index batch_rows) {
    const auto source = open_source<float>(comm, describe_matrix(comm, folder.file(name), "NMF"),
                                           {.batch_rows = batch_rows, .memory = memory_below(name)});
    EXPECT_EQ(source->exchanges(), comm.size() > 1) << name;
    constexpr int passes = 4;
    for (int pass = 2; pass <= passes; ++pass)  // the first one has been made already
      for (Index batch = 0; batch < source->partition().batches(); ++batch)
        source->visit(batch, [](const Block<float>&) {});
    const Index inflated = comm.sum(source->chunks_inflated());
    const Index ahead = 6 * all * batch_rows / rows + 8 * comm.size();  // reading goes on with the next pass
    EXPECT_GE(inflated, passes * all) << name << " " << batch_rows;
    EXPECT_LE(inflated, passes * all + ahead) << name << " " << batch_rows;
  };
  for (const Index batch_rows : {410, 500}) {
    expect_once("x.h5", chunks, batch_rows);
    expect_once("s.h5", (stored + 499) / 500 + (stored + 699) / 700, batch_rows);
    for (const char* name : {"x.h5", "s.h5"})
      expect_same_as_memory<float>(comm, folder.file(name), batch_rows, memory_below(name));
  }
  expect_same_as_memory<float>(comm, folder.file("x.h5"), 410, 100000,
                               false);  // no room for a batch: chunks at the edges are inflated by two
}

TEST(Exchange, SparseEqualsMemoryToTheBit) {
  const Communicator comm;
  const TemporaryFolder folder;
  std::vector<double> x = sample_values(1500, 40);
  std::fill(x.begin() + 40 * 200, x.begin() + 40 * 500, 0.0);  // batches without elements
  using Layout = test::SampleLayout;
  const Layout values{.type = H5T_IEEE_F32LE, .chunk = {3000}, .gzip = 1, .shuffle = true};
  const std::vector<std::pair<Layout, Layout>> layouts = {
      {values, {.type = H5T_STD_I32LE, .chunk = {3000}, .gzip = 1}},
      {values, {.type = H5T_STD_I64LE, .chunk = {333}, .gzip = 4}},
      {values, {.type = H5T_STD_U32BE}},
      {{.type = H5T_STD_U16BE}, {.type = H5T_STD_I32LE, .chunk = {20000}, .gzip = 1, .checksum = true}}};
  for (const auto& [data, indices] : layouts) {
    folder.on_root([&] {
      File file = File::create(folder.file("s.h5"));
      test::write_csr(file, x, 1500, 40, data, indices);
    });
    for (const Index batch_rows : {1, 16, 100})
      for (const Index memory : {20000, 45000})
        expect_same_as_memory<float>(comm, folder.file("s.h5"), batch_rows, memory);
    expect_same_as_memory<double>(comm, folder.file("s.h5"), 100, 60000);
    expect_same_as_memory<double>(comm, folder.file("s.h5"), 100, 10, false);  // no room
    comm.barrier();
  }
}

TEST(Exchange, EachChunkOfSparseArraysIsInflatedByOneRank) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(3000, 40);
  const Index stored = std::count_if(x.begin(), x.end(), [](double value) { return value != 0; });
  folder.on_root([&] {
    File file = File::create(folder.file("s.h5"));
    test::write_csr(file, x, 3000, 40, {.type = H5T_IEEE_F32LE, .chunk = {2000}, .gzip = 1},
                    {.type = H5T_STD_I32LE, .chunk = {2000}, .gzip = 1});
  });
  const auto source =
      open_source<float>(comm, describe_matrix(comm, folder.file("s.h5"), "NMF"), {.batch_rows = 16, .memory = 60000});
  EXPECT_EQ(source->exchanges(), comm.size() > 1);
  const Index chunks = (stored + 1999) / 2000;
  const Index own_chunks = 2 * ((chunks - comm.rank() + comm.size() - 1) / comm.size());
  for (int pass = 1; pass <= 2; ++pass) {
    EXPECT_GE(source->chunks_inflated(), (own_chunks - 4) * pass);
    EXPECT_LE(source->chunks_inflated(), own_chunks * pass * 5 / 4 + 4);
    for (Index batch = 0; batch < source->partition().batches(); ++batch)
      source->visit(batch, [](const Block<float>&) {});
  }
  EXPECT_LE(source->bytes(), 60000);
}

TEST(Exchange, AnyOrderOfVisits) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("o.h5"));
    write_sample(file, "/X", {3200, 20}, sample_values(3200, 20), {.chunk = {90, 7}, .gzip = 1});
  });
  const MatrixDescription description = describe_matrix(comm, folder.file("o.h5"), "NMF");
  for (const Index memory : {12000, 60000}) {
    const LoadOptions options{.batch_rows = 64, .memory = memory};
    const auto loaded = load_matrix<float>(comm, description, {.batch_rows = 64});
    const auto streamed = open_source<float>(comm, description, options);
    EXPECT_EQ(streamed->exchanges(), comm.size() > 1);
    for (const Index batch : {0, 0, 0, 1, 2, 2, 0, 6, 0, 1, 5, 4, 4, 3, 6, 6})
      expect_same(record(*loaded, batch), record(*streamed, batch), "batch " + std::to_string(batch));
    const ExchangeCost before = streamed->exchange_cost();
    if (memory == 60000) record(*streamed, 6);
    EXPECT_EQ(streamed->exchange_cost().calls, before.calls);  // what has been exchanged is still there
    // One rank's visitor gives up: all ranks throw, and go on together.
    for (int rank = 0; rank < comm.size(); ++rank) {
      const std::string message = message_of([&] {
        streamed->visit(3, [&](const Block<float>&) {
          if (comm.rank() == rank) throw Error("enough");
        });
      });
      EXPECT_EQ(message, "enough");
      expect_same(record(*loaded, 3), record(*streamed, 3), "after giving up");
    }
  }
}

/// Nobody but the source itself brings the error to all ranks.
std::string message_of_pass(DataSource<double>& source) {
  return message_of([&] {
    for (Index batch = 0; batch < source.partition().batches(); ++batch)
      source.visit(batch, [](const Block<double>&) {});
  });
}

TEST(Exchange, ColumnNumbersOutOfRangeAreNamed) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("s.h5"));
    test::write_csr(file, sample_values(900, 30), 900, 30, {}, {.type = H5T_STD_I32LE, .chunk = {3000}, .gzip = 1});
    file.write_integers_attribute("/X", "shape", std::vector<Index>{900, 29});
  });
  const MatrixDescription description = describe_matrix(comm, folder.file("s.h5"), "NMF");
  const std::string message =
      message_of([&] { open_source<double>(comm, description, {.batch_rows = 50, .memory = 40000}); });
  EXPECT_NE(message.find("names column 29, but there are 29"), std::string::npos) << message;
  EXPECT_EQ(message, comm.broadcast(message));
}

TEST(Exchange, DamageIsEverybodys) {
  const Communicator comm;
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name) {
    folder.on_root([&] {
      File file = File::create(folder.file(name));
      write_sample(file, "/X", {3000, 30}, sample_values(3000, 30), {.chunk = {100, 30}, .gzip = 1});
    });
  };
  const auto open = [&](const std::string& name) {
    return open_source<double>(comm, describe_matrix(comm, folder.file(name), "NMF"),
                               {.batch_rows = 30, .memory = 90000});
  };
  for (const Index chunk : {15, 16, 17}) {  // of one rank or another
    write("damaged.h5");
    auto source = open("damaged.h5");
    EXPECT_EQ(source->exchanges(), comm.size() > 1);
    folder.on_root([&] { damage_chunk(folder.file("damaged.h5"), "/X", static_cast<hsize_t>(100 * chunk)); });
    const std::string message = message_of_pass(*source);
    if (comm.size() == 1)
      EXPECT_NE(message.find("a chunk does not inflate; the file is damaged"), std::string::npos) << message;
    if (comm.size() > 1)
      EXPECT_EQ(message, "cannot read rows " + std::to_string(100 * chunk) + " to " +
                             message.substr(message.find(" to ") + 4, 4) + " of " + folder.file("damaged.h5") +
                             ":/X: a chunk does not inflate; the file is damaged");
    EXPECT_EQ(message, comm.broadcast(message));
  }
  write("cut.h5");
  auto source = open("cut.h5");
  EXPECT_EQ(message_of_pass(*source), "no error");
  folder.on_root([&] { std::filesystem::resize_file(folder.file("cut.h5"), 20000); });
  EXPECT_NE(message_of_pass(*source).find("cut.h5:/X has been truncated from "), std::string::npos);
  write("replaced.h5");
  source = open("replaced.h5");
  write("other.h5");
  folder.on_root([&] { std::filesystem::rename(folder.file("other.h5"), folder.file("replaced.h5")); });
  const Range rows = source->partition().piece(0, 0);
  EXPECT_EQ(message_of_pass(*source), folder.file("replaced.h5") + ":/X has been replaced while rows 0 to " +
                                          std::to_string(rows.end - 1) + " were being read");
}

TEST(Exchange, DamageOfSparseArraysIsEverybodys) {
  const Communicator comm;
  const TemporaryFolder folder;
  const test::SampleLayout integers{.type = H5T_STD_I32LE, .chunk = {1000}, .gzip = 1};
  for (const char* array : {"/X/data", "/X/indices"}) {
    for (const Index chunk : {15, 16, 17}) {
      folder.on_root([&] {
        File file = File::create(folder.file("s.h5"));
        test::write_csr(file, sample_values(3000, 30), 3000, 30, {.type = H5T_IEEE_F32LE, .chunk = {1000}, .gzip = 1},
                        integers);
      });
      auto source = open_source<double>(comm, describe_matrix(comm, folder.file("s.h5"), "NMF"),
                                        {.batch_rows = 30, .memory = 120000});
      EXPECT_EQ(source->exchanges(), comm.size() > 1);
      folder.on_root([&] { damage_chunk(folder.file("s.h5"), array, static_cast<hsize_t>(1000 * chunk)); });
      const std::string message = message_of_pass(*source);
      EXPECT_EQ(message.find("cannot read elements " + std::to_string(1000 * chunk) + " to "), 0) << message;
      EXPECT_NE(message.find(folder.file("s.h5") + ":" + array + ": a chunk does not inflate; the file is damaged"),
                std::string::npos)
          << message;
      EXPECT_EQ(message, comm.broadcast(message));
      source.reset();
      comm.barrier();
    }
  }
}

}  // namespace
}  // namespace scanmf
