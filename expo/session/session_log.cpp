#include "expo/session/session_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/core/text.h"
#include "expo/core/version.h"

namespace expo {
namespace {

/// The value of the first line of a list such as Linux' "model name	: Some Processor".
Json value_of(std::string_view list, std::string_view key) {
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find('\n', begin), list.size());
    const std::string_view line = list.substr(begin, end - begin);
    const std::size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string_view::npos)
      return std::string(trimmed(line.substr(colon + 1), " \t"));
    begin = end + 1;
  }
  return {};
}

/// The kernel's files have no size before they are read.
std::string kernel_text(const char* path) {
  std::string text;
  if (std::FILE* file = std::fopen(path, "re")) {
    char piece[4096];
    for (std::size_t got = 0; (got = std::fread(piece, 1, sizeof piece, file)) > 0;)
      text.append(piece, got);
    std::fclose(file);
  }
  return text;
}

Json memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return {};
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size);
}

/// Throws Json::exception for a line that no session has left.
void check_line(const Json& line) {
  if (line.is_object() && line.contains("ended")) return;
  for (const char* key : {"started", "command", "expo", "machine"}) static_cast<void>(line.at(key));
}

std::unique_ptr<LineJournal> open_journal(Filesystem& filesystem,
                                          const std::filesystem::path& path) {
  return std::make_unique<LineJournal>(filesystem, path, "expo-sessions-1", check_line);
}

/// Moves a file that cannot be read out of the way; returns what to tell of it.
std::string move_aside(Filesystem& filesystem, const std::filesystem::path& path) {
  const std::filesystem::path aside = std::filesystem::path(path) += ".damaged";
  filesystem.rename_replace(path, aside);
  return fmt::format(
      "{}: is damaged, as it holds what no session of a run has left; it is kept as {}, and a new "
      "one is begun",
      path.string(), aside.filename().string());
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace

std::string utc_text(std::chrono::system_clock::time_point moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", parts);
}

Json machine_json(const Session& session) {
  return {{"processor", value_of(kernel_text("/proc/cpuinfo"), "model name")},
          {"cores", available_threads()},
          {"memory", memory_bytes()},
          {"instructions", text_or_null(session.instructions)},
          {"device", text_or_null(session.device)}};
}

SessionLog::SessionLog(Filesystem& filesystem, const std::filesystem::path& folder,
                       const Session& session) {
  const std::filesystem::path path = folder / "sessions.jsonl";
  try {
    journal_ = open_journal(filesystem, path);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::input) throw;
    warning_ = move_aside(filesystem, path);
    journal_ = open_journal(filesystem, path);
  }
  journal_->append({{"started", utc_text(session.started)},
                    {"command", session.command},
                    {"expo", version()},
                    {"machine", machine_json(session)}});
  journal_->sync();
}

SessionLog::~SessionLog() {
  end();
}

void SessionLog::end() noexcept {
  if (!journal_) return;
  try {
    journal_->append({{"ended", utc_text(std::chrono::system_clock::now())}});
    journal_->sync();
  } catch (...) {  // as the header says
  }
  journal_.reset();
}

}  // namespace expo
