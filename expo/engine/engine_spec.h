#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/dtype.h"
#include "expo/engine/engine.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

class OutputLock;

/// What engines with the same servers have in common. They work one at a time.
struct SharedServers {
  /// The addresses of which none of them has found the server dead; all if that leaves none.
  std::vector<std::string> to_ask(std::vector<std::string> addresses) const;

  std::set<std::string> left_out;       ///< addresses of servers that one of them has found dead
  std::shared_ptr<OutputLock> staging;  ///< of the folder in which all stage their checkpoints
};

/// How conversations become a model's text.
struct TemplateSpec {
  std::optional<std::filesystem::path> chat_template;  ///< replaces the model's own
  bool raw_text = false;  ///< no template: the contents of the messages, joined
  Json template_variables = Json::object();
  /// The time that templates are told which ask for it, in seconds since 1970 and without a time
  /// zone; std::nullopt: the clock's, in the local one. Another run reads the same text only with
  /// the same moment, which the engine's identity then holds.
  std::optional<std::int64_t> moment;
};

/// A model that runs within the program, and how.
struct EmbeddedSpec : TemplateSpec {
  static bool needs_libtorch() { return true; }

  std::string model;               ///< reference, as open_checkpoint reads it
  std::optional<std::string> sft;  ///< θ_sft of move_to()
  std::string device = "auto";     ///< auto (CUDA if it is usable), cpu, cuda, cuda:N
  std::string dtype = "auto";      ///< auto (bf16, but f32 for float32 checkpoints), f32, bf16

  RoundingChoice rounding = RoundingChoice::automatic;  ///< for weights that move_to() changes
  std::uint64_t rounding_seed = 0;
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  bool allow_overflow = false;

  std::size_t max_sequences = 64;             ///< most that run at the same time
  std::uint64_t cache_bytes = 4'000'000'000;  ///< for keys and values
  unsigned threads = 0;                       ///< 0: one for each processor
  /// Makes the results of a row independent of the rest of its batch, bit for bit:
  /// BatchLimits::deterministic, ScoringOptions::deterministic. It costs speed on a GPU.
  bool deterministic = false;

  /// Throws Error(usage) unless device and dtype are among the words above.
  void check() const;
};

/// The type that EmbeddedSpec::dtype names; std::nullopt for auto. Throws Error(usage) for any
/// other word.
std::optional<DType> parse_running_dtype(const std::string& word);

/// The type that auto means for a checkpoint: bf16 if it was trained or stored in 16 bits or less,
/// else f32.
DType natural_running_dtype(const Checkpoint& checkpoint);

/// The programs that serve models, by the requests that they understand.
enum class ServerKind {
  openai,        ///< what all of them share
  vllm,          ///< vLLM
  llama_server,  ///< llama.cpp's
};

/// "openai", "vllm" or "llama-server", as the option and EngineDescription::kind have it.
const char* server_kind_name(ServerKind kind);

/// The pair of checkpoints on this disk that a served policy is extrapolated from, and how its
/// weights reach the server.
struct ServedPair {
  std::string sft;  ///< references, as open_checkpoint reads them
  std::string aligned;
  /// The type that the server holds its weights in, which the staged checkpoints have:
  /// std::nullopt: as the server says.
  std::optional<DType> dtype;
  RoundingChoice rounding =
      RoundingChoice::automatic;  ///< nearest or stochastic, or by the weights
  std::uint64_t rounding_seed = 0;
  MismatchPolicy on_mismatch = MismatchPolicy::refuse;
  unsigned threads = 0;  ///< for writing; 0: as many as there are processors
  /// Most bytes of a staged checkpoint's file. The smaller, the more files hold nothing that α
  /// moves, and are written once.
  std::uint64_t max_shard_size = 2'000'000'000;
  std::filesystem::path staging;  ///< the folder in which checkpoints are written for the server
  std::string client_path;        ///< what the staging folder's path begins with here …
  std::string server_path;        ///< … and on the server instead; both empty: the same there
  bool prove_embedded = false;    ///< the server's log-probabilities must be the embedded engine's
};

/// The longest wait for an answer that may be asked for.
inline constexpr double kLongestAnswerSeconds = 86'400;

/// A model that a server runs, and how it is asked.
struct ServedSpec : TemplateSpec {
  bool needs_libtorch() const { return pair && pair->prove_embedded; }

  ServerKind kind = ServerKind::openai;
  std::string url;  ///< as ServerAddress reads it
  /// Further servers of the same kind with the same model, which share the work.
  std::vector<std::string> further_urls = {};
  std::string model;      ///< the name that the server must serve; empty: the only one that it does
  std::string tokenizer;  ///< checkpoint that has its tokenizer; empty: where the server says
  std::string key_variable;           ///< environment variable with the server's key; empty: no key
  std::size_t max_requests = 64;      ///< most in flight
  double answer_seconds = 600;        ///< longest wait for an answer
  bool allow_other_sampling = false;  ///< options that the server reads in a way of its own
  /// What the names of the options about this server begin with, for messages: --tokenizer …
  std::string option_prefix = "--";
  std::string tokenizer_option() const { return option_prefix + "tokenizer"; }
  std::string key_option() const { return option_prefix + "key-variable"; }
  /// What move_to() extrapolates on a server that takes whole checkpoints; std::nullopt: it cannot
  /// move, or needs none.
  std::optional<ServedPair> pair = {};

  /// What it has in common with other engines of these servers; null: nothing.
  std::shared_ptr<SharedServers> shared = {};

  /// Throws Error(usage) if the time is no time, or if a pair has no folder for its checkpoints.
  void check() const;
};

/// Which engine is wanted and how it is to run; each kind has a struct. Its needs_libtorch() says
/// whether only a program that links libtorch can open it; its check() throws Error(usage) for
/// settings that are wrong in themselves, before anything is opened.
using EngineSpec = std::variant<EmbeddedSpec, ServedSpec>;

bool needs_libtorch(const EngineSpec& spec);
void check(const EngineSpec& spec);

/// Opens the embedded engine: reads headers, configuration and tokenizer, and throws Error if the
/// model cannot run; weights are read when they are first needed. The implementation links libtorch
/// and is passed in from outside, so that the caller need not link it.
using EmbeddedOpener = std::function<std::unique_ptr<Engine>(
    Filesystem& filesystem, const Environment& environment, const EmbeddedSpec& spec)>;

}  // namespace expo
