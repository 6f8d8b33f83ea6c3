#include "expo/evaluation/judge/judge_cache.h"

#include <cmath>
#include <limits>
#include <utility>

#include "expo/evaluation/judge/sha2.h"

namespace expo {
namespace {

constexpr const char* kFormat = "expo-judge-replies-1";

std::filesystem::path lock_of(const std::filesystem::path& path) {
  return path.parent_path() / ("." + path.filename().string() + ".expo-lock");
}

/// The lock lies beside the file, so the folder has to be there first.
const std::filesystem::path& with_folder(Filesystem& filesystem,
                                         const std::filesystem::path& path) {
  if (path.has_parent_path()) filesystem.create_directory(path.parent_path());
  return path;
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// JSON has no infinite numbers, and null is where the server gave none.
Json to_json(double log_prob) {
  if (std::isnan(log_prob)) return nullptr;
  if (std::isinf(log_prob)) return log_prob > 0 ? "Infinity" : "-Infinity";
  return log_prob;
}

double log_prob_from(const Json& value) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (value.is_string()) return value == "Infinity" ? kInfinity : -kInfinity;
  return value.get<double>();
}

Json to_json(const std::vector<std::vector<WeighedToken>>& weighed) {
  Json positions = Json::array();
  for (const auto& tokens : weighed) {
    Json& position = positions.emplace_back(Json::array());
    for (const WeighedToken& token : tokens)
      position.push_back(Json::array({token.token, to_json(token.log_prob)}));
  }
  return positions;
}

std::vector<std::vector<WeighedToken>> weighed_from(const Json& positions) {
  std::vector<std::vector<WeighedToken>> weighed;
  for (const Json& position : positions) {
    auto& tokens = weighed.emplace_back();
    for (const Json& token : position)
      tokens.push_back({token.at(0).get<std::string>(), log_prob_from(token.at(1))});
  }
  return weighed;
}

Json line_of(const std::string& key, const ChatReply& reply, const std::string& model) {
  Json line{{"key", key}, {"model", model}, {"text", reply.text}};
  line["weighed"] = to_json(reply.weighed.value());
  if (reply.usage) {
    line["prompt_tokens"] = reply.usage->prompt_tokens;
    line["completion_tokens"] = reply.usage->completion_tokens;
  }
  return line;
}

ChatReply reply_from(const Json& line) {
  ChatReply reply{.text = line.at("text").get<std::string>(),
                  .weighed = weighed_from(line.at("weighed"))};
  if (line.contains("prompt_tokens"))
    reply.usage = ChatUsage{line.at("prompt_tokens").get<std::uint64_t>(),
                            line.at("completion_tokens").get<std::uint64_t>()};
  return reply;
}

}  // namespace

JudgeCache::JudgeCache(Filesystem& filesystem, const std::filesystem::path& path)
    : lock_(filesystem, lock_of(with_folder(filesystem, path)), path, "file"),
      journal_(filesystem, path, kFormat, [this](const Json& line) {
        replies_.insert_or_assign(line.at("key").get<std::string>(), reply_from(line));
      }) {}

const ChatReply* JudgeCache::find(const std::string& key) const {
  const auto found = replies_.find(key);
  return found == replies_.end() ? nullptr : &found->second;
}

void JudgeCache::add(const std::string& key, const ChatReply& reply, const std::string& model) {
  journal_.append(line_of(key, reply, model));
  replies_.insert_or_assign(key, reply);
}

std::string request_key(const std::string& origin, const ChatSampling& sampling,
                        const Json& messages, const std::string& template_digest, bool switched,
                        std::uint64_t replicate) {
  return sha256_digits(compact_json({{"origin", origin},
                                     {"model", sampling.model},
                                     {"max_tokens", sampling.max_tokens},
                                     {"temperature", sampling.temperature},
                                     {"top_p", sampling.top_p},
                                     {"logprobs", true},
                                     {"top_logprobs", sampling.top_logprobs},
                                     {"messages", messages},
                                     {"template", template_digest},
                                     {"switched", switched},
                                     {"replicate", replicate}}));
}

}  // namespace expo
