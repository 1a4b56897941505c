// Matrices of 2³¹ and more elements and non-zeros, without the memory: addresses that are reserved but hold nothing
// except in the places that are used, and files whose chunks were never written.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <fstream>
#include <numeric>
#include <vector>

#include "data/csr_feed.hpp"
#include "data/packing.hpp"
#include "data/sparse_reader.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/solver/coordinate_descent.hpp"
#include "scanmf/solver/pass.hpp"
#include "support/pack_rows.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

constexpr Index two_to_31 = Index{1} << 31;

/// An array of any length; pages that nobody writes to are zero and take no memory.
template <class T>
class ReservedArray {
 public:
  explicit ReservedArray(Index size) : bytes_(static_cast<std::size_t>(size) * sizeof(T)) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~ReservedArray() {
    if (is_there()) munmap(memory_, bytes_);
  }
  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;
  bool is_there() const { return memory_ != MAP_FAILED; }
  T* data() const { return static_cast<T*>(memory_); }

 private:
  std::size_t bytes_;
  void* memory_;
};

/// Under a limit of addresses (ulimit -v, vm.overcommit_memory = 2) such arrays cannot be had.
bool has_limited_addresses() {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  int overcommit = 0;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> overcommit;
  return limit.rlim_cur != RLIM_INFINITY || overcommit == 2;
}

/// rows × columns small numbers.
template <Scalar T>
Matrix<T> sample_rows(Index rows, Index columns, Index seed) {
  Matrix<T> x(rows, columns);
  for (Index i = 0; i < rows * columns; ++i) x.data()[i] = static_cast<T>((i * 7919 + seed * 104729) % 97) / T{97};
  return x;
}

template <class T>
class LargeShapes : public ::testing::Test {
 protected:
  void SetUp() override {  // nothing else is a reason to skip
    if (has_limited_addresses()) GTEST_SKIP() << "addresses are limited (ulimit -v, vm.overcommit_memory)";
  }
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LargeShapes, Types);

/// A block of dense X with more than 2³¹ elements: rows go to their places and are found there as tiles.
TYPED_TEST(LargeShapes, DenseTilesBeyond31Bits) {
  using T = TypeParam;
  constexpr Index rows = 40001, columns = 60001, tile_rows = 96;
  const ReservedArray<T> memory(rows * padded_columns<T>(columns));
  ASSERT_TRUE(memory.is_there());
  const data::PackedRows<T> packed{memory.data(), rows, columns, tile_rows};
  ASSERT_GT(packed.elements(), two_to_31);
  const Index last_tile = (rows - 1) / tile_rows;
  const Index first_row = last_tile * tile_rows;
  const Matrix<T> x = sample_rows<T>(rows - first_row, columns, 1);
  for (Index i = 0; i < x.rows(); ++i)  // in two parts, the right one first
    for (const Range part : {Range{1000, columns}, Range{0, 1000}})
      packed.put(first_row + i, part.begin, MatrixView<const T>(x.row(i) + part.begin, 1, part.size(), columns));

  Matrix<T> alone(1, x.rows() * padded_columns<T>(columns));
  test::pack_rows<T>(x.view(), 0, x.rows(), tile_rows, alone.data());
  const DenseTile<T> tile = packed.block().tile(last_tile);
  ASSERT_EQ(tile.rows, x.rows());
  EXPECT_GT(tile.packed - memory.data(), two_to_31);
  EXPECT_TRUE(std::equal(alone.data(), alone.data() + alone.columns(), tile.packed));
}

