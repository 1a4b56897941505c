#include "model/schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& what, const std::string& expected,
                         const std::string& found) {
  throw Error(fmt::format(
      "{}: {} does not fit the model: expected {}, found {}; the file is damaged or was changed: write the model again",
      file, what, expected, found));
}

void check_counter(const std::string& file, const char* name, Index value, Index least) {
  if (value < least || value > largest_counter)
    refuse(file, fmt::format("attribute {}", name), fmt::format("a number from {} to 2^53", least),
           std::to_string(value));
}

void check_numbers(const std::string& file, const ModelHeader& header) {
  const bool mini_batch = header.estimator == "minibatch-nmf";
  if (!mini_batch && header.estimator != "nmf")
    refuse(file, "attribute estimator", "nmf or minibatch-nmf", header.estimator);
  check_counter(file, "schema_release", header.schema_release, 1);
  check_counter(file, "n_components", header.n_components, 1);
  check_counter(file, "n_features_in", header.n_features_in, 1);
  check_counter(file, "n_samples", header.n_samples, 1);
  check_counter(file, "n_iter", header.n_iter, 0);
  if (header.n_steps) check_counter(file, "n_steps", *header.n_steps, 0);
  if (header.n_steps.has_value() != mini_batch)
    refuse(file, "attribute n_steps", mini_batch ? "a number, in a model of minibatch-nmf" : "none, in a model of nmf",
           mini_batch ? "none" : "one");
  const double error = header.reconstruction_err;
  if (!std::isnan(error) && !(std::isfinite(error) && error >= 0))
    refuse(file, "attribute reconstruction_err", "NaN or a finite number, not negative", std::to_string(error));
}

class ArrayChecks {
 public:
  ArrayChecks(const std::string& file, const ModelHeader& header) : file_(file), header_(header) {}

  void check(const ArrayInfo& array) {
    const Index k = header_.n_components;
    const Index n = header_.n_features_in;
    const Index m = header_.n_samples;
    if (array.path == "/H") return matrix(array, {k, n}, "n_components x n_features_in");
    if (array.path == "/W") return matrix(array, {m, k}, "n_samples x n_components");
    if (array.path == "/feature_names") return names(array, n, "n_features_in");
    if (array.path == "/obs_names") return names(array, m, "n_samples");
    if (array.path.starts_with("/history/")) return history(array);
    if (array.dimensions.size() != 2) refuse_shape(array, "a matrix");
    type(array);
  }

 private:
  [[noreturn]] void refuse_shape(const ArrayInfo& array, const std::string& expected) const {
    const std::string shape =
        array.dimensions.empty() ? "a single value" : fmt::format("{}", fmt::join(array.dimensions, " x "));
    refuse(file_, array.path, expected, fmt::format("{} of {}", shape, array.type));
  }

  void type(const ArrayInfo& array) const {
    const char* const expected = name_of(header_.dtype);
    if (array.type != expected) refuse(file_, array.path, fmt::format("elements of {}", expected), array.type);
  }

  void matrix(const ArrayInfo& array, const std::vector<Index>& expected, const char* meaning) const {
    if (array.dimensions != expected) refuse_shape(array, fmt::format("{} ({})", fmt::join(expected, " x "), meaning));
    type(array);
  }

  void names(const ArrayInfo& array, Index expected, const char* meaning) const {
    if (!array.is_text || array.dimensions != std::vector<Index>{expected})
      refuse_shape(array, fmt::format("{} strings ({})", expected, meaning));
  }

  void history(const ArrayInfo& array) {
    const Index steps = header_.n_steps.value_or(header_.n_iter);
    if (!array.is_number || array.dimensions.size() != 1) refuse_shape(array, "a list of numbers");
    const Index length = array.dimensions[0];
    if (length > steps)
      refuse_shape(array, fmt::format("at most {} numbers, as many as there were {}", steps,
                                      header_.n_steps ? "steps" : "iterations"));
    if (history_length_ >= 0 && length != history_length_)
      refuse_shape(array, fmt::format("{} numbers, as in the other lists", history_length_));
    history_length_ = length;
  }

  const std::string& file_;
  const ModelHeader& header_;
  Index history_length_ = -1;  // negative: none was seen
};

}  // namespace

void check_schema(const std::string& file, const ModelHeader& header, std::span<const ArrayInfo> arrays) {
  check_numbers(file, header);
  ArrayChecks checks(file, header);
  for (const ArrayInfo& array : arrays) checks.check(array);
}

}  // namespace scanmf
