#include "expo/search/live/answer_cache.h"

#include <cstdint>

namespace expo {
namespace {

std::size_t place_of(std::optional<std::size_t> limit) {
  return limit.value_or(SIZE_MAX);
}

Json to_json(std::optional<std::size_t> limit) {
  return limit ? Json(*limit) : Json();
}

std::optional<std::size_t> limit_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<std::size_t>());
}

FinishReason finish_of(const Json& json) {
  return json.get<std::string>() == "length" ? FinishReason::length : FinishReason::stop;
}

/// The tokens of an answer that its limit ended; none where the line does not hold them whole, so
/// that the answer begins anew.
std::vector<TokenId> ids_of(const Json& line, std::uint64_t tokens) {
  const auto found = line.find("ids");
  if (found == line.end() || !found->is_array() || found->size() != tokens ||
      finish_of(line.at("finish_reason")) != FinishReason::length)
    return {};
  std::vector<TokenId> ids;
  for (const Json& each : *found) {
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() > UINT32_MAX) return {};
    ids.push_back(each.get<TokenId>());
  }
  return ids;
}

}  // namespace

AnswerCache::AnswerCache(Filesystem& filesystem, std::filesystem::path path)
    : journal_(filesystem, std::move(path), "expo-answers-1",
               [this](const Json& line) { take(line); }) {}

void AnswerCache::take(const Json& line) {
  if (line.contains("void")) return drop_scores(line.at("void").get<std::string>());
  const AnswerKey key{line.at("key").get<std::string>(), limit_of(line.at("limit"))};
  if (line.contains("scorer")) {
    // An answer's line comes before those of its scores.
    auto& answers = kept_[key.digest];
    const auto found = answers.find(place_of(key.limit));
    if (found == answers.end()) return;
    found->second.scores.emplace(line.at("scorer").get<std::string>(),
                                 line.at("score").get<double>());
    return;
  }
  const auto tokens = line.at("tokens").get<std::uint64_t>();
  insert({key,
          line.at("text").get<std::string>(),
          finish_of(line.at("finish_reason")),
          tokens,
          {},
          ids_of(line, tokens)});
}

KeptAnswer& AnswerCache::insert(KeptAnswer answer) {
  auto& answers = kept_[answer.key.digest];
  return answers.emplace(place_of(answer.key.limit), std::move(answer)).first->second;
}

const KeptAnswer* AnswerCache::find(const AnswerKey& key) const {
  const auto answers = kept_.find(key.digest);
  if (answers == kept_.end()) return nullptr;
  const std::size_t wanted = place_of(key.limit);
  const auto exact = answers->second.find(wanted);
  if (exact != answers->second.end()) return &exact->second;
  for (const auto& [limit, answer] : answers->second) {
    if (answer.is_whole() && answer.tokens <= wanted) return &answer;
  }
  return nullptr;
}

const KeptAnswer* AnswerCache::begun(const AnswerKey& key) const {
  const KeptAnswer* longest = nullptr;
  const auto answers = kept_.find(key.digest);
  if (answers == kept_.end()) return nullptr;
  for (const auto& [limit, answer] : answers->second) {
    if (limit < place_of(key.limit) && !answer.ids.empty()) longest = &answer;
  }
  return longest;
}

const KeptAnswer& AnswerCache::add(const AnswerKey& key, const Answer& answer, const Json& facts) {
  Json line = {{"key", key.digest}, {"limit", to_json(key.limit)}};
  line.update(facts);
  line["text"] = answer.text;
  line["finish_reason"] = answer.finish == FinishReason::length ? "length" : "stop";
  line["tokens"] = answer.tokens;
  if (!answer.ids.empty()) line["ids"] = answer.ids;
  journal_.append(line);
  journal_.sync();
  return insert({key, answer.text, answer.finish, answer.tokens, {}, answer.ids});
}

void AnswerCache::add_score(const KeptAnswer& answer, const std::string& scorer, double score) {
  journal_.append({{"key", answer.key.digest},
                   {"limit", to_json(answer.key.limit)},
                   {"scorer", scorer},
                   {"score", score}});
  kept_.at(answer.key.digest).at(place_of(answer.key.limit)).scores.insert_or_assign(scorer, score);
}

void AnswerCache::void_scores(const std::string& scorers) {
  journal_.append({{"void", scorers}});
  journal_.sync();
  drop_scores(scorers);
}

void AnswerCache::drop_scores(const std::string& scorers) {
  for (auto& [digest, answers] : kept_) {
    for (auto& [limit, answer] : answers)
      std::erase_if(answer.scores,
                    [&](const auto& each) { return each.first.starts_with(scorers); });
  }
}

std::size_t AnswerCache::answers() const {
  std::size_t count = 0;
  for (const auto& [digest, answers] : kept_) count += answers.size();
  return count;
}

}  // namespace expo
