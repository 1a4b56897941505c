#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "scanmf/core/log.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "support/block_record.hpp"
#include "support/damage.hpp"
#include "support/gather.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using hdf5::File;
using test::expect_same;
using test::expect_same_sources;
using test::gather;
using test::message_of;
using test::record;
using test::sample_values;
using test::SampleLayout;
using test::TemporaryFolder;
using test::write_csr;
using test::write_sample;

const std::string edge = std::string(SCANMF_TEST_DATA) + "/edge/";

void nobody(LogLevel, std::string_view) {}

/// The small amounts of memory below make for many warnings about layouts.
const bool quiet = (set_log_sink(nobody), true);

TEST(Streamed, DenseLayoutsEqualMemoryToTheBit) {
  const Communicator comm;
  const TemporaryFolder folder;
  const hdf5::TypeHandle half = test::half_type();
  const std::vector<hid_t> types = {H5T_IEEE_F32LE, H5T_IEEE_F64BE, half.get(),
                                    H5T_STD_U8LE,   H5T_STD_I16BE,  H5T_STD_I64LE};
  const std::vector<SampleLayout> layouts = {{},
                                             {.chunk = {16, 70}},
                                             {.chunk = {50, 33}, .gzip = 3, .shuffle = true},
                                             {.chunk = {700, 8}, .gzip = 1},
                                             {.chunk = {9, 70}, .shuffle = true},
                                             {.chunk = {7, 70}, .gzip = 1, .checksum = true}};
  std::vector<double> x = sample_values(700, 70);
  folder.on_root([&] {
    File file = File::create(folder.file("types.h5"));
    for (std::size_t t = 0; t < types.size(); ++t)
      for (std::size_t l = 0; l < layouts.size(); ++l) {
        SampleLayout layout = layouts[l];
        layout.type = types[t];
        write_sample(file, "/t" + std::to_string(t) + "/l" + std::to_string(l), {700, 70}, x, layout);
      }
  });
  for (std::size_t t = 0; t < types.size(); ++t)
    for (std::size_t l = 0; l < layouts.size(); ++l) {
      const std::string input = folder.file("types.h5") + ":/t" + std::to_string(t) + "/l" + std::to_string(l);
      expect_same_sources<float>(comm, input, {}, 20000);
      expect_same_sources<double>(comm, input, {.batch_rows = 128}, 30000);
    }
  // Blocks of one tile, and of as many as are wanted.
  for (const Index memory : {1, 40000}) {
    expect_same_sources<float>(comm, folder.file("types.h5") + ":/t0/l0", {}, memory);
    expect_same_sources<float>(comm, folder.file("types.h5") + ":/t0/l2", {.batch_rows = 300}, memory);
    expect_same_sources<float>(comm, folder.file("types.h5") + ":/t0/l2", {.batch_rows = 1}, memory);
  }
}

TEST(Streamed, ChunksAcrossBlocksAndBatches) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("c.h5"));
    for (const auto& [name, chunk] : std::vector<std::pair<std::string, std::vector<hsize_t>>>{
             {"/a", {50, 33}}, {"/b", {90, 70}}, {"/c", {700, 3}}})
      write_sample(file, name, {700, 70}, sample_values(700, 70), {.type = H5T_IEEE_F32LE, .chunk = chunk, .gzip = 1});
  });
  for (const char* name : {"/a", "/b", "/c"})  // with room to keep the first one's and the second one's chunks
    for (const Index batch_rows : {0, 1, 20, 64})
      expect_same_sources<double>(comm, folder.file("c.h5") + ":" + name, {.batch_rows = batch_rows}, 100000);
}

TEST(Streamed, ElementsThatWereNeverWritten) {
  const Communicator comm;
  const TemporaryFolder folder;
  std::vector<double> x = sample_values(300, 30);
  folder.on_root([&] {
    File file = File::create(folder.file("n.h5"));
    write_sample(file, "/some", {300, 30}, {}, {.chunk = {20, 7}, .gzip = 1});
    file.dataset("/some").write_rows(Range{0, 50}, x.data());
    write_sample(file, "/plain", {300, 30}, {});
  });
  std::fill(x.begin() + 50 * 30, x.end(), 0.0);
  for (const Index memory : {10, 5000}) {
    expect_same_sources<double>(comm, folder.file("n.h5") + ":/some", {}, memory);
    expect_same_sources<double>(comm, folder.file("n.h5") + ":/plain", {}, memory);
    EXPECT_EQ(
        gather(*open_source<double>(comm, describe_matrix(comm, folder.file("n.h5:/some"), "NMF"), {.memory = memory})),
        x);
  }
}

