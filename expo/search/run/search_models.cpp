#include "expo/search/run/search_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/error.h"
#include "expo/extrapolation/diagnosis/configuration_differences.h"
#include "expo/extrapolation/diagnosis/diagnosis.h"
#include "expo/extrapolation/diagnosis/verdict.h"
#include "expo/extrapolation/write/output_folder.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// A folder's or file's own place, or else the name in one spelling.
fs::path place_of(Filesystem& filesystem, const std::string& name) {
  fs::path path = fs::path(name).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return filesystem.exists(path) ? filesystem.canonical(path) : path;
}

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(name).lexically_normal()) {
    if (!part.empty()) parts.push_back(part.string());
  }
  return parts;
}

/// How many parts all of them have in common at the beginning.
std::size_t common_beginning(const std::vector<std::vector<std::string>>& all) {
  std::size_t count = 0;
  while (std::ranges::all_of(all, [&](const auto& parts) {
    return count < parts.size() && parts[count] == all.front().at(count);
  }))
    ++count;
  return count;
}

void take_away_beginning(std::vector<std::vector<std::string>>& all) {
  const auto count = static_cast<std::ptrdiff_t>(common_beginning(all));
  for (auto& parts : all) parts.erase(parts.begin(), parts.begin() + count);
}

class Opening {
 public:
  Opening(Filesystem& filesystem, const Environment& environment, const SearchModels& models,
          const EmbeddedSpec& spec, EngineTurns& engines)
      : filesystem_(filesystem), environment_(environment), models_(models), engines_(engines) {
    check_distinct(filesystem, models);
    opened_.spec = spec;
    opened_.spec.sft = models.sft;
    if (models.aligned.size() > 1) opened_.labels = short_names(models.aligned);
    opened_.labels.resize(models.aligned.size());
  }

  OpenedModels open(std::span<const double> alphas, const CancellationToken& cancellation) {
    open_checkpoints();
    fix_setting(alphas, cancellation);
    open_engines(cancellation);
    warn(cancellation);
    look_for_bends(alphas, cancellation);
    return std::move(opened_);
  }

 private:
  void open_checkpoints() {
    sft_ = open_checkpoint(filesystem_, models_.sft, {}, environment_);
    take_inputs(*sft_);
    for (const std::string& name : models_.aligned) {
      aligned_.push_back(open_aligned(name));
      take_inputs(*aligned_.back());
    }
  }

  std::shared_ptr<const Checkpoint> open_aligned(const std::string& name) const {
    OpenOptions over_sft;
    over_sft.adapter_base = sft_;
    return open_checkpoint(filesystem_, name, over_sft, environment_);
  }

  void take_inputs(const Checkpoint& checkpoint) {
    std::ranges::move(input_paths(filesystem_, checkpoint), std::back_inserter(opened_.inputs));
  }

  void fix_setting(std::span<const double> alphas, const CancellationToken& cancellation) {
    std::vector<NamedCheckpoint> aligned;
    for (std::size_t i = 0; i < aligned_.size(); ++i)
      aligned.push_back({opened_.labels[i], aligned_[i].get()});
    EmbeddedSpec& spec = opened_.spec;
    request_ = {.dtype = spec.dtype,
                .rounding = spec.rounding,
                .seed = spec.rounding_seed,
                .on_mismatch = spec.on_mismatch,
                .threads = spec.threads,
                .memory = machine_memory()};
    SettingRequest request = request_;
    std::vector<std::shared_ptr<const Checkpoint>> rewards;
    for (const std::string& model : models_.rewards) rewards.push_back(named(model));
    const auto baseline =
        has_rival(filesystem_, models_) && !models_.policy ? named(models_.baseline) : nullptr;
    request.baseline = baseline.get();
    for (const auto& each : rewards) request.rewards.push_back(each.get());
    request.one_at_a_time = models_.one_at_a_time;
    if (models_.policy) request.served = models_.policy->type.value_or(DType::f32);
    opened_.setting = choose_setting(*sft_, aligned, alphas, request, cancellation);
    if (models_.one_at_a_time || need_turns(aligned, opened_.setting, request)) engines_.begin();
    if (models_.policy && !models_.policy->type) {
      opened_.setting.reason =
          "α is the scale of the server's adapter, in its own arithmetic; what is written "
          "afterwards "
          "is float32";
    }
    spec.dtype = torch_name(opened_.setting.dtype);
    spec.rounding = opened_.setting.rounding;
  }

