#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "expo/checkpoint/gguf/checkpoint.h"
#include "expo/core/error.h"
#include "support/gguf_bytes.h"
#include "support/temporary_folder.h"

namespace expo {
namespace {

std::vector<float> floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Checks that the reported bytes are those of the file.
class CheckingObserver final : public FileBytesObserver {
 public:
  explicit CheckingObserver(const std::string& file) : file_(file) {}
  void file_bytes(std::size_t file, std::uint64_t offset,
                  std::span<const std::byte> bytes) override {
    EXPECT_EQ(file, 0U);
    ASSERT_LE(offset + bytes.size(), file_.size());
    EXPECT_EQ(std::memcmp(file_.data() + offset, bytes.data(), bytes.size()), 0);
    ranges.emplace_back(offset, bytes.size());
  }
  std::vector<std::pair<std::uint64_t, std::size_t>> ranges;

 private:
  const std::string& file_;
};

class GgufCheckpointTest : public ::testing::Test {
 protected:
  std::unique_ptr<Checkpoint> open(const std::string& bytes,
                                   GgufNames names = GgufNames::hugging_face) {
    return open_gguf(posix_filesystem(), folder_.write("m.gguf", bytes), names);
  }

  void expect_refused(const GgufBytes& file, const std::vector<std::string>& expected,
                      GgufNames names = GgufNames::hugging_face) {
    try {
      open(file.bytes(), names);
      FAIL() << "accepted; expected: " << expected.front();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      const std::string message = error.what();
      EXPECT_NE(message.find("m.gguf"), std::string::npos) << message;
      for (const std::string& part : expected)
        EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }

  TemporaryFolder folder_;
};

std::vector<float> read_all(const Checkpoint& checkpoint, std::string_view name) {
  ReadScratch scratch;
  const std::size_t index = *checkpoint.find(name);
  return floats(checkpoint.read(index, 0, checkpoint.tensors()[index].elements(), scratch));
}

/// A file with one metadata value replaced.
GgufBytes with(GgufBytes file, std::string_view key, std::uint32_t value) {
  return file.u32(key, value);
}

TEST_F(GgufCheckpointTest, NamesAreHuggingFacesOrTheFilesOwn) {
  const std::string bytes = small_llama(2).bytes();
  const auto hf = open(bytes);
  EXPECT_TRUE(hf->find("model.embed_tokens.weight"));
  EXPECT_TRUE(hf->find("model.layers.1.self_attn.o_proj.weight"));
  EXPECT_TRUE(hf->find("model.norm.weight"));
  EXPECT_EQ(hf->tensors().size(), 20U);
  EXPECT_EQ(hf->config()["model_type"], "llama");
  EXPECT_EQ(hf->config()["tie_word_embeddings"], true);
  EXPECT_TRUE(hf->quantised_formats().empty());
  const auto native = open(bytes, GgufNames::native);
  EXPECT_TRUE(native->find("blk.1.attn_output.weight"));
  EXPECT_TRUE(native->config().is_null());
  EXPECT_TRUE(native->sidecars().empty());
  EXPECT_EQ(native->format(), "GGUF");
}

TEST_F(GgufCheckpointTest, RotaryHalvesAreTakenApartForAnyRange) {
  const std::string bytes = small_llama().bytes();
  const auto native = open(bytes, GgufNames::native);
  const auto hf = open(bytes);
  for (const auto& [gguf_name, name, heads] :
       {std::tuple{"blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", 2},
        std::tuple{"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", 1}}) {
    const std::vector<float> stored = read_all(*native, gguf_name);
    // Each head has 4 rows of 8 values; the file stores them in the order 0, 2, 1, 3.
    std::vector<float> expected;
    for (int head = 0; head < heads; ++head) {
      for (const int row : {0, 2, 1, 3}) {
        const auto begin = stored.begin() + (head * 4 + row) * 8;
        expected.insert(expected.end(), begin, begin + 8);
      }
    }
    const std::size_t index = *hf->find(name);
    ASSERT_TRUE(hf->tensors()[index].extent);
    ReadScratch scratch;
    CheckingObserver observer(bytes);
    scratch.observer = &observer;
    for (std::size_t first = 0; first < expected.size(); ++first) {
      for (std::size_t count = 0; count <= expected.size() - first; ++count) {
        observer.ranges.clear();
        const auto got = floats(hf->read(index, first, count, scratch));
        ASSERT_EQ(got, std::vector<float>(expected.begin() + static_cast<int>(first),
                                          expected.begin() + static_cast<int>(first + count)))
            << first << " " << count;
        if (count == 0) continue;
        // A pass through the file reports the same range of the file first.
        EXPECT_EQ(observer.ranges.front().first,
                  hf->tensors()[index].extent->offset + first * sizeof(float));
        EXPECT_EQ(observer.ranges.front().second, count * sizeof(float));
      }
    }
  }
}

TEST_F(GgufCheckpointTest, QuantisedRowsAreTakenApartToo) {
  GgufBytes file;
  file.text("general.architecture", "llama")
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", 32)
      .u32("llama.feed_forward_length", 32)
      .u32("llama.attention.head_count", 2)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  std::mt19937 random(11);
  const auto blocks = [&](std::size_t count) {
    std::string bytes(count * 34, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() & 0x3BU);
    return bytes;
  };
  const std::string norm = float_bytes(std::vector<float>(32, 1));
  file.tensor("token_embd.weight", {32, 3}, 8, blocks(3));
  for (const char* part : {"attn_norm", "ffn_norm"})
    file.tensor(std::string("blk.0.") + part + ".weight", {32}, 0, norm);
  for (const char* part :
       {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
    file.tensor(std::string("blk.0.") + part + ".weight", {32, 32}, 8, blocks(32));
  file.tensor("output_norm.weight", {32}, 0, norm);
  const std::string bytes = file.bytes();
  const auto native = open(bytes, GgufNames::native);
  const auto hf = open(bytes);
  EXPECT_EQ(hf->quantised_formats(), std::vector<std::string>{"Q8_0"});
  const std::vector<float> stored = read_all(*native, "blk.0.attn_q.weight");
  const std::size_t index = *hf->find("model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(hf->tensors()[index].dtype, DType::f32);
  EXPECT_EQ(hf->tensors()[index].stored, "Q8_0");
  std::vector<float> expected;
  for (int head = 0; head < 2; ++head) {
    for (int row = 0; row < 16; ++row) {
      const auto begin = stored.begin() + (head * 16 + (row % 8) * 2 + row / 8) * 32;
      expected.insert(expected.end(), begin, begin + 32);
    }
  }
  ReadScratch scratch;
  CheckingObserver observer(bytes);
  scratch.observer = &observer;
  for (std::size_t first = 0; first < expected.size(); first += 13) {
    for (std::size_t count = 1; count <= expected.size() - first; count += 17) {
      ASSERT_EQ(floats(hf->read(index, first, count, scratch)),
                std::vector<float>(expected.begin() + static_cast<int>(first),
                                   expected.begin() + static_cast<int>(first + count)));
    }
  }
}

TEST_F(GgufCheckpointTest, IntegersAndDoublesAreDeliveredAsStored) {
  GgufBytes file;
  file.tensor("i8", {3}, 24, "abc")
      .tensor("i64", {1}, 27, "12345678")
      .tensor("f64", {1}, 28, "87654321");
  const auto checkpoint = open(file.bytes(), GgufNames::native);
  ReadScratch scratch;
  const auto text = [&](std::size_t index, std::uint64_t first, std::uint64_t count) {
    const auto bytes = checkpoint->read(index, first, count, scratch);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  EXPECT_EQ(checkpoint->tensors()[0].dtype, DType::i8);
  EXPECT_EQ(text(0, 1, 2), "bc");
  EXPECT_EQ(text(1, 0, 1), "12345678");
  EXPECT_EQ(text(2, 0, 1), "87654321");
  EXPECT_EQ(checkpoint->tensors()[2].nominal, DType::f64);
}

TEST_F(GgufCheckpointTest, AFileThatShrinksWhileOpenIsAnErrorThatNamesTheTensor) {
  const std::string bytes = small_llama().bytes();
  const auto checkpoint = open(bytes);
  std::filesystem::resize_file(folder_ / "m.gguf", bytes.size() - 100);
  ReadScratch scratch;
  const std::size_t last = *checkpoint->find("model.norm.weight");
  try {
    checkpoint->read(last, 0, 8, scratch);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_NE(std::string(error.what()).find("model.norm.weight"), std::string::npos);
  }
}

TEST_F(GgufCheckpointTest, BytesBehindTheLastTensorAreReported) {
  EXPECT_TRUE(
      open(GgufBytes().tensor("a", {1}, 0, "abcd").bytes(), GgufNames::native)->warnings().empty());
  const auto checkpoint =
      open(GgufBytes().tensor("a", {1}, 0, "abcd").bytes() + "more", GgufNames::native);
  ASSERT_EQ(checkpoint->warnings().size(), 1U);
  EXPECT_NE(checkpoint->warnings()[0].find("4 bytes"), std::string::npos);
}

// Files that cannot be expressed

TEST_F(GgufCheckpointTest, SplitFilesAreRefused) {
  GgufBytes part = small_llama();
  part.pair("split.count", GgufType::u16, GgufBytes::number(std::uint16_t{3}));
  expect_refused(part, {"one of 3 parts", "llama-gguf-split --merge"});
  expect_refused(part, {"one of 3 parts"}, GgufNames::native);
  GgufBytes whole = small_llama();
  whole.pair("split.count", GgufType::u16, GgufBytes::number(std::uint16_t{1}));
  EXPECT_EQ(open(whole.bytes())->tensors().size(), 11U);
}

TEST_F(GgufCheckpointTest, UnknownArchitecturesAreRefusedUnderHuggingFaceNamesOnly) {
  GgufBytes file;
  file.text("general.architecture", "mamba").tensor("x", {1}, 0, "abcd");
  expect_refused(file, {"\"mamba\"", "llama, smollm3, qwen2", "GGUF output"});
  EXPECT_EQ(open(file.bytes(), GgufNames::native)->tensors().size(), 1U);
  expect_refused(GgufBytes().tensor("x", {1}, 0, "abcd"), {"general.architecture\" is missing"});
}

TEST_F(GgufCheckpointTest, TensorsWithoutAPlaceAndMissingOnesAreRefusedByName) {
  for (const char* name :
       {"blk.0.ffn_gate_exps.weight", "blk.1.attn_q.weight", "blk.00.attn_q.weight",
        "blk.0.attn_q.scale", "blk.0.attn_norm.bias", "mystery", "blk..weight",
        "blk.99999999999999999999.attn_q.weight", "blk.0", "v.blk.0.attn_q.weight"})
    expect_refused(small_llama().tensor(name, {1}, 0, "abcd"), {name, "has no place"});
  GgufBytes file;
  file.text("general.architecture", "llama")
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", 8)
      .u32("llama.feed_forward_length", 16)
      .u32("llama.attention.head_count", 2)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .tensor("token_embd.weight", {8, 2}, 0, std::string(64, 'x'))
      .tensor("output_norm.weight", {8}, 0, std::string(32, 'x'));
  expect_refused(file, {"blk.0.attn_q.weight", "is missing"});
}

TEST_F(GgufCheckpointTest, MetadataThatCannotBeIsRefusedByKey) {
  GgufBytes vocabulary;
  vocabulary.text("general.architecture", "llama");
  expect_refused(vocabulary, {"llama.block_count", "missing"});
  expect_refused(with(small_llama(), "llama.rope.dimension_count", 2), {"2 of the 4 values"});
  expect_refused(with(small_llama(), "llama.attention.key_length", 6), {"attn_q", "2 heads of 6"});
  expect_refused(with(small_llama(), "llama.attention.key_length", 0), {"key_length", "is 0"});
  expect_refused(small_llama().text("llama.rope.freq_base", "big"), {"rope.freq_base"});
  expect_refused(
      small_llama().text("llama.rope.scaling.type", "longrope").f32("llama.rope.scaling.factor", 4),
      {"longrope"});
  expect_refused(
      small_llama().text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4),
      {"original_context_length"});
  GgufBytes layers;
  layers.text("general.architecture", "llama")
      .u32("llama.block_count", 2'000'000'000)
      .u32("llama.embedding_length", 8)
      .u32("llama.feed_forward_length", 16)
      .u32("llama.attention.head_count", 2)
      .tensor("token_embd.weight", {8, 2}, 0, std::string(64, 'x'));
  expect_refused(layers, {"2000000000 layers"});
}

TEST_F(GgufCheckpointTest, BiasesThatTheModelCannotHaveAreRefused) {
  const std::string eight(32, 'x');
  const std::string four(16, 'x');
  expect_refused(small_llama().tensor("blk.0.attn_q.bias", {8}, 0, eight), {"bias"});
  GgufBytes query_key_value = small_llama();
  query_key_value.tensor("blk.0.attn_q.bias", {8}, 0, eight)
      .tensor("blk.0.attn_k.bias", {4}, 0, four)
      .tensor("blk.0.attn_v.bias", {4}, 0, four);
  expect_refused(query_key_value, {"the attention of LlamaForCausalLM"});
  query_key_value.tensor("blk.0.attn_output.bias", {8}, 0, eight);
  EXPECT_EQ(open(query_key_value.bytes())->config()["attention_bias"], true);
}

TEST_F(GgufCheckpointTest, RotaryFactorsThatAreNotLlama3sAreRefused) {
  const auto factors = [](const std::vector<float>& values) {
    return small_llama().tensor("rope_freqs.weight", {values.size()}, 0, float_bytes(values));
  };
  EXPECT_TRUE(open(factors({1, 1}).bytes())->config()["rope_scaling"].is_null());
  expect_refused(factors({1, 7}), {"rope_freqs.weight"});
  expect_refused(factors({1, std::nanf("")}), {"rope_freqs.weight"});
  expect_refused(small_llama().tensor("rope_freqs.weight", {1}, 1, "ab"), {"rope_freqs.weight"});
}

// Tokenizers

std::map<std::string, std::string> sidecars(const Checkpoint& checkpoint) {
  std::map<std::string, std::string> result;
  for (const Sidecar& sidecar : checkpoint.sidecars())
    result[sidecar.name] = std::get<std::string>(sidecar.content);
  return result;
}

GgufBytes with_vocabulary(std::string_view model = "gpt2") {
  GgufBytes file = small_llama();
  file.text("tokenizer.ggml.model", model).text("tokenizer.ggml.pre", "gpt-2");
  return file;
}

TEST_F(GgufCheckpointTest, ControlTokensAreSpecialAndPaddingRowsAreLeftOut) {
  GgufBytes file = with_vocabulary();
  file.texts("tokenizer.ggml.tokens", {"a", "b", "<|x|>", "<tool>", "[PAD4]"})
      .integers("tokenizer.ggml.token_type", {1, 1, 3, 4, 5})
      .texts("tokenizer.ggml.merges", {})
      .u32("tokenizer.ggml.eos_token_id", 2)
      .u32("tokenizer.ggml.eot_token_id", 3)
      .text("tokenizer.chat_template", "{{ x }}")
      .text("tokenizer.chat_template.tool_use", "{{ y }}")
      .text("tokenizer.chat_template.../../evil", "{{ z }}");
  const auto checkpoint = open(file.bytes());
  const auto files = sidecars(*checkpoint);
  const Json tokenizer = Json::parse(files.at("tokenizer.json"));
  EXPECT_EQ(tokenizer["model"]["vocab"],
            Json::parse(R"({"a": 0, "b": 1, "<|x|>": 2, "<tool>": 3})"));
  ASSERT_EQ(tokenizer["added_tokens"].size(), 2U);
  EXPECT_EQ(tokenizer["added_tokens"][0]["content"], "<|x|>");
  EXPECT_EQ(tokenizer["added_tokens"][0]["special"], true);
  EXPECT_EQ(tokenizer["added_tokens"][1]["special"], false);
  EXPECT_EQ(Json::parse(files.at("tokenizer_config.json"))["eos_token"], "<|x|>");
  EXPECT_EQ(Json::parse(files.at("generation_config.json"))["eos_token_id"], Json::parse("[2, 3]"));
  EXPECT_EQ(checkpoint->config()["eos_token_id"], 2);
  EXPECT_EQ(files.at("chat_template.jinja"), "{{ x }}");
  EXPECT_EQ(files.at("additional_chat_templates/tool_use.jinja"), "{{ y }}");
  EXPECT_EQ(files.size(), 6U);
  EXPECT_EQ(checkpoint->warnings().size(), 1U);
}

TEST_F(GgufCheckpointTest, TokenizersThatAreNotKnownAreAWarning) {
  const auto warning_of = [&](const GgufBytes& file) {
    const auto checkpoint = open(file.bytes());
    EXPECT_FALSE(sidecars(*checkpoint).contains("tokenizer.json"));
    EXPECT_TRUE(sidecars(*checkpoint).contains("config.json"));
    EXPECT_EQ(checkpoint->warnings().size(), 1U);
    return checkpoint->warnings().at(0);
  };
  const std::vector<std::string> tokens = {"a", "b"};
  GgufBytes wordpiece = with_vocabulary("bert");
  wordpiece.texts("tokenizer.ggml.tokens", tokens);
  EXPECT_NE(warning_of(wordpiece).find("\"bert\""), std::string::npos);
  GgufBytes strange = small_llama();
  strange.text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", "strange")
      .texts("tokenizer.ggml.tokens", tokens);
  EXPECT_NE(warning_of(strange).find("\"strange\""), std::string::npos);
  EXPECT_NE(warning_of(small_llama()).find("no tokenizer"), std::string::npos);
}

TEST_F(GgufCheckpointTest, RunsOfSpacesAreSpelledAsSentencePieceDoes) {
  const std::string mark = "\xE2\x96\x81";
  const std::vector<std::string> tokens = {
      "<unk>", "<s>", "</s>", " ", "  ", mark + mark, std::string(1'000'000, ' '), " a"};
  GgufBytes file = with_vocabulary("llama");
  file.texts("tokenizer.ggml.tokens", tokens)
      .reals("tokenizer.ggml.scores", std::vector<float>(tokens.size(), 0));
  const auto checkpoint = open(file.bytes());
  const Json vocab = Json::parse(sidecars(*checkpoint).at("tokenizer.json"))["model"]["vocab"];
  std::string longest;
  for (int i = 0; i < 1'000'000; ++i) longest += mark;
  EXPECT_EQ(vocab[mark], 3);
  EXPECT_EQ(vocab["  "], 4);  // its own spelling is used
  EXPECT_EQ(vocab[mark + mark], 5);
  EXPECT_EQ(vocab[longest], 6);
  EXPECT_EQ(vocab[" a"], 7);
}

TEST_F(GgufCheckpointTest, TokensBeyondAMegabyteAreRefused) {
  expect_refused(
      with_vocabulary("llama").texts("tokenizer.ggml.tokens", {"a", std::string(1'000'001, ' ')}),
      {"token 1 has 1000001 bytes"});
}

TEST_F(GgufCheckpointTest, MalformedVocabulariesAreRefused) {
  const std::string tokens = "tokenizer.ggml.tokens";
  const std::vector<std::string> two = {"a", "b"};
  expect_refused(with_vocabulary(), {tokens, "missing"});
  expect_refused(with_vocabulary().texts(tokens, {}), {tokens});
  expect_refused(with_vocabulary().u32(tokens, 1), {tokens, "not an array"});
  expect_refused(with_vocabulary().texts(tokens, {"a", "a"}), {"\"a\" occurs twice"});
  expect_refused(with_vocabulary().texts(tokens, {"a", "\xFF"}), {"token 1 is not UTF-8"});
  expect_refused(with_vocabulary().texts(tokens, two).integers("tokenizer.ggml.token_type", {1}),
                 {"token_type", "1 entries for 2 tokens"});
  expect_refused(with_vocabulary().texts(tokens, two).reals("tokenizer.ggml.scores", {0, 1, 2}),
                 {"scores", "3 entries for 2 tokens"});
  for (const char* merge : {"ab", "", " ", "a ", "a c", "a b"})
    expect_refused(with_vocabulary().texts(tokens, two).texts("tokenizer.ggml.merges", {merge}),
                   {"the merge 0"});
  expect_refused(with_vocabulary().texts(tokens, two).u32("tokenizer.ggml.eos_token_id", 2),
                 {"eos_token_id", "2 tokens"});
  expect_refused(with_vocabulary("llama").texts(tokens, two), {"tokenizer.ggml.scores", "missing"});
  expect_refused(with_vocabulary().texts(tokens, two).text("tokenizer.chat_template", "\xFF"),
                 {"chat_template", "not UTF-8"});
  expect_refused(with_vocabulary("\xFF").texts(tokens, two), {"tokenizer.ggml.model"});
}

}  // namespace
}  // namespace expo
