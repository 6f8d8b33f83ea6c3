#include "expo/cli/options/engine_word.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/http/server_address.h"

namespace expo {
namespace {

std::optional<ServerKind> server_kind(const std::string& word) {
  for (const ServerKind kind : {ServerKind::openai, ServerKind::vllm, ServerKind::llama_server}) {
    if (word == server_kind_name(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace

EngineWord parse_engine_word(const std::string& word, const std::string& option) {
  const auto is_url = [](const std::string& text) {
    return text.starts_with("http://") || text.starts_with("https://");
  };
  const std::size_t equals = word.find('=');
  const bool has_kind = equals != std::string::npos && !is_url(word);
  const std::string kind = has_kind ? word.substr(0, equals) : "";
  const std::string place = has_kind ? word.substr(equals + 1) : word;
  if (kind == "embedded") return {std::nullopt, place, {}};
  const auto server = server_kind(kind);
  if (!server && !is_url(place)) return {std::nullopt, word, {}};
  const std::size_t hash = place.find('#');
  // Whatever is wrong with the address is told first: it may hold a password.
  const ServerAddress address(place.substr(0, hash), option);
  if (!server) {
    throw usage_error(
        fmt::format("{}: {} is a server's address; say which kind of server it is: "
                    "vllm=URL, llama-server=URL or openai=URL",
                    option, address.text()));
  }
  return {server, address.text(), hash == std::string::npos ? "" : place.substr(hash + 1)};
}

EngineSpec spec_of_model(const std::string& word, const std::string& option,
                         const MachineOptions& machine, const ServerOptions& server,
                         std::optional<std::int64_t> moment) {
  const EngineWord parsed = parse_engine_word(word, option);
  if (!parsed.server) {
    EmbeddedSpec spec;
    spec.model = parsed.where;
    spec.moment = moment;
    machine.set(spec);
    return spec;
  }
  ServedSpec spec;
  spec.kind = *parsed.server;
  spec.url = parsed.where;
  spec.model = parsed.served;
  spec.moment = moment;
  spec.max_requests = machine.batch_size;
  server.set(spec);
  spec.check();
  return spec;
}

}  // namespace expo
