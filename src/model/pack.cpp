#include "model/pack.hpp"

#include <cstring>

namespace scanmf {
namespace {

/// Appends values to a string of bytes; the readers below take them off in the same order.
class Packer {
 public:
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void operator()(const Number& value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void operator()(const std::string& text) {
    (*this)(static_cast<Index>(text.size()));
    bytes_ += text;
  }
  void operator()(DataType type) { (*this)(static_cast<int>(type)); }
  template <class Value>
  void operator()(const std::optional<Value>& value) {
    (*this)(value.has_value());
    if (value) (*this)(*value);
  }
  template <class Value>
  void operator()(const std::vector<Value>& values) {
    (*this)(static_cast<Index>(values.size()));
    for (const Value& value : values) (*this)(value);
  }
  template <class First, class Second>
  void operator()(const std::pair<First, Second>& pair) {
    (*this)(pair.first);
    (*this)(pair.second);
  }
  void operator()(const Attribute& value) {
    (*this)(static_cast<Index>(value.index()));
    std::visit([this](const auto& alternative) { (*this)(alternative); }, value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Unpacker {
 public:
  explicit Unpacker(const std::string& bytes) : next_(bytes.data()) {}

  template <class Number>
  requires std::is_arithmetic_v<Number>
  void operator()(Number& value) {
    std::memcpy(&value, next_, sizeof value);
    next_ += sizeof value;
  }
  void operator()(std::string& text) {
    const Index size = take<Index>();
    text.assign(next_, static_cast<std::size_t>(size));
    next_ += size;
  }
  void operator()(DataType& type) { type = static_cast<DataType>(take<int>()); }
  template <class Value>
  void operator()(std::optional<Value>& value) {
    value.reset();
    if (take<bool>()) value = take<Value>();
  }
  template <class Value>
  void operator()(std::vector<Value>& values) {
    values.resize(static_cast<std::size_t>(take<Index>()));
    for (Value& value : values) (*this)(value);
  }
  template <class First, class Second>
  void operator()(std::pair<First, Second>& pair) {
    (*this)(pair.first);
    (*this)(pair.second);
  }
  void operator()(Attribute& value) {
    switch (take<Index>()) {
      case 0:
        value = take<bool>();
        break;
      case 1:
        value = take<Index>();
        break;
      case 2:
        value = take<double>();
        break;
      default:
        value = take<std::string>();
    }
  }

 private:
  template <class Value>
  Value take() {
    Value value{};
    (*this)(value);
    return value;
  }

  const char* next_;
};

/// One list of the members for both directions.
template <class Header, class Action>
void for_each_member(Header& header, Action& action) {
  action(header.schema_release);
  action(header.estimator);
  action(header.dtype);
  action(header.n_components);
  action(header.n_features_in);
  action(header.n_samples);
  action(header.n_iter);
  action(header.n_steps);
  action(header.reconstruction_err);
  action(header.converged);
  action(header.params);
  action(header.feature_names);
  action(header.obs_names);
  action(header.history);
  action(header.state);
  action(header.provenance);
}

}  // namespace

std::string pack(const ModelHeader& header) {
  Packer packer;
  for_each_member(header, packer);
  return packer.take();
}

ModelHeader unpack(const std::string& bytes) {
  ModelHeader header;
  Unpacker unpacker(bytes);
  for_each_member(header, unpacker);
  return header;
}

}  // namespace scanmf
