#include "ensemble/replicate_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "core/number_text.hpp"
#include "io/checksums.hpp"
#include "io/file_names.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/saved_model.hpp"

namespace scanmf {
namespace {

constexpr Index header_bytes = Index{64} << 10;
constexpr Index together_offset = header_bytes - static_cast<Index>(sizeof(Index));
constexpr Index alignment = 4096;
constexpr Index piece_elements = Index{1} << 17;
constexpr std::string_view magic = "scanmf replicates 1\n";
constexpr const char* random_state_name = "random_state";

/// What stands behind the spectra and labels.
struct Tail {
  double error = 0;
  std::int64_t n_iter = 0;
  std::uint32_t seed = 0;  // never 0
  std::uint32_t converged = 0;
  std::uint32_t checksum = 0;  // of the spectra, the labels and of this, with 0 here
  std::uint32_t unused = 0;
};

std::span<const std::byte> bytes_of(const Tail& tail) { return std::as_bytes(std::span(&tail, 1)); }

/// Checksum of a sequence whose pieces come one after the other.
class RunningChecksum {
 public:
  explicit RunningChecksum(Index bytes) : left_(bytes) {}
  void add(std::span<const std::byte> piece) {
    left_ -= static_cast<Index>(piece.size());
    value_ ^= io::crc32_share(io::crc32(piece), left_);
  }
  std::uint32_t value() const { return value_; }

