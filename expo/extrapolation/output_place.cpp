#include "expo/extrapolation/output_place.h"

#include "expo/core/error.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

void check_file(Filesystem& filesystem, const fs::path& output,
                const AtomicDirectoryOptions& options) {
  const fs::path target = filesystem.canonical(output);
  for (const fs::path& input : options.inputs) {
    if (filesystem.canonical(input) == target) {
      throw usage_error(output.string() + ": the output is one of the inputs; write it elsewhere");
    }
  }
  const auto status = filesystem.status(output);
  if (status && status->is_directory) {
    throw usage_error(output.string() +
                      ": a folder is in the way of the GGUF file; write it elsewhere");
  }
  if (status && !options.overwrite) {
    throw usage_error(output.string() +
                      ": already exists; --overwrite replaces it, once the new one is whole");
  }
}

/// The folder that the file is made in; it is never put in place itself.
fs::path workshop(const fs::path& output) {
  return output.parent_path() / ("." + output.filename().string() + ".folder");
}

const fs::path& checked(Filesystem& filesystem, const fs::path& output,
                        const AtomicDirectoryOptions& options) {
  OutputPlace::check(filesystem, output, options);
  return output;
}

AtomicDirectoryOptions folder_options(const fs::path& output, AtomicDirectoryOptions options) {
  // An input's folder is no obstacle to a file beside it.
  if (OutputPlace::is_file(output)) options.inputs.clear();
  return options;
}

}  // namespace

OutputPlace::OutputPlace(Filesystem& filesystem, const fs::path& output,
                         const AtomicDirectoryOptions& options)
    : filesystem_(filesystem),
      output_(checked(filesystem, output, options)),
      overwrite_(options.overwrite),
      directory_(filesystem, is_file(output) ? workshop(output) : output,
                 folder_options(output, options)) {}

void OutputPlace::check(Filesystem& filesystem, const fs::path& output,
                        const AtomicDirectoryOptions& options) {
  if (is_file(output)) {
    check_file(filesystem, output, options);
  } else {
    check_destination(filesystem, output, options);
  }
}

void OutputPlace::commit() {
  if (!is_file(output_)) return directory_.commit();
  const fs::path file = directory_.partial() / output_.filename();
  if (overwrite_) {
    filesystem_.rename_replace(file, output_);
  } else {
    filesystem_.rename_no_replace(file, output_);
  }
  filesystem_.sync_directory(filesystem_.canonical(output_).parent_path());
  directory_.keep_on_failure(false);
  directory_.abandon();
}

}  // namespace expo
