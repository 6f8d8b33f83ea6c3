#include "expo/http/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "expo/http/transfer.h"

namespace expo {
namespace {

using std::chrono::milliseconds;

/// How long a look at the cancellation token and at time limits may be put off.
constexpr milliseconds kLongestPause{100};

void require(CURLMcode code) {
  if (code != CURLM_OK) throw environment_error(fmt::format("curl: {}", curl_multi_strerror(code)));
}

CURLM* open_connections() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* const result = started == CURLE_OK ? curl_multi_init() : nullptr;
  if (result == nullptr) throw environment_error("curl: it cannot be started");
  return result;
}

}  // namespace

void HttpOptions::wait_for_answers(double seconds) {
  answer_limit = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
}

/// Connections that outlive a run, so that the next one need not open them again.
class HttpClient::Connections {
 public:
  explicit Connections(std::size_t most) : multi_(open_connections()) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(most));
  }
  ~Connections() { curl_multi_cleanup(multi_); }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  CURLM* get() const { return multi_; }

 private:
  CURLM* multi_;
};

/// One call of run(): the transfers that are in flight or wait for another try.
class HttpClient::Run {
 public:
  Run(HttpClient& client, const Source& next, const Sink& sink,
      const CancellationToken& cancellation)
      : client_(client), next_(next), sink_(sink), cancellation_(cancellation) {}
  ~Run() {
    for (const auto& transfer : transfers_) take_back(*transfer);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void work() {
    while (true) {
      cancellation_.check();
      take_more();
      if (transfers_.empty()) return;
      begin_due();
      int running = 0;
      require(curl_multi_perform(multi(), &running));
      if (end_finished() || end_overdue()) continue;
      require(curl_multi_poll(multi(), nullptr, 0, static_cast<int>(pause().count()), nullptr));
    }
  }

 private:
  CURLM* multi() const { return client_.connections_->get(); }

  void take_back(const Transfer& transfer) const {
    if (transfer.handle() != nullptr) curl_multi_remove_handle(multi(), transfer.handle());
  }

  void take_more() {
    while (has_more_ && transfers_.size() < client_.options_.most_in_flight) {
      std::optional<HttpRequest> request = next_();
      has_more_ = request.has_value();
      if (!has_more_) return;
      transfers_.push_back(std::make_unique<Transfer>(context_, *std::move(request)));
    }
  }

  /// A transfer that is not in curl's hands waits for its first or its next try.
  void begin_due() {
    const auto now = Transfer::Clock::now();
    for (const auto& transfer : transfers_) {
      if (transfer->handle() == nullptr && transfer->due() <= now)
        require(curl_multi_add_handle(multi(), transfer->begin()));
    }
  }

  bool end_finished() {
    int left = 0;
    bool any = false;
    while (const CURLMsg* const message = curl_multi_info_read(multi(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      end(*transfer, code);
      any = true;
    }
    return any;
  }

  bool end_overdue() {
    const auto now = Transfer::Clock::now();
    std::vector<Transfer*> overdue;
    for (const auto& transfer : transfers_) {
      if (transfer->handle() != nullptr && transfer->is_overdue(now))
        overdue.push_back(transfer.get());
    }
    for (Transfer* const transfer : overdue) end(*transfer, CURLE_ABORTED_BY_CALLBACK);
    return !overdue.empty();
  }

  void end(Transfer& transfer, CURLcode code) {
    take_back(transfer);
    client_.has_answered_ |= transfer.has_status();
    std::optional<HttpAnswer> answer = transfer.end(code, client_.has_answered_);
    if (!answer) return;
    std::erase_if(transfers_, [&](const auto& each) { return each.get() == &transfer; });
    sink_(*std::move(answer));
    has_more_ = true;
  }

  /// Until the next try is due, or for the longest pause.
  milliseconds pause() const {
    auto result = kLongestPause;
    const auto now = Transfer::Clock::now();
    for (const auto& transfer : transfers_) {
      if (transfer->handle() != nullptr) continue;
      const auto left = std::chrono::ceil<milliseconds>(transfer->due() - now);
      result = std::clamp(left, milliseconds(0), result);
    }
    return result;
  }

  HttpClient& client_;
  const Source& next_;
  const Sink& sink_;
  const CancellationToken& cancellation_;
  const TransferContext context_{client_.address_, client_.key_, client_.options_};
  std::vector<std::unique_ptr<Transfer>> transfers_;
  bool has_more_ = true;
};

HttpClient::HttpClient(ServerAddress address, ApiKey key, HttpOptions options)
    : address_(std::move(address)),
      key_(std::move(key)),
      options_(options),
      connections_(std::make_unique<Connections>(options.most_in_flight)) {
  if (!key_.is_none() && !address_.is_encrypted() && !address_.is_loopback()) {
    throw usage_error(
        fmt::format("{}: the key in {} would go over the network unencrypted; use https, or a "
                    "tunnel to this machine",
                    address_.text(), key_.variable()));
  }
}

HttpClient::~HttpClient() = default;

void HttpClient::run(const Source& next, const Sink& sink, const CancellationToken& cancellation) {
  Run(*this, next, sink, cancellation).work();
}

HttpAnswer HttpClient::ask(HttpRequest request, const CancellationToken& cancellation) {
  if (request.body.empty() && !request.answer_limit) request.answer_limit = options_.get_limit;
  std::optional<HttpRequest> one = std::move(request);
  HttpAnswer result;
  run([&] { return std::exchange(one, std::nullopt); },
      [&](HttpAnswer answer) { result = std::move(answer); }, cancellation);
  return result;
}

Json HttpClient::get(const std::string& path, const CancellationToken& cancellation) {
  HttpAnswer answer = ask({0, path, {}}, cancellation);
  if (answer.failure) throw *answer.failure;
  return std::move(answer.json);
}

Json HttpClient::post(const std::string& path, const Json& body,
                      const CancellationToken& cancellation) {
  HttpAnswer answer = ask({0, path, compact_json(body)}, cancellation);
  if (answer.failure) throw *answer.failure;
  return std::move(answer.json);
}

}  // namespace expo
