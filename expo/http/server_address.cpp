#include "expo/http/server_address.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

using ParsedUrl = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

/// A part of the URL; empty if it has none.
std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return text;
}

bool is_on_this_machine(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  // Only an address in four numbers: 127.example.org is a name like any other.
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

ServerAddress::ServerAddress(std::string_view url, std::string_view where) {
  const ParsedUrl parsed(curl_url(), curl_url_cleanup);
  const auto expected = "expected http://HOST:PORT or https://HOST";
  if (curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), 0) != CURLUE_OK)
    throw usage_error(fmt::format("{}: what stands there is no address; {}", where, expected));
  if (!part_of(parsed.get(), CURLUPART_USER).empty() ||
      !part_of(parsed.get(), CURLUPART_PASSWORD).empty()) {
    throw usage_error(
        fmt::format("{}: the address holds a user's name or password, which process lists and logs "
                    "would show; put the key into an environment variable, and name that by "
                    "the option that there is for it",
                    where));
  }
  const std::string scheme = lower_case(part_of(parsed.get(), CURLUPART_SCHEME));
  if ((scheme != "http" && scheme != "https") || !part_of(parsed.get(), CURLUPART_QUERY).empty() ||
      !part_of(parsed.get(), CURLUPART_FRAGMENT).empty()) {
    // It is not repeated: what stands behind a question mark may be a key.
    throw usage_error(fmt::format(
        "{}: what stands there is no server's address; {}, without ? and #", where, expected));
  }
  const std::string host = lower_case(part_of(parsed.get(), CURLUPART_HOST));
  const std::string port = part_of(parsed.get(), CURLUPART_PORT);
  std::string path = part_of(parsed.get(), CURLUPART_PATH);
  while (path.ends_with('/')) path.pop_back();
  if (path.ends_with("/v1")) path.erase(path.size() - 3);
  encrypted_ = scheme == "https";
  loopback_ = is_on_this_machine(host);
  text_ = scheme + "://" + host + (port.empty() ? "" : ":" + port) + path;
}

}  // namespace expo
