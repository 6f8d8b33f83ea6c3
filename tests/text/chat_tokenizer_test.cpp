#include "expo/text/chat_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "support/refusal.h"

namespace expo {
namespace {

const std::filesystem::path kGoldens =
    std::filesystem::path(EXPO_SOURCE_DIR) / "tests/text/goldens";
const Chat kHello{Json::array({{{"role", "user"}, {"content", "plain words"}}})};

/// A model's folder with the SentencePiece tokenizer, which begins every text with <s>, and further
/// files.
struct Folder {
  std::vector<TextFile> files;

  Folder() {
    add("tokenizer.json", posix_filesystem().read_text(kGoldens / "sentence_piece.tokenizer.json"));
  }
  Folder& add(const std::string& name, const std::string& text) {
    files.push_back({name, [=] { return text; }});
    return *this;
  }
  Folder& config(const Json& json) { return add("tokenizer_config.json", json.dump()); }
  ChatTokenizer open() const { return ChatTokenizer::from_files(files, "model"); }
};

const Json kTokens = {{"bos_token", "<s>"},
                      {"eos_token", {{"content", "</s>"}, {"lstrip", false}}}};

Json with_template(const Json& chat_template) {
  Json config = kTokens;
  config["chat_template"] = chat_template;
  return config;
}

TEST(ChatTokenizer, ReadsSpecialTokensInEitherForm) {
  const auto model =
      Folder()
          .config(kTokens)
          .add("special_tokens_map.json", R"({"pad_token": "<unk>", "bos_token": "</s>"})")
          .open();
  EXPECT_EQ(model.special_tokens().at("bos_token"), "<s>") << "tokenizer_config.json comes first";
  EXPECT_EQ(model.special_id("eos_token"), 2u);
  EXPECT_EQ(model.special_id("pad_token"), 0u);
  EXPECT_EQ(model.special_id("mask_token"), std::nullopt);
}

TEST(ChatTokenizer, RendersWithItsSpecialTokens) {
  const auto model =
      Folder()
          .config(with_template("{{ bos_token }}[{{ messages[0].content }}]{{ eos_token }}"
                                "{% if add_generation_prompt %}>{% endif %}{{ extra }}"))
          .open();
  ChatOptions options;
  EXPECT_EQ(model.render(kHello, options), "<s>[plain words]</s>>");
  options.add_generation_prompt = false;
  options.variables = {{"extra", "!"}};
  EXPECT_EQ(model.render(kHello, options), "<s>[plain words]</s>!");
}

// A template that writes BOS, one that does not, and text without a template must each have one
// BOS.
TEST(ChatTokenizer, BeginsWithOneBos) {
  const auto plain = Folder().open().tokenizer().encode("plain words", SpecialTokens::keep_out);
  std::vector<TokenId> expected{1};
  expected.insert(expected.end(), plain.begin(), plain.end());
  const auto without = Folder().config(with_template("{{ messages[0].content }}")).open();
  EXPECT_EQ(without.encode(kHello, {}), expected);
  EXPECT_EQ(without.encode_text("plain words"), expected);
  const auto with =
      Folder().config(with_template("{{ bos_token }}{{ messages[0].content }}")).open();
  const auto ids = with.encode(kHello, {});
  EXPECT_EQ(ids.front(), 1u);
  EXPECT_EQ(std::ranges::count(ids, 1u), 1);
  const auto again = with.encode_text("<s>plain words");
  EXPECT_EQ(again, ids);
}

TEST(ChatTokenizer, AddsNoBosWhereTheTokenizerDoesNot) {
  Folder folder;
  folder.files.clear();
  folder.add("tokenizer.json", posix_filesystem().read_text(kGoldens / "byte_level.tokenizer.json"))
      .config(Json{{"bos_token", "<|endoftext|>"}, {"chat_template", "{{ messages[0].content }}"}});
  const auto model = folder.open();
  EXPECT_EQ(model.encode(kHello, {}),
            model.tokenizer().encode("plain words", SpecialTokens::keep_out));
}

TEST(ChatTokenizer, ChoosesAmongNamedTemplates) {
  const Json named = Json::array({{{"name", "default"}, {"template", "default"}},
                                  {{"name", "tool_use"}, {"template", "tools"}},
                                  {{"name", "rag"}, {"template", "rag"}}});
  const auto model = Folder().config(with_template(named)).open();
  ChatOptions options;
  EXPECT_EQ(model.render(kHello, options), "default");
  options.template_name = "rag";
  EXPECT_EQ(model.render(kHello, options), "rag");
  options.template_name = std::nullopt;
  options.variables = {{"tools", Json::array()}};
  EXPECT_EQ(model.render(kHello, options), "tools");
  options.template_name = "none";
  EXPECT_EQ(refusal(ErrorCategory::input, [&] { model.render(kHello, options); }),
            "model: there is no chat template \"none\", only default, rag, tool_use");
}

TEST(ChatTokenizer, FilesComeBeforeTheConfiguration) {
  const auto model = Folder()
                         .config(with_template("config"))
                         .add("chat_template.jinja", "file")
                         .add("additional_chat_templates/rag.jinja", "rag file")
                         .open();
  ChatOptions options;
  EXPECT_EQ(model.render(kHello, options), "file");
  options.template_name = "rag";
  EXPECT_EQ(model.render(kHello, options), "rag file");
}

TEST(ChatTokenizer, ATemplateOfOnesOwnReplacesAll) {
  auto model = Folder().config(with_template("config")).open();
  model.set_template("mine: {{ messages | length }}", "mine.jinja");
  EXPECT_EQ(model.render(kHello, {}), "mine: 1");
  EXPECT_THROW(model.set_template("{% if %}", "mine.jinja"), Error);
  EXPECT_EQ(model.render(kHello, {}), "mine: 1") << "a broken one changes nothing";
}

TEST(ChatTokenizer, TellsOneMomentInAllRenderingsOfAConversation) {
  const auto model =
      Folder().config(with_template("{{ strftime_now('%Y-%m-%d %H:%M:%S.%f') }}")).open();
  const PreparedChat prepared = model.prepare(kHello, {});
  const std::string first = prepared.render(false).text;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(prepared.render(false).text, first);
}

TEST(ChatTokenizer, TellsTheLocalTime) {
  ASSERT_EQ(setenv("TZ", "XYZ-05:30", 1), 0);
  tzset();
  const auto model = Folder().config(with_template("{{ strftime_now('%Y-%m-%d %H:%M') }}")).open();
  const auto local = [] {
    const std::time_t later = std::time(nullptr) + 5 * 3600 + 1800;
    std::tm parts{};
    gmtime_r(&later, &parts);
    char text[32];
    return std::string(text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts));
  };
  const std::string before = local();
  const std::string found = model.render(kHello, {});
  EXPECT_TRUE(found == before || found == local()) << found;
  ASSERT_EQ(unsetenv("TZ"), 0);
  tzset();
}

TEST(ChatTokenizer, SaysWhatIsMissingOrBroken) {
  const auto bare = Folder().open();
  EXPECT_FALSE(bare.has_template());
  EXPECT_TRUE(refusal(ErrorCategory::input, [&] {
                bare.render(kHello, {});
              }).starts_with("model: the model has no chat template; "));
  EXPECT_TRUE(refusal(ErrorCategory::input, [] {
                ChatTokenizer::from_files({}, "model");
              }).starts_with("model: there is no tokenizer.json; "));
  EXPECT_TRUE(refusal(ErrorCategory::input, [] {
                Folder().config(with_template("{% if %}")).open();
              }).starts_with("model/tokenizer_config.json: the chat template cannot be read: "));
  EXPECT_TRUE(refusal(ErrorCategory::input, [] {
                Folder().config(with_template(Json::array({{{"name", "x"}}}))).open();
              }).starts_with("model/tokenizer_config.json: chat_template holds"));
  EXPECT_TRUE(refusal(ErrorCategory::input, [] {
                Folder().config(Json::array()).open();
              }).starts_with("model/tokenizer_config.json: not a JSON object"));
}

}  // namespace
}  // namespace expo
