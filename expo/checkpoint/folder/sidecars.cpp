#include "expo/checkpoint/folder/sidecars.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "expo/checkpoint/folder/links.h"
#include "expo/core/text.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

constexpr std::uint64_t kLargestUnknown = 16'000'000;
constexpr std::string_view kTemplates = "additional_chat_templates";

constexpr std::array<std::string_view, 38> kDeniedSuffixes{
    ".safetensors", ".bin", ".gguf", ".ggml", ".h5",     ".msgpack",   ".onnx",       ".onnx_data",
    ".pt",          ".pth", ".ckpt", ".pkl",  ".pickle", ".npz",       ".npy",        ".pb",
    ".tflite",      ".ot",  ".nemo", ".log",  ".lock",   ".tmp",       ".incomplete", ".zip",
    ".tar",         ".gz",  ".tgz",  ".xz",   ".zst",    ".png",       ".jpg",        ".jpeg",
    ".gif",         ".svg", ".webp", ".pdf",  ".mp4",    ".index.json"};
constexpr std::array<std::string_view, 9> kDeniedPrefixes{
    ".",         "consolidated.",  "adapter_model.", "optimizer", "scheduler",
    "rng_state", "training_args.", "events.out",     "readme"};
constexpr std::array<std::string_view, 12> kDeniedNames{"adapter_config.json",
                                                        "params.json",
                                                        "trainer_state.json",
                                                        "trainer_log.jsonl",
                                                        "all_results.json",
                                                        "train_results.json",
                                                        "eval_results.json",
                                                        "predict_results.json",
                                                        "zero_to_fp32.py",
                                                        "latest",
                                                        "run.json",
                                                        "checklist.chk"};
constexpr std::array<std::string_view, 2> kDeniedDescriptions{"model_card", "mergekit_config."};

constexpr std::array<std::string_view, 6> kKnownNames{"config.json",
                                                      "generation_config.json",
                                                      "special_tokens_map.json",
                                                      "added_tokens.json",
                                                      "merges.txt",
                                                      "tekken.json"};
constexpr std::array<std::string_view, 3> kKnownPrefixes{"tokenizer", "vocab.", "chat_template."};
constexpr std::array<std::string_view, 4> kKnownSuffixes{".model", ".tiktoken",
                                                         "processor_config.json", ".py"};

bool starts_with_any(const std::string& name, auto prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view p) { return name.starts_with(p); });
}
bool ends_with_any(const std::string& name, auto suffixes) {
  return std::ranges::any_of(suffixes, [&](std::string_view s) { return name.ends_with(s); });
}
bool is_any(const std::string& name, auto names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_denied(const std::string& name) {
  return ends_with_any(name, kDeniedSuffixes) || starts_with_any(name, kDeniedPrefixes) ||
         starts_with_any(name, kDeniedDescriptions) || is_any(name, kDeniedNames);
}

bool is_known(const std::string& name) {
  return is_any(name, kKnownNames) || starts_with_any(name, kKnownPrefixes) ||
         ends_with_any(name, kKnownSuffixes);
}

/// "1_Pooling": a module of sentence-transformers.
bool is_numbered_module(std::string_view folder) {
  const std::size_t digits = std::min(folder.find_first_not_of("0123456789"), folder.size());
  return digits > 0 && digits < folder.size() && folder[digits] == '_';
}

bool is_nested_sidecar(std::string_view folder, std::string_view name) {
  if (name.find('/') != name.npos || name.starts_with('.')) return false;
  if (folder == kTemplates) return name.ends_with(".jinja");
  return is_numbered_module(folder) && name == "config.json";
}

class Collector {
 public:
  Collector(Filesystem& filesystem, Path folder, const LinkScope& scope,
            std::vector<std::string>& warnings)
      : filesystem_(filesystem), folder_(std::move(folder)), scope_(scope), warnings_(warnings) {}

  std::vector<Sidecar> collect() {
    for (const std::string& name : filesystem_.list(folder_)) {
      const auto status = filesystem_.status(folder_ / name);
      if (!status) continue;
      if (status->is_regular) {
        if (is_sidecar(name, status->size)) add(name);
      } else if (status->is_directory && !name.starts_with('.')) {
        collect_below(name);
      }
    }
    std::ranges::sort(found_, {}, &Sidecar::name);
    return std::move(found_);
  }

 private:
  static constexpr int kDeepestPackage = 8;

  void add(const std::string& name) {
    if (stays_inside(name)) found_.push_back({name, folder_ / name});
  }

  bool stays_inside(const std::string& name) {
    const auto outside = scope_.way_out(folder_ / name);
    if (!outside) return true;
    warnings_.push_back(fmt::format(
        "{}: is a link that leads out of the folder, to {}, and not to where the weights "
        "are, so it was left out; if it belongs to the model, replace it by a copy",
        (folder_ / name).string(), outside->string()));
    return false;
  }

  void collect_below(const std::string& folder) {
    const bool is_package = filesystem_.exists(folder_ / folder / "__init__.py");
    if (!is_package && folder != kTemplates && !is_numbered_module(folder)) return;
    if (!stays_inside(folder)) return;
    if (is_package) return collect_package(folder, 1);
    for (const std::string& name : filesystem_.list(folder_ / folder)) {
      const std::string whole = folder + "/" + name;
      const auto status = filesystem_.status(folder_ / whole);
      if (status && status->is_regular && is_sidecar(whole, status->size)) add(whole);
    }
  }

  /// A package's subfolders count even without an __init__.py of their own, as in Python. Links to
  /// folders are not followed, because they may form a cycle.
  void collect_package(const std::string& folder, int depth) {
    for (const std::string& name : filesystem_.list(folder_ / folder)) {
      const std::string whole = folder + "/" + name;
      const auto status = filesystem_.status(folder_ / whole);
      if (!status || name.starts_with('.')) continue;
      if (status->is_regular) {
        if (name.ends_with(".py")) add(whole);
      } else if (status->is_directory && depth < kDeepestPackage && !is_link(folder, name)) {
        collect_package(whole, depth + 1);
      }
    }
  }

  bool is_link(const std::string& folder, const std::string& name) {
    const Path above = folder_ / folder;
    return filesystem_.canonical(above / name) != filesystem_.canonical(above) / name;
  }

  Filesystem& filesystem_;
  Path folder_;
  const LinkScope& scope_;
  std::vector<std::string>& warnings_;
  std::vector<Sidecar> found_;
};

}  // namespace

bool is_sidecar(std::string_view name, std::uint64_t size) {
  if (const std::size_t slash = name.find('/'); slash != name.npos) {
    return is_nested_sidecar(name.substr(0, slash), name.substr(slash + 1));
  }
  const std::string small = lower_case(name);
  if (small.empty() || is_denied(small)) return false;
  return is_known(small) || size <= kLargestUnknown;
}

std::vector<Sidecar> list_sidecars(Filesystem& filesystem, const Path& folder,
                                   const LinkScope& scope, std::vector<std::string>& warnings) {
  return Collector(filesystem, folder, scope, warnings).collect();
}

std::vector<Sidecar> list_sidecars(Filesystem& filesystem, const Path& folder,
                                   std::vector<std::string>& warnings) {
  return list_sidecars(filesystem, folder, LinkScope(filesystem, folder), warnings);
}

}  // namespace expo
