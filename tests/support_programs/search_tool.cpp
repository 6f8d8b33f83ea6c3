// Answers requests for statistics of a search, for tests in Python: JSON lines in, JSON lines out.
//   {"op": "summary" | "skewness_prompts" | "needed" | "normal" | "student" | "sign_test" |
//          "sign_flip" | "equal_length" | "layout" | "belief", …}
#include <iostream>
#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/search/alpha_model.h"
#include "expo/search/layout_fit.h"
#include "expo/search/source/recording.h"
#include "expo/search/statistics/distributions.h"
#include "expo/search/statistics/equal_length.h"
#include "expo/search/statistics/sign_flip.h"
#include "expo/search/statistics/summary.h"

namespace {

using namespace expo;
using Values = std::vector<double>;

/// A table with given scores: "alphas", and for each α as many scores as it has prompts.
class GivenTable {
 public:
  explicit GivenTable(const Json& request)
      : scores_(request.at("scores").get<std::vector<Values>>()),
        recording_(candidates(request), names(), 1),
        table_(recording_, all(names().size())) {
    for (std::size_t c = 0; c < scores_.size(); ++c) {
      for (std::size_t p = 0; p < scores_[c].size(); ++p) {
        recording_.set({c, p, 0}, {scores_[c][p], 1, 1, Ending::stop});
      }
      table_.ask(std::vector{c}, scores_[c].size());
    }
  }
  const ScoreTable& table() const { return table_; }
  std::vector<std::size_t> candidates() const { return all(scores_.size()); }

 private:
  static std::vector<std::size_t> all(std::size_t count) {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(i);
    return result;
  }
  static std::vector<Candidate> candidates(const Json& request) {
    std::vector<Candidate> result;
    for (const double alpha : request.at("alphas")) result.push_back({alpha, label_of(alpha), 0});
    const auto families = request.value("families", std::vector<std::size_t>(result.size()));
    for (std::size_t i = 0; i < result.size(); ++i) result[i].family = families.at(i);
    return result;
  }
  std::vector<std::string> names() const {
    std::size_t most = 0;
    for (const Values& each : scores_) most = std::max(most, each.size());
    return std::vector<std::string>(most, "prompt");
  }

  std::vector<Values> scores_;
  Recording recording_;
  ScoreTable table_;
};

Json rows(const SquareMatrix& matrix) {
  Json result = Json::array();
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    result.push_back(Json::array());
    for (std::size_t j = 0; j < matrix.size(); ++j) result.back().push_back(matrix(i, j));
  }
  return result;
}

Json summary(const Json& request) {
  const Summary found = summarize(request.at("values").get<Values>());
  return {{"mean", found.mean},
          {"deviation", found.deviation},
          {"standard_error", found.standard_error},
          {"skewness", found.skewness}};
}

Json sign_flip(const Json& request) {
  const SignFlipTest test(request.at("values").get<Values>(), request.value("seed", 1),
                          request.value("draws", std::size_t{9999}));
  static constexpr const char* kMethods[]{"sign_test", "lattice", "enumeration", "monte_carlo"};
  return {{"p", test.p_value()},
          {"at", test.p_value_at(request.value("at", 0.0))},
          {"method", kMethods[static_cast<int>(test.method())]},
          {"interval_90", test.interval(0.9)},
          {"interval_95", test.interval(0.95)}};
}

Json equal_length(const Json& request) {
  const auto found =
      gain_at_equal_length(request.at("scores").get<Values>(), request.at("lengths").get<Values>());
  if (!found) return nullptr;
  return {{"gain", found->gain},
          {"standard_error", found->standard_error},
          {"interval", found->interval},
          {"per_unit", found->per_unit}};
}

Json layout(const Json& request) {
  const GivenTable given(request);
  const LayoutFit fit = fit_layout(given.table(), given.candidates());
  return {{"means", fit.means}, {"covariance", rows(fit.covariance)}, {"deviation", fit.deviation}};
}

Json belief(const Json& request) {
  const GivenTable given(request);
  std::vector<Belief::Point> proposals;
  for (const double alpha : request.value("proposals", Values{})) proposals.push_back({alpha, 0});
  const Belief found = believe(given.table(), given.candidates(), proposals);
  return {{"candidates", found.candidates},
          {"mean", found.mean},
          {"covariance", rows(found.covariance)},
          {"chances", found.chances_of_best()}};
}

Json answer(const Json& request) {
  const auto op = request.at("op").get<std::string>();
  if (op == "summary") return summary(request);
  if (op == "skewness_prompts") return prompts_for_skewness(request.at("skewness"));
  if (op == "needed") return needed_prompts(request.at("deviation"), request.at("gain"));
  if (op == "normal") return normal_quantile(request.at("p"));
  if (op == "student") return student_quantile(request.at("p"), request.at("freedom"));
  if (op == "sign_test") return sign_test(request.at("successes"), request.at("trials"));
  if (op == "sign_flip") return sign_flip(request);
  if (op == "equal_length") return equal_length(request);
  if (op == "layout") return layout(request);
  if (op == "belief") return belief(request);
  throw usage_error("no such op: " + op);
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << compact_json(answer(parse_json(line, "request"))) << "\n";
  }
}
