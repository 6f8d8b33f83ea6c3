#include "expo/served/engine/shared_rows.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

namespace expo {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};

}  // namespace

void SharedRows::Part::finish(std::size_t index, const std::function<void()>& pass_on) {
  shared_.guarded([&] {
    is_done_.at(index) = true;
    pass_on();
  });
}

void SharedRows::Part::report(const std::function<void()>& call) {
  shared_.guarded(call);
}

SharedRows::SharedRows(std::size_t rows, std::size_t workers, std::size_t most)
    : left_(rows), workers_(workers), most_(most), failures_(workers) {
  std::iota(left_.begin(), left_.end(), std::size_t{0});
}

std::vector<std::optional<Error>> SharedRows::run(const Work& work,
                                                  const CancellationToken& cancellation) {
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < workers_; ++worker)
    threads.emplace_back([this, worker, &work] { serve(worker, work); });
  {
    std::unique_lock lock(mutex_);
    while (ended_ < workers_) {
      changed_.wait_for(lock, kBetweenLooks);
      if (!cancellation.cancelled()) continue;
      stop_.cancel();
      changed_.notify_all();
    }
  }
  for (std::thread& thread : threads) thread.join();
  if (fatal_) std::rethrow_exception(fatal_);
  cancellation.check();
  // All workers have failed then.
  if (!left_.empty()) throw Error(last_failure_.value());
  return failures_;
}

void SharedRows::serve(std::size_t worker, const Work& work) {
  bool goes_on = true;
  while (goes_on) {
    std::optional<Part> part = next();
    if (!part) break;
    try {
      work(worker, *part);
    } catch (const Error& error) {
      // Before its rows are given to others, which may fail too.
      fail(worker, error);
      goes_on = false;
    } catch (...) {
      stop_with(std::current_exception());
      goes_on = false;
    }
    take_back(*part);
  }
  const std::scoped_lock lock(mutex_);
  ++ended_;
  changed_.notify_all();
}

void SharedRows::fail(std::size_t worker, const Error& failure) {
  if (failure.category() != ErrorCategory::environment)
    return stop_with(std::make_exception_ptr(failure));
  const std::scoped_lock lock(mutex_);
  if (!fatal_) last_failure_ = failures_[worker] = failure;
}

/// Waits while others may still give rows back.
std::optional<SharedRows::Part> SharedRows::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !left_.empty() || given_out_ == 0 || stop_.cancelled(); });
  if (left_.empty() || stop_.cancelled()) return std::nullopt;
  const std::size_t fair = (left_.size() + 2 * workers_ - 1) / (2 * workers_);
  const auto count = static_cast<std::ptrdiff_t>(std::clamp(fair, std::size_t{1}, most_));
  std::vector<std::size_t> rows(left_.begin(), left_.begin() + count);
  left_.erase(left_.begin(), left_.begin() + count);
  given_out_ += rows.size();
  return Part(*this, std::move(rows));
}

/// Ends a part: what it has not done is left for others.
void SharedRows::take_back(const Part& part) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = part.rows_.size(); i-- > 0;) {
    if (!part.is_done_[i]) left_.push_front(part.rows_[i]);
  }
  given_out_ -= part.rows_.size();
  changed_.notify_all();
}

/// A failure of the caller's own function is none of the worker's, whatever its kind.
void SharedRows::guarded(const std::function<void()>& call) {
  const std::scoped_lock lock(mutex_);
  try {
    call();
  } catch (...) {
    if (!fatal_) fatal_ = std::current_exception();
    stop_.cancel();
    changed_.notify_all();
    throw;
  }
}

void SharedRows::stop_with(std::exception_ptr failure) {
  const std::scoped_lock lock(mutex_);
  if (!fatal_) fatal_ = std::move(failure);
  stop_.cancel();
  changed_.notify_all();
}

}  // namespace expo