/// Sparse rows whose elements lie beyond position 2³¹ of their arrays, against the same rows at the beginning.
TYPED_TEST(LargeShapes, SparseTilesBeyond31Bits) {
  using T = TypeParam;
  constexpr Index rows = 50, columns = 70, k = 5, stored = rows * 4;
  constexpr Index offset = two_to_31 + 12345;
  const ReservedArray<std::int32_t> far_column(offset + stored);
  const ReservedArray<T> far_value(offset + stored);
  ASSERT_TRUE(far_column.is_there() && far_value.is_there());
  std::vector<Index> bounds, far_bounds;
  std::vector<std::int32_t> column(stored);
  std::vector<T> value(stored);
  for (Index i = 0; i <= rows; ++i) {
    bounds.push_back(4 * i);
    far_bounds.push_back(offset + 4 * i);
  }
  for (Index p = 0; p < stored; ++p) {  // neither sorted nor unique within a row
    column[static_cast<std::size_t>(p)] = far_column.data()[offset + p] = static_cast<std::int32_t>(p % 3 * 20);
    value[static_cast<std::size_t>(p)] = far_value.data()[offset + p] = static_cast<T>(1 + p % 7);
  }
  const Index end = data::settle_rows<T>(rows, bounds.data(), column.data(), value.data(), true);
  EXPECT_EQ(data::settle_rows<T>(rows, far_bounds.data(), far_column.data(), far_value.data(), true), end + offset);
  ASSERT_LT(end, stored);

  const CsrTile<T> near = CsrBlock<T>{rows, columns, rows, bounds.data(), column.data(), value.data()}.tile(0);
  const CsrTile<T> far =
      CsrBlock<T>{rows, columns, rows, far_bounds.data(), far_column.data(), far_value.data()}.tile(0);
  const Matrix<T> ht = sample_rows<T>(columns, k, 2);
  const Matrix<T> w = sample_rows<T>(rows, k, 3);
  RightFactor<T> h(StorageKind::csr, columns, k, true);
  h.assign(ht.view());
  const auto results = [&](const CsrTile<T>& x) {
    Workspace<T> work;
    std::vector<double> all = {divergence_sum<T>(x, w.view(), h, loss_of(2).terms, work),
                               divergence_sum<T>(x, w.view(), h, loss_of(1).terms, work),
                               divergence_sum<T>(x, w.view(), h, loss_of(0.5).terms, work)};
    Matrix<T> p(rows, k), d(rows, k, T{0});
    const auto keep = [&all](const Matrix<T>& m) { all.insert(all.end(), m.span().begin(), m.span().end()); };
    project<T>(x, h, p.view(), work);
    keep(p);
    project_weighted<T>(x, w.view(), h, *loss_of(0.5).weights, p.view(), d.view(), work);
    keep(p);
    keep(d);
    Accumulator<T> sum(StorageKind::csr, columns, k);
    Matrix<T> total(columns, k);
    sum.set_zero();
    accumulate<T>(x, w.view(), sum, work);
    sum.copy_to(total.view());
    keep(total);
    return all;
  };
  EXPECT_EQ(results(far), results(near));
}

/// W with more than 2³¹ elements: a block's rows of W are updated at the end of it.
TYPED_TEST(LargeShapes, RowsOfWBeyond31Bits) {
  using T = TypeParam;
  constexpr Index rows = Index{1} << 28, k = 9, columns = 20, block_rows = 100;
  const ReservedArray<T> memory(rows * k);
  ASSERT_TRUE(memory.is_there());
  const MatrixView<T> w(memory.data(), rows, k);
  ASSERT_GT(rows * k, two_to_31);
  const Matrix<T> x = sample_rows<T>(block_rows, columns, 4);
  const Matrix<T> ht = sample_rows<T>(columns, k, 5);
  Matrix<T> packed(block_rows, padded_columns<T>(columns));
  test::pack_rows<T>(x.view(), 0, block_rows, 96, packed.data());
  const auto visited = [&](Index local_row, MatrixView<T> all_of_w) {
    CoordinateDescentRows<T> update(k, {});
    RowSolver<T> solver(frobenius(), StorageKind::dense, columns, k, &update);
    solver.set_H(ht);
    Pass<T> pass(solver);
    pass.begin({.rows = block_rows});
    Block<T> block;
    block.local_row = local_row;
    block.matrix = DenseBlock<T>{block_rows, columns, 96, packed.data()};
    block.tiles_a_stratum = 2;
    pass.begin_block(block);
    for_each_tile(pass.team(), block, [&](int thread, const TilePlace& place, const TileView<T>& tile) {
      const Index first = local_row + place.row;
      pass.visit_tile(thread, place, tile, all_of_w.middle_rows({first, first + tile.rows()}), first);
    });
    pass.end_block(block);
    pass.end();
    return pass.sums().nodes().front().second->totals[Total::violation];
  };
  Matrix<T> small(block_rows, k, T{0});
  EXPECT_EQ(visited(rows - block_rows, w), visited(0, small.view()));
  EXPECT_GT(small(block_rows - 1, 0), 0);
  EXPECT_TRUE(std::equal(small.data(), small.data() + block_rows * k, memory.data() + (rows - block_rows) * k));
}