 private:
  Index left_;
  std::uint32_t value_ = 0;
};

/// "name = value" lines behind the magic line, with their checksum; of header_bytes.
std::string header_text(const Attributes& belongs_to, std::uint32_t random_state) {
  std::string lines;
  for (const auto& [name, value] : belongs_to)
    if (name != random_state_name) lines += fmt::format("{} = {}\n", name, text_of(value));
  lines += fmt::format("{} = {}\n", random_state_name, random_state);
  const std::uint32_t checksum = io::crc32(std::as_bytes(std::span(lines)));
  std::string header = fmt::format("{}{:08x} {}\n{}", magic, checksum, lines.size(), lines);
  if (static_cast<Index>(header.size()) > together_offset) throw Error("the parameters are too long for a checkpoint");
  header.resize(static_cast<std::size_t>(header_bytes), '\0');
  return header;
}

/// The reverse. Throws Error for what is no such file.
Attributes parse_header(const std::string& file, const std::string& header) {
  const auto refuse = [&] {
    return Error(fmt::format("'{}' is no checkpoint of an ensemble (option '--checkpoint'): name another file", file));
  };
  if (!header.starts_with(magic)) throw refuse();
  const std::size_t line = magic.size();
  const std::size_t begin = header.find('\n', line);
  std::istringstream numbers(header.substr(line, begin - line));
  std::uint32_t checksum = 0;
  std::size_t size = 0;
  if (!(numbers >> std::hex >> checksum >> std::dec >> size) || size > header.size() - begin - 1) throw refuse();
  const std::string lines = header.substr(begin + 1, size);
  if (io::crc32(std::as_bytes(std::span(lines))) != checksum)
    throw Error(fmt::format("the checkpoint '{}' is damaged: remove it, or name another file", file));
  Attributes found;
  std::istringstream text(lines);
  for (std::string one; std::getline(text, one);) {
    const std::size_t equals = one.find(" = ");
    if (equals != std::string::npos) found.emplace_back(one.substr(0, equals), one.substr(equals + 3));
  }
  return found;
}

/// The first header_bytes of a file, zeros behind its end.
std::string read_header(const io::PosixFile& file) {
  std::string header(static_cast<std::size_t>(header_bytes), '\0');
  file.read(0, std::as_writable_bytes(
                   std::span(header).first(static_cast<std::size_t>(std::min(header_bytes, file.size())))));
  return header;
}

/// What the header says of the sizes of replicates; nullopt where it does not. X begins as "400 x 60 float64".
std::optional<StoreLayout> layout_of(const Attributes& belongs_to) {
  const auto text = [&belongs_to](const char* name) {
    const Attribute* const found = find_attribute(belongs_to, name);
    return found == nullptr ? "" : text_of(*found);
  };
  constexpr Index most = Index{1} << 40;
  const std::optional<std::vector<Index>> ks = parse_ks(text("k"));
  const std::optional<Index> replicates = parse_index(text("replicates"));
  std::istringstream x(text("X"));
  Index rows = 0;
  Index columns = 0;
  std::string times;
  if (!ks || !replicates || !(x >> rows >> times >> columns)) return std::nullopt;
  if (std::min({*replicates, rows, columns}) < 1 || std::max({*replicates, rows, columns}) > most) return std::nullopt;
  const Index bytes = text("dtype") == name_of(DataType::float32) ? sizeof(float) : sizeof(double);
  return StoreLayout{*ks, *replicates, columns, bytes,
                     std::min(parse_index(text("connectivity_rows")).value_or(0), rows)};
}

Attributes as_text(const Attributes& attributes) {
  Attributes result;
  for (const auto& [name, value] : attributes) result.emplace_back(name, text_of(value));
  return result;
}

}  // namespace

Index StoreLayout::offset(Index number) const {
  const auto before = static_cast<std::size_t>(number / replicates);
  const auto slot = [&](Index k) {
    const Index labels = labelled_rows * static_cast<Index>(sizeof(std::int32_t));
    const Index bytes = k * columns * element_bytes + labels + static_cast<Index>(sizeof(Tail));
    return (bytes + alignment - 1) / alignment * alignment;
  };
  Index offset = header_bytes;
  for (std::size_t i = 0; i < before; ++i) offset += replicates * slot(ks[i]);
  return before < ks.size() ? offset + number % replicates * slot(ks[before]) : offset;
}

std::optional<StoreContents> look_at_store(const std::string& name) {
  const io::PosixFile file = io::PosixFile::open_for_reading(name);
  if (!file.begins_with(magic)) return std::nullopt;
  StoreContents contents{parse_header(name, read_header(file)), {}, {}};
  const std::optional<StoreLayout> layout = layout_of(contents.belongs_to);
  if (!layout) throw Error(fmt::format("the checkpoint '{}' does not say what its replicates are of", name));
  contents.layout = *layout;
  contents.done.assign(layout->ks.size(), 0);
  const Index size = file.size();
  for (Index i = 0; i < layout->count(); ++i) {
    Tail tail;
    const Index offset = layout->offset(i) + layout->record_bytes(i);
    if (offset + static_cast<Index>(sizeof tail) > size) break;
    file.read(offset, std::as_writable_bytes(std::span(&tail, 1)));
    if (tail.seed != 0) ++contents.done[static_cast<std::size_t>(i / layout->replicates)];
  }
  return contents;
}

ReplicateStore::ReplicateStore(const Communicator& comm, StoreLayout layout, const EnsembleControl& control,
                               const Attributes& belongs_to, const std::function<std::uint32_t()>& draw_random_state)
    : comm_(comm), layout_(std::move(layout)), done_(static_cast<std::size_t>(layout_.count())) {
  if (!control.checkpoint.file.empty()) open_checkpoint(control, belongs_to);
  if (file_.is_open()) return;
  random_state_ = draw_random_state();
  std::string header;
  comm_.agree([&] { header = header_text(belongs_to, random_state_); });
  if (!checkpoint_file_.empty()) {
    create(checkpoint_file_, checkpoint_file_, header);
    return;
  }
  const std::string target = io::resolved_name(control.output);
  const std::string name = comm_.broadcast(comm_.is_root() ? io::temporary_name(target) : "");
  if (comm_.is_root()) io::remove_stale_temporaries(target);
  create(name, control.output, header);
  if (comm_.is_root()) ::unlink(name.c_str());  // every rank has opened it
}

ReplicateStore::~ReplicateStore() = default;

void ReplicateStore::open_checkpoint(const EnsembleControl& control, const Attributes& belongs_to) {
  Index exists = 0;
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    checkpoint_file_ = io::resolve_target(control.checkpoint.file);
    lock_ =
        std::make_unique<LockFile>(lock_name(checkpoint_file_), fmt::format("the checkpoint '{}'", checkpoint_file_));
    io::remove_stale_temporaries(checkpoint_file_, true);
    exists = std::filesystem::exists(checkpoint_file_) ? 1 : 0;
  });
  checkpoint_file_ = comm_.broadcast(checkpoint_file_);
  comm_.broadcast(std::span<Index>(&exists, 1));
  const Resume resume = control.checkpoint.resume;
  if (exists == 0 && resume == Resume::require)
    throw AgreedError(fmt::format("there is no checkpoint '{}' to resume from (--resume require)", checkpoint_file_));
  if (exists == 0) return;
  // Whatever is in the checkpoint's place must be of this run, even when it does not go on from it: it will be
  // replaced.
  comm_.agree([&] {
    const io::PosixFile file = io::PosixFile::open_for_reading(checkpoint_file_);
    const std::string header = read_header(file);
    const Attributes found = parse_header(checkpoint_file_, header);
    const auto own = [&](const auto& entry) { return entry.first == random_state_name; };
    const bool given = std::ranges::any_of(belongs_to, own);
    std::vector<std::string> may_change;
    if (!given) may_change.emplace_back(random_state_name);
    require_same(checkpoint_file_, as_text(with_later_parameters(found, belongs_to)), as_text(belongs_to), may_change);
    const auto state = std::ranges::find_if(found, own);
    if (state == found.end()) throw Error(fmt::format("the checkpoint '{}' has no random_state", checkpoint_file_));
    random_state_ = static_cast<std::uint32_t>(parse_index(text_of(state->second)).value_or(0));
    if (resume == Resume::never) return;
    std::memcpy(&most_together_, header.data() + together_offset, sizeof most_together_);
    file_ = io::PosixFile::open_for_writing(checkpoint_file_, checkpoint_file_);
  });
  if (resume != Resume::never) find_done();
}

