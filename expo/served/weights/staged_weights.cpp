#include "expo/served/weights/staged_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/checkpoint/output/destination.h"
#include "expo/checkpoint/tied_head.h"
#include "expo/core/error.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/extrapolation/write/output_place.h"
#include "expo/served/weights/changed_head.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"expo-staged-1", "expo-staged-2"};
constexpr const char* kHeadFolder = "expo-staged-head";

/// StagedCheckpoint::tied_head. Where rules keep the head at α = 0, it is ALIGNED's.
std::vector<std::string> moved_tied_head(const Checkpoint& checkpoint, const AlphaSchedule& alpha,
                                         const std::vector<TensorDelta>& deltas) {
  const auto head = find_tied_head(checkpoint);
  if (!head) return {};
  std::vector<std::string> names = {checkpoint.tensors()[head->embedding].name};
  if (head->tensor) names.push_back(checkpoint.tensors()[*head->tensor].name);
  const bool moves = std::ranges::any_of(deltas, [&](const TensorDelta& delta) {
    return delta.sums.changed > 0 && (delta.alpha != 0 || alpha.uniform()) &&
           std::ranges::find(names, delta.name) != names.end();
  });
  return moves ? names : std::vector<std::string>();
}

/// The tokens that have a row in each of the tensors, and that the model can be asked for: rows may
/// be padded beyond its vocabulary.
std::uint64_t common_rows(const Checkpoint& checkpoint, const std::vector<std::string>& tensors) {
  std::uint64_t rows = std::numeric_limits<std::uint64_t>::max();
  const auto vocabulary = checkpoint.config().find("vocab_size");
  if (vocabulary != checkpoint.config().end() && vocabulary->is_number_unsigned())
    rows = vocabulary->get<std::uint64_t>();
  for (const std::string& name : tensors) {
    const auto& shape = checkpoint.tensors()[checkpoint.find(name).value()].shape;
    rows = std::min<std::uint64_t>(rows, shape.empty() ? 0 : shape.front());
  }
  return rows;
}

}  // namespace

StagedWeights::StagedWeights(Filesystem& filesystem, const Environment& environment,
                             ServedPair pair, DType dtype, const std::vector<fs::path>& inputs,
                             std::shared_ptr<OutputLock> lock)
    : filesystem_(filesystem),
      environment_(environment),
      pair_(std::move(pair)),
      dtype_(dtype),
      lock_(std::move(lock)) {
  for (const char* name : {kFolders[0], kFolders[1], kHeadFolder})
    OutputPlace::check(filesystem_, pair_.staging / name, {.overwrite = true, .inputs = inputs});
  filesystem_.create_directory(pair_.staging);
  const fs::path folder = filesystem_.canonical(pair_.staging);
  if (!lock_) {
    lock_ = std::make_shared<OutputLock>(filesystem_, folder / ".expo-staging-lock", folder,
                                         "staging folder");
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].folder = folder / kFolders[i];
  head_folder_ = folder / kHeadFolder;
  // What a run that was killed has left would take room for nothing.
  for (const fs::path& each : {slots_[0].folder, slots_[1].folder, head_folder_})
    filesystem_.remove(partial_folder(each));
}

StagedWeights::~StagedWeights() {
  remove_written();
}

void StagedWeights::remove_written() {
  for (const fs::path& folder : written_) {
    try {
      filesystem_.remove(folder);
    } catch (const Error&) {  // The next run in this folder replaces it.
    }
  }
  written_.clear();
}

void StagedWeights::let_go() {
  const std::scoped_lock lock(mutex_);
  remove_written();
  for (Slot& slot : slots_) {
    slot.holds.reset();
    slot.fixed.reset();
  }
  other_head_.reset();
}

StagedCheckpoint StagedWeights::at(const AlphaSchedule& alpha,
                                   const CancellationToken& cancellation) {
  const std::scoped_lock lock(mutex_);
  const std::string wanted = alpha.description();
  auto slot = std::ranges::find_if(
      slots_, [&](const Slot& each) { return each.holds && each.holds->alpha == wanted; });
  if (slot == slots_.end()) {
    slot = std::ranges::min_element(slots_, {}, &Slot::used);
    write(*slot, alpha, cancellation);
  }
  slot->used = ++calls_;
  return *slot->holds;
}

