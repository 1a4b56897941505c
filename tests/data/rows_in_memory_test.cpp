#include "scanmf/data/rows_in_memory.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "scanmf/core/random.hpp"
#include "support/block_record.hpp"
#include "support/messages.hpp"

namespace scanmf {
namespace {

using test::expect_same;
using test::message_of;
using test::record;

constexpr Index m = 700;
constexpr Index n = 13;

/// Very different amounts for the ranks; the first one of several has nothing.
Range own_rows(const Communicator& comm) {
  if (comm.size() == 1) return {0, m};
  std::vector<Index> cuts = slice_offsets(m, comm.size());
  cuts[1] = 0;
  return {cuts[static_cast<std::size_t>(comm.rank())], cuts[static_cast<std::size_t>(comm.rank()) + 1]};
}

/// Small whole numbers, `share` of them not zero.
std::vector<double> whole_numbers(double share) {
  LegacyRandom random(3);
  std::vector<double> x(m * n);
  for (double& value : x) value = random.uniform() < share ? 1 + random.below_or_equal(99) : 0;
  return x;
}

template <Scalar T>
void expect_same_blocks(DataSource<T>& a, DataSource<T>& b, const std::string& what) {
  ASSERT_EQ(a.partition().batches(), b.partition().batches()) << what;
  EXPECT_EQ(a.summary().sum, b.summary().sum) << what;
  EXPECT_EQ(a.summary().positive, b.summary().positive) << what;
  for (Index batch = 0; batch < a.partition().batches(); ++batch) expect_same(record(a, batch), record(b, batch), what);
}

/// X of elements E, by rows or by columns, with gaps, some backwards.
template <class E>
void try_layouts(const Communicator& comm, ElementType type, const std::vector<double>& x) {
  const Range own = own_rows(comm);
  const auto element = static_cast<Index>(sizeof(E));
  const Index rows = std::max<Index>(own.size(), 1);
  for (const LoadOptions& options : {LoadOptions{}, LoadOptions{.batch_rows = 50, .piece_bytes = 900}}) {
    const auto plain =
        source_from_rows<double>(comm, MatrixView<const double>(x.data() + own.begin * n, own.size(), n), options);
    for (const auto& [row_step, column_step] :
         {std::pair<Index, Index>{n, 1}, {2 * n, 2}, {1, rows}, {-n, 1}, {-1, -rows}}) {
      std::vector<E> memory(static_cast<std::size_t>(2 * rows * n + 1));
      E* first = memory.data();
      if (row_step < 0) first += (rows - 1) * -row_step;
      if (column_step < 0) first += (n - 1) * -column_step;
      for (Index i = 0; i < own.size(); ++i)
        for (Index j = 0; j < n; ++j)
          first[i * row_step + j * column_step] = static_cast<E>(x[static_cast<std::size_t>((own.begin + i) * n + j)]);
      const DenseRows given{first, type, own.size(), n, row_step * element, column_step * element};
      const auto source = source_from_rows<double>(comm, given, options);
      expect_same_blocks(*plain, *source,
                         "steps of " + std::to_string(row_step) + " and " + std::to_string(column_step));
    }
  }
}

TEST(RowsInMemory, EveryTypeAndOrderOfDenseRows) {
  const Communicator comm;
  const std::vector<double> x = whole_numbers(0.7);
  try_layouts<std::int8_t>(comm, ElementType::int8, x);
  try_layouts<std::uint16_t>(comm, ElementType::uint16, x);
  try_layouts<std::int32_t>(comm, ElementType::int32, x);
  try_layouts<std::uint64_t>(comm, ElementType::uint64, x);
  try_layouts<float>(comm, ElementType::float32, x);
  try_layouts<double>(comm, ElementType::float64, x);
}

/// The given rows as CSR or CSC with repeated, unsorted and zero entries.
struct Sparse {
  std::vector<double> values;
  std::vector<std::int64_t> indices;
  std::vector<std::int64_t> bounds = {0};
  Index rows = 0;

