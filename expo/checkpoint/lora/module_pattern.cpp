#include "expo/checkpoint/lora/module_pattern.h"

#include <unordered_map>

#include "expo/checkpoint/lora/module_pattern_syntax.h"
#include "expo/core/error.h"

namespace expo {
namespace {

using Program = ModulePattern::Program;
using Step = ModulePattern::Step;

constexpr std::size_t kMostSteps = 20'000;

/// Compiles by Thompson's construction, from the end to the beginning: every part is given the step
/// at which matching continues.
class Compiler {
 public:
  Compiler(const std::string& what, ModulePattern::Budget& budget) : what_(what), budget_(budget) {}

  Program compile(const PatternNode& tree) {
    const std::uint32_t end = add({Step::Kind::match, 0, 0, 0, 0});
    program_.start = part(tree, end);
    program_.steps.shrink_to_fit();
    return std::move(program_);
  }

 private:
  std::uint32_t add(const Step& step) {
    count_work();
    program_.steps.push_back(step);
    return static_cast<std::uint32_t>(program_.steps.size() - 1);
  }

  /// Counts the work too, because repetitions of nothing make no steps but take time all the same.
  void count_work() {
    if (++work_ > kMostSteps) {
      throw input_error(what_ + " cannot be matched: it expands to more than " +
                        std::to_string(kMostSteps) + " steps; write a simpler one");
    }
    if (budget_.steps == 0) {
      throw input_error(what_ +
                        " cannot be matched: the patterns up to it expand to too many steps "
                        "together; write fewer or simpler ones");
    }
    --budget_.steps;
  }

  /// The number of a set of bytes; equal sets share a number.
  std::uint32_t set_number(const std::bitset<256>& set) {
    const auto [place, fresh] =
        numbers_.try_emplace(set, static_cast<std::uint32_t>(program_.sets.size()));
    if (fresh) program_.sets.push_back(set);
    return place->second;
  }

  std::uint32_t split(std::uint32_t first, std::uint32_t second) {
    return add({Step::Kind::split, 0, 0, first, second});
  }

  std::uint32_t part(const PatternNode& node, std::uint32_t next) {
    count_work();
    switch (node.kind) {
      case PatternNode::Kind::set:
        return add({Step::Kind::set, 0, set_number(node.set), next, 0});
      case PatternNode::Kind::assertion:
        return add({Step::Kind::assertion, node.assertion, 0, next, 0});
      case PatternNode::Kind::sequence:
        for (std::size_t i = node.children.size(); i-- > 0;) next = part(node.children[i], next);
        return next;
      case PatternNode::Kind::alternatives:
        return alternatives(node, next);
      case PatternNode::Kind::repeat:
        return repeat(node, next);
    }
    return next;
  }

  std::uint32_t alternatives(const PatternNode& node, std::uint32_t next) {
    std::uint32_t start = part(node.children.back(), next);
    for (std::size_t i = node.children.size() - 1; i-- > 0;) {
      start = split(part(node.children[i], next), start);
    }
    return start;
  }

  std::uint32_t repeat(const PatternNode& node, std::uint32_t next) {
    const PatternNode& body = node.children.front();
    std::uint32_t start = next;
    if (!node.most) {
      start = split(next, next);
      program_.steps[start].next = part(body, start);
    } else {
      for (std::uint32_t i = node.least; i < *node.most; ++i)
        start = split(part(body, start), next);
    }
    for (std::uint32_t i = 0; i < node.least; ++i) start = part(body, start);
    return start;
  }

  const std::string& what_;
  ModulePattern::Budget& budget_;
  Program program_;
  std::unordered_map<std::bitset<256>, std::uint32_t> numbers_;  ///< numbers of program_.sets
  std::size_t work_ = 0;
};

bool holds(char assertion, std::string_view text, std::size_t at) {
  const bool before = at > 0 && is_word_byte(static_cast<unsigned char>(text[at - 1]));
  const bool after = at < text.size() && is_word_byte(static_cast<unsigned char>(text[at]));
  switch (assertion) {
    case '^':
      return at == 0;
    case '$':
      return at == text.size() || (at + 1 == text.size() && text[at] == '\n');
    case 'Z':
      return at == text.size();
    case 'b':
      return before != after;
    default:
      return before == after;
  }
}

/// Follows all paths through the program at once, byte by byte.
class Run {
 public:
  Run(const Program& program, std::string_view text)
      : program_(program), text_(text), seen_(program.steps.size(), 0) {}

  bool matches() {
    std::vector<std::uint32_t> here;
    std::vector<std::uint32_t> after;
    if (enter(program_.start, 0, here)) return true;
    for (std::size_t at = 0; at < text_.size() && !here.empty(); ++at) {
      ++round_;
      after.clear();
      const auto byte = static_cast<unsigned char>(text_[at]);
      for (const std::uint32_t index : here) {
        const Step& step = program_.steps[index];
        if (program_.sets[step.set].test(byte) && enter(step.next, at + 1, after)) return true;
      }
      std::swap(here, after);
    }
    return false;
  }

 private:
  /// Adds to `waiting` the sets that can be reached without consuming a byte; returns true if the
  /// end is reached.
  bool enter(std::uint32_t start, std::size_t at, std::vector<std::uint32_t>& waiting) {
    stack_.assign(1, start);
    while (!stack_.empty()) {
      const std::uint32_t index = stack_.back();
      stack_.pop_back();
      if (seen_[index] == round_) continue;
      seen_[index] = round_;
      const Step& step = program_.steps[index];
      switch (step.kind) {
        case Step::Kind::match:
          return true;
        case Step::Kind::set:
          waiting.push_back(index);
          break;
        case Step::Kind::split:
          stack_.push_back(step.other);
          stack_.push_back(step.next);
          break;
        case Step::Kind::assertion:
          if (holds(step.assertion, text_, at)) stack_.push_back(step.next);
          break;
      }
    }
    return false;
  }

  const Program& program_;
  std::string_view text_;
  std::vector<std::size_t> seen_;  ///< the round in which each step was last entered
  std::vector<std::uint32_t> stack_;
  std::size_t round_ = 1;
};

}  // namespace

ModulePattern::ModulePattern(std::string_view key, const std::string& where, Budget& budget)
    : key_(key) {
  const std::string what = where + ": the pattern \"" + *key_ + "\"";
  parse_pattern(*key_, what);  // first by itself, since its parentheses must balance without ours
  program_ = Compiler(what, budget).compile(parse_pattern("(.*\\.)?(" + *key_ + ")$", what));
}

ModulePattern ModulePattern::of_whole_names(std::string_view pattern, const std::string& where) {
  ModulePattern result;
  const std::string what = where + ": the pattern \"" + std::string(pattern) + "\"";
  parse_pattern(pattern, what);  // first by itself, as above
  Budget budget;
  const std::string whole = "(?:" + std::string(pattern) + ")\\Z";
  result.program_ = Compiler(what, budget).compile(parse_pattern(whole, what));
  return result;
}

bool ModulePattern::matches(std::string_view module) const {
  return (key_ && *key_ == module) || Run(program_, module).matches();
}

}  // namespace expo
