#include "expo/training/run/metrics_log.h"

#include <fmt/format.h>

#include <span>
#include <string>

namespace expo {
namespace {

/// The complete lines of an earlier run that belong to steps which were not lost.
std::string kept_lines(Filesystem& filesystem, const std::filesystem::path& path,
                       std::int64_t last_step) {
  std::string kept;
  if (last_step == 0 || !filesystem.exists(path)) return kept;
  const std::string text = filesystem.read_text(path, std::uint64_t{4} << 30);
  std::size_t first = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', first)) {
    const std::string line = text.substr(first, end + 1 - first);
    const Json json = parse_json(line, path.string());
    if (json.value("step", last_step + 1) <= last_step) kept += line;
    first = end + 1;
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(Filesystem& filesystem, const std::filesystem::path& path,
                       std::int64_t last_step) {
  const std::string kept = kept_lines(filesystem, path, last_step);
  const std::filesystem::path partial =
      path.parent_path() / fmt::format(".{}.partial", path.filename().string());
  file_ = filesystem.create(partial, Caching::buffered);
  file_->write_at(0, std::as_bytes(std::span(kept)));
  file_->sync();
  size_ = kept.size();
  filesystem.rename_replace(partial, path);
}

void MetricsLog::add(const Json& metrics) {
  const std::string line = compact_json(metrics) + "\n";
  file_->write_at(size_, std::as_bytes(std::span(line)));
  size_ += line.size();
}

void MetricsLog::sync() {
  file_->sync();
}

}  // namespace expo