void StagedWeights::write(Slot& slot, const AlphaSchedule& alpha,
                          const CancellationToken& cancellation) {
  ExtrapolationJob job;
  job.sft = pair_.sft;
  job.aligned = pair_.aligned;
  job.output = slot.folder;
  job.alpha = alpha;
  job.out_type = dtype_;
  job.rounding = pair_.rounding;
  job.seed = pair_.rounding_seed;
  job.on_mismatch = pair_.on_mismatch;
  job.threads = pair_.threads;
  job.overwrite = true;
  job.layer_order = true;
  job.input_digests = false;
  job.keep_finished = false;
  job.max_shard_size = pair_.max_shard_size;
  const Slot& other = slots_[&slot == &slots_[0] ? 1 : 0];
  if (other.holds) job.fixed = other.fixed;
  slot.holds.reset();
  other_head_.reset();
  // There need not be room for three.
  clear(slot.folder);
  clear(head_folder_);
  const ExtrapolationReport report =
      run_extrapolation(filesystem_, environment_, job, nullptr, cancellation);
  written_.insert(slot.folder);
  const auto written = open_checkpoint(filesystem_, slot.folder.string(), {}, environment_);
  slot.holds = {.folder = slot.folder,
                .alpha = alpha.description(),
                .digest = digest_of(*written, cancellation),
                .effective_alpha = summarise(total(report.deltas)).effective_alpha,
                .rounding = report.rounding.value_or(RoundingDecision()),
                .warnings = report.warnings,
                .tied_head = moved_tied_head(*written, alpha, report.deltas)};
  slot.fixed = report.fixed;
}

/// Removes a folder once it is clear that it holds nothing but a checkpoint.
void StagedWeights::clear(const fs::path& folder) {
  if (!filesystem_.exists(folder)) return;
  OutputPlace::check(filesystem_, folder, {.overwrite = true});
  filesystem_.remove(folder);
}

StagedCheckpoint StagedWeights::with_other_head(const StagedCheckpoint& checkpoint,
                                                std::span<const AnsweredTokens> texts,
                                                const CancellationToken& cancellation) {
  const std::scoped_lock lock(mutex_);
  if (!other_head_ || other_head_->of != checkpoint.digest)
    write_other_head(checkpoint, texts, cancellation);
  return other_head_->checkpoint;
}

void StagedWeights::write_other_head(const StagedCheckpoint& checkpoint,
                                     std::span<const AnsweredTokens> texts,
                                     const CancellationToken& cancellation) {
  const auto staged = open_checkpoint(filesystem_, checkpoint.folder.string(), {}, environment_);
  const Tensor& head = staged->tensors()[staged->find(checkpoint.tied_head.at(0)).value()];
  const std::vector<RowCopy> changes =
      head_changes(texts, common_rows(*staged, checkpoint.tied_head));
  if (changes.empty()) {
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" of shape {} has no row for a token that is in none of the texts "
        "that "
        "show which weights a server has, so that nothing would show whether it reads it as its "
        "head; give the model a head of its own",
        checkpoint.folder.string(), head.name, format_shape(head.shape)));
  }
  other_head_.reset();
  OutputPlace place(filesystem_, head_folder_, {.overwrite = true});
  write_changed_rows(filesystem_, *staged, checkpoint.tied_head, changes,
                     place.directory().partial(), cancellation);
  place.commit();
  written_.insert(head_folder_);
  const auto written = open_checkpoint(filesystem_, head_folder_.string(), {}, environment_);
  StagedCheckpoint changed = checkpoint;
  changed.folder = head_folder_;
  changed.digest = digest_of(*written, cancellation);
  other_head_ = {checkpoint.digest, std::move(changed)};
}

/// The files as they are read back from the disk.
std::string StagedWeights::digest_of(const Checkpoint& written,
                                     const CancellationToken& cancellation) const {
  return text_digest(compact_json(to_json(InputDigest(filesystem_, written).finish(cancellation))));
}

}  // namespace expo
