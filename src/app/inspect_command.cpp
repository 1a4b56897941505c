#include <fmt/format.h>

#include <algorithm>

#include "app/commands.hpp"
#include "app/ensemble_table.hpp"
#include "app/inspect_description.hpp"
#include "app/inspect_table.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "core/printable.hpp"
#include "core/standard_streams.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/estimator/digest.hpp"

namespace scanmf::app {
namespace {

using Json = nlohmann::ordered_json;

/// "count: first, second, …"
std::string names_text(const Json& names) {
  std::string text = names["count"].dump();
  const char* separator = ": ";
  for (const Json& name : names["first"]) {
    text += separator + short_text(name);
    separator = ", ";
  }
  return text + (names["count"].get<std::size_t>() > shown_names ? ", ..." : "");
}

std::string features_text(const Json& components) {
  std::string text = "top features:\n";
  for (std::size_t c = 0; c < components.size(); ++c) {
    text += fmt::format("  {:>4} ", c);
    for (const Json& feature : components[c])
      text += fmt::format(" {} ({:.3g})", short_text(feature.contains("name") ? feature["name"] : feature["feature"]),
                          feature["weight"].get<double>());
    text += components[c].empty() ? " all zero\n" : "\n";
  }
  return text;
}

std::string history_text(const Json& history) {
  if (history.empty()) return "";
  std::string text = "last iterations (those that are evaluated):\n";
  for (const auto& [name, values] : history.items()) {
    text += fmt::format("  {:<18}", name);
    for (const Json& value : values)
      text += fmt::format(" {:>12}", value.is_null() ? "-" : fmt::format("{:.6g}", value.get<double>()));
    text += "\n";
  }
  return text;
}

/// "  /layers/counts      30 x 8 sparse float32, whole numbers"
std::string matrices_text(const Json& matrices) {
  std::string text = "matrices in the file:\n";
  for (const Json& matrix : matrices) {
    text += fmt::format("  {:<30}", short_text(matrix["path"]));
    if (matrix.contains("shape"))
      text += fmt::format(" {} x {} {} {}{}", matrix["shape"][0].dump(), matrix["shape"][1].dump(),
                          matrix["sparse"].get<bool>() ? "sparse" : "dense", short_text(matrix["element_type"]),
                          matrix["integers"].get<bool>() ? ", whole numbers" : "");
    if (matrix.contains("writer")) text += fmt::format(" ({})", short_text(matrix["writer"]));
    if (matrix.contains("hindrance")) text += fmt::format(" NOT READABLE: {}", short_text(matrix["hindrance"]));
    text += "\n";
  }
  return text;
}

/// "name:", and each member in a line of its own.
std::string object_text(const std::string& name, const Json& object) {
  std::size_t width = 18;
  for (const auto& [key, one] : object.items()) width = std::max(width, key.size() + 1);
  std::string text = name + ":\n";
  for (const auto& [key, one] : object.items())
    text += fmt::format("  {:<{}}{}\n", printable(key), width, short_text(one));
  return text;
}

/// The matrices of a data file as rows of a table.
Json matrix_rows(const Json& matrices) {
  if (matrices.empty()) throw Error("--csv lists the matrices of an HDF5 file: this one is a matrix itself");
  Json rows = Json::array();
  for (const Json& matrix : matrices) {
    const bool known = matrix.contains("shape");
    const auto member = [&](const char* name) { return matrix.contains(name) ? matrix[name] : Json(); };
    rows.push_back({{"path", matrix["path"]},
                    {"rows", known ? matrix["shape"][0] : Json()},
                    {"columns", known ? matrix["shape"][1] : Json()},
                    {"sparse", member("sparse")},
                    {"element_type", member("element_type")},
                    {"whole_numbers", member("integers")},
                    {"transposed", member("transposed")},
                    {"hindrance", member("hindrance")}});
  }
  return rows;
}

/// A line a model, behind the file's name where there are several.
std::string digests_of(const Communicator& comm, const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files) {
    try {
      text += fmt::format("{}{}\n", files.size() > 1 ? printable(file) + "  " : "", digest_of_model(comm, file));
    } catch (const AgreedError& error) {
      throw AgreedError(fmt::format("{} (option '--digest')", error.what()), error.status());
    }
  }
  return text;
}

/// The same for people.
std::string readable(const Json& description) {
  std::string text;
  for (const auto& [name, value] : description.items()) {
    if (name == "top_features") {
      text += features_text(value);
    } else if (name == "table") {
      text += description["kind"] == ensemble_kind ? ensemble_table_text(value, description["chosen_k"])
                                                   : table_text(value);
    } else if (name == "history") {
      text += history_text(value);
    } else if (name == "matrices") {
      if (value.size() > 1 || !description.contains("path")) text += matrices_text(value);
    } else if (name == "feature_names" || name == "obs_names") {
      text += fmt::format("{:<20}{}\n", name, names_text(value));
    } else if (name == "shape") {
      text += fmt::format("{:<20}{} x {}\n", name, value[0].dump(), value[1].dump());
    } else if (value.is_object()) {
      text += object_text(name, value);
    } else {
      text += fmt::format("{:<20}{}\n", name, short_text(value));
    }
  }
  return text;
}

}  // namespace

int inspect(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  // Root alone has looked at the file's other matrices.
  const auto print = [&](const auto& text_of_root) {
    comm.agree([&] {
      if (comm.is_root()) print_result(text_of_root());
    });
    return static_cast<int>(ExitStatus::done);
  };
  if (line.flag("digest")) {
    const std::string text = digests_of(comm, line.inputs());
    return print([&] { return text; });
  }
  const auto json_text = [](const Json& value) {
    return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  if (line.inputs().size() > 1) {
    const Json models = describe_models(comm, line.inputs());
    return print([&] {
      return line.flag("json") ? json_text(models) : line.flag("csv") ? table_csv(models) : table_text(models);
    });
  }
  const Json description =
      describe_file(comm, line.inputs().front(), input_options(line), line.number("top").value_or(0));
  const std::string kind = description["kind"];
  const bool has_table = kind == ensemble_kind || kind == ensemble_checkpoint_kind;
  const bool is_model = !has_table && kind != data_kind;
  if (!is_model && line.is_given("top"))
    throw UsageError("option '--top' has no meaning for data and ensembles: it is for one model");
  if (line.flag("csv") && is_model) {
    const Json models = describe_models(comm, line.inputs());
    return print([&] { return table_csv(models); });
  }
  return print([&] {
    if (line.flag("json")) return json_text(description);
    return line.flag("csv") ? table_csv(has_table ? description["table"] : matrix_rows(description["matrices"]))
                            : readable(description);
  });
}

}  // namespace scanmf::app