TEST(Streamed, RoundingIsThatOfMemory) {
  const Communicator comm;
  const TemporaryFolder folder;
  std::vector<double> x;
  for (int i = 0; i < 3000; ++i) x.push_back(1.0 / (i + 3) + i * 1e8);
  folder.on_root([&] {
    File file = File::create(folder.file("r.h5"));
    for (const auto& [name, type] : std::vector<std::pair<std::string, hid_t>>{
             {"/f", H5T_IEEE_F64BE}, {"/i", H5T_STD_I64BE}, {"/u", H5T_STD_U64LE}})
      write_sample(file, name, {300, 10}, x, {.type = type});
  });
  for (const char* name : {"/f", "/i", "/u"})
    expect_same_sources<float>(comm, folder.file("r.h5") + ":" + name, {}, 1000);
  // What is handed out is the nearest float.
  const MatrixDescription description = describe_matrix(comm, folder.file("r.h5") + ":/f", "NMF");
  const std::vector<double> got = gather(*open_source<float>(comm, description, {.memory = 1000}));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(got[i], static_cast<double>(static_cast<float>(x[i])));
}

TEST(Streamed, EdgeFilesEqualMemory) {
  const Communicator comm;
  for (const char* name :
       {"ok_dense_1col.h5ad", "ok_dense_1row.h5ad", "ok_dense_column_chunks_gzip.h5", "ok_dense_f32_bigendian.h5",
        "ok_dense_f64.h5ad", "ok_dense_u8.h5ad", "ok_csr_all_zero.h5ad", "ok_csr_empty_rows_last_col.h5ad",
        "ok_csr_explicit_zeros.h5ad", "ok_csr_f32_i32.h5ad", "ok_csr_f64_i64.h5ad",
        "ok_csr_i32_indices_i64_indptr.h5ad", "ok_csr_int32_counts_gzip.h5ad", "ok_csr_unsorted.h5ad"})
    for (const Index batch_rows : {0, 7, 1})
      expect_same_sources<double>(comm, edge + name, {.batch_rows = batch_rows}, 1);
}

TEST(Streamed, SparseLayoutsEqualMemoryToTheBit) {
  const Communicator comm;
  const TemporaryFolder folder;
  std::vector<double> x = sample_values(1500, 40);
  std::fill(x.begin() + 40 * 200, x.begin() + 40 * 800, 0.0);  // blocks without elements
  const std::vector<std::pair<SampleLayout, SampleLayout>> layouts = {
      {{.type = H5T_IEEE_F32LE}, {.type = H5T_STD_I32LE}},
      {{.type = H5T_IEEE_F32LE, .chunk = {1000}, .gzip = 4, .shuffle = true},
       {.type = H5T_STD_I64LE, .chunk = {333}, .gzip = 4}},
      {{.type = H5T_STD_U16BE, .chunk = {9000}, .gzip = 1, .checksum = true}, {.type = H5T_STD_U32BE}}};
  for (const auto& [data, indices] : layouts) {
    folder.on_root([&] {
      File file = File::create(folder.file("s.h5"));
      write_csr(file, x, 1500, 40, data, indices);
    });
    for (const Index batch_rows : {0, 100, 1})
      expect_same_sources<float>(comm, folder.file("s.h5"), {.batch_rows = batch_rows}, 5000);
    const auto source = open_source<double>(comm, describe_matrix(comm, folder.file("s.h5"), "NMF"), {.memory = 5000});
    EXPECT_EQ(gather(*source), x);
    comm.barrier();
  }
}

TEST(Streamed, AnyOrderOfVisits) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("o.h5"));
    write_sample(file, "/X", {400, 20}, sample_values(400, 20), {.chunk = {30, 7}, .gzip = 1});
  });
  const MatrixDescription description = describe_matrix(comm, folder.file("o.h5"), "NMF");
  for (const Index memory : {1, 4000, 20000}) {
    const LoadOptions options{.batch_rows = 64, .memory = memory};
    const auto loaded = load_matrix<double>(comm, description, options);
    const auto streamed = open_source<double>(comm, description, options);
    for (const Index batch : {0, 0, 0, 1, 2, 2, 0, 6, 0, 1, 5, 4, 4, 3, 6, 6})
      expect_same(record(*loaded, batch), record(*streamed, batch), "batch " + std::to_string(batch));
    // A visitor that gives up in the middle, at each block in turn.
    for (int stop = 0; stop < 4; ++stop) {
      int seen = 0;
      try {
        streamed->visit(3, [&](const Block<double>&) {
          if (seen++ == stop) throw Error("enough");
        });
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "enough");
      }
      expect_same(record(*loaded, 3), record(*streamed, 3), "after giving up");
    }
  }
}

