#include "expo/extrapolation/diagnosis/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "expo/core/parallel.h"
#include "expo/extrapolation/diagnosis/delta_measures.h"
#include "expo/extrapolation/diagnosis/ties.h"
#include "expo/extrapolation/plan/planned_values.h"
#include "expo/extrapolation/plan/tensor_blocks.h"

namespace expo {
namespace {

struct BlockResult {
  DeltaProfile delta;
  ValueHealth sft;
  ValueHealth aligned;
  std::uint64_t sft_ties = 0;
  std::uint64_t aligned_ties = 0;
};

struct WorkerScratch {
  ReadScratch sft;
  ReadScratch aligned;
};

std::uint64_t row_length(const Tensor& tensor) {
  return tensor.shape.size() == 2 ? tensor.shape[1] : 0;
}

class Pass {
 public:
  Pass(const Checkpoint& sft, const Checkpoint& aligned, const Plan& plan,
       const DiagnosisOptions& options, const CancellationToken& cancellation)
      : sft_(sft),
        aligned_(aligned),
        plan_(plan),
        options_(options),
        cancellation_(cancellation),
        values_(&sft, aligned, {}) {
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
      const TensorPlan& tensor = plan.tensors[i];
      if (tensor.sft) {
        append_blocks(i, tensor.common, row_length(aligned.tensors()[tensor.aligned]),
                      options.sample, blocks_);
      }
    }
  }

  /// One result for each tensor of the plan.
  std::vector<BlockResult> run() {
    std::vector<BlockResult> results(blocks_.size());
    const unsigned threads = options_.threads == 0 ? available_threads() : options_.threads;
    std::vector<WorkerScratch> scratch(threads);
    begin_progress();
    parallel_for(blocks_.size(), threads, [&](std::size_t index, unsigned worker) {
      cancellation_.check();
      results[index] = examine(blocks_[index], scratch[worker]);
    });
    if (options_.progress) options_.progress->end();
    return fold(results);
  }

 private:
  std::uint64_t bytes_of(const TensorBlock& block) const {
    const TensorPlan& plan = plan_.tensors[block.tensor];
    return block.count * (byte_width(aligned_.tensors()[plan.aligned].dtype) +
                          byte_width(sft_.tensors()[*plan.sft].dtype));
  }

  void begin_progress() const {
    if (!options_.progress) return;
    std::uint64_t bytes = 0;
    for (const TensorBlock& block : blocks_) bytes += bytes_of(block);
    options_.progress->begin("Comparing", bytes);
  }

  BlockResult examine(const TensorBlock& block, WorkerScratch& scratch) const {
    const TensorPlan& plan = plan_.tensors[block.tensor];
    const Tensor& aligned = aligned_.tensors()[plan.aligned];
    const Tensor& sft = sft_.tensors()[*plan.sft];
    const auto b = aligned_.read(plan.aligned, block.first, block.count, scratch.aligned);
    const auto a = sft_.read(*plan.sft, block.first, block.count, scratch.sft);
    BlockResult result;
    const std::uint64_t row = row_length(aligned);
    const std::uint64_t whole_rows = row > 0 && block.first % row == 0 ? row : 0;
    result.aligned = examine_values(b, aligned.dtype, whole_rows);
    result.sft = examine_values(a, sft.dtype, whole_rows);
    result.sft_ties = count_ties(a, sft.dtype, serving_type(sft, options_.out_type));
    result.aligned_ties = count_ties(b, aligned.dtype, serving_type(aligned, options_.out_type));
    KernelInput input = values_.kernel_input(plan, {block.first, block.count}, plan.out_type, a, b);
    for (std::size_t i = 0; i < kDiagnosisAlphas.size(); ++i) {
      input.alpha = kDiagnosisAlphas[i];
      result.delta.at[i] = extrapolate(input);
    }
    if (options_.progress) options_.progress->advance(bytes_of(block));
    return result;
  }

  std::vector<BlockResult> fold(const std::vector<BlockResult>& results) const {
    std::vector<BlockResult> tensors(plan_.tensors.size());
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      BlockResult& tensor = tensors[blocks_[i].tensor];
      tensor.delta += results[i].delta;
      tensor.sft += results[i].sft;
      tensor.aligned += results[i].aligned;
      tensor.sft_ties += results[i].sft_ties;
      tensor.aligned_ties += results[i].aligned_ties;
    }
    return tensors;
  }

  const Checkpoint& sft_;
  const Checkpoint& aligned_;
  const Plan& plan_;
  const DiagnosisOptions& options_;
  const CancellationToken& cancellation_;
  PlannedValues values_;
  std::vector<TensorBlock> blocks_;
};

std::vector<TensorDiagnosis> tensor_diagnoses(const Checkpoint& aligned, const Plan& plan,
                                              const std::vector<BlockResult>& results) {
  std::vector<TensorDiagnosis> tensors;
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorPlan& planned = plan.tensors[i];
    if (!planned.sft) continue;
    const Tensor& tensor = aligned.tensors()[planned.aligned];
    TensorDiagnosis diagnosis{tensor.name,       group_of(tensor.name), tensor.elements(),
                              planned.common,    results[i].delta,      results[i].sft,
                              results[i].aligned};
    if (diagnosis.delta.sums().elements != planned.common) {
      for (DeltaSums& sums : diagnosis.delta.at) sums = scaled(sums, planned.common);
    }
    tensors.push_back(std::move(diagnosis));
  }
  return tensors;
}

