#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf::app {

/// The table of an ensemble as objects, an object a k; what is not known becomes null.
nlohmann::ordered_json table_json(std::span<const MeasuresOfK> table);

/// The same for people, a line a k, the chosen one marked; chosen_k: null where there is none.
std::string ensemble_table_text(const nlohmann::ordered_json& table, const nlohmann::ordered_json& chosen_k);

}  // namespace scanmf::app
