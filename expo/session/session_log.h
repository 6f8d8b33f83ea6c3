#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/line_journal.h"
#include "expo/core/json.h"

namespace expo {

/// A process that works on a run, as sessions.jsonl tells of it.
struct Session {
  std::string command;         ///< the whole command line, quoted for a shell
  std::string instructions{};  ///< instruction set of the arithmetic; empty if it is no processor's
  std::string device{};        ///< "cpu" or what a GPU is called
  std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
};

/// sessions.jsonl in the folder of a run: when, where and by which command it was worked on. This
/// is told apart from the result, which does not depend on it. JSON lines, which only grow:
///
///   {"format": "expo-sessions-1"}
///   {"started": "2026-11-30T10:00:00Z", "command": "expo search …", "expo": "0.1.0", "machine":
///    {"processor": "…", "cores": 2, "memory": 25000000000, "instructions": "amx", "device":
///    "cpu"}}
///   {"ended": "2026-11-30T10:20:00Z"}
///
/// A session that was killed has no second line. A file with anything else in it is moved aside, to
/// sessions.jsonl.damaged, in the place of an earlier one, and a new one is begun: no run is
/// refused over its record. Only one process may have it open, for which its caller provides. Not
/// thread-safe.
class SessionLog {
 public:
  /// Begins or goes on with the file, and adds the line of a session's start. Throws
  /// Error(environment) if the disk fails. `filesystem` must outlive it.
  SessionLog(Filesystem& filesystem, const std::filesystem::path& folder, const Session& session);
  /// Ends the session if end() was not called.
  ~SessionLog();
  SessionLog(const SessionLog&) = delete;
  SessionLog& operator=(const SessionLog&) = delete;

  /// Tells the user that a damaged file was moved aside; empty if none was.
  const std::string& warning() const { return warning_; }
  /// Adds the line of the session's end. A failure is not told: work is not lost over its record.
  void end() noexcept;

 private:
  std::string warning_;
  std::unique_ptr<LineJournal> journal_;  ///< until the end
};

/// The moment in UTC to the second, as "2026-11-30T10:00:00Z".
std::string utc_text(std::chrono::system_clock::time_point moment);

/// The machine: processor, cores that the process may use, memory in bytes (null where the system
/// does not tell), and what the session says of instructions and device.
Json machine_json(const Session& session);

}  // namespace expo
