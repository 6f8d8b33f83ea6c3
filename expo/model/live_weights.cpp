#include "expo/model/live_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/extrapolation/planned_values.h"
#include "expo/matrix/panel_layout.h"
#include "expo/model/tensor_weights.h"
#include "expo/model/wanted_tensors.h"

namespace expo {
namespace {

/// One thread's memory.
struct Worker {
  ReadScratch sft;
  ReadScratch aligned;
  AlignedBuffer values;
};

/// Elements that a thread computes at once: what it reads and writes stays in its cache.
constexpr std::uint64_t kBlock = 1 << 16;

/// Writes the values of a plan into a store.
class Filling {
 public:
  Filling(const Plan& plan, const Checkpoint* sft, const Checkpoint& aligned, WeightStore& store,
          const LiveWeightsOptions& options)
      : plan_(plan),
        sft_(sft),
        aligned_(aligned),
        store_(store),
        values_(sft, aligned,
                {options.rounding, options.seed, options.allow_overflow, options.measures,
                 "a wider type (--dtype f32)"}) {
    for (std::size_t entry = 0; entry < store.entries().size(); ++entry)
      entries_.emplace(store.entries()[entry].name, entry);
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) cut(i);
  }

  void run(unsigned threads, bool takes_views, const CancellationToken& cancellation) {
    sums_.resize(blocks_.size());
    std::vector<Worker> workers(threads);
    for (Worker& worker : workers)
      worker.sft.takes_views = worker.aligned.takes_views = takes_views;
    parallel_for(blocks_.size(), threads, [&](std::size_t block, unsigned worker) {
      cancellation.check();
      sums_[block] = fill(blocks_[block], workers[worker]);
    });
  }

  /// Added up in the order of the blocks, whichever thread did which.
  std::vector<TensorDelta> deltas() const {
    std::vector<TensorDelta> result;
    const TensorPlan* last = nullptr;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const TensorPlan& plan = *blocks_[i].plan;
      if (!plan.sft) continue;
      const Tensor& tensor = aligned_.tensors()[plan.aligned];
      if (&plan != last) result.push_back({tensor.name, tensor.elements(), {}, plan.alpha});
      result.back().sums += sums_[i];
      last = &plan;
    }
    return result;
  }

 private:
  struct Block {
    const TensorPlan* plan;
    std::size_t entry;
    std::uint64_t first;
    std::uint64_t count;
  };

  /// Blocks of whole rows, 16 or a multiple of it where that is not too much: whole panels.
  void cut(std::size_t index) {
    const TensorPlan& plan = plan_.tensors[index];
    const Tensor& tensor = aligned_.tensors()[plan.aligned];
    const auto entry = entries_.find(tensor.name);
    if (entry == entries_.end()) return;
    const std::uint64_t row =
        tensor.shape.size() < 2 ? 1 : std::max<std::uint64_t>(1, tensor.shape.back());
    constexpr auto kPanel = static_cast<std::uint64_t>(kPanelRows);
    const std::uint64_t step = std::max(kPanel, kBlock / row / kPanel * kPanel) * row;
    for (std::uint64_t first = 0; first < tensor.elements(); first += step)
      blocks_.push_back({&plan, entry->second, first, std::min(step, tensor.elements() - first)});
  }

  DeltaSums fill(const Block& block, Worker& worker) const {
    const TensorPlan& plan = *block.plan;
    const std::uint64_t common = common_elements(plan, block.first, block.count);
    std::span<const std::byte> sft;
    if (common > 0) sft = sft_->read(*plan.sft, block.first, common, worker.sft);
    const auto aligned = aligned_.read(plan.aligned, block.first, block.count, worker.aligned);
    const auto out =
        worker.values.get(static_cast<std::size_t>(block.count) * byte_width(store_.dtype()))
            .first(static_cast<std::size_t>(block.count) * byte_width(store_.dtype()));
    const DeltaSums sums =
        values_.compute(plan, {block.first, block.count}, store_.dtype(), sft, aligned, out);
    store_.write(block.entry, block.first, out);
    return sums;
  }

  const Plan& plan_;
  const Checkpoint* sft_;
  const Checkpoint& aligned_;
  WeightStore& store_;
  PlannedValues values_;
  std::map<std::string, std::size_t> entries_;
  std::vector<Block> blocks_;
  std::vector<DeltaSums> sums_;  ///< of the blocks
};

std::unique_ptr<WeightStore> make_store(const Architecture& architecture,
                                        const LiveWeightsOptions& options) {
  if (options.device.is_cpu() && options.panels)
    return make_panel_store(architecture, options.dtype);
  return make_tensor_store(architecture, options.dtype, options.device);
}

}  // namespace

LiveWeights::LiveWeights(const Architecture& architecture,
                         std::shared_ptr<const Checkpoint> aligned,
                         std::shared_ptr<const Checkpoint> sft, const LiveWeightsOptions& options,
                         const CancellationToken& cancellation)
    : architecture_(architecture),
      aligned_(std::move(aligned)),
      sft_(std::move(sft)),
      options_(options) {
  check_tensors();
  store_ = make_store(architecture, options);
  const Plan plan = options_.alpha ? plan_of(*options_.alpha, cancellation)
                                   : make_copy_plan(*aligned_, options_.dtype);
  // Read once, and past the page cache where they are not in it.
  fill(plan, false, cancellation);
}

std::unique_ptr<Decoder> LiveWeights::make_decoder() const {
  return store_->make_decoder(architecture_, options_.threads);
}

void LiveWeights::check_tensors() const {
  // Without memory: config.json is not trusted with any before the checkpoint agrees with it.
  const auto wanted = allocate_weights(architecture_, at::device(at::kMeta));
  for (const auto& [name, tensor] : wanted.named) {
    require_tensor(*aligned_, name, tensor, architecture_);
  }
  for (const Tensor& tensor : aligned_->tensors()) {
    if (wanted.named.contains(tensor.name) || is_spare(tensor.name, architecture_)) continue;
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" has no place in config.json's architecture ({}), so that the model "
        "would not compute what it was trained for",
        aligned_->location(), tensor.name, architecture_.model_type));
  }
}

void LiveWeights::fill(const Plan& plan, bool takes_views, const CancellationToken& cancellation) {
  const unsigned threads = options_.threads != 0 ? options_.threads : available_threads();
  Filling filling(plan, sft_.get(), *aligned_, *store_, options_);
  filling.run(threads, takes_views, cancellation);
  deltas_ = options_.measures ? filling.deltas() : std::vector<TensorDelta>();
}

Plan LiveWeights::plan_of(const AlphaSchedule& alpha, const CancellationToken& cancellation) const {
  if (!sft_) {
    throw usage_error(aligned_->location() +
                      ": to move to another α the SFT checkpoint is needed too, and none is named");
  }
  return make_plan(*sft_, *aligned_, {alpha, options_.dtype, options_.on_mismatch}, cancellation);
}

void LiveWeights::move_to(const AlphaSchedule& alpha, const CancellationToken& cancellation) {
  fill(plan_of(alpha, cancellation), true, cancellation);
}

}  // namespace expo
