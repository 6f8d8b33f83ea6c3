#include "expo/training/run/reference_log_probs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/text.h"
#include "expo/training/data/byte_digest.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kNoteEvery(10);
// A write takes place once this many times the duration of the last one have passed.
constexpr int kTimesAWrite = 20;
// The most by which a pair alone may differ from the same pair in a packed batch, in bfloat16.
constexpr double kTolerance = 2e-2;

std::string digest_of_numbers(const std::vector<double>& values) {
  return digest_of_bytes(values.data(), values.size() * sizeof(double));
}

/// The file for a key, and the file that keeps its values before it is complete.
struct Files {
  std::filesystem::path whole, begun;
};

Files files_of(const std::filesystem::path& folder, const ReferenceKey& key) {
  const std::string both = key.model + key.data;
  const std::string name =
      "reference-log-probs-" +
      digest_of_bytes(both.data(), both.size()).substr(std::string("xxh3-128:").size());
  return {folder / (name + ".json"), folder / (name + ".begun.json")};
}

std::vector<double> read(Filesystem& filesystem, const std::filesystem::path& path,
                         const ReferenceKey& key) {
  const Json json = parse_json(filesystem.read_text(path, std::uint64_t{4} << 30), path.string());
  const auto refuse = [&](const char* what) {
    throw input_error(
        fmt::format("{}: {}; remove the file to have it computed again", path.string(), what));
  };
  const auto says = [&](const char* name, const std::string& expected) {
    return json.is_object() && json.contains(name) && json[name] == expected;
  };
  if (!says("model", key.model) || !says("data", key.data))
    refuse("these log-probabilities belong to another model or another data set");
  const Json numbers = json.value("log_probs", Json::array());
  std::vector<double> values;
  for (const Json& number : numbers)
    values.push_back(number.is_number() ? number.get<double>() : 0);
  if (!says("digest", digest_of_numbers(values)))
    refuse("the log-probabilities are not those that were written, so the file is damaged");
  return values;
}

void write(Filesystem& filesystem, const std::filesystem::path& path, const ReferenceKey& key,
           const std::vector<double>& values) {
  filesystem.create_directory(path.parent_path());
  // Runs that share a folder may write the same file at once.
  const std::filesystem::path partial = fmt::format("{}.{}.partial", path.string(), ::getpid());
  filesystem.write_text(partial, format_json({{"model", key.model},
                                              {"data", key.data},
                                              {"digest", digest_of_numbers(values)},
                                              {"log_probs", values}}));
  filesystem.rename_replace(partial, path);
}

/// Reads the log-probabilities of a file that may not exist and that holds at most `most` of them.
std::vector<double> read_if_there(Filesystem& filesystem, const std::filesystem::path& path,
                                  const ReferenceKey& key, std::size_t most) {
  if (!filesystem.exists(path)) return {};
  std::vector<double> values = read(filesystem, path, key);
  if (values.size() <= most && values.size() % 2 == 0) return values;
  throw input_error(
      fmt::format("{}: holds {} log-probabilities, but two for each of {} pairs are expected; "
                  "remove the file to have it computed again",
                  path.string(), values.size(), most / 2));
}

/// Distributes what the first rank has found to all ranks.
std::vector<double> share(RankGroup& ranks, const std::vector<double>& found, std::size_t most) {
  at::Tensor shared = at::zeros({static_cast<std::int64_t>(most + 1)}, at::kDouble);
  auto* numbers = shared.mutable_data_ptr<double>();
  numbers[0] = static_cast<double>(found.size());
  std::ranges::copy(found, numbers + 1);
  ranks.sum(shared);
  return {numbers + 1, numbers + 1 + static_cast<std::size_t>(numbers[0])};
}

void check_finite(const std::vector<double>& values, std::span<const Example> examples) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw input_error(fmt::format("{}: the reference model gives {} for the log-probability",
                                  examples[i / 2].place, values[i]));
  }
}

/// The first of these examples, which make up one batch. A run that resumes after complete batches
/// therefore splits the rest in the same way as an uninterrupted one.
std::span<const Example> next_batch(std::span<const Example> rest, std::int64_t tokens) {
  std::int64_t taken = rest.front().tokens();
  std::size_t count = 1;
  while (count < rest.size() && taken + rest[count].tokens() <= tokens)
    taken += rest[count++].tokens();
  return rest.first(count);
}

/// Computes the values that are not known yet, and keeps them.
class Filling {
 public:
  Filling(Filesystem& filesystem, const ReferencePass& pass, std::span<const Example> examples,
          RankGroup& ranks, const CancellationToken& cancellation)
      : filesystem_(filesystem),
        files_(files_of(pass.folder, pass.key)),
        pass_(pass),
        examples_(examples),
        ranks_(ranks),
        cancellation_(cancellation) {}

  std::vector<double> run(ReferenceCounts& counts) {
    read_kept();
    counts.kept = values_.size() / 2;
    try {
      fill();
    } catch (const Error& error) {
      // Another rank may have seen the interruption first and be gone.
      if (error.category() != ErrorCategory::interrupted && !cancellation_.cancelled()) {
        keep_despite_error();
        throw;
      }
      keep();
      throw interrupted_error(describe_interruption());
    } catch (...) {
      keep_despite_error();
      throw;
    }
    counts.computed = values_.size() / 2 - counts.kept;
    return std::move(values_);
  }

