#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// A file of JSON lines that only grows, so that whatever ends a run leaves all lines but at most
/// the last one whole. Its first line says what the file holds. It takes no lock: only one process
/// may have it open. Not thread-safe.
class LineJournal {
 public:
  /// Opens the file, or begins it with its folder, and passes each line that is there to `take`,
  /// which may throw Json::exception for a line that it does not understand. A last line that is
  /// torn is dropped, and the next one is written in its place. Throws Error(input) for a file of
  /// another format or with a line that nothing explains, Error(environment) if the disk fails.
  /// `filesystem` must outlive this object.
  LineJournal(Filesystem& filesystem, std::filesystem::path path, std::string_view format,
              const std::function<void(const Json& line)>& take);

  /// The lines survive the process when this returns, and a loss of power after sync().
  void append(const Json& line);
  void sync();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::string read(const std::function<void(const Json&)>& take) const;
  void begin(std::string_view lines);
  void write(std::string_view lines);

  Filesystem& filesystem_;
  std::filesystem::path path_;
  std::string head_;  ///< the first line
  std::unique_ptr<WritableFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace expo
