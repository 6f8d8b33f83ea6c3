#include <fmt/format.h>

#include "expo/cli/text/search_text.h"
#include "expo/core/text.h"
#include "expo/search/run/search_recipe.h"

namespace expo {
namespace {

std::string point_text(const Json& parameters) {
  return fmt::format("attention × {:g}, MLP × {:g}, the rest × {:g}, slope over the depth {:g}",
                     parameters.at("attention").get<double>(), parameters.at("mlp").get<double>(),
                     parameters.at("rest").get<double>(), parameters.at("slope").get<double>());
}

/// "α = 4", after the checkpoint's name where several compete.
std::string chosen_label(const Json& result) {
  for (const Json& each : result.at("candidates")) {
    if (each.at("chosen").get<bool>()) return each.at("label");
  }
  return {};
}

std::string verdict_text(const Json& modules) {
  const std::string verdict = modules.at("verdict");
  if (verdict == "gain") {
    return "a gain; to write it: expo extrapolate --recipe recipe.yaml -o OUT, with the file from "
           "the search's folder\n";
  }
  if (verdict == "no-worthwhile-gain")
    return "no worthwhile gain over one α for all, which is recommended\n";
  const Json& needed = modules.at("needed_prompts");
  if (needed.is_null()) return "undecided: no gain was seen; one α for all is recommended\n";
  return fmt::format(
      "undecided: about {} prompts in the confirming part would tell; one α for all is "
      "recommended\n",
      needed.get<std::size_t>());
}

}  // namespace

std::string describe_modules(const Json& result) {
  const auto found = result.find("modules");
  if (found == result.end() || found->is_null()) return {};
  const Json& modules = *found;
  if (modules.at("verdict") == "not-tested") {
    return fmt::format("no α for each kind of module: {}\n",
                       modules.at("reason").get<std::string>());
  }
  const Json& comparison = modules.at("confirmation");
  if (comparison.is_null()) {
    return fmt::format(
        "of {} with an α for each kind of module, the choosing part prefers none to one α for "
        "all\n",
        counted(modules.at("points").size(), "point"));
  }
  const std::string uniform = chosen_label(result);
  return fmt::format("{} with {}, against {} for all: {}, on {} that did not choose it\n", uniform,
                     point_text(modules.at("parameters")), uniform, describe_difference(comparison),
                     counted(comparison.at("prompts").get<std::size_t>(), "prompt")) +
         describe_shown(modules.at("shown")) + verdict_text(modules);
}

std::string describe_points(const Look& look, std::size_t number,
                            const std::vector<Candidate>& candidates,
                            std::optional<std::uint64_t> budget) {
  const LookEntry* best = nullptr;
  std::size_t alive = 0;
  for (const LookEntry& entry : look.entries) {
    if (!entry.alive) continue;
    ++alive;
    if (best == nullptr || entry.belief > best->belief) best = &entry;
  }
  const std::string left = budget ? fmt::format(" of {}", *budget) : std::string();
  return fmt::format("look {}: {} stay, the best is {} ({:.3f}); {}{} tokens", number,
                     counted(alive, "point"), candidates[best->candidate].label, best->mean,
                     look.tokens, left);
}

}  // namespace expo
