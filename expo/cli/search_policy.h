#pragma once

#include <memory>
#include <optional>
#include <string>

#include "expo/cli/command_context.h"
#include "expo/cli/options/engine_word.h"
#include "expo/cli/options/model_options.h"
#include "expo/cli/options/search_settings.h"
#include "expo/search/run/search_models.h"

namespace expo {

/// Where the policy of a search runs: here, or on the servers that --policy names. In all its
/// functions, `here` says how it would run here.
class SearchPolicy {
 public:
  /// The options must outlive this object. Throws what SearchSettings::policy_servers() throws.
  SearchPolicy(const SearchSettings& search, const ModelOptions& model,
               const MachineOptions& machine, const std::string& sft,
               const CommandContext& context);

  /// Throws Error(usage) for what its servers cannot do.
  void check(const SearchModels& models, Objective objective, const EmbeddedSpec& here) const;
  /// CommandContext::prepare() for it.
  void prepare(const EmbeddedSpec& here) const;
  /// The policy of the servers; std::nullopt: it runs here. Asks the first server how it holds its
  /// weights. This object must outlive the result.
  std::optional<ServedPolicy> served(const EmbeddedSpec& here) const;

 private:
  void check_one_adapter(const SearchModels& models) const;
  ServedSpec spec(const EmbeddedSpec& here) const;

  const SearchSettings& search_;
  const ModelOptions& model_;
  const MachineOptions& machine_;
  const std::string& sft_;
  const CommandContext& context_;
  std::optional<EngineWord> servers_;
  std::shared_ptr<SharedServers> shared_ = std::make_shared<SharedServers>();
};

}  // namespace expo
