#include "expo/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/report/packed_text.h"
#include "expo/report/page.h"
#include "expo/report/page_file.h"
#include "expo/report/run_names.h"
#include "expo/report/run_source.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// Where the page will lie. A link at its place is replaced, so that only its folder's are
/// followed.
fs::path place_of_page(Filesystem& filesystem, const fs::path& page) {
  return filesystem.canonical(page.has_parent_path() ? page.parent_path() : ".") / page.filename();
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  return std::ranges::mismatch(folder, file).in1 == folder.end();
}

/// The runs of a page, opened.
class Runs {
 public:
  Runs(Filesystem& filesystem, const ReportRequest& request, const CancellationToken& cancellation)
      : request_(request), cancellation_(cancellation) {
    if (request.runs.empty()) throw usage_error("report: no run is named; give its folder");
    for (const std::string& run : request.runs) add(filesystem, run);
    names_ = distinguishing_names(places_);
    for (std::size_t i = 0; i < places_.size(); ++i) spare(filesystem, i);
  }

  void write(const TextSink& sink) {
    ListOutput list(sink);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      cancellation_.check();
      list.begin();
      ObjectOutput run(sink);
      run.add("kind", Json(sources_[i]->kind()));
      run.add("name", names_[i]);
      run.add("folder", request_.runs[i]);
      sources_[i]->write(run, sink);
      run.add("missing", sources_[i]->missing());
      run.end();
    }
    list.end();
  }

 private:
  void add(Filesystem& filesystem, const std::string& run) {
    const fs::path named = run;
    const fs::path path = named.has_filename() ? named : named.parent_path();
    sources_.push_back(open_run(filesystem, path, cancellation_));
    const RunSource& first = *sources_.front();
    const RunSource& last = *sources_.back();
    if (first.kind() != last.kind()) {
      throw usage_error(fmt::format(
          "{} and {} do not compare: the first is {}, the other one {}; make a page for each "
          "kind",
          request_.runs.front(), run, first.noun(), last.noun()));
    }
    fs::path place = filesystem.canonical(path);
    if (std::ranges::find(places_, place) != places_.end())
      throw usage_error(run + ": is named twice; name each run once");
    places_.push_back(std::move(place));
  }

  /// Refuses a page in the place of a run, or of a file that a run needs.
  void spare(Filesystem& filesystem, std::size_t number) const {
    const fs::path& output = request_.output;
    const fs::path& run = places_[number];
    if (filesystem.exists(output) && filesystem.canonical(output) == run)
      throw usage_error(output.string() + ": is an input; choose another output");
    if (output.filename().string().ends_with(".html") ||
        !lies_in(place_of_page(filesystem, output), run))
      return;
    throw usage_error(fmt::format(
        "{}: lies in {}, which the page shows, and there its name must end in .html, so that no "
        "file of the run is replaced; give -o {}",
        output.string(), request_.runs[number],
        (fs::path(request_.runs[number]) / "report.html").string()));
  }

  const ReportRequest& request_;
  const CancellationToken& cancellation_;
  std::vector<std::unique_ptr<RunSource>> sources_;
  std::vector<fs::path> places_;
  std::vector<std::string> names_;
};

void write_data(const ReportRequest& request, Runs& runs, const TextSink& sink) {
  ObjectOutput data(sink);
  data.add("schema", "expo-report-1");
  data.add("expo", version());
  data.add("made", request.made);
  data.add("command", request.command);
  data.begin("runs");
  runs.write(sink);
  data.end();
}

}  // namespace

ReportSummary write_report(Filesystem& filesystem, const ReportRequest& request,
                           const CancellationToken& cancellation) {
  check_page_place(filesystem, request.output, request.overwrite);
  Runs runs(filesystem, request, cancellation);
  const Page page = embedded_page();
  PageFile file(filesystem, request.output, request.overwrite);
  file.write(page.before);
  const TextSink to_file = [&](std::string_view text) {
    cancellation.check();
    file.write(text);
  };
  PackedText packed(to_file);
  write_data(request, runs, [&](std::string_view text) { packed.add(text); });
  packed.finish();
  file.write(page.after);
  return {file.commit(), request.runs.size()};
}

}  // namespace expo