TEST(Streamed, MemoryDecides) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("m.h5"));
    write_sample(file, "/X", {3000, 64}, std::vector<double>(3000 * 64, 1));
  });
  const MatrixDescription description = describe_matrix(comm, folder.file("m.h5"), "NMF");
  const Index needed = bytes_in_memory(description, DataType::float32, comm.size());
  EXPECT_EQ(needed, (3000 + comm.size() - 1) / comm.size() * 64 * 4);
  EXPECT_TRUE(open_source<float>(comm, description)->in_memory());
  EXPECT_TRUE(open_source<float>(comm, description, {.memory = needed})->in_memory());
  const auto streamed = open_source<float>(comm, description, {.memory = needed - 1});
  EXPECT_FALSE(streamed->in_memory());
  EXPECT_LE(streamed->bytes(), needed - 1);
  EXPECT_GE(streamed->seconds_waited(), 0);
  // One rank that has less room makes all of them stream.
  const auto uneven = open_source<float>(comm, description, {.memory = comm.rank() == 0 ? needed / 2 : 10 * needed});
  EXPECT_FALSE(uneven->in_memory());

  const MatrixDescription csc = describe_matrix(comm, edge + "csc.h5ad", "NMF");
  const std::string message = message_of([&] { open_source<float>(comm, csc, {.memory = 10}); });
  EXPECT_NE(message.find("is stored by columns (CSC), which cannot be streamed"), std::string::npos) << message;
  EXPECT_NE(message.find("scanmf convert"), std::string::npos);
}

TEST(Streamed, HighChunksAreWarnedOf) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("c.h5"));
    write_sample(file, "/X", {1000, 30}, sample_values(1000, 30), {.chunk = {1000, 5}, .gzip = 1});
    write_sample(file, "/Y", {1000, 30}, sample_values(1000, 30), {.chunk = {10, 30}, .gzip = 1});
  });
  ASSERT_TRUE(quiet);
  std::string warnings;
  set_log_sink([&](LogLevel, std::string_view text) { warnings += text; });
  open_source<double>(comm, describe_matrix(comm, folder.file("c.h5:/Y"), "NMF"), {.memory = 20000});
  EXPECT_EQ(warnings, "");
  open_source<double>(comm, describe_matrix(comm, folder.file("c.h5:/X"), "NMF"), {.memory = 20000});
  if (comm.is_root()) EXPECT_NE(warnings.find("chunks of 1000 x 5, gzip"), std::string::npos) << warnings;
  warnings.clear();
  open_source<double>(comm, describe_matrix(comm, folder.file("c.h5:/Y"), "NMF"), {.batch_rows = 8, .memory = 20000});
  EXPECT_EQ(warnings, "");  // rows are exchanged
  open_source<double>(comm, describe_matrix(comm, folder.file("c.h5:/Y"), "NMF"), {.batch_rows = 8, .memory = 1});
  if (comm.is_root())
    EXPECT_EQ(warnings.find("chunk is read and inflated by 2 ranks") != std::string::npos, comm.size() == 2)
        << warnings;
  if (comm.is_root() && comm.size() > 1) EXPECT_NE(warnings.find("raise --memory to "), std::string::npos) << warnings;
  set_log_sink(nobody);
}

/// What follows `phrase` in a text, as a number.
Index number_behind(const std::string& text, const std::string& phrase) {
  const std::size_t at = text.find(phrase);
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? 1 : std::stoll(text.substr(at + phrase.size()));
}

/// The warnings that opening makes.
std::string warnings_of(const Communicator& comm, const std::string& input, const LoadOptions& options) {
  std::string warnings;
  set_log_sink([&](LogLevel, std::string_view text) { warnings += text; });
  open_source<double>(comm, describe_matrix(comm, input, "NMF"), options);
  set_log_sink(nobody);
  return comm.broadcast(std::move(warnings));
}

