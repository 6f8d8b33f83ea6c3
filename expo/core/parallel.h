#pragma once

#include <cstddef>
#include <functional>

namespace expo {

/// Runs body(index, worker) for every index in [0, count), on `threads` threads of which the
/// caller's is one; indices are handed out in ascending order, `worker` is in [0, threads). The
/// first exception stops the handing out and is thrown here after every thread has come back;
/// `on_failure`, if given, is called once at that moment (from the failing thread), to wake up
/// whoever waits.
void parallel_for(std::size_t count, unsigned threads,
                  const std::function<void(std::size_t index, unsigned worker)>& body,
                  const std::function<void()>& on_failure = {});

/// Processors that this process may use, at least 1.
unsigned available_threads() noexcept;

}  // namespace expo
