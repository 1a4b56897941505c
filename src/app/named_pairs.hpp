#pragma once

#include <optional>
#include <vector>

#include "data/input_name.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {

/// Collective. Pairs of a row and a column of a model, row, column, row, column, …, that are given by names: text with
/// two names in each line, or HDF5 whose datasets rows and columns are strings. Where the model's rows (or columns)
/// have no names, their numbers stand there. nullopt: they are numbers in HDF5. Throws AgreedError for names that the
/// model does not know, with their places, and for those that two of its rows have.
std::optional<std::vector<Index>> named_pairs(const Communicator& comm, const data::InputName& pairs,
                                              const ModelHeader& header);

}  // namespace scanmf::app
