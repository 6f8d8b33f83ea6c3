#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "expo/engine/engine.h"
#include "expo/engine/resumable_output.h"
#include "expo/engine/row_output.h"

namespace expo {

/// The results of a job's rows by their numbers: in memory, and beside the output as they come.
/// Not thread-safe.
class KeptRows {
 public:
  using Row = ResumableOutput::Row;

  /// All must outlive it.
  KeptRows(Filesystem& filesystem, const Engine& engine, const RowOutput& output);
  ~KeptRows();

  /// Opens the file, where there is one, for a run of these settings, takes over what is finished,
  /// and begins to read through the engine's files. Throws as ResumableOutput.
  void open(const Json& settings);
  /// The record of a finished run that there is nothing to add to; null: go on.
  const Json* complete() const;

  bool contains(std::uint64_t number) const { return results_.contains(number); }
  const Json& at(std::uint64_t number) const { return results_.at(number); }
  const std::map<std::uint64_t, Json>& all() const { return results_; }
  /// Whether rows are to be given out, for lack of a file.
  bool gives_out() const { return output_ == nullptr; }

  /// Keeps results.
  void take(std::span<const Row> rows);
  /// Runs what makes the rows; its errors come with the advice to resume.
  void guard(const std::function<void()>& work) const;
  /// Puts file and record in place; `record` gets the digests of the engine's files.
  void commit(const std::vector<Json>& rows, Json record, const CancellationToken& cancellation);

 private:
  class BackgroundDigests;

  Filesystem& filesystem_;
  const Engine& engine_;
  const RowOutput& where_;
  std::unique_ptr<ResumableOutput> output_;
  std::unique_ptr<BackgroundDigests> digests_;
  std::map<std::uint64_t, Json> results_;
};

}  // namespace expo
