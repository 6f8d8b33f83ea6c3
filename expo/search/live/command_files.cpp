#include "expo/search/live/command_files.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kOperators = "\n;&|()<>";

bool begins_name(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

bool continues_name(char byte) {
  return begins_name(byte) || (byte >= '0' && byte <= '9');
}

/// The length of the name that a text begins with.
std::size_t name_length(std::string_view text) {
  if (text.empty() || !begins_name(text[0])) return 0;
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), continues_name) -
                                  text.begin());
}

/// A word of a command, as the shell would hand it over.
struct Word {
  std::string text;
  bool is_known = true;  ///< false if only the shell can tell
};

using Variables = std::map<std::string, Word>;

/// Reads words and operators one after the other.
class Reader {
 public:
  Reader(std::string_view command, const Variables& variables)
      : rest_(command), variables_(variables) {}

  /// The next operator, of one character, or '\0' before a word or the end.
  char take_operator() {
    skip_blanks();
    if (rest_.empty() || kOperators.find(rest_[0]) == std::string_view::npos) return '\0';
    const char result = rest_[0];
    rest_.remove_prefix(1);
    return result;
  }

  /// The next word; std::nullopt before an operator and at the end.
  std::optional<Word> take_word() {
    skip_blanks();
    if (rest_.empty() || kOperators.find(rest_[0]) != std::string_view::npos) return std::nullopt;
    word_ = {};
    if (rest_[0] == '~' && (rest_.size() == 1 || !continues_name(rest_[1]))) take_home();
    while (!rest_.empty() && kBlank.find(rest_[0]) == std::string_view::npos &&
           kOperators.find(rest_[0]) == std::string_view::npos)
      take_part();
    return std::move(word_);
  }

  bool is_at_end() const { return rest_.empty(); }

 private:
  void skip_blanks() {
    while (!rest_.empty() && kBlank.find(rest_[0]) != std::string_view::npos)
      rest_.remove_prefix(1);
    if (rest_.starts_with('#')) rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
  }

  char take() {
    const char result = rest_[0];
    rest_.remove_prefix(1);
    return result;
  }

  void take_home() {
    take();
    take_value("HOME", true);
  }

  void take_part() {
    const char byte = take();
    if (byte == '\'') {
      const std::size_t end = std::min(rest_.find('\''), rest_.size());
      word_.text += rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
    } else if (byte == '"') {
      while (!rest_.empty() && rest_[0] != '"') take_in_quotes();
      if (!rest_.empty()) take();
    } else if (byte == '\\' && !rest_.empty()) {
      const char next = take();
      if (next != '\n') word_.text += next;
    } else if (byte == '$') {
      take_variable(false);
    } else {
      if (byte == '`' || byte == '*' || byte == '?' || byte == '[') word_.is_known = false;
      word_.text += byte;
    }
  }

  void take_in_quotes() {
    const char byte = take();
    if (byte == '$') {
      take_variable(true);
    } else if (byte == '\\' && !rest_.empty() &&
               std::string_view("$`\"\\\n").find(rest_[0]) != std::string_view::npos) {
      const char next = take();
      if (next != '\n') word_.text += next;
    } else {
      if (byte == '`') word_.is_known = false;
      word_.text += byte;
    }
  }

  /// What stands behind a dollar sign.
  void take_variable(bool is_quoted) {
    const bool is_braced = rest_.starts_with('{');
    const std::size_t length = name_length(rest_.substr(is_braced ? 1 : 0));
    const std::size_t end = length + (is_braced ? 1 : 0);
    if (length == 0 || (is_braced && !rest_.substr(end).starts_with('}'))) {
      word_.is_known = false;
      return;
    }
    const std::string name(rest_.substr(is_braced ? 1 : 0, length));
    rest_.remove_prefix(end + (is_braced ? 1 : 0));
    take_value(name, is_quoted);
  }

  void take_value(const std::string& name, bool is_quoted) {
    const auto set = variables_.find(name);
    const char* value = std::getenv(name.c_str());
    const Word found = set != variables_.end() ? set->second : Word{value ? value : ""};
    // Without quotes the shell splits what has blanks, and takes patterns as such.
    const bool is_plain = found.text.find_first_of(" \t\n*?[") == std::string::npos;
    word_.is_known = word_.is_known && found.is_known && (is_quoted || is_plain);
    word_.text += found.text;
  }

