#include "expo/core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace expo {

void parallel_for(std::size_t count, unsigned threads,
                  const std::function<void(std::size_t, unsigned)>& body,
                  const std::function<void()>& on_failure) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  const auto work = [&](unsigned worker) {
    try {
      while (!failed.load(std::memory_order_relaxed)) {
        const std::size_t index = next.fetch_add(1);
        if (index >= count) return;
        body(index, worker);
      }
    } catch (...) {
      if (failed.exchange(true)) return;
      failure = std::current_exception();
      if (on_failure) on_failure();
    }
  };
  std::vector<std::jthread> helpers;
  const unsigned extra = static_cast<unsigned>(
      std::min<std::size_t>(threads > 0 ? threads - 1 : 0, count > 0 ? count - 1 : 0));
  try {
    for (unsigned worker = 1; worker <= extra; ++worker) helpers.emplace_back(work, worker);
  } catch (const std::system_error&) {  // the system gives no more threads: go on with these
  }
  work(0);
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

unsigned available_threads() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace expo
