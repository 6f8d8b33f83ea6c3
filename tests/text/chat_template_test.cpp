#include "expo/text/chat_template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json variables(const Json& messages, bool add_generation_prompt) {
  return {{"messages", messages},        {"tools", nullptr},
          {"documents", nullptr},        {"add_generation_prompt", add_generation_prompt},
          {"bos_token", "<s>"},          {"eos_token", "</s>"},
          {"date_string", "26 Jul 2024"}};
}

/// The rendered text, or std::nullopt if the template refuses.
std::optional<std::string> rendered(const std::string& source, const Json& context) {
  constexpr std::int64_t kNow = 1721984703;  // 26 July 2024, 9:05:03
  try {
    return ChatTemplate::from_source(source, "template").render(context.dump(), kNow).text;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return std::nullopt;
  }
}

/// Compares with a folder of templates/NAME.jinja, conversations.json and the expected.jsonl that
/// transformers made.
int compare_with_transformers(const fs::path& folder) {
  const Json conversations = parse_json(read(folder / "conversations.json"), "conversations");
  std::ifstream lines(folder / "expected.jsonl");
  int compared = 0;
  for (std::string line; std::getline(lines, line); ++compared) {
    const Json expected = parse_json(line, "expected");
    const std::string name = expected["template"];
    SCOPED_TRACE(line.substr(0, 120));
    const auto found =
        rendered(read(folder / "templates" / (name + ".jinja")),
                 variables(conversations[expected["conversation"].get<std::string>()],
                           expected["add_generation_prompt"].get<bool>()));
    if (expected.contains("error")) {
      EXPECT_FALSE(found) << *found;
    } else {
      EXPECT_TRUE(found) << "it was refused";
      EXPECT_EQ(found.value_or(""), expected["expected"].get<std::string>());
    }
  }
  return compared;
}

TEST(ChatTemplate, RendersPublishedTemplatesAsTransformersDoes) {
  const fs::path folder = fs::path(EXPO_SOURCE_DIR) / "../shared/data/chat_templates";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  EXPECT_EQ(compare_with_transformers(folder), 242);
}

// The goldens are made by goldens/make_renderings.py.
TEST(ChatTemplate, RendersItsGoldensAsTransformersDoes) {
  EXPECT_EQ(compare_with_transformers(fs::path(EXPO_SOURCE_DIR) / "tests/text/goldens"), 64);
}

std::string reason(const std::string& source, const Json& context = Json::object()) {
  try {
    ChatTemplate::from_source(source, "model/chat_template.jinja").render(context.dump());
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(ChatTemplate, SaysWhatTheTemplateRaises) {
  EXPECT_EQ(
      reason("\n{{ raise_exception('Only user turns, please') }}"),
      "model/chat_template.jinja: the chat template refuses the conversation: Only user turns, "
      "please (line 2 of the template)");
}

TEST(ChatTemplate, SaysWhereATemplateIsBroken) {
  const std::string found = reason("{% if true %}\nno end");
  EXPECT_TRUE(found.starts_with("model/chat_template.jinja: the chat template cannot be read: "))
      << found;
  EXPECT_NE(reason("a\n{{ 1 + }}").find("line 2"), std::string::npos);
  EXPECT_NE(reason("{% unheard %}").find("unheard"), std::string::npos);
}

TEST(ChatTemplate, ATemplateThatNeverEndsIsStopped) {
  const std::string found =
      reason("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}");
  EXPECT_NE(found.find("refuses"), std::string::npos) << found;
}

TEST(ChatTemplate, TakesTheClockWhereNoMomentIsGiven) {
  const auto source = ChatTemplate::from_source("{{ strftime_now('%Y') }}", "clock");
  EXPECT_GE(std::stoi(source.render("{}").text), 2024);
  EXPECT_EQ(source.render("{}", 0).text, "1970");
}

}  // namespace
}  // namespace expo
