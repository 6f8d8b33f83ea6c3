#include "expo/served/model_check.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/http/server_words.h"
#include "expo/served/served_models.h"

namespace expo {

ServerFacts facts_of(HttpClient& client, const CancellationToken& cancellation) {
  return {client.address(), [&client, &cancellation](const std::string& path) {
            return client.ask({0, path, {}}, cancellation);
          }};
}

void require_same_model(const Dialect& dialect, const ServedModel& known,
                        const ServerFacts& facts) {
  ServedModel now = find_served_model(facts, known.id);
  dialect.learn(facts, now);
  const auto require = [&](const char* what, const std::string& is, const std::string& was) {
    if (is == was) return;
    throw input_error(fmt::format(
        "{}: the server has another {} now under the name {}: {}, not {}; start it as "
        "it was again",
        facts.address.text(), what, cut_words(known.id), cut_words(is), cut_words(was)));
  };
  require("model", now.root, known.root);
  require("list of LoRA adapters", compact_json(now.adapter_paths),
          compact_json(known.adapter_paths));
  require("version of its program", now.version, known.version);
  require("length of its context", std::to_string(now.context), std::to_string(known.context));
}

}  // namespace expo
