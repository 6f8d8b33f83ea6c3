#include "expo/extrapolation/write/fixed_files.h"

#include <algorithm>
#include <utility>

namespace expo {
namespace {

/// Equal numbers give θ at every α, by all roundings but like_original.
bool is_fixed(const TensorPlan& plan, const DeltaSums& sums, Rounding rounding) {
  return !plan.sft || (sums.changed == 0 && rounding != Rounding::like_original);
}

}  // namespace

FixedFiles find_fixed_files(const Checkpoint& aligned, const Plan& plan,
                            const std::vector<OutputTensor>& tensors, const OutputLayout& layout,
                            const std::vector<DeltaSums>& sums, Rounding rounding,
                            std::filesystem::path folder, Json settings) {
  FixedFiles fixed{std::move(folder), std::move(settings), rounding, {}};
  for (const OutputFile& file : layout.files) {
    FixedFiles::File own;
    for (const OutputPiece& piece : file.pieces) {
      own.sums[piece.tensor] = sums[piece.tensor];
      const DType stored = aligned.tensors()[plan.tensors[piece.tensor].aligned].dtype;
      own.is_rounded |=
          rounding == Rounding::like_original || stored != tensors[piece.tensor].dtype;
    }
    const bool stays = std::ranges::all_of(own.sums, [&](const auto& each) {
      return is_fixed(plan.tensors[each.first], each.second, rounding);
    });
    if (stays) fixed.files.emplace(file.name, std::move(own));
  }
  return fixed;
}

std::uint64_t fixed_bytes(const FixedFiles* fixed, const OutputLayout& layout) {
  if (fixed == nullptr) return 0;
  std::uint64_t bytes = 0;
  for (const OutputFile& file : layout.files)
    bytes += fixed->files.contains(file.name) ? file.size : 0;
  return bytes;
}

std::uint64_t take_fixed_files(Filesystem& filesystem, const FixedFiles* fixed,
                               const OutputLayout& layout, Rounding rounding,
                               const std::filesystem::path& folder, RunJournal& journal) {
  if (fixed == nullptr) return 0;
  std::uint64_t bytes = 0;
  for (const OutputFile& file : layout.files) {
    const auto found = fixed->files.find(file.name);
    if (found == fixed->files.end()) continue;
    const bool by_rounding = found->second.is_rounded || rounding == Rounding::like_original;
    if (by_rounding && rounding != fixed->rounding) continue;
    const auto status = filesystem.status(fixed->folder / file.name);
    if (!status || status->size != file.size) continue;
    if (!filesystem.add_name(fixed->folder / file.name, folder / file.name)) continue;
    journal.record(file.name, found->second.sums);
    bytes += file.size;
  }
  return bytes;
}

}  // namespace expo
