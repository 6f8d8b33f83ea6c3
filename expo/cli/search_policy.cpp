#include "expo/cli/search_policy.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/served/weights/weight_type.h"

namespace expo {

SearchPolicy::SearchPolicy(const SearchSettings& search, const ModelOptions& model,
                           const MachineOptions& machine, const std::string& sft,
                           const CommandContext& context)
    : search_(search),
      model_(model),
      machine_(machine),
      sft_(sft),
      context_(context),
      servers_(search.policy_servers()) {}

void SearchPolicy::check(const SearchModels& models, Objective objective,
                         const EmbeddedSpec& here) const {
  if (!servers_) return;
  check_one_adapter(models);
  const bool needs_log_probs = objective == Objective::preference ||
                               objective == Objective::implicit || search_.second.implicit;
  if (needs_log_probs && *servers_->server == ServerKind::llama_server) {
    throw usage_error(
        "--policy: llama-server tells no log-probabilities, which preference pairs and the pair's "
        "own objective need; serve the policy by vLLM, or choose another objective");
  }
  spec(here).check();
}

/// A server's adapter is one step from SFT; whole checkpoints can be any.
void SearchPolicy::check_one_adapter(const SearchModels& models) const {
  if (*servers_->server != ServerKind::llama_server) return;
  const bool rival = has_rival(posix_filesystem(), models);
  if (models.aligned.size() == 1 && !rival) return;
  throw usage_error(fmt::format(
      "{0}: with --policy llama-server=URL, the server has the adapter of one pair and runs no "
      "other model; serve the policy by vLLM, or leave {0} out",
      rival ? "--baseline" : "--also"));
}

void SearchPolicy::prepare(const EmbeddedSpec& here) const {
  if (servers_) {
    context_.prepare(spec(here));
  } else {
    context_.prepare(here);
  }
}

std::optional<ServedPolicy> SearchPolicy::served(const EmbeddedSpec& here) const {
  if (!servers_) return std::nullopt;
  ServedPolicy policy;
  // Engines of servers stay open.
  policy.open = [this](const EmbeddedSpec& set, bool) { return context_.open_engine(spec(set)); };
  if (*servers_->server == ServerKind::vllm)
    policy.type = ask_weight_type(spec(here), context_.cancellation);
  return policy;
}

ServedSpec SearchPolicy::spec(const EmbeddedSpec& here) const {
  ServedSpec spec = served_spec_of(*servers_, machine_, model_.server);
  static_cast<TemplateSpec&>(spec) = here;
  spec.tokenizer.clear();  // those of the rewards
  spec.key_variable = search_.policy_key_variable;
  spec.option_prefix = "--policy-";
  spec.shared = shared_;
  if (spec.kind != ServerKind::vllm) {
    if (!model_.staging.staging_dir.empty() || !model_.staging.server_path.empty() ||
        model_.staging.prove_embedded) {
      throw usage_error(
          "--staging-dir, --server-path and --prove-embedded have no effect on llama-server, where "
          "α is the scale of an adapter; leave them out");
    }
    spec.tokenizer = here.model;
    return spec;
  }
  ServedPair& pair = spec.pair.emplace();
  pair.sft = here.sft.value_or(sft_);
  pair.aligned = here.model;
  pair.dtype = dtype_from_user(here.dtype);
  pair.rounding = here.rounding;
  pair.rounding_seed = here.rounding_seed;
  pair.on_mismatch = here.on_mismatch;
  pair.threads = here.threads;
  model_.staging.set(pair);
  return spec;
}

}  // namespace expo
