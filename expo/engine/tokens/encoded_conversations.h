#pragma once

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "expo/engine/engine.h"

namespace expo {

/// The encodings of the conversations that were counted last, so that they need not be encoded
/// again when they run. Nothing else is held, so the memory is that of these conversations' text
/// and ids. Not thread-safe.
template <typename Encoding>
class EncodedConversations {
 public:
  using Encode = std::function<Encoding(const Conversation&)>;

  explicit EncodedConversations(Encode encode) : encode_(std::move(encode)) {}

  /// Holds these conversations and no others; encodes those that it did not hold before. Returns
  /// the encodings in the order of the conversations, valid until the next call. Throws what the
  /// encoding throws.
  std::vector<const Encoding*> hold(std::span<const Conversation> conversations) {
    std::unordered_map<std::string, Encoding> fresh;
    std::vector<const Encoding*> result;
    for (const Conversation& one : conversations) {
      std::string key = key_of(one);
      auto place = fresh.find(key);
      if (place == fresh.end()) {
        const auto before = held_.find(key);
        Encoding encoding = before == held_.end() ? encode_(one) : std::move(before->second);
        if (before != held_.end()) held_.erase(before);
        place = fresh.emplace(std::move(key), std::move(encoding)).first;
      }
      result.push_back(&place->second);
    }
    held_ = std::move(fresh);
    return result;
  }

  /// Returns a copy of the held encoding, or encodes the conversation anew.
  Encoding of(const Conversation& conversation) const {
    const auto found = held_.find(key_of(conversation));
    return found == held_.end() ? encode_(conversation) : found->second;
  }

 private:
  static std::string key_of(const Conversation& one) {
    return compact_json(one.chat.messages) + compact_json(one.chat.variables);
  }

  Encode encode_;
  std::unordered_map<std::string, Encoding> held_;
};

}  // namespace expo