TEST(Streamed, AdviceAboutDenseChunksHelps) {
  const Communicator comm;
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::vector<hsize_t>& chunk) {
    folder.on_root([&] {
      File file = File::create(folder.file(name));
      write_sample(file, "/X", {4000, 30}, sample_values(4000, 30), {.chunk = chunk, .gzip = 1});
    });
    return folder.file(name);
  };
  for (const auto& chunk : std::vector<std::vector<hsize_t>>{{4000, 30}, {4000, 2}, {300, 7}})
    for (const Index batch_rows : {0, 100, 700}) {
      const std::string input = write("x.h5", chunk);
      const std::string warnings = warnings_of(comm, input, {.batch_rows = batch_rows, .memory = 20000});
      const Index memory = number_behind(warnings, "raise --memory to ");
      EXPECT_EQ(warnings_of(comm, input, {.batch_rows = batch_rows, .memory = memory}), "") << memory;
      const auto height = static_cast<hsize_t>(number_behind(warnings, "h5repack -l /X:CHUNK="));
      EXPECT_NE(warnings.find("x30 " + input + " OUT.h5"), std::string::npos) << warnings;
      EXPECT_EQ(warnings_of(comm, write("y.h5", {height, 30}), {.batch_rows = batch_rows, .memory = 20000}), "")
          << height;
    }
}

TEST(Streamed, AdviceAboutSparseChunksHelps) {
  const Communicator comm;
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, hsize_t of_values, hsize_t of_indices) {
    folder.on_root([&] {
      File file = File::create(folder.file(name));
      write_csr(file, sample_values(4000, 30), 4000, 30, {.type = H5T_IEEE_F64LE, .chunk = {of_values}, .gzip = 1},
                {.type = H5T_STD_I32LE, .chunk = {of_indices}, .gzip = 1});
    });
    return folder.file(name);
  };
  for (const Index batch_rows : {0, 100}) {
    const std::string input = write("x.h5", 60000, 30000);
    const LoadOptions options{.batch_rows = batch_rows, .memory = 60000};
    const std::string warnings = warnings_of(comm, input, options);
    EXPECT_NE(warnings.find("take 600000 bytes when they are inflated, where --memory leaves 1"), std::string::npos)
        << warnings;
    const Index memory = number_behind(warnings, "raise --memory to ");
    EXPECT_EQ(warnings_of(comm, input, {.batch_rows = batch_rows, .memory = memory}), "") << memory;
    const auto height = static_cast<hsize_t>(number_behind(warnings, "h5repack -l /X/data,/X/indices:CHUNK="));
    EXPECT_EQ(warnings_of(comm, write("y.h5", height, height), options), "") << height;
    // All the same, nobody inflates a chunk for every block of it.
    const auto source = open_source<double>(comm, describe_matrix(comm, input, "NMF"), options);
    const Index before = source->chunks_inflated();
    gather(*source);
    EXPECT_LE(source->chunks_inflated() - before, 12);
  }
}

TEST(Streamed, FirstBadValueIsNamed) {
  const Communicator comm;
  const TemporaryFolder folder;
  std::vector<double> x = sample_values(900, 30);
  x[30 * 700 + 4] = std::numeric_limits<double>::quiet_NaN();
  x[30 * 710] = -1;
  folder.on_root([&] {
    File file = File::create(folder.file("bad.h5"));
    write_sample(file, "/X", {900, 30}, x, {.chunk = {64, 30}, .gzip = 1});
    File sparse = File::create(folder.file("sparse.h5"));
    write_csr(sparse, x, 900, 30, {}, {.type = H5T_STD_I32LE});
    File tall = File::create(folder.file("tall.h5"));
    write_sample(tall, "/X", {900, 30}, x, {.chunk = {300, 30}, .gzip = 1});
    File tall_sparse = File::create(folder.file("tall_sparse.h5"));
    write_csr(tall_sparse, x, 900, 30, {.chunk = {3000}, .gzip = 1},
              {.type = H5T_STD_I32LE, .chunk = {3000}, .gzip = 1});
  });
  LoadOptions whole;
  whole.memory = 10000;
  LoadOptions batches;  // that cut the tall chunks: rows are exchanged
  batches.memory = 40000;
  batches.batch_rows = 50;
  for (const auto& [name, options] :
       {std::pair{"bad.h5", whole}, {"sparse.h5", whole}, {"tall.h5", batches}, {"tall_sparse.h5", batches}}) {
    const MatrixDescription description = describe_matrix(comm, folder.file(name), "NMF");
    EXPECT_EQ(message_of([&] { open_source<double>(comm, description, options); }),
              "Input X contains NaN. (row 700, column 4 of " + folder.file(name) +
                  ":/X, counted from 0); missing = 'nan' (--missing nan) leaves such entries out");
  }
}

