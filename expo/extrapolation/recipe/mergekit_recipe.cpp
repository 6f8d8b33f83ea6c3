#include "expo/extrapolation/recipe/mergekit_recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "expo/core/dtype.h"
#include "expo/extrapolation/recipe/mergekit_setting.h"
#include "expo/extrapolation/recipe/recipe_value.h"

namespace expo {
namespace {

using Points = std::vector<long double>;

constexpr long double kSumTolerance = 1e-9L;

/// A model of the recipe with its weight.
struct Entry {
  std::string model;
  int line = 0;
  std::optional<MergekitSetting> weight;
};

/// The weights of two models for the tensors that contain the filters, both divided by their sum.
struct WeightPair {
  std::vector<std::string> filters;
  Points first;
  Points second;
};

std::vector<std::string> filters_of(const MergekitSetting::Case& a,
                                    const MergekitSetting::Case& b) {
  std::vector<std::string> result;
  for (const std::string& filter : {a.filter, b.filter}) {
    if (!filter.empty() && std::ranges::find(result, filter) == result.end()) {
      result.push_back(filter);
    }
  }
  return result;
}

/// The i-th point; a number counts as a constant gradient.
long double at(const Points& points, std::size_t i) {
  return points.size() == 1 ? points.front() : points[i];
}

class MergekitParser {
 public:
  MergekitParser(const YamlValue& root, const std::string& where) : root_(root), read_(where) {}

  Recipe parse() {
    const auto& method = *root_.find("merge_method");
    method_ = read_.text(method);
    if (method_ != "task_arithmetic" && method_ != "linear") {
      read_.refuse(method.line,
                   fmt::format("merge_method \"{}\" is not an extrapolation; only task_arithmetic "
                               "and linear can be one",
                               method_));
    }
    check_top_level();
    parse_models();
    parse_parameters();
    if (method_ == "linear") {
      parse_linear();
    } else {
      parse_task_arithmetic();
    }
    parse_dtype();
    recipe_.rounding = "nearest";
    note_gradients();
    return std::move(recipe_);
  }

 private:
  void check_top_level() {
    for (const char* key : {"slices", "modules"}) {
      refuse_key(key,
                 "the recipe does not show whether it covers the whole model; write "
                 "`models`");
    }
    for (const char* key : {"tokenizer_source", "tokenizer", "chat_template"}) {
      refuse_key(key, "the tokenizer and the chat template are the aligned model's; leave it out");
    }
    read_.check_keys(root_,
                     {"merge_method", "models", "base_model", "parameters", "dtype", "out_dtype"},
                     "a mergekit recipe for an extrapolation");
  }

  void refuse_key(const char* key, const char* why) {
    if (const auto* member = root_.find(key)) {
      read_.refuse(member->line, fmt::format("{} is not supported: {}", key, why));
    }
  }

  void parse_models() {
    const auto* models = root_.find("models");
    if (models == nullptr) read_.refuse(root_.line, "models is missing");
    if (models->value->kind != YamlValue::Kind::sequence) {
      read_.refuse(models->line, "models is not a list of {model: …, parameters: …}");
    }
    if (const auto* base = root_.find("base_model")) base_ = read_.text(*base);
    for (const auto& item : models->value->items) parse_model(*item);
    models_line_ = models->line;
  }

  void parse_model(const YamlValue& item) {
    read_.require_mapping(item, "a model");
    read_.check_keys(item, {"model", "parameters"}, "a model");
    const auto* model = item.find("model");
    if (model == nullptr) read_.refuse(item.line, "a model has no `model`");
    Entry entry{read_.text(*model), item.line, std::nullopt};
    if (std::ranges::find(entries_, entry.model, &Entry::model) != entries_.end()) {
      read_.refuse(item.line, fmt::format("the model {} is listed twice", entry.model));
    }
    if (const auto* parameters = item.find("parameters")) {
      entry.weight = parse_model_parameters(*parameters->value);
    }
    entries_.push_back(std::move(entry));
  }

  std::optional<MergekitSetting> parse_model_parameters(const YamlValue& parameters) {
    if (parameters.kind == YamlValue::Kind::null) return std::nullopt;
    read_.require_mapping(parameters, "parameters");
    std::optional<MergekitSetting> weight;
    for (const auto& member : parameters.members) {
      if (member.key == "weight") {
        weight = parse_mergekit_setting(read_, member);
      } else if (member.key == "density" && method_ == "task_arithmetic") {
        pass_over(member.key);
      } else {
        read_.refuse(
            member.line,
            fmt::format(
                "{} is not supported among a model's parameters, of which {} uses only weight "
                "only",
                member.key, method_));
      }
    }
    return weight;
  }

