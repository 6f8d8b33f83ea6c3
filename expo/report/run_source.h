#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/report/json_output.h"

namespace expo {

/// A run of one kind, read from its documented files, and what of it a page shows. A further kind
/// is a class that derives from it, and a line in open_run().
class RunSource {
 public:
  virtual ~RunSource() = default;

  /// "search", "train" or "inspection".
  virtual std::string_view kind() const = 0;
  /// What a person calls it: "a search", "a training run" or "an inspection".
  virtual std::string_view noun() const = 0;
  /// Writes the members of the run that only its kind has. May add to missing(). Throws
  /// Error(input) for damaged files.
  virtual void write(ObjectOutput& run, const TextSink& sink) = 0;

  /// What is not there and why, a sentence each; all of it is known after write().
  const std::vector<std::string>& missing() const { return missing_; }

 protected:
  std::vector<std::string> missing_;
};

/// Opens the run in a folder or file, and reads what is small of it. Throws Error(input), naming
/// what is expected, for anything that no run has left, for damaged files, and for those of a newer
/// version, and Error(interrupted). `filesystem` must outlive the result.
std::unique_ptr<RunSource> open_run(Filesystem& filesystem, const std::filesystem::path& path,
                                    const CancellationToken& cancellation);

// The kinds, each in its own file; `settings` is what run.json holds, or null.
std::unique_ptr<RunSource> open_search(Filesystem& filesystem, const std::filesystem::path& folder,
                                       Json settings, const CancellationToken& cancellation);
std::unique_ptr<RunSource> open_training(Filesystem& filesystem,
                                         const std::filesystem::path& folder, Json settings);
std::unique_ptr<RunSource> open_inspection(Json inspection);

/// The sessions of a run from its sessions.jsonl, each with its end, which is null where it was
/// killed; a run of an earlier version has none.
Json read_sessions(Filesystem& filesystem, const std::filesystem::path& folder,
                   std::vector<std::string>& missing);

}  // namespace expo
