#include "expo/engine/engine_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/device_word.h"
#include "expo/core/error.h"

namespace expo {

std::vector<std::string> SharedServers::to_ask(std::vector<std::string> addresses) const {
  const auto is_left_out = [&](const std::string& address) { return left_out.contains(address); };
  if (!std::ranges::all_of(addresses, is_left_out)) std::erase_if(addresses, is_left_out);
  return addresses;
}

void EmbeddedSpec::check() const {
  parse_device_word(device);
  parse_running_dtype(dtype);
}

const char* server_kind_name(ServerKind kind) {
  switch (kind) {
    case ServerKind::vllm:
      return "vllm";
    case ServerKind::llama_server:
      return "llama-server";
    case ServerKind::openai:
      break;
  }
  return "openai";
}

void ServedSpec::check() const {
  if (!(answer_seconds > 0 && answer_seconds <= kLongestAnswerSeconds)) {
    throw usage_error(
        fmt::format("the longest wait for an answer is {} s; expected more than 0, at most {:g}",
                    answer_seconds, kLongestAnswerSeconds));
  }
  if (!pair) return;
  if (kind != ServerKind::vllm) {
    throw usage_error(fmt::format(
        "--staging-dir: a server of the kind {} does not read checkpoints while it runs; only vllm "
        "does",
        server_kind_name(kind)));
  }
  if (pair->staging.empty()) {
    throw usage_error(
        "α reaches vLLM as a whole checkpoint: give --staging-dir DIR, a folder that the server "
        "can "
        "read too, with room for two of them");
  }
}

std::optional<DType> parse_running_dtype(const std::string& word) {
  if (word == "auto") return std::nullopt;
  const auto dtype = dtype_from_user(word);
  if (dtype == DType::f32 || dtype == DType::bf16) return dtype;
  throw usage_error("--dtype: \"" + word +
                    "\" is not a type that models run in; expected auto, f32 or bf16");
}

DType natural_running_dtype(const Checkpoint& checkpoint) {
  if (!checkpoint.quantised_formats().empty()) return DType::bf16;
  std::map<DType, std::uint64_t> amounts;
  for (const Tensor& tensor : checkpoint.tensors()) amounts[tensor.nominal] += tensor.elements();
  const DType main = main_dtype(amounts);
  return main == DType::f32 || main == DType::f64 ? DType::f32 : DType::bf16;
}

bool needs_libtorch(const EngineSpec& spec) {
  return std::visit([](const auto& kind) { return kind.needs_libtorch(); }, spec);
}

void check(const EngineSpec& spec) {
  std::visit([](const auto& kind) { kind.check(); }, spec);
}

}  // namespace expo
