#include "expo/http/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "expo/core/python_json.h"
#include "expo/core/text.h"
#include "expo/core/version.h"
#include "expo/http/retry_policy.h"
#include "expo/http/server_words.h"

namespace expo {
namespace {

/// Spreads the retries of requests that failed together. It decides nothing but time.
double jitter() {
  thread_local std::minstd_rand generator{std::random_device()()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

double seconds(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

/// How many bytes of what a server says to a failure are passed on.
constexpr std::size_t kMostWords = 4096;

bool is_about_certificates(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR ||
         code == CURLE_SSL_INVALIDCERTSTATUS;
}

bool is_about_reaching(CURLcode code) {
  // curl knows no other time limit than that for connecting.
  return code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_CONNECT ||
         code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY;
}

}  // namespace

Transfer::Transfer(const TransferContext& context, HttpRequest request)
    : context_(context), request_(std::move(request)) {}

CURL* Transfer::begin() {
  handle_.reset(curl_easy_init());
  if (!handle_) throw environment_error("curl: no request can be made; is there memory left?");
  body_.clear();
  is_too_large_ = has_begun_ = asked_exactly_ = false;
  status_ = 0;
  asked_.reset();
  curl_words_[0] = '\0';
  begun_at_ = last_byte_ = Clock::now();
  set_security();
  set_request();
  return handle_.get();
}

void Transfer::set_security() {
  CURL* const handle = handle_.get();
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (const char* const file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0') {
    curl_easy_setopt(handle, CURLOPT_CAINFO, file);
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  // What is meant for this machine must not leave it through a proxy.
  if (context_.address.is_loopback()) curl_easy_setopt(handle, CURLOPT_PROXY, "");
}

void Transfer::set_request() {
  CURL* const handle = handle_.get();
  const HttpOptions& options = context_.options;
  curl_easy_setopt(handle, CURLOPT_URL, context_.address.url(request_.path).c_str());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, fmt::format("expo/{}", version()).c_str());
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_limit.count()));
  // What a proxy says to CONNECT is no part of the answer.
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // A connection that was used before, and that breaks, makes curl send the request again.
  if (!options.repeat_unanswered) curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  // Finds hosts that are gone without a word while an answer is awaited.
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, 30L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 15L);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, curl_words_);
  curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_slist* list = curl_slist_append(nullptr, "Accept: application/json");
  list = curl_slist_append(list, "Expect:");
  if (!context_.key.is_none()) list = curl_slist_append(list, context_.key.header().c_str());
  if (!request_.body.empty()) {
    list = curl_slist_append(list, "Content-Type: application/json");
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request_.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
  }
  headers_.reset(list);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_.get());
}

std::size_t Transfer::take_body(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.last_byte_ = Clock::now();
  if (size > transfer.context_.options.largest_answer - transfer.body_.size()) {
    transfer.is_too_large_ = true;
    return 0;
  }
  transfer.body_.append(data, size);
  return size;
}

std::size_t Transfer::take_header(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size);
  transfer.last_byte_ = Clock::now();
  if (line.starts_with("HTTP/"))
    curl_easy_getinfo(transfer.handle_.get(), CURLINFO_RESPONSE_CODE, &transfer.status_);
  transfer.has_begun_ |= transfer.status_ >= 200;
  if (const auto wait = asked_wait(line, std::chrono::system_clock::now())) {
    const bool exactly = lower_case(line).starts_with("retry-after-ms");
    if (exactly || !transfer.asked_exactly_) transfer.asked_ = wait;
    transfer.asked_exactly_ |= exactly;
  }
  return size;
}

std::chrono::milliseconds Transfer::answer_limit() const {
  return request_.answer_limit.value_or(context_.options.answer_limit);
}

/// An answer that comes byte by byte must end too.
std::chrono::milliseconds Transfer::whole_limit() const {
  return context_.options.connect_limit + answer_limit() + context_.options.stall_limit;
}

bool Transfer::is_overdue(Clock::time_point now) const {
  const HttpOptions& options = context_.options;
  const auto limit = has_begun_ ? options.stall_limit : answer_limit() + options.connect_limit;
  return now - last_byte_ > limit || now - begun_at_ > whole_limit();
}

std::string Transfer::place() const {
  const std::string url = context_.address.url(request_.path);
  return retries_ == 0 ? url : fmt::format("{} (tried {} times)", url, retries_ + 1);
}

std::optional<HttpAnswer> Transfer::fail_or_wait(bool may_repeat, const Failure& failure) {
  const auto asked = asked_.value_or(std::chrono::milliseconds(0));
  const bool is_too_long = asked > context_.options.longest_wait;
  if (may_repeat && retries_ < context_.options.most_retries && !is_too_long) {
    // Asked for or not, a wait grows: a server that asks for none would be flooded.
    due_ = Clock::now() + std::max(asked, backoff(context_.options.first_wait, retries_, jitter()));
    ++retries_;
    return std::nullopt;
  }
  std::string message = fmt::format("{}: {}", place(), failure.what);
  if (may_repeat && is_too_long)
    message += fmt::format("; it asks to wait for {:g} s", seconds(asked));
  if (!failure.remedy.empty()) message += fmt::format("; {}", failure.remedy);
  return HttpAnswer{request_.tag,
                    {},
                    status_,
                    Error(failure.category, context_.key.hidden_in(message)),
                    context_.key.hidden_in(body_).substr(0, kMostWords),
                    failure.kind};
}

