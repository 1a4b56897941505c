#pragma once

#include <string>

#include "scanmf/model/model_file.hpp"

namespace scanmf::test {

/// Element (i, j) of an example array, different for each `salt`; exact in float.
template <Scalar T>
T example_element(Index i, Index j, Index salt) {
  return static_cast<T>((i * 131 + j * 17 + salt * 7) % 8191) / T{4};
}

/// Rows [rows.begin, rows.end) of an example array.
template <Scalar T>
Matrix<T> example_rows(Range rows, Index columns, Index salt) {
  Matrix<T> matrix(rows.size(), columns);
  for (Index i = rows.begin; i < rows.end; ++i)
    for (Index j = 0; j < columns; ++j) matrix(i - rows.begin, j) = example_element<T>(i, j, salt);
  return matrix;
}

/// W as `partition` distributes it: salt 1.
template <Scalar T>
Matrix<T> example_W(const RowPartition& partition, int rank, Index k) {
  Matrix<T> W(partition.local_rows(rank), k);
  for (Index b = 0; b < partition.batches(); ++b) {
    const Range piece = partition.piece(b, rank);
    for (Index i = piece.begin; i < piece.end; ++i)
      for (Index c = 0; c < k; ++c)
        W(partition.local_begin(b, rank) + i - piece.begin, c) = example_element<T>(i, c, 1);
  }
  return W;
}

inline ModelHeader example_header(Index m, Index n, Index k) {
  ModelHeader header;
  header.estimator = "minibatch-nmf";
  header.n_components = k;
  header.n_features_in = n;
  header.n_samples = m;
  header.n_iter = 12;
  header.n_steps = 34;
  header.reconstruction_err = 0.1 + 0.2;
  header.converged = true;
  header.params = {{"alpha_W", 0.25},
                   {"batch_size", Index{1024}},
                   {"fresh_restarts", false},
                   {"init", std::string("nndsvda")},
                   {"shuffle", true}};
  for (Index j = 0; j < n; ++j) header.feature_names.push_back("gène " + std::to_string(j) + (j % 3 == 0 ? " 氨" : ""));
  for (Index i = 0; i < m; ++i) header.obs_names.push_back(i == 1 ? "" : "cell-" + std::to_string(i));
  header.history = {{"cost", {3.5, 2.25, std::numeric_limits<double>::infinity()}},
                    {"iteration", {1, 2, 3}},
                    {"seconds", {0.5, 0.25, 0.125}}};
  header.state = {{"best_cost", 1e-300}, {"next_batch", Index{1} << 40}};
  header.provenance = {{"command", std::string("scanmf fit \"a b.h5\" --tol 0")}, {"ranks", Index{3}}};
  return header;
}

}  // namespace scanmf::test
