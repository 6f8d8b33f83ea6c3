#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/report/json_output.h"
#include "expo/report/prompt_columns.h"

namespace expo {

/// The answers of a search with their scores, as columns, from the lines of its answers.jsonl:
///
///   {"key": DIGEST, "limit": 512, "candidate": "α = 1", "prompt": ID, "sample": 0, "text": "…",
///    "finish_reason": "stop", "tokens": 80}
///   {"key": DIGEST, "limit": 512, "scorer": "NAME/…", "score": 0.5}
///   {"void": "NAME/"}
///
/// The first scorer in the file is the one that decides; further ones judge after it. Answers that
/// the screening cut short are left out. Texts stay in the file, which is read again for them, so
/// that memory holds but one of them at a time; of each answer it holds some numbers and, until all
/// lines are read, its key.
class AnswerColumns {
 public:
  /// The limit of an answer's tokens in a search, as run.json has it.
  struct Limit {
    bool is_known = false;
    std::optional<std::uint64_t> tokens;  ///< std::nullopt: none
  };

  /// Reads the file if it is there. Throws Error(input) if it is damaged or no search's, and
  /// Error(interrupted).
  AnswerColumns(Filesystem& filesystem, std::filesystem::path path, const Limit& limit,
                PromptColumns& prompts, std::vector<std::string>& missing,
                const CancellationToken& cancellation);

  bool is_there() const { return file_ != nullptr; }
  std::size_t size() const { return answers_.size(); }
  std::size_t cut() const { return cut_; }  ///< that the screening cut short
  std::size_t unscored() const;             ///< without a score of the scorer that decides

  /// ["α = 0", …]
  const Json& labels() const { return labels_; }
  /// {"label": […], "prompt": […], "sample": […], "text": […], "score": […], "tokens": […],
  /// "ending": […]}
  void write(const TextSink& sink) const;

 private:
  struct Answer {
    std::uint64_t offset = 0;  ///< of its line in the file
    std::size_t length = 0;
    std::size_t prompt = 0;  ///< in prompt_ids_ until all are read, then in the columns
    std::size_t label = 0;
    std::uint64_t sample = 0;
    std::uint64_t tokens = 0;
    std::optional<std::uint64_t> limit;
    bool is_stopped = true;  ///< by itself, not by a limit
    std::optional<double> score;
  };

  void take(const Json& line, std::uint64_t offset, std::size_t length);
  void take_answer(const Json& line, const std::string& name, std::uint64_t offset,
                   std::size_t length);
  void take_score(const Json& line, const std::string& name);
  void drop_cut(const Limit& limit);
  void number_prompts(PromptColumns& prompts);
  std::size_t label_of(const std::string& label);
  std::size_t prompt_of(const std::string& id);
  std::string text_of(const Answer& answer, AlignedBuffer& scratch) const;
  template <typename Value>
  void write_column(const TextSink& sink, const Value& value) const;

  std::filesystem::path path_;
  std::unique_ptr<ReadableFile> file_;
  std::vector<Answer> answers_;
  std::unordered_map<std::string, std::size_t> numbers_;  ///< of answers, by key and limit
  std::vector<std::string> prompt_ids_;
  std::unordered_map<std::string, std::size_t> prompt_numbers_;  ///< in prompt_ids_
  std::unordered_map<std::string, std::size_t> label_numbers_;
  Json labels_ = Json::array();
  std::string deciding_;  ///< the scorer's name with its slash, once a line has shown it
  std::size_t cut_ = 0;
};

}  // namespace expo
