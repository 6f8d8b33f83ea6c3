#include <gtest/gtest.h>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/torch/checkpoint.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/torch_bytes.h"
#include "support/zip_bytes.h"

namespace expo {
namespace {

using Storages = std::vector<std::pair<std::string, std::string>>;

class Recorder final : public FileBytesObserver {
 public:
  void file_bytes(std::size_t file, std::uint64_t offset,
                  std::span<const std::byte> bytes) override {
    ranges.push_back({file, offset, bytes.size()});
  }
  std::vector<Extent> ranges;
};

class Torch : public ::testing::Test {
 protected:
  std::unique_ptr<Checkpoint> open(const std::string& bytes) {
    filesystem_.write_text("m.bin", bytes);
    WeightFiles weights;
    weights.files.emplace_back("m.bin");
    return open_torch(filesystem_, weights);
  }

  std::unique_ptr<Checkpoint> open(const std::string& value, const Storages& storages) {
    return open(torch_bytes(pickle_bytes(value), storages));
  }

  void expect_refusal(const std::string& bytes, const std::vector<std::string>& words) {
    try {
      open(bytes);
      ADD_FAILURE() << "accepted: " << words.front();
    } catch (const Error& error) {
      expect_message(error, "m.bin", words);
    }
  }

  void expect_refusal(const std::string& value, const Storages& storages,
                      const std::vector<std::string>& words) {
    expect_refusal(torch_bytes(pickle_bytes(value), storages), words);
  }

  static void expect_message(const Error& error, const std::string& where,
                             const std::vector<std::string>& words) {
    EXPECT_EQ(error.category(), ErrorCategory::input) << error.what();
    EXPECT_NE(std::string(error.what()).find(where), std::string::npos) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  }

