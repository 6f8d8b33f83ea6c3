#include "expo/training/reference_log_probs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/training/byte_digest.h"

namespace expo {
namespace {

// What a pair alone may differ by from the same in a packed batch, in bfloat16.
constexpr double kTolerance = 2e-2;

std::string digest_of_numbers(const std::vector<double>& values) {
  return digest_of_bytes(values.data(), values.size() * sizeof(double));
}

std::string file_name(const ReferenceKey& key) {
  const std::string both = key.model + key.data;
  return fmt::format(
      "reference-log-probs-{}.json",
      digest_of_bytes(both.data(), both.size()).substr(std::string("xxh3-128:").size()));
}

std::vector<double> read(Filesystem& filesystem, const std::filesystem::path& path,
                         const ReferenceKey& key, std::size_t count) {
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
  if (values.size() != count || !says("digest", digest_of_numbers(values)))
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

}  // namespace

std::string digest_of(const at::Tensor& values) {
  return digest_of_bytes(values.const_data_ptr(), values.nbytes());
}

bool fill_references(Filesystem& filesystem, const std::filesystem::path& folder,
                     const ReferenceKey& key, std::span<Example> examples, RankGroup& ranks,
                     const ReferenceComputation& compute) {
  const std::filesystem::path path = folder / file_name(key);
  const bool reader = ranks.rank() == 0;
  at::Tensor shared = at::zeros({static_cast<std::int64_t>(2 * examples.size() + 1)}, at::kDouble);
  auto* numbers = shared.mutable_data_ptr<double>();
  if (reader && filesystem.exists(path)) {
    const auto found = read(filesystem, path, key, 2 * examples.size());
    numbers[0] = 1;
    std::ranges::copy(found, numbers + 1);
  }
  ranks.sum(shared);
  const bool used = numbers[0] > 0;
  std::vector<double> values(numbers + 1, numbers + shared.numel());
  if (used) {
    check_longest(path, values, examples, compute);
  } else {
    values = compute(examples);
    check_finite(values, examples);
    if (reader) write(filesystem, path, key, values);
  }
  for (std::size_t i = 0; i < examples.size(); ++i)
    examples[i].reference = {values[2 * i], values[2 * i + 1]};
  return used;
}

}  // namespace expo
