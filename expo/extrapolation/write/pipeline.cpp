#include "expo/extrapolation/write/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>

#include "expo/checkpoint/gguf/writer.h"
#include "expo/core/error.h"
#include "expo/core/parallel.h"
#include "expo/extrapolation/kernel/block_sums.h"
#include "expo/extrapolation/plan/planned_values.h"
#include "expo/extrapolation/plan/work_list.h"

namespace expo {
namespace {

constexpr std::size_t kNoTicket = ~std::size_t{0};

struct Tickets {
  std::size_t sft = kNoTicket;
  std::size_t aligned = kNoTicket;
};

/// One thread's memory.
struct Worker {
  AlignedBuffer out;
  AlignedBuffer values;  // before a quantising encoding
  ReadScratch sft;
  ReadScratch aligned;
  std::unique_ptr<InputDigest::Tap> sft_tap;
  std::unique_ptr<InputDigest::Tap> aligned_tap;
};

/// The range on disk of a read of plainly stored values; std::nullopt if the values are scattered
/// or decoded.
std::optional<InputDigest::Range> disk_range(const Tensor& tensor, std::uint64_t first,
                                             std::uint64_t count) {
  const std::uint64_t elements = tensor.elements();
  if (!tensor.extent || elements == 0 || tensor.extent->bytes % elements != 0) return std::nullopt;
  const std::uint64_t width = tensor.extent->bytes / elements;
  return InputDigest::Range{tensor.extent->file, tensor.extent->offset + first * width,
                            count * width};
}

class Pipeline {
 public:
  Pipeline(Filesystem& filesystem, const Checkpoint* sft, const Checkpoint& aligned,
           const Plan& plan, const std::vector<OutputTensor>& tensors, const OutputLayout& layout,
           const std::filesystem::path& folder, const PipelineOptions& options,
           const CancellationToken& cancellation)
      : filesystem_(filesystem),
        sft_(sft),
        aligned_(aligned),
        plan_(plan),
        tensors_(tensors),
        layout_(layout),
        folder_(folder),
        options_(options),
        cancellation_(cancellation),
        values_(sft, aligned, {options.rounding, options.seed, options.allow_overflow}),
        blocks_(cut_into_blocks(layout, tensors)) {}

  PipelineResult run() {
    result_.sums.resize(plan_.tensors.size());
    drop_finished_files();
    prepare_digests();
    create_files();
    const unsigned threads =
        options_.threads != 0 ? options_.threads : default_threads(sft_, aligned_, plan_);
    make_workers(threads);
    begin_progress();
    parallel_for(
        blocks_.size(), threads,
        [&](std::size_t block, unsigned worker) { do_block(block, workers_[worker]); },
        [&] { abort(); });
    if (options_.progress != nullptr) options_.progress->end();
    finish_digests();
    result_.bytes_read = bytes_read_;
    result_.bytes_written = bytes_written_;
    return std::move(result_);
  }

 private:
  // Preparation

  void drop_finished_files() {
    if (options_.journal == nullptr) return;
    std::vector<bool> done(layout_.files.size());
    for (std::size_t i = 0; i < layout_.files.size(); ++i) {
      const auto* sums = finished_sums(layout_.files[i]);
      if (sums == nullptr) continue;
      done[i] = true;
      for (const auto& [tensor, values] : *sums) result_.sums.at(tensor) = values;
    }
    std::erase_if(blocks_, [&](const Block& block) { return done[block.file]; });
  }

  const std::map<std::size_t, DeltaSums>* finished_sums(const OutputFile& file) const {
    const auto* sums = options_.journal->finished(file.name);
    if (sums == nullptr) return nullptr;
    const auto status = filesystem_.status(folder_ / file.name);
    return status && status->size == file.size ? sums : nullptr;
  }

  void prepare_digests() {
    tickets_.resize(blocks_.size());
    sums_.resize(blocks_.size());
    remaining_ = std::vector<std::atomic<std::size_t>>(layout_.files.size());
    if (options_.digests) {
      aligned_digest_ = std::make_unique<InputDigest>(filesystem_, aligned_);
      if (sft_ != nullptr) sft_digest_ = std::make_unique<InputDigest>(filesystem_, *sft_);
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      ++remaining_[blocks_[i].file];
      sums_[i].resize(blocks_[i].segments.size());
      for (const Segment& segment : blocks_[i].segments) tickets_[i].push_back(announce(segment));
    }
  }

  Tickets announce(const Segment& segment) {
    Tickets tickets;
    const TensorPlan& plan = plan_.tensors[segment.tensor];
    if (aligned_digest_) {
      const auto range = disk_range(aligned_.tensors()[plan.aligned], segment.first, segment.count);
      if (range) tickets.aligned = aligned_digest_->announce(*range);
    }
    const std::uint64_t common = common_elements(plan, segment.first, segment.count);
    if (sft_digest_ && common > 0) {
      const auto range = disk_range(sft_->tensors()[*plan.sft], segment.first, common);
      if (range) tickets.sft = sft_digest_->announce(*range);
    }
    return tickets;
  }