  std::shared_ptr<const Checkpoint> named(const std::string& model) const {
    return open_checkpoint(filesystem_, model, {}, environment_);
  }

  /// Finds what the setting makes of each α, and makes the race try none that it bends.
  void look_for_bends(std::span<const double> alphas, const CancellationToken& cancellation) {
    if (models_.policy && !models_.policy->type) return;
    const auto effects =
        std::make_shared<RoundingEffects>(sft_, aligned_, opened_.setting, request_, cancellation);
    for (std::size_t i = 0; i < aligned_.size(); ++i) effects->measure(i, alphas);
    opened_.effect = [effects](double alpha, std::size_t number) {
      return effects->of(number, alpha);
    };
    opened_.keeps = [effects](double alpha, std::size_t number) {
      return !effects->bent(number, alpha);
    };
    // Automatic choices keep all of them.
    if (request_.rounding != RoundingChoice::nearest) return;
    for (std::size_t i = 0; i < aligned_.size(); ++i) {
      std::vector<BentAlpha> bent;
      for (const double alpha : alphas) {
        if (const auto one = effects->bent(i, alpha)) bent.push_back(*one);
      }
      warn(i, bend_warnings(bent, opened_.setting));
    }
  }

  void warn(std::size_t number, const std::vector<std::string>& warnings) {
    const std::string& label = opened_.labels[number];
    for (const std::string& warning : warnings)
      opened_.warnings.push_back(label.empty() ? warning : fmt::format("{}: {}", label, warning));
  }

  void open_engines(const CancellationToken& cancellation) {
    const bool shares = models_.aligned.size() > 1 || has_rival(filesystem_, models_);
    const EngineTurns servers(models_.policy ? models_.policy->open : EngineTurns::Opener(),
                              shares ? Turns::of_server : Turns::none);
    const EngineTurns& engines = models_.policy ? servers : engines_;
    for (const std::string& name : models_.aligned) {
      EmbeddedSpec spec = opened_.spec;
      spec.model = name;
      opened_.aligned.push_back(engines.open(spec));
    }
    opened_.spec.model = models_.aligned.front();
    if (has_rival(filesystem_, models_)) {
      opened_.rival = models_.policy ? served_rival(engines, cancellation) : rival(engines);
      std::ranges::move(opened_.rival->sources(), std::back_inserter(opened_.inputs));
    } else if (const auto own = aligned_baseline(filesystem_, models_).value_or(0); own > 0) {
      opened_.baseline = own;
    }
  }

  std::unique_ptr<Engine> rival(const EngineTurns& engines) const {
    EmbeddedSpec spec = opened_.spec;
    spec.model = models_.baseline;
    spec.sft.reset();
    return engines.open(spec);
  }

  /// The baseline as the end of a line through SFT, as servers are moved along lines only; SFT
  /// itself as the end of a line through ALIGNED.
  std::unique_ptr<Engine> served_rival(const EngineTurns& engines,
                                       const CancellationToken& cancellation) {
    const auto baseline = open_aligned(models_.baseline);
    make_plan(*sft_, *baseline, {AlphaSchedule(0), opened_.setting.dtype, request_.on_mismatch},
              cancellation);
    warn_of_configuration(*baseline);
    EmbeddedSpec spec = opened_.spec;
    spec.model = models_.baseline;
    if (is_sft(*baseline, cancellation)) spec.sft = first_aligned_alone();
    return engines.open(spec, AlphaSchedule(0));
  }

  /// The first ALIGNED checkpoint under a name that is a model by itself, as an adapter's is not.
  std::string first_aligned_alone() const {
    const std::string& name = models_.aligned.front();
    try {
      named(name);
      return name;
    } catch (const Error&) {
      return models_.sft + "+" + name;
    }
  }