  MemoryFilesystem filesystem_;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string values(const Checkpoint& checkpoint, const std::string& name) {
  ReadScratch scratch;
  const std::size_t index = checkpoint.find(name).value();
  return text_of(checkpoint.read(index, 0, checkpoint.tensors()[index].elements(), scratch));
}

/// Tensors of bytes, so that their values can be read in the text "abcdefgh".
TorchTensorBytes letters(std::int64_t offset, std::vector<std::int64_t> shape,
                         std::vector<std::int64_t> stride) {
  return {.type = "ByteStorage",
          .elements = 8,
          .offset = offset,
          .shape = std::move(shape),
          .stride = std::move(stride)};
}
const Storages kLetters{{"0", "abcdefgh"}};

TEST_F(Torch, ReadsViewsOfOneStorage) {
  const auto checkpoint = open(pickle_dict({{"whole", pickle_tensor(letters(0, {2, 4}, {4, 1}))},
                                            {"turned", pickle_tensor(letters(0, {4, 2}, {1, 4}))},
                                            {"cut", pickle_tensor(letters(1, {2, 2}, {4, 1}))},
                                            {"tail", pickle_tensor(letters(6, {2}, {1}))},
                                            {"same", pickle_tensor(letters(3, {3}, {0}))},
                                            {"scalar", pickle_tensor(letters(7, {}, {}))},
                                            {"empty", pickle_tensor(letters(9, {0, 2}, {2, 1}))}}),
                               kLetters);
  EXPECT_EQ(checkpoint->format(), "PyTorch");
  EXPECT_EQ(values(*checkpoint, "whole"), "abcdefgh");
  EXPECT_EQ(values(*checkpoint, "turned"), "aebfcgdh");
  EXPECT_EQ(values(*checkpoint, "cut"), "bcfg");
  EXPECT_EQ(values(*checkpoint, "tail"), "gh");
  EXPECT_EQ(values(*checkpoint, "same"), "ddd");
  EXPECT_EQ(values(*checkpoint, "scalar"), "h");
  EXPECT_EQ(values(*checkpoint, "empty"), "");
  for (const Tensor& tensor : checkpoint->tensors()) {
    const bool scattered = tensor.name == "turned" || tensor.name == "cut" || tensor.name == "same";
    EXPECT_EQ(tensor.extent.has_value(), !scattered) << tensor.name;
  }
}

TEST_F(Torch, SortsByOffset) {
  const auto checkpoint = open(pickle_dict({{"b", pickle_tensor(letters(4, {4}, {1}))},
                                            {"a", pickle_tensor(letters(0, {4}, {1}))}}),
                               kLetters);
  EXPECT_EQ(checkpoint->tensors()[0].name, "a");
  EXPECT_EQ(checkpoint->tensors()[1].name, "b");
}

TEST_F(Torch, ReadsPartsAndReportsTheBytes) {
  const std::string file = torch_bytes(
      pickle_bytes(pickle_dict({{"line", pickle_tensor(letters(2, {6}, {1}))},
                                {"turned", pickle_tensor(letters(0, {4, 2}, {1, 4}))}})),
      kLetters);
  const auto checkpoint = open(file);
  Recorder recorder;
  ReadScratch scratch;
  scratch.observer = &recorder;
  const std::size_t line = checkpoint->find("line").value();
  EXPECT_EQ(text_of(checkpoint->read(line, 1, 3, scratch)), "def");
  EXPECT_EQ(text_of(checkpoint->read(checkpoint->find("turned").value(), 3, 4, scratch)), "fcgd");
  ASSERT_GE(recorder.ranges.size(), 2u);
  EXPECT_EQ(recorder.ranges[0].offset, checkpoint->tensors()[line].extent->offset + 1);
  for (const Extent& range : recorder.ranges) {
    EXPECT_EQ(range.file, 0u);
    EXPECT_GE(range.offset, file.find("abcdefgh"));
    EXPECT_LE(range.offset + range.bytes, file.find("abcdefgh") + 8);
  }
}

TEST_F(Torch, TakesAnyOfTheWordsAroundAStateDict) {
  const std::string inner = pickle_dict({{"a", pickle_tensor(letters(0, {8}, {1}))}});
  for (const char* word : {"state_dict", "model", "module"}) {
    const auto checkpoint = open(pickle_dict({{"epoch", "K\3"}, {word, inner}}), kLetters);
    EXPECT_EQ(values(*checkpoint, "a"), "abcdefgh");
    ASSERT_EQ(checkpoint->warnings().size(), 1u);
    EXPECT_NE(checkpoint->warnings()[0].find("\"epoch\""), std::string::npos);
  }
  EXPECT_TRUE(open(pickle_dict({{"model", inner}}), kLetters)->warnings().empty());
  EXPECT_TRUE(open("}", {})->tensors().empty());
}

TEST_F(Torch, RefusesWhatIsNotOneStateDict) {
  const std::string tensor = pickle_tensor(letters(0, {8}, {1}));
  const std::string inner = pickle_dict({{"a", tensor}});
  expect_refusal(pickle_dict({{"model", inner}, {"module", inner}}), kLetters,
                 {"\"model\" and \"module\""});
  expect_refusal(pickle_dict({{"weights", inner}}), kLetters,
                 {"no tensors by name", "\"weights\""});
  expect_refusal(pickle_dict({{"model", pickle_dict({{"sub", inner}})}}), kLetters, {"\"model\""});
  expect_refusal(pickle_dict({{"a", tensor}, {"sub", inner}}), kLetters,
                 {"\"sub\" is a dictionary"});
  expect_refusal(pickle_dict({{"a", tensor}, {"step", "K\5"}}), kLetters,
                 {"\"step\" is an integer"});
  expect_refusal(tensor, kLetters, {"holds a tensor; expected a state_dict"});
  expect_refusal("]" + inner + "a", kLetters, {"holds a list"});
  expect_refusal(pickle_dict({{"a", tensor}, {"a", tensor}}), kLetters, {"\"a\" occurs twice"});
  expect_refusal(pickle_dict({{"", tensor}}), kLetters, {"empty"});
  expect_refusal(pickle_dict({{std::string("a\0b", 3), tensor}}), kLetters, {"NUL"});
  expect_refusal("}K\1" + tensor + "s", kLetters, {"the name of a tensor is an integer"});
}

TEST_F(Torch, HoldsStoragesAgainstTheArchive) {
  const std::string value = pickle_dict({{"a.weight", pickle_tensor(letters(0, {8}, {1}))}});
  expect_refusal(value, {}, {"\"a.weight\"", "is not in the archive"});
  expect_refusal(value, {{"0", "abcdefg"}}, {"\"a.weight\"", "8 elements of uint8 has 7 bytes"});
  expect_refusal(value, {{"0", "abcdefghi"}}, {"\"a.weight\"", "has 9 bytes"});
  TorchTensorBytes large = letters(0, {8}, {1});
  large.type = "LongStorage";
  large.elements = INT64_MAX;
  expect_refusal(pickle_dict({{"x", pickle_tensor(large)}}), kLetters, {"\"x\"", "has 8 bytes"});
  large.elements = (INT64_MAX >> 2) + 2;  // times 8 it wraps around to 8 in 64 bits
  expect_refusal(pickle_dict({{"x", pickle_tensor(large)}}), kLetters, {"\"x\"", "has 8 bytes"});
}

TEST_F(Torch, HoldsShapesAgainstStorages) {
  const auto expect = [&](const TorchTensorBytes& tensor, const std::string& words) {
    expect_refusal(pickle_dict({{"x", pickle_tensor(tensor)}}), kLetters, {"\"x\"", words});
  };
  expect(letters(1, {8}, {1}), "leave its storage");
  expect(letters(8, {}, {}), "leave its storage");
  expect(letters(0, {9}, {1}), "leave its storage");
  expect(letters(0, {2, 4}, {5, 1}), "leave its storage");
  expect(letters(INT64_MAX, {8}, {1}), "leave its storage");
  expect(letters(0, {8}, {INT64_MAX}), "leave its storage");
  expect(letters(0, {3}, {INT64_MAX}), "leave its storage");
  expect(letters(0, {2, 2, 2}, {INT64_MAX, INT64_MAX, 2}), "leave its storage");
  expect(letters(0, {INT64_MAX, 4}, {0, 0}), "no size");
  expect(letters(0, {0, INT64_MAX, INT64_MAX}, {0, 0, 0}), "no size");
  expect(letters(0, {INT64_MAX, INT64_MAX, 0}, {0, 0, 0}), "no size");
}

TEST_F(Torch, RefusesMoreElementsThanTheStorageHolds) {
  const auto expect = [&](const TorchTensorBytes& tensor) {
    expect_refusal(pickle_dict({{"x", pickle_tensor(tensor)}}), kLetters,
                   {"\"x\"", "the 8 elements of its storage", "tensor.contiguous()"});
  };
  expect(letters(0, {std::int64_t{1} << 58}, {0}));
  expect(letters(0, {std::int64_t{1} << 40, 4}, {0, 1}));
  expect(letters(0, {9}, {0}));
  expect(letters(0, {3, 4}, {2, 1}));  // windows that overlap
  EXPECT_EQ(
      values(*open(pickle_dict({{"x", pickle_tensor(letters(0, {2, 4}, {2, 1}))}}), kLetters), "x"),
      "abcdcdef");
  EXPECT_EQ(values(*open(pickle_dict({{"x", pickle_tensor(letters(7, {8}, {0}))}}), kLetters), "x"),
            "hhhhhhhh");
}

TEST_F(Torch, RefusesBigEndianFiles) {
  const std::string pickle = pickle_bytes("}");
  expect_refusal(torch_bytes(pickle, {}, "big"), {"\"big\"", "little-endian"});
  expect_refusal(torch_bytes(pickle, {}, "middle"), {"byteorder"});
  expect_refusal(torch_bytes(pickle, {}, "littles"), {"byteorder"});
  EXPECT_NO_THROW(open(torch_bytes(pickle, {}, "")));
}

TEST_F(Torch, SaysWhatOtherFilesAre) {
  expect_refusal("", {"empty"});
  expect_refusal("hello", {"not a file of torch.save"});
  expect_refusal("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
                 {"before PyTorch 1.6", "torch.save(torch.load("});
  expect_refusal("x/" + std::string(255, '\0') + "ustar\0" + std::string(250, '\0'),
                 {"tar archive", "torch.save(torch.load("});
  expect_refusal(little(2, 8) + "{}", {"rename", ".safetensors"});
  expect_refusal("GGUF" + little(3, 4), {".gguf"});
  expect_refusal("version https://git-lfs.github.com/spec/v1\n", {"Git LFS pointer"});
  expect_refusal(zip_bytes({{.name = "weights.npy", .data = "x"}}), {"no PyTorch checkpoint"});
  expect_refusal(
      zip_bytes({{.name = "a/data.pkl", .data = "x"}, {.name = "b/data.pkl", .data = "x"}}),
      {"two files named data.pkl"});
  expect_refusal(
      zip_bytes({{.name = "a/data.pkl", .data = "x"}, {.name = "a/constants.pkl", .data = "x"}}),
      {"TorchScript"});
}

TEST_F(Torch, RefusesAPickleBeyondItsLimit) {
  expect_refusal(torch_bytes(std::string((32 << 20) + 1, '\0'), {}), {"33554433 bytes"});
}

TEST_F(Torch, NamesTheTensorWhenTheFileWasCutShortMeanwhile) {
  const auto checkpoint = open(pickle_dict({{"x", pickle_tensor(letters(0, {8}, {1}))},
                                            {"t", pickle_tensor(letters(0, {4, 2}, {1, 4}))}}),
                               kLetters);
  filesystem_.write_text("m.bin", "short");
  for (const std::string name : {"x", "t"}) {
    try {
      ReadScratch scratch;
      checkpoint->read(checkpoint->find(name).value(), 0, 8, scratch);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      expect_message(error, "m.bin", {"\"" + name + "\""});
    }
  }
}

class ShardedTorch : public Torch {
 protected:
  void SetUp() override {
    write("s1.bin", {{"a", pickle_tensor(letters(0, {8}, {1}))},
                     {"tied", pickle_tensor(letters(0, {8}, {1}))}});
    write("s2.bin", {{"b", pickle_tensor(letters(0, {4, 2}, {1, 4}))}});
  }

