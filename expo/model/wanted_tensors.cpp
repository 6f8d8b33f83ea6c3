#include "expo/model/wanted_tensors.h"

#include <fmt/format.h>

#include "expo/core/error.h"

namespace expo {

bool is_spare(const std::string& name, const Architecture& architecture) {
  if (name.ends_with(".rotary_emb.inv_freq")) return true;
  const bool unused_head = architecture.tied_head || architecture.head == ModelHead::score;
  return name == "lm_head.weight" && unused_head;
}

std::size_t require_tensor(const Checkpoint& checkpoint, const std::string& name,
                           const at::Tensor& target, const Architecture& architecture) {
  const auto index = checkpoint.find(name);
  if (!index) {
    throw input_error(fmt::format(
        "{}: the tensor \"{}\" is missing, but the architecture in config.json ({}) needs it",
        checkpoint.location(), name, architecture.model_type));
  }
  const std::vector<std::uint64_t> shape(target.sizes().begin(), target.sizes().end());
  const Tensor& found = checkpoint.tensors()[*index];
  if (found.shape != shape || !supports_arithmetic(found.dtype)) {
    throw input_error(
        fmt::format("{}: the tensor \"{}\" is {} {}, but config.json requires floating-point "
                    "values of shape {}",
                    checkpoint.location(), name, safetensors_name(found.dtype),
                    format_shape(found.shape), format_shape(shape)));
  }
  return *index;
}

}  // namespace expo