 private:
  bool keeps() const { return ranks_.rank() == 0; }
  bool is_whole() const { return values_.size() == 2 * examples_.size(); }

  void fill() {
    if (!values_.empty()) check_longest();
    if (!is_whole()) note_begin();
    while (!is_whole()) add_batch();
    if (!keeps()) return;
    if (!finished_) write(filesystem_, files_.whole, pass_.key, values_);
    filesystem_.remove(files_.begun);
  }

  void read_kept() {
    const std::size_t most = 2 * examples_.size();
    std::vector<double> found;
    if (keeps()) found = read_if_there(filesystem_, files_.whole, pass_.key, most);
    finished_ = found.size() == most;
    if (keeps() && found.empty()) found = read_if_there(filesystem_, files_.begun, pass_.key, most);
    values_ = share(ranks_, found, most);
    kept_ = values_.size();
  }

  void check_longest() const {
    const auto known = examples_.first(values_.size() / 2);
    const auto longest = std::ranges::max_element(known, {}, &Example::tokens);
    const auto place = static_cast<std::size_t>(longest - known.begin());
    const std::vector<double> again = pass_.compute(known.subspan(place, 1));
    for (std::size_t i = 0; i < again.size(); ++i) {
      const double kept = values_[2 * place + i];
      if (std::abs(kept - again[i]) <= kTolerance * (1 + std::abs(again[i]))) continue;
      throw input_error(fmt::format(
          "{}: says {} for {}, but the reference model gives {}; remove the file to have it "
          "computed again",
          (finished_ ? files_.whole : files_.begun).string(), kept, longest->place, again[i]));
    }
  }

  void add_batch() {
    const auto batch = next_batch(examples_.subspan(values_.size() / 2), pass_.tokens_per_batch);
    const std::vector<double> more = pass_.compute(batch);
    check_finite(more, batch);
    values_.insert(values_.end(), more.begin(), more.end());
    if (is_whole() || !keeps() || Clock::now() < next_write_) return;
    keep();
    if (Clock::now() < next_note_) return;
    next_note_ = Clock::now() + kNoteEvery;
    note(fmt::format("… {} of {} are kept", kept_ / 2, all()));
  }

  void keep() {
    if (keeps() && kept_ != values_.size()) {
      const auto start = Clock::now();
      write(filesystem_, files_.begun, pass_.key, values_);
      next_write_ = Clock::now() + kTimesAWrite * (Clock::now() - start);
    }
    kept_ = values_.size();
  }

  /// The earlier error is the one to report.
  void keep_despite_error() noexcept {
    try {
      keep();
    } catch (...) {  // NOLINT(bugprone-empty-catch)
    }
  }

  void note_begin() const {
    note(fmt::format(
        "the reference's log-probabilities of {}{}", all(),
        kept_ == 0 ? "" : fmt::format(", of which {} are kept from before", kept_ / 2)));
  }

  void note(const std::string& text) const {
    if (keeps() && pass_.on_note) pass_.on_note(text);
  }

  std::string describe_interruption() const {
    if (kept_ == 0)
      return "interrupted before the first of the reference's log-probabilities was computed";
    return fmt::format(
        "interrupted; the reference's log-probabilities of {} of {} are kept, and the same command "
        "continues from there",
        kept_ / 2, all());
  }

  /// A text such as "40 pairs".
  std::string all() const { return counted(examples_.size(), pass_.noun); }

  Filesystem& filesystem_;
  const Files files_;
  const ReferencePass& pass_;
  std::span<const Example> examples_;
  RankGroup& ranks_;
  const CancellationToken& cancellation_;
  std::vector<double> values_;
  std::size_t kept_ = 0;   ///< number of values in a file
  bool finished_ = false;  ///< there was a complete file
  Clock::time_point next_write_, next_note_;
};

}  // namespace

std::string digest_of(const at::Tensor& values) {
  // The number of elements that are copied from a device at once.
  constexpr std::int64_t kBlock = std::int64_t{1} << 24;
  ByteDigest digest;
  const at::Tensor flat = values.view({-1});
  for (std::int64_t first = 0; first < flat.numel(); first += kBlock) {
    const at::Tensor block =
        flat.narrow(0, first, std::min(kBlock, flat.numel() - first)).to(at::kCPU);
    digest.add(block.const_data_ptr(), block.nbytes());
  }
  return digest.text();
}

ReferenceCounts& ReferenceCounts::operator+=(const ReferenceCounts& other) {
  kept += other.kept;
  computed += other.computed;
  return *this;
}

ReferenceCounts fill_references(Filesystem& filesystem, const ReferencePass& pass,
                                std::span<Example> examples, RankGroup& ranks,
                                const CancellationToken& cancellation) {
  ReferenceCounts counts;
  const std::vector<double> values =
      Filling(filesystem, pass, examples, ranks, cancellation).run(counts);
  for (std::size_t i = 0; i < examples.size(); ++i)
    examples[i].reference = {values[2 * i], values[2 * i + 1]};
  return counts;
}

}  // namespace expo
