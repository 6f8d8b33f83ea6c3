// Sends requests by the room `http`, for tests against a server that misbehaves:
//   http_tool URL OPTIONS         a request {"path", "body"} a line -> its answer a line, in the
//                                 order of arrival: {"tag", "status", "json"} or {"tag", "status",
//                                 "failure", "exit"}
//   http_tool URL OPTIONS COUNT   the same for COUNT requests {"number": N} to /echo -> {"answers",
//                                 "distinct", "failures", "memory": [kB, …] every tenth of them}
// OPTIONS is JSON: HttpOptions by name, times in ms; "key": the name of a variable.

#include <fstream>
#include <iostream>
#include <set>

#include "expo/core/error.h"
#include "expo/http/http_client.h"

namespace {

using namespace expo;

HttpOptions options_of(const Json& given) {
  HttpOptions options;
  options.most_in_flight = given.value("in_flight", options.most_in_flight);
  options.most_retries = given.value("retries", options.most_retries);
  options.largest_answer = given.value("largest_answer", options.largest_answer);
  const auto take = [&](const char* name, std::chrono::milliseconds& time) {
    if (given.contains(name)) time = std::chrono::milliseconds(given.at(name).get<long>());
  };
  take("first_wait", options.first_wait);
  take("longest_wait", options.longest_wait);
  take("connect_limit", options.connect_limit);
  take("answer_limit", options.answer_limit);
  take("stall_limit", options.stall_limit);
  options.repeat_unanswered = given.value("repeat_unanswered", options.repeat_unanswered);
  return options;
}

Json to_json(const HttpAnswer& answer) {
  Json json = {{"tag", answer.tag}, {"status", answer.status}};
  if (answer.failure) {
    json["failure"] = answer.failure->what();
    json["exit"] = exit_code(answer.failure->category());
  } else {
    json["json"] = answer.json;
  }
  return json;
}

std::optional<HttpRequest> read_request(std::size_t tag) {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  const Json request = parse_json(line, "stdin");
  return HttpRequest{tag, request.at("path").get<std::string>(),
                     request.contains("body") ? compact_json(request.at("body")) : std::string()};
}

/// The memory that the process occupies, in kB.
std::size_t memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

void flood(HttpClient& client, std::size_t count, const CancellationToken& token) {
  std::size_t sent = 0, answers = 0, failures = 0;
  std::set<std::size_t> distinct;
  Json sizes = Json::array();
  const auto next = [&]() -> std::optional<HttpRequest> {
    if (sent == count) return std::nullopt;
    HttpRequest request{sent, "/echo", compact_json({{"number", sent}})};
    ++sent;
    return request;
  };
  const auto sink = [&](const HttpAnswer& answer) {
    ++answers;
    if (answer.failure) {
      ++failures;
    } else if (answer.json.at("number") == answer.tag) {
      distinct.insert(answer.tag);
    }
    if (answers % (count / 10) == 0) sizes.push_back(memory());
  };
  client.run(next, sink, token);
  std::cout << compact_json({{"answers", answers},
                             {"distinct", distinct.size()},
                             {"failures", failures},
                             {"memory", sizes}})
            << "\n";
}

void work(int argc, const char* const* argv) {
  const Json given = parse_json(argv[2], "OPTIONS");
  const ApiKey key = given.contains("key")
                         ? ApiKey::from_environment(given.at("key").get<std::string>())
                         : ApiKey();
  HttpClient client(ServerAddress(argv[1], "URL"), key, options_of(given));
  const CancellationToken token;
  if (argc > 3) return flood(client, std::stoul(argv[3]), token);
  std::size_t tag = 0;
  client.run([&] { return read_request(tag++); },
             [](const HttpAnswer& answer) {
               std::cout << compact_json(to_json(answer)) << "\n" << std::flush;
             },
             token);
}

}  // namespace

int main(int argc, const char* const* argv) {
  try {
    if (argc < 3) throw usage_error("http_tool: URL and OPTIONS are missing");
    work(argc, argv);
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return exit_code(error.category());
  }
}
