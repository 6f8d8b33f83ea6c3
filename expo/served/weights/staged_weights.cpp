#include "expo/served/weights/staged_weights.h"

#include <algorithm>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "expo/extrapolation/write/input_digest.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/extrapolation/write/output_place.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"expo-staged-1", "expo-staged-2"};

}  // namespace

StagedWeights::StagedWeights(Filesystem& filesystem, const Environment& environment,
                             ServedPair pair, DType dtype, const std::vector<fs::path>& inputs)
    : filesystem_(filesystem), environment_(environment), pair_(std::move(pair)), dtype_(dtype) {
  for (const char* name : kFolders)
    OutputPlace::check(filesystem_, pair_.staging / name, {.overwrite = true, .inputs = inputs});
  filesystem_.create_directory(pair_.staging);
  const fs::path folder = filesystem_.canonical(pair_.staging);
  lock_ = std::make_unique<OutputLock>(filesystem_, folder / ".expo-staging-lock", folder,
                                       "staging folder");
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].folder = folder / kFolders[i];
}

StagedWeights::~StagedWeights() {
  for (const Slot& slot : slots_) {
    if (!slot.holds) continue;
    try {
      filesystem_.remove(slot.folder);
    } catch (const Error&) {  // The next run in this folder replaces it.
    }
  }
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
  slot.holds.reset();
  if (filesystem_.exists(slot.folder)) {
    // Only once it is clear that the folder holds nothing else: there need not be room for three.
    OutputPlace::check(filesystem_, slot.folder, {.overwrite = true});
    filesystem_.remove(slot.folder);
  }
  const ExtrapolationReport report =
      run_extrapolation(filesystem_, environment_, job, nullptr, cancellation);
  slot.holds = {.folder = slot.folder,
                .alpha = alpha.description(),
                .digest = digest_of(slot.folder, cancellation),
                .effective_alpha = summarise(total(report.deltas)).effective_alpha,
                .rounding = report.rounding.value_or(RoundingDecision()),
                .warnings = report.warnings};
}

/// The files as they are read back from the disk.
std::string StagedWeights::digest_of(const fs::path& folder,
                                     const CancellationToken& cancellation) const {
  const auto written = open_checkpoint(filesystem_, folder.string(), {}, environment_);
  return text_digest(
      compact_json(to_json(InputDigest(filesystem_, *written).finish(cancellation))));
}

}  // namespace expo
