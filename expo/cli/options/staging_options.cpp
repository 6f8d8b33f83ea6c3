#include "expo/cli/options/staging_options.h"

#include <CLI/CLI.hpp>

#include "expo/cli/arguments/help_sections.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {

void StagingOptions::declare(CLI::App& command) {
  command.option_defaults()->group(help_section::kServer);
  command
      .add_option("--staging-dir", staging_dir,
                  "Folder in which checkpoints are written for vLLM to read, two at a time")
      ->type_name("DIR");
  command
      .add_option("--server-path", server_path,
                  "What the folder's path begins with here, and on the server's machine or in its "
                  "container instead; default: the same")
      ->type_name("CLIENT=SERVER");
  command.add_flag("--prove-embedded", prove_embedded,
                   "At each α, also run the model here, and compare the server's "
                   "log-probabilities with its");
}

void StagingOptions::set(ServedPair& pair) const {
  pair.staging = staging_dir;
  pair.prove_embedded = prove_embedded;
  if (server_path.empty()) return;
  const std::size_t equals = server_path.find('=');
  pair.client_path = server_path.substr(0, equals);
  if (equals != std::string::npos) pair.server_path = server_path.substr(equals + 1);
  if (!pair.client_path.starts_with('/') || !pair.server_path.starts_with('/')) {
    throw usage_error("--server-path: '" + on_one_line(server_path) +
                      "' is not of the form CLIENT=SERVER with two whole paths, such as "
                      "/scratch/stage=/stage");
  }
}

void StagingOptions::check_unused(const GivenOptions& given, const std::string& why) {
  refuse_given(given, {"--staging-dir", "--server-path", "--prove-embedded"}, why);
}

}  // namespace expo
