#include "expo/engine/resumable_output.h"

#include <fmt/format.h>

#include "expo/checkpoint/folder/links.h"
#include "expo/core/python_json.h"
#include "expo/core/text.h"
#include "expo/engine/settings_difference.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestJournal = std::uint64_t{16} << 30;

/// Throws if there is something at `place` that a file cannot replace.
void check_replaceable(Filesystem& filesystem, const fs::path& place) {
  const auto status = filesystem.status(place);
  if (!status || status->is_regular) return;
  if (status->is_directory) {
    throw usage_error(
        fmt::format("{}: is a folder, but a file is to be written there", place.string()));
  }
  throw usage_error(
      fmt::format("{}: is a pipe, a socket or a device, which no file can replace; name a file, or "
                  "leave out -o to get the rows on stdout",
                  place.string()));
}

std::string line_of(const Json& value) {
  return compact_json(value) + "\n";
}

[[noreturn]] void refuse_journal(const fs::path& place) {
  throw input_error(place.string() +
                    ": was not left by an interrupted run; --overwrite discards it");
}

}  // namespace

ResumableOutput::ResumableOutput(Filesystem& filesystem, Options options)
    : filesystem_(filesystem), options_(std::move(options)) {
  // This comes before links are followed by name: a link such as /dev/stdout leads to something
  // that has no name.
  check_replaceable(filesystem_, options_.file);
  file_ = filesystem_.canonical(options_.file);
  check_place();
  filesystem_.create_directory(file_.parent_path());
  lock_ = std::make_unique<OutputLock>(filesystem_, hidden("lock"), options_.file, "file");
  take_over();
  if (filesystem_.exists(file_) && !may_replace_) refuse_existing();
  if (!complete_) begin_journal();
}

/// Throws unless the file is what a resumed run would have written, or may be replaced.
void ResumableOutput::refuse_existing() {
  bool is_own = false;
  std::string reason;
  if (options_.resume && finished_.empty() && filesystem_.exists(record_file())) {
    Json record = parse_python_json(filesystem_.read_text(record_file()), record_file().string());
    const std::string found = difference_of(record.value("settings", Json()), options_.settings);
    is_own =
        record.value("digest", "") == text_digest(filesystem_.read_text(file_, kLargestJournal));
    if (found.empty() && is_own) {
      complete_ = std::move(record);
      return;
    }
    reason = found.empty() ? "it is not what the run wrote; "
                           : fmt::format("it was finished with other settings: {}; ", found);
  }
  may_replace_ = options_.replace_others && is_own;
  if (may_replace_) return;
  throw usage_error(fmt::format("{}: exists already; {}{}", options_.file.string(), reason,
                                options_.replaces_own_only && !is_own
                                    ? "name another file, or remove it"
                                    : "--overwrite replaces it, or choose another output"));
}

ResumableOutput::~ResumableOutput() {
  if (committed_ || !finished_.empty() || !journal_) return;
  try {
    journal_.reset();
    filesystem_.remove(hidden("partial"));
  } catch (...) {  // a journal without rows means nothing to the next run
  }
}

fs::path ResumableOutput::hidden(std::string_view suffix) const {
  return file_.parent_path() / fmt::format(".{}.expo-{}", file_.filename().string(), suffix);
}

fs::path ResumableOutput::record_file() const {
  return fs::path(file_) += ".run.json";
}

void ResumableOutput::check_place() const {
  if (!options_.file.has_filename()) {
    throw usage_error(
        fmt::format("{}: is a folder, but a file is to be written there", options_.file.string()));
  }
  check_apart(options_.file);
  check_replaceable(filesystem_, record_file());
  check_apart(record_file());
}

/// Throws if `place` is an input or lies in one.
void ResumableOutput::check_apart(const fs::path& place) const {
  const fs::path target = filesystem_.canonical(place);
  for (const fs::path& path : options_.inputs) {
    const fs::path input = filesystem_.canonical(path);
    if (target == input) {
      throw usage_error(fmt::format(
          "{}: is an input, which would be overwritten; choose another output", place.string()));
    }
    if (filesystem_.is_directory(input) && lies_in(target, input)) {
      throw usage_error(
          fmt::format("{}: lies in {}, which is an input, and would be read as part of it; "
                      "choose another output",
                      place.string(), path.string()));
    }
  }
}

