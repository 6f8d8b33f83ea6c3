#include "expo/cli/command_context.h"

#include "expo/cli/engine_program.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/shell_word.h"
#include "expo/served/engine/served_engine.h"

namespace expo {
namespace {

std::string joined(int argc, const char* const* argv) {
  std::string line = "expo";
  for (int i = 1; i < argc; ++i) line += " " + shell_quoted(argv[i]);
  return line;
}

/// Opens an engine; each kind of engine has a line here.
struct Open {
  const EmbeddedOpener& open_embedded;
  const CancellationToken& cancellation;

  std::unique_ptr<Engine> operator()(const EmbeddedSpec& spec) const {
    return open_embedded(posix_filesystem(), hugging_face_environment(), spec);
  }
  std::unique_ptr<Engine> operator()(const ServedSpec& spec) const {
    return open_served_engine(posix_filesystem(), hugging_face_environment(), spec, cancellation,
                              open_embedded);
  }
};

}  // namespace

CommandContext::CommandContext(const CancellationToken& token, int argc, const char* const* argv,
                               const EmbeddedOpener& open_embedded)
    : cancellation(token),
      command_line(joined(argc, argv)),
      argv_(argv),
      open_embedded_(open_embedded) {}

void CommandContext::prepare(const EngineSpec& spec) const {
  if (needs_libtorch(spec)) go_on_with_libtorch();
}

void CommandContext::go_on_with_libtorch() const {
  if (!open_embedded_) become_engine_program(argv_);
}

std::unique_ptr<Engine> CommandContext::open_engine(
    const EngineSpec& spec, const std::optional<AlphaSchedule>& alpha) const {
  prepare(spec);
  auto engine = reopen_engine(spec);
  if (alpha) engine->move_to(*alpha, cancellation);
  const EngineDescription self = engine->describe();
  print_warnings(self.warnings);
  print_notes(self.notes);
  return engine;
}

std::unique_ptr<Engine> CommandContext::reopen_engine(const EngineSpec& spec) const {
  return std::visit(Open{open_embedded_, cancellation}, spec);
}

}  // namespace expo
