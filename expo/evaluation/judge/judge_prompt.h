#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// What a judge is shown of two answers.
struct JudgePrompt {
  Json messages;           ///< an array of {"content": …, "role": …}
  std::string impossible;  ///< why alpaca_eval could not make messages of it; else empty
  /// Whether a text holds a mark of the template, so that the judge is shown something else.
  bool altered = false;
};

/// The template of a judge's prompt, in AlpacaEval's form: messages between <|im_start|> and
/// <|im_end|>, with the places {instruction}, {output_1} and {output_2}.
class JudgeTemplate {
 public:
  /// Throws Error(input) if the file is not such a template.
  JudgeTemplate(Filesystem& filesystem, const std::filesystem::path& path);

  /// Renders as alpaca_eval does, character for character. That includes what it does with answers
  /// that hold the template's own marks: it replaces {output_2} wherever it first stands, and
  /// <|im_end|> cuts a message short.
  JudgePrompt render(std::string_view instruction, std::string_view first,
                     std::string_view second) const;

  const std::string& digest() const { return digest_; }  ///< SHA-256 of the file

 private:
  std::string text_;
  std::string digest_;
};

/// Whether a judge is shown the model's answer before the baseline's: drawn from the instruction
/// and the seed as alpaca_eval draws it.
bool is_switched(std::string_view instruction, std::uint64_t seed);

}  // namespace expo
