#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf::data {

/// missing, not_available, no_boolean: what the file has is no number, whatever its bits are as one (judged_array.hpp).
enum class Flaw { nan, infinity, negative, missing, not_available, no_boolean };

/// An element of X that must not be there.
struct Offence {
  Index row = 0;
  Index column = 0;
  Flaw flaw = Flaw::nan;
};

/// The NaN that is read in place of an element with this flaw: its bits say which.
template <Scalar T>
T flawed(Flaw flaw);

/// The flaw of one value, if it has one.
template <Scalar T>
std::optional<Flaw> flaw_of(T value, bool check_sign);

/// Looks at the rows of X that a rank owns, in ascending order: the first offender, and this rank's share of the
/// summary. The sum is formed row by row, so that it does not depend on the blocks in which rows arrive.
class Inspection {
 public:
  explicit Inspection(const LoadOptions& options)
      : check_sign_(options.check_sign), allow_missing_(options.observed == Observed::not_nan) {}

  /// Inspects a block whose first row has number `global_row` in X. Threads share the work.
  template <Scalar T>
  void add(const DenseBlock<T>& block, Index global_row);
  template <Scalar T>
  void add(const CsrBlock<T>& block, Index global_row);
  /// An offender that was found on the way; the first one in row-major order is kept.
  void add(const Offence& offence);

  const std::optional<Offence>& first() const { return first_; }
  const ExactSum& sum() const { return sum_; }
  /// All but the sum.
  const DataSummary& summary() const { return summary_; }

 private:
  void add(const ElementTotals& row);

  /// element_totals of those elements that are numbers: what may be missing is passed over.
  template <Scalar T>
  ElementTotals totals_of(std::span<const T> elements) const;
  template <Scalar T>
  std::optional<Flaw> flaw(T value) const;
  /// NaN, and what the file says is missing, where entries may be missing.
  bool may_be_there(Flaw flaw) const {
    return allow_missing_ && (flaw == Flaw::nan || flaw == Flaw::missing || flaw == Flaw::not_available);
  }
  template <Scalar T>
  std::optional<Offence> first_in_row(const DenseTile<T>& tile, Index row_of_tile, Index global_row) const;

  bool check_sign_;
  bool allow_missing_;
  std::optional<Offence> first_;
  ExactSum sum_;
  DataSummary summary_;
};

/// What is wrong with an element of `Flaw` missing, not_available or no_boolean, for messages: "holds …".
const char* name_of(Flaw flaw);

/// scikit-learn's message for an offender, with its place. `place`: "FILE:/path", or empty for data from memory.
std::string describe_offence(const Offence& offence, DataType type, const std::string& estimator,
                             const std::string& place);

/// Collective. The summary of all of X; throws AgreedError for the first offender in row-major order of all ranks.
DataSummary conclude(const Communicator& comm, const Inspection& inspection, DataType type,
                     const std::string& estimator, const std::string& place);

}  // namespace scanmf::data
