#include "ensemble/part_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/at.hpp"
#include "io/checksums.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {

/// As it lies in the file.
struct PartStore::Record {
  double sum = 0;
  std::int64_t elements = 0;
  std::int64_t selection = 0;
  double what_is_held_out = 0;
  std::int64_t k = 0;
  std::int64_t part = 0;
  std::uint64_t checksum = 0;  // of this, with 0 here
};

PartStore::PartStore(const Communicator& comm, ReplicateStore& replicates, const EnsembleOptions& options)
    : replicates_(replicates),
      selection_(options.select),
      what_is_held_out_(selection_ == Selection::speckled ? options.holdout : static_cast<double>(options.folds)),
      parts_(parts_held_out(options)),
      errors_(options.ks.size() * at(parts_)) {
  const auto ks = static_cast<Index>(options.ks.size());
  std::vector<double> sums(errors_.size(), 0);
  std::vector<Index> elements(errors_.size(), 0);
  for (Index k_number = 0; k_number < ks && comm.is_root(); ++k_number) {
    for (Index part = 0; part < parts_; ++part) {
      const PartError found = find(k_number, part);
      sums[place(k_number, part)] = found.sum;
      elements[place(k_number, part)] = found.elements;
    }
  }
  comm.broadcast(std::span(sums));
  comm.broadcast(std::span(elements));
  for (std::size_t i = 0; i < errors_.size(); ++i) errors_[i] = {sums[i], elements[i]};
  const auto known = std::ranges::count_if(elements, [](Index count) { return count > 0; });
  if (known > 0)
    log_information(fmt::format("going on from '{}': {} of {} test errors are known", replicates_.checkpoint_file(),
                                known, errors_.size()));
}

std::span<const PartError> PartStore::of(Index k_number) const {
  return std::span(errors_).subspan(place(k_number, 0), at(parts_));
}

bool PartStore::is_known(Index k_number, Index part) const { return errors_[place(k_number, part)].elements > 0; }

void PartStore::put(Index k_number, Index part, const PartError& error) {
  const Record one = record(k_number, part, error);
  replicates_.put_behind(offset(k_number, part), std::as_bytes(std::span(&one, 1)));
}

void PartStore::mark(Index k_number, Index part, const PartError& error) { errors_[place(k_number, part)] = error; }

PartStore::Record PartStore::record(Index k_number, Index part, const PartError& error) const {
  Record one{error.sum,
             error.elements,
             static_cast<std::int64_t>(selection_),
             what_is_held_out_,
             replicates_.layout().ks[at(k_number)],
             part,
             0};
  one.checksum = io::crc32(std::as_bytes(std::span(&one, 1)));
  return one;
}

PartError PartStore::find(Index k_number, Index part) const {
  Record found;
  const auto bytes = std::as_writable_bytes(std::span(&found, 1));
  if (!replicates_.read_behind(offset(k_number, part), bytes) || found.elements <= 0) return {};
  const Record expected = record(k_number, part, {found.sum, found.elements});
  if (!std::ranges::equal(bytes, std::as_bytes(std::span(&expected, 1)))) return {};
  return {found.sum, found.elements};
}

Index PartStore::offset(Index k_number, Index part) const {
  constexpr Index page = 4096;
  return (part * static_cast<Index>(replicates_.layout().ks.size()) + k_number) * page;
}

std::size_t PartStore::place(Index k_number, Index part) const { return at(k_number * parts_ + part); }

}  // namespace scanmf
