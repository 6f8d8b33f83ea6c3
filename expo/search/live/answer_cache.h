#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/line_journal.h"
#include "expo/core/json.h"
#include "expo/engine/engine.h"

namespace expo {

/// What an answer is made from. The limit stands apart, because an answer that ended before it
/// would be the same under another one.
struct AnswerKey {
  std::string digest;                ///< of everything else that the answer depends on
  std::optional<std::size_t> limit;  ///< most tokens of the answer; std::nullopt: no limit
};

/// An answer that was paid for, with what scorers have said about it.
struct KeptAnswer {
  AnswerKey key;  ///< that it was made under
  std::string text;
  FinishReason finish = FinishReason::stop;
  std::uint64_t tokens = 0;              ///< generated for it: its price
  std::map<std::string, double> scores;  ///< by the digest of the scorer's identity
  std::vector<TokenId> ids = {};         ///< from which its engine can go on, see Answer::ids

  /// Whether it would be the same under a larger limit, too: it was not the limit that ended it.
  bool is_whole() const {
    return finish == FinishReason::stop || !key.limit || tokens < *key.limit;
  }
};

/// The answers of a search and their scores, in memory and in a file to which each is added as soon
/// as it is there. Whatever ends a run, its next one finds all but what was being made. Answers are
/// never generated twice: one that ended by itself serves every limit that its tokens fit, smaller
/// or larger than that it was made under; one that its limit ended serves this limit only, and may
/// be what one under a larger limit goes on from.
///
/// The file is JSON lines, {"format": "expo-answers-1"} and then, in the order of time, answers and
/// scores:
///
///   {"key": DIGEST, "limit": 512, …, "text": "…", "finish_reason": "stop", "tokens": 80}
///   {"key": DIGEST, "limit": 64, …, "finish_reason": "length", "tokens": 64, "ids": [17, 4, …]}
///   {"key": DIGEST, "limit": 512, "scorer": DIGEST, "score": 0.5}
///   {"void": "DIGEST/"}
///
/// The last kind takes back all scores so far by scorers whose names begin so.
///
/// Only one process may have it open, for which its caller provides. Not thread-safe.
class AnswerCache {
 public:
  /// Opens or begins the file. Throws what LineJournal throws. `filesystem` must outlive it.
  AnswerCache(Filesystem& filesystem, std::filesystem::path path);

  /// The answer that serves this key; nullptr if none does. Valid as long as the cache.
  const KeptAnswer* find(const AnswerKey& key) const;

  /// The longest answer that a smaller limit than the key's ended and that can go on; nullptr if
  /// there is none.
  const KeptAnswer* begun(const AnswerKey& key) const;

  /// Adds an answer, which is on disk when this returns. `facts` (an object) are written with it
  /// for people to read. Returns the answer that is kept: the earlier one if there was one under
  /// this key already.
  const KeptAnswer& add(const AnswerKey& key, const Answer& answer, const Json& facts);

  /// Adds the finite score of a kept answer. It survives the process, and a loss of power after
  /// sync() or the next add().
  void add_score(const KeptAnswer& answer, const std::string& scorer, double score);
  /// Takes back all scores by scorers whose names begin so: they may be wrong. Synced.
  void void_scores(const std::string& scorers);
  void sync() { journal_.sync(); }

  std::size_t answers() const;  ///< the number of those that are kept

 private:
  KeptAnswer& insert(KeptAnswer answer);
  void take(const Json& line);
  void drop_scores(const std::string& scorers);

  /// By digest, then by limit, where none is the largest.
  std::unordered_map<std::string, std::map<std::size_t, KeptAnswer>> kept_;
  LineJournal journal_;
};

}  // namespace expo
