#include "expo/checkpoint/torch/pickle.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "support/torch_bytes.h"
#include "support/zip_bytes.h"

namespace expo {
namespace {

using Kind = PickleValue::Kind;

std::span<const std::byte> view(const std::string& bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

/// The value of a pickle, and the bytes that it refers to.
class Read {
 public:
  explicit Read(const std::string& value) : bytes_(pickle_bytes(value)) {
    pickle = read_pickle(view(bytes_), "file");
  }
  const std::vector<PickleValue>& items() const { return pickle.sequences[pickle.root.index]; }
  Pickle pickle;

 private:
  std::string bytes_;
};

void expect_refusal_of_bytes(const std::string& bytes, const std::string& words) {
  try {
    read_pickle(view(bytes), "file.bin");
    ADD_FAILURE() << "accepted: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
    EXPECT_TRUE(std::string(error.what()).starts_with("file.bin: ")) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

void expect_refusal(const std::string& value, const std::string& words) {
  expect_refusal_of_bytes(pickle_bytes(value), words);
}

std::string repeat(const std::string& part, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += part;
  return result;
}

TEST(Pickle, ReadsIntegersOfEveryWidth) {
  const std::vector<std::pair<std::string, std::int64_t>> cases{
      {std::string("K\xff"), 255},
      {std::string("M\x01\xff"), 65281},
      {std::string("J\xff\xff\xff\xff"), -1},
      {"J" + little(0x80000000, 4), std::int64_t{INT32_MIN}},
      {std::string("\x8a\x00", 2), 0},
      {std::string("\x8a\x01\x80"), -128},
      {std::string("\x8a\x02\x00\x80", 4), -32768},
      {std::string("\x8a\x02\xff\x00", 4), 255},
      {"\x8a\x08" + little(0x7fffffffffffffff, 8), INT64_MAX},
      {"\x8a\x08" + little(0x8000000000000000, 8), INT64_MIN},
  };
  for (const auto& [bytes, value] : cases) {
    const Read read(bytes);
    EXPECT_EQ(read.pickle.root.kind, Kind::integer);
    EXPECT_EQ(read.pickle.root.integer(), value);
  }
}

TEST(Pickle, ReadsPlainValues) {
  const Read read("(N\x88\x89G" + little(0, 8) + pickle_text("größe") + "U\x02hi)]}\x8ft");
  const std::vector<Kind> kinds{Kind::none, Kind::boolean, Kind::boolean, Kind::real, Kind::text,
                                Kind::text, Kind::tuple,   Kind::list,    Kind::dict, Kind::set};
  ASSERT_EQ(read.items().size(), kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(read.items()[i].kind, kinds[i]) << i;
  EXPECT_EQ(read.items()[1].index, 1u);
  EXPECT_EQ(read.items()[2].index, 0u);
  EXPECT_EQ(read.pickle.text(read.items()[4]), "größe");
  EXPECT_EQ(read.pickle.text(read.items()[5]), "hi");
}

TEST(Pickle, BuildsContainers) {
  EXPECT_EQ(Read("K\1\x85").items().size(), 1u);
  EXPECT_EQ(Read("K\1K\2\x86").items().size(), 2u);
  EXPECT_EQ(Read("K\1K\2K\3\x87").items().size(), 3u);
  EXPECT_EQ(Read("]K\1a(K\2K\3e").items()[2].integer(), 3);
  EXPECT_EQ(Read("}K\1K\2s(K\3K\4K\5K\6u").items().size(), 6u);
  EXPECT_EQ(Read(pickle_global("torch", "Size") + "K\1K\2\x86\x85R").items()[1].integer(), 2);
  EXPECT_EQ(Read(pickle_global("collections", "OrderedDict") + ")\x81").pickle.root.kind,
            Kind::dict);
}

TEST(Pickle, RecallsFromTheMemo) {
  const Read read(std::string("(K\7q\0h\0r\1\0\0\0j\1\0\0\0t", 18));
  ASSERT_EQ(read.items().size(), 3u);
  EXPECT_EQ(read.items()[2].integer(), 7);
}

TEST(Pickle, ReadsTensors) {
  const std::string tensor = pickle_tensor({.storage = "7",
                                            .type = "BFloat16Storage",
                                            .elements = 12,
                                            .offset = 2,
                                            .shape = {3, 2},
                                            .stride = {4, 1}});
  const std::string parameter = pickle_global("torch._utils", "_rebuild_parameter") +
                                pickle_tuple({tensor, "\x88", "}"}) + "R";
  for (const std::string& value : {tensor, parameter}) {
    const Read read(value);
    ASSERT_EQ(read.pickle.root.kind, Kind::tensor);
    const PickledTensor& found = read.pickle.tensors.at(read.pickle.root.index);
    EXPECT_EQ(read.pickle.storages.at(found.storage).key, "7");
    EXPECT_EQ(read.pickle.storages.at(found.storage).dtype, DType::bf16);
    EXPECT_EQ(read.pickle.storages.at(found.storage).elements, 12u);
    EXPECT_EQ(found.offset, 2u);
    EXPECT_EQ(read.pickle.sequences.at(found.shape).at(0).integer(), 3);
    EXPECT_EQ(read.pickle.sequences.at(found.stride).at(0).integer(), 4);
  }
}

TEST(Pickle, TakesAttributesOfAnOrderedDictOnly) {
  const std::string attributes = pickle_dict({{"_metadata", "}"}}) + "b";
  EXPECT_EQ(Read(pickle_global("collections", "OrderedDict") + ")R" + attributes).pickle.root.kind,
            Kind::dict);
  expect_refusal("]" + attributes, "a list is given attributes");
  expect_refusal("}K\1b", "is given attributes");
}

TEST(Pickle, RefusesOtherNamesByName) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"posix", "system"},
                                                        {"builtins", "eval"},
                                                        {"__builtin__", "set"},
                                                        {"torch._utils", "_rebuild_tensor_v3"},
                                                        {"torch._utils", "_rebuild_qtensor"},
                                                        {"torch", "ComplexFloatStorage"},
                                                        {"torch", "_utils._rebuild_tensor_v2"},
                                                        {"collections", "OrderedDict.fromkeys"},
                                                        {"torch.nn.modules.linear", "Linear"}}) {
    expect_refusal(pickle_global(module, name), module + "." + name);
  }
  expect_refusal("cos\xff\nsystem\n", "no text");
  expect_refusal("c" + repeat("x", 1000) + "\ny\n", "does not end");
  expect_refusal("cos", "does not end");
}

TEST(Pickle, RefusesACallThatWouldRunAProgram) {
  expect_refusal(pickle_global("os", "system") + pickle_tuple({pickle_text("exit 1")}) + "R",
                 "os.system");
}

TEST(Pickle, RefusesOtherOpcodesByName) {
  const std::vector<std::pair<std::string, std::string>> opcodes{{"0", "POP"},
                                                                 {"1", "POP_MARK"},
                                                                 {"2", "DUP"},
                                                                 {"i", "INST"},
                                                                 {"o", "OBJ"},
                                                                 {"F", "FLOAT"},
                                                                 {"I", "INT"},
                                                                 {"L", "LONG"},
                                                                 {"S", "STRING"},
                                                                 {"T", "BINSTRING"},
                                                                 {"V", "UNICODE"},
                                                                 {"B", "BINBYTES"},
                                                                 {"C", "SHORT_BINBYTES"},
                                                                 {"P", "PERSID"},
                                                                 {"d", "DICT"},
                                                                 {"l", "LIST"},
                                                                 {"g", "GET"},
                                                                 {"p", "PUT"},
                                                                 {"\x80", "PROTO"},
                                                                 {"\x82", "EXT1"},
                                                                 {"\x83", "EXT2"},
                                                                 {"\x84", "EXT4"},
                                                                 {"\x8b", "LONG4"},
                                                                 {"\x8c", "SHORT_BINUNICODE"},
                                                                 {"\x8d", "BINUNICODE8"},
                                                                 {"\x8e", "BINBYTES8"},
                                                                 {"\x90", "ADDITEMS"},
                                                                 {"\x91", "FROZENSET"},
                                                                 {"\x92", "NEWOBJ_EX"},
                                                                 {"\x93", "STACK_GLOBAL"},
                                                                 {"\x94", "MEMOIZE"},
                                                                 {"\x95", "FRAME"},
                                                                 {"\x96", "BYTEARRAY8"},
                                                                 {"\x97", "NEXT_BUFFER"},
                                                                 {"\x98", "READONLY_BUFFER"}};
  for (const auto& [opcode, name] : opcodes) expect_refusal("(" + opcode, "opcode " + name + " ");
  expect_refusal("\x07", "0x07 is not an opcode");
  expect_refusal("\xff", "0xff is not an opcode");
}

TEST(Pickle, KnowsEveryByte) {
  for (unsigned code = 0; code < 256; ++code) {
    for (const char* before : {"", "(", "}", "(K\1K\2", "]]"}) {
      try {
        read_pickle(view("\x80\x02" + std::string(before) + little(code, 1)), "file");
      } catch (const Error& error) {
        EXPECT_EQ(error.category(), ErrorCategory::input);
      }
    }
  }
}

TEST(Pickle, RefusesEveryTruncation) {
  const std::string whole = pickle_bytes(pickle_dict(
      {{"a", pickle_tensor({.elements = 4, .shape = {4}, .stride = {1}})}, {"b", "G01234567"}}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refusal_of_bytes(whole.substr(0, size), "");
  }
  EXPECT_NO_THROW(read_pickle(view(whole), "file"));
  expect_refusal_of_bytes(whole + "N.", "bytes follow the end");
}

TEST(Pickle, RefusesOtherProtocols) {
  for (const int protocol : {0, 1, 4, 5, 255}) {
    expect_refusal_of_bytes("\x80" + little(static_cast<unsigned>(protocol), 1) + "N.",
                            "protocol " + std::to_string(protocol));
  }
  expect_refusal_of_bytes("N.", "does not begin");
}

TEST(Pickle, RefusesStackUnderflow) {
  for (const char* value : {"", "\x85", "K\1\x86", "K\1K\2\x87", "t", "e", "u", "a", "s", "R", "Q",
                            "b", "\x81", "}s", "]a", "}(u(", "(", "((t"}) {
    expect_refusal(value, "");
  }
  // A mark protects the values below it.
  expect_refusal("K\1(\x85t", "too few values");
  expect_refusal(std::string("K\1(q\0", 5), "too few values");
  expect_refusal("K\1K\2", "left over");
}

TEST(Pickle, RefusesWrongTargets) {
  expect_refusal("NK\1a", "None is extended as if it were a list");
  expect_refusal("](K\1K\2u", "a list is extended as if it were a dictionary");
  expect_refusal("}(K\1u", "has no value");
  expect_refusal("N)R", "None is called");
  expect_refusal(pickle_global("collections", "OrderedDict") + "NR", "expected a tuple");
  expect_refusal(pickle_global("collections", "OrderedDict") + "]\x85R", "with arguments");
  expect_refusal(pickle_global("torch", "Size") + ")R", "torch.Size");
  expect_refusal(pickle_global("torch", "FloatStorage") + ")R", "a storage type is called");
  expect_refusal(pickle_global("torch._utils", "_rebuild_parameter") + "N\x88}\x87R",
                 "_rebuild_parameter");
}

TEST(Pickle, RefusesLargeIntegers) {
  expect_refusal("\x8a\x09" + little(0, 9), "an integer of 9 bytes");
  expect_refusal("\x8a\xff" + repeat("\1", 255), "an integer of 255 bytes");
}

TEST(Pickle, RefusesTextThatIsNotUtf8) {
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf4\x90\x80\x80"}) {
    expect_refusal(pickle_text(text), "not UTF-8");
  }
  expect_refusal("X" + little(0xffffffff, 4) + "a", "ends within a value");
}

TEST(Pickle, RefusesMemoBombs) {
  expect_refusal("Nr" + little(0xffffffff, 4), "memo slot 4294967295");
  expect_refusal(std::string("Nq\1"), "memo slot 1 is set before slot 0");
  expect_refusal("h\3", "memo slot 3 was never set");
}

/// Ten references to ten references, and so on: 10^40 values if they were written out.
TEST(Pickle, SharesWhatAMemoRepeats) {
  std::string value = "(Nq" + little(0, 1);
  for (unsigned level = 1; level <= 40; ++level) {
    value += "(" + repeat("h" + little(level - 1, 1), 10) + "tq" + little(level, 1);
  }
  const Read read(value + "t");
  std::size_t items = 0;
  for (const auto& sequence : read.pickle.sequences) items += sequence.size();
  EXPECT_LT(items, 1000u);
}

TEST(Pickle, RefusesDepth) {
  EXPECT_NO_THROW(Read(")" + repeat("\x85", 99)));
  expect_refusal(")" + repeat("\x85", 200), "nested too deeply");
  expect_refusal(repeat("(", 200000), "nested too deeply");
  expect_refusal(repeat("]", 200) + repeat("a", 199), "nested too deeply");
  // A list that contains itself.
  expect_refusal(std::string("]q\0", 3) + repeat(std::string("h\0a", 3), 200), "nested too deeply");
}

TEST(Pickle, RefusesMalformedStorages) {
  const TorchTensorBytes good{.elements = 1};
  EXPECT_NO_THROW(Read(pickle_storage(good)));
  expect_refusal("NQ", "expected a tuple");
  expect_refusal(")Q", "does not describe a storage");
  expect_refusal(pickle_text("0") + "\x85Q", "does not describe a storage");
  expect_refusal(pickle_storage({.type = "Size", .elements = 1}), "does not describe a storage");
  expect_refusal(pickle_storage({.elements = -1}), "the size of a storage is -1");
  const std::string type = pickle_global("torch", "FloatStorage");
  const std::string text = pickle_text("0");
  const std::string word = pickle_text("storage");
  for (const auto& items :
       std::vector<std::vector<std::string>>{{pickle_text("module"), type, text, text, "K\1"},
                                             {"N", type, text, text, "K\1"},
                                             {word, text, text, text, "K\1"},
                                             {word, type, "K\1", text, "K\1"},
                                             {word, type, text, "N", "K\1"},
                                             {word, type, text, text, text},
                                             {word, type, text, text, "K\1", "N"}}) {
    expect_refusal(pickle_tuple(items) + "Q", "storage");
  }
}

TEST(Pickle, RefusesMalformedTensors) {
  const std::string rebuild = pickle_global("torch._utils", "_rebuild_tensor_v2");
  const std::string storage = pickle_storage({.elements = 4});
  const auto tensor = [&](const std::vector<std::string>& arguments) {
    return rebuild + pickle_tuple(arguments) + "R";
  };
  EXPECT_NO_THROW(Read(tensor({storage, "K\1", ")", ")", "\x89", "}"})));
  EXPECT_NO_THROW(Read(tensor({storage, "K\1", ")", ")", "\x89", "}", "N"})));
  EXPECT_NO_THROW(Read(tensor({storage, "K\1", ")", ")", "\x89", "}", "}"})));
  expect_refusal(tensor({storage, "K\1", ")", ")", "\x89"}), "five further arguments");
  expect_refusal(tensor({"N", "K\1", ")", ")", "\x89", "}"}), "five further arguments");
  expect_refusal(tensor({storage, "N", ")", ")", "\x89", "}"}), "offset of a tensor is None");
  expect_refusal(tensor({storage, "J\xff\xff\xff\xff", ")", ")", "\x89", "}"}), "is -1");
  expect_refusal(tensor({storage, "K\1", "]", ")", "\x89", "}"}), "shape of a tensor is a list");
  expect_refusal(tensor({storage, "K\1", "N\x85", ")", "\x89", "}"}), "shape of a tensor is None");
  expect_refusal(tensor({storage, "K\1", "K\1\x85", ")", "\x89", "}"}), "different lengths");
  expect_refusal(tensor({storage, "K\1", "K\1\x85", "J\xfe\xff\xff\xff\x85", "\x89", "}"}),
                 "stride of a tensor is -2");
  const std::string many = "(" + repeat("K\1", kMaxPickledRank + 1) + "t";
  expect_refusal(tensor({storage, "K\1", many, many, "\x89", "}"}), "33 dimensions");
  expect_refusal(tensor({storage, "K\1", ")", ")", "\x89", "}", pickle_dict({{"neg", "\x88"}})}),
                 "metadata");
}

}  // namespace
}  // namespace expo
