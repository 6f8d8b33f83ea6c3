#include "expo/extrapolation/diagnosis/token_ids.h"

#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {
namespace {

using Ids = std::unordered_map<std::uint64_t, std::uint64_t>;

/// Keeps track of its place in the file by the enclosing keys; an array counts as the key "#".
class TokenReader final : public nlohmann::json_sax<Json> {
 public:
  Ids take() {
    for (const auto& [id, token] : added_) model_[id] = token;
    return std::move(model_);
  }

  bool key(string_t& name) override {
    path_.back() = name;
    return true;
  }
  bool start_object(std::size_t) override { return enter(""); }
  bool start_array(std::size_t) override {
    if (at({"model", "vocab", "#"})) piece_ = true;
    return enter("#");
  }
  bool end_object() override {
    path_.pop_back();
    if (at({"added_tokens", "#"}) && id_) added_[*id_] = content_;
    if (at({"added_tokens", "#"})) id_.reset();
    return true;
  }
  bool end_array() override {
    path_.pop_back();
    return true;
  }
  bool string(string_t& text) override {
    if (at({"added_tokens", "#", "content"})) content_ = tensor_stream(text);
    if (at({"model", "vocab", "#", "#"}) && piece_) {
      model_[pieces_++] = tensor_stream(text);
      piece_ = false;
    }
    return true;
  }
  bool number_unsigned(std::uint64_t number) override {
    if (path_.size() == 3 && path_[0] == "model" && path_[1] == "vocab")
      model_[number] = tensor_stream(path_[2]);
    if (at({"added_tokens", "#", "id"})) id_ = number;
    return true;
  }
  bool number_integer(std::int64_t) override { return true; }
  bool number_float(double, const string_t&) override { return true; }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  bool enter(const char* key) {
    constexpr std::size_t kDeepest = 128;
    path_.emplace_back(key);
    return path_.size() <= kDeepest;
  }
  bool at(std::initializer_list<std::string_view> keys) const {
    return std::equal(path_.begin(), path_.end(), keys.begin(), keys.end());
  }

  std::vector<std::string> path_;
  Ids model_;
  Ids added_;
  std::optional<std::uint64_t> id_;
  std::uint64_t content_ = 0;
  std::uint64_t pieces_ = 0;
  bool piece_ = false;
};

}  // namespace

std::optional<Ids> token_ids(std::string_view json) {
  TokenReader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) return std::nullopt;
  return reader.take();
}

}  // namespace expo