/// Visits all batches; every rank gets the error, as the solvers do it.
template <Scalar T>
std::string pass_message(const Communicator& comm, DataSource<T>& source) {
  return message_of([&] {
    comm.agree([&] {
      for (Index batch = 0; batch < source.partition().batches(); ++batch) source.visit(batch, [](const Block<T>&) {});
    });
  });
}

TEST(Streamed, DamageWhileStreaming) {
  const Communicator comm;
  const TemporaryFolder folder;
  const std::vector<double> x = sample_values(2000, 30);
  const auto write = [&](const std::string& name) {
    folder.on_root([&] {
      File file = File::create(folder.file(name));
      write_sample(file, "/plain", {2000, 30}, x);
      write_sample(file, "/gzip", {2000, 30}, x, {.chunk = {100, 30}, .gzip = 1});
    });
  };
  const auto open = [&](const std::string& input) {
    return open_source<double>(comm, describe_matrix(comm, folder.file(input), "NMF"), {.memory = 50000});
  };
  write("cut.h5");
  auto source = open("cut.h5:/plain");
  EXPECT_EQ(pass_message(comm, *source), "no error");
  folder.on_root([&] { std::filesystem::resize_file(folder.file("cut.h5"), 60000); });
  EXPECT_NE(pass_message(comm, *source).find("cut.h5:/plain has been truncated from "), std::string::npos);

  write("replaced.h5");
  source = open("replaced.h5:/gzip");
  write("other.h5");
  folder.on_root([&] { std::filesystem::rename(folder.file("other.h5"), folder.file("replaced.h5")); });
  const std::string reading =
      " while rows 0 to " + std::to_string(source->partition().piece(0, 0).end - 1) + " were being read";
  EXPECT_EQ(pass_message(comm, *source), folder.file("replaced.h5") + ":/gzip has been replaced" + reading);
  folder.on_root([&] { std::filesystem::remove(folder.file("replaced.h5")); });
  EXPECT_EQ(pass_message(comm, *source), folder.file("replaced.h5") + ":/gzip has been removed" + reading);

  write("changed.h5");
  source = open("changed.h5:/plain");
  folder.on_root([&] {
    std::fstream(folder.file("changed.h5"), std::ios::in | std::ios::out).seekp(4000) << std::string(8000, '\xFF');
  });
  EXPECT_EQ(pass_message(comm, *source), folder.file("changed.h5") + ":/plain has been changed" + reading);

  write("damaged.h5");
  source = open("damaged.h5:/gzip");
  folder.on_root([&] {
    for (hsize_t row = 100; row < 2000; row += 100) test::damage_chunk(folder.file("damaged.h5"), "/gzip", row);
  });
  const std::string message = pass_message(comm, *source);
  EXPECT_EQ(message.substr(0, 17), "cannot read rows ") << message;
  EXPECT_NE(message.find("damaged.h5:/gzip: a chunk does not inflate; the file is damaged"), std::string::npos)
      << message;
}

TEST(Streamed, FileEndsWithinABlock) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("e.h5"));
    write_sample(file, "/X", {2000, 30}, sample_values(2000, 30));
  });
  const auto source = open_source<double>(comm, describe_matrix(comm, folder.file("e.h5"), "NMF"), {.memory = 50000});
  // The file shrinks after the visit has begun: all blocks but those ahead are gone.
  std::string message = message_of([&] {
    comm.agree([&] {
      int seen = 0;
      source->visit(0, [&](const Block<double>&) {
        if (seen++ == 0) std::filesystem::resize_file(folder.file("e.h5"), 30000);
      });
    });
  });
  EXPECT_TRUE(message.find("it is truncated") != std::string::npos ||
              message.find("has been truncated") != std::string::npos)
      << message;
  EXPECT_NE(message.find("e.h5"), std::string::npos);
}

TEST(Streamed, RanksWithoutRows) {
  const Communicator comm;
  const TemporaryFolder folder;
  folder.on_root([&] {
    File file = File::create(folder.file("few.h5"));
    write_sample(file, "/X", {2, 3}, {1, 2, 3, 4, 5, 6});
  });
  const auto source =
      open_source<double>(comm, describe_matrix(comm, folder.file("few.h5"), "NMF"), {.batch_rows = 1, .memory = 1});
  EXPECT_EQ(gather(*source), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(gather(*source), (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace scanmf