/// A matrix of 2²⁰ rows of 2,050 elements each, all of value 1.5 in column 3: chunks that were never written hold the
/// fill value.
void write_unwritten_csr(const std::string& name, Index rows, Index row_elements) {
  hdf5::File file = hdf5::File::create(name);
  std::vector<double> bounds;
  for (Index i = 0; i <= rows; ++i) bounds.push_back(static_cast<double>(i * row_elements));
  test::write_sample(file, "/X/indptr", {bounds.size()}, bounds, {.type = H5T_STD_I64LE});
  const auto unwritten = [&](const char* path, hid_t type, double fill) {
    const hsize_t length = static_cast<hsize_t>(rows * row_elements);
    const hsize_t chunk = hsize_t{1} << 20;
    const hdf5::SpaceHandle space(H5Screate_simple(1, &length, nullptr));
    const hdf5::PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(properties.get(), 1, &chunk);
    H5Pset_fill_value(properties.get(), H5T_NATIVE_DOUBLE, &fill);
    const hdf5::DatasetHandle dataset(
        H5Dcreate2(file.id(), path, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT));
  };
  unwritten("/X/data", H5T_IEEE_F32LE, 1.5);
  unwritten("/X/indices", H5T_STD_I32LE, 3);
  file.write_attribute("/X", "encoding-type", std::string("csr_matrix"));
  file.write_integers_attribute("/X", "shape", std::vector<Index>{rows, 10});
}

TEST(LargeFiles, NonZerosBeyond31Bits) {
  constexpr Index rows = Index{1} << 20, row_elements = 2050, stored = rows * row_elements;
  static_assert(stored > two_to_31);
  const Communicator comm;
  const test::TemporaryFolder folder;
  folder.on_root([&] { write_unwritten_csr(folder.file("x.h5"), rows, row_elements); });
  const MatrixDescription description = describe_matrix(comm, folder.file("x.h5"), "NMF");
  EXPECT_EQ(description.stored, stored);
  EXPECT_EQ(bytes_in_memory(description, DataType::float32, 1), stored * 8 + (rows + 1) * 8);
  const hdf5::File file = hdf5::File::open(description.file);
  const data::SparseReader<float> reader(file, description, Index{1} << 20);

  // Ranks get equal shares, which begin and end beyond 32 bits.
  const std::vector<Index> weights = data::csr_tile_weights(comm, reader, data::sparse_tiles({rows, 10}, {}));
  EXPECT_EQ(std::accumulate(weights.begin(), weights.end(), Index{0}), stored + rows);
  const RowPartition partition = data::partition_for(comm, StorageKind::csr, {rows, 10}, {}, weights);
  EXPECT_NEAR(static_cast<double>(partition.local_rows(comm.rank())), static_cast<double>(rows) / comm.size(),
              static_cast<double>(4096 * partition.tiles_a_stratum()));

  std::vector<std::int32_t> columns(7);
  std::vector<float> values(7);
  reader.read_columns({stored - 7, stored}, columns.data());
  reader.read_values({stored - 7, stored}, values.data());
  EXPECT_EQ(columns, std::vector<std::int32_t>(7, 3));
  EXPECT_EQ(values, std::vector<float>(7, 1.5F));

  // Streamed: the last block of this rank.
  const data::CsrFeed<float> feed(reader, partition, comm.rank(), 10, 1, Index{1} << 20, true);
  const Index last = feed.blocks(0) - 1;
  data::Slot<float> slot = feed.make_slot();
  Index expected = feed.begin_block(0, last, slot);
  const Index block_rows = slot.block.rows();
  EXPECT_EQ(expected, 2 * block_rows * row_elements);
  EXPECT_EQ(slot.block.global_row + block_rows, partition.piece(0, comm.rank()).end);
  const Index first_position = slot.block.global_row * row_elements;
  data::PartCursor cursor{.batch = 0, .block = last, .row = first_position};
  data::FeedScratch<float> scratch;
  data::Slot<float>* const slots[] = {&slot};
  for (auto part = feed.next(cursor); part; part = feed.next(cursor)) {
    Index added[] = {0};
    feed.read(0, *part, slots, added, scratch);
    expected -= added[0];
  }
  EXPECT_EQ(expected, 0);
  feed.finish_block(slot);
  const auto& csr = std::get<CsrBlock<float>>(slot.block.matrix);
  for (Index i = 0; i < block_rows; ++i) {
    ASSERT_EQ(csr.row_begin[i + 1] - csr.row_begin[i], 1);
    ASSERT_EQ(csr.column[csr.row_begin[i]], 3);
    ASSERT_EQ(csr.value[csr.row_begin[i]], 1.5F * row_elements);
  }
}

}  // namespace
}  // namespace scanmf
