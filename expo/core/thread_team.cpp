#include "expo/core/thread_team.h"

#include <chrono>
#include <system_error>

#include "expo/core/parallel.h"

namespace expo {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a thread waits awake. Waking a thread takes the system up to some 50 microseconds, and
/// phases whose threads end further apart than this are long enough not to notice. A program that
/// wants the processor gets it a small part of a time slice later.
constexpr std::chrono::microseconds kAwake{200};
constexpr int kPauses = 32;  ///< between two looks at the clock

void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

std::uint32_t phase_of(std::uint64_t ticket) {
  return static_cast<std::uint32_t>(ticket >> 32);
}

/// Waits until `value` is no longer `old`; sleeps if that takes long, so that a program beside this
/// one has the processor, and this thread's share of it is kept for its work.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  const auto changed = [&] { return value.load(std::memory_order_acquire) != old; };
  for (int i = 0; i < kPauses; ++i) {
    if (changed()) return;
    pause_processor();
  }
  const auto end = Clock::now() + kAwake;
  do {
    for (int i = 0; i < kPauses; ++i) {
      if (changed()) return;
      pause_processor();
    }
  } while (Clock::now() < end);
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
  ++running_;
  inside_.store(0, std::memory_order_release);
  run_.store(running_, std::memory_order_release);
  run_.notify_all();
  Member member(*this, 0, first_phase_);
  body(member);
  inside_.fetch_or(kClosed, std::memory_order_acq_rel);
  for (std::uint32_t inside = 0; (inside = inside_.load(std::memory_order_acquire)) != kClosed;)
    wait_while(inside_, inside);
}

void ThreadTeam::work(unsigned worker) {
  for (std::uint32_t seen = 0;;) {
    wait_while(run_, seen);
    seen = run_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!enter()) continue;
    // It may have come into a later run than the one that woke it, and before that was announced.
    seen = running_;
    while (run_.load(std::memory_order_acquire) != seen) pause_processor();
    Member member(*this, worker, first_phase_);
    (*body_)(member);
    leave();
  }
}

/// False if the run is over, as it may be for a thread that was woken late.
bool ThreadTeam::enter() {
  std::uint32_t inside = inside_.load(std::memory_order_relaxed);
  while ((inside & kClosed) == 0) {
    if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel,
                                      std::memory_order_relaxed))
      return true;
  }
  return false;
}

void ThreadTeam::leave() {
  if (inside_.fetch_sub(1, std::memory_order_acq_rel) - 1 == kClosed) inside_.notify_all();
}

/// The next item of this member's phase; false when the phase is over.
bool ThreadTeam::Member::claim(std::int64_t count, std::int64_t& index) {
  if (count <= 0) return false;
  std::uint64_t ticket = team_.next_.load(std::memory_order_acquire);
  while (phase_of(ticket) == phase_) {
    index = static_cast<std::int64_t>(ticket & 0xFFFFFFFFU);
    if (index >= count) {  // the other members still work on their items
      wait_while(team_.phase_, phase_);
      ticket = team_.next_.load(std::memory_order_acquire);
    } else if (team_.next_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

/// The member that finishes the last item opens the next phase. Nobody may claim an item of a
/// phase, and so end it, before `phase_` says that it runs.
void ThreadTeam::Member::finish(std::int64_t count) {
  if (team_.done_.fetch_add(1, std::memory_order_acq_rel) + 1 < count) return;
  team_.done_.store(0, std::memory_order_relaxed);
  team_.phase_.store(phase_ + 1, std::memory_order_release);
  team_.next_.store(static_cast<std::uint64_t>(phase_ + 1) << 32, std::memory_order_release);
  team_.phase_.notify_all();
}

}  // namespace expo
