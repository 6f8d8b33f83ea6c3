#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/write/run_journal.h"

namespace expo {

/// The files of an output that are the same bytes at every α, because SFT and ALIGNED are the same
/// there. An output at another α may have them by a second name instead of writing them.
struct FixedFiles {
  /// One of them.
  struct File {
    std::map<std::size_t, DeltaSums> sums;  ///< of its tensors, by index into the plan
    bool is_rounded = false;                ///< it depends on the rounding
  };

  std::filesystem::path folder;
  Json settings;  ///< all else that they depend on, but the rounding
  Rounding rounding = Rounding::nearest;
  std::map<std::string, File> files;
};

/// The fixed files of the layout that lies in `folder`, by the sums of the plan's tensors, which
/// are laid out in its order.
FixedFiles find_fixed_files(const Checkpoint& aligned, const Plan& plan,
                            const std::vector<OutputTensor>& tensors, const OutputLayout& layout,
                            const std::vector<DeltaSums>& sums, Rounding rounding,
                            std::filesystem::path folder, Json settings);

/// The bytes of the layout's files that may be taken over at most; of null: none.
std::uint64_t fixed_bytes(const FixedFiles* fixed, const OutputLayout& layout);

/// Gives fixed files a second name in `folder`, as far as they are still there with their size, the
/// rounding is the same where it matters, and the filesystem has hard links, and records them as
/// finished. Returns their bytes; of null: none. Throws Error(environment).
std::uint64_t take_fixed_files(Filesystem& filesystem, const FixedFiles* fixed,
                               const OutputLayout& layout, Rounding rounding,
                               const std::filesystem::path& folder, RunJournal& journal);

}  // namespace expo
