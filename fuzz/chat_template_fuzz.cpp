// Any text as a chat template: it is refused by name, or renders a conversation twice to the same
// text.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/error.h"
#include "expo/text/chat_template.h"

namespace {

constexpr std::string_view kVariables =
    R"({"messages": [{"role": "user", "content": "Hi 🙂"}, {"role": "assistant", "content": "ho"}],)"
    R"("tools": [{"name": "f", "n": 12345678901234567890123, "x": 0.1, "none": null}],)"
    R"("add_generation_prompt": true, "bos_token": "<s>"})";

std::optional<std::string> rendered(std::string_view source) {
  try {
    const auto chat_template = expo::ChatTemplate::from_source(source, "fuzz");
    return chat_template.render(kVariables, 0).text;
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::input) __builtin_trap();
    // A panic of the interpreter is a fault, not a refusal.
    const std::string_view what = error.what();
    if (what.find("failed unexpectedly") != std::string_view::npos) __builtin_trap();
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  if (rendered(source) != rendered(source)) __builtin_trap();
  return 0;
}
