#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "expo/core/json.h"
#include "expo/report/json_output.h"

namespace expo {

/// The prompts of a search, as columns.
class PromptColumns {
 public:
  /// A line of prompts.jsonl: {"prompt": ID, "part": "choosing", "messages": […]}. Throws
  /// Json::exception for any other.
  void take_prompt(const Json& line);
  /// A line of samples.jsonl, whose prompts chose nothing.
  void take_sample(const Json& line);

  /// The number of a prompt. One that was never taken is added, with an empty text and no part.
  std::size_t number_of(const std::string& id);

  std::size_t size() const { return ids_.size(); }
  /// The number of those that were added without their text.
  std::size_t unknown() const { return unknown_; }

  /// {"id": […], "part": […], "text": […], "messages": […]}
  void write(const TextSink& sink) const;

 private:
  void add(const std::string& id, Json part, const Json& messages);

  std::vector<Json> ids_;
  std::vector<Json> parts_;     ///< null if it is not known
  std::vector<Json> texts_;     ///< the last turn of the user
  std::vector<Json> messages_;  ///< null where there is but one
  std::unordered_map<std::string, std::size_t> numbers_;
  std::size_t unknown_ = 0;
};

}  // namespace expo
