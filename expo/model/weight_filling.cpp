#include "expo/model/weight_filling.h"

#include <algorithm>

#include "expo/core/parallel.h"
#include "expo/matrix/panel_layout.h"

namespace expo {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 16;
/// Elements read from the disk at once: with smaller pieces the calls cost more than the data.
constexpr std::uint64_t kDiskPiece = std::uint64_t{1} << 20;
constexpr unsigned kWaiting = 4;  ///< threads that keep the disk busy

/// The elements [first, first + count) of some values.
std::span<const std::byte> part(std::span<const std::byte> values, DType dtype, std::uint64_t first,
                                std::uint64_t count) {
  return values.subspan(static_cast<std::size_t>(first * bit_width(dtype) / 8),
                        static_cast<std::size_t>(count * bit_width(dtype) / 8));
}

}  // namespace

/// The memory of one thread.
struct WeightFilling::Worker {
  ReadScratch sft;
  ReadScratch aligned;
  AlignedBuffer values;
};

WeightFilling::WeightFilling(const Plan& plan, const Checkpoint* sft, const Checkpoint& aligned,
                             WeightStore& store, const PlannedValues::Options& options)
    : sft_(sft), aligned_(aligned), store_(store), values_(sft, aligned, options) {
  for (std::size_t entry = 0; entry < store.entries().size(); ++entry)
    entries_.emplace(store.entries()[entry].name, entry);
  for (const TensorPlan& tensor : plan.tensors) cut(tensor);
  sums_.resize(blocks_.size());
}

/// Cuts a tensor into blocks of whole rows, 16 or a multiple of 16 if that is not too much: whole
/// panels.
void WeightFilling::cut(const TensorPlan& plan) {
  const Tensor& tensor = aligned_.tensors()[plan.aligned];
  const auto entry = entries_.find(tensor.name);
  if (entry == entries_.end()) return;
  const std::uint64_t row =
      tensor.shape.size() < 2 ? 1 : std::max<std::uint64_t>(1, tensor.shape.back());
  constexpr auto kPanel = static_cast<std::uint64_t>(kPanelRows);
  const std::uint64_t step = std::max(kPanel, kBlock / row / kPanel * kPanel) * row;
  const std::size_t first_block = blocks_.size();
  for (std::uint64_t first = 0; first < tensor.elements(); first += step)
    blocks_.push_back({first, std::min(step, tensor.elements() - first)});
  if (blocks_.size() > first_block)
    tensors_.push_back({&plan, entry->second, first_block, blocks_.size() - first_block});
}

/// Groups the blocks into pieces of about `elements` elements, but at least one block.
std::vector<WeightFilling::Piece> WeightFilling::pieces(std::uint64_t elements) const {
  std::vector<Piece> result;
  for (const Piece& tensor : tensors_) {
    const std::uint64_t block = blocks_[tensor.first_block].count;
    const auto step = static_cast<std::size_t>(std::max<std::uint64_t>(1, elements / block));
    for (std::size_t done = 0; done < tensor.blocks; done += step)
      result.push_back({tensor.plan, tensor.entry, tensor.first_block + done,
                        std::min(step, tensor.blocks - done)});
  }
  return result;
}

void WeightFilling::read_once(unsigned threads, const CancellationToken& cancellation) {
  run(pieces(kDiskPiece), threads + kWaiting, false, cancellation);
}

void WeightFilling::read_views(unsigned threads, const CancellationToken& cancellation) {
  run(pieces(0), threads, true, cancellation);
}

void WeightFilling::run(const std::vector<Piece>& pieces, unsigned threads, bool takes_views,
                        const CancellationToken& cancellation) {
  std::vector<Worker> workers(threads);
  for (Worker& worker : workers) worker.sft.takes_views = worker.aligned.takes_views = takes_views;
  parallel_for(pieces.size(), threads, [&](std::size_t piece, unsigned worker) {
    cancellation.check();
    fill(pieces[piece], workers[worker]);
  });
}

void WeightFilling::fill(const Piece& piece, Worker& worker) {
  const TensorPlan& plan = *piece.plan;
  const PlannedValues::Range& last = blocks_[piece.first_block + piece.blocks - 1];
  const std::uint64_t first = blocks_[piece.first_block].first;
  const std::uint64_t count = last.first + last.count - first;
  const std::uint64_t common = common_elements(plan, first, count);
  std::span<const std::byte> sft;
  if (common > 0) sft = sft_->read(*plan.sft, first, common, worker.sft);
  const auto aligned = aligned_.read(plan.aligned, first, count, worker.aligned);
  for (std::size_t i = piece.first_block; i < piece.first_block + piece.blocks; ++i) {
    const PlannedValues::Range& block = blocks_[i];
    const std::uint64_t begin = block.first - first;
    std::span<const std::byte> counterparts;
    if (const std::uint64_t shared = common_elements(plan, block.first, block.count); shared > 0)
      counterparts = part(sft, sft_->tensors()[*plan.sft].dtype, begin, shared);
    const auto size = static_cast<std::size_t>(block.count) * byte_width(store_.dtype());
    const auto out = worker.values.get(size).first(size);
    sums_[i] = values_.compute(
        plan, block, store_.dtype(), counterparts,
        part(aligned, aligned_.tensors()[plan.aligned].dtype, begin, block.count), out);
    store_.write(piece.entry, block.first, out);
  }
}

/// Adds the sums up in the order of the blocks.
std::vector<TensorDelta> WeightFilling::deltas() const {
  std::vector<TensorDelta> result;
  for (const Piece& tensor : tensors_) {
    if (!tensor.plan->sft) continue;
    const Tensor& aligned = aligned_.tensors()[tensor.plan->aligned];
    result.push_back({aligned.name, aligned.elements(), {}, tensor.plan->alpha});
    for (std::size_t i = 0; i < tensor.blocks; ++i)
      result.back().sums += sums_[tensor.first_block + i];
  }
  return result;
}

}  // namespace expo
