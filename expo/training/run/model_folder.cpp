#include "expo/training/run/model_folder.h"

#include <fmt/format.h>

#include "expo/checkpoint/model_class.h"
#include "expo/core/error.h"
#include "expo/extrapolation/write/model_card.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/training/model/tensor_writer.h"

namespace expo {
namespace {

/// The tensors in the checkpoint's order, with new ones at the end.
NamedTensors ordered_tensors(const Checkpoint& checkpoint, const TrainableModel& model) {
  NamedTensors tensors;
  for (const Tensor& tensor : checkpoint.tensors()) {
    const auto found = model.named.find(tensor.name);
    if (found != model.named.end()) tensors.emplace_back(found->first, found->second);
  }
  for (const auto& [name, tensor] : model.named) {
    if (!checkpoint.find(name)) tensors.emplace_back(name, tensor);
  }
  return tensors;
}

Json adapter_config(const ModelSource& source, const TrainableModel& model,
                    const TrainingConfig& config) {
  const bool reward = model.architecture.head == ModelHead::score;
  return {{"peft_type", "LORA"},
          {"task_type", reward ? "SEQ_CLS" : "CAUSAL_LM"},
          {"base_model_name_or_path", source.name},
          {"r", config.lora.rank},
          {"lora_alpha", config.lora.alpha},
          {"use_rslora", config.lora.rank_stabilised},
          {"target_modules", config.lora.target_modules()},
          {"modules_to_save", reward ? Json::array({"score"}) : Json()},
          {"bias", "none"},
          {"lora_dropout", config.lora.dropout},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"inference_mode", true},
          {"use_dora", false},
          {"revision", source.checkpoint->model_id().empty() ? Json() : Json("main")}};
}

void write_adapter(Filesystem& filesystem, const ModelSource& source, const TrainableModel& model,
                   const TrainingConfig& config, const std::filesystem::path& folder) {
  NamedTensors tensors;
  for (const Parameter& parameter : model.parameters.all())
    tensors.emplace_back(parameter.name, parameter.value);
  write_tensor_file(filesystem, folder / "adapter_model.safetensors", tensors, config.save_dtype);
  filesystem.write_text(folder / "adapter_config.json",
                        format_json(adapter_config(source, model, config)));
}

}  // namespace

Json config_for_training(const Json& config, const TrainingConfig& training, std::int64_t pad_id) {
  if (training.method != TrainingMethod::reward) return config;
  auto classifier = classifier_config(config, 1);
  if (!classifier) {
    throw usage_error(
        "the model: config.json's architectures begin with neither a language model nor a "
        "classifier, from which the reward model's class name is derived");
  }
  Json result = *std::move(classifier);
  const bool has_pad = result.contains("pad_token_id") && !result["pad_token_id"].is_null();
  if (!has_pad && !training.use_peft) result["pad_token_id"] = pad_id;
  return result;
}

void write_model_folder(Filesystem& filesystem, const ModelSource& source,
                        const TrainableModel& model, const TrainingConfig& config,
                        const std::filesystem::path& folder) {
  if (model.is_lora()) {
    write_adapter(filesystem, source, model, config, folder);
    write_sidecars(filesystem, *source.checkpoint, {}, folder);
    // A folder with both would be read as a complete model without weights.
    filesystem.remove(folder / "config.json");
  } else {
    const auto written = write_model_tensors(
        filesystem, folder, ordered_tensors(*source.checkpoint, model), config.save_dtype);
    write_sidecars(filesystem, *source.checkpoint, written, folder);
    filesystem.write_text(folder / "config.json",
                          format_json(with_dtype(source.config, config.save_dtype)));
  }
  if (!source.chat_template.empty())
    filesystem.write_text(folder / "chat_template.jinja", source.chat_template);
}

}  // namespace expo
