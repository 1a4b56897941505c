#include "app/ensemble_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace scanmf::app {
namespace {

using Json = nlohmann::ordered_json;

std::string number(const Json& value, const char* format) {
  return value.is_null() ? "-" : fmt::format(fmt::runtime(format), value.get<double>());
}

std::string with_spread(const Json& value, const Json& spread) {
  return fmt::format("{} +- {}", number(value, "{:.6g}"), number(spread, "{:.2g}"));
}

}  // namespace

std::string ensemble_table_text(const Json& table, const Json& chosen_k) {
  const bool has_connectivity =
      std::ranges::any_of(table, [](const Json& row) { return !row["cophenetic"].is_null(); });
  const bool has_test = std::ranges::any_of(table, [](const Json& row) { return !row["cv_error"].is_null(); });
  std::string text =
      fmt::format("{:>7}  {:>9}  {:>13}  {:>7}  {:>14}  {:>24}{}{}\n", "k", "stability", "least cluster", "kept",
                  "squared error", "error of replicates", has_test ? fmt::format("  {:>24}", "test error") : "",
                  has_connectivity ? fmt::format("  {:>10}  {:>10}", "cophenetic", "dispersion") : "");
  for (const Json& row : table) {
    const Json kept = row["kept"].is_null() ? Json() : Json(100 * row["kept"].get<double>());
    text += fmt::format("{:>7}  {:>9}  {:>13}  {:>7}  {:>14}  {:>24}", row["k"].get<Index>(),
                        number(row["stability"], "{:.3f}"), number(row["least_cluster_stability"], "{:.3f}"),
                        number(kept, "{:.0f} %"), number(row["error"], "{:.6g}"),
                        with_spread(row["replicate_error_mean"], row["replicate_error_sd"]));
    if (has_test) text += fmt::format("  {:>24}", with_spread(row["cv_error"], row["cv_error_se"]));
    if (has_connectivity)
      text += fmt::format("  {:>10}  {:>10}", number(row["cophenetic"], "{:.4f}"), number(row["dispersion"], "{:.4f}"));
    text += row["k"] == chosen_k ? "  <- chosen" : "";
    text += row["error"].is_null() ? "  no consensus\n" : "\n";
  }
  return text;
}

Json table_json(std::span<const MeasuresOfK> table) {
  Json rows = Json::array();
  for (const MeasuresOfK& one : table) {
    Json row = {{"k", one.k}};
    for (const TableColumn& column : ensemble_table_columns()) {
      const double value = one.*column.value;
      row[column.name] = std::isnan(value) ? Json() : Json(value);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace scanmf::app
