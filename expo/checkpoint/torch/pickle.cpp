#include "expo/checkpoint/torch/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "expo/checkpoint/torch/pickle_cursor.h"
#include "expo/checkpoint/torch/pickle_globals.h"
#include "expo/checkpoint/torch/pickle_stack.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

using Kind = PickleValue::Kind;

constexpr const char* kRemedy =
    "save the weights alone, with torch.save(model.state_dict(), …) or as safetensors";

PickleValue make(Kind kind, std::uint64_t index = 0, std::uint32_t length = 0) {
  PickleValue value;
  value.kind = kind;
  value.length = length;
  value.index = index;
  return value;
}

PickleValue make_integer(std::int64_t integer) {
  return make(Kind::integer, static_cast<std::uint64_t>(integer));
}

/// Python's pickle machine, without everything that runs code.
class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& where)
      : cursor_(bytes, where), stack_(cursor_) {
    result_.bytes = bytes;
  }

  Pickle run() {
    if (cursor_.begin_opcode() != 0x80) fail("the pickle does not begin with its protocol");
    const unsigned protocol = cursor_.take<std::uint8_t>();
    if (protocol != 2 && protocol != 3) {
      fail(
          fmt::format("the pickle has protocol {}, but torch.save uses 2; save it again without "
                      "pickle_protocol",
                      protocol));
    }
    while (step()) {
    }
    result_.root = stack_.pop();
    if (!stack_.empty()) fail("values are left over at the end");
    if (!cursor_.at_end()) fail("bytes follow the end");
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { cursor_.fail(what); }

  /// Executes one opcode; returns false for STOP. The plain values are handled here, the rest
  /// below.
  bool step() {
    const unsigned char opcode = cursor_.begin_opcode();
    switch (opcode) {
      case '.':
        return false;
      case 'N':
        return push(make(Kind::none));
      case 0x88:
      case 0x89:
        return push(make(Kind::boolean, opcode == 0x88));
      case 'J':
        return push(make_integer(cursor_.take<std::int32_t>()));
      case 'K':
        return push(make_integer(cursor_.take<std::uint8_t>()));
      case 'M':
        return push(make_integer(cursor_.take<std::uint16_t>()));
      case 0x8a:
        return push(make_integer(cursor_.take_long(cursor_.take<std::uint8_t>())));
      case 'G':
        cursor_.take_bytes(8);
        return push(make(Kind::real));
      case 'X':
        return push_text(cursor_.take<std::uint32_t>());
      case 'U':
        return push_text(cursor_.take<std::uint8_t>());
      case 'c':
        return push_global();
      default:
        return step_container(opcode);
    }
  }

  bool step_container(unsigned char opcode) {
    switch (opcode) {
      case '(':
        stack_.push_mark();
        return true;
      case ')':
        return push_sequence(Kind::tuple, {});
      case ']':
        return push_sequence(Kind::list, {});
      case '}':
        return push_sequence(Kind::dict, {});
      case 0x8f:
        return push(make(Kind::set));
      case 't':
        return push_sequence(Kind::tuple, stack_.pop_to_mark());
      case 0x85:
      case 0x86:
      case 0x87:
        return push_sequence(Kind::tuple, stack_.pop_many(opcode - 0x84u));
      case 'a':
        return extend(Kind::list, stack_.pop_many(1));
      case 'e':
        return extend(Kind::list, stack_.pop_to_mark());
      case 's':
        return extend(Kind::dict, stack_.pop_many(2));
      case 'u':
        return extend(Kind::dict, stack_.pop_to_mark());
      default:
        return step_reference(opcode);
    }
  }

  bool step_reference(unsigned char opcode) {
    switch (opcode) {
      case 'q':
        stack_.memoise(cursor_.take<std::uint8_t>());
        return true;
      case 'r':
        stack_.memoise(cursor_.take<std::uint32_t>());
        return true;
      case 'h':
        stack_.recall(cursor_.take<std::uint8_t>());
        return true;
      case 'j':
        stack_.recall(cursor_.take<std::uint32_t>());
        return true;
      case 'Q':
        return push_storage(stack_.pop());
      case 'R':
      case 0x81: {
        const PickleValue arguments = stack_.pop();
        return call(stack_.pop(), arguments);
      }
      case 'b':
        return build();
      default:
        refuse_opcode(opcode);
    }
  }

  [[noreturn]] void refuse_opcode(unsigned char opcode) const {
    const std::string_view name = pickle_opcode_name(opcode);
    if (name.empty()) fail(fmt::format("{:#04x} is not an opcode; the file is damaged", opcode));
    fail(fmt::format("the opcode {} does not occur in a state_dict of torch.save; {}", name,
                     kRemedy));
  }

  bool push(const PickleValue& value) {
    stack_.push(value);
    return true;
  }

  bool push_text(std::uint32_t length) {
    const std::size_t begin = cursor_.position();
    const auto bytes = cursor_.take_bytes(length);
    if (!valid_utf8({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      fail("a string is not UTF-8");
    }
    return push(make(Kind::text, begin, length));
  }

  bool push_global() {
    const std::string_view module = cursor_.take_line();
    const std::string_view name = cursor_.take_line();
    const auto known = find_pickle_global(module, name);
    if (!known) {
      const bool readable = valid_utf8(module) && valid_utf8(name);
      fail(fmt::format(
          "it refers to the Python name {}, which has no place in a plain "
          "state_dict (nothing was executed); {}",
          readable ? fmt::format("{}.{}", module, name) : "(bytes that are no text)", kRemedy));
    }
    return push(make(Kind::global, static_cast<std::uint64_t>(*known)));
  }

  unsigned depth(const PickleValue& value) const {
    const bool nests =
        value.kind == Kind::tuple || value.kind == Kind::list || value.kind == Kind::dict;
    return nests ? depths_[value.index] : 0;
  }

  void deepen(std::size_t sequence, std::span<const PickleValue> values) {
    for (const PickleValue& value : values) {
      depths_[sequence] = std::max(depths_[sequence], depth(value) + 1);
    }
    if (depths_[sequence] > kMaxPickleDepth) fail("values are nested too deeply");
  }

  bool push_sequence(Kind kind, std::vector<PickleValue> values) {
    const std::size_t index = result_.sequences.size();
    depths_.push_back(1);
    deepen(index, values);
    result_.sequences.push_back(std::move(values));
    return push(make(kind, index));
  }

  bool extend(Kind kind, const std::vector<PickleValue>& values) {
    const PickleValue target = stack_.top();
    if (target.kind != kind) {
      fail(fmt::format("{} is extended as if it were {}", describe(target.kind), describe(kind)));
    }
    if (kind == Kind::dict && values.size() % 2 != 0) fail("a key of a dictionary has no value");
    deepen(target.index, values);
    auto& sequence = result_.sequences[target.index];
    sequence.insert(sequence.end(), values.begin(), values.end());
    return true;
  }

  // Calls that Python would make

  const std::vector<PickleValue>& tuple(const PickleValue& value, const char* what) const {
    if (value.kind != Kind::tuple) {
      fail(fmt::format("{} is {}; expected a tuple", what, describe(value.kind)));
    }
    return result_.sequences[value.index];
  }

  std::uint64_t count(const PickleValue& value, const char* what) const {
    if (value.kind != Kind::integer || value.integer() < 0) {
      fail(fmt::format("{} is {}; expected a non-negative integer", what,
                       value.kind == Kind::integer ? fmt::to_string(value.integer())
                                                   : std::string(describe(value.kind))));
    }
    return value.index;
  }

  std::uint64_t counts(const PickleValue& value, const char* what) const {
    const auto& numbers = tuple(value, what);
    if (numbers.size() > kMaxPickledRank) {
      fail(fmt::format("{} has {} dimensions, but at most {} are supported", what, numbers.size(),
                       kMaxPickledRank));
    }
    for (const PickleValue& number : numbers) count(number, what);
    return value.index;
  }

  /// Reads a persistent id: ("storage", TYPE, KEY, LOCATION, ELEMENTS).
  bool push_storage(const PickleValue& value) {
    const auto& id = tuple(value, "the description of a storage");
    const bool known = id.size() == 5 && id[0].kind == Kind::text &&
                       result_.text(id[0]) == "storage" && id[1].kind == Kind::global &&
                       id[2].kind == Kind::text && id[3].kind == Kind::text;
    const auto dtype = known ? storage_dtype(static_cast<PickleGlobal>(id[1].index)) : std::nullopt;
    if (!dtype) fail("a persistent id does not describe a storage");
    result_.storages.push_back(
        {result_.text(id[2]), *dtype, count(id[4], "the size of a storage")});
    return push(make(Kind::storage, result_.storages.size() - 1));
  }

  bool call(const PickleValue& callee, const PickleValue& value) {
    if (callee.kind != Kind::global) fail(fmt::format("{} is called", describe(callee.kind)));
    const auto& arguments = tuple(value, "the argument list of a call");
    switch (static_cast<PickleGlobal>(callee.index)) {
      case PickleGlobal::ordered_dict:
        if (!arguments.empty()) fail("collections.OrderedDict is called with arguments");
        return push_sequence(Kind::dict, {});
      case PickleGlobal::size:
        if (arguments.size() != 1) fail("torch.Size is not called with one tuple");
        tuple(arguments[0], "the argument of torch.Size");
        return push(arguments[0]);
      case PickleGlobal::rebuild_tensor:
        return push_tensor(arguments);
      case PickleGlobal::rebuild_parameter:
        if (arguments.size() != 3 || arguments[0].kind != Kind::tensor) {
          fail("_rebuild_parameter is not called with a tensor");
        }
        return push(arguments[0]);
      default:
        fail("a storage type is called");
    }
  }

  /// Reads the arguments (storage, offset, shape, stride, requires_grad, hooks[, metadata]).
  bool push_tensor(const std::vector<PickleValue>& arguments) {
    if (arguments.size() < 6 || arguments.size() > 7 || arguments[0].kind != Kind::storage) {
      fail("_rebuild_tensor_v2 is not called with a storage and five further arguments");
    }
    const PickledTensor tensor{arguments[0].index, count(arguments[1], "the offset of a tensor"),
                               counts(arguments[2], "the shape of a tensor"),
                               counts(arguments[3], "the stride of a tensor")};
    if (result_.sequences[tensor.shape].size() != result_.sequences[tensor.stride].size()) {
      fail("the shape and the stride of a tensor have different lengths");
    }
    // The metadata request that a tensor be read negated or conjugated.
    if (arguments.size() == 7 && !is_empty(arguments[6])) {
      fail("a tensor has metadata (it is a lazily negated view); save it after .clone()");
    }
    result_.tensors.push_back(tensor);
    return push(make(Kind::tensor, result_.tensors.size() - 1));
  }

  bool is_empty(const PickleValue& value) const {
    return value.kind == Kind::none ||
           (value.kind == Kind::dict && result_.sequences[value.index].empty());
  }

  /// Skips the attributes of an OrderedDict: `_metadata`, the versions of the modules. They do not
  /// affect the weights.
  bool build() {
    const PickleValue state = stack_.pop();
    if (stack_.top().kind != Kind::dict || state.kind != Kind::dict) {
      fail(fmt::format("{} is given attributes; {}", describe(stack_.top().kind), kRemedy));
    }
    return true;
  }

  PickleCursor cursor_;
  PickleStack stack_;
  Pickle result_;
  std::vector<unsigned> depths_;  ///< depths of result_.sequences
};

}  // namespace

std::string_view Pickle::text(const PickleValue& value) const {
  return {reinterpret_cast<const char*>(bytes.data()) + value.index, value.length};
}

Pickle read_pickle(std::span<const std::byte> bytes, const std::string& where) {
  return Machine(bytes, where).run();
}

std::string_view describe(PickleValue::Kind kind) {
  constexpr std::array<std::string_view, 12> kNames{
      "None",   "a boolean", "an integer",   "a number",      "a string",  "a tuple",
      "a list", "a set",     "a dictionary", "a Python name", "a storage", "a tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace expo
