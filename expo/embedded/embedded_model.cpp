#include "expo/embedded/embedded_model.h"

#include <ATen/Parallel.h>

#include "expo/core/error.h"
#include "expo/model/device.h"

namespace expo {
std::unique_ptr<EmbeddedModel> open_model(Filesystem& filesystem, const Environment& environment,
                                          const EmbeddedSpec& spec) {
  auto model = std::make_unique<EmbeddedModel>();
  model->device = choose_device(spec.device);
  if (spec.threads != 0) at::set_num_threads(static_cast<int>(spec.threads));
  OpenOptions options;
  if (spec.sft) {
    model->sft = open_checkpoint(filesystem, *spec.sft, options, environment);
    options.adapter_base = model->sft;
  }
  model->aligned = open_checkpoint(filesystem, spec.model, options, environment);
  const std::string& place = model->aligned->location();
  if (model->aligned->config().is_null()) {
    throw input_error(
        place + ": there is no config.json, without which the model's architecture is not known");
  }
  model->architecture = read_architecture(model->aligned->config(), place + "/config.json");
  const auto dtype = parse_running_dtype(spec.dtype);
  model->dtype = dtype ? *dtype : natural_running_dtype(*model->aligned);
  return model;
}

LiveWeightsOptions live_options(const EmbeddedModel& model, const EmbeddedSpec& spec) {
  return {.dtype = model.dtype,
          .device = model.device,
          .rounding = spec.rounding,
          .seed = spec.rounding_seed,
          .on_mismatch = spec.on_mismatch,
          .allow_overflow = spec.allow_overflow,
          .threads = spec.threads,
          .measures = model.sft != nullptr};
}

void load_model(EmbeddedModel& model, const EmbeddedSpec& spec,
                const std::optional<WeightMove>& start, const CancellationToken& cancellation) {
  model.weights = std::make_unique<LiveWeights>(model.architecture, model.aligned, model.sft,
                                                live_options(model, spec), cancellation, start);
  model.decoder = model.weights->make_decoder();
}

}  // namespace expo
