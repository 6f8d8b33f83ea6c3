#include "expo/cli/options/reference_outputs.h"

#include <fmt/format.h>

#include <string>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {

namespace fs = std::filesystem;

fs::path cached_reference_outputs(Filesystem& filesystem, const Environment& environment) {
  constexpr const char* kFile = "alpaca_eval_gpt4_baseline.json";
  const fs::path repository = hub_cache_folder(environment) / "datasets--tatsu-lab--alpaca_eval";
  const fs::path ref = repository / "refs" / "main";
  if (filesystem.exists(ref)) {
    constexpr std::size_t kLongestCommit = 128;
    const std::string text = filesystem.read_text(ref, kLongestCommit);
    const std::string commit(trimmed(text, " \r\n"));
    const fs::path file = repository / "snapshots" / fs::path(commit).filename() / kFile;
    if (filesystem.exists(file)) return file;
  }
  throw input_error(fmt::format(
      "--reference-outputs: no file is named, and {} is not in the cache; name the baseline's "
      "answers, or get AlpacaEval's by: hf download --repo-type dataset tatsu-lab/alpaca_eval {}",
      kFile, kFile));
}

}  // namespace expo
