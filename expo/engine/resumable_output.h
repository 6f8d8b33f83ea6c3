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
/// record; if FILE is a link, both are placed where it leads. While the run lasts, hidden files
/// beside FILE hold what is done (".FILE.expo-partial", one object per line) and keep a second
/// writer out (".FILE.expo-lock").
///
/// Not thread-safe.
class ResumableOutput {
 public:
  /// Which file is written, by which run.
  struct Options {
    std::filesystem::path file;
    bool overwrite = false;  ///< replace an existing FILE, and discard what a run has left
    /// Take over what an interrupted run has left, or leave a finished FILE as it is.
    bool resume = false;
    bool replace_others = false;                              ///< as in RowOutput
    bool replaces_own_only = false;                           ///< as in RowOutput
    std::string to_resume = "--resume continues from there";  ///< for messages
    /// An object with everything that the results depend on. A run is resumed only by one with
    /// equal settings.
    Json settings;
    /// Files that must not be overwritten, and folders in which nothing may be written.
    std::vector<std::filesystem::path> inputs = {};
  };
  using Row = std::pair<std::uint64_t, Json>;  ///< its number and its result

  /// Takes the lock and whatever is left of an earlier run. Throws Error(usage)
  ///   - if FILE exists without `overwrite`, unless complete();
  ///   - if FILE is a folder, a pipe or a device;
  ///   - if FILE or its record is an input or lies in one;
  ///   - if an earlier run has left rows and neither `resume` nor `overwrite` is set;
  ///   - for `resume` with other settings, naming what differs.
  /// Throws Error(environment) if another run is writing FILE, or if the disk fails. The filesystem
  /// must outlive it.
  ResumableOutput(Filesystem& filesystem, Options options);
  /// Releases the lock. Rows that were appended stay on disk for a later `resume`; if there are
  /// none, nothing stays.
  ~ResumableOutput();
  ResumableOutput(const ResumableOutput&) = delete;
  ResumableOutput& operator=(const ResumableOutput&) = delete;

  /// With `resume` and without `overwrite`: the record of a run with equal settings that has
  /// finished FILE, if FILE is still what that run wrote; else std::nullopt. With a record there is
  /// nothing left to do, and neither append() nor commit() may be called.
  const std::optional<Json>& complete() const { return complete_; }
  /// Results of earlier runs and of this one, by the row's number.
  const std::map<std::uint64_t, Json>& finished() const { return finished_; }
  /// Stores results; they are on disk when it returns.
  void append(std::span<const Row> rows);
  /// Returns `error`, with the advice to resume added if there are finished rows.
  Error with_advice(const Error& error) const;
  /// Puts FILE and its record, to which it adds FILE's digest, in place, and removes what was kept
  /// for a resumption. Call it once, after everything else.
  void commit(std::string_view text, Json record);

 private:
  std::filesystem::path hidden(std::string_view suffix) const;
  std::filesystem::path record_file() const;
  void check_place() const;
  void check_apart(const std::filesystem::path& place) const;
  void take_over();
  void refuse_existing();
  Json read_journal();
  void discard_rows();
  bool is_other(const Json& earlier) const;
  void begin_journal();
  void write_lines(std::string_view lines);

  Filesystem& filesystem_;
  Options options_;
  std::filesystem::path file_;  ///< options_.file with links resolved
  std::unique_ptr<OutputLock> lock_;
  bool may_replace_ = false;
  bool committed_ = false;
  std::optional<Json> complete_;
  std::map<std::uint64_t, Json> finished_;
  std::unique_ptr<WritableFile> journal_;
  std::uint64_t journal_size_ = 0;
};

}  // namespace expo
