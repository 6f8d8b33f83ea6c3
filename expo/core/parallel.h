#pragma once

#include <cstddef>
#include <functional>

namespace expo {

/// Runs body(index, worker) for every index in [0, count) on `threads` threads, one of which is the
/// caller's. Indices are handed out in ascending order, and `worker` is in [0, threads). After the
/// first exception no further index is handed out, and it is rethrown here once every thread has
/// returned; `on_failure`, if given, is called once at the moment of that exception, from the
/// failing thread, to wake up threads that wait.
void parallel_for(std::size_t count, unsigned threads,
                  const std::function<void(std::size_t index, unsigned worker)>& body,
                  const std::function<void()>& on_failure = {});

/// The number of processors that this process may use, at least 1.
unsigned available_threads() noexcept;

}  // namespace expo