  Sparse(const std::vector<double>& x, Range own, bool by_columns) : rows(own.size()) {
    const Index slices = by_columns ? n : own.size();
    for (Index s = 0; s < slices; ++s) {
      const Index length = by_columns ? own.size() : n;
      for (Index p = length; p-- > 0;) {
        const Index row = own.begin + (by_columns ? p : s);
        const double value = x[static_cast<std::size_t>(row * n + (by_columns ? s : p))];
        if (value != 0) add(p, value - 1);
        if (value != 0 || p % 5 == 0) add(p, value != 0 ? 1 : 0);
      }
      bounds.push_back(static_cast<std::int64_t>(values.size()));
    }
  }
  void add(Index index, double value) {
    indices.push_back(index);
    values.push_back(value);
  }
  SparseRows view(bool by_columns) const {
    return {by_columns,
            rows,
            n,
            static_cast<Index>(values.size()),
            ElementType::float64,
            ElementType::int64,
            values.data(),
            indices.data(),
            bounds.data()};
  }
};

TEST(RowsInMemory, SparseRowsAreTheMatrixThatTheyDenote) {
  const Communicator comm;
  const std::vector<double> x = whole_numbers(0.2);
  const Range own = own_rows(comm);
  for (const LoadOptions& options : {LoadOptions{}, LoadOptions{.batch_rows = 64, .piece_bytes = 600}}) {
    const Sparse csr(x, own, false);
    const Sparse csc(x, own, true);
    const auto by_rows = source_from_rows<double>(comm, csr.view(false), options);
    const auto by_columns = source_from_rows<double>(comm, csc.view(true), options);
    EXPECT_EQ(by_rows->kind(), StorageKind::csr);
    Index seen = 0;
    for (Index batch = 0; batch < by_rows->partition().batches(); ++batch)
      by_rows->visit(batch, [&](const Block<double>& block) {
        const auto& matrix = std::get<CsrBlock<double>>(block.matrix);
        std::vector<double> rows(static_cast<std::size_t>(matrix.rows * n), 0.0);
        for (Index i = 0; i < matrix.rows; ++i)
          for (Index p = matrix.row_begin[i]; p < matrix.row_begin[i + 1]; ++p)
            rows[static_cast<std::size_t>(i * n + matrix.column[p])] = matrix.value[p];
        const auto expected = x.begin() + block.global_row * n;
        EXPECT_TRUE(std::equal(rows.begin(), rows.end(), expected)) << "from row " << block.global_row;
        seen += matrix.rows;
      });
    EXPECT_EQ(comm.sum(seen), m);
    if (comm.size() == 1) expect_same_blocks(*by_rows, *by_columns, "rows and columns");
    EXPECT_EQ(by_rows->summary().sum, by_columns->summary().sum);
  }
}

TEST(RowsInMemory, FingerprintsAreOfElementsAndTheirPlaces) {
  const Communicator comm;
  std::vector<double> x = whole_numbers(0.2);
  const Range own = own_rows(comm);
  const auto of_dense = [&](Index row_step, Index column_step) {
    const Index rows = std::max<Index>(own.size(), 1);
    std::vector<float> memory(static_cast<std::size_t>(2 * rows * n + 1));
    for (Index i = 0; i < own.size(); ++i)
      for (Index j = 0; j < n; ++j)
        memory[static_cast<std::size_t>(i * row_step + j * column_step)] =
            static_cast<float>(x[static_cast<std::size_t>((own.begin + i) * n + j)]);
    return rows_fingerprint(
        comm, DenseRows{memory.data(), ElementType::float32, own.size(), n, row_step * 4, column_step * 4});
  };
  const std::string text =
      rows_fingerprint(comm, DenseRows{x.data() + own.begin * n, ElementType::float64, own.size(), n, n * 8, 8});
  const Communicator alone(MPI_COMM_SELF);
  EXPECT_EQ(text, rows_fingerprint(alone, DenseRows{x.data(), ElementType::float64, m, n, n * 8, 8}));
  EXPECT_EQ(of_dense(2 * n, 2), text);
  EXPECT_EQ(of_dense(1, std::max<Index>(own.size(), 1)), text);
  std::vector<Sparse> sparse;
  for (const bool by_columns : {false, true}) sparse.emplace_back(x, own, by_columns);
  EXPECT_EQ(rows_fingerprint(comm, sparse[0].view(false)), rows_fingerprint(comm, sparse[1].view(true)));
  EXPECT_NE(rows_fingerprint(comm, sparse[0].view(false)), text) << "elements that are there twice count one by one";
  std::swap(x[3], x[n + 3]);
  x[4] += 1;
  EXPECT_NE(of_dense(n, 1), text);
}

TEST(RowsInMemory, MistakesAreEverybodys) {
  const Communicator comm;
  const std::vector<double> x = whole_numbers(0.3);
  const Range own = own_rows(comm);
  Sparse csr(x, own, false);
  const bool last = comm.rank() == comm.size() - 1;
  if (last) csr.indices[3] = n;
  EXPECT_NE(message_of([&] { source_from_rows<double>(comm, csr.view(false)); }).find("index out of range"),
            std::string::npos);
  if (last) csr.indices[3] = 0;
  if (last) csr.bounds[1] = csr.bounds[2] + 1;
  EXPECT_NE(message_of([&] { source_from_rows<double>(comm, csr.view(false)); }).find("indptr"), std::string::npos);
  DenseRows none{x.data(), ElementType::float64, 0, n, n * 8, 8};
  EXPECT_NE(message_of([&] { source_from_rows<double>(comm, none); }).find("Found array with 0 sample(s)"),
            std::string::npos);
}

}  // namespace
}  // namespace scanmf
