#include "expo/training/model/row_pass.h"

namespace expo {

RowPass::RowPass(const TrainableModel& model, bool checkpointing)
    : model_(model), decoder_(model, checkpointing), head_(make_row_values(model)) {}

std::vector<double> RowPass::values(std::span<const TokenRow* const> rows) {
  return head_->forward(decoder_.hidden_states(pack(rows, model_.architecture.vocabulary)), rows);
}

std::vector<double> RowPass::forward(std::span<const TokenRow* const> rows, std::uint64_t pass) {
  hidden_ = decoder_.forward(pack(rows, model_.architecture.vocabulary), pass);
  return head_->forward(hidden_, rows);
}

void RowPass::backward(std::span<const double> gradients) {
  decoder_.backward(head_->backward(hidden_, gradients));
  hidden_.reset();
}

}  // namespace expo
