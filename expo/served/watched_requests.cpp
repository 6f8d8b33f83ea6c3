#include "expo/served/watched_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/served/model_check.h"

namespace expo {
namespace {

/// How long answers are held while there is more to be asked, and how many.
constexpr std::chrono::seconds kBetweenLooks{1};
constexpr std::size_t kMostHeld = 256;

}  // namespace

WatchedRequests::WatchedRequests(HttpClient& client, const Dialect& dialect, ServedModel& model)
    : client_(client), dialect_(dialect), model_(model), watched_(dialect.watched()) {}

void WatchedRequests::run(const ServedWork& work, const CancellationToken& cancellation) {
  require_same_model(dialect_, model_, facts_of(client_, cancellation));
  last_look_ = Clock::now();
  try {
    do {
      client_.run([&] { return next(work); },
                  [&](HttpAnswer answer) { receive(work, std::move(answer)); }, cancellation);
    } while (!again_.empty() && !failure_);
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::interrupted) throw;
    failure_ = error;
  }
  // What has come counts after an interruption too.
  const CancellationToken fresh;
  finish(failure_ ? fresh : cancellation);
}

std::optional<HttpRequest> WatchedRequests::next(const ServedWork& work) {
  if (failure_) return std::nullopt;
  if (auto look = next_look(work)) return look;
  if (again_.empty() && sent_ == work.count) return std::nullopt;
  std::size_t number = sent_;
  if (again_.empty()) {
    ++sent_;
  } else {
    number = again_.front();
    again_.pop_front();
  }
  HttpRequest request = work.request(number);
  request.tag = number;
  most_in_flight_ = std::max(most_in_flight_, ++in_flight_);
  return request;
}

/// A look is made of requests like the others, so that it holds nobody up: where a server works on
/// few requests at a time, it waits its turn.
std::optional<HttpRequest> WatchedRequests::next_look(const ServedWork& work) {
  if (watched_.empty()) return std::nullopt;
  if (looks_sent_ == 0) {
    const bool is_due =
        held_.size() >= kMostHeld || (!held_.empty() && Clock::now() - last_look_ >= kBetweenLooks);
    if (!is_due) return std::nullopt;
    confirmable_ = held_.size();
    seen_.clear();
  }
  if (looks_sent_ == watched_.size()) return std::nullopt;
  const std::size_t number = looks_sent_++;
  return HttpRequest{work.count + number, watched_[number], {}};
}

void WatchedRequests::receive(const ServedWork& work, HttpAnswer answer) {
  if (answer.tag >= work.count) {
    const std::size_t number = answer.tag - work.count;
    return receive_look(std::move(answer), number);
  }
  --in_flight_;
  if (answer.failure && is_to_be_sent_again(answer)) return;
  if (answer.failure) {
    return fail(Error(answer.failure->category(),
                      fmt::format("{}: {}", work.place(answer.tag), answer.failure->what())));
  }
  try {
    held_.push_back(work.read(answer.tag, answer));
  } catch (const Error& error) {
    return fail(error);
  }
  if (!watched_.empty()) return;
  const auto pass_on = std::move(held_.back());
  held_.pop_back();
  pass_on();
}

void WatchedRequests::receive_look(HttpAnswer answer, std::size_t number) {
  // The last look, when the work has ended, decides then.
  if (answer.failure && answer.status != 404) return fail(*answer.failure);
  seen_[watched_[number]] = std::move(answer);
  if (seen_.size() < watched_.size()) return;
  confirm(confirmable_,
          {client_.address(), [this](const std::string& path) { return seen_.at(path); }});
  looks_sent_ = 0;
}

bool WatchedRequests::is_to_be_sent_again(const HttpAnswer& answer) {
  if (repeated_.contains(answer.tag) || !dialect_.adapt(model_, answer)) return false;
  repeated_.insert(answer.tag);
  again_.push_back(answer.tag);
  return true;
}

void WatchedRequests::fail(const Error& error) {
  if (!failure_) failure_ = error;
}

/// Passes on the first `count` answers, if the server has still the same model.
void WatchedRequests::confirm(std::size_t count, const ServerFacts& facts) {
  try {
    require_same_model(dialect_, model_, facts);
  } catch (const Error& error) {
    if (held_.empty()) throw;
    throw Error(error.category(),
                fmt::format("{}; {} that came since it was last seen with that model {} left out",
                            error.what(), counted(held_.size(), "answer"),
                            held_.size() == 1 ? "is" : "are"));
  }
  last_look_ = Clock::now();
  // Taken out first: if one cannot be passed on, none is passed on twice.
  const auto end = held_.begin() + static_cast<std::ptrdiff_t>(count);
  const std::vector<std::function<void()>> confirmed(std::make_move_iterator(held_.begin()),
                                                     std::make_move_iterator(end));
  held_.erase(held_.begin(), end);
  for (const auto& pass_on : confirmed) pass_on();
}

void WatchedRequests::finish(const CancellationToken& cancellation) {
  const std::optional<Error> failure = failure_;
  try {
    if (!held_.empty()) confirm(held_.size(), facts_of(client_, cancellation));
  } catch (const Error& error) {
    if (!failure) throw;
    throw Error(failure->category(), fmt::format("{}; {}", failure->what(), error.what()));
  }
  if (failure) throw *failure;
}

}  // namespace expo
