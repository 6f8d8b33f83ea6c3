#include "expo/extrapolation/extrapolation_job.h"

namespace expo {

Json to_json(const ExtrapolationReport& report) {
  Json json = Json::object();
  json["alpha"] = report.asked_alpha ? Json(*report.asked_alpha) : Json(nullptr);
  json["alpha_schedule"] = report.alpha;
  json["output"] = report.output.string();
  json["rounding"] = report.rounding ? to_json(*report.rounding) : Json(nullptr);
  json["tensors"] = report.tensors;
  json["bytes_read"] = report.bytes_read;
  json["bytes_written"] = report.bytes_written;
  json["seconds"] = report.seconds;
  json["threads"] = report.threads;
  json["dry_run"] = report.dry_run;
  json["resumed"] = report.resumed;
  json["delta"] = report.deltas.empty() ? Json(nullptr) : to_json(summarise(total(report.deltas)));
  json["verdict"] = report.verdict.empty() ? Json(nullptr) : Json(report.verdict);
  Json groups = Json::object();
  for (const GroupSummary& group : summarise_by_kind(report.deltas))
    append_member(groups, group.group, to_json(group.summary));
  json["groups"] = std::move(groups);
  json["files"] = Json::array();
  for (const auto& [name, size] : report.files)
    json["files"].push_back({{"name", name}, {"size", size}});
  json["mismatches"] = Json::array();
  for (const Mismatch& mismatch : report.mismatches) {
    json["mismatches"].push_back({{"tensor", mismatch.tensor},
                                  {"problem", mismatch.problem},
                                  {"treatment", mismatch.treatment}});
  }
  json["warnings"] = report.warnings;
  if (report.dry_run) {
    json["free_bytes"] = report.free_bytes;
    json["memory_bytes"] = report.memory_bytes;
  }
  return json;
}

}  // namespace expo
