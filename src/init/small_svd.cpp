#include "init/small_svd.hpp"

#include <algorithm>
#include <limits>

#include "linalg/lapack.hpp"

namespace scanmf {

template <Scalar T>
SmallSvd<T> small_svd(const Communicator& comm, const Matrix<T>& b, Index k) {
  SmallSvd<T> result{Matrix<T>(b.rows(), k), std::vector<double>(static_cast<std::size_t>(k)), Matrix<T>(b.rows(), k)};
  comm.agree([&] {
    if (!comm.is_root()) return;
    Matrix<double> in_double(b.rows(), b.columns());
    std::copy(b.span().begin(), b.span().end(), in_double.span().begin());
    const SquareSvd full = svd(in_double);
    const double rounding =
        std::numeric_limits<T>::epsilon() * static_cast<double>(std::min<Index>(b.rows(), k + 10)) * full.s[0];
    for (Index c = 0; c < k; ++c) {
      result.s[static_cast<std::size_t>(c)] = full.s[c] > rounding ? full.s[c] : 0;
      for (Index i = 0; i < b.rows(); ++i) {
        result.left(i, c) = static_cast<T>(full.U(i, c));
        result.right(i, c) = static_cast<T>(full.Vt(c, i));
      }
    }
  });
  comm.broadcast(result.left.span());
  comm.broadcast(std::span<double>(result.s));
  comm.broadcast(result.right.span());
  return result;
}

template SmallSvd<float> small_svd(const Communicator&, const Matrix<float>&, Index);
template SmallSvd<double> small_svd(const Communicator&, const Matrix<double>&, Index);

}  // namespace scanmf