  std::string_view rest_;
  const Variables& variables_;
  Word word_;
};

/// Goes through a command and keeps the folder in which each part of it runs.
class Search {
 public:
  Search(Filesystem& filesystem, std::string_view command)
      : filesystem_(filesystem), reader_(command, variables_) {}

  std::vector<fs::path> run() {
    while (!reader_.is_at_end()) {
      if (auto word = reader_.take_word()) {
        take(std::move(*word));
      } else if (const char found = reader_.take_operator(); found != '\0') {
        take(found);
      }
    }
    return std::move(files_);
  }

 private:
  void take(char operation) {
    if (operation == '>' || operation == '<') {
      is_output_ = operation == '>';
      return;
    }
    // "2>&1": the number of a descriptor follows.
    if (operation == '&' && is_output_) return;
    end_command(operation);
    if (operation == '(') outer_.push_back(folder_);
    if (operation == ')' && !outer_.empty()) {
      folder_ = outer_.back();
      outer_.pop_back();
    }
  }

  void take(Word word) {
    if (std::exchange(is_output_, false)) return;
    words_.push_back(std::move(word));
    const std::string& text = words_.back().text;
    if (!words_.back().is_known) return;
    const bool is_module = words_.size() > 1 && words_[words_.size() - 2].text == "-m";
    if (is_module) return take_module(text);
    if (take_file(text)) return;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) take_file(text.substr(equals + 1));
  }

  /// At the end of a simple command: what it does to those after it.
  void end_command(char operation) {
    const std::vector<Word> words = std::exchange(words_, {});
    if (words.empty()) return;
    if (words[0].text == "cd" && operation != '|') {
      const bool is_clear = words.size() == 2 && words[1].is_known && words[1].text != "-";
      if (!is_clear) {
        folder_.reset();
      } else if (folder_ || fs::path(words[1].text).is_absolute()) {
        folder_ = folder_.value_or(fs::path()) / words[1].text;
      }
    }
    assign(std::span(words).subspan(words[0].text == "export" ? 1 : 0));
  }

  /// Keeps what a command sets that consists of assignments only; before a program, they are its
  /// own.
  void assign(std::span<const Word> words) {
    const auto length = [](const Word& word) {
      const std::size_t name = name_length(word.text);
      return name > 0 && word.text.substr(name).starts_with('=') ? name : 0;
    };
    if (!std::ranges::all_of(words, length)) return;
    for (const Word& word : words) {
      const std::size_t name = length(word);
      variables_[word.text.substr(0, name)] = {word.text.substr(name + 1), word.is_known};
    }
  }

  bool take_file(const std::string& name) {
    if (name.empty()) return false;
    const fs::path path(name);
    if (!folder_ && !path.is_absolute()) return false;
    const fs::path place = folder_.value_or(fs::path()) / path;
    const auto status = filesystem_.status(place);
    if (!status || !status->is_regular) return false;
    if (std::find(files_.begin(), files_.end(), place) == files_.end()) files_.push_back(place);
    return true;
  }

  /// As Python looks for it in the folder in which it runs.
  void take_module(std::string name) {
    std::replace(name.begin(), name.end(), '.', '/');
    for (const char* ending : {".py", "/__init__.py", "/__main__.py"}) take_file(name + ending);
  }

  Filesystem& filesystem_;
  Variables variables_;
  Reader reader_;
  std::vector<fs::path> files_;
  std::vector<Word> words_;  ///< of the simple command so far
  std::optional<fs::path> folder_ = fs::path();
  std::vector<std::optional<fs::path>> outer_;
  bool is_output_ = false;
};

}  // namespace

std::vector<fs::path> files_of_command(Filesystem& filesystem, std::string_view command) {
  return Search(filesystem, command).run();
}

bool is_interpreter(const fs::path& file) {
  constexpr std::array<std::string_view, 10> kNames{"python", "pypy", "sh",   "bash", "dash",
                                                    "zsh",    "node", "ruby", "perl", "env"};
  std::string name = file.filename().string();
  name.resize(std::min(name.find_last_not_of("0123456789.") + 1, name.size()));
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace expo