template <typename Label>
std::vector<GroupDiagnosis> grouped(const Diagnosis& diagnosis, Label label) {
  std::vector<GroupDiagnosis> groups;
  std::map<std::string, std::size_t> places;
  for (const TensorDiagnosis& tensor : diagnosis.tensors) {
    const auto [place, fresh] = places.try_emplace(label(tensor.group), groups.size());
    if (fresh) groups.push_back({place->first, 0, {}, 0});
    GroupDiagnosis& group = groups[place->second];
    ++group.tensors;
    group.delta += tensor.delta;
  }
  const double whole = diagnosis.total.sums().delta_squared;
  for (GroupDiagnosis& group : groups) {
    group.delta_share = whole > 0 ? group.delta.sums().delta_squared / whole : 0;
  }
  return groups;
}

/// Sorts the layers of each part by number, whatever the order of the files; tensors without a
/// layer stay where they first appear.
std::vector<TensorGroup> layer_order(const Diagnosis& diagnosis) {
  std::vector<TensorGroup> order;
  for (const TensorDiagnosis& tensor : diagnosis.tensors) order.push_back(tensor.group);
  std::ranges::stable_sort(order, [](const TensorGroup& a, const TensorGroup& b) {
    if (a.part != b.part) return a.part < b.part;
    if (a.layer.has_value() != b.layer.has_value()) return a.layer.has_value();
    return a.layer && *a.layer < *b.layer;
  });
  return order;
}

std::vector<GroupDiagnosis> by_layer(const Diagnosis& diagnosis) {
  std::map<std::string, std::size_t> rank;
  for (const TensorGroup& group : layer_order(diagnosis))
    rank.try_emplace(layer_label(group), rank.size());
  auto groups = grouped(diagnosis, layer_label);
  std::ranges::stable_sort(groups, {},
                           [&](const GroupDiagnosis& group) { return rank.at(group.label); });
  return groups;
}

Concentration concentrate(const Diagnosis& diagnosis) {
  Concentration result;
  const auto weight = [&](std::size_t i) {
    return diagnosis.tensors[i].delta.sums().delta_squared;
  };
  for (std::size_t i = 0; i < diagnosis.tensors.size(); ++i) {
    if (weight(i) > 0) result.order.push_back(i);
  }
  std::ranges::stable_sort(result.order, std::greater{}, weight);
  double whole = 0;
  for (const std::size_t i : result.order) whole += weight(i);
  double sum = 0;
  for (const std::size_t i : result.order) {
    if (sum < 0.5 * whole) ++result.half;
    if (sum < 0.9 * whole) ++result.nine_tenths;
    sum += weight(i);
  }
  return result;
}

void warn_about_quantisation(const Checkpoint& checkpoint, std::vector<std::string>& warnings) {
  if (checkpoint.quantised_formats().empty()) return;
  warnings.push_back(fmt::format(
      "{} holds quantised blocks ({}), so the change between the two contains quantisation noise",
      checkpoint.location(), fmt::join(checkpoint.quantised_formats(), ", ")));
}

void warn_about_ties(const Checkpoint& sft, Diagnosis& diagnosis) {
  const std::string type(torch_name(diagnosis.ties.type));
  std::string sentence = tie_sentence(
      sft.location(), diagnosis.ties.sft, diagnosis.ties.type,
      fmt::format("convert it first (expo convert --out-dtype {}) and train from the result",
                  type));
  if (!sentence.empty()) diagnosis.warnings.push_back(std::move(sentence));
}

/// The shares of ties among the values that were read.
TieShares tie_shares(const std::vector<BlockResult>& results, DType type) {
  std::uint64_t read = 0;
  std::uint64_t sft = 0;
  std::uint64_t aligned = 0;
  for (const BlockResult& result : results) {
    read += result.delta.sums().elements;
    sft += result.sft_ties;
    aligned += result.aligned_ties;
  }
  if (read == 0) return {type, 0, 0};
  const auto whole = static_cast<double>(read);
  return {type, static_cast<double>(sft) / whole, static_cast<double>(aligned) / whole};
}

double sampled_share(const std::vector<BlockResult>& results, const Plan& plan) {
  std::uint64_t read = 0;
  std::uint64_t whole = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    read += results[i].delta.sums().elements;
    if (plan.tensors[i].sft) whole += plan.tensors[i].common;
  }
  return whole == 0 ? 1 : static_cast<double>(read) / static_cast<double>(whole);
}

}  // namespace

DeltaProfile& DeltaProfile::operator+=(const DeltaProfile& other) {
  for (std::size_t i = 0; i < at.size(); ++i) at[i] += other.at[i];
  return *this;
}

Diagnosis diagnose(const Checkpoint& sft, const Checkpoint& aligned,
                   const DiagnosisOptions& options, const CancellationToken& cancellation) {
  PlanOptions plan_options;
  plan_options.out_type = options.out_type;
  plan_options.on_mismatch = MismatchPolicy::common_rows;
  plan_options.refuse_strangers = false;
  Plan plan = make_plan(sft, aligned, plan_options, cancellation);
  const auto results = Pass(sft, aligned, plan, options, cancellation).run();
  Diagnosis diagnosis;
  diagnosis.tensors = tensor_diagnoses(aligned, plan, results);
  for (const TensorDiagnosis& tensor : diagnosis.tensors) diagnosis.total += tensor.delta;
  diagnosis.by_layer = by_layer(diagnosis);
  diagnosis.by_kind = grouped(diagnosis, kind_label);
  diagnosis.concentration = concentrate(diagnosis);
  diagnosis.mismatches = std::move(plan.mismatches);
  diagnosis.warnings = std::move(plan.warnings);
  warn_about_quantisation(sft, diagnosis.warnings);
  warn_about_quantisation(aligned, diagnosis.warnings);
  diagnosis.out_type = options.out_type;
  diagnosis.sampled_share = sampled_share(results, plan);
  diagnosis.ties = tie_shares(results, serving_type(aligned, options.out_type));
  warn_about_ties(sft, diagnosis);
  return diagnosis;
}

}  // namespace expo
