#include "expo/cli/options/engine_word.h"

#include <fmt/format.h>

#include <algorithm>

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

/// What stands between commas.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
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
  if (kind == "embedded") return {.server = {}, .where = place, .served = {}, .further = {}};
  const auto server = server_kind(kind);
  if (!server && !is_url(place)) return {.server = {}, .where = word, .served = {}, .further = {}};
  const std::size_t hash = place.find('#');
  // Whatever is wrong with the address is told first: it may hold a password.
  std::vector<std::string> addresses;
  for (const std::string& url : parts_of(place.substr(0, hash)))
    addresses.push_back(ServerAddress(url, option).text());
  if (!server) {
    throw usage_error(
        fmt::format("{}: {} is a server's address; say which kind of server it is: "
                    "vllm=URL, llama-server=URL or openai=URL",
                    option, addresses.front()));
  }
  return {server,
          addresses.front(),
          hash == std::string::npos ? "" : place.substr(hash + 1),
          {addresses.begin() + 1, addresses.end()}};
}

ServedSpec served_spec_of(const EngineWord& word, const MachineOptions& machine,
                          const ServerOptions& server) {
  ServedSpec spec;
  spec.kind = word.server.value();
  spec.url = word.where;
  spec.further_urls = word.further;
  spec.model = word.served;
  spec.max_requests = machine.batch_size;
  server.set(spec);
  return spec;
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
  ServedSpec spec = served_spec_of(parsed, machine, server);
  spec.moment = moment;
  spec.check();
  return spec;
}

}  // namespace expo
