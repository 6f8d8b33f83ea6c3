#include "expo/checkpoint/lora/module_pattern_syntax.h"

#include "expo/core/error.h"

namespace expo {
namespace {

using Node = PatternNode;
using Set = std::bitset<256>;

constexpr int kDeepest = 100;
constexpr std::uint32_t kMostRepeats = 1000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Set one(char c) {
  Set set;
  set.set(static_cast<unsigned char>(c));
  return set;
}

Set bytes_where(auto predicate) {
  Set set;
  for (unsigned c = 0; c < 256; ++c) set.set(c, predicate(static_cast<unsigned char>(c)));
  return set;
}

/// The set of \d, \w, \s or one of their complements.
std::optional<Set> named_class(char letter) {
  switch (letter) {
    case 'd':
      return bytes_where([](unsigned char c) { return c >= '0' && c <= '9'; });
    case 'D':
      return ~*named_class('d');
    case 'w':
      return bytes_where(is_word_byte);
    case 'W':
      return ~*named_class('w');
    case 's':
      return bytes_where([](unsigned char c) { return c == ' ' || (c >= 9 && c <= 13); });
    case 'S':
      return ~*named_class('s');
    default:
      return std::nullopt;
  }
}

std::optional<char> control_escape(char letter) {
  switch (letter) {
    case 'a':
      return '\a';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return std::nullopt;
  }
}

Node of_set(const Set& set) {
  Node node;
  node.kind = Node::Kind::set;
  node.set = set;
  return node;
}

Node of_assertion(char assertion) {
  Node node;
  node.kind = Node::Kind::assertion;
  node.assertion = assertion;
  return node;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  Node parse() {
    for (const char c : text_) {
      if (static_cast<unsigned char>(c) >= 0x80) refuse("it has characters beyond ASCII");
    }
    Node result = alternatives(0);
    if (!at_end()) refuse("a closing parenthesis has no opening one");
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw input_error(what_ + " cannot be matched: " + reason +
                      "; expected a regular expression such as \".*layers\\.0\\..*q_proj\"");
  }

  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool take(char c) {
    if (at_end() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  char next(const char* reason) {
    if (at_end()) refuse(reason);
    return text_[position_++];
  }

  Node alternatives(int depth) {
    if (depth > kDeepest) refuse("its parentheses are nested too deeply");
    Node result;
    result.kind = Node::Kind::alternatives;
    do {
      result.children.push_back(sequence(depth));
    } while (take('|'));
    if (result.children.size() > 1) return result;
    Node only = std::move(result.children.front());
    return only;
  }

  Node sequence(int depth) {
    Node result;
    while (!at_end() && peek() != '|' && peek() != ')') {
      result.children.push_back(repeated(item(depth)));
    }
    return result;
  }

  Node item(int depth) {
    const char c = next("it ends early");
    switch (c) {
      case '.':
        return of_set(~one('\n'));
      case '^':
        return of_assertion('^');
      case '$':
        return of_assertion('$');
      case '[':
        return of_set(bracket());
      case '(':
        return group(depth);
      case '\\':
        return escape();
      case '*':
      case '+':
      case '?':
        refuse("there is nothing to repeat before a quantifier");
      default:
        return of_set(one(c));
    }
  }

  Node group(int depth) {
    if (take('?')) {
      if (take('P')) {
        if (!take('<')) refuse("it refers back to a group");
        while (next("the name of a group does not end") != '>') {
        }
      } else if (!take(':')) {
        refuse("it looks ahead or back, or sets flags");
      }
    }
    Node result;  // a sequence of one: a group may be repeated whatever it holds
    result.children.push_back(alternatives(depth + 1));
    if (!take(')')) refuse("a parenthesis is not closed");
    return result;
  }

  Node escape() {
    const char c = next("it ends in a backslash");
    if (const auto set = named_class(c)) return of_set(*set);
    if (const auto control = control_escape(c)) return of_set(one(*control));
    if (c == 'A') return of_assertion('^');
    if (c == 'Z' || c == 'b' || c == 'B') return of_assertion(c);
    if (is_digit(c)) refuse("it refers back to a group");
    if (is_letter(c)) refuse(std::string("\\") + c + " is not a supported escape");
    return of_set(one(c));
  }

  Set bracket() {
    Set set;
    const bool negated = take('^');
    for (bool first = true; first || peek() != ']'; first = false) {
      const Set low = bracket_item();
      const bool range =
          peek() == '-' && position_ + 1 < text_.size() && text_[position_ + 1] != ']';
      if (range) {
        ++position_;
        set |= bracket_range(low, bracket_item());
      } else {
        set |= low;
      }
    }
    ++position_;
    return negated ? ~set : set;
  }

  Set bracket_item() {
    const char c = next("a bracket is not closed");
    if (c != '\\') return one(c);
    const char escaped = next("it ends in a backslash");
    if (const auto set = named_class(escaped)) return *set;
    if (const auto control = control_escape(escaped)) return one(*control);
    if (escaped == 'b') return one('\b');
    if (is_letter(escaped) || is_digit(escaped)) {
      refuse(std::string("\\") + escaped + " is not a supported escape in brackets");
    }
    return one(escaped);
  }

  Set bracket_range(const Set& low, const Set& high) const {
    if (low.count() != 1 || high.count() != 1) refuse("a range in brackets has no proper ends");
    const std::size_t first = low._Find_first();
    const std::size_t last = high._Find_first();
    if (first > last) refuse("a range in brackets runs backwards");
    Set set;
    for (std::size_t c = first; c <= last; ++c) set.set(c);
    return set;
  }

  Node repeated(Node body) {
    Node repeat;
    repeat.kind = Node::Kind::repeat;
    if (!quantifier(repeat)) return body;
    if (body.kind == Node::Kind::assertion)
      refuse("there is nothing to repeat before a quantifier");
    if (!take('?') && peek() == '+') refuse("it has a possessive quantifier");
    Node another;
    if (peek() != '\0' && quantifier(another)) refuse("two quantifiers follow one another");
    repeat.children.push_back(std::move(body));
    return repeat;
  }

  /// Parses `*`, `+`, `?` or `{…}` if there is one; other braces are ordinary characters.
  bool quantifier(Node& repeat) {
    if (take('*')) return true;
    if (take('+')) {
      repeat.least = 1;
      return true;
    }
    if (take('?')) {
      repeat.most = 1;
      return true;
    }
    return peek() == '{' && counted(repeat);
  }

  bool counted(Node& repeat) {
    const std::size_t start = position_++;
    if (peek() == '}') return give_back(start);
    const auto least = number();
    const bool comma = take(',');
    const auto most = comma ? number() : least;
    if (!take('}')) return give_back(start);
    repeat.least = least.value_or(0);
    repeat.most = most;
    if (most && *most < repeat.least) refuse("a quantifier's ends are swapped");
    return true;
  }

  bool give_back(std::size_t start) {
    position_ = start;
    return false;
  }

  std::optional<std::uint32_t> number() {
    if (!is_digit(peek())) return std::nullopt;
    std::uint32_t value = 0;
    while (is_digit(peek())) {
      value = value * 10 + static_cast<std::uint32_t>(text_[position_++] - '0');
      if (value > kMostRepeats) refuse("it repeats something more than 1000 times");
    }
    return value;
  }

  std::string_view text_;
  const std::string& what_;
  std::size_t position_ = 0;
};

}  // namespace

bool is_word_byte(unsigned char byte) noexcept {
  const char c = static_cast<char>(byte);
  return is_digit(c) || is_letter(c) || c == '_';
}

PatternNode parse_pattern(std::string_view text, const std::string& what) {
  return Parser(text, what).parse();
}

}  // namespace expo
