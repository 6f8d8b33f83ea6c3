#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/http/api_key.h"
#include "expo/http/server_address.h"

namespace expo {

/// How requests are sent, and what is borne before one fails.
struct HttpOptions {
  std::size_t most_in_flight = 64;
  unsigned most_retries = 6;
  std::chrono::milliseconds first_wait{500};        ///< before a retry; see backoff()
  std::chrono::milliseconds longest_wait{300'000};  ///< that a server may ask for
  std::chrono::milliseconds connect_limit{10'000};
  /// For the first byte of an answer, which servers send when the whole answer is written.
  std::chrono::milliseconds answer_limit{600'000};
  std::chrono::milliseconds stall_limit{60'000};  ///< between bytes of an answer
  /// Instead of answer_limit for the first byte of get(), which no model has to compute.
  std::chrono::milliseconds get_limit{30'000};
  std::size_t largest_answer = 64U << 20;  ///< bytes
  /// Whether a request that the server may have worked on is sent again where its answer did not
  /// come whole; no for requests that cost money. An error's status says that it has not.
  bool repeat_unanswered = true;
  /// The option that names the key's variable, for messages.
  std::string key_option = "--key-variable";

  /// Sets answer_limit, rounded up to whole milliseconds.
  void wait_for_answers(double seconds);
};

/// Why a request has no answer.
enum class HttpFailure {
  none,         ///< it has one
  unreachable,  ///< it did not leave: there was no connection that may be used
  refused,      ///< by an error's status
  broken,       ///< the answer did not come whole, or is no JSON
  late,         ///< it was not there within a limit of time
};

/// A request of JSON.
struct HttpRequest {
  std::size_t tag = 0;  ///< the answer brings it back
  std::string path;     ///< begins with a slash
  std::string body;     ///< JSON, for POST; empty: GET
  /// Instead of HttpOptions::answer_limit.
  std::optional<std::chrono::milliseconds> answer_limit = {};
};

/// What came of a request: JSON, or why there is none.
struct HttpAnswer {
  std::size_t tag = 0;
  Json json;        ///< null if the server answered without a body; see parse_python_json
  long status = 0;  ///< of the last try; 0: there was no answer
  std::optional<Error> failure = {};
  /// The beginning of what the server said to a request that failed by its status.
  std::string words = {};
  HttpFailure kind = HttpFailure::none;
};

/// Sends JSON requests to one server, many at a time. A request is tried again as retry_policy.h
/// says, also after a connection that broke, stalled or was refused (the last only by a server that
/// has answered before; after a limit of time only once). Each try has a limit of time as a whole:
/// those for connecting, for the first byte and for a stall together. Redirections are not
/// followed; certificates are always verified (those of SSL_CERT_FILE, if that is set, instead of
/// the system's). A key is sent over plain http to this machine only, and appears in no error and
/// in no answer. Not thread-safe.
class HttpClient {
 public:
  using Source = std::function<std::optional<HttpRequest>()>;
  using Sink = std::function<void(HttpAnswer)>;

  /// Throws Error(usage) for a key that would go over an unencrypted line.
  HttpClient(ServerAddress address, ApiKey key, HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  const ServerAddress& address() const { return address_; }

  /// Sends the requests of `next`, and passes each one's answer to `sink` as soon as it is there,
  /// in no particular order. A request is taken only when it can be sent, so that memory holds
  /// those in flight alone. Where `next` gives none, it is asked again after each answer, and the
  /// run ends when none is in flight. If a function throws, or once cancelled, the rest is given
  /// up.
  void run(const Source& next, const Sink& sink, const CancellationToken& cancellation);

  /// Sends a single request. Throws its failure.
  Json get(const std::string& path, const CancellationToken& cancellation);
  Json post(const std::string& path, const Json& body, const CancellationToken& cancellation);
  /// The answer of a single request, whatever it is; that of GET within HttpOptions::get_limit.
  HttpAnswer ask(HttpRequest request, const CancellationToken& cancellation);

 private:
  class Connections;
  class Run;

  ServerAddress address_;
  ApiKey key_;
  HttpOptions options_;
  std::unique_ptr<Connections> connections_;
  bool has_answered_ = false;  ///< the server has, ever
};

}  // namespace expo
