// Applies the room `text` to standard input, for tests that compare it with Python libraries:
//   text_tool encode TOKENIZER.json         a JSON text a line -> its ids, without special tokens
//   text_tool render TEMPLATE.jinja         a JSON object of variables a line -> the text, as JSON
//   text_tool rows DATA_SET [SPLIT]         nothing -> a row a line
//   text_tool chat FOLDER                   a JSON conversation a line -> its ids

#include <filesystem>
#include <iostream>

#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "expo/core/python_json.h"
#include "expo/text/chat_template.h"
#include "expo/text/chat_tokenizer.h"
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

int rows(const char* path, const char* split) {
  const auto reader =
      open_rows(posix_filesystem(), path, split ? std::optional<std::string>(split) : std::nullopt);
  for (Json row; reader->next(row);) std::cout << compact_json(row) << "\n";
  return 0;
}

int chat(const std::string& folder) {
  std::vector<TextFile> files;
  for (const std::string& name : posix_filesystem().list(folder))
    files.push_back({name, [=] { return posix_filesystem().read_text(folder + "/" + name); }});
  const auto tokenizer = ChatTokenizer::from_files(files, folder);
  return for_each_line([&](const Json& messages) { return tokenizer.encode(messages, {}); });
}

int run(const std::string& what, const char* path, const char* more) {
  if (what == "rows") return rows(path, more);
  if (what == "chat") return chat(path);
  const std::string text = posix_filesystem().read_text(path);
  if (what == "encode") {
    const auto tokenizer = Tokenizer::from_json(text, path);
    return for_each_line([&](const Json& line) {
      return tokenizer.encode(line.get<std::string>(), SpecialTokens::keep_out);
    });
  }
  const auto chat_template = ChatTemplate::from_source(text, path);
  return for_each_line([&](const Json& variables) { return chat_template.render(variables); });
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
