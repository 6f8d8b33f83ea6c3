#include "expo/extrapolation/write/output_place.h"

#include <strings.h>

#include <cstring>

#include "expo/core/error.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

bool is_gguf(Filesystem& filesystem, const fs::path& file) {
  const auto opened = filesystem.open(file, Caching::buffered);
  if (opened->size() < 4) return false;
  AlignedBuffer scratch;
  const auto magic = opened->read(0, 4, scratch);
  return std::memcmp(magic.data(), "GGUF", 4) == 0;
}

void check_file(Filesystem& filesystem, const fs::path& output,
                const AtomicDirectoryOptions& options) {
  const fs::path target = filesystem.canonical(output);
  for (const fs::path& input : options.inputs) {
    const fs::path place = filesystem.canonical(input);
    if (place == target) {
      throw usage_error(output.string() + ": the output is one of the inputs; write it elsewhere");
    }
    if (filesystem.is_directory(place) && target.parent_path() == place) {
      throw usage_error(output.string() + ": the output lies in the folder of the input " +
                        input.string() + ", which would then hold two models; write it elsewhere");
    }
  }
  const auto status = filesystem.status(output);
  if (status && status->is_directory) {
    throw usage_error(output.string() +
                      ": is a folder, but the output is a GGUF file; write it elsewhere");
  }
  if (status && !options.overwrite) {
    throw usage_error(output.string() +
                      ": already exists; --overwrite replaces it once the new one is complete");
  }
  if (status && !is_gguf(filesystem, output)) {
    throw usage_error(output.string() +
                      ": is not a GGUF file, and --overwrite replaces nothing else here; remove it "
                      "yourself, or write elsewhere");
  }
}

/// The folder in which the file is made; the folder itself is never put in place.
fs::path workshop(const fs::path& output) {
  return output.parent_path() / ("." + output.filename().string() + ".folder");
}

const fs::path& checked(Filesystem& filesystem, const fs::path& output,
                        const AtomicDirectoryOptions& options) {
  OutputPlace::check(filesystem, output, options);
  return output;
}

AtomicDirectoryOptions folder_options(const fs::path& output, AtomicDirectoryOptions options) {
  // A file may be written beside an input, in the same folder.
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

bool OutputPlace::is_file(const fs::path& output) {
  const std::string ending = output.extension().string();
  return ending.size() == 5 && ::strcasecmp(ending.c_str(), ".gguf") == 0;
}

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
