// Applies the room `text` to standard input, for tests that compare it with Python libraries:
//   text_tool encode TOKENIZER.json         a JSON text a line -> its ids, without special tokens
//   text_tool places TOKENIZER.json         a JSON text a line -> {"ids", "places", "plain"}, the
//                                           first two with special tokens
//   text_tool kind TOKENIZER.json           nothing -> whether it is encoded without the library
//   text_tool render TEMPLATE.jinja         a JSON object of variables a line -> the text, as JSON
//   text_tool jinja VARIABLES.json NOW      a template as JSON text a line ->
//                                           {"text", "generations"} or {"refused"}
//   text_tool rows DATA_SET [SPLIT]         nothing -> a row a line
//   text_tool chat FOLDER [NOW]             a row with messages a line -> {"ids"} or {"refused"},
//                                           with a generation prompt
//   text_tool mask FOLDER [NOW]             the same -> {"ids", "counts"} or {"refused"}
// NOW is the time that strftime_now tells, in seconds since 1970 (UTC).

#include <filesystem>
#include <iostream>

#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/text/bridge_values.h"
#include "expo/text/chat_template.h"
#include "expo/text/chat_tokenizer.h"
#include "expo/text/columns.h"
#include "expo/text/mask/loss_mask.h"
#include "expo/text/row_reader.h"
#include "expo/text/tokenizer.h"

namespace {

using namespace expo;

template <typename Work>
int for_each_line(Work&& work) {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << compact_json(work(parse_python_json(line, "stdin"))) << "\n";
  return 0;
}

/// The same, with a refusal of one line as its answer.
template <typename Work>
int try_each_line(Work&& work) {
  return for_each_line([&](const Json& line) -> Json {
    try {
      return work(line);
    } catch (const Error& error) {
      return {{"refused", error.what()}};
    }
  });
}

int rows(const char* path, const char* split) {
  const auto reader =
      open_rows(posix_filesystem(), path, split ? std::optional<std::string>(split) : std::nullopt);
  for (Json row; reader->next(row);) std::cout << compact_json(row) << "\n";
  return 0;
}

Json pairs(const std::vector<TextSpan>& spans) {
  Json result = Json::array();
  for (const TextSpan& span : spans) result.push_back({span.begin, span.end});
  return result;
}

int kind(const std::string& json) {
  bridge::Bytes error;
  ExpoTokenizer* tokenizer = expo_tokenizer_new(bridge::bytes_of(json), json.size(), error.out());
  if (tokenizer == nullptr) return 3;
  std::cout << (expo_tokenizer_is_byte_level(tokenizer) ? "\"byte-level\"\n" : "\"library\"\n");
  expo_tokenizer_free(tokenizer);
  return 0;
}

int places(const std::string& json, const char* path) {
  const auto tokenizer = Tokenizer::from_json(json, path);
  return for_each_line([&](const Json& line) -> Json {
    const std::string text = line.get<std::string>();
    const EncodedText encoded = tokenizer.encode_with_places(text, SpecialTokens::keep);
    return {{"ids", encoded.ids},
            {"places", pairs(encoded.places)},
            {"plain", tokenizer.encode(text, SpecialTokens::keep_out)}};
  });
}

int jinja(const std::string& variables, const char* now) {
  return try_each_line([&](const Json& line) -> Json {
    const auto chat_template = ChatTemplate::from_source(line.get<std::string>(), "template");
    const auto rendered = chat_template.render(variables, std::stoll(now));
    return {{"text", rendered.text}, {"generations", pairs(rendered.generations)}};
  });
}

Chat chat_of(const Json& line) {
  const Json row_of_messages = {{"messages", line}};
  const Json& json = line.is_array() ? row_of_messages : line;
  const RowView row(json, "stdin");
  return {read_messages(row, json.at("messages"), "messages"), read_variables(row)};
}

Json masked(const ChatTokenizer& tokenizer, const Json& line, const ChatOptions& render) {
  LossMaskOptions options;
  options.assistant_only = line.value("assistant_only_loss", true);
  options.first_message = line.value("first_message", 0);
  const MaskedChat result = mask_chat(tokenizer, chat_of(line), render, options);
  return {{"ids", result.ids}, {"counts", result.counts}};
}

int chat(const std::string& folder, bool mask, const char* now) {
  std::vector<TextFile> files;
  for (const std::string& name : posix_filesystem().list(folder))
    files.push_back({name, [=] { return posix_filesystem().read_text(folder + "/" + name); }});
  const auto tokenizer = ChatTokenizer::from_files(files, folder);
  ChatOptions options;
  if (now) options.seconds_since_epoch = std::stoll(now);
  return try_each_line([&](const Json& line) -> Json {
    if (mask) return masked(tokenizer, line, options);
    return {{"ids", tokenizer.encode(chat_of(line), options)}};
  });
}

int run(const std::string& what, const char* path, const char* more) {
  if (what == "rows") return rows(path, more);
  if (what == "chat" || what == "mask") return chat(path, what == "mask", more);
  const std::string text = posix_filesystem().read_text(path);
  if (what == "jinja") return jinja(text, more);
  if (what == "kind") return kind(text);
  if (what == "places") return places(text, path);
  if (what == "encode") {
    const auto tokenizer = Tokenizer::from_json(text, path);
    return for_each_line([&](const Json& line) {
      return tokenizer.encode(line.get<std::string>(), SpecialTokens::keep_out);
    });
  }
  const auto chat_template = ChatTemplate::from_source(text, path);
  return for_each_line(
      [&](const Json& variables) { return chat_template.render(compact_json(variables)).text; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    return run(argv[1], argv[2], argc > 3 ? argv[3] : nullptr);
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return exit_code(error.category());
  }
}