/// Takes over what an earlier run has left, or refuses it.
void ResumableOutput::take_over() {
  may_replace_ = options_.overwrite;
  if (!filesystem_.exists(hidden("partial")) || (options_.overwrite && !options_.resume)) return;
  Json head;
  try {
    head = read_journal();
  } catch (const Error& error) {
    if (!options_.replace_others || error.category() != ErrorCategory::input) throw;
    discard_rows();
    return;
  }
  if (finished_.empty()) return;
  if (!options_.resume) {
    throw usage_error(
        fmt::format("{}: an interrupted run has left {} finished; {}, --overwrite discards them",
                    options_.file.string(), counted(finished_.size(), "row"), options_.to_resume));
  }
  if (is_other(head.at("settings"))) return discard_rows();
  may_replace_ = may_replace_ || head.at("overwrite").get<bool>();
}

/// What an interrupted run has left is none of this one's.
void ResumableOutput::discard_rows() {
  filesystem_.remove(hidden("partial"));
  finished_.clear();
  may_replace_ = options_.overwrite;
}

/// Fills finished_, leaving out a last line that is incomplete; returns the first line.
Json ResumableOutput::read_journal() {
  const fs::path place = hidden("partial");
  const std::string text = filesystem_.read_text(place, kLargestJournal);
  Json head = {{"settings", Json::object()}, {"overwrite", false}};
  try {
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      Json line =
          parse_python_json(std::string_view(text).substr(begin, end - begin), place.string());
      if (begin == 0) {
        head.at("settings") = line.at("settings");
        head.at("overwrite") = line.at("overwrite");
      } else if (line.contains("committing")) {
        may_replace_ = true;
      } else {
        finished_.insert_or_assign(line.at("row").get<std::uint64_t>(),
                                   std::move(line.at("result")));
      }
    }
  } catch (const Json::exception&) {
    refuse_journal(place);
  } catch (const Error&) {  // a line that is not JSON
    refuse_journal(place);
  }
  return head;
}

/// Whether rows were made with other settings, so that they are to be discarded; throws where they
/// are not.
bool ResumableOutput::is_other(const Json& earlier) const {
  const std::string found = difference_of(earlier, options_.settings);
  if (found.empty() || options_.replace_others) return !found.empty();
  throw usage_error(fmt::format(
      "{}: an interrupted run with other settings has left {}: {}; give those settings again, or "
      "--overwrite alone to start over",
      options_.file.string(), counted(finished_.size(), "row"), found));
}

/// Writes the journal anew, with what was taken over, first under another name, so that the old one
/// is whole until it is replaced.
void ResumableOutput::begin_journal() {
  std::string lines = line_of({{"settings", options_.settings}, {"overwrite", may_replace_}});
  for (const auto& [number, result] : finished_)
    lines += line_of({{"row", number}, {"result", result}});
  journal_ = filesystem_.create(hidden("journal"), Caching::buffered);
  write_lines(lines);
  filesystem_.rename_replace(hidden("journal"), hidden("partial"));
  filesystem_.sync_directory(file_.parent_path());
}

void ResumableOutput::write_lines(std::string_view lines) {
  journal_->write_at(journal_size_, std::as_bytes(std::span(lines.data(), lines.size())));
  journal_->sync();
  journal_size_ += lines.size();
}

void ResumableOutput::append(std::span<const Row> rows) {
  std::string lines;
  for (const auto& [number, result] : rows) lines += line_of({{"row", number}, {"result", result}});
  write_lines(lines);
  for (const auto& [number, result] : rows) finished_.insert_or_assign(number, result);
}

Error ResumableOutput::with_advice(const Error& error) const {
  if (committed_ || finished_.empty()) return error;
  return Error(error.category(), fmt::format("{}; what is finished, {}, is kept: {}", error.what(),
                                             counted(finished_.size(), "row"), options_.to_resume));
}

void ResumableOutput::commit(std::string_view text, Json record) {
  record["digest"] = text_digest(text);
  filesystem_.write_text(hidden("record"), format_json(record));
  filesystem_.write_text(hidden("finished"), text);
  // From here on, an existing FILE is this run's own.
  write_lines(line_of({{"committing", true}}));
  filesystem_.rename_replace(hidden("record"), record_file());
  filesystem_.rename_replace(hidden("finished"), file_);
  filesystem_.sync_directory(file_.parent_path());
  committed_ = true;
  journal_->close();
  filesystem_.remove(hidden("partial"));
}

}  // namespace expo