  /// Whether its weights are SFT's, wherever they lie.
  bool is_sft(const Checkpoint& model, const CancellationToken& cancellation) const {
    DiagnosisOptions options;
    options.sample = true;
    options.threads = opened_.spec.threads;
    const Diagnosis diagnosis = diagnose(*sft_, model, options, cancellation);
    return judge(diagnosis).relation == Relation::same_model;
  }

  void warn(const CancellationToken& cancellation) {
    for (std::size_t i = 0; i < aligned_.size(); ++i) {
      warn(i, pair_warnings(filesystem_, *sft_, *aligned_[i], opened_.spec.threads, cancellation));
      if (models_.policy && models_.policy->type) warn_of_configuration(*aligned_[i]);
    }
  }

  /// Servers read new weights, but keep the configuration that they were started with.
  void warn_of_configuration(const Checkpoint& model) {
    const auto differences = configuration_differences(*sft_, model);
    if (differences.empty()) return;
    opened_.warnings.push_back(fmt::format(
        "{}: its config.json says something else than SFT's ({}), but a server keeps the "
        "configuration that it was started with, whatever weights it reads, so its answers may not "
        "be this model's",
        model.location(), fmt::join(differences, "; ")));
  }

  Filesystem& filesystem_;
  const Environment& environment_;
  const SearchModels& models_;
  EngineTurns& engines_;
  std::shared_ptr<const Checkpoint> sft_;
  std::vector<std::shared_ptr<const Checkpoint>> aligned_;
  SettingRequest request_;
  OpenedModels opened_;
};

}  // namespace

void check_distinct(Filesystem& filesystem, const SearchModels& models) {
  const fs::path sft = place_of(filesystem, models.sft);
  std::vector<fs::path> seen;
  for (const std::string& name : models.aligned) {
    const fs::path place = place_of(filesystem, name);
    // A single pair of this kind is told of by its diagnosis.
    if (models.aligned.size() > 1 && place == sft)
      throw usage_error(
          fmt::format("{}: is SFT itself, which takes part as α = −1; leave it out", name));
    if (std::ranges::find(seen, place) != seen.end())
      throw usage_error(
          fmt::format("{}: is named twice among the ALIGNED checkpoints; name each "
                      "once",
                      name));
    seen.push_back(place);
  }
}

std::optional<std::size_t> aligned_baseline(Filesystem& filesystem, const SearchModels& models) {
  if (models.baseline.empty()) return std::nullopt;
  const fs::path place = place_of(filesystem, models.baseline);
  const auto found = std::ranges::find_if(
      models.aligned, [&](const std::string& name) { return place_of(filesystem, name) == place; });
  if (found == models.aligned.end()) return std::nullopt;
  return static_cast<std::size_t>(found - models.aligned.begin());
}

bool has_rival(Filesystem& filesystem, const SearchModels& models) {
  return !models.baseline.empty() && !aligned_baseline(filesystem, models);
}

std::vector<std::string> short_names(std::span<const std::string> names) {
  std::vector<std::string> whole(names.begin(), names.end());
  if (names.size() < 2) return whole;
  std::vector<std::vector<std::string>> all;
  std::ranges::transform(names, std::back_inserter(all), parts_of);
  take_away_beginning(all);
  for (auto& parts : all) std::ranges::reverse(parts);
  take_away_beginning(all);
  std::vector<std::string> result;
  for (auto& parts : all) {
    if (parts.empty()) return whole;
    fs::path path;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) path /= *part;
    result.push_back(path.string());
  }
  return result;
}

std::vector<Policy> OpenedModels::policies() const {
  std::vector<Policy> result;
  for (std::size_t i = 0; i < aligned.size(); ++i) result.push_back({aligned[i].get(), labels[i]});
  return result;
}

std::vector<Engine*> OpenedModels::engines() const {
  std::vector<Engine*> result;
  for (const auto& engine : aligned) result.push_back(engine.get());
  if (rival) result.push_back(rival.get());
  return result;
}

OpenedModels open_models(Filesystem& filesystem, const Environment& environment,
                         const SearchModels& models, const EmbeddedSpec& spec,
                         std::span<const double> alphas, EngineTurns& engines,
                         const CancellationToken& cancellation) {
  return Opening(filesystem, environment, models, spec, engines).open(alphas, cancellation);
}

}  // namespace expo