void ReplicateStore::create(const std::string& name, const std::string& named_in_messages, const std::string& header) {
  // Under a name of its own until its header is whole: a run may be killed here, too.
  const bool is_checkpoint = name == checkpoint_file_;
  std::string temporary = name;
  if (is_checkpoint) temporary = comm_.broadcast(comm_.is_root() ? io::temporary_name(name) : "");
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    const io::PosixFile file = io::PosixFile::create_exclusive(temporary, named_in_messages);
    file.reserve(layout_.offset(layout_.count()));
    file.write(0, std::as_bytes(std::span(header)));
    file.sync();
    if (!is_checkpoint) return;
    std::filesystem::rename(temporary, name);
    io::sync_folder(io::folder_of(name));
  });
  comm_.agree([&] { file_ = io::PosixFile::open_for_writing(name, named_in_messages); });
}

std::optional<Replicate> ReplicateStore::check(Index number) const {
  const Index bytes = layout_.record_bytes(number);
  const Index offset = layout_.offset(number);
  Tail tail;
  try {
    file_.read(offset + bytes, std::as_writable_bytes(std::span(&tail, 1)));
    if (tail.seed == 0) return std::nullopt;
    RunningChecksum checksum(bytes + static_cast<Index>(sizeof(Tail)));
    std::vector<std::byte> piece(static_cast<std::size_t>(std::min(bytes, 8 * piece_elements)));
    for (Index begin = 0; begin < bytes; begin += static_cast<Index>(piece.size())) {
      const auto size = static_cast<std::size_t>(std::min(static_cast<Index>(piece.size()), bytes - begin));
      file_.read(offset + begin, std::span(piece).first(size));
      checksum.add(std::span(piece).first(size));
    }
    Tail unsealed = tail;
    unsealed.checksum = 0;
    checksum.add(bytes_of(unsealed));
    if (checksum.value() != tail.checksum) return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // the file ends before
  }
  return Replicate{layout_.k_of(number), number % layout_.replicates, tail.seed, tail.error,
                   tail.n_iter,          tail.converged != 0};
}

void ReplicateStore::find_done() {
  std::vector<Index> found;
  comm_.agree([&] {
    for (Index i = comm_.rank(); i < layout_.count(); i += comm_.size()) {
      const std::optional<Replicate> one = check(i);
      if (!one) continue;
      mark(i, *one);
      found.push_back(i);
    }
  });
  share(found);
  log_information(
      fmt::format("going on from '{}': {} of {} replicates are done", checkpoint_file_, done(), layout_.count()));
}