  void parse_parameters() {
    const auto* parameters = root_.find("parameters");
    if (parameters == nullptr || parameters->value->kind == YamlValue::Kind::null) return;
    read_.require_mapping(*parameters->value, "parameters");
    const bool task_arithmetic = method_ == "task_arithmetic";
    for (const auto& member : parameters->value->members) {
      if (member.key == "weight") {
        weight_ = parse_mergekit_setting(read_, member);
      } else if (member.key == "normalize") {
        normalize_ = read_.boolean(member);
        normalize_line_ = member.line;
      } else if (member.key == "lambda" && task_arithmetic) {
        lambda_ = parse_mergekit_setting(read_, member);
        lambda_line_ = member.line;
      } else if (task_arithmetic && (member.key == "density" || member.key == "int8_mask" ||
                                     member.key == "rescale")) {
        pass_over(member.key);
      } else {
        read_.refuse(member.line, fmt::format("{} is not a parameter of {}", member.key, method_));
      }
    }
  }

  void pass_over(const std::string& key) {
    recipe_.notes.push_back(fmt::format("{} has no effect in mergekit's {}", key, method_));
  }

  /// The weight of a model over all tensors; mergekit requires one.
  MergekitSetting weight_of(const Entry& entry) {
    MergekitSetting weight = entry.weight.value_or(MergekitSetting{});
    if (weight_) weight = with_fallback(std::move(weight), *weight_);
    if (weight.complete()) return weight;
    read_.refuse(entry.line,
                 fmt::format("the weight of {} is missing{}", entry.model,
                             weight.cases.empty() ? "" : " for tensors that no filter matches"));
  }

  void parse_task_arithmetic() {
    if (!base_) read_.refuse(root_.line, "task_arithmetic needs a base_model: the SFT model");
    std::erase_if(entries_, [this](const Entry& entry) { return entry.model == *base_; });
    if (entries_.size() != 1) {
      read_.refuse(models_line_, fmt::format("an extrapolation needs one model besides the "
                                             "base_model, but there are {}",
                                             entries_.size()));
    }
    if (normalize_.value_or(false)) {
      read_.refuse(normalize_line_,
                   "normalize: true divides the weight by itself, so it has no effect; write "
                   "normalize: false");
    }
    recipe_.sft = base_;
    recipe_.aligned = entries_.front().model;
    put_alpha(multiply(weight_of(entries_.front()), complete_lambda()), recipe_);
    recipe_.notes.push_back(
        "mergekit's task_arithmetic read as an extrapolation: alpha = lambda * "
        "weight - 1");
  }

  MergekitSetting complete_lambda() {
    const MergekitSetting one{{{"", {1.0L}}}};
    return lambda_ ? with_fallback(*lambda_, one) : one;
  }

  std::vector<MergekitAlpha> multiply(const MergekitSetting& weight,
                                      const MergekitSetting& lambda) {
    std::vector<MergekitAlpha> result;
    for (const auto& w : weight.cases) {
      for (const auto& l : lambda.cases) {
        if (w.points.size() > 1 && l.points.size() > 1) {
          read_.refuse(lambda_line_,
                       "lambda and weight both vary over the layers, so their product is not "
                       "linear between the points; make one of them a number");
        }
        MergekitAlpha entry{filters_of(w, l), {}};
        for (std::size_t i = 0; i < std::max(w.points.size(), l.points.size()); ++i) {
          entry.points.push_back(checked(at(w.points, i) * at(l.points, i) - 1));
        }
        result.push_back(std::move(entry));
      }
    }
    return result;
  }

  double checked(long double alpha) {
    const auto result = static_cast<double>(alpha);
    if (!std::isfinite(result))
      read_.refuse(models_line_, "the resulting alpha is not a finite number");
    return result;
  }

  void parse_linear() {
    if (entries_.size() != 2) {
      read_.refuse(models_line_, fmt::format("an extrapolation needs two models, but there are {}",
                                             entries_.size()));
    }
    if (base_ && std::ranges::find(entries_, *base_, &Entry::model) == entries_.end()) {
      read_.refuse(root_.find("base_model")->line,
                   "base_model is not one of the models, so mergekit would add it as a third");
    }
    const MergekitSetting first = weight_of(entries_[0]);
    const MergekitSetting second = weight_of(entries_[1]);
    const auto pairs = pair_weights(first, second);
    const bool first_is_aligned = first_is_greater(pairs);
    recipe_.aligned = entries_[first_is_aligned ? 0 : 1].model;
    recipe_.sft = entries_[first_is_aligned ? 1 : 0].model;
    std::vector<MergekitAlpha> alphas;
    for (const WeightPair& pair : pairs) {
      MergekitAlpha alpha{pair.filters, {}};
      for (const long double w : first_is_aligned ? pair.first : pair.second) {
        alpha.points.push_back(checked(w - 1));
      }
      alphas.push_back(std::move(alpha));
    }
    put_alpha(alphas, recipe_);
    recipe_.notes.push_back(fmt::format(
        "mergekit's linear read as an extrapolation: {} has the greater weight and counts as "
        "aligned, alpha = its weight - 1",
        *recipe_.aligned));
  }

