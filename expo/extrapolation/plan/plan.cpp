#include "expo/extrapolation/plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "expo/checkpoint/model_class.h"
#include "expo/checkpoint/tied_head.h"
#include "expo/core/error.h"
#include "expo/extrapolation/plan/integer_tensors.h"

namespace expo {
namespace {

/// Buffers that a model computes from its configuration; they hold nothing that was trained.
bool is_derived_buffer(const std::string& name) {
  static const std::regex pattern(
      R"((^|\.)(rotary_emb\.(inv_freq|cos_cached|sin_cached)|masked_bias|position_ids)$)");
  return std::regex_search(name, pattern);
}

bool is_float(const Tensor& tensor) {
  return supports_arithmetic(tensor.dtype);
}

DType output_type(const Tensor& tensor, const std::optional<DType>& wanted) {
  return wanted && is_float(tensor) && !is_derived_buffer(tensor.name) ? *wanted : tensor.nominal;
}

bool differs_in_rows_only(const Tensor& a, const Tensor& b) {
  return !a.shape.empty() && a.shape.size() == b.shape.size() &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1);
}

/// The embedding that a tied output head shares.
std::optional<std::size_t> tied_embedding(const std::optional<TiedHead>& tied,
                                          const std::string& head) {
  if (!tied || tied->name != head) return std::nullopt;
  return tied->embedding;
}

class Planner {
 public:
  Planner(const Checkpoint& sft, const Checkpoint& aligned, const PlanOptions& options,
          const CancellationToken& cancellation)
      : sft_(sft),
        aligned_(aligned),
        options_(options),
        cancellation_(cancellation),
        layers_(count_layers(aligned)),
        tied_in_sft_(find_tied_head(sft)),
        tied_in_aligned_(find_tied_head(aligned)) {}

  Plan make() {
    for (std::size_t i = 0; i < aligned_.tensors().size(); ++i)
      plan_.tensors.push_back(tensor_plan(i));
    for (const Tensor& tensor : sft_.tensors()) note_missing(tensor);
    if (options_.on_mismatch == MismatchPolicy::refuse && !plan_.mismatches.empty()) refuse();
    if (packed_) plan_.warnings.push_back(describe_integers());
    if (options_.refuse_strangers && !plan_.mismatches.empty() && nothing_fits())
      refuse_strangers();
    return std::move(plan_);
  }

 private:
  TensorPlan tensor_plan(std::size_t index) {
    const Tensor& tensor = aligned_.tensors()[index];
    TensorPlan plan;
    plan.aligned = index;
    plan.out_type = output_type(tensor, options_.out_type);
    plan.alpha = options_.alpha.alpha_for(tensor.name, layers_);
    if (is_derived_buffer(tensor.name)) return plan;
    const auto counterpart = sft_.find(tensor.name);
    const bool integers = !is_floating(tensor.dtype);
    if (integers && !counterpart) return plan;
    if (integers && !is_floating(sft_.tensors()[*counterpart].dtype)) {
      match_integers(tensor, *counterpart, plan);
    } else if (!counterpart) {
      match_missing(tensor, plan);
    } else {
      match(tensor, *counterpart, plan);
    }
    return plan;
  }

  /// Integers cannot be extrapolated. If they differ, they may be packed weights, and taking
  /// ALIGNED's would leave most of the model as it is.
  void match_integers(const Tensor& tensor, std::size_t counterpart, const TensorPlan& plan) {
    if (is_integer_buffer(tensor.name)) return;
    const Tensor& other = sft_.tensors()[counterpart];
    std::string problem;
    if (tensor.shape != other.shape) {
      problem = shape_problem(tensor, other);
    } else if (tensor.dtype != other.dtype) {
      problem = fmt::format("it is {} in SFT and {} in ALIGNED", other.stored, tensor.stored);
    } else if (!equal_bits(aligned_, plan.aligned, sft_, counterpart, cancellation_)) {
      problem = fmt::format("its {} values differ", tensor.stored);
    } else {
      return;
    }
    packed_ = packed_ || looks_packed(aligned_, tensor);
    integer_mismatches_.push_back(plan_.mismatches.size());
    mismatch(tensor.name, problem + ", and there is no arithmetic between integers",
             "ALIGNED's values");
  }

  void match(const Tensor& tensor, std::size_t counterpart, TensorPlan& plan) {
    const Tensor& other = sft_.tensors()[counterpart];
    if (tensor.shape != other.shape) {
      match_rows(tensor, counterpart, plan, shape_problem(tensor, other));
    } else if (is_float(tensor) && is_float(other)) {
      pair(tensor, counterpart, plan);
    } else if (tensor.dtype != other.dtype) {
      mismatch(
          tensor.name,
          fmt::format("it is {} in SFT and {} in ALIGNED, between which there is no arithmetic",
                      other.stored, tensor.stored),
          "ALIGNED's values");
    } else if (!equal_bits(aligned_, plan.aligned, sft_, counterpart, cancellation_)) {
      mismatch(
          tensor.name,
          fmt::format(
              "its {} values differ, and there is no arithmetic on that type; use the checkpoints "
              "before quantisation",
              tensor.stored),
          "ALIGNED's values");
    }
  }