  void write(const std::string& name,
             const std::vector<std::pair<std::string, std::string>>& tensors) {
    filesystem_.write_text(name, torch_bytes(pickle_bytes(pickle_dict(tensors)), kLetters));
  }

  std::unique_ptr<Checkpoint> open_index(const std::string& map, const std::string& size = "24") {
    filesystem_.write_text("pytorch_model.bin.index.json", "{\"metadata\":{\"total_size\":" + size +
                                                               "},\"weight_map\":" + map + "}");
    return open_torch(filesystem_, read_weight_index(filesystem_, "pytorch_model.bin.index.json"));
  }

  void expect_refusal_of_index(const std::string& map, const std::string& size,
                               const std::vector<std::string>& words) {
    try {
      open_index(map, size);
      ADD_FAILURE() << "accepted: " << words.front();
    } catch (const Error& error) {
      expect_message(error, "pytorch_model.bin.index.json", words);
    }
  }
};

const char* const kMap = R"({"a":"s1.bin","b":"s2.bin","tied":"s1.bin"})";

TEST_F(ShardedTorch, ReadsShardsInTheirOrder) {
  // Tied tensors may be counted once or twice.
  for (const char* size : {"16", "24"}) {
    const auto checkpoint = open_index(kMap, size);
    ASSERT_EQ(checkpoint->tensors().size(), 3u);
    EXPECT_EQ(checkpoint->tensors()[2].name, "b");
    EXPECT_EQ(values(*checkpoint, "tied"), "abcdefgh");
    EXPECT_EQ(values(*checkpoint, "b"), "aebfcgdh");
    EXPECT_EQ(checkpoint->files().size(), 2u);
  }
}

TEST_F(ShardedTorch, HoldsTheIndexAgainstTheShards) {
  expect_refusal_of_index(R"({"a":"s1.bin","b":"s2.bin"})", "24", {"\"tied\"", "missing from the"});
  expect_refusal_of_index(R"({"a":"s1.bin","b":"s2.bin","tied":"s2.bin"})", "24",
                          {"\"tied\" is in s2.bin"});
  expect_refusal_of_index(R"({"a":"s1.bin","b":"s2.bin","c":"s2.bin","tied":"s1.bin"})", "24",
                          {"\"c\" is in s2.bin"});
  expect_refusal_of_index(kMap, "15", {"total_size is 15"});
  expect_refusal_of_index(kMap, "25", {"total_size is 25"});
}

TEST_F(ShardedTorch, TakesTheCopyOfTheIndexsShardWhicheverComesFirst) {
  for (const std::string stale_in : {"s1.bin", "s2.bin"}) {
    const std::string used = stale_in == "s1.bin" ? "s2.bin" : "s1.bin";
    // A stale copy that is strided, and one that is not.
    write(stale_in, {{"a", pickle_tensor(letters(0, {4, 2}, {1, 4}))},
                     {"b", pickle_tensor(letters(0, {8}, {1}))},
                     {"c", pickle_tensor(letters(1, {1}, {1}))}});
    write(used,
          {{"a", pickle_tensor(letters(4, {4}, {1}))}, {"b", pickle_tensor(letters(2, {2}, {1}))}});
    const std::string map =
        R"({"a":")" + used + R"(","b":")" + used + R"(","c":")" + stale_in + R"("})";
    for (const char* size : {"7", "23"}) {  // without and with the stale 16 bytes
      const auto checkpoint = open_index(map, size);
      ASSERT_EQ(checkpoint->tensors().size(), 3u);
      EXPECT_EQ(values(*checkpoint, "a"), "efgh");
      EXPECT_EQ(values(*checkpoint, "b"), "cd");
      EXPECT_EQ(values(*checkpoint, "c"), "b");
      ASSERT_EQ(checkpoint->warnings().size(), 2u);
      EXPECT_NE(checkpoint->warnings()[0].find("is also in " + stale_in), std::string::npos);
      EXPECT_NE(checkpoint->warnings()[0].find("the one in " + used), std::string::npos);
    }
    expect_refusal_of_index(map, "8", {"total_size is 8"});
    expect_refusal_of_index(map, "24", {"total_size is 24"});
  }
}

TEST_F(ShardedTorch, RefusesATensorInTwoFilesWithoutAnIndex) {
  write("s2.bin", {{"a", pickle_tensor(letters(0, {8}, {1}))}});
  WeightFiles weights;
  weights.files = {"s1.bin", "s2.bin"};
  try {
    open_torch(filesystem_, weights);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    expect_message(error, "s1.bin", {"\"a\" occurs twice, in s1.bin and in s2.bin"});
  }
}

}  // namespace
}  // namespace expo
