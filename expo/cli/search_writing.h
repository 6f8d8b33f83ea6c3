#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "expo/cli/command_context.h"
#include "expo/core/json.h"
#include "expo/extrapolation/extrapolation_job.h"
#include "expo/search/run/search_folder.h"
#include "expo/search/run/search_models.h"

namespace expo {

/// The checkpoint that a search writes at its end, in the type and rounding of the search, so that
/// what is written is what won. Does nothing if no folder is named.
class SearchWriting {
 public:
  /// The references must outlive this object.
  SearchWriting(const std::string& output, const std::string& sft, const OpenedModels& models,
                const CommandContext& context)
      : output_(output), sft_(sft), models_(models), context_(context) {}

  /// Finds before the search what is wrong with the place, or with any of the checkpoints at the
  /// largest α. Throws what SearchFolder::check_output() and run_extrapolation() throw.
  void check(const SearchFolder& folder, const std::vector<std::string>& aligned,
             double largest) const;

  /// Writes what the content of search.json recommends, if its α is not 0, and describes it in
  /// `out`; says why if it does not.
  void write(const Json& result, std::ostream& out) const;

 private:
  ExtrapolationJob job(const std::string& aligned, double alpha) const;

  const std::string& output_;
  const std::string& sft_;
  const OpenedModels& models_;
  const CommandContext& context_;
};

}  // namespace expo
