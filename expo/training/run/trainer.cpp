#include "expo/training/run/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/training/ranks/shares.h"

namespace expo {
namespace {

constexpr std::int64_t kNormBlock = std::int64_t{1} << 20;

/// Σg² in float64.
double sum_of_squares(const at::Tensor& values) {
  std::vector<at::Tensor> norms;
  for (std::int64_t first = 0; first < values.numel(); first += kNormBlock) {
    const std::int64_t count = std::min(kNormBlock, values.numel() - first);
    norms.push_back(at::linalg_vector_norm(values.narrow(0, first, count), 2, std::nullopt, false,
                                           at::kDouble));
  }
  // From a device all at once.
  const at::Tensor all = at::stack(norms).to(at::kCPU);
  double sum = 0;
  for (const double norm : std::span(all.const_data_ptr<double>(), norms.size()))
    sum += norm * norm;
  return sum;
}

std::vector<const TokenRow*> rows_of(std::span<const Example* const> examples) {
  std::vector<const TokenRow*> rows;
  for (const Example* example : examples) {
    for (const TokenRow& row : example->rows) rows.push_back(&row);
  }
  return rows;
}

void check_gradients(const Example& example, std::span<const double> gradients,
                     std::string& failure) {
  for (const double gradient : gradients) {
    if (!std::isfinite(gradient) && failure.empty())
      failure = fmt::format("the loss of {} is not a number", example.place);
  }
}

}  // namespace

Trainer::Trainer(TrainableModel& model, const Objective& objective, RankGroup& ranks,
                 const TrainerOptions& options, const CancellationToken& cancellation)
    : model_(model),
      objective_(objective),
      ranks_(ranks),
      options_(options),
      cancellation_(cancellation),
      decoder_(model, options.gradient_checkpointing),
      head_(make_row_values(model)),
      optimiser_(model.parameters, options.adamw,
                 model.parameters.values().numel() / ranks.size() * ranks.rank(),
                 model.parameters.values().numel() / ranks.size() * (ranks.rank() + 1)) {}

/// This rank's examples, in groups that go through the model together.
std::vector<std::vector<const Example*>> Trainer::passes(
    std::span<const Example* const> examples) const {
  std::vector<std::vector<const Example*>> result;
  std::int64_t tokens = 0;
  for (const Example* example : share_of(examples, ranks_.rank(), ranks_.size())) {
    const bool full = result.empty() || tokens + example->tokens() > options_.tokens_per_pass ||
                      static_cast<std::int64_t>(result.back().size()) == options_.examples_per_pass;
    if (full) {
      result.emplace_back();
      tokens = 0;
    }
    result.back().push_back(example);
    tokens += example->tokens();
  }
  return result;
}

/// Another one for every pass of every rank, the same in a run that is resumed.
std::uint64_t Trainer::pass_number(std::size_t pass) const {
  const auto ranks = static_cast<std::uint64_t>(ranks_.size());
  return (static_cast<std::uint64_t>(optimiser_.steps() + 1) << 20) + pass * ranks +
         static_cast<std::uint64_t>(ranks_.rank());
}

void Trainer::run_pass(std::span<const Example* const> examples,
                       const std::optional<Training>& training, Gathered& gathered) {
  cancellation_.check();
  const auto rows = rows_of(examples);
  const PackedRows packed = pack(rows, model_.architecture.vocabulary);
  const at::Tensor hidden =
      training ? decoder_.forward(packed, training->pass) : decoder_.hidden_states(packed);
  const std::vector<double> values = head_->forward(hidden, rows);
  std::vector<double> gradients(values.size());
  std::size_t first = 0;
  for (const Example* example : examples) {
    const std::size_t count = example->rows.size();
    for (std::size_t i = first; i < first + count; ++i) {
      if (!std::isfinite(values[i]) && gathered.failure.empty())
        gathered.failure = fmt::format("the model gives {} for {}", values[i], example->place);
    }
    objective_.judge(*example, std::span(values).subspan(first, count),
                     std::span(head_->counts()).subspan(first, count),
                     std::span(gradients).subspan(first, count), gathered.sums);
    check_gradients(*example, std::span(gradients).subspan(first, count), gathered.failure);
    first += count;
  }
  gathered.tokens += packed.tokens();
  if (!training || !gathered.failure.empty()) return;
  for (double& gradient : gradients) gradient *= training->scale;
  decoder_.backward(head_->backward(hidden, gradients));
}

StepResult Trainer::step(std::span<const Example* const> examples, double learning_rate) {
  model_.parameters.zero_gradients();
  double weight = 0;
  for (const Example* example : examples) weight += objective_.weight(*example);
  Gathered gathered;
  const auto groups = passes(examples);
  for (std::size_t i = 0; i < groups.size(); ++i)
    run_pass(groups[i], Training{1 / weight, pass_number(i)}, gathered);
  StepResult result = combine(gathered, weight);
  if (!result.failure.empty()) return result;
  move(result, learning_rate);
  if (!result.failure.empty()) result.failure += find_bad_gradient(examples);
  return result;
}

StepResult Trainer::evaluate(std::span<const Example* const> examples) {
  double weight = 0;
  for (const Example* example : examples) weight += objective_.weight(*example);
  Gathered gathered;
  for (const auto& pass : passes(examples)) run_pass(pass, {}, gathered);
  return combine(gathered, weight);
}

std::vector<double> Trainer::row_values(std::span<const Example* const> examples,
                                        const std::function<void(double share)>& advance) {
  std::map<const Example*, std::vector<double>> mine;
  const auto groups = passes(examples);
  for (const auto& pass : groups) {
    cancellation_.check();
    if (advance) {
      advance(static_cast<double>(&pass - groups.data()) / static_cast<double>(groups.size()));
    }
    const auto rows = rows_of(pass);
    const auto values =
        head_->forward(decoder_.hidden_states(pack(rows, model_.architecture.vocabulary)), rows);
    std::size_t next = 0;
    for (const Example* example : pass) {
      for (std::size_t i = 0; i < example->rows.size(); ++i)
        mine[example].push_back(values[next++]);
    }
  }
  std::vector<double> all;
  for (const Example* example : examples) {
    const auto found = mine.find(example);
    for (std::size_t i = 0; i < example->rows.size(); ++i)
      all.push_back(found == mine.end() ? 0 : found->second[i]);
  }
  at::Tensor shared = at::tensor(all, at::kDouble);
  ranks_.sum(shared);
  const auto* data = shared.const_data_ptr<double>();
  return {data, data + shared.numel()};
}

/// Sums over the ranks. Those that had no example know the metrics' names from a judgement of their
/// own only, so that what is exchanged is the union in a fixed order.
StepResult Trainer::combine(const Gathered& gathered, double weight) {
  static const std::vector<std::string> kNames = {
      "loss",         "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
      "logps/chosen", "logps/rejected"};
  const auto names = static_cast<std::int64_t>(kNames.size());
  at::Tensor shared = at::zeros({2 * names + 2}, at::kDouble);
  auto* numbers = shared.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < names; ++i) {
    const auto found = gathered.sums.find(kNames[static_cast<std::size_t>(i)]);
    if (found == gathered.sums.end()) continue;
    numbers[i] = found->second;
    numbers[names + i] = 1;
  }
  numbers[2 * names] = static_cast<double>(gathered.tokens);
  numbers[2 * names + 1] = gathered.failure.empty() ? 0 : 1;
  ranks_.sum(shared);
  StepResult result;
  for (std::int64_t i = 0; i < names; ++i) {
    if (numbers[names + i] > 0)
      result.metrics[kNames[static_cast<std::size_t>(i)]] = numbers[i] / weight;
  }
  result.tokens = static_cast<std::int64_t>(numbers[2 * names]);
  result.failure = gathered.failure;
  if (result.failure.empty() && numbers[2 * names + 1] > 0)
    result.failure = "another rank's model gives something that is not a number";
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

/// Runs this rank's examples one by one, which is done once in a run that ends here.
std::string Trainer::find_bad_gradient(std::span<const Example* const> examples) {
  const auto groups = passes(examples);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const Example* example : groups[i]) {
      model_.parameters.zero_gradients();
      Gathered gathered;
      run_pass(std::span(&example, 1), Training{1, pass_number(i)}, gathered);
      if (!std::isfinite(sum_of_squares(model_.parameters.gradients())))
        return fmt::format(", and that of {} is not a number", example->place);
    }
  }
  return {};
}

}  // namespace expo
