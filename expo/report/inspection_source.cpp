#include "expo/report/run_source.h"

namespace expo {
namespace {

class InspectionSource final : public RunSource {
 public:
  explicit InspectionSource(Json inspection) : inspection_(std::move(inspection)) {
    if (!inspection_.contains("aligned"))
      missing_.emplace_back("One checkpoint was inspected, so there is no change to show.");
  }

  std::string_view kind() const override { return "inspection"; }
  std::string_view noun() const override { return "an inspection"; }

  void write(ObjectOutput& run, const TextSink&) override { run.add("inspection", inspection_); }

 private:
  Json inspection_;
};

}  // namespace

std::unique_ptr<RunSource> open_inspection(Json inspection) {
  return std::make_unique<InspectionSource>(std::move(inspection));
}

}  // namespace expo