  void pair(const Tensor& tensor, std::size_t counterpart, TensorPlan& plan) const {
    plan.sft = counterpart;
    plan.common = std::min(tensor.elements(), sft_.tensors()[counterpart].elements());
  }

  void match_rows(const Tensor& tensor, std::size_t counterpart, TensorPlan& plan,
                  std::string problem) {
    const Tensor& other = sft_.tensors()[counterpart];
    const bool rows = options_.on_mismatch == MismatchPolicy::common_rows &&
                      differs_in_rows_only(tensor, other) && is_float(tensor) && is_float(other);
    if (rows) pair(tensor, counterpart, plan);
    mismatch(tensor.name, std::move(problem),
             rows ? fmt::format("the {} rows in common are extrapolated, any beyond are ALIGNED's",
                                std::min(tensor.shape[0], other.shape[0]))
                  : "ALIGNED's values");
  }

  void match_missing(const Tensor& tensor, TensorPlan& plan) {
    const auto embedding = tied_embedding(tied_in_sft_, tensor.name);
    if (!embedding) {
      mismatch(tensor.name, "it is missing from SFT", "ALIGNED's values");
      return;
    }
    const std::string problem = fmt::format("it is missing from SFT, whose head is tied to \"{}\"",
                                            sft_.tensors()[*embedding].name);
    const Tensor& other = sft_.tensors()[*embedding];
    if (options_.on_mismatch == MismatchPolicy::common_rows && tensor.shape == other.shape &&
        is_float(tensor) && is_float(other)) {
      pair(tensor, *embedding, plan);
      mismatch(tensor.name, problem, "extrapolated against that embedding");
    } else {
      match_rows(tensor, *embedding, plan, problem);
    }
  }

  void note_missing(const Tensor& tensor) {
    if (aligned_.find(tensor.name) || is_derived_buffer(tensor.name) || !is_floating(tensor.dtype))
      return;
    const auto embedding = tied_embedding(tied_in_aligned_, tensor.name);
    mismatch(tensor.name,
             embedding ? fmt::format("it is missing from ALIGNED, whose head is tied to \"{}\"",
                                     aligned_.tensors()[*embedding].name)
                       : "it is missing from ALIGNED",
             "left out, as in ALIGNED");
  }

  static std::string shape_problem(const Tensor& tensor, const Tensor& other) {
    const bool rows = differs_in_rows_only(tensor, other);
    return fmt::format(
        "its shape is {} in SFT and {} in ALIGNED{}", format_shape(other.shape),
        format_shape(tensor.shape),
        rows && tensor.shape.size() == 2 ? " (a padded or resized vocabulary?)" : "");
  }

  void mismatch(const std::string& tensor, std::string problem, std::string treatment) {
    if (options_.on_mismatch == MismatchPolicy::refuse) treatment.clear();
    plan_.mismatches.push_back({tensor, std::move(problem), std::move(treatment)});
  }

  bool nothing_fits() const {
    return std::ranges::none_of(plan_.tensors,
                                [](const TensorPlan& plan) { return plan.sft.has_value(); });
  }

  /// Every output would be ALIGNED's own, and a copy is not what was asked for.
  [[noreturn]] void refuse_strangers() const {
    throw input_error(
        fmt::format("{} and {} have no tensor in common that could be extrapolated{}; are they two "
                    "stages of one model?",
                    sft_.location(), aligned_.location(),
                    integer_mismatches_.empty() ? prefix_hint() : "; " + describe_integers()));
  }

  /// All integer tensors that differ, in one sentence: a packed model has hundreds of them.
  std::string describe_integers() const {
    constexpr std::size_t kMostNamed = 3;
    const std::size_t count = integer_mismatches_.size();
    std::string names;
    for (std::size_t i = 0; i < std::min(kMostNamed, count); ++i) {
      names += fmt::format("{}\"{}\"", i > 0 ? ", " : "",
                           plan_.mismatches[integer_mismatches_[i]].tensor);
    }
    if (count > kMostNamed) names += fmt::format(" and {} more", count - kMostNamed);
    return fmt::format(
        "{} ({} integer or boolean {}): {} and there is no arithmetic between integers{}", names,
        count, count == 1 ? "tensor" : "tensors",
        count == 1 ? "it differs between the two," : "they differ between the two,",
        packed_ ? "; the names suggest a quantised checkpoint, so use the checkpoint before "
                  "quantisation"
                : "");
  }

  /// Some programs save a checkpoint with a prefix before every name.
  std::string prefix_hint() const {
    if (sft_.tensors().empty() || aligned_.tensors().empty()) return {};
    for (const auto& [longer, shorter] :
         {std::pair(&aligned_, &sft_), std::pair(&sft_, &aligned_)}) {
      const std::string& name = shorter->tensors().front().name;
      for (const Tensor& tensor : longer->tensors()) {
        if (tensor.name.size() > name.size() && tensor.name.ends_with("." + name)) {
          return fmt::format(
              "; the names in {} begin with \"{}\", those in {} do not", longer->location(),
              tensor.name.substr(0, tensor.name.size() - name.size()), shorter->location());
        }
      }
    }
    return {};
  }

