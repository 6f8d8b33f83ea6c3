#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/output_lock.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {

/// One output file of a long run over rows, which appears whole or not at all, and the results of
/// its rows, which are kept one by one until then. FILE is accompanied by FILE.run.json, the run's
/// record; where FILE is a link, both are those of the file that it leads to. While the run goes
/// on, hidden files beside FILE hold what is done
/// (".FILE.expo-partial", an object a line) and keep a second writer out (".FILE.expo-lock").
///
/// Not thread-safe.
class ResumableOutput {
 public:
  /// Which file is written, by which run.
  struct Options {
    std::filesystem::path file;
    bool overwrite = false;  ///< replace a FILE that is there, and drop what a run has left
    /// Take over what an interrupted run has left, or leave a FILE that is finished as it is.
    bool resume = false;
    /// An object: all that the results depend on. A run is resumed only by one of equal settings.
    Json settings;
    /// Files that must not be written over, and folders in which nothing may be written.
    std::vector<std::filesystem::path> inputs = {};
  };
  using Row = std::pair<std::uint64_t, Json>;  ///< its number, and its result

  /// Takes the lock and what is left of an earlier run. Throws Error(usage) where FILE exists
  /// without `overwrite`, unless complete(), or is a folder, a pipe or a device; where it or its
  /// record is an input or
  /// lies in one; where an earlier run has left rows and neither
  /// option says what to do with them; and for `resume` under other settings, naming what differs.
  /// Error(environment) where another run is writing it, or the disk fails. The filesystem must
  /// outlive it.
  ResumableOutput(Filesystem& filesystem, Options options);
  /// Gives up the lock. The rows that were appended stay for a later `resume`; without any, nothing
  /// stays.
  ~ResumableOutput();
  ResumableOutput(const ResumableOutput&) = delete;
  ResumableOutput& operator=(const ResumableOutput&) = delete;

  /// With `resume` and without `overwrite`: the record of a run of equal settings that has finished
  /// FILE, and it is still what that run wrote. There is nothing left to do then, and neither
  /// append() nor commit() may be called.
  const std::optional<Json>& complete() const { return complete_; }
  /// Results of earlier runs and of this one, by the row's number.
  const std::map<std::uint64_t, Json>& finished() const { return finished_; }
  /// Keeps results; they are on the disk when it returns.
  void append(std::span<const Row> rows);
  /// `error`, with the advice to resume where there are rows to go on from.
  Error with_advice(const Error& error) const;
  /// Puts FILE and its record, with FILE's digest in it, in place, and drops what was kept for a
  /// resumption. Call once, last.
  void commit(std::string_view text, Json record);

 private:
  std::filesystem::path hidden(std::string_view suffix) const;
  std::filesystem::path record_file() const;
  void check_place() const;
  void check_apart(const std::filesystem::path& place) const;
  void take_over();
  void refuse_existing();
  Json read_journal();
  void check_settings(const Json& earlier) const;
  void begin_journal();
  void write_lines(std::string_view lines);

  Filesystem& filesystem_;
  Options options_;
  std::filesystem::path file_;  ///< options_.file without links
  std::unique_ptr<OutputLock> lock_;
  bool may_replace_ = false;
  bool committed_ = false;
  std::optional<Json> complete_;
  std::map<std::uint64_t, Json> finished_;
  std::unique_ptr<WritableFile> journal_;
  std::uint64_t journal_size_ = 0;
};

}  // namespace expo
