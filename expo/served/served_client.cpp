#include "expo/served/served_client.h"

#include <chrono>

namespace expo {

std::vector<std::string> all_urls(const ServedSpec& spec) {
  std::vector<std::string> urls = spec.further_urls;
  urls.insert(urls.begin(), spec.url);
  return urls;
}

HttpOptions http_options(const ServedSpec& spec) {
  HttpOptions options;
  options.most_in_flight = spec.max_requests;
  options.wait_for_answers(spec.answer_seconds);
  options.key_option = spec.key_option();
  return options;
}

HttpOptions reload_options(const ServedSpec& spec) {
  HttpOptions options;
  options.key_option = spec.key_option();
  options.most_in_flight = 1;
  options.most_retries = 1;
  options.answer_limit = std::chrono::hours(2);
  return options;
}

}  // namespace expo