  void refuse_other_heads() const {
    const bool scored = aligned_.find(kScoreHead).has_value();
    if (scored == sft_.find(kScoreHead).has_value()) return;
    throw input_error(fmt::format(
        "{} is a reward model (it has \"{}\"), but {} is not; Δ must be taken between two stages "
        "of one model; --on-mismatch aligned takes over what only ALIGNED has",
        (scored ? aligned_ : sft_).location(), kScoreHead, (scored ? sft_ : aligned_).location()));
  }

  [[noreturn]] void refuse() const {
    if (nothing_fits()) refuse_strangers();
    refuse_other_heads();
    std::vector<bool> listed(plan_.mismatches.size(), false);
    for (const std::size_t index : integer_mismatches_) listed[index] = true;
    std::string message = fmt::format(
        "{} and {} do not fit together in {} tensor{} (--on-mismatch common-rows or aligned "
        "decides what to do with them):",
        sft_.location(), aligned_.location(), plan_.mismatches.size(),
        plan_.mismatches.size() == 1 ? "" : "s");
    if (!integer_mismatches_.empty()) message += "\n  " + describe_integers();
    for (std::size_t i = 0; i < plan_.mismatches.size(); ++i) {
      if (listed[i]) continue;
      message +=
          fmt::format("\n  \"{}\": {}", plan_.mismatches[i].tensor, plan_.mismatches[i].problem);
    }
    throw input_error(message);
  }

  const Checkpoint& sft_;
  const Checkpoint& aligned_;
  const PlanOptions& options_;
  const CancellationToken& cancellation_;
  unsigned layers_;
  std::optional<TiedHead> tied_in_sft_;
  std::optional<TiedHead> tied_in_aligned_;
  std::vector<std::size_t> integer_mismatches_;  ///< places in plan_.mismatches, ascending
  bool packed_ = false;                          ///< whether one of them looks like a packed weight
  Plan plan_;
};

std::string configured(const Checkpoint& checkpoint, const char* key) {
  const Json& config = checkpoint.config();
  if (!config.is_object() || !config.contains(key)) return {};
  return config[key].dump();
}

void warn_about_configurations(const Checkpoint& sft, const Checkpoint& aligned, Plan& plan) {
  for (const char* key :
       {"architectures", "model_type", "rope_theta", "rope_scaling", "num_attention_heads",
        "num_key_value_heads", "hidden_act", "sliding_window"}) {
    const std::string a = configured(sft, key);
    const std::string b = configured(aligned, key);
    if (!a.empty() && !b.empty() && a != b) {
      plan.warnings.push_back(fmt::format(
          "config.json: {} is {} in SFT but {} in ALIGNED; the two may not be stages of "
          "one model",
          key, a, b));
    }
  }
}

void warn_about_rules(const Checkpoint& aligned, const AlphaSchedule& alpha, Plan& plan) {
  std::vector<std::string> names;
  for (const Tensor& tensor : aligned.tensors()) names.push_back(tensor.name);
  for (const std::string& rule : alpha.unmatched_rules(names)) {
    plan.warnings.push_back(fmt::format("the rule {} matches no tensor", rule));
  }
}

}  // namespace

MismatchPolicy parse_mismatch_policy(const std::string& word) {
  if (word == "refuse") return MismatchPolicy::refuse;
  if (word == "aligned") return MismatchPolicy::aligned;
  if (word == "common-rows") return MismatchPolicy::common_rows;
  throw usage_error("\"" + word +
                    "\" is not a mismatch policy; expected refuse, aligned or common-rows");
}

std::string_view mismatch_policy_name(MismatchPolicy policy) {
  switch (policy) {
    case MismatchPolicy::aligned:
      return "aligned";
    case MismatchPolicy::common_rows:
      return "common-rows";
    default:
      return "refuse";
  }
}

Plan make_plan(const Checkpoint& sft, const Checkpoint& aligned, const PlanOptions& options,
               const CancellationToken& cancellation) {
  Plan plan = Planner(sft, aligned, options, cancellation).make();
  warn_about_configurations(sft, aligned, plan);
  warn_about_rules(aligned, options.alpha, plan);
  return plan;
}

Plan make_copy_plan(const Checkpoint& source, std::optional<DType> out_type) {
  Plan plan;
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    TensorPlan tensor;
    tensor.aligned = i;
    tensor.out_type = output_type(source.tensors()[i], out_type);
    plan.tensors.push_back(tensor);
  }
  return plan;
}

unsigned count_layers(const Checkpoint& checkpoint) {
  unsigned layers = 1;
  for (const Tensor& tensor : checkpoint.tensors()) {
    if (const auto layer = layer_of(tensor.name)) layers = std::max(layers, *layer + 1);
  }
  return layers;
}

}  // namespace expo
