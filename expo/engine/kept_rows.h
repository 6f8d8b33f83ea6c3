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

/// The results of a job's rows by number, in memory and, as they arrive, in a file beside the
/// output. Not thread-safe.
class KeptRows {
 public:
  using Row = ResumableOutput::Row;

  /// All arguments must outlive it.
  KeptRows(Filesystem& filesystem, const Engine& engine, const RowOutput& output);
  ~KeptRows();

  /// Opens the output file, if there is one, for a run of these settings, takes over finished rows,
  /// and starts to compute the digests of the engine's files. Throws what ResumableOutput throws.
  void open(const Json& settings);
  /// The record of a finished run, to which nothing is left to add; null if there is work left.
  const Json* complete() const;

  bool contains(std::uint64_t number) const { return results_.contains(number); }
  const Json& at(std::uint64_t number) const { return results_.at(number); }
  const std::map<std::uint64_t, Json>& all() const { return results_; }
  /// Whether rows are to be emitted, because there is no file.
  bool gives_out() const { return output_ == nullptr; }

  /// Stores results, in memory and on disk.
  void take(std::span<const Row> rows);
  /// Runs the function that makes the rows; its errors are rethrown with the advice to resume.
  void guard(const std::function<void()>& work) const;
  /// Puts file and record in place, after adding the digests of the engine's files to `record`.
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
