#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf::app {

/// The table of an ensemble, a line a k, the chosen one marked.
std::string ensemble_table_text(std::span<const MeasuresOfK> table, std::optional<Index> chosen_k);

/// The same as objects; what is not known becomes null.
nlohmann::ordered_json table_json(std::span<const MeasuresOfK> table);

}  // namespace scanmf::app
