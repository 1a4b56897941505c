#pragma once

#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {

/// What a model file holds beside the fitted estimator.
struct ModelContext {
  std::uint32_t seed = 0;  // what random_state was, or what was drawn for it
  Index n_features = 0;
  std::vector<std::string> feature_names;
  std::vector<std::string> row_names;
  Attributes provenance;
  std::string data = {};  // matrix_fingerprint of X; empty: not kept
  // Of a run whose draws come from a generator, in its checkpoints: what its first state was, and the present one.
  std::string generator_began = {};
  std::string generator = {};
  std::string start = {};  // in checkpoints: what tells initial factors of init custom from others; empty: another init
};

/// This rank's part of `count` things that are shared out equally, in order: columns of X, whose rows of Ht and
/// accumulators it updates, or rows of a file.
Range equal_slice(const Communicator& comm, Index count);

/// Says in a model's provenance that its draws came from a generator, for which a number stands in /params.
void note_generator(Attributes& provenance);
/// Whether that is said of a model.
bool is_of_generator(const ModelHeader& header);

/// Parameters as attributes of their own types: numbers as numbers, None as "none", random_state as it was used.
Attributes parameter_attributes(const Parameters& parameters, std::uint32_t seed);
/// Parameters as an earlier version has stored them, and those of `current` that came later: their defaults, by which
/// it went.
Attributes with_later_parameters(Attributes stored, const Attributes& current);
/// The reverse of parameter_attributes, for a model file. Throws Error, which names the file, when a parameter of the
/// estimator is missing, has another type or lies outside of its range, and for attributes that are no parameters.
Parameters parameters_from(const std::string& file, const ModelHeader& header);

/// Throws Error when X has another number of features than the model, or other names of them (the first difference is
/// named). Warns when only one of them has names.
void check_features(const MatrixDescription& x, const ModelHeader& header, const char* estimator);

/// The header of a model file, with all the numbers that a restart or partial-fit needs.
template <Scalar T>
ModelHeader header_of(const FittedModel<T>& model, const ModelContext& context);

/// The arrays of a model file. W, if wanted, distributed as `partition` says; a mini-batch model's accumulators. They
/// refer to the model's memory.
template <Scalar T>
ModelArrays<T> arrays_of(const FittedModel<T>& model, const Communicator& comm, const RowPartition* partition);

/// Throws Error when a checkpoint of a fit of m × n data lacks something that the fit goes on from, or its numbers
/// contradict one another.
void check_complete(const std::string& file, const ModelHeader& header, const Shape& shape);

/// Collective. A fitted model as header_of and arrays_of have described it, from `file`. partition: how W is to be
/// distributed, nullptr: W is not read. Any number of ranks. Throws AgreedError for arrays of other shapes, and
/// elements that no fit leaves behind (negative, NaN, infinite).
template <Scalar T>
FittedModel<T> read_fitted_model(const Communicator& comm, const std::string& file, const ModelHeader& header,
                                 const RowPartition* partition);

}  // namespace scanmf
