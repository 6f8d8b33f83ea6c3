#include "expo/checkpoint/quantization.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "expo/core/error.h"

namespace expo {
namespace {

[[noreturn]] void refuse(const std::string& where, const std::string& method) {
  throw input_error(fmt::format(
      "{}: the checkpoint is quantised ({}), and packed integers cannot be extrapolated; use the "
      "unquantised checkpoint",
      where, method));
}

bool is_true(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

/// The name of the method; early bitsandbytes configurations only have their flags.
std::string method_of(const Json& quantization) {
  for (const char* key : {"quant_method", "quantization_method", "method", "format"}) {
    const auto found = quantization.find(key);
    if (found != quantization.end() && found->is_string()) return found->get<std::string>();
  }
  if (is_true(quantization, "load_in_4bit") || is_true(quantization, "load_in_8bit")) {
    return "bitsandbytes";
  }
  return "by a method that config.json does not name";
}

void check_object(const Json& config, const std::string& where) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) continue;
    if (!found->is_object()) {
      throw input_error(fmt::format("{}: \"{}\" is not a JSON object", where, key));
    }
    if (!found->empty()) refuse(where, method_of(*found));
  }
}

constexpr std::array<std::pair<std::string_view, const char*>, 3> kPackedEndings{
    {{".qweight", "GPTQ or AWQ"},
     {".qzeros", "GPTQ or AWQ"},
     {".weight_packed", "compressed-tensors"}}};

}  // namespace

void refuse_quantised_config(const Json& config, const std::string& where) {
  if (!config.is_object()) return;
  check_object(config, where);
  for (const Json& part : config) {
    if (part.is_object()) check_object(part, where);
  }
}

void refuse_quantised_tensors(const Checkpoint& checkpoint, const std::string& where) {
  for (const Tensor& tensor : checkpoint.tensors()) {
    for (const auto& [ending, method] : kPackedEndings) {
      if (tensor.name.ends_with(ending)) {
        refuse(where, fmt::format("{}: it has a tensor \"{}\"", method, tensor.name));
      }
    }
    if (tensor.name.find(".quant_state.bitsandbytes") != std::string::npos) {
      refuse(where, fmt::format("bitsandbytes: it has a tensor \"{}\"", tensor.name));
    }
  }
}

}  // namespace expo
