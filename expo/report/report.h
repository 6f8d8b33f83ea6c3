#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"

namespace expo {

/// A page to make.
struct ReportRequest {
  std::vector<std::string> runs;  ///< folders and files, as the user wrote them
  std::filesystem::path output;
  bool overwrite = false;
  std::string command;  ///< that makes the page
  std::string made;     ///< when, as "2026-11-30T10:00:00Z"
};

/// What was made.
struct ReportSummary {
  std::uint64_t bytes = 0;
  std::size_t runs = 0;
};

/// Writes one HTML file that shows runs: the page in this program (page.h) with their data, which
/// docs/report.md describes, packed into its one place (packed_text.h). Memory holds a few
/// hundred bytes for each answer, but not its text. The file appears only when it is complete.
/// Throws Error: usage for runs of several kinds, a run that is named twice, and an output that is
/// there, is an input, lies in the folder of a run without a name that ends in .html, or is no
/// regular file; input for what is no run, is damaged, or comes from a newer version; environment
/// if the disk fails; interrupted.
ReportSummary write_report(Filesystem& filesystem, const ReportRequest& request,
                           const CancellationToken& cancellation);

}  // namespace expo
