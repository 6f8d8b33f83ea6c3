#include "expo/training/run/setting.h"

#include <ATen/Parallel.h>

#include "expo/training/run/inputs.h"

namespace expo {

Json run_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks) {
  Json json = to_json(job.config);
  for (const char* name :
       {"output_dir", "overwrite_output_dir", "resume", "save_steps", "save_total_limit",
        "eval_steps", "eval_dataset_name", "dataset_test_split", "save_dtype",
        "reference_cache_dir", "ddp_timeout", "assistant_only_loss", "completion_only_loss"})
    json.erase(name);
  json["device"] = job.device.is_cpu() ? "cpu" : job.device_name;
  json["threads"] = at::get_num_threads();
  json["ranks"] = ranks.size();
  json["data"] = inputs.train.digest;
  json["weights"] = inputs.weights_digest;
  if (!inputs.references_digest.empty()) json["references"] = inputs.references_digest;
  json["total_steps"] = inputs.schedule.rate.total_steps;
  return json;
}

Json common_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks) {
  Json json = run_setting(job, inputs, ranks);
  // Files count by their content, wherever a machine has them.
  for (const char* name : {"threads", "dataset_name", "model_name_or_path",
                           "ref_model_name_or_path", "chat_template_path"})
    json.erase(name);
  json["chat_template"] = inputs.source.chat_template;
  json["reference"] = !job.config.ref_model_name_or_path.empty();
  const Json all = to_json(job.config);
  for (const char* name : {"save_steps", "eval_steps", "resume"})
    json[name] = all.value(name, Json());
  json["evaluation_data"] = inputs.evaluation.digest;
  return json;
}

}  // namespace expo
