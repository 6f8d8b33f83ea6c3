#include "expo/training/model/row_values.h"

#include <ATen/core/grad_mode.h>

#include "expo/training/model/token_log_probs.h"

namespace expo {
namespace {

at::Tensor float_tensor(std::span<const double> values) {
  const at::Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  auto* data = result.mutable_data_ptr<float>();
  for (std::size_t i = 0; i < values.size(); ++i) data[i] = static_cast<float>(values[i]);
  return result;
}

class SequenceLogProbs final : public RowValues {
 public:
  explicit SequenceLogProbs(const TrainableModel& model)
      : head_{model.head, model.architecture.logit_softcap} {}

  std::vector<double> forward(const at::Tensor& hidden,
                              std::span<const TokenRow* const> rows) override {
    targets_ = targets_of(rows, counts_);
    targets_ = {targets_.rows.to(hidden.device()), targets_.ids.to(hidden.device())};
    const at::Tensor log_probs = head_.log_probs(hidden, targets_).to(at::kCPU);
    const auto* token = log_probs.const_data_ptr<float>();
    std::vector<double> sums;
    for (const std::int64_t count : counts_) {
      double sum = 0;
      for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(*token++);
      sums.push_back(sum);
    }
    return sums;
  }

  const std::vector<std::int64_t>& counts() const override { return counts_; }

  at::Tensor backward(const at::Tensor& hidden, std::span<const double> gradients) override {
    std::vector<double> by_token;
    for (std::size_t row = 0; row < counts_.size(); ++row)
      by_token.insert(by_token.end(), static_cast<std::size_t>(counts_[row]), gradients[row]);
    return head_.backward(hidden, targets_, float_tensor(by_token).to(hidden.device()));
  }

 private:
  VocabularyHead head_;
  Targets targets_;
  std::vector<std::int64_t> counts_;
};

class SequenceRewards final : public RowValues {
 public:
  explicit SequenceRewards(const TrainableModel& model)
      : weight_(model.named.at("score.weight")),
        gradient_(model.head.gradient),
        pad_id_(model.architecture.pad_id) {}

  std::vector<double> forward(const at::Tensor& hidden,
                              std::span<const TokenRow* const> rows) override {
    const at::NoGradGuard no_gradients;
    std::vector<std::int64_t> places;
    std::int64_t start = 0;
    for (const TokenRow* row : rows) {
      places.push_back(start + last_token(*row));
      start += static_cast<std::int64_t>(row->ids.size());
    }
    places_ = at::tensor(places, at::kLong).to(hidden.device());
    counts_.assign(rows.size(), 1);
    const at::Tensor rewards =
        at::linear(hidden.index_select(0, places_), weight_).to(at::kCPU, at::kDouble).squeeze(1);
    const auto* data = rewards.const_data_ptr<double>();
    return {data, data + rewards.size(0)};
  }

  const std::vector<std::int64_t>& counts() const override { return counts_; }

  at::Tensor backward(const at::Tensor& hidden, std::span<const double> gradients) override {
    const at::NoGradGuard no_gradients;
    const at::Tensor change = float_tensor(gradients).to(hidden.device()).unsqueeze(1);
    gradient_.addmm_(change.t(), hidden.index_select(0, places_));
    const at::Tensor result = at::zeros_like(hidden);
    return result.index_add_(0, places_, at::mm(change, weight_));
  }

 private:
  std::int64_t last_token(const TokenRow& row) const {
    auto last = static_cast<std::int64_t>(row.ids.size()) - 1;
    while (last > 0 && row.ids[static_cast<std::size_t>(last)] == pad_id_) --last;
    return last;
  }

  at::Tensor weight_, gradient_;
  std::int64_t pad_id_;
  at::Tensor places_;
  std::vector<std::int64_t> counts_;
};

}  // namespace

std::unique_ptr<RowValues> make_row_values(const TrainableModel& model) {
  if (model.architecture.head == ModelHead::score) return std::make_unique<SequenceRewards>(model);
  return std::make_unique<SequenceLogProbs>(model);
}

}  // namespace expo
