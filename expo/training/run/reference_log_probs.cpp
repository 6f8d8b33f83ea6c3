#include "expo/training/run/reference_log_probs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/training/data/byte_digest.h"

namespace expo {
namespace {

constexpr std::chrono::seconds kWriteEvery(30);
// What a pair alone may differ by from the same in a packed batch, in bfloat16.
constexpr double kTolerance = 2e-2;

std::string digest_of_numbers(const std::vector<double>& values) {
  return digest_of_bytes(values.data(), values.size() * sizeof(double));
}

/// The file of a key, and what is kept of it before it is whole.
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
        fmt::format("{}: {}; remove the file, and it is computed anew", path.string(), what));
  };
  const auto says = [&](const char* name, const std::string& expected) {
    return json.is_object() && json.contains(name) && json[name] == expected;
  };
  if (!says("model", key.model) || !says("data", key.data))
    refuse("these log-probabilities are another model's or another data set's");
  const Json numbers = json.value("log_probs", Json::array());
  std::vector<double> values;
  for (const Json& number : numbers)
    values.push_back(number.is_number() ? number.get<double>() : 0);
  if (!says("digest", digest_of_numbers(values)))
    refuse("the log-probabilities are not those that were written");
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

/// Those of a file that may be there, of so many numbers in all.
std::vector<double> read_if_there(Filesystem& filesystem, const std::filesystem::path& path,
                                  const ReferenceKey& key, std::size_t most) {
  if (!filesystem.exists(path)) return {};
  std::vector<double> values = read(filesystem, path, key);
  if (values.size() <= most && values.size() % 2 == 0) return values;
  throw input_error(
      fmt::format("{}: holds {} log-probabilities, where two for each of {} pairs are expected; "
                  "remove the file, "
                  "and it is computed anew",
                  path.string(), values.size(), most / 2));
}

/// What the first rank has found, on all of them.
std::vector<double> share(RankGroup& ranks, const std::vector<double>& found, std::size_t most) {
  at::Tensor shared = at::zeros({static_cast<std::int64_t>(most + 1)}, at::kDouble);
  auto* numbers = shared.mutable_data_ptr<double>();
  numbers[0] = static_cast<double>(found.size());
  std::ranges::copy(found, numbers + 1);
  ranks.sum(shared);
  return {numbers + 1, numbers + 1 + static_cast<std::size_t>(numbers[0])};
}

void check_longest(const std::filesystem::path& path, const std::vector<double>& values,
                   std::span<const Example> examples, const ReferenceComputation& compute) {
  const auto longest = std::ranges::max_element(examples, {}, &Example::tokens);
  const auto place = static_cast<std::size_t>(longest - examples.begin());
  const std::vector<double> again = compute(examples.subspan(place, 1));
  for (std::size_t i = 0; i < again.size(); ++i) {
    const double kept = values[2 * place + i];
    if (std::abs(kept - again[i]) <= kTolerance * (1 + std::abs(again[i]))) continue;
    throw input_error(fmt::format(
        "{}: says {} for {}, where the reference model gives {}; remove the file, and it is "
        "computed anew",
        path.string(), kept, longest->place, again[i]));
  }
}

void check_finite(const std::vector<double>& values, std::span<const Example> examples) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw input_error(fmt::format("{}: the reference model gives {} for the log-probability",
                                  examples[i / 2].place, values[i]));
  }
}

/// Computes what is not known yet, and keeps it: every half minute, and when it is interrupted.
class Filling {
 public:
  Filling(Filesystem& filesystem, const Files& files, const ReferenceKey& key, bool keeps,
          std::size_t chunk, std::vector<double> known)
      : filesystem_(filesystem),
        files_(files),
        key_(key),
        keeps_(keeps),
        chunk_(chunk),
        values_(std::move(known)),
        kept_(values_.size()) {}

  std::vector<double> run(std::span<Example> examples, const ReferenceComputation& compute) {
    try {
      while (values_.size() < 2 * examples.size()) add_chunk(examples, compute);
    } catch (const Error& error) {
      keep(files_.begun);
      if (error.category() != ErrorCategory::interrupted) throw;
      throw interrupted_error(fmt::format(
          "interrupted; the reference's log-probabilities of {} of {} pairs are kept, and the same "
          "command goes on from there",
          values_.size() / 2, examples.size()));
    }
    keep(files_.whole);
    if (keeps_) filesystem_.remove(files_.begun);
    return std::move(values_);
  }

 private:
  void add_chunk(std::span<Example> examples, const ReferenceComputation& compute) {
    const std::size_t done = values_.size() / 2;
    const auto chunk = examples.subspan(done, std::min(chunk_, examples.size() - done));
    const std::vector<double> more = compute(chunk);
    check_finite(more, chunk);
    values_.insert(values_.end(), more.begin(), more.end());
    const bool whole = done + chunk.size() == examples.size();
    if (!whole && Clock::now() - last_ >= kWriteEvery) keep(files_.begun);
  }

  void keep(const std::filesystem::path& path) {
    if (!keeps_ || kept_ == values_.size()) return;
    write(filesystem_, path, key_, values_);
    kept_ = values_.size();
    last_ = Clock::now();
  }

  using Clock = std::chrono::steady_clock;
  Filesystem& filesystem_;
  const Files& files_;
  const ReferenceKey& key_;
  bool keeps_;
  std::size_t chunk_;
  std::vector<double> values_;
  std::size_t kept_;  ///< how many of them are in a file
  Clock::time_point last_ = Clock::now();
};

}  // namespace

std::string digest_of(const at::Tensor& values) {
  // Elements that a device hands over at once.
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

bool fill_references(Filesystem& filesystem, const std::filesystem::path& folder,
                     const ReferenceKey& key, std::span<Example> examples, RankGroup& ranks,
                     std::size_t chunk, const ReferenceComputation& compute) {
  const Files files = files_of(folder, key);
  const std::size_t most = 2 * examples.size();
  std::vector<double> found;
  const bool keeper = ranks.rank() == 0;
  if (keeper) found = read_if_there(filesystem, files.whole, key, most);
  if (keeper && found.empty()) found = read_if_there(filesystem, files.begun, key, most);
  std::vector<double> values = share(ranks, found, most);
  const bool used = values.size() == most;
  if (!values.empty()) {
    check_longest(used ? files.whole : files.begun, values, examples.first(values.size() / 2),
                  compute);
  }
  values = Filling(filesystem, files, key, keeper, chunk, std::move(values)).run(examples, compute);
  for (std::size_t i = 0; i < examples.size(); ++i)
    examples[i].reference = {values[2 * i], values[2 * i + 1]};
  return used;
}

}  // namespace expo