void ReplicateStore::share(std::span<const Index> own) {
  constexpr std::size_t fields = 5;  // 1, n_iter, converged, seed, error
  std::vector<double> all(static_cast<std::size_t>(layout_.count()) * fields, 0);
  for (const Index i : own) {
    const Replicate& one = *at(i);
    const double values[fields] = {1, static_cast<double>(one.n_iter), one.converged ? 1.0 : 0.0,
                                   static_cast<double>(one.seed), one.error};
    std::ranges::copy(values, &all[static_cast<std::size_t>(i) * fields]);
  }
  comm_.allreduce_sum(std::span(all));
  for (Index i = 0; i < layout_.count(); ++i) {
    const double* const from = &all[static_cast<std::size_t>(i) * fields];
    if (from[0] == 0) continue;
    mark(i, {layout_.k_of(i), i % layout_.replicates, static_cast<std::uint32_t>(from[3]), from[4],
             static_cast<Index>(from[1]), from[2] != 0});
  }
}

Index ReplicateStore::done() const {
  return std::ranges::count_if(done_, [](const auto& replicate) { return replicate.has_value(); });
}

template <Scalar T>
void ReplicateStore::put(Index number, const Replicate& replicate, const Matrix<T>& Ht,
                         std::span<const std::int32_t> labels) {
  if (lock_) lock_->check_still_mine();
  const Index bytes = layout_.record_bytes(number);
  Index offset = layout_.offset(number);
  RunningChecksum checksum(bytes + static_cast<Index>(sizeof(Tail)));
  std::vector<T> piece(static_cast<std::size_t>(std::min(Ht.rows(), piece_elements)));
  for (Index c = 0; c < Ht.columns(); ++c) {
    for (Index begin = 0; begin < Ht.rows(); begin += piece_elements) {
      const Index size = std::min(piece_elements, Ht.rows() - begin);
      for (Index j = 0; j < size; ++j) piece[static_cast<std::size_t>(j)] = Ht(begin + j, c);
      const auto part = std::as_bytes(std::span(piece).first(static_cast<std::size_t>(size)));
      checksum.add(part);
      file_.write(offset, part);
      offset += static_cast<Index>(part.size());
    }
  }
  checksum.add(std::as_bytes(labels));
  file_.write(offset, std::as_bytes(labels));
  offset += static_cast<Index>(labels.size_bytes());
  Tail tail{replicate.error, replicate.n_iter, replicate.seed, replicate.converged ? 1U : 0U, 0, 0};
  checksum.add(bytes_of(tail));
  tail.checksum = checksum.value();
  file_.write(offset, bytes_of(tail));
  file_.sync();
}

template <Scalar T>
void ReplicateStore::read(Index number, Index component, Range columns, T* to) const {
  const Index first = component * layout_.columns + columns.begin;
  file_.read(layout_.offset(number) + first * static_cast<Index>(sizeof(T)),
             std::as_writable_bytes(std::span(to, static_cast<std::size_t>(columns.size()))));
}

void ReplicateStore::read_labels(Index number, std::span<std::int32_t> to) const {
  file_.read(layout_.offset(number) + layout_.spectra_bytes(number), std::as_writable_bytes(to));
}

void ReplicateStore::put_behind(Index offset, std::span<const std::byte> bytes) {
  if (lock_) lock_->check_still_mine();
  file_.write(layout_.offset(layout_.count()) + offset, bytes);
  file_.sync();
}

bool ReplicateStore::read_behind(Index offset, std::span<std::byte> bytes) const {
  try {
    file_.read(layout_.offset(layout_.count()) + offset, bytes);
  } catch (const Error&) {
    return false;  // the file ends before
  }
  return true;
}

void ReplicateStore::set_most_together(Index fits) { file_.write(together_offset, std::as_bytes(std::span(&fits, 1))); }

void ReplicateStore::remove() {
  std::error_code error;
  if (comm_.is_root() && !checkpoint_file_.empty() && !std::filesystem::remove(checkpoint_file_, error) && error)
    log_warning(fmt::format("the checkpoint '{}' is no longer needed and cannot be removed: {}", checkpoint_file_,
                            error.message()));
  lock_.reset();
}

template void ReplicateStore::put(Index, const Replicate&, const Matrix<float>&, std::span<const std::int32_t>);
template void ReplicateStore::put(Index, const Replicate&, const Matrix<double>&, std::span<const std::int32_t>);
template void ReplicateStore::read(Index, Index, Range, float*) const;
template void ReplicateStore::read(Index, Index, Range, double*) const;

}  // namespace scanmf
