#include "init/ordered_qr.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

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

/// Largest departure of QᵀQ from the unit matrix, rows of all ranks together.
template <class T>
double departure_from_orthonormal(const Communicator& comm, const Matrix<T>& q) {
  std::vector<double> gram(static_cast<std::size_t>(q.columns() * q.columns()), 0);
  for (Index i = 0; i < q.rows(); ++i)
    for (Index a = 0; a < q.columns(); ++a)
      for (Index b = 0; b < q.columns(); ++b)
        gram[static_cast<std::size_t>(a * q.columns() + b)] +=
            static_cast<double>(q(i, a)) * static_cast<double>(q(i, b));
  comm.allreduce_sum(std::span<double>(gram));
  double largest = 0;
  for (Index a = 0; a < q.columns(); ++a)
    for (Index b = 0; b < q.columns(); ++b)
      largest = std::max(largest, std::abs(gram[static_cast<std::size_t>(a * q.columns() + b)] - (a == b ? 1 : 0)));
  return largest;
}

template <class T>
double departure_of_product(const Matrix<T>& q, const Matrix<T>& r, const Matrix<T>& a) {
  double largest = 0;
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.columns(); ++j) {
      double sum = 0;
      for (Index c = 0; c < a.columns(); ++c) sum += static_cast<double>(q(i, c)) * static_cast<double>(r(c, j));
      largest = std::max(largest, std::abs(sum - static_cast<double>(a(i, j))));
    }
  return largest;
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
    const Matrix<T> expected = alone<T>([&, columns = columns](const Communicator& self) {
      Matrix<T> all = rows_of<T>(partition(1), 0, columns);
      return qr_by_strata<T>(self, partition(1), all.view());
    });
    const RowPartition own = partition(this->comm.size());
    const Matrix<T> a = rows_of<T>(own, this->comm.rank(), columns);
    Matrix<T> q = copy_of(a);
    const Matrix<T> r = qr_by_strata<T>(this->comm, own, q.view());
    EXPECT_TRUE(std::equal(r.span().begin(), r.span().end(), expected.span().begin()));
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
