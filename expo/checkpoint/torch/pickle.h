#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// A value of a pickle, as data. Containers and tensors stand in the tables of their Pickle, so
/// that values can refer to each other in any shape without recursion.
struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,  ///< integer()
    real,     ///< a floating-point number; its value is not kept
    text,     ///< bytes [index, index + length) of the input, valid UTF-8
    tuple,    ///< sequences[index]
    list,     ///< sequences[index]
    set,      ///< always empty
    dict,     ///< sequences[index], keys and values alternating, in the order of their setting;
              ///< also collections.OrderedDict
    global,   ///< a Python name: PickleGlobal(index)
    storage,  ///< storages[index]
    tensor,   ///< tensors[index]
  };
  Kind kind = Kind::none;
  std::uint32_t length = 0;
  std::uint64_t index = 0;

  /// Of Kind::integer: index in two's complement.
  std::int64_t integer() const { return static_cast<std::int64_t>(index); }
};

/// Bytes that tensors lie in: a member `data/KEY` of the archive.
struct PickledStorage {
  std::string_view key;
  DType dtype = DType::f32;
  std::uint64_t elements = 0;
};

/// A tensor over a storage, numbers in elements. They are as the file gives them, only not
/// negative, and shape and stride have the same length of at most kMaxPickledRank.
struct PickledTensor {
  std::uint64_t storage = 0;  ///< in Pickle::storages
  std::uint64_t offset = 0;
  std::uint64_t shape = 0;   ///< in Pickle::sequences, all integers
  std::uint64_t stride = 0;  ///< in Pickle::sequences, all integers
};

inline constexpr std::size_t kMaxPickledRank = 32;
/// How deeply values may be nested.
inline constexpr unsigned kMaxPickleDepth = 100;

/// What a pickle says. Refers to the bytes that it was read from.
struct Pickle {
  std::span<const std::byte> bytes;
  PickleValue root;
  std::vector<std::vector<PickleValue>> sequences;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;

  std::string_view text(const PickleValue& value) const;
};

/// Reads a pickle of protocol 2 or 3 that holds what a state_dict holds: numbers, strings, tuples,
/// lists, dictionaries and tensors. Nothing is executed: the few Python names that torch.save needs
/// (torch._utils._rebuild_tensor_v2 and _rebuild_parameter, collections.OrderedDict, torch.Size and
/// the storages of whole-byte real types) are matched as data, every other name and opcode is
/// refused by its name. Time and memory are linear in the input, whatever it holds; values nested
/// deeper than 100, integers beyond 64 bits and memo slots out of order are refused. Throws
/// Error(input); `where` (a file) begins the message. The result views `bytes`.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& where);

/// "a number", "a tensor", … for messages.
std::string_view describe(PickleValue::Kind kind);

}  // namespace expo
