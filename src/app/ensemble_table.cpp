#include "app/ensemble_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace scanmf::app {
namespace {

std::string number(double value, const char* format) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

}  // namespace

std::string ensemble_table_text(std::span<const MeasuresOfK> table, std::optional<Index> chosen_k) {
  const bool has_test = std::ranges::any_of(table, [](const MeasuresOfK& one) { return !std::isnan(one.cv_error); });
  std::string text =
      fmt::format("{:>7}  {:>9}  {:>13}  {:>7}  {:>14}  {:>24}{}\n", "k", "stability", "least cluster", "kept",
                  "squared error", "error of replicates", has_test ? fmt::format("  {:>24}", "test error") : "");
  for (const MeasuresOfK& one : table) {
    const bool has_consensus = !std::isnan(one.error);
    const std::string errors =
        fmt::format("{} +- {}", number(one.replicate_error_mean, "{:.6g}"), number(one.replicate_error_sd, "{:.2g}"));
    const std::string test = fmt::format(
        "  {:>24}", fmt::format("{} +- {}", number(one.cv_error, "{:.6g}"), number(one.cv_error_se, "{:.2g}")));
    text += fmt::format("{:>7}  {:>9}  {:>13}  {:>7}  {:>14}  {:>24}{}{}{}\n", one.k, number(one.stability, "{:.3f}"),
                        number(one.least_cluster_stability, "{:.3f}"), number(100 * one.kept, "{:.0f} %"),
                        number(one.error, "{:.6g}"), errors, has_test ? test : "",
                        one.k == chosen_k ? "  <- chosen" : "", has_consensus ? "" : "  no consensus");
  }
  return text;
}

nlohmann::ordered_json table_json(std::span<const MeasuresOfK> table) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const MeasuresOfK& one : table) {
    nlohmann::ordered_json row = {{"k", one.k}};
    for (const TableColumn& column : ensemble_table_columns()) {
      const double value = one.*column.value;
      row[column.name] = std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace scanmf::app
