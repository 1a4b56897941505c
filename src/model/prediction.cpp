#include "scanmf/model/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "io/hdf5_objects.hpp"
#include "io/output_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/linalg/tile.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {
namespace {

constexpr Index pairs_at_a_time = Index{1} << 20;
constexpr const char* form =
    "datasets rows and columns of one length, or one of two columns; whole numbers from 0 on "
    "(or strings: names of rows and of columns)";

/// Pairs of a row of X and a column, in the order of the file: two lists, or a list of twos. Local.
class Pairs {
 public:
  explicit Pairs(const PairsName& name) : name_(name), file_(hdf5::File::open(name.file)) {
    std::string path = name_.path.empty() ? "/" : name_.path;
    // Where convert puts a table of pairs.
    if (name_.path.empty() && !file_.exists("/rows") && hdf5::object_at(file_, "/X").kind == hdf5::ObjectKind::dataset)
      path = "/X";
    if (hdf5::object_at(file_, path).kind == hdf5::ObjectKind::dataset) {
      add(path);
      if (lists_[0].dimensions().size() != 2 || lists_[0].dimensions()[1] != 2) refuse();
    } else {
      for (const char* const list : {"rows", "columns"}) {
        const std::string place = (path == "/" ? "" : path) + "/" + list;
        if (hdf5::object_at(file_, place).kind != hdf5::ObjectKind::dataset) refuse();
        add(place);
        if (lists_.back().dimensions().size() != 1 || lists_.back().rows() != count()) refuse();
      }
    }
  }

  Index count() const { return lists_[0].rows(); }

  /// Row and column of each pair.
  std::vector<Index> read(Range range) const {
    std::vector<Index> pairs(static_cast<std::size_t>(2 * range.size()));
    if (lists_.size() == 1) {
      read_list(lists_[0], range, pairs);
      return pairs;
    }
    std::vector<Index> list(static_cast<std::size_t>(range.size()));
    for (std::size_t which = 0; which < 2; ++which) {
      read_list(lists_[which], range, list);
      for (std::size_t i = 0; i < list.size(); ++i) pairs[2 * i + which] = list[i];
    }
    return pairs;
  }

 private:
  void add(const std::string& path) {
    lists_.push_back(file_.dataset(path));
    if (!lists_.back().type().is_number()) refuse();
    lists_.back().check_stored();
  }
  /// Numbers of a table that was text are floating-point numbers; they have to be whole.
  void read_list(const hdf5::Dataset& list, Range range, std::vector<Index>& to) const {
    if (list.type().kind == hdf5::ElementClass::integer) return list.read_rows(range, to.data());
    constexpr double most = 9007199254740992;  // beyond it not all whole numbers are numbers of the type
    std::vector<double> numbers(to.size());
    list.read_rows(range, numbers.data());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (!(std::abs(numbers[i]) <= most) || numbers[i] != std::floor(numbers[i])) refuse();
      to[i] = static_cast<Index>(numbers[i]);
    }
  }
  [[noreturn]] void refuse() const {
    throw Error(fmt::format("'{}{}' holds no pairs: {}", name_.file, name_.path.empty() ? "" : ":" + name_.path, form));
  }

  PairsName name_;
  hdf5::File file_;
  std::vector<hdf5::Dataset> lists_;
};

/// Pairs, wherever they are: how many, and row and column of each of some.
struct ReadPairs {
  Index count = 0;
  std::function<std::vector<Index>(Range)> read;
};

/// Throws Error for the first pair that the model has no element for.
void check_pairs(const std::vector<Index>& pairs, Index first, const ModelHeader& header) {
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    const bool row_is_wrong = pairs[i] < 0 || pairs[i] >= header.n_samples;
    if (!row_is_wrong && pairs[i + 1] >= 0 && pairs[i + 1] < header.n_features_in) continue;
    throw Error(fmt::format("pair {} is ({}, {}), but the model is of {} rows and {} columns (all counted from 0)",
                            first + static_cast<Index>(i) / 2, pairs[i], pairs[i + 1], header.n_samples,
                            header.n_features_in));
  }
}

/// Every rank looks at all pairs and multiplies those whose rows of W it holds.
template <Scalar T>
void predict_as(const Communicator& comm, const std::string& model, const ModelHeader& header, const ReadPairs& pairs,
                const std::string& target) {
  const Index m = header.n_samples;
  const RowPartition partition = RowPartition::even(m, comm.size());
  const Matrix<T> Ht = read_model_Ht<T>(comm, model);
  const Matrix<T> W = read_model_W<T>(comm, model, partition);
  const Range own = partition.piece(0, comm.rank());
  io::FileLayout layout;
  layout.datasets = {{"/rows", {pairs.count}, io::StoredType::int64},
                     {"/columns", {pairs.count}, io::StoredType::int64},
                     {"/values", {pairs.count}, io::StoredType::float64}};
  io::OutputFile output(comm, target, layout);
  for (Index begin = 0; begin < pairs.count; begin += pairs_at_a_time) {
    const Range range{begin, std::min(begin + pairs_at_a_time, pairs.count)};
    std::vector<Index> rows(static_cast<std::size_t>(range.size()));
    std::vector<Index> columns(rows.size());
    std::vector<double> values(rows.size(), 0.0);
    comm.agree([&] {
      const std::vector<Index> some = pairs.read(range);
      check_pairs(some, begin, header);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i] = some[2 * i];
        columns[i] = some[2 * i + 1];
        if (rows[i] < own.begin || rows[i] >= own.end) continue;
        const T* const w = W.row(rows[i] - own.begin);
        const T* const h = Ht.row(columns[i]);
        for (Index c = 0; c < W.columns(); ++c) values[i] += static_cast<double>(w[c]) * static_cast<double>(h[c]);
      }
    });
    comm.allreduce_sum(std::span(values));
    comm.agree([&] {
      if (!comm.is_root()) return;
      const Index at = begin * static_cast<Index>(sizeof(double));
      output.write(0, at, std::as_bytes(std::span(rows)));
      output.write(1, at, std::as_bytes(std::span(columns)));
      output.write(2, at, std::as_bytes(std::span(values)));
    });
  }
  output.commit();
}

Index predict(const Communicator& comm, const std::string& model, const ModelHeader& header, const ReadPairs& pairs,
              const std::string& target) {
  if (header.dtype == DataType::float32)
    predict_as<float>(comm, model, header, pairs, target);
  else
    predict_as<double>(comm, model, header, pairs, target);
  return pairs.count;
}

}  // namespace

Index predict_pairs(const Communicator& comm, const std::string& model, const ModelHeader& header,
                    const PairsName& name, const std::string& target) {
  std::optional<Pairs> pairs;
  comm.agree([&] { pairs.emplace(name); });
  const ReadPairs all{pairs->count(), [&](Range range) { return pairs->read(range); }};
  return predict(comm, model, header, all, target);
}

Index predict_pairs(const Communicator& comm, const std::string& model, const ModelHeader& header,
                    const std::vector<Index>& pairs, const std::string& target) {
  const ReadPairs all{static_cast<Index>(pairs.size()) / 2, [&](Range range) {
                        return std::vector<Index>(pairs.begin() + 2 * range.begin, pairs.begin() + 2 * range.end);
                      }};
  return predict(comm, model, header, all, target);
}

}  // namespace scanmf