  std::vector<WeightPair> pair_weights(const MergekitSetting& first,
                                       const MergekitSetting& second) {
    std::vector<WeightPair> result;
    for (const auto& a : first.cases) {
      for (const auto& b : second.cases) {
        WeightPair pair = widen(a.points, b.points);
        pair.filters = filters_of(a, b);
        divide_by_sum(pair);
        result.push_back(std::move(pair));
      }
    }
    return result;
  }

  WeightPair widen(const Points& first, const Points& second) {
    const std::size_t count = std::max(first.size(), second.size());
    if ((first.size() != count && first.size() != 1) ||
        (second.size() != count && second.size() != 1)) {
      read_.refuse(models_line_, "the two weights are gradients with different numbers of points");
    }
    WeightPair pair;
    for (std::size_t i = 0; i < count; ++i) {
      pair.first.push_back(at(first, i));
      pair.second.push_back(at(second, i));
    }
    return pair;
  }

  void divide_by_sum(WeightPair& pair) {
    const bool normalize = normalize_.value_or(true);
    const long double sum = pair.first.front() + pair.second.front();
    for (std::size_t i = 0; i < pair.first.size(); ++i) {
      const long double here = pair.first[i] + pair.second[i];
      if (!normalize && std::fabs(here - 1) > kSumTolerance) {
        read_.refuse(models_line_,
                     fmt::format("the weights add up to {}, but an extrapolation needs 1 (or "
                                 "normalize: true)",
                                 static_cast<double>(here)));
      }
      if (normalize && std::fabs(here - sum) > kSumTolerance * std::fabs(sum)) {
        read_.refuse(models_line_,
                     "the sum of the weights varies over the layers, so alpha would not be "
                     "linear between the points");
      }
    }
    if (!normalize) return;
    if (!(std::fabs(sum) > 0)) read_.refuse(models_line_, "the weights add up to 0");
    for (long double& weight : pair.first) weight /= sum;
    for (long double& weight : pair.second) weight /= sum;
  }

  bool first_is_greater(const std::vector<WeightPair>& pairs) {
    bool first = false;
    bool second = false;
    for (const WeightPair& pair : pairs) {
      for (std::size_t i = 0; i < pair.first.size(); ++i) {
        first = first || pair.first[i] > pair.second[i];
        second = second || pair.second[i] > pair.first[i];
      }
    }
    if (first != second) return first;
    read_.refuse(models_line_,
                 first ? "neither model has the greater weight for all tensors, so neither is "
                         "the aligned one"
                       : "the models have equal weights, so neither is the aligned one");
  }

  void parse_dtype() {
    for (const char* key : {"out_dtype", "dtype"}) {
      const auto* member = root_.find(key);
      if (member == nullptr || member->value->kind == YamlValue::Kind::null) continue;
      const std::string& written = read_.text(*member);
      const std::string word = written.starts_with("torch.") ? written.substr(6) : written;
      const auto dtype = dtype_from_user(word);
      if (!dtype || !supports_arithmetic(*dtype)) {
        read_.refuse(member->line,
                     fmt::format("{} is \"{}\"; expected bfloat16, float16, float32 or "
                                 "float64",
                                 key, written));
      }
      if (!recipe_.out_dtype) recipe_.out_dtype = word;
      if (std::string_view(key) == "dtype") {
        recipe_.notes.push_back(fmt::format(
            "dtype {} is used for the output; the arithmetic is float64, rounded once", word));
      }
    }
  }

  void note_gradients() {
    const auto varies = [](const Recipe::Alpha& alpha) { return alpha.points.size() > 1; };
    const bool any =
        varies(*recipe_.alpha) || std::ranges::any_of(recipe_.rules, varies, &Recipe::Rule::alpha);
    if (!any) return;
    recipe_.notes.push_back(
        "the gradient runs over the layer numbers of the whole model; mergekit restarts it in "
        "every stack if a model has several (encoder and decoder, vision and language)");
  }

  const YamlValue& root_;
  RecipeReader read_;
  Recipe recipe_;
  std::string method_;
  std::optional<std::string> base_;
  std::vector<Entry> entries_;
  int models_line_ = 0;
  std::optional<MergekitSetting> weight_;
  std::optional<MergekitSetting> lambda_;
  int lambda_line_ = 0;
  std::optional<bool> normalize_;
  int normalize_line_ = 0;
};

}  // namespace

bool is_mergekit_recipe(const YamlValue& root) {
  return root.find("merge_method") != nullptr;
}

Recipe parse_mergekit_recipe(const YamlValue& root, const std::string& where) {
  return MergekitParser(root, where).parse();
}

}  // namespace expo
