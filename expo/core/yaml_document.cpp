#include "expo/core/yaml_document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::size_t kLargestText = 1'000'000;
constexpr std::size_t kDeepest = 64;

[[noreturn]] void fail(const std::string& where, int line, const std::string& what) {
  throw usage_error(fmt::format("{}:{}: {}", where, line, what));
}

/// Builds values from parse events and keeps count of the size that they would have with aliases
/// expanded.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  YamlValue::Pointer take() {
    if (root_ != nullptr) return root_;
    auto nothing = std::make_shared<YamlValue>();
    nothing->line = 1;
    return nothing;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_ != nullptr)
      fail(where_, mark.line + 1, "a second document begins here; a file holds only one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(YamlValue::Kind::null, mark), 1, anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    auto made = make(YamlValue::Kind::scalar, mark);
    made->scalar = value;
    add(std::move(made), value.size() + 1, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      fail(where_, line_of(mark), "an alias is used inside its own anchor");
    add_value(found->second.value, found->second.size, line_of(mark));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(make(YamlValue::Kind::sequence, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(make(YamlValue::Kind::mapping, mark), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Anchored {
    YamlValue::Pointer value;
    std::size_t size;
  };
  /// A sequence or mapping that is being read.
  struct Open {
    std::shared_ptr<YamlValue> value;
    YAML::anchor_t anchor;
    std::size_t size_before;
    YamlValue::Pointer key;  ///< key of the member whose value comes next
    std::set<std::string> keys;
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  static std::shared_ptr<YamlValue> make(YamlValue::Kind kind, const YAML::Mark& mark) {
    auto value = std::make_shared<YamlValue>();
    value->kind = kind;
    value->line = line_of(mark);
    return value;
  }

  /// The parser passes "?" for plain and "!" for quoted text without a tag.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(where_, line_of(mark), fmt::format("the tag \"{}\" is not supported; remove it", tag));
  }

  void open(std::shared_ptr<YamlValue> value, YAML::anchor_t anchor) {
    if (stack_.size() >= kDeepest) {
      fail(where_, value->line, fmt::format("nested deeper than {} levels", kDeepest));
    }
    stack_.push_back({std::move(value), anchor, size_, nullptr, {}});
    ++size_;
  }

  void close() {
    const Open done = std::move(stack_.back());
    stack_.pop_back();
    const std::size_t size = size_ - done.size_before;
    size_ = done.size_before;
    if (done.anchor != 0) anchors_[done.anchor] = {done.value, size};
    add_value(done.value, size, done.value->line);
  }

  void add(YamlValue::Pointer value, std::size_t size, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = {value, size};
    const int line = value->line;
    add_value(std::move(value), size, line);
  }

  void add_value(YamlValue::Pointer value, std::size_t size, int line) {
    size_ += size;
    if (size_ > kLargestText) fail(where_, line, "expanded, the aliases would exceed 1 MB");
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = stack_.back();
    if (parent.value->kind == YamlValue::Kind::sequence) {
      parent.value->items.push_back(std::move(value));
    } else if (parent.key == nullptr) {
      take_key(parent, std::move(value), line);
    } else {
      parent.value->members.push_back({parent.key->scalar, parent.key->line, std::move(value)});
      parent.key = nullptr;
    }
  }

  void take_key(Open& parent, YamlValue::Pointer key, int line) const {
    if (key->kind != YamlValue::Kind::scalar)
      fail(where_, line, "a key is not a scalar; write it as one word");
    if (key->scalar == "<<")
      fail(where_, line, "merge keys (<<) are not supported; write the keys out");
    if (!parent.keys.insert(key->scalar).second) {
      fail(where_, line, fmt::format("the key \"{}\" occurs twice", key->scalar));
    }
    parent.key = std::move(key);
  }

  const std::string& where_;
  YamlValue::Pointer root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t size_ = 0;
};

}  // namespace

const YamlValue::Member* YamlValue::find(std::string_view key) const {
  const auto found = std::ranges::find(members, key, &Member::key);
  return found == members.end() ? nullptr : &*found;
}

YamlValue::Pointer parse_yaml(const std::string& text, const std::string& where) {
  if (text.size() > kLargestText) {
    throw usage_error(fmt::format("{}: the file has {} bytes, but a recipe has at most {}", where,
                                  text.size(), kLargestText));
  }
  if (text.find('\0') != std::string::npos) {
    throw usage_error(where + ": the file holds zero bytes, so it is not YAML text");
  }
  Builder builder(where);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    throw usage_error(
        fmt::format("{}:{}: not valid YAML ({})", where, error.mark.line + 1, error.msg));
  }
  return builder.take();
}

}  // namespace expo
