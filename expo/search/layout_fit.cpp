#include "expo/search/layout_fit.h"

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Prompts that are known of the same candidates.
struct Block {
  std::size_t first = 0;
  std::size_t end = 0;
  std::vector<std::size_t> members;  ///< places in the list of candidates

  double prompts() const { return static_cast<double>(end - first); }
};

std::vector<Block> blocks_of(const ScoreTable& table, std::span<const std::size_t> candidates) {
  std::vector<std::size_t> ends;
  for (const std::size_t candidate : candidates) ends.push_back(table.of(candidate).size());
  std::vector<std::size_t> cuts = ends;
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<Block> blocks;
  std::size_t first = 0;
  for (const std::size_t cut : cuts) {
    if (cut == first) continue;
    Block block{first, cut, {}};
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (ends[i] >= cut) block.members.push_back(i);
    }
    blocks.push_back(block);
    first = cut;
  }
  return blocks;
}

struct Variances {
  double prompt = 0;
  double rest = 0;
};

/// Sums of squares of one block: between prompts, and what is left of scores.
class BlockSquares {
 public:
  BlockSquares(const ScoreTable& table, std::span<const std::size_t> candidates, const Block& block)
      : columns_(block.members.size()) {
    const auto width = static_cast<double>(block.members.size());
    std::vector<double> rows(block.end - block.first);
    double grand = 0;
    for (std::size_t m = 0; m < block.members.size(); ++m) {
      const auto scores = table.of(candidates[block.members[m]]);
      for (std::size_t i = block.first; i < block.end; ++i) {
        rows[i - block.first] += scores[i].score / width;
        columns_[m] += scores[i].score / block.prompts();
      }
      grand += columns_[m] / width;
    }
    for (const double row : rows) between += (row - grand) * (row - grand);
    for (std::size_t m = 0; m < block.members.size(); ++m) {
      const auto scores = table.of(candidates[block.members[m]]);
      for (std::size_t i = block.first; i < block.end; ++i) {
        const double left = scores[i].score - rows[i - block.first] - columns_[m] + grand;
        rest += left * left;
      }
    }
  }
  double between = 0;  ///< of the prompts' means
  double rest = 0;

 private:
  std::vector<double> columns_;
};

Variances variances_of(const ScoreTable& table, std::span<const std::size_t> candidates,
                       std::span<const Block> blocks) {
  double rest = 0;
  double rest_freedom = 0;
  double between = 0;
  double between_freedom = 0;
  double shares = 0;
  for (const Block& block : blocks) {
    const BlockSquares squares(table, candidates, block);
    const auto width = static_cast<double>(block.members.size());
    rest += squares.rest;
    rest_freedom += (block.prompts() - 1) * (width - 1);
    between += squares.between;
    between_freedom += block.prompts() - 1;
    shares += (block.prompts() - 1) / width;
  }
  Variances result;
  if (rest_freedom > 0) result.rest = rest / rest_freedom;
  if (between_freedom > 0) {
    result.prompt = std::max(0.0, (between - result.rest * shares) / between_freedom);
  }
  // Scores that are all equal say nothing of their variance; any small one will do.
  result.rest = std::max({result.rest, result.prompt * 1e-6, 1e-12});
  return result;
}

}  // namespace

LayoutFit fit_layout(const ScoreTable& table, std::span<const std::size_t> candidates) {
  const std::vector<Block> blocks = blocks_of(table, candidates);
  const Variances variances = variances_of(table, candidates, blocks);
  SquareMatrix precision(candidates.size());
  std::vector<double> weighted(candidates.size());
  for (const Block& block : blocks) {
    // (rest·I + prompt·J)⁻¹ of the block's members, for each of its prompts.
    const auto width = static_cast<double>(block.members.size());
    const double own = block.prompts() / variances.rest;
    const double shared = own * variances.prompt / (variances.rest + width * variances.prompt);
    double total = 0;
    for (const std::size_t member : block.members) {
      double mean = 0;
      for (std::size_t i = block.first; i < block.end; ++i) {
        mean += table.of(candidates[member])[i].score / block.prompts();
      }
      weighted[member] += own * mean;
      total += mean;
      for (const std::size_t other : block.members) {
        precision(member, other) += (member == other ? own : 0) - shared;
      }
    }
    for (const std::size_t member : block.members) weighted[member] -= shared * total;
  }
  const auto factor = Cholesky::of(precision);
  if (!factor) throw usage_error("fit_layout: a candidate has no score");
  return {factor->solve(weighted), factor->inverse(), std::sqrt(variances.prompt + variances.rest)};
}

}  // namespace expo
