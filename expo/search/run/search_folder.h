#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"
#include "expo/core/json.h"

namespace expo {

/// The settings of the search that a folder holds; std::nullopt if it holds none.
std::optional<Json> earlier_settings(Filesystem& filesystem, const std::filesystem::path& folder);

/// The moment that chat templates are told, in seconds since 1970: that of the first run in this
/// folder ("moment" of its settings), so that a search can go on another day, or else the present
/// one, as local clocks show it.
std::int64_t search_moment(Filesystem& filesystem, const std::filesystem::path& folder);

/// The folder of a search: run.json (what was asked, written first), sessions.jsonl, prompts.jsonl,
/// answers.jsonl, trace.jsonl, and, once it is finished, samples.jsonl, recipe.yaml, search.json
/// and report.html. Not thread-safe.
class SearchFolder {
 public:
  /// Looks at what is there; changes nothing. `inputs` are files and folders that are read. Throws
  /// Error(usage) if `folder` is a file, holds anything that no search has written, or holds or
  /// lies in an input. The filesystem must outlive it.
  SearchFolder(Filesystem& filesystem, std::filesystem::path folder,
               const std::vector<std::filesystem::path>& inputs);

  /// Throws Error(usage) if `output`, a folder that is written after the search, is there already
  /// or is this folder, lies in it or around it.
  void check_output(const std::filesystem::path& output) const;

  /// The settings of the search that the folder holds already.
  const std::optional<Json>& earlier() const { return earlier_; }

  /// Takes the lock, and makes the folder and its record. An earlier search of equal settings is
  /// resumed. Throws Error(usage) for other settings, naming what differs, and Error(environment)
  /// if another process is searching in the folder.
  void begin(const Json& settings);

  /// The result of a search that is finished already; of which settings, begin() finds out.
  std::optional<Json> finished() const;

  std::filesystem::path file(std::string_view name) const { return folder_ / name; }

  /// Appends a line to trace.jsonl, which every run begins anew, as it makes the same looks again
  /// from the answers that are kept.
  void trace(const Json& line);

  /// Puts a file of the result in place, before commit().
  void put(std::string_view name, std::string_view text) { replace(name, text); }

  /// Puts samples.jsonl and then search.json in place; the search is finished with the latter.
  void commit(const std::vector<Json>& samples, const Json& result);

 private:
  void check_inputs(const std::vector<std::filesystem::path>& inputs) const;
  void check_contents();
  void replace(std::string_view name, std::string_view text);

  Filesystem& filesystem_;
  std::filesystem::path named_;   ///< as the user wrote it
  std::filesystem::path folder_;  ///< with links resolved
  std::optional<Json> earlier_;
  std::unique_ptr<OutputLock> lock_;
  std::unique_ptr<WritableFile> trace_;
  std::uint64_t trace_size_ = 0;
};

}  // namespace expo
