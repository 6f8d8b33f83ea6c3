#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <unordered_map>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/line_journal.h"
#include "expo/core/disk/output_lock.h"
#include "expo/core/json.h"
#include "expo/evaluation/judge/chat_model.h"

namespace expo {

/// A judge's replies that gave a preference, in memory and in a file of JSON lines to which each is
/// added as soon as it is there; so no reply is paid for twice. Failures are never kept.
///
/// The first line is {"format": "expo-judge-replies-1"}, and all others are
///
///   {"key": "SHA-256", "model": "…", "text": "m", "weighed": [[["m", -0.1], ["M", -2.3]]],
///    "prompt_tokens": 1024, "completion_tokens": 1}
///
/// where the key is that of the canonical request. A last line that is torn is dropped. While it is
/// open, ".FILE.expo-lock" beside it keeps a second process out. Not thread-safe.
class JudgeCache {
 public:
  /// Opens or begins the file. Throws Error(environment) if another process has it open, and what
  /// LineJournal throws. `filesystem` must outlive it.
  JudgeCache(Filesystem& filesystem, const std::filesystem::path& path);

  /// The reply to the request with this key; nullptr if there is none. Valid as long as the cache.
  const ChatReply* find(const std::string& key) const;
  /// Adds a reply, which survives the process when this returns, and a loss of power after sync().
  void add(const std::string& key, const ChatReply& reply, const std::string& model);
  void sync() { journal_.sync(); }

  std::size_t size() const { return replies_.size(); }
  const std::filesystem::path& path() const { return journal_.path(); }

 private:
  OutputLock lock_;
  std::unordered_map<std::string, ChatReply> replies_;
  LineJournal journal_;
};

/// SHA-256 of a request in canonical form: everything that a reply depends on. `origin` is
/// ChatModel::origin(), `replicate` numbers repetitions of the same request.
std::string request_key(const std::string& origin, const ChatSampling& sampling,
                        const Json& messages, const std::string& template_digest, bool switched,
                        std::uint64_t replicate);

}  // namespace expo
