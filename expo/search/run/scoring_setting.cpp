#include "expo/search/run/scoring_setting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "expo/core/error.h"
#include "expo/engine/engine_spec.h"
#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/diagnosis/pair_files.h"
#include "expo/extrapolation/diagnosis/rounding_decision.h"
#include "expo/extrapolation/diagnosis/verdict.h"

namespace expo {
namespace {

/// What rounding to nearest in this type makes of an α that it does not keep.
std::optional<BentAlpha> bent_in(const Checkpoint& sft, const Checkpoint& aligned, double alpha,
                                 DType dtype, const SettingRequest& request,
                                 const CancellationToken& cancellation) {
  const Plan plan =
      make_plan(sft, aligned, {AlphaSchedule(alpha), dtype, request.on_mismatch}, cancellation);
  const RoundingDecision decision =
      decide_rounding(&sft, aligned, plan,
                      {RoundingChoice::automatic, request.seed, request.threads}, cancellation);
  if (decision.used != Rounding::stochastic) return std::nullopt;
  return BentAlpha{alpha, decision.nearest_alpha.value_or(alpha)};
}

std::uint64_t elements_of(const Checkpoint& checkpoint) {
  std::uint64_t elements = 0;
  for (const Tensor& tensor : checkpoint.tensors()) elements += tensor.elements();
  return elements;
}

std::uint64_t bytes_in(const Checkpoint& checkpoint, DType dtype) {
  return (dtype == DType::f32 ? 4 : 2) * elements_of(checkpoint);
}

/// What the weights of all models take together, or those of the largest, if the pair runs in this
/// type.
std::uint64_t weight_bytes(std::span<const NamedCheckpoint> aligned, DType dtype,
                           const SettingRequest& request, bool one_at_a_time) {
  std::vector<std::uint64_t> all;
  if (request.baseline != nullptr) all.push_back(bytes_in(*request.baseline, dtype));
  for (const Checkpoint* each : request.rewards) {
    const auto asked = parse_running_dtype(request.dtype);
    all.push_back(bytes_in(*each, asked.value_or(natural_running_dtype(*each))));
  }
  if (!request.served) {
    for (const NamedCheckpoint& each : aligned) all.push_back(bytes_in(*each.checkpoint, dtype));
  }
  if (all.empty()) return 0;
  return one_at_a_time ? *std::max_element(all.begin(), all.end())
                       : std::accumulate(all.begin(), all.end(), std::uint64_t{0});
}

class Chooser {
 public:
  Chooser(const Checkpoint& sft, std::span<const NamedCheckpoint> aligned,
          std::span<const double> alphas, const SettingRequest& request,
          const CancellationToken& cancellation)
      : sft_(sft),
        aligned_(aligned),
        alphas_(alphas),
        request_(request),
        cancellation_(cancellation),
        asked_dtype_(request.served ? request.served : parse_running_dtype(request.dtype)) {}

  ScoringSetting choose() const {
    const DType dtype = asked_dtype_.value_or(natural_dtype());
    if (request_.rounding != RoundingChoice::automatic)
      return setting(dtype, request_.rounding, "");
    const auto bent = first_bent(dtype);
    if (!bent) {
      return setting(dtype, RoundingChoice::nearest,
                     ": rounding to nearest keeps every α, judged by a sample of the weights");
    }
    const std::string why = fmt::format(
        ": rounded to nearest in {}, the α of {:.4g}{} would have the effect of {:.4g}, judged by "
        "a sample of the weights",
        torch_name(dtype), bent->alpha.asked, bent->name.empty() ? "" : " of " + bent->name,
        bent->alpha.effective);
    if (!asked_dtype_ && dtype != DType::f32 && fits_in_float32())
      return setting(DType::f32, RoundingChoice::nearest, why);
    return setting(dtype, RoundingChoice::stochastic, why);
  }

 private:
  /// The type that all models can run in without loss.
  DType natural_dtype() const {
    DType widest = natural_running_dtype(*aligned_.front().checkpoint);
    for (const NamedCheckpoint& each : aligned_) {
      if (natural_running_dtype(*each.checkpoint) == DType::f32) widest = DType::f32;
    }
    return widest;
  }

  struct Bent {
    std::string name;
    BentAlpha alpha;
  };

  /// The first α that rounding to nearest in this type would bend.
  std::optional<Bent> first_bent(DType dtype) const {
    for (const NamedCheckpoint& each : aligned_) {
      for (const double alpha : alphas_) {
        const auto bent = bent_in(sft_, *each.checkpoint, alpha, dtype, request_, cancellation_);
        if (bent) return Bent{each.name, *bent};
      }
    }
    return std::nullopt;
  }

  bool fits_in_float32() const {
    return weight_bytes(aligned_, DType::f32, request_, request_.one_at_a_time) <=
           request_.memory / 2;
  }

  ScoringSetting setting(DType dtype, RoundingChoice rounding, const std::string& why) const {
    return {dtype, rounding, request_.seed,
            fmt::format("all α run in {}, rounded {}{}", torch_name(dtype),
                        rounding == RoundingChoice::stochastic
                            ? fmt::format("stochastically with seed {}", request_.seed)
                            : "to nearest",
                        why)};
  }

  const Checkpoint& sft_;
  std::span<const NamedCheckpoint> aligned_;
  std::span<const double> alphas_;
  const SettingRequest& request_;
  const CancellationToken& cancellation_;
  std::optional<DType> asked_dtype_;
};

}  // namespace

ScoringSetting choose_setting(const Checkpoint& sft, std::span<const NamedCheckpoint> aligned,
                              std::span<const double> alphas, const SettingRequest& request,
                              const CancellationToken& cancellation) {
  return Chooser(sft, aligned, alphas, request, cancellation).choose();
}

bool need_turns(std::span<const NamedCheckpoint> aligned, const ScoringSetting& setting,
                const SettingRequest& request) {
  const std::uint64_t together = weight_bytes(aligned, setting.dtype, request, false);
  return together > request.memory / 5 * 4 &&
         weight_bytes(aligned, setting.dtype, request, true) < together;
}

std::vector<std::string> bend_warnings(std::span<const BentAlpha> bent,
                                       const ScoringSetting& setting) {
  if (bent.empty()) return {};
  std::vector<std::string> shown;
  for (const BentAlpha& each : bent)
    shown.push_back(fmt::format("{:g} has the effect of {:.4g}", each.asked, each.effective));
  return {fmt::format(
      "rounded to nearest in {} as --rounding asks, α = {}, judged by a sample of the weights; "
      "leave --rounding out, or give --dtype f32, to search the α that are named",
      torch_name(setting.dtype), fmt::join(shown, ", "))};
}

std::uint64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size)
             : 0;
}

Json to_json(const ScoringSetting& setting) {
  return {{"dtype", torch_name(setting.dtype)},
          {"rounding", rounding_name(setting.rounding)},
          {"rounding_seed", setting.seed}};
}

std::vector<std::string> pair_warnings(Filesystem& filesystem, const Checkpoint& sft,
                                       const Checkpoint& aligned, unsigned threads,
                                       const CancellationToken& cancellation) {
  DiagnosisOptions options;
  options.sample = true;
  options.threads = threads;
  const Verdict verdict =
      judge(diagnose(sft, aligned, options, cancellation), pair_facts(filesystem, sft, aligned));
  if (!verdict.warns()) return {};
  return {verdict.headline + " " + verdict.advice + " (`expo inspect` shows the evidence)"};
}

}  // namespace expo
