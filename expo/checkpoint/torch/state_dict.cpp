#include "expo/checkpoint/torch/state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "expo/core/error.h"

namespace expo {
namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::string_view, 3> kWrappers{"state_dict", "model", "module"};

/// The keys and values of a dictionary, alternating.
using Dictionary = std::vector<PickleValue>;

class StateDictReader {
 public:
  StateDictReader(const Pickle& pickle, const std::string& where)
      : pickle_(pickle), where_(where) {}

  StateDict read() {
    if (pickle_.root.kind != Kind::dict) {
      fail(fmt::format("it holds {}; expected a state_dict", describe(pickle_.root.kind)));
    }
    const Dictionary& root = dictionary(pickle_.root);
    const Dictionary& tensors = holds_tensors(root) || root.empty() ? root : unwrap(root);
    for (std::size_t i = 0; i < tensors.size(); i += 2) add(tensors[i], tensors[i + 1]);
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw input_error(fmt::format(
        "{}: {}; save the weights alone, with torch.save(model.state_dict(), …)", where_, what));
  }

  const Dictionary& dictionary(const PickleValue& value) const {
    return pickle_.sequences[value.index];
  }

  static bool holds_tensors(const Dictionary& values) {
    for (std::size_t i = 1; i < values.size(); i += 2) {
      if (values[i].kind == Kind::tensor) return true;
    }
    return false;
  }

  bool is_wrapper(const PickleValue& key, const PickleValue& value) const {
    return key.kind == Kind::text && std::ranges::count(kWrappers, pickle_.text(key)) != 0 &&
           value.kind == Kind::dict && holds_tensors(dictionary(value));
  }

  /// Finds the one state_dict among the entries of a training checkpoint.
  const Dictionary& unwrap(const Dictionary& root) {
    const PickleValue* found = nullptr;
    std::string name;
    std::string others;
    for (std::size_t i = 0; i < root.size(); i += 2) {
      const std::string key = key_text(root[i]);
      if (is_wrapper(root[i], root[i + 1])) {
        if (found != nullptr) {
          fail(fmt::format("it holds two state_dicts, \"{}\" and \"{}\"", name, key));
        }
        found = &root[i + 1];
        name = key;
      } else if (others.size() < 200) {
        others += fmt::format("{}\"{}\"", others.empty() ? "" : ", ", key);
      }
    }
    if (found == nullptr) fail("it holds no tensors by name, only " + others);
    if (!others.empty()) {
      result_.warnings.push_back(fmt::format(
          "{}: the tensors under \"{}\" are used, and {} left out", where_, name, others));
    }
    return dictionary(*found);
  }

  std::string key_text(const PickleValue& key) const {
    return std::string(key.kind == Kind::text ? pickle_.text(key).substr(0, 100)
                                              : describe(key.kind));
  }

  void add(const PickleValue& key, const PickleValue& value) {
    if (key.kind != Kind::text) {
      fail(fmt::format("the name of a tensor is {}; expected a string", describe(key.kind)));
    }
    StateDictEntry entry;
    entry.name = pickle_.text(key);
    if (entry.name.empty() || entry.name.find('\0') != std::string::npos) {
      fail("the name of a tensor is empty or holds a NUL");
    }
    if (value.kind != Kind::tensor) {
      fail(fmt::format("the entry \"{}\" is {}; expected a tensor", entry.name,
                       describe(value.kind)));
    }
    if (!names_.insert(pickle_.text(key)).second) {
      fail(fmt::format("the tensor \"{}\" occurs twice", entry.name));
    }
    const PickledTensor& tensor = pickle_.tensors[value.index];
    entry.storage = pickle_.storages[tensor.storage];
    entry.layout = {tensor.offset, numbers(tensor.shape), numbers(tensor.stride)};
    result_.entries.push_back(std::move(entry));
  }

  std::vector<std::uint64_t> numbers(std::uint64_t sequence) const {
    std::vector<std::uint64_t> result;
    for (const PickleValue& value : pickle_.sequences[sequence]) result.push_back(value.index);
    return result;
  }

  const Pickle& pickle_;
  const std::string& where_;
  StateDict result_;
  std::unordered_set<std::string_view> names_;
};

}  // namespace

StateDict read_state_dict(const Pickle& pickle, const std::string& where) {
  return StateDictReader(pickle, where).read();
}

}  // namespace expo
