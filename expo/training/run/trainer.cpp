#include "expo/training/run/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace expo {
namespace {

constexpr std::int64_t kNormBlock = std::int64_t{1} << 20;

/// Returns Σg² in float64.
double sum_of_squares(const at::Tensor& values) {
  std::vector<at::Tensor> norms;
  for (std::int64_t first = 0; first < values.numel(); first += kNormBlock) {
    const std::int64_t count = std::min(kNormBlock, values.numel() - first);
    norms.push_back(at::linalg_vector_norm(values.narrow(0, first, count), 2, std::nullopt, false,
                                           at::kDouble));
  }
  // Values on a device are copied all at once.
  const at::Tensor all = at::stack(norms).to(at::kCPU);
  double sum = 0;
  for (const double norm : std::span(all.const_data_ptr<double>(), norms.size()))
    sum += norm * norm;
  return sum;
}

/// The gradients must exist before anything that keeps them is made from the model.
TrainableModel& with_gradients(TrainableModel& model) {
  model.allocate_gradients();
  return model;
}

}  // namespace

Trainer::Trainer(TrainableModel& model, const Objective& objective, RankGroup& ranks,
                 const TrainerOptions& options, const CancellationToken& cancellation)
    : model_(with_gradients(model)),
      objective_(objective),
      ranks_(ranks),
      options_(options),
      cancellation_(cancellation),
      rows_(model, options.gradient_checkpointing),
      evaluator_(rows_, ranks, options.pass, cancellation),
      optimiser_(model.parameters, options.adamw,
                 model.parameters.values().numel() / ranks.size() * ranks.rank(),
                 model.parameters.values().numel() / ranks.size() * (ranks.rank() + 1)) {}

/// A number that is different for every pass of every rank, and the same in a run that is resumed.
std::uint64_t Trainer::pass_number(std::size_t pass) const {
  const auto ranks = static_cast<std::uint64_t>(ranks_.size());
  return (static_cast<std::uint64_t>(optimiser_.steps() + 1) << 20) + pass * ranks +
         static_cast<std::uint64_t>(ranks_.rank());
}

void Trainer::run_pass(std::span<const Example* const> examples, double scale, std::uint64_t pass,
                       Judgement& judgement) {
  cancellation_.check();
  const std::vector<double> values = rows_.forward(rows_of(examples), pass);
  std::vector<double> gradients = judgement.add(examples, values, rows_.counts());
  if (judgement.failed()) return;
  for (double& gradient : gradients) gradient *= scale;
  rows_.backward(gradients);
}

StepResult Trainer::step(std::span<const Example* const> examples, double learning_rate) {
  model_.parameters.zero_gradients();
  const double weight = weight_of(objective_, examples);
  Judgement judgement(objective_);
  const auto groups = evaluator_.passes(examples);
  for (std::size_t i = 0; i < groups.size(); ++i)
    run_pass(groups[i], 1 / weight, pass_number(i), judgement);
  StepResult result{judgement.combine(ranks_, weight)};
  if (!result.failure.empty()) return result;
  move(result, learning_rate);
  if (!result.failure.empty()) result.failure += find_bad_gradient(examples);
  return result;
}

void Trainer::move(StepResult& result, double learning_rate) {
  ParameterSet& parameters = model_.parameters;
  at::Tensor share = ranks_.reduce_scatter(parameters.gradients());
  at::Tensor squares = at::scalar_tensor(sum_of_squares(share), at::kDouble);
  ranks_.sum(squares);
  result.gradient_norm = std::sqrt(squares.item<double>());
  if (!std::isfinite(result.gradient_norm)) {
    result.failure = std::isnan(result.gradient_norm) ? "the gradient's norm is not a number"
                                                      : "the gradient's norm is infinite";
    result.at_fault = StepResult::AtFault::gradient;
    return;
  }
  const double limit = options_.max_grad_norm;
  if (limit > 0 && result.gradient_norm > limit) share.mul_(limit / (result.gradient_norm + 1e-6));
  const at::Tensor values =
      parameters.values().narrow(0, optimiser_.first(), optimiser_.last() - optimiser_.first());
  optimiser_.step(learning_rate, values, share);
  ranks_.all_gather(values, parameters.values());
  parameters.refresh();
}

/// Runs this rank's examples one by one; this happens only once, because the run ends here.
std::string Trainer::find_bad_gradient(std::span<const Example* const> examples) {
  const auto groups = evaluator_.passes(examples);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const Example* example : groups[i]) {
      model_.parameters.zero_gradients();
      Judgement judgement(objective_);
      run_pass(std::span(&example, 1), 1, pass_number(i), judgement);
      if (!std::isfinite(sum_of_squares(model_.parameters.gradients())))
        return fmt::format(", and that of {} is not a number", example->place);
    }
  }
  return {};
}

}  // namespace expo
