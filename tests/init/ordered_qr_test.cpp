#include "init/ordered_qr.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "init/qr_checks.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

using test::departure_from_orthonormal;
using test::departure_of_product;

template <class T>
T element(Index row, Index column) {
  return static_cast<T>(counter_normal(1, 0, static_cast<std::uint64_t>(row * 100 + column)));
}

/// A rank's rows of a random matrix.
template <class T>
Matrix<T> rows_of(const RowPartition& partition, int rank, Index columns) {
  Matrix<T> block(partition.local_rows(rank), columns);
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, rank);
    for (Index i = 0; i < piece.size(); ++i)
      for (Index c = 0; c < columns; ++c)
        block(partition.local_begin(batch, rank) + i, c) = element<T>(piece.begin + i, c);
  }
  return block;
}

/// R of one rank alone, with one thread.
template <class T, class Factor>
Matrix<T> alone(Factor&& factor) {
  const Communicator self(MPI_COMM_SELF);
  const int threads = Team().size();
  use_threads(1);
  Matrix<T> r = factor(self);
  use_threads(threads);
  return r;
}

template <class T>
class OrderedQrTest : public testing::Test {
 protected:
  const Communicator comm;
  const double tolerance = 1000 * static_cast<double>(std::numeric_limits<T>::epsilon());
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(OrderedQrTest, Scalars);

TYPED_TEST(OrderedQrTest, strata_give_the_same_bits_on_any_ranks) {
  using T = TypeParam;
  for (const auto [rows, batch_rows, columns] :
       {std::array<Index, 3>{500, 500, 7}, {500, 90, 7}, {40, 40, 9}, {20000, 20000, 12}, {30, 30, 1}}) {
    SCOPED_TRACE(testing::Message() << rows << " rows, batches of " << batch_rows);
    const auto partition = [&, rows = rows, batch_rows = batch_rows](int ranks) {
      return RowPartition(rows, batch_rows, 5, rows > 1000 ? 400 : 3, ranks);
    };
    Matrix<T> q_alone = rows_of<T>(partition(1), 0, columns);
    const Matrix<T> expected =
        alone<T>([&](const Communicator& self) { return qr_by_strata<T>(self, partition(1), q_alone.view()); });
    const RowPartition own = partition(this->comm.size());
    const Matrix<T> a = rows_of<T>(own, this->comm.rank(), columns);
    Matrix<T> q = copy_of(a);
    const Matrix<T> r = qr_by_strata<T>(this->comm, own, q.view());
    EXPECT_TRUE(std::equal(r.span().begin(), r.span().end(), expected.span().begin()));
    for (Index batch = 0; batch < own.batches(); ++batch) {
      const Range piece = own.piece(batch, this->comm.rank());
      EXPECT_TRUE(std::equal(q_alone.row(piece.begin), q_alone.row(piece.begin) + piece.size() * columns,
                             q.row(own.local_begin(batch, this->comm.rank()))));
    }
    EXPECT_LT(departure_of_product(q, r, a), this->tolerance);
    EXPECT_LT(departure_from_orthonormal(this->comm, q), this->tolerance);
  }
}

TYPED_TEST(OrderedQrTest, replicated_matrices_give_the_same_bits_on_any_ranks) {
  using T = TypeParam;
  for (const auto [rows, columns] : {std::array<Index, 2>{6, 6}, {300, 5}, {30000, 20}}) {
    SCOPED_TRACE(rows);
    const Matrix<T> a = rows_of<T>(RowPartition::even(rows, 1), 0, columns);
    Matrix<T> q_alone = copy_of(a);
    const Matrix<T> expected = alone<T>([&](const Communicator& self) { return qr_of_replicated<T>(self, q_alone); });
    Matrix<T> q = copy_of(a);
    const Matrix<T> r = qr_of_replicated<T>(this->comm, q);
    EXPECT_TRUE(std::equal(r.span().begin(), r.span().end(), expected.span().begin()));
    EXPECT_TRUE(std::equal(q.span().begin(), q.span().end(), q_alone.span().begin()));
    EXPECT_LT(departure_of_product(q, r, a), this->tolerance);
  }
}

}  // namespace
}  // namespace scanmf
