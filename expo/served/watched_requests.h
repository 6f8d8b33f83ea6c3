#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "expo/served/dialect.h"

namespace expo {

/// One piece of work: requests with numbers from 0 on, and what becomes of their answers.
struct ServedWork {
  std::size_t count = 0;
  std::function<HttpRequest(std::size_t number)> request = {};
  /// The rows of a request, for errors.
  std::function<std::string(std::size_t number)> place = {};
  /// Reads an answer, and returns what passes it on. Throws Error for one that will not do.
  std::function<std::function<void()>(std::size_t number, const HttpAnswer& answer)> read = {};
};

/// Sends the requests of one piece of work. If the server can tell that its model is another one
/// (Dialect::watched()), then answers are held until a look at it that began after they came has
/// found the same model: a look before the work, one each second, and one at its end.
///
/// After the first failure no further request is sent; those in flight end, and are passed on,
/// before it is thrown.
class WatchedRequests {
 public:
  /// `model` learns what Dialect::adapt() finds out.
  WatchedRequests(HttpClient& client, const Dialect& dialect, ServedModel& model);

  /// Throws the first failure with the rows in front, or Error(input) if the server has another
  /// model, with the number of answers that are left out because of that.
  void run(const ServedWork& work, const CancellationToken& cancellation);
  /// The most requests of the work that were in flight at the same time.
  std::size_t most_in_flight() const { return most_in_flight_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<HttpRequest> next(const ServedWork& work);
  std::optional<HttpRequest> next_look(const ServedWork& work);
  void receive(const ServedWork& work, HttpAnswer answer);
  void receive_look(HttpAnswer answer, std::size_t number);
  bool is_to_be_sent_again(const HttpAnswer& answer);
  void fail(const Error& error);
  void confirm(std::size_t count, const ServerFacts& facts);
  void finish(const CancellationToken& cancellation);

  HttpClient& client_;
  const Dialect& dialect_;
  ServedModel& model_;
  const std::vector<std::string> watched_;

  std::size_t sent_ = 0;
  std::deque<std::size_t> again_;
  std::set<std::size_t> repeated_;
  std::size_t in_flight_ = 0;
  std::size_t most_in_flight_ = 0;
  std::vector<std::function<void()>> held_;
  std::optional<Error> failure_;

  Clock::time_point last_look_;
  std::size_t looks_sent_ = 0;   ///< of watched_, for the look that is under way
  std::size_t confirmable_ = 0;  ///< answers that were there when it began
  std::map<std::string, HttpAnswer> seen_;
};

}  // namespace expo
