#include "expo/cli/search_writing.h"

#include <fmt/format.h>

#include <ostream>

#include "expo/cli/options/output_options.h"
#include "expo/cli/text/extrapolation_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/search/run/search_recipe.h"

namespace expo {

ExtrapolationJob SearchWriting::job(const std::string& aligned, double alpha) const {
  ExtrapolationJob job;
  job.sft = sft_;
  job.aligned = aligned;
  job.output = output_;
  job.alpha = AlphaSchedule(alpha);
  job.out_type = models_.setting.dtype;
  job.rounding = models_.setting.rounding;
  job.seed = models_.setting.seed;
  job.on_mismatch = models_.spec.on_mismatch;
  job.threads = models_.spec.threads;
  job.command = context_.command_line;
  return job;
}

void SearchWriting::check(const SearchFolder& folder, const std::vector<std::string>& aligned,
                          double largest) const {
  if (output_.empty()) return;
  folder.check_output(output_);
  for (const std::string& each : aligned) {
    ExtrapolationJob job = this->job(each, largest);
    job.dry_run = true;
    run_extrapolation(posix_filesystem(), hugging_face_environment(), job, nullptr,
                      context_.cancellation);
  }
}

void SearchWriting::write(const Json& result, std::ostream& out) const {
  if (output_.empty()) return;
  if (posix_filesystem().exists(output_)) {
    print_notes({fmt::format("{}: exists already, and is left as it is", output_)});
    return;
  }
  const auto alpha = result.at("alpha").get<double>();
  const auto model = result.at("model").get<std::string>();
  if (alpha == 0) {
    print_warnings({fmt::format("{} is not written: α = 0 is {} itself", output_, model)});
    return;
  }
  if (result.at("verdict") == "undecided")
    print_warnings({fmt::format("α = {:g} is written although its gain is not decided", alpha)});
  TerminalProgress progress;
  ExtrapolationJob job = this->job(model, alpha);
  job.alpha = recommended_schedule(result);
  const ExtrapolationReport report = run_extrapolation(
      posix_filesystem(), hugging_face_environment(), job, &progress, context_.cancellation);
  print_warnings(report.warnings);
  out << describe(report);
}

}  // namespace expo
