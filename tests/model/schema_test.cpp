#include "model/schema.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

constexpr Index m = 40;
constexpr Index n = 12;
constexpr Index k = 3;
constexpr Index huge = Index{1} << 62;

ModelHeader good_header() {
  ModelHeader header;
  header.estimator = "minibatch-nmf";
  header.n_components = k;
  header.n_features_in = n;
  header.n_samples = m;
  header.n_iter = 2;
  header.n_steps = 6;
  return header;
}

ArrayInfo numbers(const std::string& path, std::vector<Index> dimensions, const std::string& type = "float64") {
  return {path, std::move(dimensions), type, false, true};
}

ArrayInfo text(const std::string& path, std::vector<Index> dimensions) {
  return {path, std::move(dimensions), "string", true, false};
}

std::vector<ArrayInfo> good_arrays() {
  return {numbers("/H", {k, n}),      numbers("/W", {m, k}),         text("/feature_names", {n}),
          text("/obs_names", {m}),    numbers("/history/cost", {6}), numbers("/history/seconds", {6}),
          numbers("/state/A", {n, k})};
}

std::string message_of(const ModelHeader& header, const std::vector<ArrayInfo>& arrays) {
  try {
    check_schema("m.h5", header, arrays);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Schema, AcceptsWhatIsWritten) {
  EXPECT_EQ(message_of(good_header(), good_arrays()), "accepted");
  ModelHeader nmf = good_header();
  nmf.estimator = "nmf";
  nmf.n_steps.reset();
  nmf.n_iter = 6;
  nmf.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message_of(nmf, good_arrays()), "accepted");
  ModelHeader learnt = good_header();  // partial-fit goes on from a fit, whose history stays
  learnt.n_steps = 1000;
  EXPECT_EQ(message_of(learnt, {numbers("/H", {k, n}), numbers("/history/cost", {6})}), "accepted");
}

TEST(Schema, RefusesNumbersOutOfRange) {
  const std::vector<std::pair<std::string, std::function<void(ModelHeader&)>>> wrong{
      {"n_components", [](ModelHeader& h) { h.n_components = 0; }},
      {"n_components", [](ModelHeader& h) { h.n_components = -3; }},
      {"n_features_in", [](ModelHeader& h) { h.n_features_in = 0; }},
      {"n_samples", [](ModelHeader& h) { h.n_samples = huge; }},
      {"n_iter", [](ModelHeader& h) { h.n_iter = -1; }},
      {"n_steps", [](ModelHeader& h) { h.n_steps = -1; }},
      {"n_steps", [](ModelHeader& h) { h.n_steps = std::numeric_limits<Index>::max(); }},
      {"n_steps", [](ModelHeader& h) { h.n_steps.reset(); }},
      {"n_steps", [](ModelHeader& h) { h.estimator = "nmf"; }},
      {"estimator", [](ModelHeader& h) { h.estimator = "pca"; }},
      {"schema_release", [](ModelHeader& h) { h.schema_release = 0; }},
      {"reconstruction_err", [](ModelHeader& h) { h.reconstruction_err = -1; }},
      {"reconstruction_err", [](ModelHeader& h) { h.reconstruction_err = std::numeric_limits<double>::infinity(); }}};
  for (const auto& [name, change] : wrong) {
    ModelHeader header = good_header();
    change(header);
    const std::string message = message_of(header, good_arrays());
    EXPECT_NE(message.find("m.h5: attribute " + name + " does not fit the model: expected "), std::string::npos)
        << name << ": " << message;
    EXPECT_NE(message.find(", found "), std::string::npos) << message;
  }
}

TEST(Schema, RefusesArraysThatDoNotFit) {
  const std::vector<ArrayInfo> wrong{numbers("/H", {k, n + 1}),
                                     numbers("/H", {huge, huge}),
                                     numbers("/H", {n}),
                                     numbers("/H", {k, n}, "float32"),
                                     numbers("/H", {k, n}, "int64"),
                                     text("/H", {k, n}),
                                     numbers("/W", {m, k + 1}),
                                     numbers("/W", {m - 1, k}),
                                     numbers("/W", {m, k, 1}),
                                     text("/feature_names", {n - 1}),
                                     text("/feature_names", {}),
                                     text("/feature_names", {n, 1}),
                                     numbers("/feature_names", {n}),
                                     text("/obs_names", {huge}),
                                     numbers("/history/h_change", {5}),
                                     numbers("/history/h_change", {7}),
                                     numbers("/history/h_change", {huge}),
                                     numbers("/history/h_change", {6, 1}),
                                     text("/history/h_change", {6}),
                                     numbers("/state/B", {n}),
                                     numbers("/state/B", {n, k}, "float32")};
  for (const ArrayInfo& array : wrong) {
    std::vector<ArrayInfo> arrays = good_arrays();
    std::erase_if(arrays, [&](const ArrayInfo& good) { return good.path == array.path; });
    arrays.push_back(array);
    const std::string message = message_of(good_header(), arrays);
    EXPECT_NE(message.find("m.h5: " + array.path + " does not fit the model: expected "), std::string::npos)
        << array.path << ": " << message;
  }
}

}  // namespace
}  // namespace scanmf
