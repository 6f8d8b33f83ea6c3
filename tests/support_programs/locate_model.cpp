// Prints where a model's name leads and what would be used from there, as JSON: the folder, the
// model's id and commit, the weights, the sidecars, and the digests of the files for which the
// cache knows one.
#include <cstdio>

#include "expo/checkpoint/folder/sidecars.h"
#include "expo/checkpoint/folder/weight_choice.h"
#include "expo/checkpoint/open/model_reference.h"
#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {
namespace {

Json describe(const std::string& name) {
  Filesystem& filesystem = posix_filesystem();
  const Environment environment = hugging_face_environment();
  Json result{{"cache", hub_cache_folder(environment).string()}};
  const ModelLocation location = locate_model(filesystem, name, environment);
  result["path"] = location.path.string();
  if (location.snapshot) {
    result["model_id"] = location.snapshot->model_id;
    result["commit"] = location.snapshot->commit;
  }
  if (const auto choice = choose_weights(filesystem, location.path)) {
    result["weights"] = choice->file.string();
  }
  std::vector<std::string> warnings;
  for (const Sidecar& sidecar : list_sidecars(filesystem, location.path, warnings)) {
    result["sidecars"].push_back(sidecar.name);
  }
  for (const std::string& file : filesystem.list(location.path)) {
    const auto digest = cached_sha256(filesystem, location.path / file);
    if (digest) result["sha256"][file] = *digest;
  }
  return result;
}

}  // namespace
}  // namespace expo

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw expo::usage_error("usage: locate_model NAME");
    std::fputs(expo::format_json(expo::describe(argv[1])).c_str(), stdout);
    return 0;
  } catch (const expo::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return expo::exit_code(error.category());
  }
}
