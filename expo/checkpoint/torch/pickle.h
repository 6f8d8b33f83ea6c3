#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// A value of a pickle, as data. Containers and tensors are entries in the tables of their Pickle,
/// so that values can refer to each other in any shape without recursion.
struct PickleValue {
  /// The kind of a value, and where its contents are.
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,  ///< integer()
    real,     ///< a floating-point number; its value is not kept
    text,     ///< bytes [index, index + length) of the input, valid UTF-8
    tuple,    ///< sequences[index]
    list,     ///< sequences[index]
    set,      ///< always empty
    dict,     ///< sequences[index], keys and values alternating, in the order in which they were
              ///< set; also collections.OrderedDict
    global,   ///< a Python name: PickleGlobal(index)
    storage,  ///< storages[index]
    tensor,   ///< tensors[index]
  };
  Kind kind = Kind::none;
  std::uint32_t length = 0;
  std::uint64_t index = 0;

  /// The value for Kind::integer: `index` in two's complement.
  std::int64_t integer() const { return static_cast<std::int64_t>(index); }
};

/// The bytes that tensors refer to: a member `data/KEY` of the archive.
struct PickledStorage {
  std::string_view key;
  DType dtype = DType::f32;
  std::uint64_t elements = 0;
};

/// A tensor over a storage, with its numbers in elements. They are as in the file and checked only
/// to be non-negative; shape and stride have the same length of at most kMaxPickledRank.
struct PickledTensor {
  std::uint64_t storage = 0;  ///< index into Pickle::storages
  std::uint64_t offset = 0;
  std::uint64_t shape = 0;   ///< index into Pickle::sequences; all integers
  std::uint64_t stride = 0;  ///< index into Pickle::sequences; all integers
};

/// The maximum number of dimensions of a tensor.
inline constexpr std::size_t kMaxPickledRank = 32;
/// The maximum depth to which values may be nested.
inline constexpr unsigned kMaxPickleDepth = 100;

/// The contents of a pickle. Refers to the bytes that it was read from.
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
/// the storages of whole-byte real types) are matched as data; every other name and opcode is
/// refused and named. Time and memory are linear in the input, whatever it holds; values nested
/// deeper than 100, integers beyond 64 bits and memo slots out of order are refused. Throws
/// Error(input) with a message that begins with `where` (a file). The result refers to `bytes`.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& where);

/// The kind in words, for messages: "a number", "a tensor".
std::string_view describe(PickleValue::Kind kind);

}  // namespace expo
