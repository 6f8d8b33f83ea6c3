#include "expo/report/run_files.h"
#include "expo/report/run_source.h"

namespace expo {
namespace {

class TrainingSource final : public RunSource {
 public:
  TrainingSource(Filesystem& filesystem, const std::filesystem::path& folder, Json settings)
      : filesystem_(filesystem), folder_(folder), settings_(std::move(settings)) {
    sessions_ = read_sessions(filesystem_, folder_, missing_);
    if (!filesystem_.exists(folder_ / "final"))
      missing_.emplace_back("There is no folder final: the training is not finished.");
  }

  std::string_view kind() const override { return "train"; }
  std::string_view noun() const override { return "a training run"; }

  void write(ObjectOutput& run, const TextSink& sink) override {
    run.add("settings", settings_);
    run.add("sessions", sessions_);
    run.begin("metrics");
    if (!copy_lines(filesystem_, {folder_ / "metrics.jsonl"}, sink, missing_))
      missing_.emplace_back("There is no metrics.jsonl: no step was taken yet.");
  }

 private:
  Filesystem& filesystem_;
  std::filesystem::path folder_;
  Json settings_;
  Json sessions_;
};

}  // namespace

std::unique_ptr<RunSource> open_training(Filesystem& filesystem,
                                         const std::filesystem::path& folder, Json settings) {
  return std::make_unique<TrainingSource>(filesystem, folder, std::move(settings));
}

}  // namespace expo
