#include "expo/extrapolation/diagnosis/pair_files.h"

#include <fmt/format.h>

#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/diagnosis/token_ids.h"

namespace expo {
namespace {

using Ids = std::unordered_map<std::uint64_t, std::uint64_t>;

std::uint64_t count_other_tokens(const Ids& sft, const Ids& aligned) {
  std::uint64_t count = 0;
  for (const auto& [id, token] : aligned) {
    const auto other = sft.find(id);
    count += other != sft.end() && other->second != token ? 1 : 0;
  }
  return count;
}

std::optional<std::string> tokenizer_warning(Filesystem& filesystem, const Checkpoint& sft,
                                             const Checkpoint& aligned) {
  const auto before = sidecar_text(filesystem, sft, "tokenizer.json");
  const auto after = sidecar_text(filesystem, aligned, "tokenizer.json");
  if (!before || !after || *before == *after) return std::nullopt;
  const auto sft_ids = token_ids(*before);
  const auto aligned_ids = token_ids(*after);
  if (!aligned_ids) return aligned.location() + ": its tokenizer.json is not valid JSON";
  if (!sft_ids) return sft.location() + ": its tokenizer.json is not valid JSON";
  const std::uint64_t count = count_other_tokens(*sft_ids, *aligned_ids);
  if (count == 0) return std::nullopt;
  return fmt::format(
      "{} of {} token ids stand for different tokens in ALIGNED and SFT; embeddings and heads are "
      "subtracted by id, so α multiplies noise in their rows",
      count, aligned_ids->size());
}

}  // namespace

std::vector<std::string> file_warnings(Filesystem& filesystem, const Checkpoint& sft,
                                       const Checkpoint& aligned) {
  std::vector<std::string> warnings;
  if (aligned.config().is_null() && !sft.config().is_null()) {
    warnings.push_back(
        aligned.location() +
        ": ALIGNED has no config.json, so the output will have none; transformers needs one");
  }
  if (tokenizer_kind(filesystem, sft) && !tokenizer_kind(filesystem, aligned)) {
    warnings.push_back(
        aligned.location() +
        ": ALIGNED has no tokenizer, so the output will have none, although SFT has one");
  }
  if (auto warning = tokenizer_warning(filesystem, sft, aligned))
    warnings.push_back(std::move(*warning));
  return warnings;
}

}  // namespace expo