/// A server that has begun to answer well has done the work, and one that said nothing may have.
bool Transfer::may_send_again() const {
  const bool may_have_worked = status_ == 0 || (status_ >= 200 && status_ <= 299);
  return context_.options.repeat_unanswered || !may_have_worked;
}

std::optional<HttpAnswer> Transfer::end(CURLcode code, bool may_reconnect) {
  handle_.reset();
  headers_.reset();
  body_ = context_.key.hidden_in_body(std::move(body_));
  if (is_too_large_) {
    return fail_or_wait(false,
                        {HttpFailure::broken, ErrorCategory::input,
                         fmt::format("the answer is larger than {} bytes, which none should be",
                                     context_.options.largest_answer),
                         "is this the server that you mean?"});
  }
  if (code != CURLE_OK) return fail_by_line(code, may_reconnect);
  if (status_ < 200 || status_ > 299) return fail_by_status();
  return answer_of_body();
}

std::optional<HttpAnswer> Transfer::answer_of_body() {
  HttpAnswer answer{request_.tag, {}, status_};
  if (trimmed(body_, " \t\r\n").empty()) return answer;
  try {
    answer.json = parse_python_json(body_, "answer");
    context_.key.hide_in(answer.json);
    return answer;
  } catch (const Error& error) {
    return fail_or_wait(may_send_again(),
                        {HttpFailure::broken, ErrorCategory::input,
                         fmt::format("what the server answered is no JSON ({}): \"{}\"",
                                     error.what(), server_words(body_, context_.key)),
                         "is this the server that you mean?"});
  }
}

std::optional<HttpAnswer> Transfer::fail_by_status() {
  const std::string words = server_words(body_, context_.key);
  std::string what = fmt::format("the server answered with status {}", status_);
  if (!words.empty()) what += fmt::format(": \"{}\"", words);
  if (status_ >= 300 && status_ < 400) {
    return fail_or_wait(false,
                        {HttpFailure::refused, ErrorCategory::usage, what,
                         "redirections are not followed; give the address that it leads to"});
  }
  if (status_ == 401 || status_ == 403) {
    const std::string remedy =
        context_.key.is_none()
            ? fmt::format("no key was sent: {} names the environment variable that holds it",
                          context_.options.key_option)
            : "check the key in the environment variable " + context_.key.variable();
    return fail_or_wait(false, {HttpFailure::refused, ErrorCategory::environment, what, remedy});
  }
  const bool may_repeat = may_retry(status_, body_);
  const bool is_theirs = may_repeat || status_ == 429;
  return fail_or_wait(
      may_repeat,
      {HttpFailure::refused, is_theirs ? ErrorCategory::environment : ErrorCategory::input, what});
}

std::optional<HttpAnswer> Transfer::fail_by_line(CURLcode code, bool may_reconnect) {
  const std::string words =
      on_one_line(curl_words_[0] != '\0' ? curl_words_ : curl_easy_strerror(code));
  if (is_about_certificates(code)) {
    return fail_or_wait(false, {HttpFailure::unreachable, ErrorCategory::environment,
                                fmt::format("the server's certificate is not accepted ({})", words),
                                "SSL_CERT_FILE names a file with the certificates to trust"});
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) return fail_by_time();
  if (is_about_reaching(code)) {
    return fail_or_wait(may_reconnect, {HttpFailure::unreachable, ErrorCategory::environment,
                                        fmt::format("the server cannot be reached ({})", words),
                                        "is it running, and is this its address?"});
  }
  return fail_or_wait(may_send_again(), {HttpFailure::broken, ErrorCategory::environment,
                                         fmt::format("the connection broke ({})", words)});
}

/// Another try is worth it once: each one costs the whole time again, here and on the server.
std::optional<HttpAnswer> Transfer::fail_by_time() {
  const bool may_repeat = timeouts_++ == 0 && may_send_again();
  std::string what = fmt::format("there was no answer within {:g} s", seconds(answer_limit()));
  if (has_begun_) {
    const auto silence = Clock::now() - last_byte_;
    what = silence > context_.options.stall_limit
               ? fmt::format("the answer stopped in the middle for {:g} s",
                             seconds(context_.options.stall_limit))
               : fmt::format("the answer was not complete within {:g} s", seconds(whole_limit()));
  }
  return fail_or_wait(may_repeat, {HttpFailure::late, ErrorCategory::environment, what});
}

}  // namespace expo
