#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/engine/engine_spec.h"
#include "expo/model/architecture.h"
#include "expo/model/decoder.h"
#include "expo/model/live/live_weights.h"

namespace expo {

/// A model whose files are open and which can run once it is loaded. It stays in one place in
/// memory, because its parts refer to each other.
struct EmbeddedModel {
  std::shared_ptr<const Checkpoint> aligned;
  std::shared_ptr<const Checkpoint> sft;  ///< null if none is named
  at::Device device = at::kCPU;
  DType dtype = DType::f32;
  Architecture architecture;
  std::unique_ptr<LiveWeights> weights;
  std::unique_ptr<Decoder> decoder;

  bool is_loaded() const { return decoder != nullptr; }
};

/// Opens the files and reads headers and configuration. Throws what open_checkpoint,
/// read_architecture and choose_device throw, and Error(usage) for an unknown dtype.
std::unique_ptr<EmbeddedModel> open_model(Filesystem& filesystem, const Environment& environment,
                                          const EmbeddedSpec& spec);

/// How the weights of an opened model are held and moved according to `spec`.
LiveWeightsOptions live_options(const EmbeddedModel& model, const EmbeddedSpec& spec);

/// Reads the weights (θ, or those that `start` leads to) and makes the decoder over them. Throws
/// what LiveWeights throws.
void load_model(EmbeddedModel& model, const EmbeddedSpec& spec,
                const std::optional<WeightMove>& start, const CancellationToken& cancellation);

}  // namespace expo
