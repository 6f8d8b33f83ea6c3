#include "expo/checkpoint/output/atomic_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "expo/core/error.h"

namespace expo {
namespace {

using Path = std::filesystem::path;

bool belongs_to_run(std::string_view name) {
  return name.starts_with(".expo-");
}

/// Makes the entries of a folder and of those below it durable, innermost first.
void sync_folders(Filesystem& filesystem, const Path& folder) {
  for (const std::string& name : filesystem.list(folder)) {
    if (filesystem.is_directory(folder / name)) sync_folders(filesystem, folder / name);
  }
  filesystem.sync_directory(folder);
}

}  // namespace

AtomicDirectory::AtomicDirectory(Filesystem& filesystem, const Path& destination,
                                 const AtomicDirectoryOptions& options)
    : filesystem_(filesystem),
      options_(options),
      places_(check_destination(filesystem, destination, options)) {
  make_parents();
  lock_ = std::make_unique<OutputLock>(filesystem_, places_.lock, places_.folder, "output folder");
  recover_replaced();
  // Checked again, because the destination may have changed before the lock was held.
  check_destination(filesystem_, places_.folder, options_);
  probe_rename();
  take_over_or_clear(options_.resume);
  keep_ = resumed_;
  try {
    filesystem_.create_directory(places_.partial);
    filesystem_.sync_directory(places_.folder.parent_path());
  } catch (...) {
    abandon();
    throw;
  }
}

AtomicDirectory::~AtomicDirectory() {
  abandon();
}

void AtomicDirectory::make_parents() {
  const Path parent = places_.folder.parent_path();
  if (filesystem_.exists(parent)) return;
  Path existing = parent;
  while (!filesystem_.exists(existing)) existing = existing.parent_path();
  filesystem_.create_directory(parent);
  for (Path made = parent; made != existing;) {
    made = made.parent_path();
    filesystem_.sync_directory(made);
  }
}

/// Restores what a dead run left: if it died while it replaced an older checkpoint, it left that
/// one aside; if it died while it probed, it left an empty folder.
void AtomicDirectory::recover_replaced() {
  if (!filesystem_.exists(places_.replaced)) return;
  if (is_occupied(filesystem_, places_.folder) || !is_occupied(filesystem_, places_.replaced)) {
    filesystem_.remove(places_.replaced);
  } else {
    filesystem_.rename_no_replace(places_.replaced, places_.folder);
  }
  filesystem_.sync_directory(places_.folder.parent_path());
}

/// Asks the filesystem now, rather than after the work, whether a folder may be renamed to the
/// destination: an empty folder renamed onto it either replaces another empty one, or is refused
/// because there is something to exchange. Mount points fail.
void AtomicDirectory::probe_rename() {
  if (!filesystem_.exists(places_.folder)) return;
  filesystem_.remove(places_.replaced);
  filesystem_.create_directory(places_.replaced);
  try {
    filesystem_.rename_no_replace(places_.replaced, places_.folder);
  } catch (const Error& error) {
    filesystem_.remove(places_.replaced);
    if (error.category() == ErrorCategory::usage) return;
    throw environment_error(fmt::format(
        "{}; the output folder must be put in place as a whole, which this one does not "
        "allow, perhaps because it is a mount point: name a folder inside it",
        error.what()));
  }
}

void AtomicDirectory::take_over_or_clear(bool resume) {
  if (!filesystem_.exists(places_.partial)) return;
  resumed_ = resume && filesystem_.is_directory(places_.partial) &&
             std::ranges::any_of(filesystem_.list(places_.partial), belongs_to_run);
  if (!resumed_) filesystem_.remove(places_.partial);
}

void AtomicDirectory::start_over() {
  take_over_or_clear(false);
  filesystem_.create_directory(places_.partial);
  filesystem_.sync_directory(places_.folder.parent_path());
}

void AtomicDirectory::commit() {
  // Checked before anything of the run is given up, because something may have appeared at the
  // destination meanwhile.
  check_destination(filesystem_, places_.folder, options_);
  const auto dropped = drop_working_files();
  try {
    sync_folders(filesystem_, places_.partial);
    place();
  } catch (const Error& error) {
    if (!keep_) throw;
    write_back(dropped);
    throw Error(error.category(), fmt::format("{}; the finished checkpoint is kept in {}",
                                              error.what(), places_.partial.string()));
  }
  state_ = State::placed;
  filesystem_.sync_directory(places_.folder.parent_path());
  remove_replaced();
  lock_.reset();
}

AtomicDirectory::Texts AtomicDirectory::drop_working_files() {
  Texts texts;
  for (const std::string& name : filesystem_.list(places_.partial)) {
    if (!belongs_to_run(name)) continue;
    texts.emplace_back(name, filesystem_.read_text(places_.partial / name));
    filesystem_.remove(places_.partial / name);
  }
  return texts;
}

/// Restores the run's own files, so that a later run can resume what could not be put in place.
void AtomicDirectory::write_back(const Texts& texts) noexcept {
  try {
    for (const auto& [name, text] : texts) filesystem_.write_text(places_.partial / name, text);
  } catch (...) {  // then that run starts over
  }
}

void AtomicDirectory::place() {
  if (is_occupied(filesystem_, places_.folder)) {
    replace();
  } else {
    filesystem_.rename_no_replace(places_.partial, places_.folder);
  }
}

void AtomicDirectory::replace() {
  try {
    filesystem_.rename_exchange(places_.partial, places_.folder);
    return;
  } catch (const Error&) {  // not every filesystem can do this
  }
  filesystem_.rename_no_replace(places_.folder, places_.replaced);
  try {
    filesystem_.rename_no_replace(places_.partial, places_.folder);
  } catch (const Error& error) {
    try {
      filesystem_.rename_no_replace(places_.replaced, places_.folder);
    } catch (const Error&) {
      throw environment_error(fmt::format(
          "{}; the checkpoint that was there is now in {}: rename it back, or run again, which "
          "does so first",
          error.what(), places_.replaced.string()));
    }
    throw;
  }
}

/// Removes the replaced checkpoint: after an exchange it has the partial folder's name, and after
/// being renamed aside a name of its own. This happens only once the place of the new one is
/// durable: otherwise a loss of power could bring the old one back, emptied.
void AtomicDirectory::remove_replaced() {
  try {
    filesystem_.remove(places_.partial);
    filesystem_.remove(places_.replaced);
  } catch (const Error& error) {
    throw environment_error(
        fmt::format("{}: the new checkpoint is in place, but the one that it replaced could not be "
                    "removed: {}",
                    places_.folder.string(), error.what()));
  }
}

void AtomicDirectory::abandon() noexcept {
  try {
    if (state_ == State::writing && !keep_) filesystem_.remove(places_.partial);
  } catch (...) {  // the next run at this destination removes it
  }
  if (state_ == State::writing) state_ = State::abandoned;
  lock_.reset();
}

}  // namespace expo
