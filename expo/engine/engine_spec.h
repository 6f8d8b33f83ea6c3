#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/dtype.h"
#include "expo/engine/engine.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// A model that runs within the program, and how.
struct EmbeddedSpec {
  static constexpr bool needs_libtorch = true;

  std::string model;               ///< reference, as open_checkpoint reads it
  std::optional<std::string> sft;  ///< what move_to() takes Δ against
  std::string device = "auto";     ///< auto (CUDA where it is usable), cpu, cuda, cuda:N
  std::string dtype = "auto";      ///< auto (bf16, but f32 for float32 checkpoints), f32, bf16

  RoundingChoice rounding = RoundingChoice::automatic;  ///< of weights that move
  std::uint64_t rounding_seed = 0;
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool allow_overflow = false;

  std::optional<std::filesystem::path> chat_template;  ///< a file instead of the model's own
  bool raw_text = false;  ///< no template: the contents of the messages, one after the other
  Json template_variables = Json::object();

  std::size_t max_sequences = 64;             ///< answered at the same time
  std::uint64_t cache_bytes = 4'000'000'000;  ///< of keys and values
  unsigned threads = 0;                       ///< 0: as many as there are processors
  /// The same bytes whatever runs beside a row: BatchLimits::deterministic,
  /// ScoringOptions::deterministic. It has its price on a GPU.
  bool deterministic = false;

  /// Throws Error(usage) for a device or a dtype that is not one of the words above.
  void check() const;
};

/// The type that EmbeddedSpec::dtype names; nothing for auto. Throws Error(usage) for a word that
/// is not one of its words.
std::optional<DType> parse_running_dtype(const std::string& word);

/// Which engine is wanted, and how it is to run: a struct for each kind. Its `needs_libtorch` says
/// whether only a program that links libtorch can open it; its check() throws Error(usage) for what
/// is wrong with it by itself, before anything is opened.
using EngineSpec = std::variant<EmbeddedSpec>;

bool needs_libtorch(const EngineSpec& spec);
void check(const EngineSpec& spec);

/// Opens the embedded engine: reads headers, configuration and tokenizer, and refuses with Error
/// what cannot run; weights are read when they are first needed. What implements it links libtorch,
/// and is handed in from the outside so that whoever calls it need not.
using EmbeddedOpener = std::function<std::unique_ptr<Engine>(
    Filesystem& filesystem, const Environment& environment, const EmbeddedSpec& spec)>;

}  // namespace expo
