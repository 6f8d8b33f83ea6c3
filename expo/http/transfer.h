#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "expo/http/http_client.h"

namespace expo {

/// What all tries of all requests of a client have in common.
struct TransferContext {
  const ServerAddress& address;
  const ApiKey& key;
  const HttpOptions& options;
};

/// One request with its tries, one at a time. It stays in one place in memory, because curl points
/// to it.
class Transfer {
 public:
  using Clock = std::chrono::steady_clock;

  Transfer(const TransferContext& context, HttpRequest request);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Begins a try, whose handle the caller gives to curl.
  CURL* begin();
  /// The handle of the try; null between tries.
  CURL* handle() const { return handle_.get(); }
  /// Ends a try that curl has ended with `code`, or a time limit (CURLE_ABORTED_BY_CALLBACK):
  /// returns the answer if there is no other try, and else std::nullopt, with due() set. The handle
  /// must be out of curl's hands. `may_reconnect`: whether a refused connection is worth another
  /// try.
  std::optional<HttpAnswer> end(CURLcode code, bool may_reconnect);
  /// When the next try begins.
  Clock::time_point due() const { return due_; }
  /// Whether a time limit is over. curl has one for connecting only.
  bool is_overdue(Clock::time_point now) const;
  /// Whether the server has sent a status in this try.
  bool has_status() const { return status_ != 0; }

 private:
  struct EasyCleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  struct ListCleanup {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  static std::size_t take_body(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t take_header(char* data, std::size_t, std::size_t size, void* self);
  void set_security();
  void set_request();
  struct Failure {
    HttpFailure kind = HttpFailure::refused;
    ErrorCategory category = ErrorCategory::environment;
    std::string what;
    std::string remedy = {};
  };

  std::optional<HttpAnswer> answer_of_body();
  /// The answer of a failure for good, or the wait before another try.
  std::optional<HttpAnswer> fail_or_wait(bool may_repeat, const Failure& failure);
  /// Whether another try costs nothing where the answer did not come whole.
  bool may_send_again() const;
  std::optional<HttpAnswer> fail_by_status();
  std::optional<HttpAnswer> fail_by_line(CURLcode code, bool may_reconnect);
  std::string place() const;
  std::chrono::milliseconds answer_limit() const;
  std::chrono::milliseconds whole_limit() const;
  std::optional<HttpAnswer> fail_by_time();

  const TransferContext& context_;
  HttpRequest request_;
  std::unique_ptr<CURL, EasyCleanup> handle_;
  std::unique_ptr<curl_slist, ListCleanup> headers_;
  char curl_words_[CURL_ERROR_SIZE] = {};
  std::string body_;
  bool is_too_large_ = false;
  long status_ = 0;
  std::optional<std::chrono::milliseconds> asked_;
  bool asked_exactly_ = false;  ///< by retry-after-ms
  unsigned retries_ = 0;
  unsigned timeouts_ = 0;
  Clock::time_point begun_at_;
  Clock::time_point last_byte_;
  bool has_begun_ = false;  ///< the answer to the request has
  Clock::time_point due_;
};

}  // namespace expo