  /// All space is reserved first, so that a full disk is noticed before any work.
  void create_files() {
    files_.resize(layout_.files.size());
    for (std::size_t i = 0; i < layout_.files.size(); ++i) {
      if (remaining_[i] == 0) continue;
      // What an interrupted run has left may be another output's file too.
      filesystem_.remove(folder_ / layout_.files[i].name);
      files_[i] = filesystem_.create(folder_ / layout_.files[i].name, Caching::direct);
      files_[i]->allocate(layout_.files[i].size);
    }
  }

  void make_workers(unsigned threads) {
    workers_ = std::vector<Worker>(threads);
    for (Worker& worker : workers_) {
      if (!aligned_digest_) continue;
      worker.aligned_tap = std::make_unique<InputDigest::Tap>(*aligned_digest_);
      worker.aligned.observer = worker.aligned_tap.get();
      if (!sft_digest_) continue;
      worker.sft_tap = std::make_unique<InputDigest::Tap>(*sft_digest_);
      worker.sft.observer = worker.sft_tap.get();
    }
  }

  void begin_progress() {
    if (options_.progress == nullptr) return;
    std::uint64_t total = 0;
    for (const Block& block : blocks_) total += block.bytes;
    options_.progress->begin(options_.what, total);
  }

  void abort() {
    if (aligned_digest_) aligned_digest_->abort();
    if (sft_digest_) sft_digest_->abort();
  }

  // Work

  void do_block(std::size_t index, Worker& worker) {
    cancellation_.check();
    const Block& block = blocks_[index];
    const auto out = worker.out.get(static_cast<std::size_t>(block.bytes));
    fill_between(block, out);
    for (std::size_t i = 0; i < block.segments.size(); ++i) {
      const Segment& segment = block.segments[i];
      sums_[index][i] =
          do_segment(segment, tickets_[index][i], worker,
                     out.subspan(static_cast<std::size_t>(segment.offset - block.offset),
                                 static_cast<std::size_t>(segment.bytes)));
    }
    files_[block.file]->write_at(block.offset, out);
    bytes_written_ += block.bytes;
    if (options_.progress != nullptr) options_.progress->advance(block.bytes);
    if (--remaining_[block.file] == 0) finish_file(block.file);
  }

  /// Writes the head of the file, and zeros where there is no tensor.
  void fill_between(const Block& block, std::span<std::byte> out) const {
    const OutputFile& file = layout_.files[block.file];
    std::uint64_t position = block.offset;
    if (position < file.head.size()) {
      const std::uint64_t length = std::min(block.bytes, file.head.size() - position);
      std::memcpy(out.data(), file.head.data() + position, static_cast<std::size_t>(length));
      position += length;
    }
    const auto zero_up_to = [&](std::uint64_t end) {
      if (end > position)
        std::memset(out.data() + (position - block.offset), 0,
                    static_cast<std::size_t>(end - position));
    };
    for (const Segment& segment : block.segments) {
      zero_up_to(segment.offset);
      position = segment.offset + segment.bytes;
    }
    zero_up_to(block.offset + block.bytes);
  }

  DeltaSums do_segment(const Segment& segment, const Tickets& tickets, Worker& worker,
                       std::span<std::byte> out) {
    const OutputTensor& tensor = tensors_[segment.tensor];
    KernelInput inputs;
    if (tensor.encoding == Encoding::plain) return compute(segment, tickets, worker, out, inputs);
    const auto values = worker.values.get(static_cast<std::size_t>(segment.count * sizeof(float)));
    DeltaSums sums = compute(segment, tickets, worker, values, inputs);
    quantise_q8_0(
        {reinterpret_cast<const float*>(values.data()), static_cast<std::size_t>(segment.count)},
        out);
    if (inputs.count > 0) measure_q8_0(inputs, out, sums);
    return sums;
  }

  /// `inputs` receives the kernel's input, without the output, for the elements that have a
  /// counterpart.
  DeltaSums compute(const Segment& segment, const Tickets& tickets, Worker& worker,
                    std::span<std::byte> out, KernelInput& inputs) {
    const TensorPlan& plan = plan_.tensors[segment.tensor];
    const std::uint64_t common = common_elements(plan, segment.first, segment.count);
    const auto aligned = read(aligned_, plan.aligned, segment.first, segment.count, worker.aligned,
                              worker.aligned_tap.get(), tickets.aligned);
    std::span<const std::byte> sft;
    if (common > 0) {
      sft = read(*sft_, *plan.sft, segment.first, common, worker.sft, worker.sft_tap.get(),
                 tickets.sft);
    }
    const DType out_type = tensors_[segment.tensor].dtype;
    if (common > 0)
      inputs = values_.kernel_input(plan, {segment.first, common}, out_type, sft, aligned);
    return values_.compute(plan, {segment.first, segment.count}, out_type, sft, aligned, out);
  }

