#include "expo/core/thread_team.h"

#include <system_error>

#include "expo/core/parallel.h"

namespace expo {
namespace {

/// Attempts before a thread yields its processor: about 50 microseconds.
constexpr int kSpins = 1000;

void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// One attempt of a wait.
void spin(int& spins) {
  if (++spins < kSpins) {
    pause_processor();
  } else {
    std::this_thread::yield();
  }
}

std::uint32_t phase_of(std::uint64_t ticket) {
  return static_cast<std::uint32_t>(ticket >> 32);
}

/// Waits until `value` is no longer `old`; sleeps if that takes long.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_processor();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(unsigned threads) {
  const unsigned wanted = threads == 0 ? available_threads() : threads;
  threads_.reserve(wanted - 1);
  try {
    for (unsigned worker = 1; worker < wanted; ++worker)
      threads_.emplace_back([this, worker] { work(worker); });
  } catch (const std::system_error&) {
    // The system gives no more threads.
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true, std::memory_order_relaxed);
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(Member& member)>& body) {
  body_ = &body;
  first_phase_ = phase_of(next_.load(std::memory_order_relaxed));
  inside_.store(size(), std::memory_order_relaxed);
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  Member member(*this, 0, first_phase_);
  body(member);
  leave();
  for (int spins = 0; inside_.load(std::memory_order_acquire) != 0;) spin(spins);
}

void ThreadTeam::work(unsigned worker) {
  for (std::uint32_t seen = 0;; ++seen) {
    wait_while(run_, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    Member member(*this, worker, first_phase_);
    (*body_)(member);
    leave();
  }
}

void ThreadTeam::leave() {
  inside_.fetch_sub(1, std::memory_order_acq_rel);
}

/// The next item of this member's phase; false when the phase is over.
bool ThreadTeam::Member::claim(std::int64_t count, std::int64_t& index) {
  if (count <= 0) return false;
  int spins = 0;
  std::uint64_t ticket = team_.next_.load(std::memory_order_acquire);
  while (phase_of(ticket) == phase_) {
    index = static_cast<std::int64_t>(ticket & 0xFFFFFFFFU);
    if (index >= count) {  // the other members still work on their items
      spin(spins);
      ticket = team_.next_.load(std::memory_order_acquire);
    } else if (team_.next_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

/// The member that finishes the last item opens the next phase.
void ThreadTeam::Member::finish(std::int64_t count) {
  if (team_.done_.fetch_add(1, std::memory_order_acq_rel) + 1 < count) return;
  team_.done_.store(0, std::memory_order_relaxed);
  team_.next_.store(static_cast<std::uint64_t>(phase_ + 1) << 32, std::memory_order_release);
}

}  // namespace expo
