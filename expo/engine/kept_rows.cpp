#include "expo/engine/kept_rows.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <iterator>

#include "expo/engine/answer_rows.h"

namespace expo {

/// Computes the digests of an engine's files while the engine works; is cancelled when it is
/// destroyed.
class KeptRows::BackgroundDigests {
 public:
  explicit BackgroundDigests(const Engine& engine)
      : digests_(std::async(std::launch::async, [&] { return engine.digests(stop_); })) {}
  ~BackgroundDigests() { stop_.cancel(); }
  BackgroundDigests(const BackgroundDigests&) = delete;
  BackgroundDigests& operator=(const BackgroundDigests&) = delete;

  /// Waits for them, or throws Error(interrupted); call once.
  Json take(const CancellationToken& cancellation) {
    while (digests_.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
      cancellation.check();
    return digests_.get();
  }

 private:
  CancellationToken stop_;
  std::future<Json> digests_;
};

KeptRows::KeptRows(Filesystem& filesystem, const Engine& engine, const RowOutput& output)
    : filesystem_(filesystem), engine_(engine), where_(output) {}

KeptRows::~KeptRows() = default;

void KeptRows::open(const Json& settings) {
  if (where_.file.empty()) return;
  auto inputs = where_.inputs;
  std::ranges::move(engine_.sources(), std::back_inserter(inputs));
  output_ = std::make_unique<ResumableOutput>(
      filesystem_, ResumableOutput::Options{.file = where_.file,
                                            .overwrite = where_.overwrite,
                                            .resume = where_.resume,
                                            .replace_others = where_.replace_others,
                                            .replaces_own_only = where_.replaces_own_only,
                                            .to_resume = where_.to_resume,
                                            .settings = settings,
                                            .inputs = std::move(inputs)});
  if (complete() != nullptr) return;
  results_ = output_->finished();
  digests_ = std::make_unique<BackgroundDigests>(engine_);
}

const Json* KeptRows::complete() const {
  return output_ && output_->complete() ? &*output_->complete() : nullptr;
}

void KeptRows::take(std::span<const Row> rows) {
  if (output_) output_->append(rows);
  for (const auto& [number, result] : rows) results_.insert_or_assign(number, result);
}

void KeptRows::guard(const std::function<void()>& work) const {
  try {
    work();
  } catch (const Error& error) {
    throw output_ ? output_->with_advice(error) : error;
  }
}

void KeptRows::commit(const std::vector<Json>& rows, Json record,
                      const CancellationToken& cancellation) {
  record["inputs"] = {{"model", digests_->take(cancellation)}};
  output_->commit(file_of_rows(rows, where_.as_array), record);
}

}  // namespace expo
