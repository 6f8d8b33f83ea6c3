#include "expo/served/weights/proven_requests.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// How often a batch is asked before the server is given up.
constexpr int kMostTries = 3;

}  // namespace

void ProvenRequests::run(const ServedWork& work, const CancellationToken& cancellation) {
  is_at_weights_ = false;
  for (std::size_t first = 0; first < work.count; first += batch_) {
    ServedWork batch{.count = std::min(batch_, work.count - first)};
    batch.request = [&](std::size_t number) { return work.request(first + number); };
    batch.place = [&](std::size_t number) { return work.place(first + number); };
    batch.read = [&](std::size_t number, const HttpAnswer& answer) -> std::function<void()> {
      return [this, pass_on = work.read(first + number, answer)] { held_.push_back(pass_on); };
    };
    run_batch(batch, cancellation);
  }
}

void ProvenRequests::run_batch(const ServedWork& batch, const CancellationToken& cancellation) {
  for (int tries = 0; tries < kMostTries; ++tries) {
    if (!is_at_weights_ && !weights_.are_there(cancellation)) {
      weights_.restore(cancellation);
      ++restored_;
    }
    held_.clear();
    failure_.reset();
    try {
      send_(batch, cancellation);
    } catch (const Error& error) {
      failure_ = error;
    }
    // Whoever cannot be reached is not asked again where nothing depends on it.
    if (failure_ && held_.empty() && failure_->category() != ErrorCategory::input) throw *failure_;
    is_at_weights_ = counts(cancellation);
    if (is_at_weights_) {
      for (const auto& pass_on : held_) pass_on();
      if (failure_) throw *failure_;
      return;
    }
    if (failure_ && failure_->category() == ErrorCategory::interrupted) throw *failure_;
  }
  throw environment_error(
      fmt::format("the server has lost the weights that it was moved to {} times in a row while it "
                  "answered; is "
                  "it started again and again, or does another program move it?",
                  kMostTries));
}

/// Whether the answers of the batch count.
bool ProvenRequests::counts(const CancellationToken& cancellation) {
  // What has come counts after an interruption too.
  const CancellationToken fresh;
  try {
    return weights_.are_there(failure_ ? fresh : cancellation);
  } catch (const Error& error) {
    if (!failure_) throw;
    throw Error(failure_->category(),
                fmt::format("{}; {} that came before {} left out, as nothing shows by which "
                            "weights: {}",
                            failure_->what(), counted(held_.size(), "answer"),
                            held_.size() == 1 ? "is" : "are", error.what()));
  }
}

}  // namespace expo
