#include "expo/served/weights/weight_type.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/served/model_check.h"
#include "expo/served/served_client.h"

namespace expo {

DType served_weight_type(const ServerFacts& facts, const Dialect& dialect,
                         std::optional<DType> named) {
  const auto said = dialect.weight_type(facts);
  if (!said && !named) {
    throw usage_error(fmt::format(
        "{}: the server does not say in which type it holds its weights; give --dtype TYPE, or "
        "start it with VLLM_SERVER_DEV_MODE=1, which α needs anyway",
        facts.address.text()));
  }
  if (said && named && *said != *named) {
    throw usage_error(fmt::format(
        "--dtype: the server at {} holds its weights in {}, not in {}; leave the option out, or "
        "start the server with that type",
        facts.address.text(), torch_name(*said), torch_name(*named)));
  }
  return said ? *said : *named;
}

DType ask_weight_type(const ServedSpec& spec, const CancellationToken& cancellation) {
  const std::vector<std::string> urls = all_urls(spec);
  for (const std::string& url : urls) {
    HttpClient client(ServerAddress(url, "MODEL"),
                      ApiKey::from_environment(spec.key_variable, spec.key_option()),
                      http_options(spec));
    try {
      return served_weight_type(facts_of(client, cancellation), *make_dialect(spec),
                                spec.pair.value().dtype);
    } catch (const Error& error) {
      // Another one may answer.
      if (error.category() != ErrorCategory::environment || &url == &urls.back()) throw;
    }
  }
  throw std::logic_error("a spec without a server");
}

}  // namespace expo