  std::span<const std::byte> read(const Checkpoint& checkpoint, std::size_t tensor,
                                  std::uint64_t first, std::uint64_t count, ReadScratch& scratch,
                                  InputDigest::Tap* tap, std::size_t ticket) {
    const bool tapped = tap != nullptr && ticket != kNoTicket;
    scratch.observer = tapped ? tap : nullptr;
    if (tapped) tap->begin(ticket);
    const auto values = checkpoint.read(tensor, first, count, scratch);
    if (tapped) tap->end();
    bytes_read_ += stored_bytes(checkpoint.tensors()[tensor], count, values.size());
    return values;
  }

  /// The bytes that so many of a tensor's elements take in its file: fewer than those of their
  /// values if they are quantised, and those of the values if they are computed from several
  /// tensors.
  static std::uint64_t stored_bytes(const Tensor& tensor, std::uint64_t count,
                                    std::size_t value_bytes) {
    if (!tensor.extent || count == 0) return value_bytes;
    const double share = static_cast<double>(count) / static_cast<double>(tensor.elements());
    return static_cast<std::uint64_t>(
        std::llround(share * static_cast<double>(tensor.extent->bytes)));
  }

  // Completion

  void finish_file(std::size_t number) {
    files_[number]->sync();
    files_[number]->close();
    files_[number].reset();
    std::map<std::size_t, DeltaSums> finished;
    const auto first = std::ranges::lower_bound(blocks_, number, {}, &Block::file);
    for (auto block = first; block != blocks_.end() && block->file == number; ++block) {
      const auto index = static_cast<std::size_t>(block - blocks_.begin());
      for (std::size_t i = 0; i < block->segments.size(); ++i)
        finished[block->segments[i].tensor] += sums_[index][i];
    }
    for (const auto& [tensor, sums] : finished) result_.sums[tensor] = sums;
    if (options_.journal != nullptr)
      options_.journal->record(layout_.files[number].name, std::move(finished));
  }

  void finish_digests() {
    if (aligned_digest_) result_.aligned_files = aligned_digest_->finish(cancellation_);
    if (sft_digest_) result_.sft_files = sft_digest_->finish(cancellation_);
  }

  Filesystem& filesystem_;
  const Checkpoint* sft_;
  const Checkpoint& aligned_;
  const Plan& plan_;
  const std::vector<OutputTensor>& tensors_;
  const OutputLayout& layout_;
  const std::filesystem::path& folder_;
  const PipelineOptions& options_;
  const CancellationToken& cancellation_;

  PlannedValues values_;
  std::vector<Block> blocks_;
  std::vector<std::vector<Tickets>> tickets_;  // per block and segment
  std::vector<std::vector<DeltaSums>>
      sums_;  // per block and segment; each is written by one thread
  std::vector<std::atomic<std::size_t>> remaining_;  // blocks per file
  std::vector<std::unique_ptr<WritableFile>> files_;
  std::vector<Worker> workers_;
  std::unique_ptr<InputDigest> sft_digest_;
  std::unique_ptr<InputDigest> aligned_digest_;
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::uint64_t> bytes_written_{0};
  PipelineResult result_;
};

}  // namespace

unsigned default_threads(const Checkpoint* sft, const Checkpoint& aligned, const Plan& plan) {
  // Two more than there are processors, because writing waits for the disk; fewer if wide values
  // need more memory per thread than the budget allows.
  constexpr std::uint64_t kBudget = std::uint64_t{200} << 20;
  std::uint64_t in_bits_per_out_bit = 1;
  for (const TensorPlan& tensor : plan.tensors) {
    std::uint64_t bits = bit_width(aligned.tensors()[tensor.aligned].dtype);
    if (tensor.sft && sft != nullptr) bits += bit_width(sft->tensors()[*tensor.sft].dtype);
    in_bits_per_out_bit = std::max(
        in_bits_per_out_bit, (bits + bit_width(tensor.out_type) - 1) / bit_width(tensor.out_type));
  }
  const std::uint64_t affordable = kBudget / (kBlockBytes * (1 + in_bits_per_out_bit));
  return static_cast<unsigned>(std::clamp<std::uint64_t>(
      available_threads() + 2, 1, std::clamp<std::uint64_t>(affordable, 1, 16)));
}

PipelineResult run_pipeline(Filesystem& filesystem, const Checkpoint* sft,
                            const Checkpoint& aligned, const Plan& plan,
                            const std::vector<OutputTensor>& tensors, const OutputLayout& layout,
                            const std::filesystem::path& folder, const PipelineOptions& options,
                            const CancellationToken& cancellation) {
  return Pipeline(filesystem, sft, aligned, plan, tensors, layout, folder, options, cancellation)
      .run();
}

}  // namespace expo
